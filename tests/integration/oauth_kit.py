"""A provider on loopback: boxes behind passwords, and a cloud with OAuth that refuses what RFC 6749 and 7636 refuse."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "engine", "client-secret-canary"


@dataclass
class Code:
    """An authorization code that was given out."""

    name: str
    redirect_uri: str
    challenge: str
    scope: str


@dataclass
class Provider:
    """What it knows, and how it behaves.

    Attributes:
        person: Who sits at the browser; None says no to every question.
        redirect_uri: The only one that is registered.
        access: Access tokens that are good, with whose they are.
        refresh: Refresh tokens that are good, with whose they are.
        rotates: A refresh token is good for one use.
        refresh_in_answer: `yes`, `null`, or `no` such member.
        token_error: Status and name of the error that the token address answers with.
        slow_s: How long the token address thinks.
    """

    url: str = ""
    person: str | None = "carla"
    redirect_uri: str = ""
    life_s: int = 3600
    granted: str = "read send"
    rotates: bool = True
    refresh_in_answer: str = "yes"
    token_error: tuple[int, str] | None = None
    garbage: bytes | None = None
    slow_s: float = 0.0
    busy: bool = False
    boxes: dict[str, str] = field(default_factory=dict)
    letters: list[tuple[str, str]] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def revoke(self) -> None:
        """The person withdraws everything in the provider's settings."""
        with self.lock:
            self.access.clear()
            self.refresh.clear()

    def end_access(self) -> None:
        with self.lock:
            self.access.clear()

    @property
    def refreshes(self) -> int:
        return sum(form.get("grant_type") == "refresh_token" for form in self.asked)

    def authorize(self, query: dict[str, str]) -> tuple[int, str]:
        """Status and Location, as the browser gets them."""
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if any(query.get(name) != value for name, value in wanted.items()):
            return 400, ""
        if query.get("redirect_uri") != self.redirect_uri or not query.get("state") or not query.get("code_challenge"):
            return 400, ""
        if self.person is None:
            return 302, f"{self.redirect_uri}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(self.person, self.redirect_uri, query["code_challenge"], query["scope"])
        return 302, f"{self.redirect_uri}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked.append(form)
        time.sleep(self.slow_s)
        if self.token_error is not None:
            return self.token_error[0], {"error": self.token_error[1]}
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        with self.lock:
            name = self._by_code(form) if form.get("grant_type") == "authorization_code" else self._by_refresh(form)
            return (400, {"error": "invalid_grant"}) if name is None else (200, self._answer(name))

    def _by_code(self, form: dict[str, str]) -> str | None:
        code = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code is None or code.challenge != challenge or code.redirect_uri != form.get("redirect_uri"):
            return None
        return code.name

    def _by_refresh(self, form: dict[str, str]) -> str | None:
        token = form.get("refresh_token", "")
        return self.refresh.pop(token, None) if self.rotates else self.refresh.get(token)

    def _answer(self, name: str) -> dict[str, Any]:
        access = f"access-canary-{secrets.token_urlsafe(12)}"
        self.access[access] = name
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": self.life_s, "scope": self.granted}
        if self.refresh_in_answer == "yes":
            answer["refresh_token"] = f"refresh-canary-{secrets.token_urlsafe(12)}"
            self.refresh[str(answer["refresh_token"])] = name
        elif self.refresh_in_answer == "null":
            answer["refresh_token"] = None  # type: ignore[assignment]
        return answer | {"team": "hamsters"}

    def of_box(self, authorization: str) -> str | None:
        kind, _, pair = authorization.partition(" ")
        name, _, password = base64.b64decode(pair or "").decode().partition(":")
        return name if kind == "Basic" and self.boxes.get(name) == password else None


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            match address.path:
                case "/authorize":
                    status, location = provider.authorize(dict(parse_qsl(address.query)))
                    self.answer(status, {}, location)
                case "/whoami":
                    name = provider.of_box(self.headers["authorization"])
                    self.answer(401, {}) if name is None else self.answer(200, {"name": name})
                case "/me" | "/data":
                    token = self.headers["authorization"].removeprefix("Bearer ")
                    name = provider.access.get(token)
                    if name is None:
                        self.answer(401, {})
                    else:
                        self.answer(200, {"name": name, "text": f"of {name}"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            if self.path == "/token":
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                status, answer = provider.token(form)
                self.answer(status, answer)
            elif provider.busy:
                self.answer(503, {})
            else:
                name = provider.of_box(self.headers["authorization"])
                if name is not None:
                    provider.letters.append((name, json.loads(body)["text"]))
                self.answer(401 if name is None else 201, {})

        def answer(self, status: int, members: dict[str, Any], location: str = "") -> None:
            body = provider.garbage if provider.garbage is not None else json.dumps(members).encode()
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler


@contextmanager
def provider_on_loopback() -> Iterator[Provider]:
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)
