"""One watcher's view of a user's changes: first what changed since a revision, then everything as it happens.

The order is that of the user's revisions. No change is left out and none comes twice: a job that changed several times
before it was read comes once, as it stands. Progress, tokens and log lines are live only; a watcher that is still
catching up, or cannot keep up, does not get them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from models.jobs.store import Job

#: Of the history, how many jobs are held in memory at once.
PAGE = 50
MOST_WAITING = 1_000
MOST_WAITING_BYTES = 1_000_000

#: Reads the user's changes after a revision, in order, up to `PAGE` of them.
ReadChanges = Callable[[UUID, int], Awaitable[list[Job]]]
ReadRevision = Callable[[UUID], Awaitable[int]]


class Overrun(Exception):
    """The watcher takes too slowly; it comes back with the last revision that it has."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a feed.

    Attributes:
        kind: job, live, progress, token, log or connection.
        body: The message as JSON, `type` included.
        rev: Where the watcher stands when it has taken this; None for what is live only.
    """

    kind: str
    body: bytes
    rev: int | None = None

    @classmethod
    def of_job(cls, job: Job) -> Message:
        return cls("job", b'{"type":"job","rev":%d,"job":%b}' % (job.rev, job.as_json()), job.rev)

    @classmethod
    def of_start(cls, rev: int) -> Message:
        return cls("live", b'{"type":"live","rev":%d}' % rev, rev)


class Feed:
    """What one connection is sent.

    Args:
        join: Starts the flow of messages into `offer`. Whatever was committed before it returned can be read, and
            whatever is committed afterwards is offered.
    """

    def __init__(
        self, user_id: UUID, changes: ReadChanges, revision: ReadRevision, join: Callable[[], Awaitable[None]]
    ) -> None:
        self._user_id = user_id
        self._changes = changes
        self._revision = revision
        self._join = join
        self._rev = 0
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._overrun = False
        self._ended = False

    async def history(self, since: int | None) -> AsyncIterator[Message]:
        """Everything up to the present, ending with the message that says so.

        Args:
            since: The last revision that the watcher has; None starts at the present.
        """
        if since is None:
            await self._join()
            self._rev = await self._revision(self._user_id)
        else:
            # a revision from the future is one of another database: start where this one is
            self._rev = min(since, await self._revision(self._user_id))
            async for message in self._missed():
                yield message
            await self._join()
            async for message in self._missed():
                yield message
        yield Message.of_start(self._rev)

    async def next(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None when none came in time, or when the feed has ended.

        Raises:
            Overrun: The watcher took so slowly that something had to be left out.
        """
        while True:
            while self._waiting:
                message = self._waiting.popleft()
                self._waiting_bytes -= len(message.body)
                if self._take(message):
                    return message
            if self._overrun:
                raise Overrun
            if self._ended:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return None

    @property
    def ended(self) -> bool:
        return self._ended

    def offer(self, message: Message) -> None:
        """Put a message in the queue. A full one gives up live-only messages first, then the watcher.

        After one was left out none is taken any more, though there is room again: the watcher goes on from the last
        revision that it has seen.
        """
        if self._overrun:
            return
        if self._is_full(message) and message.rev is not None:
            self._drop_live_only()
        if not self._is_full(message):
            self._waiting.append(message)
            self._waiting_bytes += len(message.body)
        elif message.rev is not None:
            self._overrun = True
        self._news.set()

    def end(self) -> None:
        """Let the watcher go when it has taken what waits."""
        self._ended = True
        self._news.set()

    async def _missed(self) -> AsyncIterator[Message]:
        while page := await self._changes(self._user_id, self._rev):
            for job in page:
                self._rev = job.rev
                yield Message.of_job(job)
            if len(page) < PAGE or self._ended:
                return

    def _take(self, message: Message) -> bool:
        """Whether the watcher does not have it yet."""
        if message.rev is None:
            return True
        fresh = message.rev > self._rev
        self._rev = max(self._rev, message.rev)
        return fresh

    def _is_full(self, message: Message) -> bool:
        if not self._waiting:  # a single one may be larger than the bound
            return False
        size = self._waiting_bytes + len(message.body)
        return len(self._waiting) >= MOST_WAITING or size > MOST_WAITING_BYTES

    def _drop_live_only(self) -> None:
        self._waiting = deque(message for message in self._waiting if message.rev is not None)
        self._waiting_bytes = sum(len(message.body) for message in self._waiting)
