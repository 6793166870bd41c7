"""What the tests of every domain share: a scripted local server, and the vendors' own contracts served strictly."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from vendor_contracts import CONTRACTS, need_contracts

from tests.ports import free_port


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Exchange(BaseHTTPRequestHandler):
    """One request being answered by a route's function."""

    protocol_version = "HTTP/1.1"
    server: LocalServer

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen = Seen(self.command, self.path, headers, body)
        self.server.seen.append(self.seen)
        route = self.server.routes.get(self.path.partition("?")[0])
        route(self) if route else self.send(404, b"no such page", "text/plain")
        self.wfile.flush()

    def send(self, status: int, body: bytes | object, media_type: str = "application/json", **headers: str) -> None:
        """Answer at once; `retry_after="2"` becomes the header `retry-after: 2`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content_type": media_type, "content_length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def start(self, media_type: str, *, chunked: bool = True) -> None:
        """Begin an answer that comes in pieces."""
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("transfer-encoding", "chunked") if chunked else self.send_header("connection", "close")
        self._chunked = chunked
        self.close_connection = not chunked
        self.end_headers()

    def piece(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        self.wfile.flush()

    def finish_pieces(self) -> None:
        if self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def stay_silent(self) -> None:
        """Say nothing until the test is over."""
        self.server.over.wait(30)
        self.close_connection = True

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None: ...


class LocalServer(ThreadingHTTPServer):
    """A server on 127.0.0.1 whose routes are functions; it remembers every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.routes: dict[str, Callable[[Exchange], None]] = {}
        self.seen: list[Seen] = []
        self.over = threading.Event()
        self.left = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is something tests look for, not an error."""
        if isinstance(sys.exc_info()[1], OSError):
            self.left.set()
        else:
            super().handle_error(request, client_address)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    local = LocalServer()
    thread = threading.Thread(target=local.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield local
    finally:
        local.over.set()
        local.shutdown()
        thread.join()
        local.server_close()


@pytest.fixture
def refused_url() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@dataclass
class StrictFake:
    """A vendor's contract, served: what it does not allow is refused and logged."""

    url: str
    origin: str
    process: subprocess.Popen[str] = field(repr=False)

    def refusals(self) -> list[dict[str, Any]]:
        return [entry for entry in self._call("log") if entry.get("error")]

    def operations(self) -> list[str]:
        return [entry["operation"] for entry in self._call("log")]

    def override(self, operation: str, status: int, body: object) -> None:
        self._call("override", {"operationId": operation, "status": status, "body": body})

    def _call(self, name: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.origin}/__fake__/{name}", data=content, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture
def strict_fake() -> Iterator[Callable[..., StrictFake]]:
    """Start `strict_fake.py` for one spec: `strict_fake("openai.json", "--base", "/v1")`."""
    need_contracts()
    running: list[StrictFake] = []

    def start(spec: str, *options: str) -> StrictFake:
        port = free_port()
        command = [sys.executable, str(CONTRACTS / "strict_fake.py"), str(CONTRACTS / "specs" / spec)]
        process = subprocess.Popen(
            [*command, "--port", str(port), *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        base = options[options.index("--base") + 1] if "--base" in options else ""
        running.append(StrictFake(f"http://127.0.0.1:{port}{base}", f"http://127.0.0.1:{port}", process))
        assert process.stdout is not None
        assert "ready" in process.stdout.readline(), "the strict fake did not start"
        return running[-1]

    yield start
    for fake in running:
        fake.process.kill()
        fake.process.communicate()
