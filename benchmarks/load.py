"""A load client that is not the bottleneck: raw HTTP/1.1 on keep-alive connections, one prepared request.

An HTTP library costs more per request than the servers measured here; this costs a `write` and a look at the head of
the answer. It understands just what uvicorn sends: lower-case header names and a Content-Length.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlencode

import uvloop

ANSWER_WITHIN_S = 20.0
_LENGTH = b"\r\ncontent-length: "


class LoadError(RuntimeError):
    """Not every answer was the expected one, so the figures mean nothing."""


@dataclass
class Load:
    """What one run saw.

    Attributes:
        answered: Every expected answer, those of the warm-up included.
        seconds: Of the measured part.
        latencies_ms: Of the measured part, sorted.
    """

    answered: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.latencies_ms, percent)


def percentile(ordered: list[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def post(path: str, body: object, *, token: str | None = None, form: bool = False, prefer: str | None = None) -> bytes:
    """The bytes of a POST; the body is an object for JSON or a mapping for a form."""
    content = urlencode(body).encode() if form else json.dumps(body).encode()  # type: ignore[arg-type]
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    head += [f"Authorization: Bearer {token}"] if token else []
    head += [f"Prefer: {prefer}"] if prefer else []
    return "\r\n".join([*head, "", ""]).encode() + content


def get(path: str, token: str) -> bytes:
    """The bytes of a GET."""
    head = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    return "\r\n".join([*head, "", ""]).encode()


def timed(
    port: int, request: bytes, *, connections: int, seconds: float, warm_s: float = 0.5, status: int = 202
) -> Load:
    """Send as fast as answers come, for so long after a warm-up."""
    return uvloop.run(_Run(request, status, warm_s=warm_s, seconds=seconds).go(port, connections))


def counted(port: int, request: bytes, *, connections: int, requests: int, status: int = 202) -> Load:
    """Send so many requests as fast as answers come."""
    return uvloop.run(_Run(request, status, requests=requests).go(port, connections))


class _Run:
    def __init__(
        self, request: bytes, status: int, *, warm_s: float = 0.0, seconds: float = 120.0, requests: int = 10**9
    ) -> None:
        self.request = request
        self.status = str(status).encode()
        self.left = requests
        self.load = Load()
        self.odd: Counter[str] = Counter()
        self._seconds = seconds
        self._warm_s = warm_s

    async def go(self, port: int, connections: int) -> Load:
        loop = asyncio.get_running_loop()
        self.from_s = time.perf_counter() + self._warm_s
        self.until_s = self.from_s + self._seconds
        made = [await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port) for _ in range(connections)]
        ends = [connection.done for _, connection in made]
        for _, connection in made:
            connection.send_next()
        _, late = await asyncio.wait(ends, timeout=self._warm_s + self._seconds + ANSWER_WITHIN_S)
        self.load.seconds = min(time.perf_counter(), self.until_s) - self.from_s
        for transport, _ in made:
            transport.abort()
        if late or self.odd:
            raise LoadError(f"{len(late)} connections without an answer; unexpected answers: {dict(self.odd)}")
        self.load.latencies_ms.sort()
        return self.load

    def take(self) -> bool:
        """Whether one more request is wanted."""
        if self.left <= 0 or time.perf_counter() >= self.until_s:
            return False
        self.left -= 1
        return True

    def answer(self, status: bytes, sent_at: float) -> None:
        if status != self.status:
            self.odd[status.decode(errors="replace")] += 1
            return
        self.load.answered += 1
        now = time.perf_counter()
        if self.from_s <= now <= self.until_s:
            self.load.latencies_ms.append((now - sent_at) * 1000)


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._run = run
        self._rest = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def send_next(self) -> None:
        if self._run.take():
            self._sent_at = time.perf_counter()
            self._transport.write(self._run.request)
        elif not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not _is_whole(data):
            self._rest = data
            return
        self._rest = b""
        self._run.answer(data[9:12], self._sent_at)
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self._run.odd["connection lost"] += 1
            self.done.set_result(None)


def _is_whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = data.find(_LENGTH, 0, end) + len(_LENGTH)
    if at < len(_LENGTH):
        raise LoadError(f"an answer without a Content-Length: {data[:200]!r}")
    return len(data) >= end + 4 + int(data[at : data.find(b"\r\n", at)])
