"""The outside world of the crash matrix: a provider in a process of its own that counts what it really did.

`python provider.py FOLDER` listens on loopback and writes its port to FOLDER/port. Each performed effect is one line
`kind key` of FOLDER/effects, appended before anybody is answered; the engine cannot edit it, and none of its processes
can take the provider along.

    POST /effects/{key}?kind=KIND&do=BEHAVIOUR      have an effect
    GET /effects/{key}                              200 when it was performed, else 404
    POST /told                                      receive a webhook: one line `id event job` of FOLDER/told

Of the kind `keyed` a key is performed once, as providers with idempotency keys do it. SIGUSR1 resets every connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

STALL_S = 3.0  # longer than the actions wait, and well within their deadline and its settling
TAKES_S = (0.02, 0.1)
REFUSED_SHARE = 0.005


class Behaviour(StrEnum):
    """What the provider does with a request. All but the last do it only once for a key, and then answer."""

    ANSWER = "answer"
    BUSY_ONCE = "busy_once"  # 503, and nothing was done
    DROP = "drop"  # does it and breaks off without a word
    DROP_UNDONE = "drop_undone"  # breaks off before it did anything
    STALL = "stall"  # says nothing for too long, does it then
    BUSY = "busy"  # 503 every time


#: After these the caller cannot know what happened.
SILENT = frozenset({Behaviour.DROP, Behaviour.DROP_UNDONE, Behaviour.STALL})


class Provider:
    """Answers requests and keeps the count."""

    def __init__(self, folder: Path) -> None:
        self._effects = os.open(folder / "effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._performed: set[str] = set()
        self._asked: set[str] = set()
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request on one connection."""
        self._open.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            if target == b"/told":
                status: int | None = await self._receive(head.decode().lower(), reader)
            else:
                status = await self._answer(method.decode(), target.decode())
            if status is None:
                writer.transport.abort()
            else:
                writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the caller was killed
        finally:
            self._open.discard(writer)
            writer.close()

    def cut(self) -> None:
        """Reset every connection, whatever is under way on it."""
        for writer in list(self._open):
            writer.transport.abort()

    async def _receive(self, head: str, reader: asyncio.StreamReader) -> int:
        """A webhook's message; now and then it is received, and the sender told that it was not."""
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        message = json.loads(await reader.readexactly(int(headers["content-length"])))
        line = f"{headers['webhook-id']} {message['type']} {message['data']['id']}\n"
        os.write(self._told, line.encode())
        return 503 if random.random() < REFUSED_SHARE else 200

    async def _answer(self, method: str, target: str) -> int | None:
        """The status, or None to break off."""
        parts = urlsplit(target)
        key = parts.path.rpartition("/")[2]
        if method == "GET":
            return 200 if key in self._performed else 404
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return await self._behave(asked["kind"], key, Behaviour(asked["do"]))

    async def _behave(self, kind: str, key: str, do: Behaviour) -> int | None:
        if do is Behaviour.BUSY:
            return 503
        if key in self._asked:
            do = Behaviour.ANSWER
        self._asked.add(key)
        takes_s = random.uniform(*TAKES_S)
        await asyncio.sleep(STALL_S if do is Behaviour.STALL else takes_s / 2)
        if do is Behaviour.BUSY_ONCE:
            return 503
        if do is Behaviour.DROP_UNDONE:
            return None
        self._perform(kind, key)
        await asyncio.sleep(takes_s / 2)
        return None if do is Behaviour.DROP else 200

    def _perform(self, kind: str, key: str) -> None:
        if kind == "keyed" and key in self._performed:
            return
        self._performed.add(key)
        os.write(self._effects, f"{kind} {key}\n".encode())


async def main(folder: Path) -> None:
    provider = Provider(folder)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, provider.cut)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, backlog=512)
    ready = folder / "port.new"
    ready.write_text(str(server.sockets[0].getsockname()[1]))
    ready.rename(folder / "port")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
