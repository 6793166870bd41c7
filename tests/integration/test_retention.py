"""Retention: by age and by count of each ended state, never what has not ended, and the disk comes back."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import accept, job_of, set_columns, stand_in

from llmcoder.context import User
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.audit import log as audit
from models.db.database import Database
from models.db.migrate import upgrade
from models.jobs import retention
from models.jobs.machine import ENDED
from models.jobs.tables import jobs
from schedules.retention import Retention

pytestmark = pytest.mark.both_stores

S = State


def prune(db: Database, **settings: Any) -> int:
    return Retention(db, lambda: EngineSettings(**settings)).prune()


def left(db: Database) -> set[UUID]:
    with db.read() as conn:
        return set(conn.execute(sa.select(jobs.c.id)).scalars())


def ended_days_ago(db: Database, user: User, state: State, days: float) -> UUID:
    job = stand_in(db, user, state)
    set_columns(db, job.id, finished_at=db.now() - timedelta(days=days))
    return job.id


def test_each_state_is_kept_as_long_as_the_settings_say(db: Database, user: User) -> None:
    ended = {state: ended_days_ago(db, user, state, 31) for state in ENDED}
    waiting = stand_in(db, user, S.WAITING)
    assert prune(db) == 2 and prune(db) == 0
    assert left(db) == {ended[S.FAILED], ended[S.UNCERTAIN], waiting.id}
    with db.read() as conn:
        written = audit.listed(conn, audit.EntryFilter(event=audit.Event.RETENTION_PRUNED), 10)
    assert [row.detail for row in written] == ['{"cancelled":1,"succeeded":1}']


@pytest.mark.parametrize("state", sorted(retention.COUNTED))
def test_of_each_state_the_newest_are_kept_and_the_oldest_go(db: Database, user: User, state: State) -> None:
    by_age = [ended_days_ago(db, user, state, days) for days in range(1, 8)]
    others = {stand_in(db, user, other).id for other in S if other is not state}
    assert prune(db, **{f"retention_{state}_jobs": 3}) == 4
    assert left(db) == {*by_age[:3], *others}
    assert prune(db, **{f"retention_{state}_jobs": 3}) == 0


def test_an_uncertain_job_goes_by_age_alone_and_a_waiting_one_never(db: Database, user: User) -> None:
    open_questions = [ended_days_ago(db, user, S.UNCERTAIN, days) for days in (1, 2, 3, 181)]
    waiting = [stand_in(db, user, S.WAITING) for _ in range(3)]
    for job in waiting:
        set_columns(db, job.id, created_at=db.now() - timedelta(days=4000))
    least = {f"retention_{state}_jobs": 1 for state in retention.COUNTED}
    assert prune(db, **least) == 1
    assert left(db) == {*open_questions[:3], *(job.id for job in waiting)}


def test_jobs_that_ended_at_one_instant_stay_or_go_together(db: Database, user: User) -> None:
    together = [stand_in(db, user, S.SUCCEEDED).id for _ in range(4)]
    at = db.now() - timedelta(days=1)
    for job_id in together:
        set_columns(db, job_id, finished_at=at)
    before = ended_days_ago(db, user, S.SUCCEEDED, 2)
    assert prune(db, retention_succeeded_jobs=2) == 1
    assert before not in left(db) and set(together) <= left(db)


def test_a_batch_takes_the_oldest_and_nothing_else(db: Database, user: User) -> None:
    gone = [ended_days_ago(db, user, S.SUCCEEDED, days) for days in range(45, 40, -1)]
    kept = {stand_in(db, user, state).id for state in S}
    before = db.now() - timedelta(days=30)
    with db.write() as conn:
        assert retention.prune(conn, S.SUCCEEDED, before, 3, db.now()) == 3
    assert left(db) == {*kept, *gone[3:]}
    with db.write() as conn:
        assert [retention.prune(conn, S.SUCCEEDED, before, 3, db.now()) for _ in range(2)] == [2, 0]
    assert left(db) == kept


@pytest.mark.parametrize("state", sorted(set(S) - ENDED))
def test_what_has_not_ended_is_never_pruned(db: Database, state: State) -> None:
    with db.write() as conn, pytest.raises(ValueError, match="ended"):
        retention.prune(conn, state, db.now(), 1, db.now())


def test_the_count_is_a_walk_along_one_index(db: Database) -> None:
    if not db.is_sqlite:
        pytest.skip("on an empty table PostgreSQL plans something else")
    asked: list[str] = []
    with db.read() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
        retention.count_reached_at(conn, S.SUCCEEDED, 1000)
        plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0]}", ("succeeded", 1, 999)).all()
    assert [row.detail for row in plan] == [
        "SEARCH jobs USING COVERING INDEX ix_jobs_ended (state=? AND finished_at>?)"
    ]


def test_a_sqlite_file_gets_smaller_once_much_of_it_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FREE_PAGES_KEPT", 50)
    monkeypatch.setattr(retention, "PAGES_A_STEP", 100)
    path = tmp_path / "llmcoder.db"
    upgrade(f"sqlite:///{path}")
    with closing(Database(f"sqlite:///{path}")) as db:
        pages = [pages_of(db)]
        user = user_in(db)
        accept(db, [job_of(user, input='"' + "x" * 4000 + '"') for _ in range(500)])
        pages.append(pages_of(db))
        with db.write() as conn:
            conn.execute(sa.delete(jobs))
        prune(db)
        pages.append(pages_of(db))
    assert pages[1] > pages[0] + 500 and pages[2] < pages[0] + 150


def pages_of(db: Database) -> int:
    with db.read() as conn:
        pages: int = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    return pages


def user_in(db: Database) -> User:
    from llmcoder.ids import new_id
    from models.accounts.tables import revisions, users

    user = User(id=new_id(), email="alice@example.org")
    with db.write() as conn:
        conn.execute(sa.insert(users).values(id=user.id, email=user.email, password_hash="!", created_at=db.now()))
        conn.execute(sa.insert(revisions).values(user_id=user.id, rev=0))
    return user
