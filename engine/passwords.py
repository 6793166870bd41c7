"""Hashing and checking of passwords: Argon2id, in threads of its own, a few at a time.

A check costs tens of milliseconds of a core on purpose; without a bound, a crowd at the login would stop the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from llmcoder.errors import Busy

T = TypeVar("T")

AT_ONCE = 2
MOST_WAITING = 64
#: 19 MiB, two passes, one lane: the OWASP Password Storage Cheat Sheet's setting for Argon2id. 26 ms of one core here.
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1


@dataclass(frozen=True)
class Checked:
    """The outcome of a check.

    Attributes:
        better_hash: What to keep instead, when the stored hash was made with other parameters than today's.
    """

    right: bool
    better_hash: str | None = None


class Passwords:
    """The bounded pool of hashing threads; one per process."""

    def __init__(self, hasher: Argon2Hasher | None = None) -> None:
        self._hashing = PasswordHash((hasher or Argon2Hasher(PASSES, MEMORY_KIB, LANES),))
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to store.

        Raises:
            Busy: Too many wait already.
        """
        return await self._run(lambda: self._hashing.hash(password))

    async def check(self, password: str, stored: str | None) -> Checked:
        """Compare with a stored hash; None, for an account that does not exist, takes as long and is never right.

        Raises:
            Busy: Too many wait already.
        """
        return await self._run(lambda: self._check(password, stored))

    def _check(self, password: str, stored: str | None) -> Checked:
        if stored is None or not Argon2Hasher.identify(stored):
            self._hashing.verify(password, self._decoy)
            return Checked(False)
        return Checked(*self._hashing.verify_and_update(password, stored))

    @cached_property
    def _decoy(self) -> str:
        return self._hashing.hash("nobody's password")

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Busy("Too many people are logging in at this moment. Try again in a few seconds.", retry_after_s=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
