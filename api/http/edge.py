"""What is done to every request and response: counted, headers that protect browsers, CORS, HEAD and OPTIONS, size.

Plain ASGI, since Starlette's BaseHTTPMiddleware costs a task and a queue for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import PROTECTION_OF_PROBLEMS, BodyLimit, problem

if TYPE_CHECKING:
    from api.http.metrics_page import Metrics
    from api.services import Services

PROTECTION_OF_DATA = tuple((name.encode(), value.encode()) for name, value in PROTECTION_OF_PROBLEMS.items())
#: Nothing that we answer is a page, but for the documentation.
*PROTECTION, NO_PAGE, NO_STORE = PROTECTION_OF_DATA
#: The pages load files of this service, call it, and nothing else; no script stands in a page (see `api.routes.pages`).
PAGE = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
PAGES = ("/", "/docs")
#: Doors that read a body before they know whose it is. An address, a password and a token are small; reading is work.
OPEN_TO_ALL = "/auth/"
LARGEST_FROM_STRANGERS_BYTES = 16_384
#: What a form may have around its file: headers of parts, other fields, boundaries.
FORM_ROOM_BYTES = 64 << 10
TRIED = ("GET", "POST", "PUT", "PATCH", "DELETE")
EXPOSED = [
    "Location", "ETag", "Retry-After", "Preference-Applied", "Idempotent-Replayed", "Content-Disposition",
    "Content-Range",
]  # fmt: skip
#: Takes files, which have a limit of their own, and room around them for a form.
FILES = ("POST", "/files")


class Observed:
    """Counts every response by its route, and adds the headers that every response has."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.responded(_route(scope), message["status"])
                message["headers"] = _protected(scope["path"], message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, observed)


def _route(scope: Scope) -> str:
    """The route's template and never the path: a metric for every job id would be no metric."""
    return str(getattr(scope.get("route"), "path", "(none)"))


def _protected(path: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    added = [*headers, *PROTECTION, PAGE if path in PAGES else NO_PAGE]
    if not any(name == b"cache-control" for name, _ in headers):
        added.append(NO_STORE)
    return added


class Cors:
    """Lets the browser pages of the configured origins in; the setting may change while the process runs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._origins: tuple[str, ...] = ()
        self._cors: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origins = _services(scope).settings().cors_origins
        if origins != self._origins:
            self._origins = origins
            self._cors = self._with(origins) if origins else self._app
        await self._cors(scope, receive, send)

    def _with(self, origins: tuple[str, ...]) -> ASGIApp:
        return Preflights(
            self._app, allow_origins=origins, allow_methods=TRIED, allow_headers=["*"], expose_headers=EXPOSED
        )


class Preflights(CORSMiddleware):
    """Starlette's, which refuses with plain text."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        detail = "Pages of this origin may not send that here; CORS_ORIGINS lists those that may."
        refusal = problem(answer.status_code, "cors-refused", "Not for pages of this origin", detail)
        refusal.headers.update(PROTECTION_OF_PROBLEMS | {"vary": answer.headers["vary"]})
        return refusal


class Limited:
    """Refuses bodies larger than MAX_BODY_BYTES, as it is now; a file than MAX_FILE_BYTES."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        settings = _services(scope).settings()
        max_bytes = settings.max_body_bytes
        if (scope["method"], scope["path"]) == FILES:
            max_bytes = settings.max_file_bytes + FORM_ROOM_BYTES
        if scope["path"].startswith(OPEN_TO_ALL):
            max_bytes = min(max_bytes, LARGEST_FROM_STRANGERS_BYTES)
        await BodyLimit(self._app, max_bytes)(scope, receive, send)


class Methods:
    """Answers HEAD as GET without the body and OPTIONS with what an address takes; a 405 says the same.

    Args:
        routes: All of the application's.
        submits: Whether a GET of that path makes a job, which a HEAD must not.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], submits: Callable[[str], bool]) -> None:
        self._app = app
        self._routes = routes
        self._submits = submits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == "http" else None
        if method == "HEAD" and not self._submits(scope["path"]):
            # a copy: the server goes by its own scope when it leaves out the body
            scope = {**scope, "method": "GET", "headers_only": True}
        elif method == "OPTIONS" and (allowed := self._allowed(scope)):
            await Response(status_code=204, headers={"allow": allowed})(scope, receive, send)
            return

        async def with_allowed(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 405:
                others = [(name, value) for name, value in message["headers"] if name != b"allow"]
                message["headers"] = [*others, (b"allow", self._allowed(scope).encode())]
            await send(message)

        await self._app(scope, receive, with_allowed)

    def _allowed(self, scope: Scope) -> str:
        """Starlette names the methods of the first route at an address; several may share one."""
        asked = {name: scope[name] for name in ("type", "path", "headers", "query_string")} | {"root_path": ""}
        there = [one for one in self._routes if one.matches({**asked, "method": "GET"})[0] is not Match.NONE]
        routes = [one for one in there if not isinstance(one, Mount)] or there  # a mount says that it takes any method
        allowed = [m for m in TRIED if any(r.matches({**asked, "method": m})[0] is Match.FULL for r in routes)]
        if "GET" in allowed and not self._submits(scope["path"]):
            allowed.append("HEAD")
        return ", ".join([*allowed, "OPTIONS"]) if allowed else ""


def _services(scope: Scope) -> Services:
    return cast("Services", scope["app"].state.services)
