"""How fast a worker gets through jobs that do nothing, from the first submit to the last one done."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from benchmarks.harness import PYTHON, ROOT, Bench, BenchError, Store
from benchmarks.load import counted, post
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.user import log_in, only_user, wait_until_all_succeeded
from llmcoder.settings import EngineSettings
from models.db.database import Database

SLOTS: int = EngineSettings.model_fields["io_slots"].default
CONNECTIONS = 30
WARM_UP_JOBS = 500
WITHIN_S = 120.0
PEER = "bare Celery"


def measurement(bench: Bench, jobs: int) -> Measurement:
    return Measurement(
        title="End to end",
        how=f"{jobs:,} no-op jobs from the first submit to the last one done; one producer process and one worker "
        f"process with {SLOTS} threads, after {WARM_UP_JOBS} jobs to warm up. Bare Celery as shipped, without results "
        "or events, is fed by `delay()` in a loop. Ours (with its scheduler, with the events for Flower, every "
        "transition in SQL) is fed by concurrent single submits, or over HTTP from "
        f"{CONNECTIONS} connections, and has ended when SQL says that all have succeeded. (Doorbells of jobs that were "
        "pulled without them are dropped after that; the next turn waits for it.)",
        columns=(
            Column("per_second", "jobs/s, end to end"),
            Column("submits_per_second", "submits/s meanwhile"),
            Column("after_s", "s from last submit to last end", 2),
        ),
        contestants=[
            Contestant(PEER, partial(_peer, bench, jobs)),
            *(Contestant(f"ours, {store.name}", partial(_ours, bench, store, jobs)) for store in bench.stores),
            *(
                Contestant(f"ours over HTTP, {store.name}", partial(_ours_over_http, bench, store, jobs))
                for store in bench.stores
            ),
        ],
        baseline=PEER,
        compared="per_second",
    )


@contextmanager
def _peer(bench: Bench, jobs: int) -> Iterator[Turn]:
    with bench.celery_worker(SLOTS) as env:
        yield lambda: figures(jobs, *produce("celery", WARM_UP_JOBS, jobs, env))


@contextmanager
def _ours(bench: Bench, store: Store, jobs: int) -> Iterator[Turn]:
    with bench.engine(store, "io", "scheduler") as engine:

        def turn() -> Figures:
            times = produce("ours", WARM_UP_JOBS, jobs, engine.env)
            engine.wait_until_quiet()
            return figures(jobs, *times)

        yield turn


@contextmanager
def _ours_over_http(bench: Bench, store: Store, jobs: int) -> Iterator[Turn]:
    with bench.engine(store, "io", "scheduler", "api") as engine, closing(Database(engine.url)) as db:
        request = post("/test/do_nothing", {}, token=log_in(engine.port))
        user_id = only_user(db)
        done = 0

        def submit(number: int) -> float:
            nonlocal done
            counted(engine.port, request, connections=CONNECTIONS, requests=number)
            submitted = time.perf_counter()
            done += number
            wait_until_all_succeeded(db, user_id, done, WITHIN_S)
            return submitted

        def turn() -> Figures:
            submit(WARM_UP_JOBS)
            start = time.perf_counter()
            submitted = submit(jobs)
            end = time.perf_counter()
            engine.wait_until_quiet()
            return figures(jobs, submitted - start, end - start)

        yield turn


def produce(what: str, warm_up: int, jobs: int, env: dict[str, str]) -> list[float]:
    """Run a producer process, which also watches for the end, and return what it measured."""
    command = [PYTHON, "-m", "benchmarks.produce", what, str(warm_up), str(jobs)]
    ended = subprocess.run(
        command, env={**os.environ, **env}, cwd=ROOT, capture_output=True, timeout=2 * WITHIN_S, check=False
    )
    if ended.returncode:
        raise BenchError(f"{' '.join(command)}: {ended.stderr.decode(errors='replace')[-2_000:]}")
    times: list[float] = json.loads(ended.stdout)
    return times


def figures(jobs: int, submit_s: float, all_s: float) -> Figures:
    return {"per_second": jobs / all_s, "submits_per_second": jobs / submit_s, "after_s": all_s - submit_s}
