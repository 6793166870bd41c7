"""What is sent: headers a caller may set, and what becomes of a request when it is redirected. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from llmcoder.errors import BadInput
from llmcoder.net.guard import DEFAULT_PORTS, Target, parse_target

SAFE_METHODS = frozenset({"GET", "HEAD"})
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
PERMANENT_STATUSES = frozenset({301, 308})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Framing and routing belong to the client. A caller's Host reaches other sites behind a shared proxy; a caller's
# Transfer-Encoding or Content-Length smuggles a second request.
_OURS = frozenset(
    {"host", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "content-length"}
    | {"transfer-encoding", "te", "trailer", "upgrade", "expect", "accept-encoding"}
)
_FORBIDDEN_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})
# A header of the caller's that is not known to be harmless may be a key; it stays with the origin it was meant for.
_HARMLESS_ELSEWHERE = frozenset(
    {"accept", "accept-language", "content-type", "content-language", "idempotency-key"}
    | {"if-modified-since", "if-none-match", "prefer", "range", "user-agent"}
)


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent to one target."""

    method: str
    target: Target
    headers: tuple[tuple[str, str], ...]
    content: bytes | None = None

    @property
    def safe(self) -> bool:
        """Whether it only reads, so that nothing happened when it failed."""
        return self.method in SAFE_METHODS

    def wire_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers as sent, framing included."""
        framing = [("Host", self.target.authority), ("Accept-Encoding", "gzip, deflate"), ("Connection", "close")]
        if self.content is not None or self.method in {"POST", "PUT", "PATCH"}:
            framing.append(("Content-Length", str(len(self.content or b""))))
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in (*framing, *self.headers)]


def prepare(
    method: str, url: str, headers: Mapping[str, str] | None, content: bytes | None, *, user_agent: str
) -> Request:
    """Check everything a caller gives.

    Raises:
        BadInput: The method, the URL or a header cannot be sent. Header values are not repeated: they may be secrets.
    """
    method = method.upper()
    if not _TOKEN.fullmatch(method) or method in _FORBIDDEN_METHODS:
        raise BadInput(f"The method {method[:20]!r} cannot be used.")
    if content is not None and method in SAFE_METHODS:
        raise BadInput(f"A {method} request has no body; use POST to send one.")
    defaults = {"user-agent": ("User-Agent", user_agent), "accept": ("Accept", "*/*")}
    given = {name.lower(): _checked_header(name, value) for name, value in (headers or {}).items()}
    return Request(method, parse_target(url), tuple((defaults | given).values()), content)


def _checked_header(name: str, value: str) -> tuple[str, str]:
    if not _TOKEN.fullmatch(name):
        raise BadInput(f"The header name {name[:40]!r} has characters that a name cannot have.")
    if name.lower() in _OURS:
        raise BadInput(f"The header {name} is set by the client itself; leave it out.")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise BadInput(f"The value of the header {name} has characters that a header cannot carry.") from error
    if _BAD_IN_VALUE.search(value):
        raise BadInput(f"The value of the header {name} has line breaks or control characters.")
    return name, value.strip()


def redirected(request: Request, status: int, location: str) -> Request:
    """The request that a redirect asks for, by the rules of the Fetch standard.

    Raises:
        BadInput: The new URL may not be fetched, or it leaves https for http.
    """
    target = _location(request.target, location)
    if request.target.scheme == "https" and target.scheme == "http":
        raise BadInput(f"{request.target.host} redirects from https to http, which is not followed.")
    following = replace(request, target=target)
    if becomes_get(request.method, status):
        following = replace(following, method="GET", content=None, headers=_without_content(request.headers))
    if same_origin(request.target, target):
        return following
    return replace(following, headers=tuple(h for h in following.headers if h[0].lower() in _HARMLESS_ELSEWHERE))


def _location(here: Target, location: str) -> Target:
    if _BAD_IN_VALUE.search(location) or "\t" in location:  # urljoin would drop tabs before anybody has seen them
        raise BadInput(f"{here.host} redirects to a URL with control characters.")
    try:
        return parse_target(urljoin(here.url, location))
    except ValueError as error:
        raise BadInput(f"{here.host} redirects to something that is not a URL.") from error


def becomes_get(method: str, status: int) -> bool:
    """Whether a redirect turns this method into GET: 303 always, 301 and 302 for POST as browsers do."""
    return (status == 303 and method not in SAFE_METHODS) or (status in {301, 302} and method == "POST")


def same_origin(first: Target, second: Target) -> bool:
    """Whether credentials may go along. The step up from http to https on one host's own ports counts as the same."""
    if first.host != second.host:
        return False
    if (first.scheme, first.port) == (second.scheme, second.port):
        return True
    return first.scheme == "http" and all(place.port == DEFAULT_PORTS[place.scheme] for place in (first, second))


def _without_content(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(header for header in headers if not header[0].lower().startswith("content-"))
