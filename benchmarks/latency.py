"""How long one job takes when nothing else is going on, from the submit to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.drain import SLOTS, produce
from benchmarks.harness import Bench, Store
from benchmarks.load import counted, percentile, post
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.user import log_in

WARM_UP_JOBS = 30
WITHIN_S = 10
PEER = "bare Celery, `delay()` to executed"


def measurement(bench: Bench, jobs: int) -> Measurement:
    return Measurement(
        title="Idle latency",
        how=f"{jobs} no-op jobs, one at a time. Bare Celery: from before `delay()` to the moment the task runs. Ours: "
        "one HTTP request with `Prefer: wait` from its first byte to the finished job in the answer: accepted on disk, "
        "claimed, run, finished on disk, pushed.",
        columns=(Column("p50_ms", "p50 ms", 1), Column("p99_ms", "p99 ms", 1)),
        contestants=[
            Contestant(PEER, partial(_peer, bench, jobs)),
            *(
                Contestant(f"ours, `Prefer: wait`, {store.name}", partial(_ours, bench, store, jobs))
                for store in bench.stores
            ),
        ],
        baseline=PEER,
        compared="p50_ms",
    )


@contextmanager
def _peer(bench: Bench, jobs: int) -> Iterator[Turn]:
    with bench.celery_worker(SLOTS) as env:
        yield lambda: _figures(produce("latency", WARM_UP_JOBS, jobs, env))


@contextmanager
def _ours(bench: Bench, store: Store, jobs: int) -> Iterator[Turn]:
    with bench.engine(store, "io", "scheduler", "api") as engine:
        request = post("/test/do_nothing", {}, token=log_in(engine.port), prefer=f"wait={WITHIN_S}")

        def turn() -> Figures:
            counted(engine.port, request, connections=1, requests=WARM_UP_JOBS, status=200)
            return _figures(counted(engine.port, request, connections=1, requests=jobs, status=200).latencies_ms)

        yield turn


def _figures(taken_ms: list[float]) -> Figures:
    ordered = sorted(taken_ms)
    return {"p50_ms": percentile(ordered, 50), "p99_ms": percentile(ordered, 99)}
