"""A file as an answer: always to be saved and never to be shown, in pieces, whole or from one place to another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.problems import HttpError
from engine.files.storage import Files
from llmcoder.errors import ActionError
from llmcoder.logger import get_logger
from models.files.store import File

#: What a browser may be told of a file. It saves all of them (`attachment`), but programs look at the header, too; and
#: of whatever could run as a page or a script of ours nobody is told more than that it is bytes.
SPOKEN_OF = re.compile(
    r"text/(plain|csv|markdown|tab-separated-values)|(image/(?!svg)|audio/|video/|font/)[\w.+-]+"
    r"|application/(pdf|zip|json|gzip|x-sqlite3|vnd\.openxmlformats-[\w.-]+)"
)
BYTES = "application/octet-stream"
#: One range (RFC 9110, section 14); of several, and of what is none, the whole file is the answer.
ONE_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.ASCII)
#: It is nobody else's, and never changes.
KEPT = "private, no-cache"

log = get_logger(__name__)

Run = Callable[..., Awaitable[Any]]


class NotSatisfiable(HttpError):
    """The file has nothing at the place that was asked for."""

    slug, title, status = "range-not-satisfiable", "There is nothing in that range", 416


class Broken(Exception):
    """The rest of a file cannot be had; only a broken connection tells the reader, who has the beginning."""


async def answer(request: Request, files: Files, file: File, run: Run) -> Response:
    """The file, a part of it, or that the caller has it already.

    Raises:
        NotSatisfiable: The header Range asks for what is beyond the end.
        BlobMissing, StoreAway, FileChanged: The content cannot be had.
    """
    etag = f'"{file.sha256}"'
    headers = {
        "etag": etag,
        "cache-control": KEPT,
        "accept-ranges": "bytes",
        "content-disposition": disposition(file.name),
    }
    if _names(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    headers["content-type"] = file.media_type if SPOKEN_OF.fullmatch(file.media_type) else BYTES
    wanted = _range_of(request, etag, file.size_bytes)
    start, length = wanted or (0, file.size_bytes)
    headers["content-length"] = str(length)
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{file.size_bytes}"
    pieces = iter(()) if request.scope.get("headers_only") else files.read(file, start, length)
    first = await run(next, pieces, None)  # so that what cannot be read at all is a problem document
    return Pieces(first, pieces, 206 if wanted else 200, headers, run)


class Pieces(Response):
    """A body that comes piece by piece, each read in a thread when the one before it is on its way."""

    def __init__(
        self, first: bytes | None, rest: Iterator[bytes], status: int, headers: dict[str, str], run: Run
    ) -> None:
        self.status_code = status
        self.background = None
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._first = first
        self._rest = rest
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.ensure_future(_until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            piece = self._first
            while piece is not None and not left.done():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await self._next()
            await send({"type": "http.response.body", "body": b""})
        finally:
            left.cancel()
            await asyncio.shield(self._run(_close, self._rest))

    async def _next(self) -> bytes | None:
        try:
            piece: bytes | None = await self._run(next, self._rest, None)
            return piece
        except ActionError as error:
            log.error("a file could not be sent to its end", why=error.detail)
            raise Broken(error.detail) from error


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close is not None:
        close()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def disposition(name: str) -> str:
    """The header by which a browser saves a file under its name: RFC 6266, with RFC 8187 for what is not ASCII."""
    plain = "".join(one if " " <= one <= "~" and one not in '"\\%' else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _names(header: str | None, etag: str) -> bool:
    known = {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
    return "*" in known or etag in known


def _range_of(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Where the wanted part begins, and how long it is; None for the whole."""
    matched = ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    condition = request.headers.get("if-range")
    if matched is None or (condition is not None and condition.strip() != etag):
        return None
    first, last, suffix = matched.groups()
    if suffix is not None:
        length = min(int(suffix), size)
        start = size - length
    else:
        start = int(first)
        length = min(int(last) + 1 if last is not None else size, size) - start
        if last is not None and int(last) < start:
            return None  # no range at all, says RFC 9110
    if length <= 0:
        raise NotSatisfiable(f"The file has {size} bytes.", content_range=f"bytes */{size}")
    return start, length
