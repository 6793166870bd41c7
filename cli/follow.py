"""Following one job to its end: SQL says how it stands, Redis brings what is not kept and says when to look.

Without Redis it looks once a second, and misses tokens and log lines only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cli.screen import Screen
from engine.broker import PUSH_CHANNEL, redis_client
from llmcoder import strict_json
from llmcoder.states import State
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs.claims import workers_seen
from models.jobs.store import Job, get

if TYPE_CHECKING:
    import redis

LOOK_S = 1.0
REST_S = 0.1
#: A job's last tokens and its end come through one channel, but its end may be seen in SQL first.
LAST_WORDS_S = 0.1
#: Nobody took the job for this long: perhaps there is nobody.
ALONE_AFTER_S = 3.0
WORKER_SEEN_S = 30.0


class JobEvents:
    """Hears what is said of jobs, while Redis is there."""

    def __init__(self, redis_url: str) -> None:
        self._redis: redis.Redis = redis_client(redis_url)
        self._channel: Any = None
        self._try_again_at = 0.0

    def listen(self) -> bool:
        """Begin to hear, where that did not happen or broke off; whether we do."""
        import redis

        if self._channel is None and time.monotonic() >= self._try_again_at:
            self._try_again_at = time.monotonic() + LOOK_S
            channel = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            try:
                channel.subscribe(PUSH_CHANNEL)
            except redis.RedisError:
                channel.close()
            else:
                self._channel = channel
        return self._channel is not None

    def next(self, wait_s: float) -> Mapping[str, Any] | None:
        """The next message, None when none came in time."""
        import redis

        if not self.listen():
            time.sleep(min(wait_s, REST_S))
            return None
        try:
            message = self._channel.get_message(timeout=wait_s)
        except redis.RedisError:
            self._channel.close()
            self._channel = None
            return None
        return None if message is None else _read(message["data"])

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._redis.close()


@contextmanager
def listening(redis_url: str) -> Iterator[JobEvents]:
    """An ear that hears already, so that a job handed in afterwards says nothing unheard."""
    ear = JobEvents(redis_url)
    ear.listen()
    try:
        yield ear
    finally:
        ear.close()


class StillRunning(Exception):
    """The time that the caller wanted to wait is over."""


def follow(db: Database, ear: JobEvents, screen: Screen, job: Job, timeout_s: float | None) -> Job:
    """The job as it ended.

    Raises:
        StillRunning: It has not ended in time.
    """
    began = time.monotonic()
    end_at = None if timeout_s is None else began + timeout_s
    warned = False
    while not job.ended:
        screen.job(job)
        left_s = LOOK_S if end_at is None else end_at - time.monotonic()
        if left_s <= 0:
            raise StillRunning
        _hear(ear, screen, job, min(left_s, LOOK_S))
        job = _look(db, job)
        if not warned and job.state == State.QUEUED and time.monotonic() - began > ALONE_AFTER_S:
            warned = True
            _warn_if_alone(db, screen, job.queue)
    _hear_out(ear, screen, job.id)
    return job


def _look(db: Database, job: Job) -> Job:
    """The job as it is now; as it was, while the database is away."""
    try:
        with db.read() as conn:
            return get(conn, job.user_id, job.id) or job
    except TRANSIENT_ERRORS:
        return job


def _hear(ear: JobEvents, screen: Screen, job: Job, for_s: float) -> None:
    """Show what is said of the job, until its state changed or the time is over."""
    until = time.monotonic() + for_s
    while (left_s := until - time.monotonic()) > 0:
        if _shown(ear.next(left_s), screen, job.id):
            return


def _hear_out(ear: JobEvents, screen: Screen, job_id: UUID) -> None:
    """What was said before the end and has not been heard yet; up to the word of the end itself."""
    until = time.monotonic() + LAST_WORDS_S
    while (left_s := until - time.monotonic()) > 0:
        message = ear.next(left_s)
        if message is None or _shown(message, screen, job_id):
            return


def _shown(message: Mapping[str, Any] | None, screen: Screen, job_id: UUID) -> bool:
    """Show a live message of the job; True when the message says that the job stands elsewhere."""
    if message is None:
        return False
    live = message.get("live")
    if live and live.get("job_id") == str(job_id):
        screen.live(live)
    return str(job_id) in message.get("jobs", ())


def _warn_if_alone(db: Database, screen: Screen, queue: str) -> None:
    with db.read() as conn:
        seen = workers_seen(conn, db.now() - timedelta(seconds=WORKER_SEEN_S))
    if not any(worker.queue == queue for worker in seen):
        screen.remark(f"no {queue} worker was seen lately: start one with `llmcoder up` or `llmcoder worker {queue}`")


def _read(data: bytes) -> Mapping[str, Any] | None:
    try:
        message = strict_json.read_lenient(data)
    except strict_json.NotJson:
        return None
    return message if isinstance(message, dict) else None
