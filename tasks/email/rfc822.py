"""A message's header as bytes: looked at and changed without touching anything else of the message.

Parsing and writing again would fold and encode anew what others wrote.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\A\r?\n")


def header_of(raw: bytes, name: str) -> str:
    """The value of the first header of that name, unfolded; empty where there is none."""
    for field, lines in _fields(_split(raw)[0]):
        if field == name.lower():
            value = b" ".join(line.strip() for line in lines.splitlines())
            return value.partition(b":")[2].strip().decode("utf-8", "replace")
    return ""


def with_header(raw: bytes, name: str, value: str) -> bytes:
    """With one more header, at the top."""
    return f"{name}: {value}\r\n".encode("ascii") + raw


def without_headers(raw: bytes, names: Collection[str]) -> bytes:
    """Without any header of these names."""
    unwanted = {name.lower() for name in names}
    head, rest = _split(raw)
    return b"".join(lines for field, lines in _fields(head) if field not in unwanted) + rest


def _split(raw: bytes) -> tuple[bytes, bytes]:
    """The header with the end of its last line, and what follows."""
    found = _BLANK_LINE.search(raw)
    if found is None:
        return raw, b""
    cut = found.start() + (found.end() - found.start()) // 2 if found.start() else 0
    return raw[:cut], raw[cut:]


def _fields(head: bytes) -> Iterator[tuple[str, bytes]]:
    """Name in lower case, and all lines of each field as they are; what is no field has no name."""
    name, lines = "", b""
    for line in head.splitlines(keepends=True):
        if lines and line[:1] in (b" ", b"\t"):
            lines += line
            continue
        if lines:
            yield name, lines
        found = _FIELD.match(line)
        name, lines = (found[1].decode("ascii").lower() if found else ""), line
    if lines:
        yield name, lines
