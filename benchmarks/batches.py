"""What the number of users in a batch costs: jobs of 1, of 30 and of 1,000 users, committed 1,000 at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from benchmarks.harness import Bench, BenchError, Store
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.peers import statement_per_user
from benchmarks.user import add_user, count_jobs
from llmcoder.ids import new_id
from models.db.database import Database
from models.jobs.store import NewJob, insert
from models.jobs.tables import jobs as jobs_table

USERS = (1, 30, 1_000)
BATCH = 1_000
ABOUT = ("test.do_nothing", "draft", "io", "{}", 3)


def measurement(bench: Bench, batches: int) -> Measurement:
    columns = []
    for number in USERS:
        users = "1 user" if number == 1 else f"{number:,} users"
        columns += [
            Column(f"jobs_per_s_{number}", f"{users}: jobs/s"),
            Column(f"times_before_{number}", "× a statement for each user", 2),
        ]
    return Measurement(
        title="Many users at once",
        how=f"{batches} batches of {BATCH:,} submits, each batch one durable commit, for {USERS[0]}, {USERS[1]} and "
        f"{USERS[2]:,} "
        "users; and the same with each user's revision and turn taken by a statement of its own, as it was before, "
        "batch by batch by turns.",
        columns=tuple(columns),
        contestants=[Contestant(store.name, partial(_ours, bench, store, batches)) for store in bench.stores],
        baseline=bench.stores[0].name,
        compared=f"jobs_per_s_{USERS[-1]}",
    )


@contextmanager
def _ours(bench: Bench, store: Store, batches: int) -> Iterator[Turn]:
    url = store.fresh()
    try:
        with closing(Database(url)) as db:
            users = [add_user(db) for _ in range(max(USERS))]

            def turn() -> Figures:
                figures: Figures = {}
                for number in USERS:
                    now_s, before_s = _by_turns(db, users[:number], batches)
                    figures[f"jobs_per_s_{number}"] = batches * BATCH / now_s
                    figures[f"times_before_{number}"] = before_s / now_s
                return figures

            yield turn
    finally:
        store.drop(url)


def _by_turns(db: Database, users: Sequence[UUID], batches: int) -> tuple[float, float]:
    """Seconds that the batches take as they are, and as they were."""
    taken_s = [0.0, 0.0]
    ways: tuple[Callable[[], AbstractContextManager[None]], ...] = (nullcontext, statement_per_user.in_place)
    for _ in range(batches):
        for place, way in enumerate(ways):
            with way():
                taken_s[place] += _submit_s(db, users)
    if (found := count_jobs(db)) != 2 * batches * BATCH:
        raise BenchError(f"{found} jobs are there and {2 * batches * BATCH} should be")
    with db.write() as conn:
        conn.execute(sa.delete(jobs_table))
    return taken_s[0], taken_s[1]


def _submit_s(db: Database, users: Sequence[UUID]) -> float:
    new = [NewJob(new_id(), users[place % len(users)], *ABOUT) for place in range(BATCH)]
    start = time.perf_counter()
    with db.write() as conn:
        insert(conn, new, db.now(), rung=[False] * BATCH)
    return time.perf_counter() - start
