"""What a tick of the clock costs beside 100 schedules and beside 100,000, and how fast those due together drain."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from uuid import UUID

import sqlalchemy as sa

from benchmarks.harness import Bench, BenchError, Store
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.user import add_user, count_jobs
from engine.outbox import Outbox
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from llmcoder.registry import registry
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs as jobs_table
from models.schedules.store import CatchUp, Overlap, Schedule
from models.schedules.tables import schedules as schedules_table
from schedules.firing_tick import Firing

FEW = 100
DUE_OF_MANY = 10
IDLE_TICKS, BUSY_TICKS = 200, 20
ADDED_AT_ONCE = 5_000
WINDOW = 400
DAY_S = 86_400
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")


def measurement(bench: Bench, many: int, together: int) -> Measurement:
    return Measurement(
        title="The clock",
        how=f"Cron schedules that fire once a year, in {len(ZONES)} time zones: {FEW:,} in one database and {many:,} "
        "in another of the same store. A tick as the scheduler makes it every half second: "
        f"{IDLE_TICKS} with nothing due, and {BUSY_TICKS} with {DUE_OF_MANY} due, whose jobs are committed with their "
        f"runs; medians, by turns. Then {together:,} that are due at the same time, from the tick to the last job in "
        "SQL.",
        columns=(
            Column("idle_few_ms", f"nothing due, of {FEW:,}: ms", 3),
            Column("idle_many_ms", f"of {many:,}: ms", 3),
            Column("busy_few_ms", f"{DUE_OF_MANY} due, of {FEW:,}: ms", 1),
            Column("busy_many_ms", f"of {many:,}: ms", 1),
            Column("many_by_few", "many / few, nothing due", 2),
            Column("busy_many_by_few", f"many / few, {DUE_OF_MANY} due", 2),
            Column("fired_per_s", f"{together:,} due together: jobs/s"),
        ),
        contestants=[Contestant(store.name, partial(_ours, bench, store, many, together)) for store in bench.stores],
        baseline=bench.stores[0].name,
        compared="fired_per_s",
    )


@contextmanager
def _ours(bench: Bench, store: Store, many: int, together: int) -> Iterator[Turn]:
    with ExitStack() as stack:
        few, full = (stack.enter_context(_clock(bench, store, number)) for number in (FEW, many))

        def turn() -> Figures:
            idle, busy = (
                _by_turns(few, full, Clock.idle_ms, IDLE_TICKS),
                _by_turns(few, full, Clock.busy_ms, BUSY_TICKS),
            )
            return {
                "idle_few_ms": idle[0],
                "idle_many_ms": idle[1],
                "busy_few_ms": busy[0],
                "busy_many_ms": busy[1],
                "many_by_few": idle[1] / idle[0],
                "busy_many_by_few": busy[1] / busy[0],
                "fired_per_s": together / (full.fire_ms(together) / 1000),
            }

        yield turn


@contextmanager
def _clock(bench: Bench, store: Store, number: int) -> Iterator[Clock]:
    own, url = bench.own_redis(), store.fresh()
    settings = {"DATA_DIR": str(bench.folder / f"clock-{own.number}"), "DATABASE_URL": url}
    outbox = Outbox(own.broker_url, own.url, WINDOW)
    outbox.start()
    try:
        with use(Config.open(settings)), closing(Database(url)) as db:
            yield Clock(db, outbox, number)
    finally:
        outbox.close()
        store.drop(url)


class Clock:
    """A database full of schedules, and the duty that fires them."""

    def __init__(self, db: Database, outbox: Outbox, number: int) -> None:
        self._db = db
        self._firing = Firing(db, outbox, registry())
        self._chance = random.Random(number)
        user_id = add_user(db)
        now = db.now()
        self._ids = [new_id() for _ in range(number)]
        for start in range(0, number, ADDED_AT_ONCE):
            rows = [self._row(one, user_id, now) for one in self._ids[start : start + ADDED_AT_ONCE]]
            with db.write() as conn:
                conn.execute(sa.insert(schedules_table), rows)

    def _row(self, schedule_id: UUID, user_id: UUID, now: datetime) -> dict[str, object]:
        chance = self._chance
        cron = f"{chance.randrange(60)} {chance.randrange(24)} 15 {(now.month + 5) % 12 + 1} *"  # not before months
        made = Schedule(
            id=schedule_id, user_id=user_id, name=f"No. {schedule_id}", action="general.list_todos", input="{}",
            cron=cron, every_s=None, at=None, timezone=chance.choice(ZONES), jitter_s=0, starts_at=None, ends_at=None,
            catch_up=CatchUp.SKIP, catch_up_within_s=DAY_S, overlap=Overlap.SKIP, pause_after_failures=5, enabled=True,
            note=None, resumed_at=now, next_fire_at=now + timedelta(seconds=DAY_S * (1 + chance.random())), version=1,
            created_at=now, updated_at=now,
        )  # fmt: skip
        return {name: getattr(made, name) for name in Schedule.__slots__}

    def idle_ms(self) -> float:
        return self._timed_ms(expected=0)

    def busy_ms(self) -> float:
        return self.fire_ms(DUE_OF_MANY)

    def fire_ms(self, number: int) -> float:
        """Have so many due now, and fire them."""
        due = self._chance.sample(self._ids, number)
        with self._db.write() as conn:
            now = self._db.now()
            by_id = sa.update(schedules_table).where(schedules_table.c.id == sa.bindparam("one"))
            conn.execute(by_id.values(next_fire_at=now), [{"one": one} for one in due])
        taken_ms = self._timed_ms(expected=number)
        if (found := count_jobs(self._db, jobs_table.c.state == State.QUEUED)) != number:
            raise BenchError(f"{found} jobs were made and {number} should have been")
        with self._db.write() as conn:  # as if they had run
            conn.execute(sa.update(jobs_table).values(state=State.SUCCEEDED, finished_at=self._db.now()))
        return taken_ms

    def _timed_ms(self, expected: int) -> float:
        start = time.perf_counter()
        fired = self._firing.fire()
        taken_ms = (time.perf_counter() - start) * 1000
        if fired != expected:
            raise BenchError(f"{fired} fired and {expected} should have")
        return taken_ms


def _by_turns(few: Clock, full: Clock, tick: Callable[[Clock], float], number: int) -> tuple[float, float]:
    """The median of each."""
    pairs = [(tick(few), tick(full)) for _ in range(number)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
