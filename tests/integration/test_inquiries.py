"""What domains ask about jobs that are not their own: by key and by id, in their own queries and by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import accept_one, move, set_columns, take

from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.provenance import Taint
from llmcoder.states import Reason, State
from models.connections import store as connections
from models.db.base import Id
from models.db.database import Database
from models.jobs import inquiries
from models.jobs.tables import jobs

pytestmark = pytest.mark.both_stores

KEY = "domain.rows\t1"


def answer(db: Database, expression: sa.ColumnElement[Any]) -> Any:
    with db.read() as conn:
        return conn.execute(sa.select(expression)).scalar_one()


def of_key(ask: Callable[..., sa.ColumnElement[Any]], user: User, key: str = KEY) -> sa.ColumnElement[Any]:
    return ask(sa.literal(user.id, Id), sa.literal(key))


def of_id(ask: Callable[..., sa.ColumnElement[Any]], job_id: UUID) -> sa.ColumnElement[Any]:
    return ask(sa.literal(job_id, Id))


def test_a_job_is_found_by_the_key_under_which_it_was_submitted_and_by_no_other_users(
    db: Database, user: User, new_user: Callable[[str], User]
) -> None:
    job = accept_one(db, user, idempotency_key=KEY, fingerprint="f")
    assert answer(db, of_key(inquiries.id_of_key, user)) == job.id
    assert answer(db, of_key(inquiries.is_submitted, user))
    other = new_user("other@example.org")
    assert answer(db, of_key(inquiries.id_of_key, other)) is None
    assert not answer(db, of_key(inquiries.is_submitted, other))


def test_a_job_that_is_under_way_has_not_ended_and_is_not_over(db: Database, user: User) -> None:
    job = accept_one(db, user, idempotency_key=KEY, fingerprint="f")
    for state in ("queued", "running"):
        with db.read() as conn:
            found = inquiries.of_key(conn, user.id, KEY)
        assert found is not None and (found.id, found.state) == (job.id, state)
        assert not answer(db, of_key(inquiries.has_ended, user))
        assert not answer(db, of_key(inquiries.is_over, user))
        if state == "queued":
            take(db, job.id)
    move(db, job.id, State.SUCCEEDED, values={"result": "{}"})
    assert answer(db, of_key(inquiries.has_ended, user)) and answer(db, of_key(inquiries.is_over, user))


def test_a_job_that_is_gone_is_over_and_has_not_ended(db: Database, user: User) -> None:
    job = accept_one(db, user, idempotency_key=KEY, fingerprint="f")
    with db.write() as conn:
        conn.execute(sa.delete(jobs).where(jobs.c.id == job.id))
    assert answer(db, of_key(inquiries.is_over, user))
    assert not answer(db, of_key(inquiries.has_ended, user))
    with db.read() as conn:
        assert inquiries.of_key(conn, user.id, KEY) is None and inquiries.by_id(conn, job.id) is None


@pytest.mark.parametrize(
    ("columns", "trusted", "delegated"),
    [
        ({"origin": "person"}, True, False),
        ({"tainted": True}, False, False),
        ({"origin": "agent"}, True, True),
        ({"origin": "mcp", "tainted": True}, False, True),
        ({"origin": "macro"}, True, False),
    ],
)
def test_whose_words_a_jobs_input_holds(
    db: Database, user: User, columns: dict[str, Any], trusted: bool, delegated: bool
) -> None:
    job = accept_one(db, user)
    set_columns(db, job.id, **columns)
    assert answer(db, of_id(inquiries.is_trusted, job.id)) is trusted
    assert answer(db, of_id(inquiries.is_delegated, job.id)) is delegated


def test_of_a_job_that_is_gone_nobody_knows_whose_words_it_held(db: Database) -> None:
    assert not answer(db, of_id(inquiries.is_trusted, new_id()))
    assert not answer(db, of_id(inquiries.is_delegated, new_id()))


def test_who_waits_for_a_decision_and_who_decided(db: Database, user: User, new_user: Callable[[str], User]) -> None:
    job = accept_one(db, user)
    with db.read() as conn:
        assert not inquiries.any_for_approval(conn) and inquiries.decider_of(conn, job.id) is None
    set_columns(db, job.id, state=State.WAITING, reason=Reason.APPROVAL)
    boss = new_user("boss@example.org")
    set_columns(db, job.id, decided_by=boss.id)
    assert answer(db, of_id(inquiries.waits_for_approval, job.id))
    with db.read() as conn:
        assert inquiries.any_for_approval(conn) and inquiries.decider_of(conn, job.id) == boss
    set_columns(db, job.id, reason=Reason.RECONNECT)
    assert not answer(db, of_id(inquiries.waits_for_approval, job.id))


def test_a_step_is_told_its_run(db: Database, user: User) -> None:
    run, alone = accept_one(db, user, action="tasks.start_macro"), accept_one(db, user)
    step = accept_one(db, user, parent_id=run.id)
    with db.read() as conn:
        found = inquiries.runs_of(conn, [step.id, alone.id, new_id()])
    assert {one: job.id for one, job in found.items()} == {step.id: run.id}


def test_what_wants_its_user_is_listed_with_whose_words_its_error_holds(
    db: Database, user: User, new_user: Callable[[str], User]
) -> None:
    fine, failed, waits, step, old, others = (
        accept_one(db, one) for one in (user, user, user, user, user, new_user("other@example.org"))
    )
    now, error = db.now(), '{"detail": "no"}'
    for job in (failed, step, old, others):
        set_columns(db, job.id, state=State.FAILED, finished_at=now, error=error, tainted=True)
    set_columns(db, fine.id, state=State.SUCCEEDED, finished_at=now)
    set_columns(db, waits.id, state=State.WAITING, reason=Reason.RECONNECT)
    set_columns(db, step.id, parent_id=fine.id)
    set_columns(db, old.id, finished_at=now - timedelta(days=2))
    with db.read() as conn:
        since = now - timedelta(days=1)
        found = inquiries.troubled(conn, user.id, since, [Reason.RECONNECT, Reason.APPROVAL], 10)
        assert [job.id for job in inquiries.troubled(conn, user.id, since, [Reason.APPROVAL], 10)] == [failed.id]
    assert [(job.id, job.error_taint) for job in found] == [(waits.id, None), (failed.id, Taint.OUTSIDE)]


def test_no_accounts_are_in_use_where_none_are_asked_about(db: Database, user: User) -> None:
    with db.read() as conn:
        assert connections.in_use(conn, "slack", []) == set()
        assert connections.in_use(conn, "slack", [(user.id, "T1/U1")]) == set()
