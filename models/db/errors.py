"""Which errors of the database pass by themselves: sorted where they are born, by the codes of both drivers.

The drivers' classes do not say it: PostgreSQL's "read-only transaction", which every failover brings, is an
`InternalError` as a defect is, and SQLite calls a table that is not there an `OperationalError` as a full disk is. So
every error of `Database` is given the class that it should have: what is in `TRANSIENT_ERRORS` passes or is mended by
an operator while we run, and everything else is a defect, or a value that cannot be kept.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

TRANSIENT_ERRORS = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)

#: The first two characters of an SQLSTATE: connection lost, credentials refused, transaction rolled back, out of
#: resources, operator intervention, trouble of the server's system.
_POSTGRES_CLASSES = frozenset({"08", "28", "40", "53", "57", "58"})
#: Read-only, a transaction open for too long (twice), in use, and a lock that was not free.
_POSTGRES_CODES = frozenset({"25006", "25P03", "25P04", "55006", "55P03"})
#: Of a value or a statement that is too large for the server, whatever is tried.
_POSTGRES_LIMITS = "54"
#: Poolers in front of PostgreSQL end sessions with it; the server itself means a defect by it, and then ends none.
_POSTGRES_INTERNAL = "XX000"
_POSTGRES_READ_ONLY = "25006"
_POSTGRES_DISK_FULL = "53100"
#: What befalls one transaction, maybe for what it holds, while the server goes on.
_POSTGRES_OF_ONE = frozenset({"40", "53", "55", "58"})
_POSTGRES_CANCELED = "57014"

_PERM, _ABORT, _BUSY, _LOCKED, _NOMEM, _READONLY, _INTERRUPT, _IOERR, _CORRUPT = 3, 4, 5, 6, 7, 8, 9, 10, 11
_FULL, _CANTOPEN, _PROTOCOL, _SCHEMA, _TOOBIG, _NOLFS, _NOTADB = 13, 14, 15, 17, 18, 22, 26
_SQLITE_PASSING = frozenset(
    {
        _PERM, _ABORT, _BUSY, _LOCKED, _NOMEM, _READONLY, _INTERRUPT, _IOERR, _FULL, _CANTOPEN, _PROTOCOL, _SCHEMA,
        _NOLFS,
    }
)  # fmt: skip
#: A file that was opened while it could not be written, or was moved away since, stays so for its connection.
_SQLITE_OPEN_ANEW = frozenset({_PERM, _READONLY, _IOERR, _CORRUPT, _CANTOPEN, _NOTADB})
_SQLITE_DISK = frozenset({_IOERR, _FULL})  # IOERR also of a quota or a file-size limit
_SQLITE_OF_ONE = frozenset({_ABORT, _NOMEM, _INTERRUPT, _IOERR, _FULL, _NOLFS})


def sort_errors(engine: sa.Engine) -> None:
    """Have the engine raise its errors under the class that says whether they pass."""
    sa.event.listen(engine, "handle_error", _sort)


def is_full(error: BaseException) -> bool:
    """Whether it says that the database's disk has no room, or does not take writes for a reason of its own."""
    driver = getattr(error, "orig", None)
    return _sqlite_code(driver) in _SQLITE_DISK or _sqlstate(driver) == _POSTGRES_DISK_FULL


def may_be_of_one(error: BaseException) -> bool:
    """Whether a passing error may come of what the transaction holds, so that another one may go well at once."""
    driver = getattr(error, "orig", None)
    state = _sqlstate(driver)
    if state:
        return state == _POSTGRES_CANCELED or (state[:2] in _POSTGRES_OF_ONE and state != "53300")
    return _sqlite_code(driver) in _SQLITE_OF_ONE


def _sort(context: sa.ExceptionContext) -> BaseException | None:
    known, driver = context.sqlalchemy_exception, context.original_exception
    if not isinstance(known, sa.exc.DBAPIError):
        return None
    if _sqlstate(driver) == _POSTGRES_READ_ONLY or _sqlite_code(driver) in _SQLITE_OPEN_ANEW:
        context.is_disconnect = True  # after a failover another server is the one that writes
    kind = _class_of(known, driver, sqlite=context.dialect.name == "sqlite")
    if isinstance(known, kind):
        return None
    return kind(
        known.statement, known.params, driver,
        hide_parameters=known.hide_parameters, connection_invalidated=context.is_disconnect, ismulti=known.ismulti,
    )  # fmt: skip


def _class_of(known: sa.exc.DBAPIError, driver: BaseException, *, sqlite: bool) -> type[sa.exc.DBAPIError]:
    passes = _sqlite_passes(driver) if sqlite else _postgres_passes(known, driver)
    if passes:
        return known.__class__ if isinstance(known, TRANSIENT_ERRORS) else sa.exc.OperationalError
    if (_sqlstate(driver) or "").startswith(_POSTGRES_LIMITS) or _sqlite_code(driver) == _TOOBIG:
        return sa.exc.DataError
    return sa.exc.ProgrammingError if isinstance(known, TRANSIENT_ERRORS) else known.__class__


def _postgres_passes(known: sa.exc.DBAPIError, driver: BaseException) -> bool:
    state = _sqlstate(driver)
    if state is None:  # the client's own words: a connection that cannot be made, or has broken
        return isinstance(known, TRANSIENT_ERRORS)
    if state == _POSTGRES_INTERNAL:
        return getattr(getattr(driver, "diag", None), "severity_nonlocalized", None) in ("FATAL", "PANIC")
    return state[:2] in _POSTGRES_CLASSES or state in _POSTGRES_CODES


def _sqlite_passes(driver: BaseException) -> bool:
    return _sqlite_code(driver) in _SQLITE_PASSING


def _sqlstate(driver: Any) -> str | None:
    state: str | None = getattr(driver, "sqlstate", None)
    return state


def _sqlite_code(driver: Any) -> int:
    """The primary result code; the rest of the bits says what it was doing. 0 where SQLite itself said nothing."""
    return (getattr(driver, "sqlite_errorcode", None) or 0) & 0xFF
