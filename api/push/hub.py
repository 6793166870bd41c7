"""Who watches what in this process, and what wakes them up.

Redis pub/sub only says that something changed. Once a second the hub compares its watchers' revisions with SQL all the
same, so that a lost wake-up, a hung Redis or none at all costs a second of latency and nothing else. While nobody
watches it does neither.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from api.http.database import AsyncDatabase
from api.http.problems import HttpError
from api.push.feed import PAGE, Feed, Message
from engine.broker import PUSH_CHANNEL, for_redis_py
from llmcoder import strict_json
from llmcoder.errors import Busy
from llmcoder.logger import get_logger
from models.accounts.tables import revisions
from models.db.database import TRANSIENT_ERRORS
from models.jobs.store import COLUMNS, Job, changed_since, revision
from models.jobs.tables import jobs

if TYPE_CHECKING:
    import redis.asyncio.client

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
#: Redis is listened to for so long after the last watcher has gone: one after the other then costs one connection.
LINGER_S = 30.0
SILENCE_S = 15.0
ANSWER_WITHIN_S = 5.0
LONGEST_REST_S = 5.0
MOST_FEEDS_PER_USER = 50
#: Ids in one statement.
CHUNK = 500

Enough = Callable[[Job], bool]


class TooManyFeeds(HttpError):
    """One user watches through more connections than anybody needs."""

    slug, title, status = "too-many-streams", "Too many open streams", 429


class Waiter:
    """A request that waits for a job."""

    def __init__(self, job: Job, enough: Enough) -> None:
        self.job = job
        self.done = asyncio.Event()
        self._enough = enough

    def see(self, job: Job) -> None:
        self.job = job
        if self._enough(job):
            self.done.set()


class WatchedUser:
    """One user with watchers in this process.

    Attributes:
        feeds: Every open one; `joined` are those of them that are sent what happens now.
        joining: Those that wait for the reader to know where it starts.
        newest: The user's revision at the last regular look.
        reader: Reads the user's changes for all joined feeds together; `ready` once it knows where it starts.
    """

    def __init__(self) -> None:
        self.feeds: set[Feed] = set()
        self.joined: set[Feed] = set()
        self.joining: set[Feed] = set()
        self.waiters: dict[UUID, set[Waiter]] = {}
        self.newest: int | None = None
        self.news = asyncio.Event()
        self.ready = asyncio.Event()
        self.reader: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return not self.feeds and not self.waiters

    def offer(self, message: Message) -> None:
        for feed in self.joined:
            feed.offer(message)

    def stop_reading_for_nobody(self) -> None:
        """End the reader unless some feed has its news, or waits for it to start."""
        if self.joined or self.joining:
            return
        if self.reader is not None:
            self.reader.cancel()
        self.reader = None
        self.ready.clear()


class Hub:
    """Wakes the watchers of one process.

    Args:
        redis_url: Where wake-ups and live messages come from.
    """

    def __init__(self, sql: AsyncDatabase, redis_url: str) -> None:
        self._sql = sql
        self._redis_url = redis_url
        self._users: dict[UUID, WatchedUser] = {}
        self._someone = asyncio.Event()
        self._settled = asyncio.Event()  # we hear Redis, or know that we do not
        self._asked: set[UUID] = set()
        self._question = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [_started(step(), step.__name__) for step in (self._listen, self._look, self._answer)]

    def stop(self) -> None:
        """Let every watcher go at once; none is taken any more."""
        self._stopping = True
        for user in self._users.values():
            for feed in user.feeds:
                feed.end()
            for waiters in user.waiters.values():
                for waiter in waiters:
                    waiter.done.set()

    async def close(self) -> None:
        self.stop()
        readers = [user.reader for user in self._users.values() if user.reader is not None]
        for task in (*self._tasks, *readers):
            task.cancel()
        await asyncio.gather(*self._tasks, *readers, return_exceptions=True)

    # --- what requests ask for

    async def wait(self, job: Job, enough: Enough, timeout_s: float) -> Job:
        """Wait until the job is as wanted or the time is up, and return it as it was seen last."""
        if enough(job) or timeout_s <= 0 or self._stopping:
            return job
        waiter = Waiter(job, enough)
        user = self._user(job.user_id)
        user.waiters.setdefault(job.id, set()).add(waiter)
        self._ask([job.id])  # it may have changed before anybody waited for it
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.done.wait()
        except TimeoutError:
            return waiter.job
        finally:
            user.waiters[job.id].discard(waiter)
            if not user.waiters[job.id]:
                del user.waiters[job.id]
            self._forget_if_idle(job.user_id)
        return waiter.job

    def open_feed(self, user_id: UUID) -> Feed:
        """A feed for a new connection; give it back with `close_feed`.

        Raises:
            TooManyFeeds: The user has as many as anybody gets.
            Busy: The process is stopping.
        """
        self.check_room(user_id)
        user = self._user(user_id)
        feed = Feed(user_id, self._changes, self._revision, lambda: self._join(user_id, user, feed))
        user.feeds.add(feed)
        return feed

    async def settled(self) -> None:
        """Wait until we hear Redis, or know that it is away: who is told that they are live misses nothing after it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._settled.wait()

    def check_room(self, user_id: UUID) -> None:
        """Raise what `open_feed` would raise now."""
        if self._stopping:
            raise Busy("The service is stopping. Come back in a moment.", retry_after_s=2)
        if user_id in self._users and len(self._users[user_id].feeds) >= MOST_FEEDS_PER_USER:
            detail = f"{MOST_FEEDS_PER_USER} streams are open for this account. Close one first."
            raise TooManyFeeds(detail, retry_after="5")

    def close_feed(self, user_id: UUID, feed: Feed) -> None:
        """Give a feed back; once more does no harm."""
        user = self._users.get(user_id)
        if user is None:
            return
        for feeds in (user.feeds, user.joined, user.joining):
            feeds.discard(feed)
        user.stop_reading_for_nobody()
        self._forget_if_idle(user_id)

    def _user(self, user_id: UUID) -> WatchedUser:
        self._someone.set()
        return self._users.setdefault(user_id, WatchedUser())

    def _forget_if_idle(self, user_id: UUID) -> None:
        if user_id in self._users and self._users[user_id].idle:
            del self._users[user_id]
        if not self._users:
            self._someone.clear()

    # --- feeds

    async def _join(self, user_id: UUID, user: WatchedUser, feed: Feed) -> None:
        if feed not in user.feeds:
            return  # it was closed before it came here, and nobody would end a reader that it starts
        if user.reader is None or user.reader.done():
            user.reader = _started(self._read_changes(user_id, user), "reader")
        user.joining.add(feed)
        try:
            await user.ready.wait()
            if feed in user.feeds:
                user.joined.add(feed)
        finally:
            user.joining.discard(feed)
            user.stop_reading_for_nobody()

    async def _read_changes(self, user_id: UUID, user: WatchedUser) -> None:
        """For as long as anybody is joined: read what is new once, and offer it to all."""
        rev: int | None = None
        while True:
            try:
                if rev is None:
                    rev = await self._revision(user_id)
                    user.ready.set()
                while page := await self._changes(user_id, rev):
                    for job in page:
                        rev = job.rev
                        _offer_job(user, job)
            except TRANSIENT_ERRORS as error:
                log.warning("cannot read changes for the push", error=type(error).__name__)
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            except Exception:  # whoever joins waits for this task, so it outlives a defect
                log.exception("reading changes for the push broke")
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            await user.news.wait()
            user.news.clear()

    async def _changes(self, user_id: UUID, rev: int) -> list[Job]:
        return await self._sql.read(changed_since, user_id, rev, PAGE)

    async def _revision(self, user_id: UUID) -> int:
        return await self._sql.read(revision, user_id)

    # --- waiting requests

    def _ask(self, job_ids: Iterable[UUID]) -> None:
        self._asked.update(job_ids)
        self._question.set()

    async def _answer(self) -> None:
        """Read the jobs that anybody waits for, all that changed meanwhile in one statement."""
        while True:
            await self._question.wait()
            self._question.clear()
            asked, self._asked = list(self._asked), set()
            try:
                for start in range(0, len(asked), CHUNK):
                    for job in await self._sql.read(_jobs, asked[start : start + CHUNK]):
                        self._show(job)
            except TRANSIENT_ERRORS as error:
                log.warning("cannot read jobs for those who wait", error=type(error).__name__)
                await asyncio.sleep(LOOK_EVERY_S)
                self._ask(asked)
            except Exception:  # all that wait in this process wait for this task
                log.exception("reading jobs for those who wait broke")
                await asyncio.sleep(LOOK_EVERY_S)
                self._ask(asked)

    def _show(self, job: Job) -> None:
        user = self._users.get(job.user_id)
        for waiter in [*user.waiters.get(job.id, ())] if user else ():
            try:
                waiter.see(job)
            except Exception:  # what one waits for must not be in the way of the others
                log.exception("a waiting request could not be shown its job", job=str(job.id))

    # --- what wakes them

    async def _look(self) -> None:
        """The look that needs no Redis."""
        while True:
            await self._someone.wait()
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._compare_revisions()
            except TRANSIENT_ERRORS as error:
                log.warning("cannot look for changes", error=type(error).__name__)
            except Exception:
                log.exception("looking for changes broke")

    async def _compare_revisions(self) -> None:
        ids = list(self._users)
        for start in range(0, len(ids), CHUNK):
            for user_id, newest in await self._sql.read(_newest, ids[start : start + CHUNK]):
                user = self._users.get(user_id)
                if user is not None and user.newest != newest:
                    user.newest = newest
                    self._wake(user)

    def _wake(self, user: WatchedUser) -> None:
        user.news.set()
        self._ask(user.waiters)

    async def _listen(self) -> None:
        """Hear what Redis says, for ever."""
        await self._someone.wait()
        await asyncio.to_thread(importlib.import_module, "redis.asyncio")  # the loop goes on meanwhile
        import redis

        rest_s = 0.0
        while True:
            await self._someone.wait()
            try:
                await self._subscription()
                rest_s = 0.0
            except (redis.RedisError, OSError) as error:  # TimeoutError is an OSError
                self._settled.set()
                if rest_s == 0.0:
                    log.warning("Redis is away; pushes come by the second", error=type(error).__name__)
                rest_s = min(LONGEST_REST_S, rest_s * 2 or 0.25)
                await asyncio.sleep(rest_s * random.uniform(0.5, 1.0))
            except Exception:
                log.exception("listening to Redis broke; pushes come by the second")
                await asyncio.sleep(LONGEST_REST_S)

    async def _subscription(self) -> None:
        """One connection to Redis, until it breaks or nobody has watched for a while."""
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        options: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": ANSWER_WITHIN_S, "protocol": 2}
        retry = Retry(NoBackoff(), 0)
        client = redis.asyncio.Redis.from_url(for_redis_py(self._redis_url), retry=retry, **options)
        async with client, client.pubsub() as channel:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await channel.subscribe(PUSH_CHANNEL)
                await _next_message(channel)  # Redis says that it is so
            self._settled.set()
            for user in self._users.values():  # what happened before we listened
                self._wake(user)
            needed_at = time.monotonic()
            while time.monotonic() - needed_at < LINGER_S:
                self._hear(await _next_message(channel))
                needed_at = time.monotonic() if self._users else needed_at
            self._settled.clear()

    def _hear(self, message: dict[str, object] | None) -> None:
        if message is None or message["type"] != "message":
            return
        try:
            note = strict_json.read_lenient(message["data"])  # type: ignore[arg-type]
            user = self._users.get(UUID(note["user"]))
            if user is None:
                return
            if "live" in note:
                user.offer(Message(note["live"]["type"], strict_json.write_bytes(note["live"])))
            else:
                user.news.set()
                self._ask(user.waiters.keys() & {UUID(job_id) for job_id in note["jobs"]})
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning("something on the push channel is not ours", channel=PUSH_CHANNEL)


async def _next_message(channel: redis.asyncio.client.PubSub) -> dict[str, object] | None:
    """The next message; a long silence is broken by a ping, since a dead connection is silent too.

    Raises:
        ConnectionError: The ping was not answered.
    """
    message = await channel.get_message(timeout=SILENCE_S)
    if message is None:
        await channel.ping()
        message = await channel.get_message(timeout=ANSWER_WITHIN_S)
        if message is None:
            raise ConnectionError("Redis is silent")
    found: dict[str, object] = message
    return found


def _offer_job(user: WatchedUser, job: Job) -> None:
    """A job that cannot be shown is left out: the others of the user are shown all the same."""
    try:
        message = Message.of_job(job)
    except Exception:
        log.exception("a job cannot be shown to its watchers", job=str(job.id))
        return
    user.offer(message)


def _jobs(conn: sa.Connection, ids: list[UUID]) -> list[Job]:
    return [Job(*row) for row in conn.execute(sa.select(*COLUMNS).where(jobs.c.id.in_(ids)))]


def _newest(conn: sa.Connection, user_ids: list[UUID]) -> list[tuple[UUID, int]]:
    rows = conn.execute(sa.select(revisions.c.user_id, revisions.c.rev).where(revisions.c.user_id.in_(user_ids)))
    return [(row.user_id, row.rev) for row in rows]


def _started(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[None]) -> None:
    """These tasks end by being cancelled; anything else is a defect, and must not be silent."""
    if not task.cancelled() and task.exception() is not None:
        log.error("a task of the push ended", task=task.get_name(), exc_info=task.exception())
