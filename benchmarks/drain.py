"""How fast a worker gets through jobs that do nothing, from the first submit to the last one done."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import closing
from functools import partial

from benchmarks.harness import PYTHON, ROOT, Bench, BenchError, Store
from benchmarks.load import counted, post
from benchmarks.measure import Column, Contestant, Figures, Measurement
from benchmarks.user import log_in, only_user, wait_until_all_succeeded
from llmcoder.settings import EngineSettings
from models.db import Database

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
        f"{CONNECTIONS} connections, and has ended when SQL says that all have succeeded.",
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


def _peer(bench: Bench, jobs: int) -> Figures:
    with bench.celery_worker(SLOTS):
        return figures(jobs, *produce("celery", WARM_UP_JOBS, jobs, bench.peer_env))


def _ours(bench: Bench, store: Store, jobs: int) -> Figures:
    with bench.engine(store, "io", "scheduler") as engine:
        return figures(jobs, *produce("ours", WARM_UP_JOBS, jobs, engine.env))


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


def _ours_over_http(bench: Bench, store: Store, jobs: int) -> Figures:
    with bench.engine(store, "io", "scheduler", "api") as engine, closing(Database(engine.url)) as db:
        request = post("/test/do_nothing", {}, token=log_in(engine.port))
        user_id = only_user(db)
        counted(engine.port, request, connections=CONNECTIONS, requests=WARM_UP_JOBS)
        wait_until_all_succeeded(db, user_id, WARM_UP_JOBS, WITHIN_S)
        start = time.perf_counter()
        counted(engine.port, request, connections=CONNECTIONS, requests=jobs)
        submitted = time.perf_counter()
        wait_until_all_succeeded(db, user_id, WARM_UP_JOBS + jobs, WITHIN_S)
        return figures(jobs, submitted - start, time.perf_counter() - start)


def figures(jobs: int, submit_s: float, all_s: float) -> Figures:
    return {"per_second": jobs / all_s, "submits_per_second": jobs / submit_s, "after_s": all_s - submit_s}
