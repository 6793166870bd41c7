"""What follows a commit: doorbells for workers and wake-ups for watchers. Best effort, off everybody's path.

One thread a process. A hung or absent Redis costs the process nothing: what cannot be sent is dropped, the dispatcher
rings again, and watchers look at SQL by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any
from uuid import UUID

from engine.broker import PUSH_CHANNEL, redis_client
from engine.doorbells import Bell, DoorbellWindow, Ring, connect_bell
from engine.enqueue import AfterCommit, announcement
from llmcoder import strict_json
from llmcoder.errors import Transient
from llmcoder.logger import get_logger
from llmcoder.vital import vital
from models.jobs.machine import Moved
from models.jobs.store import Job

if TYPE_CHECKING:
    import redis

log = get_logger(__name__)

WAITING_LIMIT = 10_000
BATCH = 500


class Outbox:
    """Sends doorbells and wake-ups for one process.

    Args:
        broker_url: Where doorbells go.
        redis_url: Where wake-ups and live messages go.
        window: Doorbells that may be out at once, a queue.
    """

    def __init__(self, broker_url: str, redis_url: str, window: int) -> None:
        self._bell: Bell = connect_bell(broker_url)
        self._redis_url = redis_url
        self._window = DoorbellWindow(self._bell, window)
        self._waiting: Queue[Ring | bytes | None] = Queue(WAITING_LIMIT)
        self._thread = vital("outbox", self._loop)
        self._away = False

    @cached_property
    def _redis(self) -> redis.Redis:
        """Made when the first message is sent; a process that sends none loads no redis-py."""
        return redis_client(self._redis_url)

    def start(self) -> None:
        self._thread.start()

    def reserve(self, queue: str) -> bool:
        """Whether a doorbell may go out for a new job of the queue; if not, the dispatcher rings later."""
        return self._window.take(queue)

    def follow(self, after: AfterCommit) -> None:
        """Tell everybody what a transaction did that has committed."""
        self.ring(after.rings)
        self.wake(after.changed)
        for user_id, message in after.live:
            self.live(user_id, message)

    def announce(self, jobs: Sequence[Job]) -> None:
        """Tell everybody of jobs that were changed, and ring for those that are queued."""
        self.follow(announcement(jobs, self.reserve))

    def ring(self, rings: Iterable[Ring]) -> None:
        for ring in rings:
            self._put(ring)

    def wake(self, changed: Iterable[tuple[UUID, UUID]]) -> None:
        """Tell watchers which jobs changed: pairs of (user, job)."""
        by_user: dict[UUID, list[UUID]] = {}
        for user_id, job_id in changed:
            by_user.setdefault(user_id, []).append(job_id)
        for user_id, job_ids in by_user.items():
            self._put(strict_json.write_bytes({"user": user_id, "jobs": job_ids}))

    def wake_moved(self, moved: Iterable[Moved]) -> None:
        self.wake((done.user_id, done.job_id) for done in moved)

    def live(self, user_id: UUID, message: Mapping[str, Any]) -> None:
        """Send a message that is not kept (progress, token, log) to whoever watches now."""
        self._put(strict_json.write_bytes({"user": user_id, "live": message}))

    def close(self, timeout_s: float = 3.0) -> None:
        """Send what waits, if the broker lets us, then end."""
        self._put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._bell.close()
        if "_redis" in vars(self):
            self._redis.close()

    def _put(self, item: Ring | bytes | None) -> None:
        try:
            self._waiting.put_nowait(item)
        except Full:
            if item is None:
                self._drop_one()
                self._put(item)

    def _drop_one(self) -> None:
        try:
            self._waiting.get_nowait()
        except Empty:
            return

    def _loop(self) -> None:
        while True:
            batch = self._gather()
            try:
                self._send([item for item in batch if item is not None])
            except Exception:  # what was to be sent is sent again from SQL; without this thread nothing would be
                log.exception("doorbells and wake-ups were dropped", messages=len(batch))
                self._window.failed()
            if None in batch:
                return

    def _gather(self) -> list[Ring | bytes | None]:
        batch = [self._waiting.get()]
        while batch[-1] is not None and len(batch) < BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return batch

    def _send(self, batch: Sequence[Ring | bytes]) -> None:
        rings = [item for item in batch if isinstance(item, Ring)]
        pushes = [item for item in batch if isinstance(item, bytes)]
        if not batch:
            return  # the end alone says nothing about the broker
        try:
            if rings:
                self._bell.ring(rings)
            self._window.look()
        except Transient as error:
            self._window.failed()
            if not self._away:
                log.warning("the broker is away; jobs are kept and rung later", detail=error.detail)
            self._away = True
        else:
            if self._away:
                log.info("the broker is back")
            self._away = False
        if pushes:  # another server than the broker's, maybe
            self._publish(pushes)

    def _publish(self, pushes: Sequence[bytes]) -> None:
        import redis

        pipe = self._redis.pipeline(transaction=False)
        for message in pushes:
            pipe.publish(PUSH_CHANNEL, message)
        try:
            pipe.execute()
        except redis.RedisError as error:
            log.debug("wake-ups were dropped; watchers look at SQL by themselves", error=type(error).__name__)
