"""A proxy on this machine, for the browser of one job: every connection that a page causes is checked as it is made.

A browser follows redirects, opens WebSockets and runs workers by itself, so nobody can look at a page's addresses
beforehand. It is told to send all of it through here (`llmcoder.net.chromium`): `CONNECT` for https and WebSockets,
whole URLs for http. The name is looked up here, once, and the connection made to the address that was checked.

Loaded when a proxy is started.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import NoReturn

import h11
import httpcore

from llmcoder.errors import ActionError, BadInput, Cancelled, Transient
from llmcoder.logger import get_logger
from llmcoder.net.dial import Budget, GuardedBackend, Resolve, Stream, system_resolve
from llmcoder.net.guard import AllowList, Target, parse_authority, parse_target
from llmcoder.net.limits import ProxyLimits
from llmcoder.net.relay import Meter, Relay, reset_on_close, shut

log = get_logger(__name__)

_CHUNK_BYTES = 65_536
_HEAD_PIECE_BYTES = 4_096  # what comes in one piece is read before it is measured
_USERNAME = "job"
_ACCEPT_S = 0.25
_JOIN_S = 2.0
_LET_READ_S = 1.0
#: So many refusals are kept; a page may cause any number.
MOST_REFUSALS = 100
_CLIENT_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
# What belongs to one connection and not to the message (RFC 9110, 7.6.1).
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade", b"expect"}
)
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Refusal:
    """What a page wanted and did not get.

    Attributes:
        host: As the browser named it.
        detail: Why, as a sentence for the user.
    """

    host: str
    port: int
    detail: str


class Proxy:
    """One running proxy; use it as a context manager. The job's end closes it in any case.

    Args:
        budget: Makes what one connection may spend, with a check of ours.
        check: Called several times a second; what it raises ends the proxy and all its connections.
        job: For the log.
    """

    def __init__(
        self,
        allow: AllowList,
        resolve: Resolve | None,
        budget: Callable[[Callable[[], None]], Budget],
        *,
        limits: ProxyLimits,
        check: Callable[[], None] | None,
        job: str = "",
    ) -> None:
        self.username = _USERNAME
        self.password = secrets.token_urlsafe(32)
        self.limits = limits
        self.meter = Meter(limits.total_bytes, "the browser's connections")
        self._allow, self._resolve = allow, resolve or system_resolve
        self._budget, self._check = budget, check
        self._job = job
        self._refusals: list[Refusal] = []
        self._refusal_count = 0
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._visits: dict[_Visit, threading.Thread] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, without the password."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused so far, the first `MOST_REFUSALS` of it."""
        with self._lock:
            return tuple(self._refusals)

    @property
    def refusal_count(self) -> int:
        return self._refusal_count

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and listen no more; from any thread, any number of times."""
        self._is_closed.set()
        with self._lock:
            visits = dict(self._visits)
        with suppress(OSError):  # closed before; or the system does not wake who accepts, and its time-out does
            self._listener.shutdown(socket.SHUT_RDWR)
        for visit in visits:
            visit.end()
        until = monotonic() + _JOIN_S
        for thread in (self._thread, *visits.values()):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - monotonic()))

    # --- what a visit asks

    def check(self) -> None:
        """Raise where the proxy has ended, or its job."""
        if self._is_closed.is_set():
            raise Cancelled("The browser's proxy was closed.")
        if self._check is not None:
            self._check()

    def knows(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether the headers hold the password."""
        given = [value for name, value in headers if name == b"proxy-authorization"]
        token = base64.b64encode(f"{self.username}:{self.password}".encode())
        scheme, _, rest = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        return hmac.compare_digest(rest.strip(), token) and scheme.lower() == b"basic"

    def budget(self, check: Callable[[], None]) -> Budget:
        return self._budget(check)

    def backend(self, budget: Budget) -> GuardedBackend:
        return _Backend(self, self._allow, self._resolve, budget)

    def refuse(self, host: str, port: int, error: ActionError) -> None:
        """Keep a refusal for the action. The log does not say where: that is of the job's input.

        Nor does it say each one: a page may cause any number.
        """
        with self._lock:
            self._refusal_count += 1
            if len(self._refusals) < MOST_REFUSALS:
                self._refusals.append(Refusal(host[:253], port, error.detail))
            is_first = self._refusal_count == 1
        if is_first:
            log.info("a browser is refused connections", job=self._job)

    # --- connections

    def _accept(self) -> None:
        try:
            while True:
                self.check()
                try:
                    near = self._listener.accept()[0]
                except TimeoutError:
                    continue
                except OSError:  # no descriptor is left, the client has gone again, or this ends
                    self._is_closed.wait(_ACCEPT_S)
                    continue
                self._serve(near)
        except ActionError:
            pass  # closed, or the job has ended
        finally:
            self._listener.close()
            self.close()
            if self._refusal_count:
                log.info("a browser was refused connections", job=self._job, count=self._refusal_count)

    def _serve(self, near: socket.socket) -> None:
        visit = _Visit(self, near)
        thread = threading.Thread(target=self._run, args=(visit,), name="proxied", daemon=True)
        with self._lock:
            is_full = len(self._visits) >= self.limits.connections
            if not is_full:
                self._visits[visit] = thread
        if not is_full:
            return thread.start()
        self.refuse("", 0, BadInput(f"A browser has at most {self.limits.connections} connections at a time."))
        with near, suppress(OSError):
            near.setblocking(False)
            near.send(_FULL)

    def _run(self, visit: _Visit) -> None:
        try:
            visit.run()
        finally:
            with self._lock:
                self._visits.pop(visit, None)


class _Backend(GuardedBackend):
    """The guard's, which does not connect to the proxy itself, although an operator allows addresses of this machine.

    It would talk to itself without end.
    """

    def __init__(self, proxy: Proxy, allow: AllowList, resolve: Resolve, budget: Budget) -> None:
        super().__init__(allow, resolve, budget)
        self._port = proxy.port

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, timeout)
        peer = stream.get_extra_info("socket").getpeername()
        address = ip_address(peer[0])
        if peer[1] == self._port and (getattr(address, "ipv4_mapped", None) or address).is_loopback:
            stream.close()
            raise BadInput(f"{host} may not be fetched: it is the browser's own proxy.")
        return stream


class _Answered(Exception):
    """The client got an answer of the proxy's own, and the connection is over."""


#: How a connection ends otherwise than by an answer: one side broke off, or the proxy or the job has ended.
_BROKEN = (
    ActionError,
    OSError,
    ValueError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    h11.LocalProtocolError,
)


class _Visit:
    """One connection of the browser: one request, or one tunnel."""

    def __init__(self, proxy: Proxy, near: socket.socket) -> None:
        self._proxy = proxy
        self._near = near
        self._wire = h11.Connection(h11.SERVER, max_incomplete_event_size=proxy.limits.head_bytes)
        self._budget = proxy.budget(proxy.check)
        self._host, self._port = "", 0
        # Not the budget's own rules of sending: those are for what goes out of this machine.
        self._client = Stream(near, "the browser", Budget(None, proxy.check))

    def run(self) -> None:
        """Serve it, whatever comes; then it is closed."""
        try:
            with suppress(_Answered):
                self._serve()
            self._let_read()
        except h11.RemoteProtocolError as error:
            self._answer_badly(error)
        except _BROKEN as error:
            reset_on_close(self._near)  # nobody must take what came so far for all of it
            log.debug("a browser's connection broke", kind=type(error).__name__)
        finally:
            self._near.close()

    def _let_read(self) -> None:
        """Let the client read the answer: closing before it has sent all of its request would take the answer away."""
        shut(self._near, socket.SHUT_WR)
        until = monotonic() + _LET_READ_S
        while (left_s := until - monotonic()) > 0 and self._client.read(_CHUNK_BYTES, left_s):
            pass

    def end(self) -> None:
        """Wake whoever waits for the browser; from another thread. The browser is told by a reset, not by an end."""
        shut(self._near, socket.SHUT_RD)

    def _serve(self) -> None:
        request = self._request()
        if request is None:
            return
        if not self._proxy.knows(list(request.headers)):
            self._answer(407, "This proxy is for one job.", [("Proxy-Authenticate", 'Basic realm="job"')])
        if request.method == b"CONNECT":
            self._tunnel(request)
        else:
            self._forward(request)

    def _request(self) -> h11.Request | None:
        ends_at = monotonic() + self._proxy.limits.head_s
        while True:
            event = self._wire.next_event()
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA or (left_s := ends_at - monotonic()) <= 0:
                return None
            try:
                self._wire.receive_data(self._client.read(_HEAD_PIECE_BYTES, left_s))
            except httpcore.ReadTimeout:
                return None

    # --- https, WebSockets

    def _tunnel(self, request: h11.Request) -> None:
        name = request.target.decode("latin-1")
        host, port = name, 0
        try:
            host, port = parse_authority(name)
            stream = self._proxy.backend(self._budget).connect_tcp(host, port, self._proxy.limits.connect_s)
        except BadInput as error:
            self._refuse(host, port, error)
        except (Transient, httpcore.ConnectError) as error:
            self._answer(502, str(error))
        except httpcore.ConnectTimeout as error:
            self._answer(504, str(error))
        far: socket.socket = stream.get_extra_info("socket")
        with far:
            self._next_data()  # h11 opens the tunnel once it has seen the end of the request
            self._send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
            self._relay(host, port, far)

    def _relay(self, host: str, port: int, far: socket.socket) -> None:
        limits = self._proxy.limits
        relay = Relay(
            self._near,
            far,
            host=host,
            budget=self._budget,
            meter=self._proxy.meter,
            idle_s=limits.idle_s,
            head=self._wire.trailing_data[0],
        )
        relay.run()
        if isinstance(relay.fault, BadInput):
            self._proxy.refuse(host, port, relay.fault)

    # --- http

    def _forward(self, request: h11.Request) -> None:
        target = self._target(request)
        self._host, self._port = target.host, target.port
        budget = self._proxy.budget(self._check_client)
        connection = httpcore.HTTPConnection(
            origin=httpcore.Origin(target.scheme.encode(), target.host.encode(), target.port),
            network_backend=self._proxy.backend(budget),
        )
        try:
            answer = self._answer_of(connection, request, target)
            self._pass_on(answer)
        finally:
            connection.close()

    def _target(self, request: h11.Request) -> Target:
        name = request.target.decode("latin-1")
        try:
            if not name.isascii():
                raise BadInput("The URL has characters that must be percent-encoded.")
            target = parse_target(name)
            if target.scheme != "http":
                raise BadInput("A proxy is asked for https by CONNECT.")
        except BadInput as error:
            self._proxy.refuse("", 0, error)
            self._answer(400, error.detail)
        return target

    def _answer_of(
        self, connection: httpcore.HTTPConnection, request: h11.Request, target: Target
    ) -> httpcore.Response:
        limits = self._proxy.limits
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        times = {"connect": limits.connect_s, "read": limits.idle_s, "write": limits.idle_s}
        passed_on = httpcore.Request(
            request.method.decode("ascii"),
            url,
            headers=[(b"Host", target.authority.encode()), (b"Connection", b"close"), *_of_request(request)],
            content=self._body(),
            extensions={"timeout": times},
        )
        try:
            return connection.handle_request(passed_on)
        except BadInput as error:
            self._refuse(target.host, target.port, error)
        except (httpcore.ConnectTimeout, httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
            self._answer(504, str(error))
        except (Transient, httpcore.NetworkError, httpcore.ProtocolError) as error:
            self._answer(502, str(error))

    def _body(self) -> Iterator[bytes]:
        while (piece := self._next_data()) is not None:
            self._count(piece)
            yield piece

    def _count(self, piece: bytes) -> None:
        try:
            self._proxy.meter.add(len(piece))
        except BadInput as error:
            self._proxy.refuse(self._host, self._port, error)
            raise Cancelled(error.detail) from error

    def _next_data(self) -> bytes | None:
        """The next piece of the request's body; None at its end."""
        while True:
            event = self._wire.next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if event is not h11.NEED_DATA:
                return None
            if self._wire.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._wire.receive_data(self._client.read(_CHUNK_BYTES, self._proxy.limits.idle_s))

    def _pass_on(self, answer: httpcore.Response) -> None:
        if answer.status == 407:
            self._answer(502, "The site asks for a password as only a proxy does.")
        headers = [*_end_to_end(answer.headers), (b"Connection", b"close")]
        reason = answer.extensions.get("reason_phrase", b"")
        self._send(h11.Response(status_code=answer.status, headers=headers, reason=reason))
        for piece in answer.iter_stream():
            self._count(piece)
            self._send(h11.Data(data=piece))
        self._send(h11.EndOfMessage())

    def _check_client(self) -> None:
        self._proxy.check()
        poll = select.poll()
        poll.register(self._near, _CLIENT_GONE)
        if poll.poll(0):
            raise Cancelled("The browser does not wait for this any more.")

    # --- answers

    def _refuse(self, host: str, port: int, error: BadInput) -> NoReturn:
        self._proxy.refuse(host, port, error)
        self._answer(403, error.detail)

    def _answer_badly(self, error: h11.RemoteProtocolError) -> None:
        try:
            if self._wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                with suppress(_Answered):
                    self._answer(error.error_status_hint, "This is not a request to a proxy.")
            self._let_read()
        except _BROKEN:
            reset_on_close(self._near)

    def _answer(self, status: int, detail: str, headers: list[tuple[str, str]] | None = None) -> NoReturn:
        body = detail.encode()
        about = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        self._send(h11.Response(status_code=status, headers=[*about, ("Connection", "close"), *(headers or [])]))
        self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())
        raise _Answered

    def _send(self, event: h11.Event) -> None:
        if written := self._wire.send(event):
            self._client.write(written, self._proxy.limits.idle_s)


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Without what belongs to the connection it came over, by itself or because `Connection` names it."""
    given = [(name.lower(), value) for name, value in headers]
    named = {part.strip().lower() for name, value in given if name == b"connection" for part in value.split(b",")}
    if any(name == b"transfer-encoding" for name, _ in given):
        named.add(b"content-length")
    return [(name, value) for name, value in given if name not in _HOP_BY_HOP | named]


def _of_request(request: h11.Request) -> list[tuple[bytes, bytes]]:
    """What goes on to the site: our own `Host`, and a body that is framed as it came."""
    headers = [(name, value) for name, value in _end_to_end(request.headers) if name != b"host"]
    is_chunked = any(name == b"transfer-encoding" for name, _ in request.headers)
    return [*headers, (b"Transfer-Encoding", b"chunked")] if is_chunked else headers
