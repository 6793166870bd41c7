"""The one HTTP client for URLs that users, pages and mails name. Everything that fetches such a URL goes through it.

No connection outlives its request: a kept one may be dead without our knowing, and then nobody can say whether a write
was sent; and one slow host could occupy a shared pool. There is nothing to close, and a client may be used by many
threads. No proxy, netrc or cookie is taken from the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmcoder.errors import BadInput, Transient, Uncertain
from llmcoder.net.body import read_body
from llmcoder.net.guard import AllowList
from llmcoder.net.request import PERMANENT_STATUSES, REDIRECT_STATUSES, Request, becomes_get, prepare, redirected
from llmcoder.net.trust import verifying_context
from llmcoder.version import VERSION

if TYPE_CHECKING:
    import ssl

    import httpcore
    import httpx

    from llmcoder.net.dial import Budget, Resolve

USER_AGENT = f"LLMCoder/{VERSION}"


@dataclass(frozen=True)
class Limits:
    """What one request may cost.

    Attributes:
        connect_s: Look-up and connection, over all addresses of the name; and the TLS handshake again.
        read_s: The longest silence.
        total_s: All of it, redirects included.
        wire_bytes: Body before decompression.
        decoded_bytes: Body after it.
        redirects: How many are followed.
        enough: Told each piece of a body as it comes, before decompression; true where nothing after it is wanted, of
            a stream that its server may leave open.
    """

    connect_s: float = 5
    read_s: float = 15
    total_s: float = 30
    wire_bytes: int = 10 * 1024 * 1024
    decoded_bytes: int = 20 * 1024 * 1024
    redirects: int = 5
    enough: Callable[[bytes], bool] | None = None


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status.

    Attributes:
        headers: Case-insensitive; `get_list` for those that came several times.
        body: Decompressed.
        url: Where it came from after redirects, without the fragment.
        truncated: The body is not whole: it is too long, or broke off. Only for methods that write: there the answer
            counts, and an error would hide that the effect has happened.
        method: Of the request that it answers, which a redirect may have changed.
        moved_to: Where what was asked for is from now on, by the permanent redirects that came first; empty without.
    """

    status: int
    headers: httpx.Headers
    body: bytes
    url: str
    truncated: bool = False
    method: str = ""
    moved_to: str = ""


class GuardedClient:
    """Fetches from public addresses only.

    Args:
        allow: The setting FETCH_ALLOW: hosts, host:port, networks, or `*`, which are fetched from although not public.
        limits: For requests that bring none of their own.
        user_agent: For requests that bring none of their own.
        resolve: Look-up of a name; raises `socket.gaierror` as `getaddrinfo` does, which is the default.
        ssl_context: In place of the default one, which verifies by the system's and certifi's authorities.
        before_send: Called on each connection before the first byte of a request; what it raises comes out, and
            nothing was sent.
        may_send: Asked right before each piece of a request goes out, so it is cheap; once it says no, nothing more
            of the request does.

    Raises:
        ValueError: An entry of `allow` cannot be read.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        limits: Limits = Limits(),
        user_agent: str = USER_AGENT,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
        before_send: Callable[[], None] | None = None,
        may_send: Callable[[], bool] | None = None,
    ) -> None:
        self._may_send = may_send
        self._allow = AllowList.parse(allow)
        self._before_send = before_send
        self._limits = limits
        self._user_agent = user_agent
        self._resolve = resolve
        self._ssl_context = ssl_context

    def allowing(self, *hosts: str) -> GuardedClient:
        """The same client, which may also fetch from these: hosts of the operator's own settings, never of a user's."""
        own, more = self._allow, AllowList.parse(hosts)
        wider = copy(self)
        wider._allow = AllowList(own.everything, own.hosts | more.hosts, own.networks + more.networks)
        return wider

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        check: Callable[[], None] | None = None,
        limits: Limits | None = None,
    ) -> Response:
        """Send one request and read the whole answer; a status of 400 or more is an answer too.

        Args:
            check: Called before each connection and several times a second while waiting; what it raises comes out.

        Raises:
            BadInput: The URL or an address may not be fetched, or a GET was answered with too much or with garbage.
            Transient: The request was surely not sent.
            Uncertain: It was sent, at least in part, and no answer came; of one that only reads, no complete one.
        """
        first = prepare(method, url, headers, content, user_agent=self._user_agent)
        used = limits or self._limits
        return self._follow(first, used, self.budget(used.total_s, check))

    def budget(self, total_s: float, check: Callable[[], None] | None = None) -> Budget:
        """What one exchange may spend, with whoever says whether it may be sent; for connections of other protocols."""
        from llmcoder.net.dial import Budget  # loads httpcore

        return Budget(total_s, check, self._before_send, self._may_send)

    def _follow(self, request: Request, limits: Limits, budget: Budget) -> Response:
        """Send, and go where redirects lead.

        A write that is answered with "now GET that" is done. When the GET fails, the redirect is the answer: an error
        would say that nothing was sent.
        """
        answer_of_write: Response | None = None
        moved_to, for_good = "", True
        try:
            for _ in range(limits.redirects + 1):
                response = self._exchange(request, limits, budget)
                location = _location(response)
                if location is None:
                    return replace(response, moved_to=moved_to)
                if becomes_get(request.method, response.status):
                    answer_of_write = response
                request = redirected(request, response.status, location)
                for_good = for_good and response.status in PERMANENT_STATUSES
                moved_to = request.target.url if for_good else moved_to
            raise BadInput(f"{request.target.host} redirects more than {limits.redirects} times.")
        except (BadInput, Transient, Uncertain):
            if answer_of_write is None:
                raise
            return answer_of_write

    def _exchange(self, request: Request, limits: Limits, budget: Budget) -> Response:
        with _errors_mapped(request.target.host), self._connection(request, budget) as connection:
            answer = connection.handle_request(_as_httpcore(request, limits))
            return _response(request, answer, limits)

    @contextmanager
    def _connection(self, request: Request, budget: Budget) -> Iterator[httpcore.HTTPConnection]:
        import httpcore

        from llmcoder.net.dial import GuardedBackend, system_resolve

        backend = GuardedBackend(self._allow, self._resolve or system_resolve, budget)
        secure = request.target.scheme == "https"
        connection = httpcore.HTTPConnection(
            origin=_url(request).origin,
            ssl_context=(self._ssl_context or verifying_context()) if secure else None,
            network_backend=backend,
        )
        try:
            yield connection
        finally:
            connection.close()


def guarded_transport(
    allow: Sequence[str] = (), *, resolve: Resolve | None = None, ssl_context: ssl.SSLContext | None = None
) -> httpx.BaseTransport:
    """The same guard for vendor SDKs that take an `httpx.Client(transport=...)`; see `llmcoder.net.transport`."""
    from llmcoder.net.transport import GuardedTransport  # loads httpx

    return GuardedTransport(AllowList.parse(allow), resolve=resolve, ssl_context=ssl_context)


def _url(request: Request) -> httpcore.URL:
    import httpcore

    target = request.target
    return httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)


def _as_httpcore(request: Request, limits: Limits) -> httpcore.Request:
    import httpcore

    timeout_s = {"connect": limits.connect_s, "read": limits.read_s, "write": limits.read_s}
    return httpcore.Request(
        request.method,
        _url(request),
        headers=request.wire_headers(),
        content=request.content,
        extensions={"timeout": timeout_s},
    )


def _response(request: Request, answer: httpcore.Response, limits: Limits) -> Response:
    import httpx

    headers = httpx.Headers(answer.headers)
    if answer.status in REDIRECT_STATUSES and "location" in headers:
        # its body is never shown, and may never end
        return Response(answer.status, headers, b"", request.target.url, method=request.method)
    chunks = _Chunks(answer.iter_stream(), bearing=not request.safe, enough=limits.enough)
    body = read_body(
        chunks,
        headers.get("content-encoding", ""),
        wire_bytes=limits.wire_bytes,
        decoded_bytes=limits.decoded_bytes,
    )
    if body.fault and request.safe:
        raise BadInput(f"{request.target.host} {body.fault}.")
    truncated = body.fault is not None or chunks.broken
    return Response(answer.status, headers, b"".join(body.pieces), request.target.url, truncated, request.method)


class _Chunks:
    """A body as it comes.

    Args:
        bearing: Whether one that breaks off just ends: what the answer's head says is known already.
        enough: As of `Limits`.

    Attributes:
        broken: Whether it did.
    """

    def __init__(self, chunks: Iterator[bytes], *, bearing: bool, enough: Callable[[bytes], bool] | None) -> None:
        self._chunks, self._bearing, self._enough, self.broken = chunks, bearing, enough, False

    def __iter__(self) -> Iterator[bytes]:
        import httpcore

        try:
            for chunk in self._chunks:
                yield chunk
                if self._enough is not None and self._enough(chunk):
                    return
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError):
            if not self._bearing:
                raise
            self.broken = True


def _location(response: Response) -> str | None:
    locations = response.headers.get_list("location")
    return locations[0] if response.status in REDIRECT_STATUSES and locations else None


@contextmanager
def _errors_mapped(host: str) -> Iterator[None]:
    import httpcore

    try:
        yield
    except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
        raise Transient(f"No connection to {host}: {error}. Nothing was sent.") from error
    except httpcore.LocalProtocolError as error:
        raise BadInput(f"The request to {host} cannot be written as HTTP.") from error
    except httpcore.TimeoutException as error:
        raise Uncertain(f"{host} did not answer completely in time, after the request was sent.") from error
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        raise Uncertain(f"{host} broke off after the request was sent, or did not answer in HTTP.") from error
