"""Reads a response body within its caps, without ever holding more than them: a gzip of 1 MB can hold 1 GB. Pure.

httpx and requests decompress a whole network read at once, which is what makes such a bomb work.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

_STEP_BYTES = 256 * 1024
_MIB = 1024 * 1024
_GZIP_WBITS = zlib.MAX_WBITS | 16
_GZIP_MARK = b"\x1f\x8b\x08"
_INFLATED = ("gzip", "x-gzip", "deflate")
#: What a body may really be packed with, but for what is read here (IANA, HTTP Content Coding Registry). Another name
#: (none, utf-8, binary) is nobody's coding: such a body stands as it is, and browsers show it so.
_CODINGS = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "aes128gcm", "pack200-gzip"})


@dataclass(frozen=True)
class Body:
    """What was read.

    Attributes:
        pieces: Decoded bytes, never more than the cap.
        fault: Why they are not the whole body, as the end of a sentence that begins with the host; None when they are.
    """

    pieces: tuple[bytes, ...]
    fault: str | None


class _Cut(Exception):
    """The body ends here for us; the message is the fault."""


def read_body(chunks: Iterable[bytes], encoding: str, *, wire_bytes: int, decoded_bytes: int) -> Body:
    """Read and decode until the end or the first cap.

    Args:
        chunks: As they come from the network.
        encoding: The response's Content-Encoding.
        wire_bytes: Cap before decoding.
        decoded_bytes: Cap after it.
    """
    pieces: list[bytes] = []
    try:
        for piece in _capped(_decoded(_capped(chunks, wire_bytes, "sent"), encoding), decoded_bytes, "unpacked to"):
            pieces.append(piece)
    except _Cut as cut:
        return Body(tuple(pieces), str(cut))
    return Body(tuple(pieces), None)


def unpacked(body: bytes, decoded_bytes: int) -> Body:
    """What is in a body that is gzip although nobody said so; the body itself where it is none."""
    if not body.startswith(_GZIP_MARK):
        return Body((body,), None)
    return read_body([body], "gzip", wire_bytes=len(body), decoded_bytes=decoded_bytes)


def _capped(chunks: Iterable[bytes], cap_bytes: int, verb: str) -> Iterator[bytes]:
    left = cap_bytes
    for chunk in chunks:
        yield chunk[:left]
        if len(chunk) > left:
            raise _Cut(f"{verb} more than {cap_bytes / _MIB:g} MiB")
        left -= len(chunk)


def codings_of(encoding: str) -> list[str]:
    """What a Content-Encoding names that a body can be packed with; one that is no such thing is left out."""
    names = [part.strip().strip("\"'").lower() for part in encoding.split(",")]
    return [name for name in names if name in _CODINGS or name in _INFLATED]


def _decoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    layers = codings_of(encoding)
    if not layers:
        return chunks
    if len(layers) == 1 and layers[0] in _INFLATED:
        return _inflated(chunks, layers[0])
    return _refused(chunks, encoding)


def _refused(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    for _ in chunks:  # an answer without a body (HEAD, 304) may name any encoding
        raise _Cut(f"answered in the encoding {encoding[:40]!r}, which was not asked for")
    yield from ()


def _inflated(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Decompress in small steps up to the end of the first member; what follows it is not read, as in httpx."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= 2:
            break
    if not head:
        return
    gzip = encoding != "deflate" or head.startswith(_GZIP_MARK[:2])
    inflater = zlib.decompressobj(_GZIP_WBITS if gzip else _deflate_wbits(head))
    try:
        for data in chain([head], chunks):
            yield from _steps(inflater, data)
            if inflater.eof:
                return
        yield inflater.flush()
    except zlib.error as error:
        raise _Cut(f"sent a body that is not the {encoding} it claims to be") from error
    if not inflater.eof:
        raise _Cut(f"sent a body whose {encoding} breaks off")


def _steps(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while data and not inflater.eof:
        yield inflater.decompress(data, _STEP_BYTES)
        data = inflater.unconsumed_tail


def _deflate_wbits(head: bytes) -> int:
    """Some servers send raw deflate where the standard says zlib; the first two bytes tell them apart (RFC 1950)."""
    zlib_header = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS
