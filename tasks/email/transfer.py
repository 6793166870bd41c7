"""The bytes of a part, out of the ASCII that carries them: base64, quoted-printable, and what programs make of these.

Pure; what is broken gives what is left of it.
"""

from __future__ import annotations

import binascii
import re

from tasks.email.mime import Part

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BREAKS = b"= \r\n\t"
_NO_LETTERS = bytes(set(range(256)) - set(_LETTERS))
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_LINE = re.compile(rb"[A-Za-z0-9+/_-]*[A-Za-z0-9+/]={0,3}\Z")
_WORDS_APART = re.compile(rb"\S +\S")
#: What is shorter than this may be a word.
SHORTEST_CHUNK = 20
#: Ends of base64 in one text.
MOST_ENDS = 1_000
SAMPLE_BYTES = 100_000
_CUT_ESCAPE = re.compile(rb"=[0-9A-Fa-f]?\Z")
#: Blanks that were added on the way (RFC 2045, 6.7).
_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")
_UUENCODED = ("x-uuencode", "uuencode", "uue", "x-uue")


def encoding_of(part: Part) -> str:
    """How a part is encoded, in lower case: `base64`, `quoted-printable`, or anything that means as it is."""
    return re.split(r"[;(\s\"']", str(part.get("content-transfer-encoding", "")).strip(" \t\r\n\"';"), maxsplit=1)[
        0
    ].lower()


def content_of(part: Part) -> bytes:
    """What a part without parts holds."""
    encoding = encoding_of(part)
    if encoding in _UUENCODED:
        found = part.get_payload(decode=True)
        return found if isinstance(found, bytes) else b""
    content = part.content
    return unpacked(content.encode("ascii", "surrogateescape"), encoding) if isinstance(content, str) else b""


def unpacked(content: bytes, encoding: str) -> bytes:
    if encoding in ("quoted-printable", "quoted_printable", "quotedprintable", "qp"):
        return binascii.a2b_qp(_SOFT_BREAK.sub(b"=", content[:-2]) + _CUT_ESCAPE.sub(b"", content[-2:]))
    if encoding in ("base64", "b", "base-64"):
        return _of_base64(content)
    return content


def _of_base64(content: bytes) -> bytes:
    """The content, and what was written below it or instead of it: lists add their footers to what they do not read."""
    if not content.translate(None, _LETTERS + b"-_=\r\n\t") and not re.search(rb"^[-_]+\s*$", content[-2_000:], re.M):
        return unbase64(content)
    lines = content.splitlines(keepends=True)
    end = _end_of_base64(lines)
    encoded, rest = b"".join(lines[:end]), b"".join(lines[end:])
    if _mostly_base64(rest):  # nothing but a sign that got in
        return unbase64(content)
    if len(encoded.strip()) < SHORTEST_CHUNK:
        return content
    return unbase64(encoded) + b"\n\n" + rest.lstrip(b"\r\n")


def _end_of_base64(lines: list[bytes]) -> int:
    """The number of lines that are base64; behind its end only what is long enough begins it anew."""
    ended = False
    for number, line in enumerate(lines):
        text = line.strip()
        if text and (_LINE.match(text) is None or (ended and len(text) < SHORTEST_CHUNK and text[-1:] != b"=")):
            return number
        ended = text.endswith(b"=") if text else ended
    return len(lines)


def _mostly_base64(content: bytes) -> bool:
    """Whether what does not belong there are single signs: words have spaces between them."""
    sample = content[:SAMPLE_BYTES]
    foreign = len(sample.translate(None, _LETTERS + _BREAKS)) + len(_WORDS_APART.findall(sample))
    return foreign * 20 <= len(sample)


def unbase64(content: bytes) -> bytes:
    """What base64 says as far as it goes: whatever is none left out, pieces that end each for itself joined."""
    if b"-" in content or b"_" in content:
        content = content.translate(_URL_SAFE)
    body = content.rstrip(_BREAKS)
    return b"".join(_of_piece(piece) for piece in body.split(b"=", MOST_ENDS))


def _of_piece(piece: bytes) -> bytes:
    letters = piece.translate(None, _NO_LETTERS)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
