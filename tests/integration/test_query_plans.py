"""The scheduler's questions are answered from an index, however many jobs have ended and whatever statistics say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from engine_kit import accept, job_of

from engine.doorbells import connect_bell
from engine.outbox import Outbox
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs
from models.schedules.tables import schedules
from schedules.dispatcher import Dispatcher
from schedules.firing_tick import Firing

pytestmark = pytest.mark.both_stores

MANY = 5_000
Statement = tuple[str, Any]


@contextmanager
def said_to(db: Database) -> Iterator[list[Statement]]:
    """The SELECTs that are sent meanwhile."""
    said: list[Statement] = []

    def hear(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT"):
            said.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


def read_whole(db: Database, statement: Statement) -> list[str]:
    """Lines of the plan that read the whole of one of the large tables."""
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
    with db.read() as conn:
        plan = [str(row[-1]) for row in conn.exec_driver_sql(how + statement[0], statement[1])]
    names = [f"{verb} {table}" for verb in ("SCAN", "Seq Scan on") for table in ("jobs", "schedules")]
    return [line for line in plan if any(name in line for name in names) and " INDEX ix_" not in line]


def schedule(user: User, now: Any, number: int) -> dict[str, Any]:
    return {
        "id": new_id(), "user_id": user.id, "name": str(number), "action": "general.list_todos", "input": "{}",
        "cron": "0 9 * * *", "timezone": "UTC", "jitter_s": 0, "catch_up": "skip", "catch_up_within_s": 60,
        "overlap": "skip", "pause_after_failures": 1, "enabled": True, "resumed_at": now,
        "next_fire_at": now - timedelta(seconds=1), "version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip


@pytest.fixture
def duties(db: Database, configured: Config, redis_url: str) -> Iterator[list[Callable[[], int]]]:
    settings = EngineSettings(broker_url=redis_url, redis_url=redis_url)
    outbox = Outbox(redis_url, redis_url, settings.doorbell_window)
    outbox.start()
    dispatcher = Dispatcher(db, connect_bell(redis_url), outbox, settings)
    firing = Firing(db, outbox, registry())
    yield [
        dispatcher.promote, dispatcher.ring, dispatcher.rescue, dispatcher.expire, dispatcher.release, firing.fire,
        firing.follow,
    ]  # fmt: skip
    dispatcher.close()
    outbox.close()


def settle(db: Database) -> None:
    """Let the statistics say what was true before: that all of it waits."""
    with db.write() as conn:
        conn.execute(sa.update(jobs).values(state=State.SCHEDULED, due_at=db.now()))
        if not db.is_sqlite:
            conn.exec_driver_sql("ANALYZE jobs")
            conn.exec_driver_sql("ANALYZE schedules")
    with db.write() as conn:
        conn.execute(sa.update(jobs).values(state=State.SUCCEEDED, finished_at=db.now(), schedule_id=None))
        later = db.now() + timedelta(days=1)
        conn.execute(sa.update(schedules).values(next_fire_at=later))


def test_a_tick_reads_no_table_of_jobs_or_schedules_whole(
    db: Database, user: User, duties: list[Callable[[], int]]
) -> None:
    accept(db, [job_of(user) for _ in range(MANY)])
    now = db.now()
    with db.write() as conn:
        conn.execute(sa.insert(schedules), [schedule(user, now, number) for number in range(MANY)])
    settle(db)
    with said_to(db) as said:
        for duty in duties:
            duty()
    assert len(said) >= len(duties), "every duty asks at least one question"
    assert {statement[0]: lines for statement in said if (lines := read_whole(db, statement))} == {}


def test_firing_looks_at_the_jobs_of_what_is_due_and_at_no_others(
    db: Database, user: User, duties: list[Callable[[], int]]
) -> None:
    accept(db, [job_of(user) for _ in range(MANY)])
    now = db.now()
    due = schedule(user, now, 0)
    with db.write() as conn:
        later = {"next_fire_at": now + timedelta(days=1)}
        conn.execute(sa.insert(schedules), [schedule(user, now, number) | later for number in range(1, MANY)])
    settle(db)
    with db.write() as conn:
        conn.execute(sa.insert(schedules), [due])
    with said_to(db) as said:
        assert sum(duty() for duty in duties) >= 1
    assert {statement[0]: lines for statement in said if (lines := read_whole(db, statement))} == {}
