"""How long a process waits for SQLite's one writer beside a process that writes all the time."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing.queues import Queue
from statistics import quantiles

from benchmarks.harness import Bench, BenchError
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.peers.sqlite_waits import asking_later
from models.db.database import Database

GREEDY_THREADS, HOLDS_S = 8, 0.003
#: The other process writes so often: an API with something to do.
OTHER_EVERY_S = 0.02
WITHIN_S = 120.0


def measurement(bench: Bench, seconds: float) -> Measurement:
    return Measurement(
        title="SQLite's one writer",
        how=f"For {seconds:g} s a process with {GREEDY_THREADS} threads begins the next transaction as soon as one has "
        f"ended, each of {HOLDS_S * 1_000:g} ms, and another process writes every {OTHER_EVERY_S * 1_000:g} ms: how "
        "long the latter waits for its transactions to begin. `As SQLite waits` is its own busy handler, which was all "
        "there was before the turns.",
        columns=(
            Column("p50_ms", "waited, median ms", 1),
            Column("p95_ms", "95 % ms", 1),
            Column("worst_ms", "worst ms", 1),
            Column("others_per_s", "its writes/s"),
            Column("writes_per_s", "all writes/s"),
        ),
        contestants=[
            Contestant("as SQLite waits", partial(_turns, bench, seconds, asking_later, "later")),
            Contestant("in turns", partial(_turns, bench, seconds, Database, "turns")),
        ],
        baseline="as SQLite waits",
        compared="p95_ms",
    )


@contextmanager
def _turns(bench: Bench, seconds: float, opened: Callable[[str], Database], name: str) -> Iterator[Turn]:
    path = bench.folder / f"writers-{name}.db"
    path.touch()
    url = f"sqlite:///{path}"
    with closing(Database(url)) as db, db.write() as conn:
        conn.exec_driver_sql("CREATE TABLE writes (number INTEGER PRIMARY KEY, writer TEXT)")
    yield lambda: _turn(url, seconds, opened)


def _turn(url: str, seconds: float, opened: Callable[[str], Database]) -> Figures:
    spawn = multiprocessing.get_context("spawn")
    waits: Queue[list[float]] = spawn.Queue()
    greedy = spawn.Process(target=write, args=(opened, url, seconds, GREEDY_THREADS, 0.0, waits))
    other = spawn.Process(target=write, args=(opened, url, seconds, 1, OTHER_EVERY_S, waits))
    for process in (greedy, other):
        process.start()
    by_number = sorted((waits.get(timeout=WITHIN_S) for _ in range(2)), key=len)
    for process in (greedy, other):
        process.join(WITHIN_S)
        if process.exitcode != 0:
            raise BenchError(f"a writer ended with {process.exitcode}")
    waited_ms = sorted(by_number[0])
    return {
        "p50_ms": quantiles(waited_ms, n=100)[49], "p95_ms": quantiles(waited_ms, n=100)[94], "worst_ms": waited_ms[-1],
        "others_per_s": len(waited_ms) / seconds, "writes_per_s": sum(map(len, by_number)) / seconds,
    }  # fmt: skip


def write(
    opened: Callable[[str], Database], url: str, seconds: float, threads: int, every_s: float, waits: Queue[list[float]]
) -> None:  # fmt: skip
    """One process's work; it tells how long each of its transactions waited to begin, in ms."""
    waited_ms: list[float] = []
    with closing(opened(url)) as db:
        ends_at = time.monotonic() + seconds

        def work() -> None:
            while time.monotonic() < ends_at:
                start = time.perf_counter()
                with db.write(durable=False) as conn:
                    waited_ms.append((time.perf_counter() - start) * 1_000)
                    conn.exec_driver_sql("INSERT INTO writes (writer) VALUES ('x')")
                    time.sleep(HOLDS_S)
                time.sleep(every_s)

        started = [threading.Thread(target=work) for _ in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
    waits.put(waited_ms)
