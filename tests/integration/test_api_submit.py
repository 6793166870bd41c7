"""Submitting over HTTP: what is accepted, what is refused, what is the same job again, and how long one waits."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import Field, SecretStr
from served import Served, serving

from api.http import lean
from engine.broker import redis_client
from llmcoder import Context, Effect, Model, Settings, User, action
from llmcoder.registry import AnyAction
from models.db.database import Database
from models.jobs.tables import jobs
from tests.integration.own_redis import own_redis
from tests.integration.waiting import eventually


class VaultSettings(Settings):
    title = "Vault"
    needs = ("VAULT_TOKEN",)

    vault_token: SecretStr | None = Field(None, description="Token of the vault.")


class Question(Model):
    numbers: list[int] = Field(default_factory=list, description="Some numbers.", examples=[[1, 2]])
    exact: bool = Field(False, description="Whether exactly.")
    word: str | None = Field(None, description="A word.")


class Found(Model):
    text: str = ""


@action("test.look_up", effect=Effect.READ)
def look_up(given: Question, ctx: Context) -> Found:
    """Look something up."""
    return Found()


@action("test.open_vault", effect=Effect.DRAFT, requires=(VaultSettings,))
def open_vault(given: Question, ctx: Context) -> Found:
    """Need a setting."""
    return Found()


@pytest.fixture(name="served", params=["short", "ordinary"])
def served_both_ways(served: Served, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The short way of hot routes, and the ordinary one, which a page of another origin takes."""
    if request.param == "ordinary":
        monkeypatch.setattr(lean, "_is_plain", lambda _request: False)
    return served


@pytest.fixture
def api_actions() -> tuple[AnyAction, ...]:
    return (look_up, open_vault)


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


JOB_FIELDS = [
    "id", "action", "effect", "state", "reason", "input", "result", "error", "progress", "attempt", "max_attempts",
    "priority", "due_at", "created_at", "started_at", "finished_at", "rev",
    "origin", "tainted", "sources", "proposed_input", "expires_at", "decided_at", "note", "undo_of", "undone_by",
    "schedule_id", "parent_id", "files",
]  # fmt: skip


def test_a_post_is_answered_with_the_job_and_its_address(served: Served, alice: httpx.Client) -> None:
    answer = alice.post("/test/echo", json={"text": "hi"})

    assert answer.status_code == 202
    job = answer.json()
    assert list(job) == JOB_FIELDS
    assert (job["action"], job["state"], job["input"], job["rev"]) == ("test.echo", "queued", {"text": "hi"}, 1)
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert alice.get(answer.headers["location"]).json() == job


def test_any_action_by_name_with_time_and_priority(alice: httpx.Client) -> None:
    wanted = {"action": "test.echo", "input": {"text": "hi"}, "due_at": "2190-05-01T10:00:00+02:00", "priority": 2}

    job = alice.post("/jobs", json=wanted).json()

    assert (job["state"], job["reason"], job["priority"]) == ("scheduled", "delay", 2)
    assert job["due_at"] == "2190-05-01T08:00:00Z"


def test_no_body_is_an_empty_input(alice: httpx.Client) -> None:
    assert alice.post("/test/do_nothing").json()["input"] == {}


@pytest.mark.parametrize(
    ("path", "body", "status", "where"),
    [
        ("/test/take_nap", b'{"seconds": 1, "colour": "red"}', 422, ["body", "colour"]),
        ("/test/take_nap", b'{"seconds": "long"}', 422, ["body", "seconds"]),
        ("/test/take_nap", b"{}", 422, ["body", "seconds"]),
        ("/test/take_nap", b"[]", 422, ["body"]),
        ("/test/take_nap", b"null", 422, ["body"]),
        ("/test/take_nap", b'{"seconds": 1', 400, None),
        ("/test/take_nap", b'{"seconds": NaN}', 400, None),
        ("/test/take_nap", b'{"seconds": -Infinity}', 400, None),
        ("/test/echo", b'{"text": "\xff"}', 400, None),
        ("/test/echo", b'{"text": ' + b"[" * 100_000, 400, None),
        ("/jobs", b'{"action": "test.take_nap", "input": {"seconds": "x"}}', 422, ["body", "input", "seconds"]),
        ("/jobs", b'{"action": "test.echo", "input": []}', 422, ["body", "input"]),
        ("/jobs", b'{"action": "test.echo", "colour": 1}', 422, ["body", "colour"]),
        ("/jobs", b'{"action": "test.echo", "priority": 10}', 422, ["body", "priority"]),
        ("/jobs", b'{"action": "test.echo", "due_at": "2030-01-01T00:00:00"}', 422, ["body", "due_at"]),
        ("/jobs", b'{"action": "test.echo", "due_at": 2030}', 422, ["body", "due_at"]),
        ("/jobs", b'{"action": "test.echo", "due_at": "2030"}', 422, ["body", "due_at"]),
        ("/jobs", b'{"action": "test.echo", "due_at": "0001-01-01T00:00:00+14:00"}', 422, ["body", "due_at"]),
        ("/jobs", b"{}", 422, ["body", "action"]),
        ("/jobs", b"", 400, None),
    ],
)
def test_unusable_input_is_refused_with_its_place(
    served: Served, alice: httpx.Client, path: str, body: bytes, status: int, where: list[str] | None
) -> None:
    answer = alice.post(path, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].startswith("urn:llmcoder:problem:")
    if where is not None:
        assert where in [error["loc"] for error in answer.json()["errors"]]
    assert served.count() == 0


def test_the_words_not_a_number_may_stand_in_a_text(alice: httpx.Client) -> None:
    assert alice.post("/test/echo", json={"text": "NaN or Infinity"}).status_code == 202


def test_an_unknown_action_is_404_and_offers_the_nearest_names(alice: httpx.Client) -> None:
    answer = alice.post("/jobs", json={"action": "test.ecko", "input": {}})

    assert answer.status_code == 404
    assert "test.echo" in answer.json()["detail"]
    assert alice.post("/test/ecko", json={}).status_code == 404


def test_a_body_of_another_type_is_415(alice: httpx.Client) -> None:
    assert alice.post("/test/echo", data={"text": "hi"}).status_code == 415
    assert alice.post(
        "/test/echo", content=b"{}", headers={"content-type": "Application/JSON; charset=utf-8"}
    ).is_success


@pytest.mark.parametrize("chunked", [False, True])
def test_ten_megabytes_are_too_much(served: Served, alice: httpx.Client, chunked: bool) -> None:
    piece = b"x" * 1_000_000

    def pieces() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(10):
            yield piece
        yield b'"}'

    content: Any = pieces() if chunked else b"".join(pieces())
    answer = alice.post("/test/echo", content=content, headers={"content-type": "application/json"})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert served.count() == 0
    assert alice.post("/test/echo", json={"text": "still there"}).status_code == 202


def test_without_a_good_token_nothing_is_looked_at(served: Served, user: User) -> None:
    tokens = {
        "none": None,
        "garbage": "garbage",
        "forged": served.token(user)[:-4] + "AAAA",
        "expired": served.token(user, lives_s=-60),
    }
    for name, token in tokens.items():
        headers = {"authorization": f"Bearer {token}"} if token else {}
        for method, path in [("POST", "/test/echo"), ("POST", "/jobs"), ("GET", "/test/look_up"), ("GET", "/jobs")]:
            answer = httpx.request(method, served.url + path, headers=headers)
            assert answer.status_code == 401, (name, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert served.count() == 0


# --- the same submission again


def test_the_same_key_and_submission_is_the_first_job_again(served: Served, alice: httpx.Client) -> None:
    key = {"idempotency-key": "order 66"}
    first = alice.post("/test/take_nap", json={"seconds": 1, "deaf": False}, headers=key)
    served.finish(first.json()["id"])
    again = alice.post("/test/take_nap", content=b'{"deaf":false,  "seconds":1.0}', headers=key)

    assert "idempotent-replayed" not in first.headers
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["state"] == "succeeded"
    assert served.count() == 1


def test_the_same_key_for_another_submission_is_422(served: Served, alice: httpx.Client) -> None:
    key = {"idempotency-key": str(uuid4())}
    wanted: dict[str, Any] = {"action": "test.echo", "input": {"text": "one"}}
    assert alice.post("/jobs", json=wanted, headers=key).status_code == 202
    others = [
        wanted | {"input": {"text": "two"}},
        wanted | {"priority": 1},
        wanted | {"due_at": "2190-01-01T00:00:00Z"},
        {"action": "test.do_nothing", "input": {}},
    ]

    for other in others:
        answer = alice.post("/jobs", json=other, headers=key)
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:llmcoder:problem:idempotency-key-reused"
    assert alice.post("/test/echo", json={"text": "one"}, headers=key).headers["idempotent-replayed"] == "true"
    assert served.count() == 1


def test_a_key_belongs_to_its_user(served: Served, alice: httpx.Client, new_user: Callable[[str], User]) -> None:
    key = {"idempotency-key": "mine"}
    first = alice.post("/test/echo", json={"text": "a"}, headers=key).json()
    with served.client(new_user("bob@example.org")) as bob:
        other = bob.post("/test/echo", json={"text": "b"}, headers=key)

    assert other.status_code == 202
    assert other.json()["id"] != first["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "caf\xe9"])
def test_a_key_that_cannot_be_kept_is_400(served: Served, alice: httpx.Client, key: str) -> None:
    answer = alice.post("/test/echo", json={}, headers={"idempotency-key": key.encode("latin-1")})  # type: ignore[dict-item]

    assert answer.status_code == 400
    assert served.count() == 0


def test_many_at_once_under_one_key_are_one_job(served: Served, alice: httpx.Client) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: alice.post("/test/echo", json={}, headers={"idempotency-key": "one"}), range(40))
        )

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert served.count() == 1


# --- waiting


def run_soon(served: Served, action: str) -> threading.Thread:
    """Finish the first job of the action as soon as it is there."""

    def run() -> None:
        eventually(lambda: served.count() == 1)
        with served.db.read() as conn:
            found = conn.execute(jobs.select().where(jobs.c.action == action)).one()
        served.finish(str(found.id), "found")

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_prefer_wait_answers_with_the_ended_job(served: Served, alice: httpx.Client) -> None:
    worker = run_soon(served, "test.echo")
    began = time.monotonic()
    answer = alice.post("/test/echo", json={}, headers={"prefer": "wait=60"})
    worker.join()

    assert time.monotonic() - began < 50
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=60"
    assert (answer.json()["state"], answer.json()["result"]) == ("succeeded", {"text": "found"})


def test_prefer_wait_ends_with_202_when_the_time_is_up(alice: httpx.Client) -> None:
    began = time.monotonic()
    answer = alice.post("/test/echo", json={}, headers={"prefer": "wait=1"})

    assert 0.9 < time.monotonic() - began < 50
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"


def test_prefer_wait_works_for_a_replayed_job_that_has_ended(served: Served, alice: httpx.Client) -> None:
    headers = {"prefer": "wait=10", "idempotency-key": "k"}
    worker = run_soon(served, "test.echo")
    alice.post("/test/echo", json={}, headers=headers)
    worker.join()
    answer = alice.post("/test/echo", json={}, headers=headers)

    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")


def test_what_prefer_does_not_know_is_ignored(alice: httpx.Client) -> None:
    for prefer in ("wait=soon", "wait", "wait=-1", "return=minimal", "wait=0", ",,;="):
        answer = alice.post("/test/echo", json={}, headers={"prefer": prefer})
        assert answer.status_code == 202, prefer


def test_a_read_may_be_asked_for_by_get(served: Served, alice: httpx.Client) -> None:
    worker = run_soon(served, "test.look_up")
    answer = alice.get("/test/look_up", params={"numbers": [1, 2], "exact": "true", "word": "é&="})
    worker.join()

    assert answer.status_code == 200
    assert answer.json()["input"] == {"numbers": [1, 2], "exact": True, "word": "é&="}
    assert answer.json()["result"] == {"text": "found"}


def test_a_get_of_a_read_is_answered_at_once_on_request(alice: httpx.Client) -> None:
    answer = alice.get("/test/look_up?numbers=7", headers={"prefer": "respond-async"})

    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    assert answer.json()["input"]["numbers"] == [7]


@pytest.mark.parametrize("query", ["colour=red", "numbers=x", "word=a&word=b"])
def test_unusable_parameters_are_refused_with_their_name(alice: httpx.Client, query: str) -> None:
    answer = alice.get(f"/test/look_up?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"][:2] == ["query", query.partition("=")[0]]


# --- what else


def test_an_action_without_its_settings_is_409_and_names_them(served: Served, alice: httpx.Client) -> None:
    for answer in (alice.post("/test/open_vault", json={}), alice.post("/jobs", json={"action": "test.open_vault"})):
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:llmcoder:problem:not-configured"
        assert "VAULT_TOKEN" in answer.json()["detail"]
    assert served.count() == 0


def test_methods_are_answered_as_the_address_takes_them(served: Served, alice: httpx.Client) -> None:
    refused = alice.delete("/test/echo")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert refused.headers["content-type"] == "application/problem+json"
    assert alice.options("/jobs").headers["allow"] == "GET, POST, HEAD, OPTIONS"
    assert alice.options("/nowhere").status_code == 404
    head = alice.head("/jobs")
    assert (head.status_code, head.content) == (200, b"")
    # a HEAD must not make a job, although the GET does
    assert alice.head("/test/look_up").status_code == 405
    assert alice.head("/jobs/stream").status_code == 200
    assert served.count() == 0


def test_the_openapi_document_has_every_action_whole(served: Served) -> None:
    document = httpx.get(
        f"{served.url}/openapi.json", timeout=120
    ).json()  # made when first asked for: seconds, on a busy machine

    post = document["paths"]["/test/take_nap"]["post"]
    assert post["summary"] == "Take some time, with progress."
    assert post["security"] == [{"OAuth2PasswordBearer": []}]
    assert {"200", "202", "401", "409", "422"} <= set(post["responses"])
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Nap"}
    assert {"Idempotency-Key", "Prefer"} == {parameter["name"] for parameter in post["parameters"]}
    get = document["paths"]["/test/look_up"]["get"]
    assert {"numbers", "exact", "word", "Idempotency-Key", "Prefer"} == {
        parameter["name"] for parameter in get["parameters"]
    }
    references = set(_references(document))
    assert references <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    operations = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations))


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def test_a_hung_redis_neither_fails_nor_slows_a_submit(db: Database, tmp_path: Path, user: User) -> None:
    with (
        own_redis() as redis,
        serving(db, redis.url, tmp_path) as served,
        served.client(user) as alice,
    ):
        alice.post("/test/echo", json={})
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            took = [_timed(lambda: alice.post("/test/echo", json={})) for _ in range(300)]
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        assert served.count() == 301

    percentiles = statistics.quantiles(took, n=100)
    print(f"accept while Redis hangs: p50 {percentiles[49] * 1000:.1f} ms, p99 {percentiles[98] * 1000:.1f} ms")
    assert percentiles[49] < 1.0


def _timed(submit: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    assert submit().status_code == 202
    return time.perf_counter() - began


def test_the_doorbell_of_an_accepted_job_is_in_the_broker(served: Served, alice: httpx.Client, redis_url: str) -> None:
    job = alice.post("/test/echo", json={"text": "secret words"}).json()
    client = redis_client(redis_url)

    eventually(lambda: client.llen("llmcoder:io") == 1)

    envelope = client.lrange("llmcoder:io", 0, -1)[0]
    assert json.loads(envelope)["headers"]["id"] == job["id"]
    assert b"secret words" not in envelope
    client.close()
