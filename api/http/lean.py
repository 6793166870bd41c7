"""The hot routes: documented like any other, answered without what FastAPI does for everyone else.

FastAPI passes a request through a dozen layers, tries one route after the other with a regular expression, opens four
exit stacks, solves dependencies, and validates and serialises through generic machinery. A submit needs none of it:
its address is exact, its caller is in a dictionary, its body goes through one validator, and its answer is bytes. The
figures stand in `benchmarks/README.md`. What is rare (a body too large, one without a length, browser pages of another
origin) goes the ordinary way, which leads to the same answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.edge import PROTECTION_OF_DATA
from api.http.problems import cannot_be_kept, database_unavailable, invalid, problem_of, unexpected
from llmcoder.errors import ActionError
from models.db.database import TRANSIENT_ERRORS

if TYPE_CHECKING:
    from api.services import Services

FORESEEN: tuple[type[Exception], ...] = (
    ActionError, RequestValidationError, ValidationError, sa.exc.DataError, *TRANSIENT_ERRORS,
)  # fmt: skip


VARIES = (b"vary", b"Origin")


@dataclass(slots=True)
class LeanRequest:
    """A request with what a hot route looks at.

    Attributes:
        headers: By lower-case name; of one that came twice the first.
    """

    services: Services
    headers: dict[bytes, bytes]
    query: bytes
    receive: Receive

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def asked(scope: Scope, receive: Receive) -> LeanRequest:
    services = cast("Services", scope["app"].state.services)
    return LeanRequest(services, dict(reversed(scope["headers"])), scope["query_string"], receive)


Answer = Callable[[LeanRequest], Awaitable[Response]]


class LeanRoute(BaseRoute):
    """A route with an address without parameters.

    Args:
        answer: Does the work; may raise what is in `FORESEEN`.
        documented: Makes the route that the OpenAPI document shows, when somebody asks for that. It is never called.
    """

    def __init__(self, path: str, method: str, name: str, answer: Answer, documented: Callable[[], APIRoute]) -> None:
        self.path = path
        self.methods = frozenset({method})
        self.name = name
        self.answer = answer
        self.documented = documented

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) != self.path:
            return Match.NONE, {}
        return (Match.FULL if scope["method"] in self.methods else Match.PARTIAL), {"route": self}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For whoever comes through the ordinary router."""
        if scope["method"] not in self.methods:
            raise HTTPException(405, headers={"allow": ", ".join(self.methods)})
        response = await self.answer(asked(scope, receive))
        await response(scope, receive, send)


class HotPaths:
    """ASGI, outside of all middleware: finds lean routes by one look into a dictionary, passes everything else on."""

    def __init__(self, app: ASGIApp, routes: Iterable[LeanRoute]) -> None:
        self._app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None or not _is_plain(request := asked(scope, receive)):
            await self._app(scope, receive, send)
            return
        try:
            response = await route.answer(request)
        except ClientDisconnect:
            return
        except FORESEEN as error:
            response = answer_to(error)
        except Exception:  # noqa: BLE001  the edge of the process, as in `problems.Unexpected`; logged, with its trace
            response = unexpected(scope)
        request.services.metrics.responded(route.path, response.status_code)
        headers = [*response.raw_headers, *PROTECTION_OF_DATA]
        if request.services.settings().cors_origins:  # another origin's answer has headers that this one lacks
            headers.append(VARIES)
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


def _is_plain(request: LeanRequest) -> bool:
    """Whether nothing that the layers of the application look at concerns this request."""
    settings = request.services.settings()
    if b"transfer-encoding" in request.headers or (settings.cors_origins and b"origin" in request.headers):
        return False
    return int(request.headers.get(b"content-length", 0)) <= settings.max_body_bytes


def answer_to(error: Exception) -> Response:
    """The problem that a foreseen error becomes, for doors that FastAPI's handlers do not stand behind."""
    if isinstance(error, ActionError):
        return problem_of(error)
    if isinstance(error, RequestValidationError | ValidationError):
        return invalid(error.errors())
    return cannot_be_kept(error) if isinstance(error, sa.exc.DataError) else database_unavailable(error)


class JsonBytes(Response):
    """JSON that is bytes already, with headers that are bytes already."""

    def __init__(self, body: bytes, status: int, *headers: tuple[bytes, bytes]) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        length = b"%d" % len(body)
        self.raw_headers = [(b"content-length", length), (b"content-type", b"application/json"), *headers]


async def read_body(receive: Receive) -> bytes:
    """All of a request's body; how large it may be is the business of the middleware outside.

    Raises:
        ClientDisconnect: The client went away before it had sent all.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body
    parts = []
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
