"""Connections to the one database, in three kinds: durable writes, relaxed writes, reads.

A promise hangs on a durable write (accepting a job, arming an effect, finishing): it is on disk when it returns. A
relaxed write (a claim, a lease, a doorbell) survives the death of every process but the last few may be lost with the
power, which costs a job nothing but being claimed again; a later durable commit makes earlier relaxed ones durable.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from llmcoder.config import config
from llmcoder.errors import Transient, Uncertain
from llmcoder.settings import EngineSettings
from llmcoder.timing import TIMING
from models.db.errors import TRANSIENT_ERRORS, is_full, sort_errors
from models.db.sqlite_writer import Writers

__all__ = ["TRANSIENT_ERRORS", "Database", "UnsafeDatabase", "database", "is_full", "reading", "safe_sqlite", "writing"]

#: SQLite before these can corrupt a WAL that several processes checkpoint (the WAL-reset bug, fixed in 3.51.3).
SAFE_SQLITE = (3, 51, 3)
BACKPORTED_SQLITE = ((3, 50, 7), (3, 44, 6))
BUSY_TIMEOUT_S = 30
#: What an error says where the file of a SQLite database is not there.
NO_FILE = "there is no database"
SQLITE_CANTOPEN = 14
#: Where a connection's info says whose turn it is.
PLACE = "place among SQLite's writers"
CLOCK_CHECK_S = 10.0
CLOCK_STEP_S = 1.0  # further off than this, the clock was set, and not corrected little by little
#: A server that vanished without a word would otherwise hold its caller for hours: the kernel's own patience.
NOTICE_A_DEAD_SERVER = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class UnsafeDatabase(RuntimeError):
    """The database cannot keep the promises; the message says what to install."""


class Database:
    """The engine's database.

    Args:
        url: SQLAlchemy URL, `sqlite:///file` or `postgresql+psycopg://…`.
        pool_size: Connections kept per kind.
    """

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.url = sa.make_url(url)
        self._pool_size = pool_size
        self._anchor: tuple[datetime, float] | None = None
        self._anchor_lock = threading.Lock()
        self._stepped_at = float("-inf")  # monotonic: when the clock was last seen to have been set
        self._writers = Writers(self.url.database)  # of SQLite; PostgreSQL has many at once

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def is_there(self) -> bool:
        """False of a SQLite database that nobody has made yet; nobody but an upgrade does."""
        path = self.url.database
        return not self.is_sqlite or not path or path == ":memory:" or Path(path).exists()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """One transaction, committed at the end of the block and rolled back by an exception."""
        engine = self._durable if durable else self._relaxed
        turn = self._writers.turn(BUSY_TIMEOUT_S) if self.is_sqlite else nullcontext()
        with turn as place, engine.begin() as conn:
            conn.info[PLACE] = place
            yield conn

    def let_go(self, conn: sa.Connection) -> None:
        """End the turn of a thread that does not come back, whose transaction was ended from outside."""
        self._writers.end(conn.info.get(PLACE))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for single-statement reads, each seeing what is committed by then."""
        with self._reading.connect() as conn:
            yield conn

    def now(self) -> datetime:
        """The database's clock, so that leases of several hosts are compared on one clock.

        On PostgreSQL it is asked every few seconds and carried on by the monotonic clock in between, and for as long
        as the database is away.
        """
        with self._anchor_lock:
            if self.is_sqlite:
                self._take_anchor((datetime.now(UTC), time.monotonic()))
            elif self._anchor is None or time.monotonic() - self._anchor[1] > CLOCK_CHECK_S:
                self._take_anchor(self._ask_clock(self._anchor))
            assert self._anchor is not None
            at, mono = self._anchor
        return at if self.is_sqlite else at + timedelta(seconds=time.monotonic() - mono)

    def since_s(self, at: datetime) -> float:
        """Seconds that have surely gone by since an instant of this clock, even if it was set in between.

        A clock that was set an hour ahead does not make a moment an hour old; then only the time since is sure.
        """
        by_clock_s = (self.now() - at).total_seconds()
        since_step_s = time.monotonic() - self._stepped_at
        if by_clock_s < 0:  # it was set back, and here or not here somebody saw it
            return since_step_s if self._stepped_at > float("-inf") else 0.0
        return min(by_clock_s, since_step_s)

    def _take_anchor(self, new: tuple[datetime, float]) -> None:
        if self._anchor is not None:
            expected_at = self._anchor[0] + timedelta(seconds=new[1] - self._anchor[1])
            if abs((new[0] - expected_at).total_seconds()) > CLOCK_STEP_S:
                self._stepped_at = new[1]
        self._anchor = new

    def _ask_clock(self, known: tuple[datetime, float] | None) -> tuple[datetime, float]:
        try:
            with self.read() as conn:
                at = conn.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        except TRANSIENT_ERRORS:
            if known is None:
                raise
            mono = time.monotonic()
            return known[0] + timedelta(seconds=mono - known[1]), mono
        return at.astimezone(UTC), time.monotonic()

    def close(self) -> None:
        """Close every pooled connection, and what processes take turns by. Nobody may be writing."""
        self._writers.close()
        for engine in (self._durable, self._relaxed, self._reading):
            engine.dispose()

    def forget(self) -> None:
        """In a forked child: drop the parent's connections without closing them."""
        self._writers.forget()
        for engine in (self._durable, self._relaxed, self._reading):
            engine.dispose(close=False)

    @cached_property
    def _durable(self) -> sa.Engine:
        return self._engine(durable=True)

    @cached_property
    def _relaxed(self) -> sa.Engine:
        return self._engine(durable=False)

    @cached_property
    def _reading(self) -> sa.Engine:
        if self.is_sqlite:
            return self._sqlite("NORMAL", writes=False)
        return self._postgresql("", isolation_level="AUTOCOMMIT")

    def _engine(self, *, durable: bool) -> sa.Engine:
        if self.is_sqlite:
            return self._sqlite("FULL" if durable else "NORMAL", writes=True)
        return self._postgresql(f"-c synchronous_commit={'on' if durable else 'off'}")

    def _postgresql(self, options: str, **more: Any) -> sa.Engine:
        # hide_parameters: an error's text would otherwise quote inputs and password hashes
        # timezone: a batch's instants travel as text without a zone, see models.db.batch
        idle = f"idle_in_transaction_session_timeout={round(TIMING.idle_transaction_s * 1000)}"
        connect_args = NOTICE_A_DEAD_SERVER | {"options": f"-c timezone=UTC -c {idle} {options}".strip()}
        engine = sa.create_engine(
            self.url,
            pool_size=self._pool_size,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=connect_args,
            **more,
        )
        sort_errors(engine)
        return engine

    def _sqlite(self, synchronous: str, *, writes: bool) -> sa.Engine:
        dbapi = safe_sqlite()
        engine = sa.create_engine(
            self.url,
            module=dbapi,
            poolclass=QueuePool,
            pool_size=self._pool_size,
            hide_parameters=True,
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        )
        sort_errors(engine)

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            connection.isolation_level = None
            # Of a new file only, see models.jobs.retention.shrink: elsewhere it does nothing but wait for the writer.
            is_new = connection.execute("PRAGMA page_count").fetchone()[0] == 0
            for pragma in (
                *(("auto_vacuum=INCREMENTAL",) if is_new else ()),
                "journal_mode=WAL",
                f"synchronous={synchronous}",
                "foreign_keys=ON",
                "journal_size_limit=67108864",
                "mmap_size=0",
                "cache_size=-16000",
                *(("busy_timeout=0",) if writes else ()),  # see models.db.sqlite_writer
            ):
                connection.execute(f"PRAGMA {pragma}")

        @sa.event.listens_for(engine, "do_connect")
        def refuse_to_make(*_: object) -> None:
            # SQLite would make an empty file of whoever only wants to look, or writes while a disk is not mounted.
            if not self.is_there:
                missing = dbapi.OperationalError(f"{NO_FILE} {self.url.database}")
                missing.sqlite_errorcode = SQLITE_CANTOPEN  # errors are sorted by their codes: this one passes
                raise missing

        if writes:

            @sa.event.listens_for(engine, "begin")
            def start(conn: sa.Connection) -> None:
                self._writers.begin(conn)

        return engine


_databases: dict[tuple[int, str], Database] = {}


def database() -> Database:
    """The configured database, for code that nobody hands one: the tables of a domain.

    One per process: a forked child must not speak on the connections of its parent, so the process id is part of the
    key. Making one costs nothing until its first connection, and `setdefault` needs no lock that a fork could inherit.
    """
    url = config().get(EngineSettings).database_url
    return _databases.setdefault((os.getpid(), url), Database(url))


@contextmanager
def reading(what: str) -> Iterator[sa.Connection]:
    """`database().read()` for a domain: the database's passing errors become the one whose remedy is to try again.

    Args:
        what: What is read, for the user.

    Raises:
        Transient: The database is busy or away.
    """
    try:
        with database().read() as conn:
            yield conn
    except TRANSIENT_ERRORS as error:
        raise Transient(f"The {what} could not be read: the database is busy or away.") from error


@contextmanager
def writing(what: str) -> Iterator[sa.Connection]:
    """`database().write()` for a domain.

    Args:
        what: What is written, for the user.

    Raises:
        Transient: The database is busy or away; nothing was changed.
        Uncertain: The commit itself broke, so nobody knows what became of it.
    """
    committing = False
    try:
        with database().write() as conn:
            yield conn
            committing = True
    except TRANSIENT_ERRORS as error:
        if committing:
            raise Uncertain(f"The database broke off; look whether the {what} changed.") from error
        raise Transient(f"The {what} were not changed: the database is busy or away.") from error


def is_read_only(conn: sa.Connection) -> bool:
    """Whether the database can be read and takes no writes: a standby, or a file that somebody protected."""
    if conn.dialect.name == "postgresql":
        return bool(conn.execute(sa.text("SHOW transaction_read_only")).scalar_one() == "on")
    file = conn.engine.url.database
    return bool(file) and file != ":memory:" and not os.access(str(file), os.W_OK)


def safe_sqlite() -> Any:
    """A SQLite driver whose library can be trusted with several processes in WAL mode.

    Raises:
        UnsafeDatabase: Neither the `pysqlite3` wheel nor Python's own library is new enough.
    """
    found = []
    for name in ("pysqlite3", "sqlite3"):
        try:
            module = __import__(f"{name}.dbapi2").dbapi2
        except ImportError:
            continue
        if _is_safe(module.sqlite_version_info):
            return module
        found.append(f"{name} {module.sqlite_version}")
    raise UnsafeDatabase(
        "SQLite 3.51.3 or later is needed, since older ones can corrupt a database that several processes write; "
        f"found {', '.join(found) or 'none'}. Install the wheel 'pysqlite3' (0.6.1 or later) or set DATABASE_URL to "
        "PostgreSQL."
    )


def _is_safe(version: tuple[int, int, int]) -> bool:
    return version >= SAFE_SQLITE or any(version[:2] == fixed[:2] and version >= fixed for fixed in BACKPORTED_SQLITE)
