"""Rows of a domain become jobs when their time comes: each once, whoever asks, and never half."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit

from engine.outbox import Outbox
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.trigger import LONGEST_KEY, Due, Trigger
from llmcoder.errors import DeclarationError
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover, triggers
from models.db.base import Id, Instant
from models.db.database import Database
from models.db.due_rows import each_alone
from models.jobs.tables import jobs
from schedules.triggers import BATCH, TriggerTick

pytestmark = pytest.mark.both_stores

ROWS = 250

rows = sa.Table(
    "test_rows", sa.MetaData(),
    sa.Column("id", Id, primary_key=True), sa.Column("user_id", Id), sa.Column("due_at", Instant),
    sa.Column("action", sa.String(60)), sa.Column("why", sa.Text),
)  # fmt: skip


def any_due(conn: sa.Connection, now: datetime) -> bool:
    return conn.execute(sa.select(rows.c.id).where(rows.c.due_at <= now).limit(1)).first() is not None


def take(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
    query = sa.select(rows).where(rows.c.due_at <= now).limit(limit).with_for_update(skip_locked=True)
    found = conn.execute(query).all()
    conn.execute(sa.update(rows).where(rows.c.id.in_([row.id for row in found])).values(due_at=None))
    return [Due(row.user_id, row.action, {"text": "hello"}, str(row.id), row.id) for row in found]


def refused(conn: sa.Connection, due: Due, why: str, now: datetime) -> None:
    conn.execute(sa.update(rows).where(rows.c.id == due.row_id).values(why=why))


ROWS_DUE = Trigger("test.rows", any_due=any_due, take=take, refused=refused)


@pytest.fixture
def outbox(redis_url: str) -> Iterator[Outbox]:
    made = Outbox(redis_url, redis_url, window=100)
    made.start()
    yield made
    made.close()


@pytest.fixture
def asking(db: Database, configured: Config, outbox: Outbox) -> Callable[..., TriggerTick]:
    load_testkit()
    known = Registry(discover())
    with db.write() as conn:
        rows.create(conn)
    return lambda trigger=ROWS_DUE: TriggerTick(db, outbox, known, trigger)


def add(db: Database, user: User, number: int, action: str = "test.echo", user_id: UUID | None = None) -> None:
    with db.write() as conn:
        due_at = db.now() - timedelta(seconds=1)
        one = {"user_id": user_id or user.id, "due_at": due_at, "action": action}
        conn.execute(sa.insert(rows), [{"id": new_id(), **one} for _ in range(number)])


def made(db: Database) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(jobs.c.idempotency_key, jobs.c.origin, jobs.c.state)))


def test_each_row_becomes_one_job_however_many_ask(
    db: Database, user: User, asking: Callable[..., TriggerTick]
) -> None:
    add(db, user, ROWS)
    counts: list[int] = []
    both = [threading.Thread(target=lambda one=asking(): counts.append(one.ask())) for _ in range(3)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(120)
    asking().ask()
    found = made(db)
    assert len(found) == len({row.idempotency_key for row in found}) == ROWS
    assert {row.origin for row in found} == {"schedule"}
    assert sum(counts) <= ROWS


def test_rows_of_one_moment_drain_in_batches(db: Database, user: User, asking: Callable[..., TriggerTick]) -> None:
    add(db, user, 2 * BATCH + 1)
    assert asking().ask() == 2 * BATCH + 1
    assert asking().ask() == 0


def test_a_job_that_cannot_be_made_is_told_and_stops_no_other(
    db: Database, user: User, asking: Callable[..., TriggerTick]
) -> None:
    add(db, user, 1, action="test.gone")
    add(db, user, 1)
    assert asking().ask() == 1
    with db.read() as conn:
        why = conn.execute(sa.select(rows.c.why).where(rows.c.action == "test.gone")).scalar()
    assert "There is no action 'test.gone'" in why


def test_a_row_whose_job_breaks_is_told_and_stops_no_other(
    db: Database, user: User, asking: Callable[..., TriggerTick]
) -> None:
    add(db, user, 3)
    ids: list[UUID] = []

    def strange(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
        found = take(conn, now, limit)
        ids.extend(one.row_id for one in found)
        return [replace(found[0], key="x" * (LONGEST_KEY + 1)), replace(found[1], given={"text": 2**70}), found[2]]

    assert asking(Trigger("test.rows", any_due=any_due, take=strange, refused=refused)).ask() == 1
    with db.read() as conn:
        why = {row.id: row.why for row in conn.execute(sa.select(rows.c.id, rows.c.why))}
    assert [bool(why[one]) for one in ids] == [True, True, False]


def test_each_row_is_handled_alone_and_what_one_wrote_before_it_broke_is_undone(
    db: Database, user: User, asking: Callable[..., TriggerTick]
) -> None:
    asking()
    add(db, user, 3)

    def handle(row: Any) -> list[Any]:
        conn.execute(sa.update(rows).where(rows.c.id == row.id).values(action="handled"))
        if row.id == bad:
            raise KeyError("cursor")
        return [row.id]

    def failed(row: Any, why: str) -> None:
        conn.execute(sa.update(rows).where(rows.c.id == row.id).values(why=why))

    with db.write() as conn:
        found = conn.execute(sa.select(rows)).all()
        bad = found[1].id
        assert each_alone(conn, found, handle, failed) == [found[0].id, found[2].id]
    with db.read() as conn:
        after = {row.id: (row.action, row.why) for row in conn.execute(sa.select(rows))}
    assert after[bad][0] == "test.echo" and "KeyError" in after[bad][1]
    assert after[found[0].id] == ("handled", None)


def test_nothing_is_half_done_where_taking_breaks(db: Database, user: User, asking: Callable[..., TriggerTick]) -> None:
    add(db, user, 2)

    def take_and_break(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
        take(conn, now, limit)
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        asking(Trigger("test.rows", any_due=any_due, take=take_and_break, refused=refused)).ask()
    assert made(db) == []
    assert asking().ask() == 2


def test_rows_that_stay_due_do_not_keep_the_scheduler(
    db: Database, user: User, asking: Callable[..., TriggerTick]
) -> None:
    add(db, user, 1)

    def forgetful(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
        return [Due(user.id, "test.echo", {"text": "again"}, "the same", new_id())]

    assert asking(Trigger("test.rows", any_due=any_due, take=forgetful, refused=refused)).ask() == 1
    assert len(made(db)) == 1, "one key, one job"


@pytest.mark.parametrize(("name", "every_s"), [("rows", 1.0), ("Test.rows", 1.0), ("test.rows", 0.0)])
def test_a_wrong_declaration_fails_at_import(name: str, every_s: float) -> None:
    with pytest.raises(DeclarationError, match="a trigger"):
        Trigger(name, any_due=any_due, take=take, refused=refused, every_s=every_s)


def test_a_key_of_the_engine_is_none_that_comes_over_http() -> None:
    assert not ROWS_DUE.job_key("1").isprintable()
    with pytest.raises(ValueError, match="at most"):
        ROWS_DUE.job_key("x" * (LONGEST_KEY + 1))


def test_triggers_are_found_in_their_domains() -> None:
    assert all(found.name.partition(".")[0] and isinstance(found, Trigger) for found in triggers())
