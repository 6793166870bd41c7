"""A batch costs as many statements for the jobs of 256 users as for those of 30, and hardly fewer for those of one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import accept, job_of, take

from engine.broker import QUEUES
from engine.doorbells import connect_bell
from engine.outbox import Outbox
from engine.schedule_runs import MOST_OF_USER
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.rate import Rate
from llmcoder.ids import new_id
from llmcoder.registry import registry
from llmcoder.states import State
from models.accounts.tables import revisions, users
from models.audit.log import Entry, Event, append
from models.connections import store as connections
from models.db.database import Database
from models.jobs import approvals, claims, fair_queue
from models.jobs import counters as tallies
from models.jobs import store as jobs
from models.jobs.machine import Move, apply, take_revisions
from models.jobs.store import NewJob
from models.jobs.tables import jobs as jobs_table
from models.schedules import store as schedules
from models.schedules.tables import schedules as schedules_table
from schedules.dispatcher import Dispatcher
from schedules.firing_tick import Firing

pytestmark = pytest.mark.both_stores

ROWS = 256
USERS = (1, 30, ROWS)
WINDOW = 400
#: With several users on PostgreSQL their counters are locked in order first; one user needs no order.
FOR_THE_ORDER = 1

Crowd = list[User]
Work = Callable[[sa.Connection], Any]


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent meanwhile, as often as they are sent."""
    sent: list[str] = []

    def hear(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        sent.extend([statement] * (len(parameters) if many else 1))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield sent
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


@pytest.fixture
def crowd(db: Database) -> Crowd:
    found = [User(id=new_id(), email=f"user{number}@example.org") for number in range(ROWS)]
    now = db.now()
    with db.write() as conn:
        rows = [{"id": one.id, "email": one.email, "password_hash": "!", "created_at": now} for one in found]
        conn.execute(sa.insert(users), rows)
        conn.execute(sa.insert(revisions), [{"user_id": one.id, "rev": 0} for one in found])
    return found


def of(crowd: Crowd, number: int, **wanted: Any) -> list[NewJob]:
    """As many jobs as ever, of so many users, in no order."""
    return [job_of(crowd[place * 7 % number], **wanted) for place in range(ROWS)]


# --- each gets a database and a number of users, prepares its rows, and returns the batch


def submit(db: Database, crowd: Crowd, number: int) -> Work:
    new = of(crowd, number)
    return lambda conn: jobs.insert(conn, new, db.now(), rung=[False] * ROWS)


def submit_to_every_queue(db: Database, crowd: Crowd, number: int) -> Work:
    new = [
        job_of(crowd[place % number], queue=QUEUES[place % len(QUEUES)], priority=place % 10) for place in range(ROWS)
    ]
    return lambda conn: jobs.insert(conn, new, db.now(), rung=[False] * ROWS)


def claim(db: Database, crowd: Crowd, number: int) -> Work:
    accept(db, of(crowd, number))

    def work(conn: sa.Connection) -> None:
        now = db.now()
        picked = claims.pick(conn, (), "io", ROWS)
        moved = apply(conn, claims.taking(picked, "w1", 30.0, now), now, held=picked)
        assert sum(one is not None for one in moved) == ROWS

    return work


def claim_within_rates(db: Database, crowd: Crowd, number: int) -> Work:
    accept(db, [job_of(crowd[at % number], provider="mail", account=f"{at % number}") for at in range(ROWS)])

    def work(conn: sa.Connection) -> None:
        now = db.now()
        picked = claims.pick(conn, (), "io", ROWS)
        held = claims.holding_back(conn, picked, {"mail": Rate(calls=ROWS * 10, per_s=1)}, now)
        assert held == []
        apply(conn, claims.taking(picked, "w1", 30.0, now), now, held=picked)

    return work


def end(db: Database, crowd: Crowd, number: int) -> Work:
    accepted = accept(db, of(crowd, number))
    moves = [Move(one.id, State.SUCCEEDED, one.attempt) for one in take(db, *(done.job.id for done in accepted))]

    def work(conn: sa.Connection) -> None:
        assert None not in apply(conn, moves, db.now())
        append(conn, [Entry(Event.EFFECT_CONFIRMED, str(move.job_id)) for move in moves], db.now())

    return work


def show_progress(db: Database, crowd: Crowd, number: int) -> Work:
    accepted = accept(db, of(crowd, number))
    seen = [(one.id, one.attempt, 0.5, "half") for one in take(db, *(done.job.id for done in accepted))]
    return lambda conn: claims.show_progress(conn, seen)


def promote(db: Database, crowd: Crowd, number: int) -> Work:
    now = db.now()
    accept(db, of(crowd, number, due_at=now + timedelta(seconds=1)))

    def work(conn: sa.Connection) -> None:
        assert len(claims.promote_due(conn, now + timedelta(seconds=2), ROWS)) == ROWS

    return work


def expire(db: Database, crowd: Crowd, number: int) -> Work:
    now = db.now()
    accept(db, of(crowd, number, approval_expires_at=now))

    def work(conn: sa.Connection) -> None:
        assert len(approvals.expire(conn, now + timedelta(seconds=1), ROWS)) == ROWS

    return work


def follow(db: Database, crowd: Crowd, number: int) -> Work:
    accept(db, [job_of(crowd[at % number], follows=True, schedule_id=new_id()) for at in range(ROWS)])

    def work(conn: sa.Connection) -> None:
        assert len(schedules.let_follow(conn, db.now() + timedelta(seconds=1), ROWS)) == ROWS

    return work


def reconnect(db: Database, crowd: Crowd, number: int) -> Work:
    accept(db, of(crowd, number, reconnect=True))

    def work(conn: sa.Connection) -> None:
        now = db.now() + timedelta(seconds=1)
        assert len(connections.release_unowned(conn, ["test.do_nothing"], now, ROWS)) == ROWS

    return work


def add_up(db: Database, crowd: Crowd, number: int) -> Work:
    return lambda conn: tallies.add(conn, {("runs", (f"{at}", "x")): 1.0 for at in range(number)})


BATCHES = [
    submit, submit_to_every_queue, claim, claim_within_rates, end, show_progress, promote, expire, follow, reconnect,
    add_up,
]  # fmt: skip


@pytest.mark.parametrize("prepare", BATCHES, ids=lambda one: one.__name__)
def test_a_batch_costs_as_many_statements_for_many_users_as_for_one(
    db: Database, crowd: Crowd, prepare: Callable[[Database, Crowd, int], Work]
) -> None:
    costs = []
    for number in USERS:
        work = prepare(db, crowd, number)
        with db.write() as conn, counted() as sent:
            work(conn)
        costs.append(len(sent))
    one, some, many = costs
    assert some == many
    assert many - one <= (0 if db.is_sqlite else FOR_THE_ORDER)


# --- the duties of the scheduler, with what they do around their statements


@pytest.fixture
def outbox(configured: Config, redis_url: str) -> Iterator[Outbox]:
    outbox = Outbox(redis_url, redis_url, WINDOW)
    outbox.start()
    yield outbox
    outbox.close()


def test_a_rescue_of_many_users_jobs_costs_as_much_as_of_ones(
    db: Database, crowd: Crowd, configured: Config, outbox: Outbox, redis_url: str
) -> None:
    from llmcoder.settings import EngineSettings

    settings = EngineSettings(broker_url=redis_url, redis_url=redis_url)
    dispatcher = Dispatcher(db, connect_bell(redis_url), outbox, settings)
    costs = []
    for number in USERS:
        accepted = accept(db, of(crowd, number))
        take(db, *(done.job.id for done in accepted), lease_s=-1.0)
        with counted() as sent:
            assert dispatcher.rescue() == ROWS
        costs.append(len(sent))
        with db.write() as conn:
            conn.execute(sa.delete(jobs_table))
    dispatcher.close()
    assert costs[1] == costs[2]
    assert costs[2] - costs[0] <= (0 if db.is_sqlite else FOR_THE_ORDER)


def test_schedules_that_fire_together_cost_as_many_statements_for_many_users_as_for_one(
    db: Database, crowd: Crowd, configured: Config, outbox: Outbox
) -> None:
    firing = Firing(db, outbox, registry())
    costs = []
    for number in USERS:
        add_schedules(db, crowd[:number], MOST_OF_USER, "general.list_todos")
        with counted() as sent:
            assert firing.fire() == MOST_OF_USER
        costs.append(len(sent))
    assert costs[1] == costs[2]
    assert costs[2] - costs[0] <= (0 if db.is_sqlite else FOR_THE_ORDER)


def add_schedules(db: Database, owners: Crowd, number: int, action: str) -> None:
    now = db.now()
    rows = [
        {
            "id": new_id(), "user_id": owners[at % len(owners)].id, "name": str(new_id()), "action": action,
            "input": '{"text":"a note"}' if action == "general.add_note" else "{}", "cron": "0 9 * * *",
            "timezone": "UTC", "jitter_s": 0, "catch_up": "skip", "catch_up_within_s": 60, "overlap": "allow",
            "pause_after_failures": 1, "enabled": True, "resumed_at": now, "next_fire_at": now - timedelta(seconds=1),
            "version": 1, "created_at": now, "updated_at": now,
        }
        for at in range(number)
    ]  # fmt: skip
    with db.write() as conn:
        conn.execute(sa.insert(schedules_table), rows)


# --- and what one statement gives is what one a user gave


def test_each_user_gets_the_next_revisions_of_its_own(db: Database, crowd: Crowd) -> None:
    with db.write() as conn:
        assert take_revisions(conn, {crowd[0].id: 2, crowd[1].id: 3}) == {crowd[0].id: 0, crowd[1].id: 0}
        assert take_revisions(conn, {crowd[1].id: 1, crowd[2].id: 1}) == {crowd[1].id: 3, crowd[2].id: 0}
        assert take_revisions(conn, {}) == {}


def test_users_who_come_together_stand_beside_each_other(db: Database, crowd: Crowd) -> None:
    """Not one behind the other, however many each of them brings."""
    alice, bert, carl = ("io", 5, crowd[0].id), ("io", 5, crowd[1].id), ("io", 5, crowd[2].id)
    with db.write() as conn:
        assert fair_queue.take(conn, {alice: 100, bert: 2}) == {alice: 0, bert: 0}
        # who was away has saved nothing up, and who was served goes on behind the own last turn
        assert fair_queue.take(conn, {bert: 1, carl: 1}) == {bert: 100, carl: 100}
        assert fair_queue.take(conn, {alice: 1}) == {alice: 101}
        assert fair_queue.take(conn, {}) == {}


def test_a_line_is_a_queue_and_a_priority(db: Database, crowd: Crowd) -> None:
    user = crowd[0].id
    with db.write() as conn:
        assert fair_queue.take(conn, {("io", 5, user): 7, ("io", 0, user): 1, ("heavy", 5, user): 2}) == {
            ("io", 5, user): 0, ("io", 0, user): 0, ("heavy", 5, user): 0,
        }  # fmt: skip
        assert fair_queue.take(conn, {("heavy", 5, user): 1, ("io", 5, user): 1}) == {
            ("heavy", 5, user): 2, ("io", 5, user): 7,
        }  # fmt: skip


def test_batches_of_the_same_users_in_any_order_do_not_wait_for_each_other_in_a_circle(
    db: Database, crowd: Crowd
) -> None:
    start = threading.Barrier(4)

    def submit_again_and_again(place: int) -> int:
        chance = random.Random(place)
        start.wait(30)
        for _ in range(20):
            accept(db, [job_of(one, queue=chance.choice(QUEUES)) for one in chance.sample(crowd, 60)])
        return place

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(submit_again_and_again, range(4))] == [0, 1, 2, 3]
    with db.read() as conn:
        kept = conn.execute(sa.select(jobs_table.c.user_id, jobs_table.c.rev, jobs_table.c.turn)).all()
        counters = {row.user_id: row.rev for row in conn.execute(sa.select(revisions))}
    assert len(kept) == 4 * 20 * 60
    by_user: dict[UUID, list[int]] = {}
    for row in kept:
        by_user.setdefault(row.user_id, []).append(row.rev)
    assert {one: sorted(revs) for one, revs in by_user.items()} == {
        one: [*range(1, counters[one] + 1)] for one in by_user
    }
