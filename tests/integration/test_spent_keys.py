"""What came under an idempotency key is not done again when its job is pruned, whichever door it came through."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import accept, job_of, move, set_columns
from served import Served

from llmcoder.config import config
from llmcoder.context import User
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.db.database import Database
from models.jobs import retention, spent_keys
from models.jobs import store as submissions
from models.jobs.tables import jobs
from models.jobs.tables import spent_keys as table
from schedules.retention import Retention

pytestmark = pytest.mark.both_stores

DAY = timedelta(days=1)


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def prune_all(db: Database) -> None:
    """As an operator has it who keeps jobs for no time at all."""
    with db.write() as conn:
        for state in ("succeeded", "cancelled"):
            retention.prune(conn, State(state), db.now() + DAY, 100, db.now())


def end(db: Database, job_id: str) -> None:
    move(db, UUID(job_id), State.CANCELLED)


def count(db: Database) -> int:
    with db.read() as conn:
        found: int = conn.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one()
    return found


def submitted(alice: httpx.Client, text: str = "x", key: str = "k") -> httpx.Response:
    return alice.post("/test/echo", json={"text": text}, headers={"Idempotency-Key": key})


def test_a_client_that_repeats_itself_after_its_job_was_pruned_is_told_and_makes_no_second_one(
    alice: httpx.Client, db: Database
) -> None:
    first = submitted(alice).json()["id"]
    end(db, first)
    prune_all(db)
    again = submitted(alice)
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (422, "idempotency-key-spent")
    assert first in again.json()["detail"]
    other = submitted(alice, "y")
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (422, "idempotency-key-reused")
    assert submitted(alice, key="another").status_code == 202
    assert count(db) == 1


#: Schemes of which the signature says no time, with the headers of a call.
TIMELESS: dict[str, Callable[[str, bytes], dict[str, str]]] = {
    "github": lambda secret, body: {"x-hub-signature-256": "sha256=" + _hmac(secret, body)},
    "hmac": lambda secret, body: {"x-signature-256": _hmac(secret, body)},
    "token": lambda secret, _body: {"x-webhook-token": secret, "idempotency-key": "k" * 300},
}


def _hmac(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("scheme", TIMELESS)
def test_a_call_that_is_played_again_after_its_job_was_pruned_is_answered_with_the_first(
    alice: httpx.Client, db: Database, scheme: str
) -> None:
    wanted = {"name": "x", "scheme": scheme, "action": "test.echo", "input": {"text": "${{ payload.text }}"}}
    hook = alice.post("/hooks", json=wanted).json()
    body = b'{"text":"hello"}'
    headers = TIMELESS[scheme](hook["secret"], body) | {"content-type": "application/json"}

    def call() -> dict[str, Any]:
        answer = httpx.post(f"{alice.base_url}".rstrip("/") + hook["path"], content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        said: dict[str, Any] = answer.json()
        return said

    first = call()
    end(db, first["job_id"])
    prune_all(db)
    assert call() == {"job_id": first["job_id"], "repeated": True}
    assert count(db) == 0


def test_two_long_deliveries_that_begin_alike_are_two(alice: httpx.Client, db: Database) -> None:
    wanted = {"name": "x", "scheme": "token", "action": "test.echo", "input": {"text": "hello"}}
    hook = alice.post("/hooks", json=wanted).json()
    for last in "ab":
        headers = {"x-webhook-token": hook["secret"], "idempotency-key": "k" * 300 + last}
        answer = httpx.post(f"{alice.base_url}".rstrip("/") + hook["path"], content=b"{}", headers=headers)
        assert answer.json()["repeated"] is False, answer.text
    assert count(db) == 2


def test_keys_of_all_doors_stay_thirty_days_from_when_their_jobs_were_accepted(db: Database, user: User) -> None:
    ages = {"new": 0 * DAY, "almost": spent_keys.KEPT - DAY, "old": spent_keys.KEPT + DAY}
    for key, age in ages.items():
        job = accept(db, [job_of(user, idempotency_key=key)])[0].job
        move(db, job.id, State.CANCELLED)
        set_columns(db, job.id, created_at=db.now() - age)
    prune_all(db)
    again = accept(db, [job_of(user, idempotency_key=key) for key in (*ages, "fresh")])
    assert [(one.gone, one.replayed) for one in again] == [(True, True)] * 2 + [(False, False)] * 2
    assert count(db) == 2, "those whose keys were free"


def test_a_key_whose_time_is_over_makes_another_job_and_is_kept_anew(db: Database, user: User, configured: Any) -> None:
    for _ in range(2):
        job = accept(db, [job_of(user, idempotency_key="k")])[0]
        assert not job.gone
        move(db, job.job.id, State.CANCELLED)
        prune_all(db)
        assert accept(db, [job_of(user, idempotency_key="k")])[0].gone
        with db.write() as conn:
            conn.execute(sa.update(table).values(kept_until=db.now() - DAY))
    Retention(db, lambda: config().get(EngineSettings)).prune()
    with db.read() as conn:
        assert conn.execute(sa.select(table)).first() is None


@pytest.mark.parametrize("db_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("age", [0 * DAY, spent_keys.KEPT + DAY], ids=["young", "old"])
def test_a_submission_that_meets_whoever_prunes_its_first_job_is_decided_by_that(
    db: Database, user: User, age: timedelta
) -> None:
    """The insert waits for the deletion, and sees then what became of the key."""
    job = accept(db, [job_of(user, idempotency_key="k")])[0].job
    move(db, job.id, State.CANCELLED)
    set_columns(db, job.id, created_at=db.now() - age)
    answers: list[submissions.Accepted] = []
    second = threading.Thread(target=lambda: answers.extend(accept(db, [job_of(user, idempotency_key="k")])))
    with closing(Database(db.url.render_as_string(hide_password=False))) as other, other.write() as conn:
        assert retention.prune(conn, State.CANCELLED, db.now() + DAY, 10, db.now()) == 1
        second.start()
        second.join(0.5)
    second.join(30)
    (answer,) = answers
    young = age < spent_keys.KEPT
    assert (answer.gone, answer.replayed) == (young, young)
    assert count(db) == (0 if young else 1)
