"""The whole engine under `llmcoder up`, with everything it writes and answers kept for whoever searches it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import sqlalchemy as sa
from canaries import Record

from cli.up import redis as embedded_redis
from models.db.database import Database
from tests.integration.forks import ForkServer
from tests.integration.waiting import eventually
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = (ROOT / "tests" / "plugin", Path(__file__).parent / "plugin")
STARTS_WITHIN_S = 120.0
DEADLINE_S = 60.0


# --- a Redis behind passwords, all of whose traffic is kept


@dataclass
class WatchedRedis:
    """A Redis on TCP that takes any of some passwords; `traffic` is every command that it was sent, but for AUTH."""

    port: int
    passwords: tuple[str, ...]
    traffic: list[bytes] = field(default_factory=list)

    def url(self, password: str) -> str:
        return f"redis://:{password}@127.0.0.1:{self.port}/0"

    def watch(self) -> None:
        """Listen until the server ends."""
        with socket.create_connection(("127.0.0.1", self.port)) as ear:
            ear.sendall(f"AUTH {self.passwords[0]}\r\nMONITOR\r\n".encode())
            with contextlib.suppress(OSError):
                while piece := ear.recv(65_536):
                    self.traffic.append(piece)

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@contextlib.contextmanager
def watched_redis(*passwords: str) -> Iterator[WatchedRedis]:
    try:
        program = embedded_redis.server()
    except embedded_redis.UpError as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))
    made = WatchedRedis(free_port(), passwords)
    with tempfile.TemporaryDirectory(prefix="llmcoder-redis-") as folder:
        # on standard input, since others can read a command line
        lines = ["bind 127.0.0.1", f"port {made.port}", f"dir {folder}", 'save ""', "appendonly no"]
        lines.append("user default on ~* &* +@all " + " ".join(f">{password}" for password in passwords))
        process = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin is not None
        process.stdin.write("\n".join(lines).encode())
        process.stdin.close()
        ear = threading.Thread(target=made.watch)
        try:
            eventually(made.answers, 10, "Redis starts")
            ear.start()
            yield made
        finally:
            process.kill()
            process.wait(120)
            ear.join(120)


# --- the engine


@dataclass
class Running:
    """A started engine.

    Attributes:
        folder: Everything that was written lies below it.
        env: Of the commands that speak to it.
    """

    folder: Path
    env: dict[str, str]
    api_port: int
    flower_port: int
    db: Database
    supervisor: subprocess.Popen[bytes]
    answers: list[Record] = field(default_factory=list)
    printed: list[Record] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return Path(self.env["DATA_DIR"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def client(self, who: str, url: str = "", **options: Any) -> httpx.Client:
        """One whose every answer is kept, under that name."""

        def keep(answer: httpx.Response) -> None:
            answer.read()
            place = f"{who}: {answer.request.method} {answer.request.url.path} -> {answer.status_code}"
            headers = b"\n".join(b"%b: %b" % pair for pair in answer.headers.raw)
            self.answers.append(Record(place, headers + b"\n\n" + answer.content))

        hooks = {"response": [keep]}
        return httpx.Client(base_url=url or self.url, timeout=20, event_hooks=hooks, **options)

    def command(self, *words: str, stdin: str = "") -> int:
        """Run `llmcoder`; what it prints is kept."""
        with tempfile.TemporaryDirectory(prefix="llmcoder-command-") as place:
            streams = [Path(place, name) for name in ("in", "out", "err")]
            for stream, text in zip(streams, (stdin, "", ""), strict=True):
                stream.write_text(text)
            code = _commands().start("cli", words, self.env, folder=ROOT, streams=streams, ends_within_s=60).wait()
            self.printed.append(
                Record(f"llmcoder {' '.join(words)}", b"".join(one.read_bytes() for one in streams[1:]))
            )
        return code

    def kill(self, *words: str) -> None:
        """SIGKILL whatever has these words in its command line."""
        wanted = [pid for pid, line in self.command_lines().items() if " ".join(words) in line]
        assert wanted, f"nothing to kill: {words}"
        for pid in wanted:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def command_lines(self) -> dict[int, str]:
        """What `ps` shows to everybody on the machine, by process."""
        found: dict[int, str] = {}
        for process in psutil.Process(self.supervisor.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # a zombie's too
                found[process.pid] = " ".join(process.cmdline())
        return found

    def is_ready(self) -> bool:
        assert self.supervisor.poll() is None, "the supervisor ended"
        return httpx.get(f"{self.url}/health/ready", timeout=10).status_code == 200

    @contextlib.contextmanager
    def without_tables(self, *names: str) -> Iterator[None]:
        """A database that answers every question about them with an error."""
        with self.db.write() as conn:
            for name in names:
                conn.execute(sa.text(f"ALTER TABLE {name} RENAME TO {name}_away"))
        try:
            yield
        finally:
            with self.db.write() as conn:
                for name in names:
                    conn.execute(sa.text(f"ALTER TABLE {name}_away RENAME TO {name}"))

    @contextlib.contextmanager
    def without_database(self) -> Iterator[None]:
        """A PostgreSQL that lets nobody in; SQLite has no door to shut."""
        if self.db.is_sqlite:
            yield
            return
        name, server = self.db.url.database, self.db.url.set(drivername="postgresql", database="postgres")
        with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as conn:
            conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
            conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            try:
                yield
            finally:
                conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())

    def stop(self) -> None:
        self.supervisor.send_signal(signal.SIGINT)
        self.supervisor.wait(120)

    def files(self) -> list[Record]:
        """Everything below its folder."""
        return [Record(str(path.relative_to(self.folder)), path.read_bytes()) for path in _below(self.folder)]

    def rows(self) -> dict[str, list[Record]]:
        """Every value in SQL, by `table.column`, of whatever tables there are."""
        found: dict[str, list[Record]] = {}
        with self.db.read() as conn:
            for table in sa.inspect(conn).get_table_names():
                for row in conn.exec_driver_sql(f'SELECT * FROM "{table}"').mappings():
                    for column, value in row.items():
                        content = value if isinstance(value, bytes) else str(value).encode()
                        found.setdefault(f"{table}.{column}", []).append(Record(f"{table}.{column}", content))
        return found


@cache
def _commands() -> ForkServer:
    """Has the modules of the command line; to start Python for each command takes a second of work."""
    return ForkServer(
        "commands", **{name: value for name, value in _environment().items() if name not in ("PATH", "HOME")}
    )


def _environment() -> dict[str, str]:
    """What the engine has of this process's environment, and where its plug-ins lie."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "XDG_RUNTIME_DIR")}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, PLUGINS))}


def _below(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


@contextlib.contextmanager
def running(folder: Path, db: Database, dotenv: dict[str, str]) -> Iterator[Running]:
    """Start everything from a `.env`, as a first start does.

    Args:
        folder: The `.env`, the data folder and what the terminal showed lie in it.
        db: As the test itself reaches the database.
    """
    ports = {"API_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in (dotenv | ports).items()))
    env = _environment() | {"DATA_DIR": str(folder / "data"), "ENV_FILE": str(folder / ".env")}
    with (folder / "terminal").open("wb") as terminal:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"], cwd=ROOT, env=env, stdout=terminal, stderr=terminal
        )
    made = Running(folder, env, int(ports["API_PORT"]), int(ports["FLOWER_PORT"]), db, supervisor)
    try:
        eventually(made.is_ready, STARTS_WITHIN_S, "the engine to be ready")
        yield made
    finally:
        made.stop()
