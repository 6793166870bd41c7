"""Computes what calls from outside become, in a few threads of its own and in turns.

An evaluation is bounded, but it is work for a processor: a user whose address is called a thousand times a second must
take neither the event loop nor the threads of SQL, and no more of these threads than anybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from llmcoder.errors import Busy

T = TypeVar("T")

THREADS = 2
#: Of one user; a sender tries again.
MOST_WAITING = 100


@dataclass(slots=True)
class _Line:
    """One user's evaluations: one at a time, the others behind it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class Evaluations:
    """For one process. Each user has at most one thread, so whoever comes next waits for one evaluation of each."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "evaluation")
        self._lines: dict[UUID, _Line] = {}

    async def run(self, user_id: UUID, work: Callable[[], T]) -> T:
        """The answer of work for a user.

        Raises:
            Busy: A hundred others wait already for this user.
        """
        line = self._lines.setdefault(user_id, _Line())
        if line.length >= MOST_WAITING:
            raise Busy("Too many calls of this user's addresses wait to be looked at. Send it again.", retry_after_s=1)
        line.length += 1
        try:
            async with line.lock:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            line.length -= 1
            if line.length == 0:
                del self._lines[user_id]

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
