"""The text of a statement, piece by piece, in whatever encoding it came; and which format it is."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO

from llmcoder import charsets
from tasks.finance.statement import MIB, BadStatement, StatementFormat

HEAD_BYTES = 64 * 1024
#: What an encoding is told by: the pieces of the file that have more than ASCII in them, up to so much.
SAMPLE_BYTES = 256 * 1024
CHUNK_BYTES = 64 * 1024
_ASCII = frozenset(range(0x80))
#: The signs of money, a blank that does not break, and quotation marks, as Windows writes them in the West.
_SIGNS_ONLY = frozenset(b"\x80\x91\x92\x93\x94\x96\xa0\xa3\xa5")
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_WINDOWS_SIGNS = re.compile(rb"[\x80-\x9f]")
LONGEST_LINE = MIB

_OFX_CHARSET = re.compile(rb"CHARSET\s*[:=]\s*[\"']?([A-Za-z0-9_\-]{1,40})", re.IGNORECASE)
_OFX_ENCODING = re.compile(rb"ENCODING\s*[:=]\s*[\"']?(UTF-?8|UNICODE|UTF-?16)", re.IGNORECASE)
_CAMT = re.compile(r"camt\.05[234]|<(?:\w+:)?BkToCstmr", re.IGNORECASE)
_QIF = re.compile(r"^\s*!(?:Type|Account|Option|Clear)\b", re.IGNORECASE | re.MULTILINE)
_QIF_RECORDS = re.compile(
    r"^D[^\n]{4,12}\r?\n(?:[A-Z$%][^\n]*\n)*?T[-+\d][^\n]*\r?\n(?:[A-Z$%][^\n]*\n)*?\^", re.MULTILINE
)
_MT940 = re.compile(r"^:(?:20|25P?|28C?|6[0245][FM]?|61|86|NS):", re.MULTILINE)
#: What people send instead, by how it begins, and what to do then.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF. Banks offer the same as CSV, OFX, CAMT or MT940: export one of these"),
    (b"PK\x03\x04", "an archive or a workbook (zip, xlsx). Unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. Save the sheet as CSV"),
    (b"\x1f\x8b", "compressed (gzip). Unpack it first"),
    (b"{\\rtf", "a document of a word processor. Export a statement as CSV, OFX, CAMT or MT940"),
    (b"SQLite format 3", "a database. Export a statement as CSV, OFX, CAMT or MT940"),
)


def encoding_of(file: IO[bytes]) -> str:
    """The codec by which the file is read; it is left at its beginning."""
    head = file.read(HEAD_BYTES)
    _refuse_others(head)
    labels = [*_ofx_labels(head), *charsets.inner_labels(head[:2000], "text/xml")]
    sample = _sample(file, head)
    file.seek(0)
    if not labels and b"\0" not in sample and frozenset() < frozenset(sample) - _ASCII <= _SIGNS_ONLY:
        return "cp1252"  # too little for a detector, which takes the pound for a letter of Polish
    if not _is_utf8(sample):  # a template said so, and the program wrote what it always writes
        labels = [label for label in labels if charsets.codec_of(label) != "utf-8"]
    return _western(charsets.encoding_of(sample, *labels), sample)


def _western(codec: str, sample: bytes) -> str:
    """Which of those of the West it is.

    Nobody writes the sign for any currency, where another one has the euro; and what Windows has no letter for was
    written by DOS, as old programs of banks do.
    """
    if codecs.lookup(codec).name not in ("iso8859-1", "cp1252"):
        return codec
    if _NOT_WINDOWS.search(sample):
        return "cp850"
    return "iso8859-15" if b"\xa4" in sample and not _WINDOWS_SIGNS.search(sample) else codec


def _is_utf8(sample: bytes) -> bool:
    """But for a character that is cut at the end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _ofx_labels(head: bytes) -> list[str]:
    if b"OFXHEADER" not in head[:4000].upper():
        return []
    encoding, charset = _OFX_ENCODING.search(head[:4000]), _OFX_CHARSET.search(head[:4000])
    if encoding is not None:
        return ["utf-8" if encoding[1].upper() != b"UTF-16" else "utf-16"]
    label = charset[1].decode("ascii", "replace") if charset else ""
    return [] if label.upper() in ("", "NONE") else [f"cp{label}" if label.isdigit() else label]


def _sample(file: IO[bytes], head: bytes) -> bytes:
    """The head, and what further on is no ASCII."""
    if len(head) < HEAD_BYTES:
        return head
    found = [head]
    size = 0
    while size < SAMPLE_BYTES and (chunk := file.read(MIB)):
        if not chunk.isascii():
            found.append(_around(chunk))
            size += len(found[-1])
    return b"".join(found)


def _around(chunk: bytes) -> bytes:
    """The lines with other than ASCII, so that no character is cut."""
    lines = [line for line in chunk.split(b"\n")[1:-1] if not line.isascii()]
    return b"\n".join(lines)[:CHUNK_BYTES]


def _refuse_others(head: bytes) -> None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, what in _OTHERS:
        if head.startswith(mark) or start.startswith(mark):
            raise BadStatement(f"The file is {what}.")
    lower = start[:4000].lower()
    if lower.startswith((b"<!doctype html", b"<html")) or b"<html" in lower[:600]:
        raise BadStatement(
            "The file is a web page, such as a bank sends where the session has ended. Log in and export it again."
        )


def format_of(head: str) -> StatementFormat:
    """Which format it is, by how it begins; CSV where it is none of the others."""
    start = head.lstrip("\ufeff \t\r\n")
    upper = start.upper()
    if "OFXHEADER" in upper[:4000] or "<OFX>" in upper or "<STMTTRN>" in upper:
        return StatementFormat.OFX
    if _CAMT.search(start) and "<" in start[:2000]:
        return StatementFormat.CAMT
    if _QIF.match(start) or _QIF.search(start[:4000]) or _QIF_RECORDS.match(start):
        return StatementFormat.QIF
    if len(_MT940.findall(start)) >= 2 or _MT940.match(start):
        return StatementFormat.MT940
    if start.startswith("<"):
        raise BadStatement("The file is XML, but no statement: neither CAMT.052/053/054 nor OFX.")
    if start.startswith(("{", "[")) and '"' in start[:200]:
        raise BadStatement("The file is JSON, which is none of the formats of statements: OFX, QIF, CSV, CAMT, MT940.")
    if not start.strip():
        raise BadStatement("The file is empty.")
    return StatementFormat.CSV


def head_of(file: IO[bytes], codec: str) -> str:
    """The text at its beginning; the file is left there."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return codecs.getincrementaldecoder(codec)("replace").decode(head).removeprefix("\ufeff")


def chunks(file: IO[bytes], codec: str) -> Iterator[str]:
    """The text, in pieces of a bounded length."""
    decoder = codecs.getincrementaldecoder(codec)("replace")
    first = True
    while chunk := file.read(CHUNK_BYTES):
        text = decoder.decode(chunk)
        if first:
            text, first = text.removeprefix("\ufeff"), False
        yield text
    yield decoder.decode(b"", final=True)


def lines(file: IO[bytes], codec: str) -> Iterator[str]:
    """The lines without their ends, whichever these are.

    Raises:
        BadStatement: One is longer than any that a bank writes.
    """
    reader = io.TextIOWrapper(_Kept(file), encoding=codec, errors="replace", newline=None)  # type: ignore[type-var]
    count = 0
    while line := reader.readline(LONGEST_LINE):
        count += 1
        if len(line) >= LONGEST_LINE:
            raise BadStatement(f"Line {count} has more than {LONGEST_LINE:,} characters; no statement has such lines.")
        yield line.rstrip("\n").replace("\0", "").removeprefix("\ufeff")


class _Kept(io.RawIOBase):
    """A file that outlives the reader of its text."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def read1(self, size: int = -1) -> bytes:
        return self._file.read(CHUNK_BYTES if size < 0 else size)
