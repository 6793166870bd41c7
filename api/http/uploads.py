"""The body of a request as a file: as it comes, never as a whole, and nothing of it on the event loop's thread.

A body is the file itself, or a form (`multipart/form-data`) with one file in it, as browsers and `curl -F` send it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from engine.files.storage import Incoming
from llmcoder.disposition import file_name
from llmcoder.errors import BadInput
from models.files.store import File

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartParser

T = TypeVar("T")

#: Bytes that go to a thread at once; a socket's own pieces are small, and each way there and back costs.
BUFFER_BYTES = 1 << 20
UNNAMED = "file"

#: Begins a file, by its name.
Begin = Callable[[str], Incoming]
Run = Callable[..., Awaitable[Any]]


class Upload(ABC):
    """A body on its way to the store. Works in threads, one after the other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._incoming: Incoming | None = None
        self._over = False

    def feed(self, chunk: bytes) -> None:
        """Take in a piece of the body. Raises what `Incoming.write` does, and `BadInput`."""
        with self._lock:
            if not self._over:
                self._feed(chunk)

    def finish(self) -> File:
        """The file, complete. Raises what `Incoming.finish` does, and `BadInput`."""
        with self._lock:
            if self._over:
                raise BadInput("The upload was broken off.")
            incoming = self._end()
            file = incoming.finish()
            self._over = True
            return file

    def abort(self) -> None:
        """Leave nothing of it, unless it is complete."""
        with self._lock:
            if not self._over and self._incoming is not None:
                self._incoming.abort()
            self._over = True

    @abstractmethod
    def _feed(self, chunk: bytes) -> None: ...

    @abstractmethod
    def _end(self) -> Incoming: ...


class RawUpload(Upload):
    """The body is the file."""

    def __init__(self, begin: Begin, name: str) -> None:
        super().__init__()
        self._begin = begin
        self._name = name

    def _feed(self, chunk: bytes) -> None:
        self._started().write(chunk)

    def _end(self) -> Incoming:
        return self._started()

    def _started(self) -> Incoming:
        if self._incoming is None:
            self._incoming = self._begin(self._name)
        return self._incoming


class FormUpload(Upload):
    """The body is a form; its one part with a file name is the file, other fields are passed over.

    Args:
        name: In place of what the form calls it; None takes that.

    Raises:
        BadInput: The Content-Type names no boundary.
    """

    def __init__(self, begin: Begin, name: str | None, content_type: str) -> None:
        super().__init__()
        self._begin = begin
        self._name = name
        self._parser = self._parser_for(content_type)
        self._headers: dict[bytes, bytes] = {}
        self._field = b""
        self._value = b""
        self._is_file = self._is_complete = False

    def _parser_for(self, content_type: str) -> MultipartParser:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        _, options = parse_options_header(content_type)
        try:
            return MultipartParser(
                options.get(b"boundary", b""),
                {
                    "on_part_begin": self._headers_begin,
                    "on_header_field": self._on_field,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError:
            raise BadInput("The Content-Type of a form names its boundary: multipart/form-data; boundary=…") from None

    def _feed(self, chunk: bytes) -> None:
        from python_multipart.exceptions import MultipartParseError

        try:
            self._parser.write(chunk)
        except MultipartParseError:
            raise BadInput("The body is not a form as its Content-Type says (RFC 7578).") from None

    def _end(self) -> Incoming:
        if not self._is_complete:
            raise BadInput("The form is cut short.")
        if self._incoming is None:
            raise BadInput("The form holds no file: a part with a file name, such as `curl -F file=@statement.csv`.")
        return self._incoming

    def _headers_begin(self) -> None:
        self._headers = {}

    def _on_field(self, chunk: bytes, start: int, end: int) -> None:
        self._field += chunk[start:end]

    def _on_value(self, chunk: bytes, start: int, end: int) -> None:
        self._value += chunk[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        name = file_name(self._headers.get(b"content-disposition", b""))
        self._is_file = name is not None
        if name is None:
            return
        if self._incoming is not None:
            raise BadInput("The form holds several files; send each by itself.")
        self._incoming = self._begin(self._name or name or UNNAMED)

    def _on_data(self, chunk: bytes, start: int, end: int) -> None:
        if self._is_file and self._incoming is not None:
            self._incoming.write(chunk[start:end])

    def _on_end(self) -> None:
        self._is_complete = True


async def receive(body: AsyncIterator[bytes], upload: Upload, run: Run) -> File:
    """Bring a body in. While a piece is being written the next one is not read, so that memory does not grow.

    Args:
        run: Runs a function in a thread for files.
    """
    buffer = bytearray()
    try:
        async for chunk in body:
            buffer += chunk
            if len(buffer) >= BUFFER_BYTES:
                await run(upload.feed, bytes(buffer))
                buffer.clear()
        await run(upload.feed, bytes(buffer))
        file: File = await run(upload.finish)
        return file
    except BaseException:
        await asyncio.shield(run(upload.abort))
        raise
