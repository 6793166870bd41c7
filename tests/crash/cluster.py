"""The engine's real processes for the crash matrix, and a small supervisor that starts again what dies.

Two APIs, two io workers, two schedulers, a Redis that keeps nothing, a database, and the provider. Every process is a
group of its own and is ended by its id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import sqlalchemy as sa

from cli.up import redis as embedded_redis
from models.db.database import Database
from tests.crash.stores import Store, wait_for_server
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
LEASE_S = 5
IO_SLOTS = 8
STARTS_WITHIN_S = 60.0
LOOK_S = 0.05
PASSWORD = "correct horse battery staple"
EMAIL = "crash@example.org"


class CrashError(RuntimeError):
    """The harness itself cannot go on."""


@dataclass
class Part:
    """One process.

    Attributes:
        cwd: Whose code it runs.
        deaths: Ends that nobody but a fault wanted, by their exit code.
        held: Not started again for the time being.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    account: str | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: Counter[int] = field(default_factory=Counter)
    held: bool = False
    cwd: Path = ROOT

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_stopped(self) -> bool:
        """By SIGSTOP."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        return False

    def send(self, number: int) -> bool:
        """A signal to the process; False when it has just ended."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True


class Cluster:
    """One engine on one database.

    Args:
        folder: For its database, sockets, data and logs.
        disk: Where the database goes; in the folder when not given.
        proxied: Whether the engine reaches its database through a proxy that can cut connections.
        heavy: How many workers of the queue `heavy` there are.
        copies: Of the APIs, of the io workers and of the schedulers.
        environ: For every process, such as a clock of its own.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        disk: Path | None = None,
        proxied: bool = False,
        heavy: int = 0,
        copies: int = 2,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.store = store
        disk = disk or folder / "disk"
        disk.mkdir(exist_ok=True)
        disk.chmod(0o755)
        self.laid = store.lay_out(disk)
        self.ports = tuple(free_port() for _ in range(copies))
        self.parts: dict[str, Part] = {}
        self._planted: dict[str, str] = {}
        self._environ = {**_kept_environ(), **(environ or {})}
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._make_parts(proxied, heavy)
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    # --- start and end

    def start(self) -> None:
        """Start everything, in order, and wait until jobs are accepted."""
        for name in ("redis", "provider", "database", "proxy"):
            if name in self.parts:
                self._start(self.parts[name])
        self._wait_for(lambda: embedded_redis.answers(self.redis_socket), "Redis")
        self._wait_for((self.folder / "port").exists, "the provider")
        if "database" in self.parts:
            wait_for_server(sa.make_url(self.laid.url))
        for part in self.parts.values():
            if part.process is None:
                self._start(part)
        self._supervisor.start()
        for url in self.api_urls:
            self._wait_for(partial(is_live, url), f"the API at {url}")

    def close(self) -> None:
        """End every process."""
        self._ending.set()
        if self._supervisor.is_alive():
            self._supervisor.join(10)
        for part in self.parts.values():
            if part.process is not None:
                _end_group(part.process)

    # --- what faults do

    def plant(self, prefix: str, faults: str) -> None:
        """From their next start on, the parts of that name have these faults; see `llmcoder.faults`."""
        self._planted[prefix] = faults
        for part in self.named(prefix):
            if part.process is not None:
                self.restart(part)

    def pull_up(self) -> None:
        """Processes that start from now on have no faults."""
        self._planted.clear()

    def replace(self, name: str, command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> None:
        """Kill a part, and have another program in its place from then on, with more or other variables."""
        with self._lock:
            part = self.parts[name]
            if part.process is not None:
                _end_group(part.process)
            part.command, part.cwd, part.environ = command, cwd, {**part.environ, **environ}
            if part.process is not None:
                self._start(part)

    def restart(self, part: Part) -> None:
        with self._lock:
            assert part.process is not None
            _end_group(part.process)
            self._start(part)

    def kill(self, name: str, number: int = signal.SIGKILL) -> bool:
        """Kill a part, which the supervisor starts again; False when it is dead just now."""
        return self.parts[name].send(number)

    def pid(self, name: str) -> int:
        return self.parts[name].pid

    def named(self, prefix: str) -> list[Part]:
        return [part for name, part in self.parts.items() if name.startswith(prefix)]

    def deaths(self, prefix: str) -> int:
        """How often parts of that name were killed."""
        return sum(sum(part.deaths.values()) for part in self.named(prefix))

    # --- addresses

    @property
    def api_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def provider_url(self) -> str:
        return f"http://127.0.0.1:{(self.folder / 'port').read_text()}"

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    @property
    def told(self) -> Path:
        """What the webhook's receiver was told."""
        return self.folder / "told"

    @property
    def redis_socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.redis_socket}?db=0"

    @property
    def has_server(self) -> bool:
        """Whether its database is a server, and not a file."""
        return self.laid.server is not None

    @property
    def database_file(self) -> str:
        file = sa.make_url(self.laid.url).database
        assert file is not None
        return file

    def database(self) -> Database:
        """The database, past any proxy."""
        return Database(self.laid.url)

    # --- inside

    def _make_parts(self, proxied: bool, heavy: int) -> None:
        python = sys.executable
        self._add("redis", embedded_redis.server(), *_redis_options(self.redis_socket))
        self._add("provider", python, str(HERE / "provider.py"), str(self.folder))
        if self.laid.server is not None:
            self._add("database", *self.laid.server, account=self.laid.account)
        engine = self._engine_environ(proxied)
        for number, port in enumerate(self.ports, start=1):
            self._add(f"api-{number}", python, "-m", "api", **engine, API_PORT=str(port))
            self._add(f"io-{number}", python, "-m", "workers", "io", **engine)
            self._add(f"scheduler-{number}", python, "-m", "schedules", **engine)
        for name in ("heavy", "heavy-2")[:heavy]:
            self._add(name, python, "-m", "workers", "heavy", **engine)

    def _engine_environ(self, proxied: bool) -> dict[str, str]:
        url = self.laid.url
        if proxied:
            port = free_port()
            assert self.laid.socket is not None
            self._add("proxy", sys.executable, str(HERE / "proxy.py"), str(port), str(self.laid.socket))
            url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/llmcoder"
        return {
            "DATA_DIR": str(self.folder / "data"),
            "ENV_FILE": str(self.folder / "none"),
            "DATABASE_URL": url,
            "REDIS_URL": self.redis_url,
            "LEASE_S": str(LEASE_S),
            "IO_SLOTS": str(IO_SLOTS),
            "FETCH_ALLOW": "127.0.0.1",
            "ACCESS_TOKEN_EXPIRE_MINUTES": "43200",
            "PYTHONPATH": f"{ROOT}:{HERE / 'plugin'}",
        }

    def _add(self, part: str, *command: str, account: str | None = None, **environ: str) -> None:
        self.parts[part] = Part(part, command, {**self._environ, **environ}, account)

    def _start(self, part: Part) -> None:
        environ = dict(part.environ)
        for prefix, faults in self._planted.items():
            if part.name.startswith(prefix):
                environ["LLMCODER_FAULTS"] = faults
        with (self.folder / f"{part.name}.log").open("ab") as log:
            part.process = subprocess.Popen(
                part.command,
                cwd=part.cwd,
                env=environ,
                stdout=log,
                stderr=log,
                user=part.account,
                start_new_session=True,
            )

    def _supervise(self) -> None:
        while not self._ending.wait(LOOK_S):
            for part in self.parts.values():
                with self._lock:
                    self._start_again(part)

    def _start_again(self, part: Part) -> None:
        assert part.process is not None
        code = part.process.poll()
        if code is None or part.held:
            return
        part.deaths[code] += 1
        _end_group(part.process)
        self._start(part)

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not condition():
            if time.monotonic() > deadline:
                raise CrashError(f"{what} did not start; see the logs in {self.folder}")
            time.sleep(LOOK_S)


def is_live(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _kept_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}


def _redis_options(socket: Path) -> list[str]:
    options = {"port": "0", "unixsocket": str(socket), "dir": str(socket.parent), "save": "", "appendonly": "no"}
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """The process and what it started: a pool's children, a server's backends."""
    for number in (signal.SIGCONT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    process.wait(10)
