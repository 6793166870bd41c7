"""The one table of the database's errors: what passes, what is a value's fault, and what is a defect of ours."""

from __future__ import annotations

import inspect
import sqlite3
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from models.db.errors import TRANSIENT_ERRORS, _sort, is_full, may_be_of_one

#: Classes of SQLSTATE, by their first two characters, whose every member passes.
PASSING_CLASSES = {"08", "28", "40", "53", "57", "58"}
PASSING = {"25006", "25P03", "25P04", "55006", "55P03"}
#: What psycopg knows, but for its own classes, which have no code.
OF_POSTGRES = sorted(
    {
        kind.sqlstate: kind
        for _, kind in inspect.getmembers(psycopg.errors, inspect.isclass)
        if issubclass(kind, psycopg.Error) and kind.sqlstate is not None
    }.items()
)


def sorted_error(driver: Exception, dbapi_error: type[Exception], dialect: str) -> tuple[sa.exc.DBAPIError, bool]:
    """The error that a caller of `Database` gets for what the driver raised, and whether its connection is dropped."""
    known = sa.exc.DBAPIError.instance("SELECT 1", {"secret": "x"}, driver, dbapi_error, hide_parameters=True)
    context: Any = SimpleNamespace(
        sqlalchemy_exception=known,
        original_exception=driver,
        dialect=SimpleNamespace(name=dialect),
        is_disconnect=False,
    )
    return _sort(context) or known, context.is_disconnect  # type: ignore[return-value]


def of_postgres(driver: Exception) -> tuple[sa.exc.DBAPIError, bool]:
    return sorted_error(driver, psycopg.Error, "postgresql")


def of_sqlite(name: str, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> tuple[sa.exc.DBAPIError, bool]:
    driver = kind("of sqlite")
    driver.sqlite_errorcode = getattr(sqlite3, name)  # type: ignore[attr-defined]
    return sorted_error(driver, sqlite3.Error, "sqlite")


@pytest.mark.parametrize(("state", "kind"), OF_POSTGRES)
def test_every_sqlstate_is_sorted(state: str, kind: type[psycopg.Error]) -> None:
    error, _ = of_postgres(kind("words of the server"))
    passes = state[:2] in PASSING_CLASSES or state in PASSING
    assert isinstance(error, TRANSIENT_ERRORS) == passes, (state, kind.__name__, type(error).__name__)
    if state.startswith(("22", "54")):
        assert isinstance(error, sa.exc.DataError)
    assert error.orig is not None and "secret" not in str(error)


def test_the_table_of_sqlstates_knows_more_than_one_driver_class() -> None:
    assert len(OF_POSTGRES) > 200


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ConnectionTimeout])
def test_what_the_client_itself_says_of_a_connection_passes(kind: type[psycopg.Error]) -> None:
    assert isinstance(of_postgres(kind("the connection is closed"))[0], TRANSIENT_ERRORS)


@pytest.mark.parametrize(("severity", "passes"), [("FATAL", True), ("PANIC", True), ("ERROR", False), (None, False)])
def test_a_poolers_internal_error_passes_where_it_ends_the_session(severity: str | None, passes: bool) -> None:
    class Pooled(psycopg.errors.InternalError_):
        diag = SimpleNamespace(severity_nonlocalized=severity)  # type: ignore[assignment]

    assert isinstance(of_postgres(Pooled("max clients"))[0], TRANSIENT_ERRORS) == passes


SQLITE = {
    "SQLITE_PERM": True, "SQLITE_ABORT": True, "SQLITE_BUSY": True, "SQLITE_LOCKED": True, "SQLITE_NOMEM": True,
    "SQLITE_READONLY": True, "SQLITE_READONLY_DBMOVED": True, "SQLITE_INTERRUPT": True, "SQLITE_IOERR": True,
    "SQLITE_IOERR_FSYNC": True, "SQLITE_FULL": True, "SQLITE_CANTOPEN": True, "SQLITE_PROTOCOL": True,
    "SQLITE_SCHEMA": True, "SQLITE_NOLFS": True, "SQLITE_BUSY_SNAPSHOT": True, "SQLITE_BUSY_RECOVERY": True,
    "SQLITE_ERROR": False, "SQLITE_INTERNAL": False, "SQLITE_CORRUPT": False, "SQLITE_NOTADB": False,
    "SQLITE_MISUSE": False, "SQLITE_AUTH": False, "SQLITE_RANGE": False, "SQLITE_TOOBIG": False,
}  # fmt: skip


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.InternalError])
@pytest.mark.parametrize(("name", "passes"), SQLITE.items())
def test_every_result_code_is_sorted_whatever_class_the_driver_gives_it(
    name: str, passes: bool, kind: type[sqlite3.Error]
) -> None:
    assert isinstance(of_sqlite(name, kind)[0], TRANSIENT_ERRORS) == passes


def test_a_value_that_is_too_large_is_the_values_fault_on_both() -> None:
    assert isinstance(of_sqlite("SQLITE_TOOBIG")[0], sa.exc.DataError)
    assert isinstance(of_postgres(psycopg.errors.ProgramLimitExceeded("index row size"))[0], sa.exc.DataError)


@pytest.mark.parametrize("name", ["SQLITE_READONLY", "SQLITE_READONLY_DBMOVED", "SQLITE_CANTOPEN", "SQLITE_IOERR"])
def test_a_file_that_could_not_be_written_is_opened_anew(name: str) -> None:
    assert of_sqlite(name)[1]


def test_a_server_that_became_read_only_is_left() -> None:
    """After a failover the address leads to another server, and a pooled connection to the old one."""
    assert of_postgres(psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"))[1]
    assert not of_postgres(psycopg.errors.QueryCanceled("statement timeout"))[1]


def test_a_full_disk_is_told_from_everything_else() -> None:
    assert is_full(of_sqlite("SQLITE_FULL")[0]) and is_full(of_postgres(psycopg.errors.DiskFull("no space"))[0])
    assert not is_full(of_sqlite("SQLITE_BUSY")[0]) and not is_full(of_postgres(psycopg.errors.OutOfMemory("x"))[0])


@pytest.mark.parametrize(
    ("driver", "of_one"),
    [
        (psycopg.errors.QueryCanceled, True), (psycopg.errors.OutOfMemory, True), (psycopg.errors.DiskFull, True),
        (psycopg.errors.DeadlockDetected, True), (psycopg.errors.IoError, True),
        (psycopg.errors.TooManyConnections, False), (psycopg.errors.AdminShutdown, False),
        (psycopg.errors.ReadOnlySqlTransaction, False), (psycopg.OperationalError, False),
    ],
)  # fmt: skip
def test_what_may_be_one_transactions_own_fault_is_told_from_what_befalls_all(
    driver: type[psycopg.Error], of_one: bool
) -> None:
    assert may_be_of_one(of_postgres(driver("x"))[0]) is of_one
    assert not may_be_of_one(sa.exc.TimeoutError("the pool is empty"))
