"""A message taken apart into its parts, in bounded time and without raising for what stands in a header.

Mails are written by everybody's programs, and some by people who mean harm. The older, lenient parser of the standard
library is used on purpose; the newer one raises on headers that real mails have.
"""

from __future__ import annotations

import re
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import Compat32, Policy
from typing import cast

from llmcoder.media_types import named

#: As they stand in the mail. Those that say what a part is are taken apart often, by the square of their length.
LONGEST_RAW_HEADER_CHARS, LONGEST_RAW_PART_HEADER_CHARS = 50_000, 4_000
#: A message of more parts is not taken apart at all: each takes a kilobyte.
MOST_OBJECTS = 10_000
MOST_HEADERS = 2_000
LONGEST_HEAD_BYTES = 1_000_000

#: What mail boxes, archives and careless programs write above a mail.
_ABOVE = re.compile(rb"(?:[ \t]*\r?\n|>?From [^\n]*\n)+")
_FIELD = re.compile(rb"([!-9;-~]+)([ \t]*):")
_USUAL_FIELD = re.compile(
    rb"(?:from|to|cc|subject|date|reply-to|sender|message-id|in-reply-to|references|received|return-path|mime-version"
    rb"|(?:content|x|list|dkim|arc|thread|delivered)-[\w-]+)[ \t]*:",
    re.IGNORECASE,
)
_KIND = re.compile(r"\s*[\"']?([\w.+-]+(?:/[\w.+-]+)?)[\"']?\s*(?:\([^()]{0,200}\))?\s*", re.ASCII)
_PARAMETER = re.compile(r"[\w-]+[\w*-]*\s*=", re.ASCII)


class _Bounded(Compat32):
    """The lenient policy, which no header can keep busy; bytes that are no ASCII stay surrogates, see `headers.py`."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        of_part = name[:8].lower() == "content-"
        value = value[: LONGEST_RAW_PART_HEADER_CHARS if of_part else LONGEST_RAW_HEADER_CHARS]
        return name, _with_semicolon(value) if name.lower() in ("content-type", "content-disposition") else value

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


_POLICY = _Bounded()


def _with_semicolon(value: str) -> str:
    """`text/html charset=x`, `"text/html"; charset=x`, `text/html (a page)` and `html` as they should be written."""
    kind = _KIND.match(value)
    if kind is None:
        return value
    rest = value[kind.end() :]
    if rest and not rest.startswith(";"):
        rest = f"; {rest}" if _PARAMETER.match(rest) else rest[rest.find(";") :] if ";" in rest else ""
    return (kind[1] if "/" in kind[1] else named(kind[1]) or kind[1]) + rest


class Part(Message):
    """A message, or a part of one, without endless headers."""

    @property
    def content(self) -> list[Part] | str:
        """As it stands in the mail; what is public decodes it, by whatever charset is named."""
        found: list[Part] | str | None = self._payload  # type: ignore[attr-defined]  # not in typeshed
        return found or ""

    @property
    def is_multipart_type(self) -> bool:
        return self.get_content_maintype() == "multipart"

    def set_raw(self, name: str, value: str) -> None:
        if len(self) < MOST_HEADERS:
            super().set_raw(name, value)


def parsed(raw: bytes) -> Part:
    """Raises ValueError for more parts than anybody writes, RecursionError for deeper ones."""
    made = 0

    def part(policy: Policy = _POLICY) -> Part:
        nonlocal made
        made += 1
        if made > MOST_OBJECTS:
            raise ValueError("too many parts")
        return Part(policy)

    return cast("Part", BytesParser(part, policy=_POLICY).parsebytes(_repaired(raw)))


def header_alone(raw: bytes) -> Part:
    """The message's header, whatever its body is."""
    return cast("Part", BytesHeaderParser(Part, policy=_POLICY).parsebytes(_repaired(raw)))


def _repaired(raw: bytes) -> bytes:
    """A mail whose header is read to its end: without what stands above it, and with lines that were cut without a
    blank hung on those before them."""
    above = _ABOVE.match(raw)
    start = above.end() if above else 0
    end = _end_of_head(raw, start)
    lines = raw[start:end].splitlines(keepends=True)
    if not lines or not _FIELD.match(lines[0]) or len(lines) > MOST_HEADERS * 5:
        return raw
    last = max((number for number, line in enumerate(lines) if _USUAL_FIELD.match(line)), default=0)
    head = [_field(line) if number <= last else line for number, line in enumerate(lines)]
    return raw if head == lines and not start else b"".join([*head, raw[end:]])


def _end_of_head(raw: bytes, start: int) -> int:
    ends = (raw.find(blank, start, start + LONGEST_HEAD_BYTES) for blank in (b"\n\n", b"\n\r\n", b"\r\r"))
    return min((end for end in ends if end >= 0), default=min(len(raw), start + LONGEST_HEAD_BYTES))


def _field(line: bytes) -> bytes:
    if line[:1] in (b" ", b"\t") or (found := _FIELD.match(line)) is None:
        return line if line[:1] in (b" ", b"\t") else b" " + line
    return found[1] + line[found.end(1) + len(found[2]) :]
