"""What a connection may cost before anybody has looked at a request: bytes, headers, time, and its place among others.

Uvicorn takes heads of any size and waits for their ends as long as the client likes; what it refuses, it refuses as
plain text. This is its protocol on httptools with limits, deadlines and problem documents. It leans on the insides of
one version of uvicorn, which `pyproject.toml` therefore holds to its minor version.
"""

from __future__ import annotations

import asyncio
import re
import resource
import sys
from enum import Enum
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools
from starlette.responses import Response
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response as Handshake
from websockets.server import ServerProtocol

from api.http.edge import PROTECTION_OF_DATA
from api.http.problems import problem
from llmcoder.logger import get_logger

#: Of RFC 3986: a name, numbers, or an address in brackets; it may be empty, and a port may follow. No comma, although
#: names may have one: proxies write two headers as one with it.
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]*)(?::[0-9]*)?")
#: Names and values of all headers. The longest that anybody needs, a token, has about 500.
LARGEST_HEAD_BYTES = 32_768
MOST_HEADERS = 100
LONGEST_ADDRESS_BYTES = 8_192
#: From the first byte of a head to its last.
HEAD_WITHIN_S = 10.0
#: A body may take this long, and a second more for each so many bytes that have come: who trickles is cut off.
BODY_WITHIN_S = 20.0
LEAST_BYTES_PER_S = 4_096
KEEP_ALIVE_S = 5.0
#: After a refusal, or an answer that did not wait for the body, what still comes is read and dropped for so long: a
#: connection that is closed on unread bytes is reset, and takes the answer with it.
LINGER_S = 3.0
#: What chunks may need around each byte that they carry: "1\r\na\r\n" has 5.
FRAMING_PER_BYTE = 8
#: Deadlines are looked at so often, which costs a request nothing.
LOOK_EVERY_S = 1.0
#: Files that the process needs beside its connections: databases, Redis, logs.
FILES_FOR_OTHERS = 200
MOST_CONNECTIONS = 10_000

log = get_logger(__name__)


class Refusal(Exception):
    """The request is answered here and now, and the connection ends."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def _unreadable() -> Response:
    detail = "This is not a request that HTTP/1.1 allows (RFC 9112)."
    return problem(400, "invalid-http", "The request cannot be read", detail)


def _no_one_host() -> Response:
    detail = "A request of HTTP/1.1 has one Host header, with a name and perhaps a port (RFC 9112, 3.2)."
    return problem(400, "invalid-http", "The request cannot be read", detail)


def _no_one_length() -> Response:
    detail = "How long the body is cannot be known: the only transfer coding is chunked, once (RFC 9112, 6.3)."
    return problem(400, "invalid-http", "The request cannot be read", detail)


def _unknown_coding() -> Response:
    detail = "The only transfer coding that is understood is chunked (RFC 9112, 6.1)."
    return problem(501, "unknown-coding", "Not understood", detail)


def _head_too_large() -> Response:
    detail = f"All headers together may have {LARGEST_HEAD_BYTES} bytes, and there may be {MOST_HEADERS} of them."
    return problem(431, "head-too-large", "The headers are too large", detail)


def _address_too_long() -> Response:
    detail = f"An address with its query may have {LONGEST_ADDRESS_BYTES} bytes."
    return problem(414, "address-too-long", "The address is too long", detail)


def _too_slow() -> Response:
    detail = f"A head has {HEAD_WITHIN_S:.0f} seconds to arrive, a body {BODY_WITHIN_S:.0f} and longer if it is large."
    return problem(408, "request-timeout", "The request did not arrive in time", detail)


def _no_proxy() -> Response:
    return problem(405, "method-not-allowed", "Method Not Allowed", "This is no proxy.", {"allow": "GET, OPTIONS"})


def _no_body_of_an_upgrade() -> Response:
    return problem(400, "invalid-http", "The request cannot be read", "A request for a WebSocket has no body.")


def _full() -> Response:
    detail = "All connections are in use. Try again in a moment."
    return problem(503, "busy", "Too busy right now", detail, {"retry-after": "2"})


def _unexpected() -> Response:
    return problem(500, "internal", "Something went wrong here", "This is a defect of the service; its log has more.")


def _going_away() -> Response:
    detail = "The service is being stopped. Send the same again in a moment, a submit with the same Idempotency-Key."
    return problem(503, "going-away", "Temporarily unavailable", detail, {"retry-after": "2"})


def rendered(answer: Response, *more: tuple[bytes, bytes]) -> bytes:
    """A whole answer as it goes over the wire, the connection's last."""
    headers = [*more, *answer.raw_headers, *PROTECTION_OF_DATA, (b"connection", b"close")]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[answer.status_code] + lines + b"\r\n" + bytes(answer.body)


def most_connections() -> int:
    """How many connections the process may hold, having asked the kernel for as many files as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + FILES_FOR_OTHERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return max(files // 2, files - FILES_FOR_OTHERS)


class Reading(Enum):
    """What the next byte of a connection belongs to."""

    IDLE = "a request that has not begun"
    HEAD = "a head"
    BODY = "a body"
    NEXT = "another request, while one is being answered"
    NOTHING = "nothing that is looked at"


class Exchange(RequestResponseCycle):
    """One request and its answer, where even a defect of ours is a problem document."""

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's, which takes an answer for begun whose headers it then refuses to write."""
        if self.response_started:
            await super().send(message)
            return
        try:
            await super().send(message)
        except RuntimeError:
            self.response_started = False
            self.chunked_encoding, self.expected_content_length = None, 0
            raise

    async def send_500_response(self) -> None:
        """Uvicorn calls it when the application raised or answered nothing."""
        stopped = isinstance(sys.exc_info()[1], asyncio.CancelledError)
        answer = _going_away() if stopped else _unexpected()
        headers = [*answer.raw_headers, *PROTECTION_OF_DATA, (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await self.send({"type": "http.response.body", "body": bytes(answer.body), "more_body": False})


class Connection(HttpToolsProtocol):
    """One connection: requests one after the other, each within the limits, until it becomes a socket or ends.

    Attributes:
        most: How many connections the process holds; the one that waits longest with an unfinished head makes room.
    """

    most = MOST_CONNECTIONS
    cycle: Exchange

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._reading = Reading.IDLE
        self._since = self._arrived = self.loop.time()
        self._head_bytes = self._head_lines = 0
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []
        self._wire_bytes = self._body_bytes = 0
        self._upgrade: bytes | None = None
        self._answering: RequestResponseCycle | None = None
        self._alarm: asyncio.TimerHandle | None = None

    # a connection's begin and end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        is_full = len(self.connections) >= self.most and not self._make_room()
        super().connection_made(transport)
        self._alarm = self.loop.call_later(LOOK_EVERY_S, self._look)
        if is_full:
            self._refuse(_full())

    def _make_room(self) -> bool:
        """End the connection that has waited longest without a whole head; False where each is at work."""
        waiting = [other for other in self.connections if isinstance(other, Connection) and other.is_waiting]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda other: other._since)
        oldest.transport.abort()
        self.connections.discard(oldest)  # at once, since many may come before it notices
        return True

    @property
    def is_waiting(self) -> bool:
        return self._reading in (Reading.IDLE, Reading.HEAD) and not self._is_answering

    @property
    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def _stop_looking(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # deadlines

    def _enter(self, reading: Reading) -> None:
        self._reading = reading
        self._since = self.loop.time()

    def _look(self) -> None:
        self._alarm = self.loop.call_later(LOOK_EVERY_S, self._look)
        if self.flow.read_paused:  # we do not read, so the client cannot send
            self._since = self.loop.time()
        elif self._is_late(self.loop.time() - self._since):
            self._end()

    def _is_late(self, waited_s: float) -> bool:
        match self._reading:
            case Reading.IDLE:
                return waited_s > KEEP_ALIVE_S
            case Reading.HEAD:
                return waited_s > HEAD_WITHIN_S and not self._is_answering
            case Reading.BODY if self.cycle.response_complete:
                return waited_s > LINGER_S
            case Reading.BODY:
                return waited_s > BODY_WITHIN_S + self._body_bytes / LEAST_BYTES_PER_S
            case Reading.NOTHING:
                return waited_s > LINGER_S and not self._is_answering
        return False

    def _end(self) -> None:
        has_begun = self._reading is Reading.HEAD or (
            self._reading is Reading.BODY and not self.cycle.response_complete
        )
        if has_begun:
            self._refuse(_too_slow())
        else:
            self.transport.close()

    # what comes

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        if self._reading is Reading.NOTHING:
            return
        was_in_head = self._reading is Reading.HEAD
        if self._reading is Reading.IDLE or self._reading is Reading.NEXT:
            self._enter(Reading.HEAD)
            self._wire_bytes = 0
        self._wire_bytes += len(data)
        self._feed(data)
        if was_in_head and self._reading is Reading.HEAD:
            too_large = self._wire_bytes > LARGEST_HEAD_BYTES
        else:
            too_large = self._reading is Reading.BODY and self._has_too_much_framing()
        if too_large:
            self._refuse(_head_too_large())

    def _has_too_much_framing(self) -> bool:
        """Extensions of chunks and trailers are parts of no body, and have no end either."""
        framing = self._wire_bytes - self._body_bytes
        return framing > 2 * LARGEST_HEAD_BYTES + FRAMING_PER_BYTE * self._body_bytes

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._stop_looking()
                self.handle_websocket_upgrade()
            else:
                self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(_answer_to(error))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._head_lines = 0
        self._hosts, self._codings = [], []
        self._wire_bytes = 0
        self._upgrade = None
        if self._reading is not Reading.HEAD:  # the same bytes held the end of the request before
            self._enter(Reading.HEAD)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_ADDRESS_BYTES:
            raise Refusal(_address_too_long())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Uvicorn's, with the limits; called for each header of each request, so it calls nothing itself."""
        self._head_lines += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._head_lines > MOST_HEADERS or self._head_bytes > LARGEST_HEAD_BYTES:
            raise Refusal(_head_too_large())
        if self._reading is not Reading.HEAD:  # a trailer comes after the request was judged by its headers
            return
        name = name.lower()
        if name == b"host":
            self._hosts.append(value)
        elif name == b"transfer-encoding":
            self._codings.append(value)
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        method = self.parser.get_method()
        self.scope["method"] = method.decode("ascii")
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refusal(_unreadable())
        self.scope["http_version"] = version
        _refuse_doubtful_routing(self._hosts, version)
        if self._codings:
            _refuse_doubtful_length(self._codings, version)
        if self.parser.should_upgrade():
            self._begin_upgrade(method)
            return
        self._locate()
        self._enter(Reading.BODY)
        self._wire_bytes = self._body_bytes = 0
        self._begin_exchange(keep_alive=version != "1.0" and self.parser.should_keep_alive())

    def _begin_upgrade(self, method: bytes) -> None:
        if method == b"CONNECT":
            raise Refusal(_no_proxy())
        if method == b"GET" and self.scope["http_version"] == "1.1":
            self._upgrade = self._get_upgrade()
        if self._should_upgrade() and any(name in BODY_HEADERS and value != b"0" for name, value in self.headers):
            raise Refusal(_no_body_of_an_upgrade())

    def _should_upgrade(self) -> bool:
        return self._upgrade == b"websocket"

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Read the request again as if nobody had asked for another protocol, as HTTP allows us to.

        The parser has taken the head for the last of what it understands, so that even the body would be lost.
        """
        self.parser = httptools.HttpRequestParser(self)
        lines = [(name, value) for name, value in self.headers if name not in (b"upgrade", b"http2-settings")]
        plain = [(name, _without_upgrade(value) if name == b"connection" else value) for name, value in lines]
        version = self.scope["http_version"].encode()
        head = self.scope["method"].encode() + b" " + self.url + b" HTTP/" + version + b"\r\n"
        self._feed(head + b"".join(name + b": " + value + b"\r\n" for name, value in plain) + b"\r\n" + rest)

    def _locate(self) -> None:
        address = httptools.parse_url(self.url)
        raw_path = address.path
        if raw_path is None:
            raise Refusal(_unreadable())
        path = raw_path.decode("ascii")
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = raw_path
        self.scope["query_string"] = address.query or b""

    def _begin_exchange(self, *, keep_alive: bool) -> None:
        before = self.cycle
        self.cycle = Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._reading is not Reading.BODY:  # a head that asks for an upgrade ends so, too
            return
        super().on_message_complete()
        self._enter(Reading.IDLE if self.cycle.response_complete else Reading.NEXT)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._enter(Reading.IDLE if self._reading is Reading.NEXT else self._reading)

    # refusals

    def _refuse(self, answer: Response) -> None:
        """Answer what is being read, and end the connection; answers to what came before it go first."""
        at_fault = self.cycle if self._reading is Reading.BODY else None
        self._enter(Reading.NOTHING)
        if self.pipeline and self.pipeline[0][0] is at_fault:
            self.pipeline.popleft()
            at_fault = None
        if at_fault is None and self._is_answering:
            last = self.pipeline[0][0] if self.pipeline else self._answering
            cast("RequestResponseCycle", last).keep_alive = False
            self.flow.resume_reading()
        elif at_fault is not None and at_fault.response_started:
            self.transport.close()
        else:
            if at_fault is not None:
                at_fault.disconnected = True
                at_fault.message_event.set()
            self._say(answer)

    def _say(self, answer: Response) -> None:
        self.flow.resume_reading()
        self.transport.write(rendered(answer, *self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()


def _refuse_doubtful_routing(hosts: list[bytes], version: str) -> None:
    """What a proxy before us may have read otherwise than we do: whom the request is for."""
    if len(hosts) != 1:
        if hosts or version == "1.1":
            raise Refusal(_no_one_host())
    elif not HOST.fullmatch(hosts[0]):
        raise Refusal(_no_one_host())


def _refuse_doubtful_length(codings: list[bytes], version: str) -> None:
    """The same: where the request ends."""
    names = [name.strip().lower() for name in b",".join(codings).split(b",")]
    if version == "1.0" or names[-1] != b"chunked" or names.count(b"chunked") > 1:
        raise Refusal(_no_one_length())
    if len(names) > 1:
        raise Refusal(_unknown_coding())


BODY_HEADERS = (b"content-length", b"transfer-encoding")


def _without_upgrade(connection: bytes) -> bytes:
    tokens = [token.strip() for token in connection.split(b",")]
    return b", ".join(token for token in tokens if token.lower() not in (b"upgrade", b"http2-settings"))


def _answer_to(error: httptools.HttpParserError) -> Response:
    """What a callback of ours raised is the parser's error's context."""
    cause = error.__context__
    if isinstance(cause, Refusal):
        return cause.answer
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeDecodeError):
        return _unreadable()
    log.error("unexpected error", exc_info=cause)
    return _unexpected()


class Handshakes(ServerProtocol):
    """The WebSocket protocol, which refuses with problem documents."""

    def reject(self, status: int, text: str) -> Handshake:
        """What uvicorn and the library itself refuse a handshake with."""
        said = problem(status, *REFUSED_SOCKETS.get(status, OTHER_SOCKETS))
        headers = [*said.raw_headers, *PROTECTION_OF_DATA, (b"connection", b"close")]
        shown = Headers((name.decode("ascii"), value.decode("ascii")) for name, value in headers)
        return Handshake(status, HTTPStatus(status).phrase, shown, bytes(said.body))


REFUSED_SOCKETS = {
    403: ("forbidden", "Forbidden", "There is no socket here, or not for pages of this origin. GET /openapi.json."),
    414: ("address-too-long", "The address is too long", "Nor is any line of a handshake as long as this one."),
    431: ("head-too-large", "The headers are too large", "No line of a handshake may have more than 8,192 bytes."),
    500: ("internal", "Something went wrong here", "This is a defect of the service; its log has more."),
}
OTHER_SOCKETS = ("invalid-handshake", "The handshake cannot be read", "This is no handshake of RFC 6455, version 13.")


class Socket(WebSocketsSansIOProtocol):
    """A connection that has become a WebSocket."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = Handshakes(max_size=self.config.ws_max_size, logger=self.conn.logger)

    def data_received(self, data: bytes) -> None:
        """The first that comes is the whole head, which httptools has read and this protocol's own parser may not."""
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            refusal = b"".join(self.conn.data_to_send())
            self.transport.write(refusal or rendered(_unreadable(), *self.default_headers))
            self.transport.close()
