"""Putting a restored database in the place of the engine's, at once: made ready beside it, then renamed.

Until the rename the old database is as it was; afterwards it stands beside the new one under another name, unless it
was empty. No engine can use a database that is half restored, since it does not have the name yet.
"""

from __future__ import annotations

import os
import secrets
import shutil
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from models.db.database import safe_sqlite
from models.db.dump import DumpError, run_postgres, sqlite_fault
from models.db.sqlite_writer import SUFFIX

if TYPE_CHECKING:
    import psycopg

IN_USE = "An engine has the database open. Stop all of its processes first."


class DatabaseLocation(ABC):
    """Where the engine's database is, or will be."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing would be lost."""

    @abstractmethod
    def refuse_if_in_use(self) -> None:
        """Make sure that nobody has it open.

        Raises:
            DumpError: Somebody has.
        """

    @abstractmethod
    def stage(self, dump: Path) -> str:
        """Make the database of a dump beside the place; returns its address.

        Raises:
            DumpError: The dump is damaged, or may not be put there.
        """

    @abstractmethod
    def swap(self) -> str | None:
        """Give the staged database the name; returns what the old one is called now, None where there was nothing."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was staged, if it is still there."""


def place_of(url: sa.URL, pg_restore: Path | None) -> DatabaseLocation:
    """The place that an address names.

    Args:
        pg_restore: The program for PostgreSQL; looked for on the PATH when None.
    """
    if url.get_backend_name() == "sqlite":
        return SqlitePlace(Path(url.database or "").absolute())
    return PostgresPlace(url, pg_restore)


class SqlitePlace(DatabaseLocation):
    """A file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = secrets.token_hex(4)
        self._staged = path.with_name(f"{path.name}.restoring-{self._mark}")

    def is_empty(self) -> bool:
        if not self._path.exists():
            return True
        driver = safe_sqlite()
        try:
            with closing(driver.connect(self._path)) as connection:
                return connection.execute("SELECT 1 FROM users LIMIT 1").fetchone() is None
        except driver.OperationalError as error:
            return "no such table" in str(error)
        except driver.DatabaseError:  # damaged; perhaps that is why somebody restores
            return False

    def refuse_if_in_use(self) -> None:
        """Leaves the file without a WAL, as only somebody who is alone with it can."""
        if not self._path.exists():
            return
        driver = safe_sqlite()
        try:
            with closing(driver.connect(self._path, timeout=1.0)) as connection:
                connection.execute("PRAGMA journal_mode=DELETE")
        except driver.OperationalError as error:
            if "locked" in str(error):
                raise DumpError(IN_USE) from error
        except driver.DatabaseError:
            return  # not a database any more, so nobody works with it

    def stage(self, dump: Path) -> str:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(dump, self._staged)
        driver = safe_sqlite()
        try:
            with closing(driver.connect(self._staged)) as connection:
                fault = sqlite_fault(connection)
        except driver.DatabaseError as error:
            fault = str(error)
        if fault is not None:
            raise DumpError(f"The database in the backup is damaged: {fault}.")
        return f"sqlite:///{self._staged}"

    def swap(self) -> str | None:
        driver = safe_sqlite()
        with closing(driver.connect(self._staged)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        sync(self._staged)
        kept = None
        if self._path.exists():
            kept = self._path.with_name(f"{self._path.name}.before-{self._mark}")
            # First the WAL of a damaged database, which must never be read together with the new file.
            for end in ("-wal", "-shm"):
                if (rest := Path(f"{self._path}{end}")).exists():
                    rest.rename(f"{kept}{end}")
            os.link(self._path, kept)
        self._staged.replace(self._path)
        sync(self._path.parent)
        return None if kept is None else str(kept)

    def discard(self) -> None:
        for end in ("", "-wal", "-shm", "-journal", SUFFIX):
            Path(f"{self._staged}{end}").unlink(missing_ok=True)


class PostgresPlace(DatabaseLocation):
    """A database on a server, whose user may create others."""

    def __init__(self, url: sa.URL, pg_restore: Path | None) -> None:
        self._url = url
        self._pg_restore = pg_restore
        self._name = url.database or ""
        mark = secrets.token_hex(4)
        self._staged = f"{self._name[:40]}_restoring_{mark}"
        self._kept = f"{self._name[:40]}_before_{mark}"

    def is_empty(self) -> bool:
        with self._connected(self._name) as conn:
            ours = conn.execute("SELECT to_regclass('users') IS NOT NULL").fetchone() == (True,)
            if ours:
                return conn.execute("SELECT 1 FROM users LIMIT 1").fetchone() is None
            return conn.execute(_ANY_TABLE).fetchone() is None

    def refuse_if_in_use(self) -> None:
        with self._connected(self._name) as conn:
            others = conn.execute(_OTHERS).fetchone()
        if others is not None and others[0]:
            raise DumpError(f"{IN_USE} Connected now: {others[0]}.")

    def stage(self, dump: Path) -> str:
        import psycopg
        from psycopg import sql

        try:
            with self._connected(self._name) as conn:
                like = conn.execute(_LIKE).fetchone()
                assert like is not None
                encoding, collation, kind = (sql.Literal(one) for one in like)
                create = sql.SQL(_CREATE)
                conn.execute(create.format(sql.Identifier(self._staged), encoding, collation, kind))
        except psycopg.errors.InsufficientPrivilege as error:
            detail = "The user of DATABASE_URL may not create databases, which a restore needs to be all or nothing"
            raise DumpError(f"{detail}: ALTER ROLE … CREATEDB, for as long as it takes.") from error
        staged = self._url.set(database=self._staged)
        whole = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(dump)]
        run_postgres(staged, "pg_restore", self._pg_restore, whole)
        return staged.render_as_string(hide_password=False)

    def swap(self) -> str | None:
        import psycopg
        from psycopg import sql

        was_empty = self.is_empty()
        try:
            with self._connected(self._staged) as conn:
                self._rename(conn, self._name, self._kept)
        except psycopg.errors.ObjectInUse as error:
            raise DumpError(IN_USE) from error
        with self._connected(self._kept) as conn:
            try:
                self._rename(conn, self._staged, self._name)
            except psycopg.Error:
                with self._connected(self._staged) as other:
                    self._rename(other, self._kept, self._name)
                raise
        if not was_empty:
            return self._kept
        with self._connected(self._name) as conn:
            conn.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(self._kept)))
        return None

    def discard(self) -> None:
        from psycopg import sql

        with self._connected(self._name) as conn:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            conn.execute(drop.format(sql.Identifier(self._staged)))

    def _rename(self, conn: psycopg.Connection, name: str, to: str) -> None:
        from psycopg import sql

        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        conn.execute(rename.format(sql.Identifier(name), sql.Identifier(to)))

    def _connected(self, database: str) -> psycopg.Connection:
        """Each statement for itself: databases are made and renamed outside of transactions."""
        import psycopg

        plain = self._url.set(drivername="postgresql", database=database)
        try:
            return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            said = " ".join(str(error).split())
            raise DumpError(f"The database of DATABASE_URL must be there, empty or not: {said}") from error


_ANY_TABLE = """
SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema') LIMIT 1
"""
_OTHERS = """
SELECT string_agg(coalesce(nullif(application_name, ''), 'pid ' || pid), ', ') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_CREATE = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
_LIKE = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()
"""


def sync(path: Path) -> None:
    """Have the disk hold a file or a folder as it is now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
