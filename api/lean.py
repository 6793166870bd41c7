"""The hot routes: documented like any other, answered without what FastAPI does for everyone else.

FastAPI tries one route after the other with a regular expression, opens four exit stacks, solves dependencies, and
validates and serialises through generic machinery. A submit needs none of it: its address is exact, its caller is in a
dictionary, its body goes through one validator, and its answer is bytes. The figures stand in `benchmarks/README.md`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import database_unavailable, invalid, problem_of
from llmcoder.errors import ActionError
from models.db import TRANSIENT_ERRORS

Answer = Callable[[Request], Awaitable[Response]]
FORESEEN: tuple[type[Exception], ...] = (ActionError, RequestValidationError, ValidationError, *TRANSIENT_ERRORS)


class LeanRoute(APIRoute):
    """A route with an address without parameters.

    Args:
        documented: Its signature is what the OpenAPI document shows. It is never called.
        answer: Does the work; may raise what is in `FORESEEN`.
        said: Everything else that a route says about itself.
    """

    def __init__(self, path: str, documented: Callable[..., Any], answer: Answer, **said: Any) -> None:
        self.answer = answer
        super().__init__(path, documented, **said)

    def get_route_handler(self) -> Any:
        """For whoever comes through the ordinary router, such as a mounted copy of the app."""
        return self.answer


class HotPaths:
    """ASGI middleware: finds lean routes by one look into a dictionary, and passes everything else on."""

    def __init__(self, app: ASGIApp, routes: Iterable[LeanRoute]) -> None:
        self._app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            response = await route.answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except FORESEEN as error:
            response = answer_to(error)
        await response(scope, receive, send)


def answer_to(error: Exception) -> Response:
    """The problem that a foreseen error becomes, for doors that FastAPI's handlers do not stand behind."""
    if isinstance(error, ActionError):
        return problem_of(error)
    if isinstance(error, RequestValidationError | ValidationError):
        return invalid(error.errors())
    return database_unavailable(error)


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
