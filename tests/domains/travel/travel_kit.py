"""What tests of flights share: one instant that stands, searches, and a file of recorded quotes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from llmcoder.settings import Settings
from llmcoder.testing import FakeContext, run_action
from tasks.travel import flight_actions
from tasks.travel.flight_actions import flights
from tasks.travel.search import FlightQuery, Search, search_of
from tasks.travel.views import Flights

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
TRIP = {"from": "Berlin", "to": "London", "depart_on": "2027-01-10"}


class StandingClock:
    """In place of a database, where nothing of it but its clock is asked for."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight_actions, "database", StandingClock)


def context(*settings: Settings, **more: Any) -> FakeContext:
    return FakeContext(settings, fetch_allow=("127.0.0.1",), **more)


def look(ctx: FakeContext | None = None, /, **given: Any) -> Flights:
    """Run `travel.flights`; None leaves a field of the usual trip out."""
    asked = {name: value for name, value in (TRIP | given).items() if value is not None}
    return run_action(flights, asked, ctx or FakeContext()).result


def search(**given: Any) -> Search:
    query = FlightQuery.model_validate(TRIP | given)
    return search_of(query, NOW, query.currency, query.limit)


def recorded_file(path: Path, cents: Sequence[int], **more: Any) -> Path:
    """Recorded quotes of one flight from Berlin to London."""
    flight = {"carrier": "Test Air", "number": "T 1", "departs": "08:00", "minutes": 115, "cents": list(cents)}
    route = {"from": "BER", "to": "LHR", "flights": [flight]}
    document = {"about": "A test's.", "recorded_on": "2026-01-01", "currency": "EUR", "routes": [route]} | more
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document))
    fresh.replace(path)  # a worker may read it at any time
    return path


class Canned(ThreadingHTTPServer):
    """A server that gives its answers in order, the last one for ever.

    Attributes:
        answers: Status, headers and body; None says nothing and hangs up.
        requests: Method, path, headers in lower case and body of each.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.answers: list[tuple[int, dict[str, str], bytes] | None] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, status: int, body: Any = None, **headers: str) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, {"content-type": "application/json"} | named, content))

    def hang_up(self) -> None:
        self.answers.append(None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is no error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def bodies(self) -> list[Any]:
        return [json.loads(body) if body else None for _, _, _, body in self.requests]


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Canned

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, body))
        answers = self.server.answers
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        self.close_connection = True
        if said is None:
            return
        status, named, content = said
        self.send_response(status)
        for name, value in (named | {"content-length": str(len(content)), "connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  (http.server's names)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def canned() -> Iterator[Canned]:
    server = Canned()
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
