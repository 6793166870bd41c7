"""Bare Celery, settings as shipped: a task that does nothing and keeps nothing. CELERY_BROKER_URL says where."""

from __future__ import annotations

import itertools
import os
import time

import redis
from celery import Celery

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
