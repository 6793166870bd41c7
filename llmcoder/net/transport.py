"""The guard for vendor SDKs that speak through httpx: checked addresses, no proxies; timeouts and caps stay the SDK's.

Errors of the network reach the SDK as the httpx errors it expects. A refusal of the guard is `BadInput`, and a look-up
that fails for now is `Transient`; SDKs do not know these and let them through.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from llmcoder.net.dial import GuardedBackend, Resolve, system_resolve
from llmcoder.net.guard import AllowList
from llmcoder.net.trust import verifying_context

_MAX_CONNECTIONS = 100
_KEPT_CONNECTIONS = 20
_KEEP_S = 5.0


class GuardedTransport(httpx.BaseTransport):
    """Connects through the guard. Kept connections are reused, but nothing is ever sent twice."""

    def __init__(self, allow: AllowList, *, resolve: Resolve | None, ssl_context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context or verifying_context(),
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEEP_S,
            network_backend=GuardedBackend(allow, resolve or system_resolve),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body is streamed."""
        url = request.url
        wire_request = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _httpx_errors():
            answer = self._pool.handle_request(wire_request)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Stream(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """httpx names its network errors as httpcore does."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from error
