"""The JSON documents of an export file: a zip of them, a gzip, or plain; within bounds, whatever the file says."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from llmcoder import strict_json
from llmcoder.errors import BadInput
from tasks.recipe.loose_json import read_one

MIB = 1024 * 1024
#: Pictures make an archive large; they are not unpacked.
MOST_ARCHIVE_BYTES = 1024 * MIB
#: Of one document: Paprika keeps a recipe's pictures in it.
MOST_DOCUMENT_BYTES = 64 * MIB
#: Of all documents of an archive together.
MOST_UNPACKED_BYTES = 512 * MIB
MOST_MEMBERS = 50_000
#: Of the table at the end of a zip, which is read as a whole.
MOST_TABLE_BYTES = 8 * MIB
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"
_ENDINGS = (".json", ".paprikarecipe")
#: What zipfile raises for archives that are broken, and for those that are made to be.
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, ValueError,
    OSError, struct.error, OverflowError, KeyError, IndexError, UnicodeError,
)  # fmt: skip


@dataclass(frozen=True)
class Document:
    """One JSON document.

    Attributes:
        name: Of its file.
        content: As JSON has it; None where it is broken.
        fault: Why it is.
    """

    name: str
    content: Any
    fault: str | None = None


def documents(file: IO[bytes], name: str) -> Iterator[Document]:
    """All documents of a file.

    Raises:
        BadInput: It is no zip, gzip or JSON, is broken, or unpacks to more than an export has.
    """
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"PK":
        yield from _of_zip(file, name)
        return
    if head[:2] == b"\x1f\x8b":
        yield _read(name, _unpacked(file.read(MOST_DOCUMENT_BYTES + 1), name))
        return
    content = file.read(MOST_DOCUMENT_BYTES + 1)
    if len(content) > MOST_DOCUMENT_BYTES:
        raise BadInput(
            f"{name} has more than {MOST_DOCUMENT_BYTES // MIB} MB of JSON, which no collection of recipes has."
        )
    document = _read(name, content)
    if document.fault is not None:
        raise BadInput(f"{name} is no export that is known: it is no zip, and {document.fault}.")
    yield document


def _read(name: str, content: bytes) -> Document:
    if content[:2] == b"\x1f\x8b":  # as Paprika packs each recipe
        content = _unpacked(content, name)
    try:
        return Document(name, read_one(strict_json.decoded(content).lstrip("\ufeff")))
    except ValueError as error:
        return Document(name, None, f"its JSON is broken ({str(error)[:100]})")


def _unpacked(content: bytes, name: str) -> bytes:
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacking.decompress(content, MOST_DOCUMENT_BYTES + 1)
    except zlib.error:
        raise BadInput(f"{name} is a gzip that is broken.") from None
    if len(unpacked) > MOST_DOCUMENT_BYTES:
        raise BadInput(f"{name} unpacks to more than {MOST_DOCUMENT_BYTES // MIB} MB, which no recipe has.")
    if not unpacking.eof:
        raise BadInput(f"{name} is a gzip that breaks off.")
    return unpacked


def _of_zip(file: IO[bytes], name: str) -> Iterator[Document]:
    _refuse_large(file, name)
    left = MOST_UNPACKED_BYTES
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise BadInput(f"{name} has more than {MOST_MEMBERS} files in it.")
            for member in members:
                if not _is_document(member):
                    continue
                content = _member(archive, member, left, name)
                left -= len(content)
                yield _read(member.filename, content)
    except _BROKEN as error:
        raise BadInput(f"{name} is a zip that cannot be read ({type(error).__name__}).") from error


def _is_document(member: zipfile.ZipInfo) -> bool:
    parts = member.filename.replace("\\", "/").split("/")
    hidden = any(part.startswith(("._", "__MACOSX")) for part in parts)
    return not member.is_dir() and not hidden and parts[-1].lower().endswith(_ENDINGS)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int, name: str) -> bytes:
    """Its content, as far as it may go: what an archive says of its sizes is not believed."""
    if member.flag_bits & 1:
        raise BadInput(f"{name} is encrypted. Export it without a password.")
    most = min(MOST_DOCUMENT_BYTES, left)
    with archive.open(member) as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise BadInput(f"{name} unpacks to more than an export of recipes has ({member.filename[:80]!r}).")
    return content


def _refuse_large(file: IO[bytes], name: str) -> None:
    """Before anything of it is read: the table at its end alone may be larger than memory."""
    size = file.seek(0, os.SEEK_END)
    if size > MOST_ARCHIVE_BYTES:
        raise BadInput(f"{name} has more than {MOST_ARCHIVE_BYTES // MIB} MB.")
    tail_bytes = min(size, _END.size + 0xFFFF)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    file.seek(0)
    at = len(tail) - _END.size if tail[-_END.size :].startswith(_END_MARK) else tail.rfind(_END_MARK)
    if at < 0 or len(tail) < at + _END.size:
        raise BadInput(f"{name} is a zip that breaks off.")
    table_bytes = _END.unpack_from(tail, at)[5]
    if table_bytes > MOST_TABLE_BYTES:
        raise BadInput(f"{name} has more files in it than an export of recipes has.")
