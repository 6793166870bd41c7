"""How long ten jobs of one user take that come after ten thousand of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from statistics import median
from uuid import UUID

from benchmarks.drain import SLOTS, WITHIN_S, produce
from benchmarks.harness import Bench, BenchError, Engine, Store, wait_for
from benchmarks.load import counted, post
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.peers import LATECOMERS, WORK_S
from benchmarks.user import add_user, count_jobs, log_in, wait_until_all_succeeded
from llmcoder.ids import new_id
from models.db.database import Database
from models.jobs.store import PRIORITY, NewJob, insert
from models.jobs.tables import jobs as jobs_table

IDLE_JOBS = 50
ACCEPTED_AT_ONCE = 1_000
PEER = "bare Celery, one queue"


def measurement(bench: Bench, jobs: int) -> Measurement:
    return Measurement(
        title="Fairness",
        how=f"{jobs:,} jobs of {WORK_S * 1000:g} ms by one user and then, when they are under way, at once "
        f"{LATECOMERS} such jobs by another, of the same priority; one worker process with {SLOTS} threads. These are "
        "timed as in the idle latency: bare Celery from before `delay()` to the end of the task; ours from the first "
        "byte of an HTTP request to the finished job in its answer. The multiple is that of the median of "
        f"{IDLE_JOBS} such jobs one at a time, in the same turn.",
        columns=(
            Column("ahead", "jobs waiting before them"),
            Column("idle_ms", "idle, p50 ms", 1),
            Column("p50_ms", "the ten, median ms", 1),
            Column("worst_ms", "worst ms", 1),
            Column("p50_multiple", "median × idle", 1),
            Column("worst_multiple", "worst × idle", 1),
        ),
        contestants=[
            Contestant(PEER, partial(_peer, bench, jobs)),
            *(Contestant(f"ours, {store.name}", partial(_ours, bench, store, jobs)) for store in bench.stores),
        ],
        baseline=PEER,
        compared="worst_multiple",
    )


@contextmanager
def _peer(bench: Bench, jobs: int) -> Iterator[Turn]:
    with bench.celery_worker(SLOTS) as env:

        def turn() -> Figures:
            ahead, *taken_ms = produce("fairness", IDLE_JOBS, jobs, env)
            return _figures(ahead, taken_ms[:IDLE_JOBS], taken_ms[IDLE_JOBS:])

        yield turn


@contextmanager
def _ours(bench: Bench, store: Store, jobs: int) -> Iterator[Turn]:
    with bench.engine(store, "io", "scheduler", "api") as engine, closing(Database(engine.url)) as db:
        # The priority is given: who waits for an answer would else pass before all others, and not by turns.
        job = {"action": "test.work_briefly", "input": {"seconds": WORK_S}, "priority": PRIORITY}
        request = post("/jobs", job, token=log_in(engine.port), prefer=f"wait={WITHIN_S:g}")
        crowd = add_user(db)
        done = 0

        def succeeded() -> int:
            return count_jobs(db, jobs_table.c.user_id == crowd, jobs_table.c.state == "succeeded")

        def turn() -> Figures:
            nonlocal done
            idle_ms = _taken_ms(engine, request, connections=1, requests=IDLE_JOBS)
            _submit(db, crowd, jobs)
            wait_for(lambda: succeeded() >= done + jobs // 20, WITHIN_S, what="the start of the many jobs")
            ahead = count_jobs(db, jobs_table.c.state == "queued")
            ten_ms = _taken_ms(engine, request, connections=LATECOMERS, requests=LATECOMERS)
            done += jobs
            if succeeded() == done:
                raise BenchError("the other user's jobs had ended before the ten; that measures nothing")
            wait_until_all_succeeded(db, crowd, done, WITHIN_S)
            engine.wait_until_quiet()
            return _figures(ahead, idle_ms, ten_ms)

        yield turn


def _submit(db: Database, user_id: UUID, number: int) -> None:
    """Straight into SQL, where the worker finds them: this must not take as long as running them."""
    about = ("test.work_briefly", "draft", "io", f'{{"seconds":{WORK_S}}}', 3)
    for start in range(0, number, ACCEPTED_AT_ONCE):
        new = [NewJob(new_id(), user_id, *about) for _ in range(min(ACCEPTED_AT_ONCE, number - start))]
        with db.write() as conn:
            insert(conn, new, db.now(), rung=[False] * len(new))


def _taken_ms(engine: Engine, request: bytes, connections: int, requests: int) -> list[float]:
    return counted(engine.port, request, connections=connections, requests=requests, status=200).latencies_ms


def _figures(ahead: float, idle_ms: Sequence[float], ten_ms: Sequence[float]) -> Figures:
    idle, middle, worst = median(idle_ms), median(ten_ms), max(ten_ms)
    return {
        "ahead": ahead,
        "idle_ms": idle,
        "p50_ms": middle,
        "worst_ms": worst,
        "p50_multiple": middle / idle,
        "worst_multiple": worst / idle,
    }
