"""How long a user's macro waits for its next step while another user has thousands of runs under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from statistics import median
from uuid import UUID

import sqlalchemy as sa

from benchmarks.harness import Bench, BenchError, Store, wait_for
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.user import add_user
from engine.macro_runs import Macros
from engine.outbox import Outbox
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from llmcoder.registry import registry
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.store import NewJob, insert
from models.jobs.tables import jobs as jobs_table
from models.macros import store as macro_store
from models.macros.document import Macro
from models.macros.tables import macro_runs

PROBES = 10
WINDOW = 400
#: What a scheduler looked at in one tick, in no order of users, before there were turns.
AT_ONCE = 50
TICK_S = 0.25
WITHIN_S = 900.0
ADDED_AT_ONCE = 500
DOCUMENT = Macro.model_validate({"name": "one step", "steps": [{"id": "say", "action": "general.list_todos"}]})


def measurement(bench: Bench, runs: int) -> Measurement:
    return Measurement(
        title="Turns of macros",
        how=f"{runs:,} runs of one user that all have something to do, and then {PROBES} runs of another, one after "
        "the other: each from the commit that begins it to the commit of its first step's job, with one scheduler. `In "
        f"no order` looks at {AT_ONCE} runs a tick as the table gives them, which was all there was before the turns.",
        columns=(
            Column("ahead", "runs before it"),
            Column("idle_ms", "alone, median ms", 1),
            Column("p50_ms", "beside them, median ms", 1),
            Column("worst_ms", "worst ms", 1),
        ),
        contestants=[
            Contestant(f"{name}, {store.name}", partial(_turns, bench, store, runs, kind))
            for store in bench.stores
            for name, kind in (("in no order", InNoOrder), ("by turns", Macros))
        ],
        baseline=f"in no order, {bench.stores[0].name}",
        compared="worst_ms",
    )


class InNoOrder(Macros):
    """As it was."""

    def advance(self) -> int:
        with self._db.read() as conn:
            query = sa.select(macro_runs.c.job_id).where(macro_runs.c.open.is_(True))
            found = list(conn.execute(query.where(macro_runs.c.look_at <= self._db.now()).limit(AT_ONCE)).scalars())
        for run_id in found:
            self.look(run_id)
        return len(found)


@contextmanager
def _turns(bench: Bench, store: Store, runs: int, kind: type[Macros]) -> Iterator[Turn]:
    own, url = bench.own_redis(), store.fresh()
    settings = {"DATA_DIR": str(bench.folder / f"macros-{own.number}"), "DATABASE_URL": url}
    outbox = Outbox(own.broker_url, own.url, WINDOW)
    outbox.start()
    try:
        with use(Config.open(settings)), closing(Database(url)) as db:
            crowd, other = add_user(db), add_user(db)

            def turn() -> Figures:
                with _scheduler(kind(db, outbox, registry())):
                    idle_ms = [_waited_ms(db, other) for _ in range(PROBES)]
                _begin(db, crowd, runs)
                with _scheduler(kind(db, outbox, registry())):
                    ahead = _due(db)
                    busy_ms = [_waited_ms(db, other) for _ in range(PROBES)]
                    wait_for(lambda: _due(db) == 0, WITHIN_S, what="all runs were looked at")
                return {
                    "ahead": ahead, "idle_ms": median(idle_ms), "p50_ms": median(busy_ms), "worst_ms": max(busy_ms),
                }  # fmt: skip

            yield turn
    finally:
        outbox.close()
        store.drop(url)


@contextmanager
def _scheduler(macros: Macros) -> Iterator[None]:
    """Its ticks, in a thread."""
    ended = threading.Event()
    errors: list[BaseException] = []

    def tick() -> None:
        try:
            while not ended.wait(TICK_S):
                macros.advance()
        except Exception as error:  # noqa: BLE001  told below, where the benchmark can end
            errors.append(error)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(WITHIN_S)
    if errors:
        raise BenchError(f"the scheduler broke: {errors[0]!r}")


def _begin(db: Database, user_id: UUID, number: int) -> list[UUID]:
    """Runs as `tasks.start_macro` leaves them."""
    made: list[UUID] = []
    for start in range(0, number, ADDED_AT_ONCE):
        new = [
            NewJob(new_id(), user_id, "tasks.start_macro", "draft", "io", "{}", 1)
            for _ in range(min(ADDED_AT_ONCE, number - start))
        ]
        with db.write() as conn:
            now = db.now()
            insert(conn, new, now, rung=[True] * len(new))
            ids = [one.id for one in new]
            waits = {"state": State.WAITING, "reason": Reason.STEPS, "rung_at": None}
            conn.execute(sa.update(jobs_table).where(jobs_table.c.id.in_(ids)).values(waits))
            for one in ids:
                macro_store.begin(conn, one, user_id, DOCUMENT, {}, macro_store.RUN, None, now)
        made += ids
    return made


def _waited_ms(db: Database, user_id: UUID) -> float:
    (run,) = _begin(db, user_id, 1)
    start = time.perf_counter()
    step = sa.select(jobs_table.c.id).where(jobs_table.c.user_id == user_id, jobs_table.c.parent_id == run)

    def has_step() -> bool:
        with db.read() as conn:
            return conn.execute(step).first() is not None

    wait_for(has_step, WITHIN_S, what="the first step of the run")
    return (time.perf_counter() - start) * 1000


def _due(db: Database) -> int:
    due = sa.and_(macro_runs.c.open.is_(True), macro_runs.c.look_at <= db.now())
    with db.read() as conn:
        found: int = conn.execute(sa.select(sa.func.count()).select_from(macro_runs).where(due)).scalar_one()
    return found
