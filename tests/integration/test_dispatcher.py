"""The dispatcher: bells within the window, again after a loss, and a verdict for whatever a dead worker left."""

from __future__ import annotations

import json
import signal
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
from engine_kit import (
    Engine,
    OwnRedis,
    accept,
    accept_one,
    environment,
    eventually,
    job_of,
    now_of,
    own_redis,
    set_columns,
    stand_in,
    take,
)

from engine.broker import PREFIX
from engine.doorbells import connect_bell
from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.context import User
from llmcoder.settings import EngineSettings
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.store import Job
from models.jobs.tables import jobs
from schedules.__main__ import steady
from schedules.dispatcher import Dispatcher

pytestmark = pytest.mark.both_stores

S = State
WINDOW = 50
NewDispatcher = Callable[..., Dispatcher]


@pytest.fixture(name="own_redis")
def started_redis() -> Iterator[OwnRedis]:
    """A Redis that this test may stop, kill and empty."""
    with own_redis() as server:
        yield server


@pytest.fixture
def new_dispatcher(db: Database, own_redis: OwnRedis) -> Iterator[NewDispatcher]:
    with ExitStack() as stack:

        def make(window: int = WINDOW, **more: Any) -> Dispatcher:
            settings = EngineSettings(broker_url=own_redis.url, redis_url=own_redis.url, doorbell_window=window, **more)
            outbox = Outbox(own_redis.url, own_redis.url, window)
            outbox.start()
            made = Dispatcher(db, connect_bell(own_redis.url), outbox, settings)
            stack.callback(outbox.close)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def broker(own_redis: OwnRedis) -> Iterator[redis.Redis]:
    with closing(own_redis.client()) as client:
        yield client


def rung(client: redis.Redis, queue: str = "io") -> list[UUID]:
    bodies = [json.loads(b64decode(json.loads(message)["body"])) for message in client.lrange(PREFIX + queue, 0, -1)]
    return [UUID(body[0][0]) for body in bodies]


# --- the window


def test_five_thousand_waiting_jobs_are_a_window_of_bells(
    db: Database, user: User, new_dispatcher: NewDispatcher, broker: redis.Redis
) -> None:
    accept(db, [job_of(user) for _ in range(5_000)])
    dispatcher = new_dispatcher()
    for taken in (0, 0, 20, 50, 1):
        for _ in range(taken):
            broker.rpop(PREFIX + "io")
        dispatcher.ring()
        assert broker.llen(PREFIX + "io") == WINDOW
    assert len(set(rung(broker))) == WINDOW


def test_submits_ring_at_once_and_not_past_the_window(
    db: Database, user: User, own_redis: OwnRedis, broker: redis.Redis
) -> None:
    outbox = Outbox(own_redis.url, own_redis.url, WINDOW)
    submitter = Submitter(db, outbox)
    outbox.start()
    highest = 0
    for _ in range(100):
        submitter.submit_now([job_of(user) for _ in range(10)])
        highest = max(highest, broker.llen(PREFIX + "io"))
    outbox.close()
    assert WINDOW <= broker.llen(PREFIX + "io") <= 2 * WINDOW, "what is on its way is not seen in the broker yet"
    assert highest <= 2 * WINDOW


def test_two_dispatchers_at_once_ring_each_job_once(
    db: Database, user: User, new_dispatcher: NewDispatcher, broker: redis.Redis
) -> None:
    ids = {done.job.id for done in accept(db, [job_of(user) for _ in range(300)])}
    dispatchers = [new_dispatcher(window=100) for _ in range(2)]
    ready = threading.Barrier(2)

    def ring(dispatcher: Dispatcher) -> int:
        ready.wait()
        return sum(dispatcher.ring() for _ in range(10))

    with ThreadPoolExecutor(2) as pool:
        rings = sum(pool.map(ring, dispatchers))
    standing = rung(broker)
    assert rings == len(standing) == len(set(standing))
    assert set(standing) <= ids
    assert 100 <= len(standing) <= 200, "each keeps the window as it sees it"


# --- again


def test_who_was_rung_and_does_not_come_is_rung_again(
    db: Database, user: User, new_dispatcher: NewDispatcher, broker: redis.Redis
) -> None:
    job, dispatcher = accept_one(db, user), new_dispatcher()
    assert [dispatcher.ring(), dispatcher.ring()] == [1, 0]
    set_columns(db, job.id, rung_at=db.now() - timedelta(seconds=16))
    assert dispatcher.ring() == 1
    assert rung(broker) == [job.id, job.id]


def test_a_broker_that_lost_everything_is_noticed_and_rung_at_once(
    db: Database, user: User, new_dispatcher: NewDispatcher, broker: redis.Redis
) -> None:
    ids = {done.job.id for done in accept(db, [job_of(user) for _ in range(20)])}
    dispatchers = [new_dispatcher(), new_dispatcher()]
    assert sum(dispatcher.ring() for dispatcher in dispatchers) == 20
    broker.flushall()
    assert sum(dispatcher.ring() for dispatcher in dispatchers) == 20
    assert set(rung(broker)) == ids


def test_a_broker_that_was_killed_gets_its_bells_when_it_is_back(
    db: Database, user: User, new_dispatcher: NewDispatcher, own_redis: OwnRedis, broker: redis.Redis
) -> None:
    accept(db, [job_of(user) for _ in range(20)])
    dispatcher = new_dispatcher()
    assert dispatcher.ring() == 20
    own_redis.kill()
    assert [dispatcher.ring(), dispatcher.ring()] == [0, 0]
    own_redis.start()
    assert dispatcher.ring() == 20
    assert len(rung(broker)) == 20


def test_a_hung_broker_holds_up_bells_and_nothing_else(
    db: Database, user: User, new_dispatcher: NewDispatcher, own_redis: OwnRedis, broker: redis.Redis
) -> None:
    dispatcher = new_dispatcher()
    dispatcher.ring()
    due, lost = stand_in(db, user, S.SCHEDULED), stand_in(db, user, S.RUNNING)
    set_columns(db, due.id, due_at=db.now())
    set_columns(db, lost.id, lease_until=db.now() - timedelta(seconds=1))
    with own_redis.hung():
        began = time.monotonic()
        assert dispatcher.ring() == 0
        assert time.monotonic() - began < 60  # without a limit it would hang for ever
        assert (dispatcher.promote(), dispatcher.rescue()) == (1, 1)
    assert eventually(dispatcher.ring) == 2
    assert set(rung(broker)) == {due.id, lost.id}


def test_while_the_broker_is_away_nobody_writes_about_it(
    db: Database, user: User, new_dispatcher: NewDispatcher, own_redis: OwnRedis
) -> None:
    dispatcher = new_dispatcher()
    own_redis.kill()
    assert dispatcher.ring() == 0
    accept_one(db, user)
    with db.write():  # on SQLite nobody else could write meanwhile
        began = time.monotonic()
        assert dispatcher.ring() == 0
        assert time.monotonic() - began < 60  # without a limit it would hang for ever
    own_redis.start()


# --- the other duties


def test_more_than_one_batch_is_promoted_in_a_tick(db: Database, user: User, new_dispatcher: NewDispatcher) -> None:
    accept(db, [job_of(user, due_at=db.now() + timedelta(seconds=1)) for _ in range(700)])
    with db.write() as conn:
        conn.execute(sa.update(jobs).values(due_at=db.now()))
    assert new_dispatcher().promote() == 700
    with db.read() as conn:
        assert set(conn.execute(sa.select(jobs.c.state, jobs.c.reason)).all()) == {(S.QUEUED, None)}


def test_a_tick_outlives_an_absent_database() -> None:
    calls = []

    def duty() -> int:
        calls.append(1)
        raise sa.exc.OperationalError("SELECT", None, Exception("the connection is closed"))

    tick = steady(duty)
    tick()
    tick()
    assert len(calls) == 2


# --- the process


@pytest.fixture
def engine(db: Database, db_url: str, user: User, own_redis: OwnRedis, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(db, user, own_redis, tmp_path, environment(db_url, own_redis, tmp_path))
    yield made
    made.close()


VERDICTS: list[tuple[str, dict[str, Any], tuple[State, Reason | None]]] = [
    ("test.do_nothing", {}, (S.QUEUED, Reason.RESCUED)),
    ("test.do_nothing", {"losses": 2}, (S.FAILED, Reason.WORKER_LOST)),
    ("test.do_nothing", {"cancel": True}, (S.CANCELLED, None)),
    ("test.write_line", {}, (S.QUEUED, Reason.RESCUED)),
    ("test.write_line", {"armed": True}, (S.UNCERTAIN, Reason.WORKER_LOST)),
    ("test.write_line", {"armed": True, "cancel": True}, (S.UNCERTAIN, Reason.WORKER_LOST)),
    ("test.write_findable_line", {"armed": True}, (S.SCHEDULED, Reason.RECONCILE)),
    ("test.of_nobody", {}, (S.QUEUED, Reason.RESCUED)),
    ("test.of_nobody", {"armed": True}, (S.SCHEDULED, Reason.RECONCILE)),  # a worker that knows it asks
    ("test.of_nobody", {"armed": True, "losses": 2}, (S.UNCERTAIN, Reason.WORKER_LOST)),
]


def test_two_scheduler_processes_give_every_lost_job_its_verdict(engine: Engine, db: Database, user: User) -> None:
    expired: list[Job] = []
    for action, known, _ in VERDICTS:
        job = accept_one(db, user, action=action)
        take(db, job.id, lease_s=-1)
        now = db.now()
        set_columns(
            db,
            job.id,
            losses=known.get("losses", 0),
            armed_at=now if known.get("armed") else None,
            marker="{}" if known.get("armed") else None,
            cancel_requested_at=now if known.get("cancel") else None,
        )
        expired.append(job)
    schedulers = [engine.start("schedules"), engine.start("schedules")]
    eventually(lambda: all(now_of(db, user, job.id).state != S.RUNNING for job in expired))
    stands = [(after.state, after.reason) for after in (now_of(db, user, job.id) for job in expired)]
    assert stands == [expected for _, _, expected in VERDICTS]
    with engine.redis.hung():
        eventually(lambda: "the broker is away" in engine.logs())
        for scheduler in schedulers:
            scheduler.send_signal(signal.SIGTERM)
        assert [scheduler.wait(120) for scheduler in schedulers] == [0, 0], "a hung broker does not hold up the end"
    assert "Traceback" not in engine.logs()
