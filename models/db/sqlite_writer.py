"""SQLite has one writer at a time: the queue of those who want to be it.

SQLite itself lets whoever waits ask again after a while that grows to 100 ms; beside a process that writes all the time
the others then wait for seconds. Here the threads of a process take it in the order in which they came. The first of
them waits at a lock in a file beside the database, and whoever has that is the next writer: so processes take turns.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

SUFFIX = "-next"
SQLITE_BUSY = 5
#: How often one asks whether it is next, and the one that is next whether the writer has ended.
ASK_EVERY_S, NEXT_ASKS_EVERY_S = 0.001, 0.0005
#: Who waited so long goes on without being next, for a while: the one that is may be frozen.
PATIENCE_S, IMPATIENT_FOR_S = 0.5, 10.0


class FairLock:
    """A lock that those who wait for it get in the order in which they came, each with a place of his own."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._holder: threading.Lock | None = None
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout_s: float) -> threading.Lock | None:
        """The place by which it is released; None when it was not had in time."""
        place = threading.Lock()
        with self._guard:
            if self._holder is None:
                self._holder = place
                return place
            place.acquire()
            self._waiting.append(place)
        return place if place.acquire(timeout=timeout_s) or not self._gave_up(place) else None

    def release(self, place: threading.Lock) -> None:
        """Hand it to the next. Any thread may do so, and does nothing when it was done."""
        with self._guard:
            if self._holder is place:
                self._holder = self._waiting.popleft() if self._waiting else None
                if self._holder is not None:
                    self._holder.release()

    def _gave_up(self, place: threading.Lock) -> bool:
        """Whether one that waited long enough went away without it, which may just have been handed over."""
        with self._guard:
            if place not in self._waiting:
                return False
            self._waiting.remove(place)
            return True


class Writers:
    """The writers of one process into one file.

    Args:
        path: Of the database; None, or `:memory:`, of one that no other process has.
    """

    def __init__(self, path: str | None) -> None:
        self._file = None if path in (None, "", ":memory:") else f"{path}{SUFFIX}"
        self._threads = FairLock()
        self._descriptor: int | None = None
        self._impatient_until = 0.0
        self._own = threading.local()  # `deadline`: until when this thread waits, for its turn and then for SQLite

    @contextmanager
    def turn(self, timeout_s: float) -> Iterator[threading.Lock | None]:
        """Wait until no other thread of this process writes; gives the place by which somebody else may end the turn.

        Args:
            timeout_s: Of this, and of `begin`. Who waited in vain asks SQLite once, for the error.
        """
        self._own.deadline = time.monotonic() + timeout_s
        place = self._threads.acquire(timeout_s)
        try:
            yield place
        finally:
            self.end(place)

    def end(self, place: threading.Lock | None) -> None:
        """End a turn, if it has not ended."""
        if place is not None:
            self._threads.release(place)

    def begin(self, conn: sa.Connection) -> None:
        """Begin a transaction as the one writer; within a turn.

        Args:
            conn: One for which SQLite itself does not wait (`busy_timeout=0`): it would fall asleep.

        Raises:
            sqlalchemy.exc.OperationalError: Others wrote all the time, or SQLite has another reason.
        """
        driver: Any = conn.connection.dbapi_connection
        busy: type[Exception] = conn.dialect.loaded_dbapi.OperationalError
        with self._next():
            while time.monotonic() < self._own.deadline:
                try:
                    driver.execute("BEGIN IMMEDIATE")
                except busy as error:
                    if getattr(error, "sqlite_errorcode", SQLITE_BUSY) & 0xFF != SQLITE_BUSY:
                        break
                    time.sleep(NEXT_ASKS_EVERY_S)
                else:
                    return
            conn.exec_driver_sql("BEGIN IMMEDIATE")  # whose errors are sorted

    def forget(self) -> None:
        """In a forked child: what the parent's threads held is not held here."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._threads = None, FairLock()

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    @contextmanager
    def _next(self) -> Iterator[None]:
        """Be the next writer of all processes, or impatient."""
        descriptor = self._opened()
        if descriptor is None or not self._is_next(descriptor):
            yield
            return
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _opened(self) -> int | None:
        if self._descriptor is None and self._file is not None:
            try:
                self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError:  # a folder that cannot be written: then SQLite cannot either, and says so better
                return None
        return self._descriptor

    def _is_next(self, descriptor: int) -> bool:
        now = time.monotonic()
        if now < self._impatient_until:
            return False
        while time.monotonic() < now + PATIENCE_S:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(ASK_EVERY_S)
            except OSError:  # a file system without such locks
                break
            else:
                return True
        self._impatient_until = time.monotonic() + IMPATIENT_FOR_S
        return False
