"""Old clients get what they used to get: an answer with the bare result, from a service that waits without threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import socket
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from served import DEADLINE_S, Served

from api.routes import legacy
from llmcoder import User
from llmcoder.ids import new_id
from models.jobs.approvals import Origin
from models.jobs.machine import State
from models.jobs.tables import jobs
from tests.integration.waiting import eventually

CLIENTS = 50
#: Of the slowest of many answers that need nothing, on a machine that is busy.
PROMPT_S = 5.0


@pytest.fixture
def alice(served: Served, new_user: Callable[[str], User]) -> Iterator[httpx.Client]:
    with served.client(new_user("alice@example.org")) as client:
        yield client


def newest(served: Served, number: int = 1) -> str:
    """The id of the newest job, once there are so many."""
    eventually(lambda: served.count() >= number)
    with served.db.read() as conn:
        return str(conn.execute(sa.select(jobs.c.id).order_by(jobs.c.id.desc()).limit(1)).scalar_one())


def answered(ask: Callable[[], httpx.Response], finish: Callable[[], object]) -> httpx.Response:
    """What a client gets whose job something happens to while it waits."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask)
        finish()
        return waiting.result(DEADLINE_S)


def test_the_answer_is_the_bare_result(served: Served, alice: httpx.Client) -> None:
    answer = answered(
        lambda: alice.post("/legacy/test/echo", json={"text": "old"}), lambda: served.finish(newest(served), "done")
    )
    assert (answer.status_code, answer.json()) == (200, {"text": "done"})
    assert answer.headers["content-type"] == "application/json"
    job = alice.get(answer.headers["location"]).json()
    assert (job["state"], job["input"], job["origin"]) == ("succeeded", {"text": "old"}, "person")


def test_a_read_is_asked_for_by_its_query(served: Served, alice: httpx.Client) -> None:
    answer = answered(
        lambda: alice.get("/legacy/test/fetch_mail", params={"text": "a b"}),
        lambda: served.finish(newest(served), "mail"),
    )
    assert (answer.status_code, answer.json()) == (200, {"text": "mail"})
    assert alice.get(answer.headers["location"]).json()["input"] == {"text": "a b"}


def test_what_takes_longer_is_a_link(served: Served, alice: httpx.Client) -> None:
    asked = time.monotonic()
    answer = alice.post("/legacy/test/echo", json={}, headers={"prefer": "wait=1"})
    assert time.monotonic() - asked >= 1
    assert answer.status_code == 202
    job = alice.get(answer.headers["location"]).json()
    assert (answer.json()["id"], job["state"]) == (job["id"], "queued")
    assert alice.post("/legacy/test/echo", json={}, headers={"prefer": "respond-async"}).status_code == 202


def test_it_waits_half_a_minute_by_default() -> None:
    assert legacy.WAIT_S == 30


def test_the_same_key_is_the_same_job_with_the_same_answer(served: Served, alice: httpx.Client) -> None:
    key = {"idempotency-key": "k1"}
    first = answered(
        lambda: alice.post("/legacy/test/echo", json={"text": "x"}, headers=key), lambda: served.finish(newest(served))
    )
    again = alice.post("/legacy/test/echo", json={"text": "x"}, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert (again.headers["idempotent-replayed"], "idempotent-replayed" in first.headers) == ("true", False)
    new = alice.post("/test/echo", json={"text": "x"}, headers=key)
    assert new.headers["location"] == first.headers["location"]
    assert alice.post("/legacy/test/echo", json={"text": "y"}, headers=key).status_code == 422
    assert served.count() == 1


@pytest.mark.parametrize(
    ("state", "slug", "status"),
    [
        (State.FAILED, "bad-input", 422), (State.FAILED, "not-found", 404), (State.FAILED, "forbidden", 403),
        (State.FAILED, "administrators-only", 403), (State.FAILED, "transient", 503), (State.FAILED, "timed-out", 504),
        (State.FAILED, "not-configured", 409), (State.FAILED, "defect", 500), (State.FAILED, "worker-lost", 500),
        (State.FAILED, "of-a-package-that-is-not-here", 409), (State.UNCERTAIN, "uncertain", 409),
        (State.FAILED, "after-effect", 409), (State.FAILED, "answer-unreadable", 409),
        (State.FAILED, None, 409), (State.CANCELLED, None, 409),
    ],
)  # fmt: skip
def test_a_job_that_fails_is_its_problem(
    served: Served, alice: httpx.Client, state: State, slug: str | None, status: int
) -> None:
    error = {"type": f"urn:llmcoder:problem:{slug}", "title": "So it is", "detail": "Not that."}

    def fail() -> None:
        job_id = newest(served)
        if state is not State.CANCELLED:
            served.move(job_id, State.RUNNING)
        served.move(job_id, state, error=None if slug is None else json.dumps(error))

    answer = answered(lambda: alice.post("/legacy/test/echo", json={}), fail)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert (body["status"], body["instance"]) == (status, answer.headers["location"])
    if slug is not None:
        assert {name: body[name] for name in error} == error


def test_a_job_that_waits_for_a_person_is_a_link_at_once(served: Served, alice: httpx.Client) -> None:
    alice.put("/preferences", json={"policies": {"test.post": "ask"}})
    answer = alice.post("/legacy/test/post", json={"to": "a", "text": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (202, "approval")
    assert alice.get(answer.headers["location"]).status_code == 200


def test_an_agents_write_waits_for_its_user_here_too(served: Served, user: User) -> None:
    token = served.identities.issue(user.id, new_id(), 600, Origin.AGENT)
    headers = {"authorization": f"Bearer {token}"}
    answer = httpx.post(f"{served.url}/legacy/test/post", json={"to": "a", "text": "x"}, headers=headers)
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["reason"], answer.json()["origin"]) == (
        "waiting",
        "approval",
        "agent",
    )


def test_what_is_refused_elsewhere_is_refused_here(served: Served, alice: httpx.Client) -> None:
    def slug(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    assert slug(httpx.post(f"{served.url}/legacy/test/echo", json={})) == (401, "unauthorized")
    assert slug(alice.post("/legacy/test/ecko", json={})) == (404, "not-found")
    assert slug(alice.post("/legacy/test/echo", json={"nonsense": 1})) == (422, "bad-input")
    assert slug(alice.get("/legacy/test/fetch_mail?nonsense=1")) == (422, "bad-input")
    assert slug(alice.post("/legacy/test/echo", content=b"{")) == (400, "invalid-json")
    assert slug(alice.post("/legacy/test/echo", content=b"x" * 10_000_000))[0] == 413
    assert slug(alice.post("/legacy/test/echo", data={"text": "x"}))[0] == 415
    assert alice.get("/legacy/test/post?to=a&text=x").status_code == 405
    put = alice.put("/legacy/test/echo", json={})
    assert (put.status_code, put.headers["allow"]) == (405, "GET, POST, OPTIONS")
    assert alice.head("/legacy/test/fetch_mail").status_code == 405
    assert alice.post("/legacy/test/look_inside", json={}).status_code == 403
    assert served.count() == 0


def test_a_client_that_goes_away_leaves_its_job_and_no_waiter(served: Served, user: User) -> None:
    hub = served.app.state.services.hub
    body = b'{"text":"x"}'
    head = (
        f"POST /legacy/test/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {served.token(user)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(head.encode() + body)
        job_id = newest(served)
        eventually(lambda: UUID(job_id) in hub._user(user.id).waiters)
    eventually(lambda: UUID(job_id) not in hub._user(user.id).waiters)
    with served.client(user) as another:
        assert another.get(f"/jobs/{job_id}").json()["state"] == "queued"
        served.finish(job_id)
        assert another.get(f"/jobs/{job_id}").json()["state"] == "succeeded"


def test_fifty_clients_that_wait_at_once_keep_nobody_else_waiting(served: Served, user: User) -> None:
    """More than there are threads for anything in the process: a wait that cost one would stop all that follow."""
    headers = {"authorization": f"Bearer {served.token(user)}"}

    async def all_of_them() -> tuple[list[httpx.Response], list[float]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=60, limits=limits) as client:
            waiting = [
                asyncio.create_task(client.post("/legacy/test/echo", json={"text": str(number)}))
                for number in range(CLIENTS)
            ]
            await asyncio.to_thread(eventually, lambda: served.count() == CLIENTS)
            took: list[float] = []
            for _ in range(50):
                asked = time.monotonic()
                assert (await client.get("/health/live")).status_code == 200
                took.append(time.monotonic() - asked)
            assert not any(one.done() for one in waiting)
            await asyncio.to_thread(finish_all)
            return await asyncio.gather(*waiting), took

    def finish_all() -> None:
        with served.db.read() as conn:
            found = conn.execute(sa.select(jobs.c.id, jobs.c.input)).all()
        for job_id, text in found:
            served.finish(str(job_id), json.loads(text)["text"])

    answers, took = asyncio.run(all_of_them())
    assert [(one.status_code, one.json()["text"]) for one in answers] == [(200, str(n)) for n in range(CLIENTS)]
    assert max(took) < PROMPT_S, took


def test_the_document_has_the_old_addresses(served: Served, alice: httpx.Client) -> None:
    path = alice.get("/openapi.json").json()["paths"]["/legacy/{domain}/{verb}"]
    assert set(path) == {"get", "post"}
    assert {"200", "202", "403", "404", "409", "500", "503", "504"} <= set(path["post"]["responses"])
    moved = alice.get("/legacy/").json()["moved"]
    assert moved["/legacy/test/echo"] == "/test/echo"
    assert alice.get("/legacy/test/ecko/x").status_code == 404
