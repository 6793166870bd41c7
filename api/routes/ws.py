"""`WS /ws`: the feed over a WebSocket, and a door for submitting and cancelling besides.

The client's first message says who it is: a token in the address would end up in logs. Messages are JSON objects with
a `type`; the client's are `auth` (once, first), `submit`, `cancel` and `ping`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import WebSocket
from pydantic import Field, JsonValue, TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnect

from api import commands
from api.auth.identity import Identity, Unauthorized
from api.http.bodies import Router
from api.http.lean import FORESEEN, answer_to
from api.http.problems import HttpError
from api.push.feed import Feed, Overrun
from api.services import Services, services_of
from api.submission import MOST_SOURCES, accept, input_of_object
from engine.idempotency import checked_key
from llmcoder import strict_json
from llmcoder.model import Model
from models.jobs.store import LARGEST_REV

AUTH_WITHIN_S = 5.0
VERIFY_EVERY_S = 60.0

# RFC 6455, section 7.4.1; 4000 and above are ours
GOING_AWAY = 1001
UNSUPPORTED = 1003
POLICY = 1008
TRY_AGAIN_LATER = 1013
NOT_LOGGED_IN = 4401

router = Router()


class Auth(Model):
    """The first message."""

    type: Literal["auth"]
    token: str = Field(repr=False)
    since: int | None = Field(None, ge=0, le=LARGEST_REV)


class Submit(Model):
    """A job for any action, as POST /jobs takes it; answered with `accepted` or `problem`, carrying the same `ref`."""

    type: Literal["submit"]
    action: str
    input: dict[str, JsonValue] = Field(default_factory=dict)
    derived_from: list[UUID] = Field(default_factory=list, max_length=MOST_SOURCES)
    idempotency_key: str | None = None
    ref: JsonValue = None


class Cancel(Model):
    """Answered with `cancelled` or `problem`."""

    type: Literal["cancel"]
    job_id: UUID
    ref: JsonValue = None


class Ping(Model):
    """Answered with `pong`."""

    type: Literal["ping"]
    ref: JsonValue = None


Command = Submit | Cancel | Ping
_COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])


class Goodbye(Exception):
    """The conversation is over."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.websocket("/ws")
async def push(socket: WebSocket) -> None:
    """One connection."""
    services = services_of(socket)
    if not _may_come_from(socket, services.settings().cors_origins):
        await socket.close(POLICY)  # before it was accepted: the handshake is answered with 403
        return
    await socket.accept()
    try:
        await _converse(socket, services)
    except Goodbye as bye:
        await _close(socket, bye)
    except WebSocketDisconnect:
        return


def _may_come_from(socket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """A browser says whose page opened the connection; anybody else says nothing."""
    origin = socket.headers.get("origin")
    return origin is None or origin in allowed or "*" in allowed or _is_own(origin, socket.headers.get("host", ""))


def _is_own(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # brackets around what is no address
        return False


async def _close(socket: WebSocket, bye: Goodbye) -> None:
    try:
        await socket.close(bye.code, bye.reason)
    except (RuntimeError, WebSocketDisconnect):  # it is closed already
        return


async def _converse(socket: WebSocket, services: Services) -> None:
    auth = await _first_message(socket)
    who = await _verify(services, auth.token)
    try:
        feed = services.hub.open_feed(who.user_id)
    except HttpError as error:
        raise Goodbye(TRY_AGAIN_LATER, error.detail) from error
    try:
        await services.hub.settled()
        await _first_to_end(
            _send(socket, feed, auth.since),
            _obey(socket, services, who),
            _keep_verifying(services, who, auth.token),
        )
    finally:
        services.hub.close_feed(who.user_id, feed)


async def _first_message(socket: WebSocket) -> Auth:
    try:
        async with asyncio.timeout(AUTH_WITHIN_S):
            return Auth.model_validate_json(await _text(socket))
    except TimeoutError:
        raise Goodbye(NOT_LOGGED_IN, f"No auth message within {AUTH_WITHIN_S:g} s.") from None
    except ValidationError:
        raise Goodbye(NOT_LOGGED_IN, 'The first message is {"type": "auth", "token": …}.') from None


async def _verify(services: Services, token: str) -> Identity:
    try:
        return await services.identities.authenticate(token)
    except Unauthorized as error:
        raise Goodbye(NOT_LOGGED_IN, error.detail) from None


async def _first_to_end(*work: Awaitable[None]) -> None:
    """Run all until one ends, then none."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(socket: WebSocket, feed: Feed, since: int | None) -> None:
    try:
        async for message in feed.history(since):
            await socket.send_text(message.body.decode())
        while (news := await feed.next()) is not None:
            await socket.send_text(news.body.decode())
    except Overrun:
        raise Goodbye(TRY_AGAIN_LATER, "You read too slowly. Come back with the last revision you have.") from None
    raise Goodbye(GOING_AWAY, "The service is stopping.")


async def _keep_verifying(services: Services, who: Identity, token: str) -> None:
    """End with the token."""
    while True:
        left_s = (who.expires_at - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, min(left_s, VERIFY_EVERY_S)))
        who = await _verify(services, token)


async def _obey(socket: WebSocket, services: Services, who: Identity) -> None:
    """Do what the client says, one thing after the other; a mistake is answered and ends nothing."""
    while True:
        text = await _text(socket)
        ref: JsonValue = None
        try:
            command = _COMMAND.validate_json(text)
            ref = command.ref
            answer = await _done(services, who, command)
        except FORESEEN as error:
            answer = {"type": "problem", "problem": strict_json.Fragment(bytes(answer_to(error).body))}
        await socket.send_text(strict_json.write(answer | {"ref": ref}))


async def _done(services: Services, who: Identity, command: Command) -> dict[str, Any]:
    match command:
        case Submit():
            action = await services.action(command.action)
            given = await input_of_object(services, who, action, dict(command.input), command.derived_from, "input")
            key = checked_key(command.idempotency_key)
            accepted = await accept(services, who, action, given, door="websocket", key=key)
            job = strict_json.Fragment(accepted.job.as_json())
            return {"type": "accepted", "job": job, "replayed": accepted.replayed}
        case Cancel():
            cancelled = await commands.cancel(services, who, command.job_id)
            return {"type": "cancelled", "job": strict_json.Fragment(cancelled.as_json())}
        case Ping():
            return {"type": "pong"}


async def _text(socket: WebSocket) -> str:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if text is None:
        raise Goodbye(UNSUPPORTED, "Messages are text: JSON objects.")
    assert isinstance(text, str)
    return text.removeprefix("\ufeff")
