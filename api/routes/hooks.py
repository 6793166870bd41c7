"""Addresses at which providers call us, declared by domains (`llmcoder.declare.hook`), who prove who calls."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.http.bodies import Router
from api.http.job_view import problems
from api.http.problems import HttpError
from api.services import services_of
from llmcoder.declare.hook import Call, Hook
from llmcoder.registry import Registry


class CallTooLarge(HttpError):
    """More than the hook takes; nothing of it was looked at."""

    slug, title, status = "call-too-large", "The call is too large", 413


def router_for(registry: Registry) -> APIRouter:
    """A route for each hook of the domains."""
    router = Router(responses=problems(403, 409, 413, 422, 503))
    for hook in registry.hooks():
        _add(router, hook)
    return router


def _add(router: APIRouter, hook: Hook) -> None:
    async def called(request: Request) -> Response:
        call = Call(first_headers(request), await read_body(request, hook.most_bytes))
        reply = await run_in_threadpool(hook.answer, call, services_of(request).door)
        return Response(reply.body, reply.status, dict(reply.headers))

    router.add_api_route(
        f"/{hook.path}",
        called,
        methods=["POST"],
        name=hook.path.replace("/", "_"),
        summary=hook.title,
        description="Called by the provider, which signs the body; it takes no token.",
        tags=[hook.domain],
        response_class=Response,
        status_code=200,
    )


def first_headers(request: Request) -> dict[str, str]:
    """By name in lower case; of one that came twice the first."""
    return dict(reversed(request.headers.items()))


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The body as it came.

    Raises:
        CallTooLarge: It is longer; the rest was not read.
    """
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > most_bytes:
            raise CallTooLarge(f"At most {most_bytes} bytes are taken here.")
    return bytes(found)
