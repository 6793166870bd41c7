"""The whole engine as a user starts it: `llmcoder up` in a data folder of its own, driven over HTTP from outside.

These tests take minutes and kill processes, so they run where LLMCODER_ACCEPTANCE=1 (CI does) and are skipped at a
desk.
"""

from __future__ import annotations

import contextlib
import idlelib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.integration.waiting import eventually
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
STARTS_WITHIN_S = 180.0
#: The policy manual of Debian's Python, and IDLE's manual that comes with Python: real pages nobody here wrote.
LONG_PAGES = ("/usr/share/doc/python3/python-policy.html", str(Path(idlelib.__file__).parent / "help.html"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("LLMCODER_ACCEPTANCE") == "1":
        return
    for item in items:
        if "acceptance" in item.nodeid and "adding_an_integration" not in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="takes minutes; set LLMCODER_ACCEPTANCE=1"))


@dataclass
class Engine:
    """A running engine and a user in it."""

    data_dir: Path
    api_port: int
    flower_port: int
    supervisor: subprocess.Popen[bytes]
    token: str = ""
    client: httpx.Client = field(default_factory=httpx.Client)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def processes(self, mark: str) -> list[psutil.Process]:
        """Processes of this engine whose command line holds the mark."""
        found = []
        for process in psutil.Process(self.supervisor.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if mark in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def kill(self, mark: str) -> None:
        """SIGKILL every process of the engine with the mark in its command line, each by its own id."""
        killed = self.processes(mark)
        assert killed, f"nothing to kill: {mark}"
        for process in killed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def login(self) -> None:
        self.client.post("/auth/register", json={"email": "me@example.org", "password": PASSWORD}).raise_for_status()
        form = {"username": "me@example.org", "password": PASSWORD}
        self.token = self.client.post("/auth/login", data=form).raise_for_status().json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {self.token}"

    def jobs(self) -> list[dict[str, Any]]:
        """Every job of the user, as the list shows them page by page."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.client.get("/jobs", params={"limit": 200, **cursor}).raise_for_status().json()
            found += page["items"]
            if not page.get("next"):
                return found
            cursor = {"cursor": page["next"]}

    def until(self, what: Callable[[], bool], within_s: float, about: str) -> None:
        eventually(what, within_s, about)

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted((self.data_dir / "logs").glob("*.log*")))


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Start `llmcoder up` with further environment variables; at the end it must stop cleanly and in time."""
    started: list[Engine] = []

    def start(command: Sequence[str] = (sys.executable, "-m", "cli"), cwd: Path = ROOT, **env: str) -> Engine:
        data_dir = tmp_path / "data"
        ports = {"API_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
        everything = {
            **os.environ,
            "DATA_DIR": str(data_dir),
            "FETCH_ALLOW": "127.0.0.1",
            "LEASE_S": "5",
            "PYTHONPATH": str(ROOT / "tests" / "plugin"),
            **ports,
            **env,
        }
        supervisor = subprocess.Popen([*command, "up"], cwd=cwd, env=everything)
        engine = Engine(data_dir, int(ports["API_PORT"]), int(ports["FLOWER_PORT"]), supervisor)
        engine.client = httpx.Client(base_url=engine.url, timeout=70)
        started.append(engine)
        eventually(lambda: is_ready(engine), STARTS_WITHIN_S, "the engine to be ready")
        engine.login()
        return engine

    yield start
    for engine in started:
        engine.client.close()
        began = time.monotonic()
        engine.supervisor.send_signal(signal.SIGINT)
        engine.supervisor.wait(120)
        assert time.monotonic() - began < 12, "Ctrl-C takes 10 s at most"


def is_ready(engine: Engine) -> bool:
    assert engine.supervisor.poll() is None, "the supervisor ended"
    return engine.client.get("/health/ready").status_code == 200


class Counter(ThreadingHTTPServer):
    """Counts the requests of each job by its Idempotency-Key, and takes a while to answer."""

    daemon_threads = True
    takes_s = 0.05

    def __init__(self) -> None:
        self.seen: list[str] = []
        super().__init__(("127.0.0.1", 0), CountingHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/count"


class CountingHandler(BaseHTTPRequestHandler):
    server: Counter

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(self.headers["Idempotency-Key"])
        time.sleep(self.server.takes_s)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def counter() -> Iterator[Counter]:
    with serving(Counter()) as server:
        yield server


@pytest.fixture(scope="session")
def long_page() -> Iterator[str]:
    """The address of a long, real HTML page, served on loopback."""
    found = next((path for path in map(Path, LONG_PAGES) if path.exists()), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"none of {', '.join(LONG_PAGES)} is here: install the documentation of Python")
        pytest.skip(f"none of {', '.join(LONG_PAGES)} is here")
    body = found.read_bytes()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Page)) as server:
        yield f"http://127.0.0.1:{server.server_port}/page.html"


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
