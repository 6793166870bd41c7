"""Real databases in trouble: whatever passes is told as such, and the same `Database` works on when it has passed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from llmcoder.ids import new_id
from models.accounts.tables import login_attempts
from models.db.database import TRANSIENT_ERRORS, Database, safe_sqlite

pytestmark = pytest.mark.both_stores

SOON_S = 10.0
NOBODY = 65534
#: A situation in which writing fails, given the database and its server.
Trouble = Callable[[Database, Any], AbstractContextManager[Any]]


def write(db: Database, before: str = "") -> None:
    with db.write() as conn:
        for statement in filter(None, before.split(";")):
            conn.execute(sa.text(statement))
        conn.execute(sa.insert(login_attempts).values(id=new_id(), subject="account:x", at=db.now()))


def count(db: Database) -> int:
    with db.read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(login_attempts)).scalar_one())


# --- PostgreSQL


@contextmanager
def read_only(db: Database, admin: psycopg.Connection[Any]) -> Iterator[None]:
    """As a failover leaves the server that our sessions are with."""
    name = db.url.database
    admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    end_sessions(db, admin)
    yield
    admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())


@contextmanager
def no_connections(db: Database, admin: psycopg.Connection[Any]) -> Iterator[None]:
    name = db.url.database
    admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
    end_sessions(db, admin)
    yield
    admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


@contextmanager
def locked_table(db: Database, admin: psycopg.Connection[Any]) -> Iterator[str]:
    url = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE login_attempts")
        yield "SET LOCAL lock_timeout = '50ms'"


@contextmanager
def slow_statement(db: Database, admin: psycopg.Connection[Any]) -> Iterator[str]:
    yield "SET LOCAL statement_timeout = '50ms';SELECT pg_sleep(20)"


@contextmanager
def shut_down(db: Database, admin: psycopg.Connection[Any]) -> Iterator[str]:
    yield "SELECT pg_terminate_backend(pg_backend_pid())"


def end_sessions(db: Database, admin: psycopg.Connection[Any]) -> None:
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [db.url.database])


# --- SQLite


@contextmanager
def full_disk(db: Database, _: Any) -> Iterator[str]:
    yield "PRAGMA max_page_count = 1;CREATE TABLE large AS SELECT hex(zeroblob(3000000)) AS text"
    db.close()  # the limit is the connection's


@contextmanager
def busy(db: Database, _: Any) -> Iterator[None]:
    with closing(safe_sqlite().connect(db.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


TROUBLES: dict[str, list[tuple[Trouble, str]]] = {
    "postgresql": [
        (read_only, "25006"), (no_connections, ""), (locked_table, "55P03"), (slow_statement, "57014"),
        (shut_down, "57P01"),
    ],
    "sqlite": [(full_disk, "SQLITE_FULL"), (busy, "SQLITE_BUSY")],
}  # fmt: skip


def test_a_write_in_trouble_fails_as_one_that_passes_and_the_next_goes_well(
    db: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.db.database.BUSY_TIMEOUT_S", 0)
    store = db.url.get_backend_name()
    write(db)  # a pooled connection of before
    for trouble, code in TROUBLES[store]:
        before = count(db)
        with administrator(db, request) as admin, trouble(db, admin) as statements:
            for _ in range(2):
                with pytest.raises(TRANSIENT_ERRORS) as raised:
                    write(db, statements or "")
                driver = getattr(raised.value, "orig", None)
                told = getattr(driver, "sqlstate", None) or getattr(driver, "sqlite_errorname", None) or ""
                assert told.startswith(code), (trouble.__name__, driver)
        write(db)
        assert count(db) == before + 1, trouble.__name__


@contextmanager
def administrator(db: Database, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any] | None]:
    if db.is_sqlite:
        yield None
        return
    server: sa.URL = request.getfixturevalue("postgres_url")
    url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as admin:
        yield admin


def test_used_up_connections_pass(db: Database, request: pytest.FixtureRequest) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has no limit of connections")
    role = f"r{new_id().hex}"
    with administrator(db, request) as admin:
        assert admin is not None
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1".encode())
        url = db.url.set(username=role).render_as_string(hide_password=False)
        with closing(Database(url, pool_size=1)) as first, closing(Database(url, pool_size=1)) as second:
            with first.read(), pytest.raises(TRANSIENT_ERRORS, match="too many connections"), second.read():
                pass
            first.close()
            with second.read() as conn:
                assert conn.execute(sa.text("SELECT 1")).scalar_one() == 1
        admin.execute(f"DROP ROLE {role}".encode())


def test_a_statement_that_is_interrupted_passes(db: Database) -> None:
    if not db.is_sqlite:
        pytest.skip("PostgreSQL's is the statement timeout")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    with db.read() as conn:
        driver = conn.connection.dbapi_connection
        assert driver is not None
        threading.Timer(0.2, driver.interrupt).start()
        with pytest.raises(TRANSIENT_ERRORS):
            conn.execute(sa.text(endless))


def test_a_file_that_may_only_be_read_passes_and_is_written_when_it_may_be_again(db: Database, db_url: str) -> None:
    """In a child, as another user than root, whom no mode keeps from writing."""
    if not db.is_sqlite:
        pytest.skip("a file of SQLite")
    db.close()
    folder = Path(tempfile.mkdtemp(prefix="llmcoder-read-only-"))
    path = Path(shutil.copy(Path(db.url.database or ""), folder / "llmcoder.db"))
    try:
        assert _in_a_child(partial(_read_only_and_back, path)) == 0
    finally:
        shutil.rmtree(folder)


def _in_a_child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  the parent is told by the code, the reader by the trace
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _read_only_and_back(path: Path) -> None:
    if os.getuid() == 0:
        for one in (path.parent, path):
            os.chown(one, NOBODY, NOBODY)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    with closing(Database(f"sqlite:///{path}")) as db:
        path.chmod(0o400)
        with pytest.raises(TRANSIENT_ERRORS):
            write(db)
        for one in path.parent.iterdir():  # SQLite gave the files beside it the mode of the database
            one.chmod(0o600)
        write(db)
        assert count(db) == 1


# --- what is no trouble of the database


@pytest.mark.parametrize("statement", ["SELECT * FROM no_such_table", "SELECT no_such_column FROM jobs", "SELEC 1"])
def test_a_defect_of_ours_is_no_trouble_of_the_database(db: Database, statement: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError), db.read() as conn:
        conn.execute(sa.text(statement))


def test_a_file_that_is_no_database_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "no.db"
    path.write_bytes(b"something else" * 1_000)
    with closing(Database(f"sqlite:///{path}")) as db, pytest.raises(sa.exc.DatabaseError) as raised, db.read():
        pass
    assert not isinstance(raised.value, TRANSIENT_ERRORS)


ROOT = Path(__file__).resolve().parents[2]
HOLDS_A_LOCK = """
import sys, time
import sqlalchemy as sa
from models.db.database import Database

with Database(sys.argv[1]).write() as conn:
    conn.execute(sa.text("SELECT pg_advisory_xact_lock(7)"))
    print("has it", flush=True)
    time.sleep(600)
"""


def test_a_process_frozen_amid_a_transaction_gives_up_what_it_locked(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite's lock is the process's own: it goes with the process, or when that wakes up")
    environ = {**os.environ, "LLMCODER_TIMING": "0.02"}
    url = db.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_LOCK, url], cwd=ROOT, env=environ, stdout=subprocess.PIPE
    ) as frozen:
        assert frozen.stdout is not None and frozen.stdout.readline() == b"has it\n"
        frozen.send_signal(signal.SIGSTOP)
        try:
            with db.write() as conn:
                conn.exec_driver_sql("SET LOCAL lock_timeout = '20s'")
                conn.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        finally:
            frozen.kill()  # it would be waited for for ever
