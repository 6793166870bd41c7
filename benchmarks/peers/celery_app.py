"""Bare Celery, settings as shipped: tasks that do nothing or little, and keep nothing. CELERY_BROKER_URL says where."""

from __future__ import annotations

import itertools
import os
import time

import redis
from celery import Celery

from benchmarks.peers import WORK_S

#: The worker tells how many tasks it ran after each so many, so that being asked costs it nothing.
TELL_EVERY = 500
SENT, RAN, ANSWERED = "bench:sent", "bench:ran", "bench:answered"

app = Celery("peer", broker=os.environ["CELERY_BROKER_URL"])
app.conf.task_ignore_result = True

_ran = itertools.count(1)
_redis = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.task  # type: ignore[untyped-decorator]
def nothing() -> None:
    """Do nothing; the clock of the drain stops when all have run."""
    ran = next(_ran)
    if ran % TELL_EVERY == 0:
        _redis.rpush(RAN, ran)


@app.task  # type: ignore[untyped-decorator]
def answer() -> None:
    """Say at what time this ran; Linux has one monotonic clock for all processes."""
    _redis.rpush(ANSWERED, time.monotonic())


@app.task  # type: ignore[untyped-decorator]
def work() -> None:
    """Wait for something, as most jobs do."""
    time.sleep(WORK_S)


@app.task  # type: ignore[untyped-decorator]
def work_and_answer() -> None:
    """The same, and say at what time it was done."""
    time.sleep(WORK_S)
    _redis.rpush(ANSWERED, time.monotonic())
