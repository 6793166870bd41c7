"""An API process beside the other processes of an engine, and clients of its push that can be cut off."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from engine_kit import Engine, engine_on, eventually
from websockets.asyncio.client import ClientConnection, connect

from api.auth import tokens
from api.auth.identity import Identities
from cli.up.reachable import is_live
from llmcoder.context import User
from llmcoder.ids import new_id
from tests.ports import free_port

#: Closing with this drops what was not read and resets the connection: nobody says goodbye.
RESET = struct.pack("ii", 1, 0)


class Doors(Engine):
    """An engine whose API is a process of its own.

    Attributes:
        api: The API process.
    """

    port: int
    api: psutil.Process

    def open(self) -> None:
        self.port = free_port()
        self.api = psutil.Process(self.start("api", API_PORT=str(self.port)).pid)
        eventually(lambda: is_live("127.0.0.1", self.port), what="the API starts")
        self.identities = Identities(self.db, tokens.signing_key(Path(self.environ["DATA_DIR"])))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self, user: User) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(user)}"}

    def token(self, user: User) -> str:
        return self.identities.issue(user.id, new_id(), 600)


@contextmanager
def doors(db_url: str, folder: Path) -> Iterator[Doors]:
    """A scheduler, an io worker and an API on a Redis of their own."""
    with engine_on(Doors, db_url, folder) as made:
        made.open()
        made.start_worker()
        yield made


# --- clients


class Link(ABC):
    """One connection to the push."""

    _hearing: asyncio.Task[dict[str, Any]] | None = None

    async def hear(self, within_s: float = 20.0) -> dict[str, Any] | None:
        """The next message, or None when none comes in time."""
        if self._hearing is None:
            self._hearing = asyncio.create_task(self._next())
        # not cancelled when it takes longer: that would close a stream, which is for the test to do
        done, _ = await asyncio.wait({self._hearing}, timeout=within_s)
        if not done:
            return None
        message, self._hearing = self._hearing.result(), None
        return message

    async def hear_nothing_more(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)

    @abstractmethod
    async def _next(self) -> dict[str, Any]: ...

    @abstractmethod
    def tear(self) -> None:
        """Break the connection without a goodbye, as when a network goes away."""


class Socket(Link):
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._socket.recv())
        return message

    def tear(self) -> None:
        _reset(self._socket.transport.get_extra_info("socket"))
        self._socket.transport.abort()


class Stream(Link):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._lines = answer.aiter_lines()

    async def _next(self) -> dict[str, Any]:
        event_id = None
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                event_id = int(value)
            elif name == "data":
                message: dict[str, Any] = json.loads(value)
                assert message.get("rev") == event_id
                return message
        raise ConnectionError("the stream ended")

    def tear(self) -> None:
        _reset(self._answer.extensions["network_stream"].get_extra_info("socket"))


def _reset(raw: socket.socket) -> None:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@asynccontextmanager
async def socket_since(doors: Doors, user: User, since: int | None, **options: Any) -> AsyncIterator[Socket]:
    """A WebSocket of the user; options as for `connect`."""
    # close_timeout: who leaves with messages unread cannot finish the closing handshake
    where = f"ws://127.0.0.1:{doors.port}/ws"
    plain: dict[str, Any] = {"open_timeout": 10, "close_timeout": 0.2, "compression": None, "ping_interval": None}
    async with connect(where, **plain, **options) as socket:
        await socket.send(json.dumps({"type": "auth", "token": doors.token(user), "since": since}))
        link = Socket(socket)
        yield link
        await link.hear_nothing_more()


@asynccontextmanager
async def stream_since(doors: Doors, user: User, since: int) -> AsyncIterator[Stream]:
    """A stream of server-sent events of the user."""
    headers = doors.headers(user) | {"last-event-id": str(since)}
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("GET", f"{doors.url}/jobs/stream", headers=headers) as answer,
    ):
        assert answer.status_code == httpx.codes.OK
        link = Stream(answer)
        yield link
        await link.hear_nothing_more()
