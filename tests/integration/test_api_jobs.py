"""The doors under /jobs: lists, changes, one job, what one may tell it, and nobody else's."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from served import Served, serving

from llmcoder import User
from llmcoder.ids import new_id
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.tables import jobs, rate_limits, workers

pytestmark = pytest.mark.both_stores


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


@pytest.fixture
def bob(served: Served, new_user: Callable[[str], User]) -> Iterator[httpx.Client]:
    with served.client(new_user("bob@example.org")) as client:
        yield client


def uncertain(served: Served, client: httpx.Client) -> str:
    job_id: str = served.submit(client)["id"]
    served.move(job_id, State.RUNNING)
    served.move(job_id, State.UNCERTAIN, reason=Reason.NO_ANSWER)
    return job_id


# --- nobody else's


BODIES: dict[str, dict[str, object]] = {"resolve": {"happened": True}, "approve": {"sha256": "0" * 64}, "reject": {}}


def test_every_address_of_a_job_is_404_for_everybody_else(
    served: Served, alice: httpx.Client, bob: httpx.Client
) -> None:
    job_id = served.submit(alice)["id"]
    paths = alice.get("/openapi.json").json()["paths"]
    doors = [(method, path) for path, methods in paths.items() if "{job_id}" in path for method in methods]
    assert len(doors) >= 5

    for method, path in doors:
        address = path.replace("{job_id}", job_id)
        body = BODIES.get(path.rpartition("/")[2])
        answer = bob.request(method, address, json=body)
        unknown = bob.request(method, path.replace("{job_id}", str(new_id())), json=body)
        assert (answer.status_code, unknown.status_code) == (404, 404), (method, path)
        told = re.sub(r"[0-9a-f-]{36}", "", answer.text)
        assert told == re.sub(r"[0-9a-f-]{36}", "", unknown.text), "the answer gives away that the job exists"

    assert bob.get("/jobs").json()["items"] == []
    assert bob.get("/jobs?since=0").json() == {"items": [], "rev": 0}
    assert alice.get(f"/jobs/{job_id}").json()["state"] == "queued"


# --- lists


def test_a_list_is_newest_first_and_goes_on_at_its_cursor(served: Served, alice: httpx.Client) -> None:
    ids = [served.submit(alice, str(n))["id"] for n in range(5)]

    first = alice.get("/jobs?limit=2").json()
    second = alice.get(f"/jobs?limit=2&cursor={first['next']}").json()
    third = alice.get(f"/jobs?limit=2&cursor={second['next']}").json()

    seen = [job["id"] for page in (first, second, third) for job in page["items"]]
    assert seen == ids[::-1]
    assert third["next"] is None


def test_a_list_narrows_to_action_state_and_time(served: Served, alice: httpx.Client) -> None:
    one, two = served.submit(alice)["id"], served.submit(alice)["id"]
    other = alice.post("/test/do_nothing").json()
    served.finish(one)
    alice.post(f"/jobs/{two}/cancel")

    def found(query: str) -> set[str]:
        return {job["id"] for job in alice.get(f"/jobs?{query}").json()["items"]}

    assert found("action=test.do_nothing") == {other["id"]}
    assert found("state=succeeded&state=cancelled") == {one, two}
    assert found("state=succeeded&action=test.do_nothing") == set()
    assert found(f"created_after={other['created_at']}") == {other["id"]}
    assert found(f"created_before={other['created_at']}") == {one, two}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "state=lost", "cursor=1", "since=-1", "since=99999999999999999999",
     "created_after=yesterday", "created_after=2026-01-01T00:00:00", "created_after=2026", "since=1&state=queued"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_422(alice: httpx.Client, query: str) -> None:
    answer = alice.get(f"/jobs?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_changes_come_in_the_order_of_their_revisions(served: Served, alice: httpx.Client) -> None:
    one, two, three = (served.submit(alice)["id"] for _ in range(3))
    served.finish(one)  # revisions 4 and 5

    everything = alice.get("/jobs?since=0").json()
    page = alice.get("/jobs?since=0&limit=1").json()
    rest = alice.get(f"/jobs?since={page['rev']}").json()

    assert [(job["id"], job["rev"]) for job in everything["items"]] == [(two, 2), (three, 3), (one, 5)]
    assert everything["rev"] == 5
    assert page["items"] + rest["items"] == everything["items"]
    assert alice.get("/jobs?since=5").json() == {"items": [], "rev": 5}


def test_a_revision_from_another_database_does_not_hide_changes_to_come(served: Served, alice: httpx.Client) -> None:
    served.submit(alice)

    assert alice.get("/jobs?since=1000").json() == {"items": [], "rev": 1}


# --- one job


def test_a_job_that_is_as_you_have_it_is_304(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    tag = alice.get(f"/jobs/{job_id}").headers["etag"]

    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        same = alice.get(f"/jobs/{job_id}", headers={"if-none-match": known})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    served.move(job_id, State.RUNNING)
    changed = alice.get(f"/jobs/{job_id}", headers={"if-none-match": tag})
    assert (changed.status_code, changed.json()["state"]) == (200, "running")


def test_progress_makes_a_new_tag_although_it_is_no_revision(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    served.move(job_id, State.RUNNING)
    tag = alice.get(f"/jobs/{job_id}").headers["etag"]
    with served.db.write() as conn:
        progress = {"progress_fraction": 0.5, "progress_message": "half"}
        conn.execute(sa.update(jobs).where(jobs.c.id == UUID(job_id)).values(**progress))

    answer = alice.get(f"/jobs/{job_id}", headers={"if-none-match": tag})

    assert (answer.status_code, answer.json()["progress"]) == (200, {"fraction": 0.5, "message": "half"})


def soon(do: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.3, do)
    timer.start()
    return timer


def test_a_long_poll_answers_when_the_job_has_ended(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    timer = soon(lambda: served.finish(job_id))
    began = time.monotonic()

    answer = alice.get(f"/jobs/{job_id}", headers={"prefer": "wait=60"})
    timer.join()

    assert time.monotonic() - began < 50
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("succeeded", "wait=60")


def test_a_long_poll_with_a_tag_answers_at_the_first_change(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    tag = alice.get(f"/jobs/{job_id}").headers["etag"]
    timer = soon(lambda: served.move(job_id, State.RUNNING))

    answer = alice.get(f"/jobs/{job_id}", headers={"prefer": "wait=60", "if-none-match": tag})
    timer.join()

    assert (answer.status_code, answer.json()["state"]) == (200, "running")
    unchanged = {"prefer": "wait=1", "if-none-match": answer.headers["etag"]}
    assert alice.get(f"/jobs/{job_id}", headers=unchanged).status_code == 304


def test_a_long_poll_needs_no_wake_up(served: Served, alice: httpx.Client) -> None:
    """A wake-up that never came: the look at SQL finds the change within about a second."""
    job_id = served.submit(alice)["id"]
    timer = soon(lambda: served.finish(job_id, wake=False))
    began = time.monotonic()

    answer = alice.get(f"/jobs/{job_id}", headers={"prefer": "wait=60"})
    timer.join()

    assert answer.json()["state"] == "succeeded"
    assert time.monotonic() - began < 50


def test_a_hundred_long_polls_are_all_answered(served: Served, user: User, alice: httpx.Client) -> None:
    ids = [served.submit(alice)["id"] for _ in range(100)]
    states: list[str] = []
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=served.url, headers=alice.headers, timeout=30, limits=limits) as many:

        def poll(job_id: str) -> None:
            states.append(many.get(f"/jobs/{job_id}", headers={"prefer": "wait=60"}).json()["state"])

        threads = [threading.Thread(target=poll, args=(job_id,)) for job_id in ids]
        for thread in threads:
            thread.start()
        for job_id in ids:
            served.finish(job_id)
        for thread in threads:
            thread.join()

    assert states == ["succeeded"] * 100


# --- what one may tell a job


def test_a_queued_job_is_cancelled_at_once_and_only_once(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]

    answer = alice.post(f"/jobs/{job_id}/cancel")
    again = alice.post(f"/jobs/{job_id}/cancel")

    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert again.status_code == 409
    assert "cancelled" in again.json()["detail"]


def test_a_running_job_is_asked_to_end(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    served.move(job_id, State.RUNNING)

    for _ in range(2):  # asking twice is no mistake
        answer = alice.post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "running")

    assert alice.get(f"/jobs/{job_id}/explain").json()["blockers"][0]["kind"] == "cancel_requested"


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.SUCCEEDED])
def test_only_what_failed_or_was_cancelled_is_retried(served: Served, alice: httpx.Client, state: State) -> None:
    job_id = served.submit(alice)["id"]
    if state is not State.QUEUED:
        served.move(job_id, State.RUNNING)
    if state is State.SUCCEEDED:
        served.move(job_id, State.SUCCEEDED)

    answer = alice.post(f"/jobs/{job_id}/retry")

    assert answer.status_code == 409
    assert state.value in answer.json()["detail"]


def test_a_failed_job_is_queued_again_with_fresh_attempts(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    served.move(job_id, State.RUNNING)
    served.move(job_id, State.FAILED, error='{"type": "t", "title": "t", "detail": "d"}')

    answer = alice.post(f"/jobs/{job_id}/retry")

    assert answer.status_code == 202
    job = answer.json()
    assert (job["state"], job["error"], job["attempt"], job["max_attempts"]) == ("queued", None, 1, 4)


def test_an_uncertain_job_is_settled_by_its_users_word(served: Served, alice: httpx.Client) -> None:
    happened, did_not = uncertain(served, alice), uncertain(served, alice)

    yes = alice.post(f"/jobs/{happened}/resolve", json={"happened": True}).json()
    no = alice.post(f"/jobs/{did_not}/resolve", json={"happened": False, "note": "I looked."}).json()

    assert (yes["state"], yes["reason"], yes["error"]) == ("succeeded", "resolved", None)
    assert (no["state"], no["error"]["detail"]) == ("failed", "I looked.")
    assert alice.post(f"/jobs/{happened}/resolve", json={"happened": True}).status_code == 409
    assert alice.post(f"/jobs/{happened}/resolve", json={"happened": "perhaps"}).status_code == 422


# --- why


def test_explain_names_what_is_in_the_way(served: Served, alice: httpx.Client) -> None:
    first, second = served.submit(alice)["id"], served.submit(alice)["id"]

    def blockers(job_id: str) -> dict[str, str]:
        explained = alice.get(f"/jobs/{job_id}/explain").json()
        return {one["kind"]: one["detail"] for one in explained["blockers"]}

    assert set(blockers(first)) == {"no_worker"}
    assert blockers(second)["jobs_ahead"] == "1 job is ahead of it in the queue io."
    with served.db.write() as conn:
        now = served.db.now()
        worker = {"name": "w", "queue": "io", "pid": 1, "slots": 1, "started_at": now, "beat_at": now}
        conn.execute(sa.insert(workers).values(**worker))
    assert blockers(first) == {}
    assert alice.get(f"/jobs/{first}/explain").json()["summary"] == "It is next in its queue."
    with served.db.write() as conn:
        limit = {"provider": "test", "account": "", "blocked_until": datetime.now(UTC) + timedelta(minutes=5)}
        conn.execute(sa.insert(rate_limits).values(**limit))
    assert "rate_limited" in blockers(first)


def test_explain_speaks_of_every_state(served: Served, alice: httpx.Client) -> None:
    later = served.submit(alice, due_at="2190-01-01T00:00:00Z")["id"]
    running, retrying, waiting, ended = (served.submit(alice)["id"] for _ in range(4))
    for job_id in (running, retrying, waiting):
        served.move(job_id, State.RUNNING, started_at=served.db.now())
    served.move(retrying, State.SCHEDULED, reason=Reason.RETRY, due_at=datetime(2190, 1, 1, tzinfo=UTC))
    served.move(waiting, State.WAITING, reason=Reason.RECONNECT)
    served.finish(ended)

    def explained(job_id: str) -> tuple[list[str], str]:
        answer = alice.get(f"/jobs/{job_id}/explain").json()
        return [one["kind"] for one in answer["blockers"]], answer["summary"]

    assert explained(later)[0] == ["due_later"]
    assert explained(retrying)[0] == ["retry"]
    assert explained(waiting)[0] == ["reconnect"]
    assert explained(uncertain(served, alice))[0] == ["needs_a_person"]
    assert explained(running)[0] == []
    assert explained(running)[1].startswith("Attempt 1 of 3 has been running since")
    assert "succeeded" in explained(ended)[1]


def test_what_failed_after_its_effect_says_so_and_is_neither_run_again_nor_taken_back(
    served: Served, alice: httpx.Client
) -> None:
    job_id = served.submit(alice, action="test.post", input={"to": "ann", "text": "hello"})["id"]
    served.move(job_id, State.RUNNING)
    served.move(job_id, State.FAILED, reason=Reason.AFTER_EFFECT)
    assert "took place" in alice.get(f"/jobs/{job_id}/explain").json()["summary"]
    retried, undone = (alice.post(f"/jobs/{job_id}/{what}") for what in ("retry", "undo"))
    assert (retried.status_code, undone.status_code) == (409, 409)
    assert "twice" in retried.json()["detail"] and "take back" in undone.json()["detail"]


def test_a_reason_that_a_newer_version_wrote_breaks_no_answer(served: Served, alice: httpx.Client) -> None:
    job_id = served.submit(alice)["id"]
    with served.db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == UUID(job_id)).values(reason="of_tomorrow"))
    for address in (f"/jobs/{job_id}", "/jobs", f"/jobs/{job_id}/explain"):
        assert alice.get(address).status_code == 200, address
    assert alice.get(f"/jobs/{job_id}/explain").json()["reason"] == "other"


def test_explain_says_when_the_broker_is_away(db: Database, tmp_path: Path, user: User) -> None:
    with serving(db, "redis://127.0.0.1:1", tmp_path) as served, served.client(user) as alice:
        job_id = served.submit(alice)["id"]

        kinds = [one["kind"] for one in alice.get(f"/jobs/{job_id}/explain").json()["blockers"]]

    assert kinds == ["no_worker", "broker_unreachable"]
