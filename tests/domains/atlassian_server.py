"""What the local JIRA and the local Confluence share: how requests are taken, held against a contract, let go wrong.

A site says what it holds and how it complains; every request is held against the vendor's contract before it is looked
at, and every answer before it is sent. What does not fit stands in `violations`, and fails the test at its end.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

EMAIL = "ada@example.org"
ACCESS = "access-canary-1"
CLOUD_ID = "11111111-2222-3333-4444-555555555555"


@dataclass
class Fault:
    """What goes wrong once.

    Attributes:
        where: Part of the method and the path below the API's address, such as `POST /issue`.
        does: `refuse`, `silence` and `drop` (nothing happened), `do_then_silence` and `do_then_drop`, `login_page`.
    """

    where: str
    does: str
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The site says no."""

    def __init__(self, status: int, *messages: str, **fields: str) -> None:
        super().__init__(*messages)
        self.status, self.messages, self.fields = status, messages, fields


@dataclass(frozen=True)
class Answer:
    """What is sent; `content` is JSON unless it is bytes."""

    status: int
    content: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class AtlassianSite(ABC):
    """A site and how it behaves.

    Attributes:
        secret: The API token, and the personal access token, that is good now.
        tokens: Of grants, those that are good.
    """

    url: str = ""
    secret: str = ""
    tokens: dict[str, str] = field(default_factory=lambda: {ACCESS: ""})
    faults: list[Fault] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    over: threading.Event = field(default_factory=threading.Event)
    last_id: int = 0

    def next(self, where: str, does: str, status: int = 500, body: Any = None, **headers: str) -> None:
        """Let something go wrong at the next request there; `retry_after="2"` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(where, does, status, body, named))

    def asked(self, part: str = "") -> list[str]:
        """Methods and targets of the requests seen there."""
        return [f"{method} {target}" for method, target, _ in self.seen if part in f"{method} {target}"]

    def new_token(self) -> Any:
        """As Atlassian answers who exchanges a code or renews a token."""
        number = len(self.tokens) + 1
        token = f"access-canary-{number}"
        self.tokens[token] = ""
        return {"access_token": token, "refresh_token": f"refresh-canary-{number}", "expires_in": 3600}

    def lets_in(self, path: str, authorization: str, *, granted: tuple[str, ...], data_center: str) -> bool:
        """Whether the credentials are those of whoever may ask there.

        Args:
            granted: What paths begin with that a grant is good for.
            data_center: What those of the Data Center begin with.
        """
        if path.startswith(granted) and authorization.startswith("Bearer "):
            return authorization.removeprefix("Bearer ") in self.tokens
        if path.startswith(data_center):
            return authorization == f"Bearer {self.secret}"
        return authorization == f"Basic {base64.b64encode(f'{EMAIL}:{self.secret}'.encode()).decode()}"

    def _new_id(self) -> str:
        self.last_id += 1
        return str(self.last_id)

    # --- what differs

    @abstractmethod
    def contract_of(self, target: str) -> tuple[Any, str] | None:
        """The contract that speaks of a target, and what it calls it."""

    @abstractmethod
    def is_open(self, target: str, authorization: str) -> bool:
        """Whether the site lets them in."""

    @abstractmethod
    def below_api(self, asked: str) -> str:
        """Method and target without the API's address."""

    @abstractmethod
    def complaint(self, target: str, refusal: Refusal) -> Any:
        """What it says when it refuses."""

    @abstractmethod
    def done(self, method: str, target: str, body: bytes, authorization: str) -> Answer:
        """The answer; raises Refusal."""

    def hold(self) -> None:  # noqa: B027  (most answer at once)
        """Wait before a request is looked at."""


class Exchange(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    site: AtlassianSite

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        site = self.site
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        authorization = headers.get("authorization", "")
        site.seen.append((self.command, self.path, body))
        site.hold()
        if (held := site.contract_of(self.path)) is not None:
            contract, target = held
            if (why := contract.refusal(self.command, target, headers, body)) is not None:
                site.violations.append(why)
        if not site.is_open(self.path, authorization):
            return self._refuse(Refusal(401, "Unauthorized; scope does not match"))
        fault = self._fault()
        if fault is None:
            return self._done(body, authorization)
        if fault.does.startswith("do_then"):
            site.done(self.command, self.path, body, authorization)
        if fault.does == "refuse":
            told = site.complaint(self.path, Refusal(fault.status, "the reason")) if fault.body is None else fault.body
            return self._send(Answer(fault.status, told, fault.headers))
        if fault.does == "login_page":
            page = b"<html><form>Log in: <input name='os_username'></form></html>"
            return self._send(Answer(200, page, {"content-type": "text/html;charset=UTF-8"}))
        return self._vanish(silently=fault.does.endswith("silence"))

    def _fault(self) -> Fault | None:
        with self.site.lock:
            short = self.site.below_api(f"{self.command} {self.path}")
            found = next((one for one in self.site.faults if one.where in short), None)
            if found is not None:
                self.site.faults.remove(found)
            return found

    def _done(self, body: bytes, authorization: str) -> None:
        try:
            answer = self.site.done(self.command, self.path, body, authorization)
        except Refusal as refusal:
            return self._refuse(refusal)
        held = self.site.contract_of(self.path)
        if held is not None and not isinstance(answer.content, bytes):
            contract, target = held
            if why := contract.forbids(self.command, target, answer.status, answer.content):
                self.site.violations.append(f"answer to {self.command} {target}: {why}")
        return self._send(answer)

    def _refuse(self, refusal: Refusal) -> None:
        self._send(Answer(refusal.status, self.site.complaint(self.path, refusal)))

    def _send(self, answer: Answer) -> None:
        content = answer.content if isinstance(answer.content, bytes) else json.dumps(answer.content).encode()
        self.send_response(answer.status)
        told = {"content-type": "application/json;charset=UTF-8", "content-length": str(len(content))}
        for name, value in (told | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _vanish(self, *, silently: bool) -> None:
        if silently:
            self.site.over.wait(30)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up on silence is what some tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


S = TypeVar("S", bound=AtlassianSite)


@contextmanager
def on_loopback(site: S) -> Iterator[S]:
    """A site that runs; at its end, nothing may have broken the contracts."""
    server = Server(("127.0.0.1", 0), type("Bound", (Exchange,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert site.violations == [], "\n".join(site.violations)
