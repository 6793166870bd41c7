"""How an action takes a file and gives one: by its id and the SHA-256 of its content, never by its bytes.

    class Import(Model):
        statement: FileRef = Field(description="The bank statement, as CSV.")

    with ctx.open_file(given.statement) as file:
        ...
    return Trace(har=ctx.attach("trace.har", path))

The bytes stay where the files are kept. Since the input holds the content's SHA-256, an approval binds what the file
says and not only what it is called, and a reference that went through a result, a macro or an undo means the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

from pydantic import ConfigDict, Field

from llmcoder.model import Model

#: What can be attached to a job: bytes, a file on this machine, an open one, or whatever gives bytes piece by piece.
Source: TypeAlias = bytes | Path | IO[bytes] | Iterable[bytes]
#: In the JSON schema of whatever takes a file; a form shows a file chooser there.
MARK = "x-llmcoder-file"
CHUNK_BYTES = 1 << 20


class FileRef(Model):
    """A file that was uploaded, or that a job has attached."""

    model_config = ConfigDict(json_schema_extra={MARK: True})

    id: UUID = Field(
        description="Its id, from POST /files or from the `files` of a job.",
        examples=["01920000-0000-7000-8000-000000000001"],
    )
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of its content, from the same place: 64 hexadecimal digits.",
        examples=["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    )


@dataclass(frozen=True)
class StoredFile:
    """What is known of a file beside its content.

    Attributes:
        name: Safe to use as a file's name anywhere.
        media_type: What the content looks like; a guess, and nothing to trust.
    """

    id: UUID
    name: str
    media_type: str
    size_bytes: int
    sha256: str

    @property
    def ref(self) -> FileRef:
        return FileRef(id=self.id, sha256=self.sha256)


def takes_files(schema: dict[str, Any]) -> bool:
    """Whether an input of this JSON schema has a place for a file."""
    return any(one.get(MARK) is True for one in schema.get("$defs", {}).values())


def pieces(source: Source) -> Iterator[bytes]:
    """The content of whatever can be attached, piece by piece, so that no size of it needs memory."""
    if isinstance(source, bytes | bytearray | memoryview):
        whole = memoryview(source)
        yield from (bytes(whole[at : at + CHUNK_BYTES]) for at in range(0, len(whole), CHUNK_BYTES))
    elif isinstance(source, Path):
        with source.open("rb") as file:
            yield from _read(file)
    elif isinstance(source, _Readable):
        yield from _read(source)
    else:
        yield from source


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _read(file: _Readable) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
