"""How fast work is accepted over HTTP: stored for good with us, sent to Redis and nothing else with the peer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from benchmarks.harness import Bench, BenchError, Store
from benchmarks.load import Load, post, timed
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.user import count_jobs, log_in
from models.db.database import Database

CONNECTIONS = 30
PEER = "FastAPI `def` route calling `celery.delay()`"


def measurement(bench: Bench, seconds: float) -> Measurement:
    ours = [
        Contestant(f"ours, durable in {store.name}", partial(_ours, bench, store, seconds)) for store in bench.stores
    ]
    return Measurement(
        title="Submit",
        how=f"POST from {CONNECTIONS} keep-alive connections to one uvicorn worker, no worker running, for "
        f"{seconds:g} s after a warm-up; then one connection; then {CONNECTIONS} again while Redis is stopped with "
        "SIGSTOP. Ours checks a real user's bearer token and answers 202 when the job is on disk (SQLite "
        "`synchronous=FULL`, PostgreSQL `synchronous_commit=on`); afterwards SQL held exactly as many jobs as there "
        "were 202s. The first line is what the load client itself can do.",
        columns=(
            Column("per_second", "requests/s"),
            Column("p50_ms", "p50 ms", 1),
            Column("p99_ms", "p99 ms", 1),
            Column("alone_per_second", "one connection, requests/s"),
            Column("stopped_per_second", "Redis stopped, requests/s"),
            Column("stopped_p99_ms", "Redis stopped, p99 ms", 1),
        ),
        contestants=[
            Contestant("bare ASGI app", partial(_ceiling, bench, seconds)),
            Contestant(PEER, partial(_peer, bench, seconds)),
            *ours,
        ],
        baseline=PEER,
        compared="per_second",
    )


@contextmanager
def _ceiling(bench: Bench, seconds: float) -> Iterator[Turn]:
    with bench.uvicorn("benchmarks.peers.bare_asgi:app") as port:
        yield lambda: _figures(port, post("/", {}), seconds)[0]


@contextmanager
def _peer(bench: Bench, seconds: float) -> Iterator[Turn]:
    with bench.uvicorn("benchmarks.peers.fastapi_delay:app") as port:
        yield lambda: _figures(port, post("/nothing", {}), seconds)[0]


@contextmanager
def _ours(bench: Bench, store: Store, seconds: float) -> Iterator[Turn]:
    with bench.engine(store, "api") as engine:
        request = post("/test/do_nothing", {}, token=log_in(engine.port))
        accepted = 0

        def turn() -> Figures:
            nonlocal accepted
            figures, loads = _figures(engine.port, request, seconds)
            with bench.redis_stopped():
                stopped = timed(engine.port, request, connections=CONNECTIONS, seconds=seconds / 2, warm_s=0)
            accepted += sum(load.answered for load in (*loads, stopped))
            return figures | {"stopped_per_second": stopped.per_second, "stopped_p99_ms": stopped.percentile_ms(99)}

        yield turn
        _compare_with_sql(engine.url, accepted)


def _figures(port: int, request: bytes, seconds: float) -> tuple[Figures, list[Load]]:
    many = timed(port, request, connections=CONNECTIONS, seconds=seconds)
    one = timed(port, request, connections=1, seconds=seconds / 2)
    figures = {
        "per_second": many.per_second,
        "p50_ms": many.percentile_ms(50),
        "p99_ms": many.percentile_ms(99),
        "alone_per_second": one.per_second,
    }
    return figures, [many, one]


def _compare_with_sql(url: str, accepted: int) -> None:
    with closing(Database(url)) as db:
        found = count_jobs(db)
    if found != accepted:
        raise BenchError(f"{accepted} jobs were accepted and SQL holds {found}")
