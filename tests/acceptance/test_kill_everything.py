"""kill -9 of every part in the middle of the work: nothing is lost, and nothing reaches the outside world twice."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter as Tally
from collections.abc import Callable

from tests.acceptance.conftest import Counter, Engine

JOBS = 200
ENDED = {"succeeded", "failed", "cancelled", "uncertain"}


def test_two_hundred_jobs_outlive_the_death_of_every_process(
    start_engine: Callable[..., Engine], counter: Counter
) -> None:
    engine = start_engine()
    # all together 15 s at the least, so that every death below meets jobs at work: on a busy machine each takes seconds
    counter.takes_s = 1.2
    accepted = [
        engine.client.post("/http/request", json={"method": "POST", "url": counter.url, "text": str(n)})
        for n in range(JOBS)
    ]
    assert {answer.status_code for answer in accepted} == {202}
    for mark in ("process workers io", "redis-server", "process schedules", "process api"):
        began = len(counter.seen)
        engine.until(lambda began=began: len(counter.seen) >= began + 10, 60, "jobs at work")
        if mark == "redis-server":
            shutil.rmtree(engine.data_dir / "redis", ignore_errors=True)
        engine.kill(mark)
    engine.until(lambda: all(job["state"] in ENDED for job in engine.jobs()), 120, "every job to end")

    jobs = {job["id"]: job for job in engine.jobs()}
    assert len(jobs) == JOBS
    reached = Tally(counter.seen)
    assert set(reached.values()) == {1}, "a request reached the server twice"
    states = Tally(job["state"] for job in jobs.values())
    assert states.keys() <= {"succeeded", "uncertain"}, states
    # only what was under way in the killed worker's slots can be uncertain, and nothing that succeeded was not sent
    lost = [job for job in jobs.values() if job["state"] == "uncertain"]
    assert {job["reason"] for job in lost} == {"worker_lost"}, [job for job in lost if job["reason"] != "worker_lost"]
    assert len(lost) <= 16, states
    assert all(reached[job_id] == 1 for job_id, job in jobs.items() if job["state"] == "succeeded")
    engine.until(lambda: engine.client.get("/health/ready").status_code == 200, 60, "the supervisor to bring all back")


def test_fifty_jobs_are_accepted_while_redis_is_stopped_and_all_run(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    redis = engine.processes("redis-server")[0]
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        took = []
        for n in range(50):
            began = time.monotonic()
            answer = engine.client.post("/test/echo", json={"text": str(n)})
            took.append(time.monotonic() - began)
            assert answer.status_code == 202
        print(f"accepted 50 while Redis hung: slowest {max(took) * 1000:.0f} ms")
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    engine.until(lambda: [job["state"] for job in engine.jobs()] == ["succeeded"] * 50, 60, "all 50 to run")
