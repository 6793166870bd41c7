"""`GET /jobs/stream`: the feed as server-sent events, the revision as the event id."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from api.auth.identity import Identity, Unauthorized, bearer, current
from api.http.bodies import Router
from api.http.job_view import problems
from api.push.feed import Feed, Message, Overrun
from api.services import Services, services_of
from llmcoder.errors import BadInput
from models.jobs.store import LARGEST_REV

HEARTBEAT_S = 15.0
VERIFY_EVERY_S = 60.0
HEARTBEAT = b": heartbeat\n"  # a comment; an empty line after it would be an empty event to some clients
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # the latter: nginx would hold events back

router = Router(tags=["jobs"])

#: Up to version 3.1, the schema of an event stream is that of each event.
_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["job", "live", "progress", "token", "log", "connection", "webhook"]},
        "id": {"type": "string", "description": "The revision: `since` or `Last-Event-ID` of whoever comes back."},
        "data": {"type": "string", "description": "The message as JSON, as a WebSocket gets it."},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events job and live, which carry a revision as their id; progress, token, log, connection.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    },
    **problems(429),
}


@router.get("/jobs/stream", responses=_STREAM, response_class=Response)
async def stream(
    request: Request,
    who: Annotated[Identity, Depends(current)],
    since: Annotated[int | None, Query(ge=0, le=LARGEST_REV, description="The last revision you have.")] = None,
    last_event_id: Annotated[str | None, Header(description="As `since`, sent by clients that reconnect.")] = None,
) -> Response:
    """Follow your jobs: everything newer than a revision, in order, then whatever happens, as it happens."""
    if last_event_id:
        since = _revision(last_event_id)
    if request.scope.get("headers_only"):
        return Response(media_type="text/event-stream", headers=HEADERS)
    services = services_of(request)
    token = bearer(request.headers["authorization"])
    services.hub.check_room(who.user_id)  # once the stream has begun, nothing can be refused any more
    return StreamingResponse(_events(services, who, token, since), 200, HEADERS, "text/event-stream")


def _revision(event_id: str) -> int:
    if event_id.isascii() and event_id.isdigit():
        return int(event_id[:18])
    raise BadInput("Last-Event-ID is the id of an event of this stream: a revision.")


async def _events(services: Services, who: Identity, token: str, since: int | None) -> AsyncIterator[bytes]:
    feed = services.hub.open_feed(who.user_id)
    verify_at = time.monotonic() + VERIFY_EVERY_S
    try:
        await services.hub.settled()
        async for message in _messages(feed, since):
            yield _event(message) if message else HEARTBEAT
            if time.monotonic() > verify_at:
                await services.identities.authenticate(token)
                verify_at = time.monotonic() + VERIFY_EVERY_S
    except (Overrun, Unauthorized):
        return  # the client comes back with the last id it has, and with a token
    finally:
        services.hub.close_feed(who.user_id, feed)


async def _messages(feed: Feed, since: int | None) -> AsyncIterator[Message | None]:
    """Everything, with None where a while passed without anything."""
    async for message in feed.history(since):
        yield message
    while not feed.ended:
        yield await feed.next(HEARTBEAT_S)


def _event(message: Message) -> bytes:
    event_id = b"" if message.rev is None else b"id: %d\n" % message.rev
    return b"%bevent: %b\ndata: %b\n\n" % (event_id, message.kind.encode(), message.body)
