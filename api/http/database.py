"""The database for the event loop: SQL runs in a few threads of its own, so that a slow statement stops nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from engine.administrators import refusals_audited
from models.db.database import Database

P = ParamSpec("P")
T = TypeVar("T")

#: As many as the database keeps connections of a kind; more threads would only wait for one.
THREADS = 8


class AsyncDatabase:
    """Reads and writes that can be awaited.

    Args:
        db: Shared with whoever uses it from threads; closed by whoever made it.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._threads = ThreadPoolExecutor(THREADS, "sql")

    async def read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of a query, each of its statements seeing what is committed by then."""
        return await self.run(partial(self._read, query, *args, **kwargs))

    async def write(self, change: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of a change, which is on disk by then."""
        return await self.run(partial(self._write, change, *args, **kwargs))

    async def run(self, work: Callable[[], T]) -> T:
        """The answer of anything else that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _read(self, query: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with refusals_audited(self._db), self._db.read() as conn:
            return query(conn, *args, **kwargs)

    def _write(self, change: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with refusals_audited(self._db), self._db.write() as conn:
            return change(conn, *args, **kwargs)
