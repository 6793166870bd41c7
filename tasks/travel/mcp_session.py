"""A conversation with an MCP server over streamable HTTP: the official client, whose wire is our guarded network.

The client (package `mcp`) speaks the protocol in whichever version the server has: the handshake, events, errors. Each
of its requests goes out through `ctx.http`, one after the other, so that leases, cancellation, limits and the refusal
of private addresses hold as for every other request. The stream on which a server may call its client is not opened:
nobody here would answer it.

What a server says of itself and its tools is never shown, followed or given to a language model: only the shapes of its
inputs and the data in its answers are used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import ActionError, BadInput, Forbidden, RateLimited, Transient
from llmcoder.media_types import HTML, named
from llmcoder.net import Limits, Response
from llmcoder.retry_after import retry_at
from llmcoder.version import VERSION
from tasks.travel.asking import LARGEST_ANSWER_BYTES, MARGIN_S, asked_again, members, read

if TYPE_CHECKING:
    import httpx2
    from mcp import Client

T = TypeVar("T")

CONNECT_S = 5.0
LONGEST_S = 60.0
MOST_REDIRECTS = 3
#: Each answer is whole when the client gets it, so it asks on or is done; one to something else would be waited for.
LONGEST_IDLE_S = 15.0
MOST_PAGES = 10
#: By which the protections of public servers say that they want to see a browser: Cloudflare, Vercel, AWS.
CHALLENGES = {
    "cf-mitigated": ("challenge",), "x-vercel-mitigated": ("challenge", "deny"),
    "x-amzn-waf-action": ("challenge", "captcha"),
}  # fmt: skip
#: What the bodies of challenges hold: DataDome, HUMAN, Akamai, Imperva, Cloudflare; in JSON or a page of any status.
CHALLENGE_WORDS = (b"captcha", b"sec-cp-challenge", b"blockscript", b"_incapsula_resource", b"challenge-platform")
CHALLENGE_WITHIN_BYTES = 16_384
#: With which a protection refuses.
REFUSING = frozenset({401, 403, 405, 428, 429, 503})
#: Headers that our own client makes, and those that say how a body was packed which is unpacked here.
FRAMING = frozenset({"host", "connection", "content-length", "accept-encoding", "transfer-encoding", "user-agent"})
PACKING = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection"})
#: Of JSON-RPC: the arguments are not what the tool takes.
INVALID_PARAMS = -32602


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool has said: data, where it gives any, and texts that may be JSON."""

    data: Any
    texts: tuple[str, ...]


class McpServer:
    """The server of a conversation."""

    def __init__(self, title: str, client: Client) -> None:
        self._title = title
        self._client = client

    async def tools(self) -> dict[str, dict[str, Any]]:
        """The JSON schemas of the tools' inputs, by name."""
        schemas: dict[str, dict[str, Any]] = {}
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            schemas |= {one.name: members(one.input_schema) for one in page.tools}
            cursor = page.next_cursor
            if not cursor:
                break
        return schemas

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """Call a tool.

        Raises:
            Transient: It failed; why is not told, since that is its own text.
        """
        result = await self._client.call_tool(tool, dict(arguments))
        if result.is_error:
            raise Transient(f"{self._title}'s {tool} failed.")
        texts = tuple(one.text for one in result.content if one.type == "text")
        return ToolAnswer(result.structured_content, texts)


def converse(title: str, url: str, caller: Caller, talk: Callable[[McpServer], Awaitable[T]]) -> T:
    """Hold a conversation, and give back what comes of it.

    Raises:
        RateLimited, Transient: The server can be asked later; a challenge for robots is one of these, and is named.
        BadInput, Forbidden: It does not take what it was asked.
    """
    import httpx2
    from mcp import MCPError

    wire = _wire(title, caller)
    try:
        return asyncio.run(_held(title, url, wire, talk))
    except ActionError:
        raise
    except (BaseExceptionGroup, MCPError, ValidationError, RuntimeError, TimeoutError, httpx2.HTTPError) as error:
        raise _remedy(title, wire, error) from error


async def _held(title: str, url: str, wire: Any, talk: Callable[[McpServer], Awaitable[T]]) -> T:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp_types import Implementation

    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it quotes what it cannot read
    async with asyncio.timeout(None) as wire.idle:
        async with httpx2.AsyncClient(transport=wire) as http:
            transport = streamable_http_client(url, http_client=http, max_sse_event_size=LARGEST_ANSWER_BYTES)
            known_as = Implementation(name="LLMCoder", version=VERSION)
            async with Client(transport, client_info=known_as, cache=None) as client:
                return await talk(McpServer(title, client))


def _wire(title: str, caller: Caller) -> Any:
    """The client's wire; made at first use, since its library takes its time to load."""
    import httpx2

    class GuardedWire(httpx2.AsyncBaseTransport):
        """One request at a time, in the thread of the job. Nothing else of the conversation goes on meanwhile.

        Attributes:
            fault: What ended a request of ours: nobody answered, or the job is to end.
            refusal: What the last answer meant, where it was none of the protocol's.
            idle: Ends the conversation where the client waits for an answer although there is no request.
        """

        fault: ActionError | None = None
        refusal: ActionError | None = None
        idle: asyncio.Timeout

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.method == "GET":  # the stream for a server's own calls; this says that there is none
                return httpx2.Response(405, request=request)
            content = await request.aread()
            self.idle.reschedule(None)
            is_goodbye = request.method == "DELETE"  # which is said after a refusal, too, and does not explain it
            try:
                with asked_again(title):
                    answer = _exchanged(caller, request.method, str(request.url), request.headers, content)
            except ActionError as error:
                self.fault = self.fault if is_goodbye else error
            else:
                if not is_goodbye:
                    self.refusal = refusal_of(title, answer, datetime.now(UTC))
                self.idle.reschedule(asyncio.get_running_loop().time() + LONGEST_IDLE_S)
                headers = [(name, value) for name, value in answer.headers.multi_items() if name not in PACKING]
                return httpx2.Response(answer.status, headers=headers, content=answer.body, request=request)
            raise httpx2.ConnectError("the guarded network has no answer", request=request)

    return GuardedWire()


def _exchanged(caller: Caller, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Response:
    total_s = max(min(caller.remaining_s - MARGIN_S, LONGEST_S), 0.5)
    limits = Limits(
        connect_s=min(CONNECT_S, total_s), read_s=total_s, total_s=total_s, wire_bytes=LARGEST_ANSWER_BYTES,
        decoded_bytes=LARGEST_ANSWER_BYTES, redirects=MOST_REDIRECTS,
        enough=_EventsUntil(members(read(content)).get("id")),
    )  # fmt: skip
    own_headers = {name: value for name, value in headers.items() if name.lower() not in FRAMING}
    check = caller.check if isinstance(caller, Context) else None
    return caller.http.request(method, url, headers=own_headers, content=content, check=check, limits=limits)


class _EventsUntil:
    """Whether the answer to a request has come, in a stream of events that its server may leave open after it."""

    def __init__(self, request_id: object) -> None:
        self._id = request_id
        self._events = bytearray()

    def __call__(self, piece: bytes) -> bool:
        self._events += piece
        if self._id is None or not self._events.endswith((b"\n\n", b"\r\r", b"\r\n\r\n")):
            return False
        events, self._events = bytes(self._events).replace(b"\r\n", b"\n").replace(b"\r", b"\n"), bytearray()
        return any(self._is_answer(event.split(b"\n")) for event in events.split(b"\n\n"))

    def _is_answer(self, lines: list[bytes]) -> bool:
        data = b"\n".join(line.removeprefix(b"data:") for line in lines if line.startswith(b"data:"))
        document = members(read(data)) if data else {}
        return document.get("id") == self._id and ("result" in document or "error" in document)


def refusal_of(title: str, answer: Response, now: datetime) -> ActionError | None:
    """What an answer means that is none of the protocol's; None where it is one."""
    host = urlsplit(answer.url).hostname or title
    page = named(answer.headers.get("content-type", "")) == HTML
    if is_challenge(answer.headers) or (page and answer.status in (403, 429, 503)) or _has_challenge(answer):
        return Transient(
            f"{host} asks for a bot challenge, which only a browser can answer. It may pass in a while; until then "
            "choose another source."
        )
    if answer.status == 429:
        return RateLimited(f"{title} asks to wait.", retry_at(answer.headers, now), title.partition(".")[0].lower())
    if answer.status in (401, 403):
        return Forbidden(f"{title} wants to know who we are ({answer.status}); its search was open to everybody.")
    if answer.status >= 500 or page:
        return Transient(f"{title} is out of order ({answer.status}).")
    return None


def is_challenge(headers: Mapping[str, str]) -> bool:
    """Whether a protection against robots answers in place of the server."""
    return any(headers.get(name, "").lower() in values for name, values in CHALLENGES.items())


def _has_challenge(answer: Response) -> bool:
    """Whether the body is a challenge, which some protections write without saying so in a header."""
    kind = named(answer.headers.get("content-type", ""))
    if answer.status not in REFUSING and kind != HTML:
        return False
    start = answer.body[:CHALLENGE_WITHIN_BYTES].lower()
    return any(word in start for word in CHALLENGE_WORDS)


def _remedy(title: str, wire: Any, error: BaseException) -> ActionError:
    """The remedy of whatever the client made of it."""
    for part in _parts(error):
        if isinstance(part, ActionError):
            return part
    if wire.fault is not None or wire.refusal is not None:
        cause: ActionError = wire.fault or wire.refusal
        return cause
    if any(getattr(getattr(one, "error", None), "code", None) == INVALID_PARAMS for one in _parts(error)):
        return BadInput(f"{title} does not take the search.")
    return Transient(f"{title} answered with something that its protocol does not know.")


def _parts(error: BaseException) -> list[BaseException]:
    """The errors in a group of them, however deep."""
    if isinstance(error, BaseExceptionGroup):
        return [part for one in error.exceptions for part in _parts(one)]
    return [error]
