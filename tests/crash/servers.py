"""What a fault does to a PostgreSQL server: it refuses to write, or somebody else has all of its connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import sqlalchemy as sa

from tests.crash.cluster import Cluster

MOST_CONNECTIONS = 1_000
RESTORED_WITHIN_S = 30.0
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


def forbid_writes(cluster: Cluster) -> None:
    """Until `allow_writes`: it is read-only, and every session was ended."""
    _administer(cluster, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()", END_OTHERS)


def allow_writes(cluster: Cluster) -> None:
    """It writes again, whatever else happens to it meanwhile."""
    deadline = time.monotonic() + RESTORED_WITHIN_S
    while True:
        try:
            _administer(cluster, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
        except sa.exc.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def all_connections(cluster: Cluster) -> Iterator[int]:
    """Somebody else has every connection; yields how many these are."""
    engine = _engine(cluster)
    with ExitStack() as stack:
        stack.enter_context(engine.connect()).execute(sa.text(END_OTHERS))
        yield 1 + _take(engine, stack)


def _take(engine: sa.Engine, stack: ExitStack) -> int:
    """Take connections until the server has no more; returns how many."""
    for number in range(MOST_CONNECTIONS):
        try:
            stack.enter_context(engine.connect())
        except sa.exc.OperationalError:
            return number
    raise AssertionError("the server never runs out of connections")


def _administer(cluster: Cluster, *statements: str) -> None:
    with _engine(cluster).connect() as conn:
        for statement in statements:
            conn.execute(sa.text(statement))


def _engine(cluster: Cluster) -> sa.Engine:
    """Past any proxy."""
    return sa.create_engine(
        cluster.laid.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5}
    )
