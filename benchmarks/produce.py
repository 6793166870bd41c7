"""One producer process: `python -m benchmarks.produce celery|ours|latency|fairness WARM_UP JOBS`.

`celery` and `ours` print, as JSON, the seconds from the first submit to the last one and to the end of the last job;
`latency` prints for each of bare Celery's tasks the milliseconds from `delay()` to its run; `fairness` how many tasks
waited when ten more came, then the milliseconds to the end of as many idle ones as the warm-up has, and of the ten.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from redis import Redis

    from engine.submitter import Submitter
    from models.jobs.store import NewJob

WITHIN_S = 120
#: Submits that wait for their commit at once, as the requests of a busy API process do.
AT_ONCE = 200


def main() -> None:
    what, warm_up, jobs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"celery": celery, "ours": ours, "latency": latency, "fairness": fairness}[what](warm_up, jobs)))


def celery(warm_up: int, jobs: int) -> tuple[float, float]:
    from benchmarks.peers.celery_app import RAN, SENT, nothing

    told = _redis()
    sent = int(told.get(SENT) or 0)  # in earlier turns; the worker counts on

    def run(number: int, ran_before: int) -> tuple[float, float]:
        start = time.perf_counter()
        for _ in range(number):
            nothing.delay()
        submitted = time.perf_counter()
        ran = ran_before
        while ran < ran_before + number:
            found = told.blpop([RAN], timeout=WITHIN_S)
            if found is None:
                raise SystemExit(f"only {ran} tasks ran")
            ran = max(ran, int(found[1]))
        return submitted - start, time.perf_counter() - start

    run(warm_up, sent)
    times = run(jobs, sent + warm_up)
    told.incrby(SENT, warm_up + jobs)
    return times


def latency(warm_up: int, jobs: int) -> list[float]:
    from benchmarks.peers.celery_app import answer

    told = _redis()
    taken_ms = []
    for _ in range(warm_up + jobs):
        start = time.monotonic()
        answer.delay()
        taken_ms.append((_answered_at(told) - start) * 1000)
    return taken_ms[warm_up:]


def fairness(warm_up: int, jobs: int) -> list[float]:
    from benchmarks.peers import LATECOMERS
    from benchmarks.peers.celery_app import work, work_and_answer

    told = _redis()

    def taken_ms(number: int) -> list[float]:
        starts = []
        for _ in range(number):
            starts.append(time.monotonic())
            work_and_answer.delay()
        return [(_answered_at(told) - start) * 1000 for start in starts]  # they come in order, give or take a few ms

    idle_ms = [taken_ms(1)[0] for _ in range(warm_up)]
    for _ in range(jobs):
        work.delay()
    waiting = told.llen("celery")
    return [waiting, *idle_ms, *taken_ms(LATECOMERS)]


def _redis() -> Redis:
    from redis import Redis

    # without redis-py's own 5 s, since whoever asks to wait for an answer says for how long
    return Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)


def _answered_at(told: Redis) -> float:
    from benchmarks.peers.celery_app import ANSWERED

    found = told.blpop([ANSWERED], timeout=WITHIN_S)
    if found is None:
        raise SystemExit("a task did not run")
    return float(found[1])


def ours(warm_up: int, jobs: int) -> tuple[float, float]:
    import uvloop

    return uvloop.run(_ours(warm_up, jobs))


async def _ours(warm_up: int, jobs: int) -> tuple[float, float]:
    from benchmarks.user import add_user, wait_until_all_succeeded
    from engine.outbox import Outbox
    from engine.submitter import Submitter
    from llmcoder.config import config
    from llmcoder.settings import EngineSettings
    from models.db.database import Database

    settings = config().get(EngineSettings)
    with closing(Database(settings.database_url)) as db:
        user_id = add_user(db)
        outbox = Outbox(settings.broker_url, settings.redis_url, settings.doorbell_window)
        submitter = Submitter(db, outbox, asyncio.get_running_loop())
        with closing(outbox), closing(submitter):
            outbox.start()
            submitter.start()
            await _submit_all(submitter, user_id, warm_up)
            await asyncio.to_thread(wait_until_all_succeeded, db, user_id, warm_up, WITHIN_S)
            start = time.perf_counter()
            await _submit_all(submitter, user_id, jobs)
            submitted = time.perf_counter()
            await asyncio.to_thread(wait_until_all_succeeded, db, user_id, warm_up + jobs, WITHIN_S)
            return submitted - start, time.perf_counter() - start


async def _submit_all(submitter: Submitter, user_id: UUID, jobs: int) -> None:
    left = iter(range(jobs))

    async def client() -> None:
        for _ in left:
            await submitter.submit(_no_op(user_id))

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))


def _no_op(user_id: UUID) -> NewJob:
    from llmcoder.ids import new_id
    from llmcoder.registry import registry
    from models.jobs.store import NewJob

    action = registry()["test.do_nothing"]
    return NewJob(new_id(), user_id, action.name, action.effect, action.queue, "{}", action.retry.attempts)


if __name__ == "__main__":
    main()
