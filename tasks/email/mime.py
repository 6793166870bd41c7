"""A message taken apart into its parts, in bounded time and without raising for what stands in a header.

Mails are written by everybody's programs, and some by people who mean harm. The older, lenient parser of the standard
library is used on purpose; the newer one raises on headers that real mails have.
"""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import Compat32, Policy
from typing import cast

#: As they stand in the mail. Those that say what a part is are taken apart often, by the square of their length.
LONGEST_RAW_HEADER_CHARS, LONGEST_RAW_PART_HEADER_CHARS = 50_000, 4_000
#: A message of more parts is not taken apart at all: each takes a kilobyte.
MOST_OBJECTS = 10_000
MOST_HEADERS = 2_000


class _Bounded(Compat32):
    """The lenient policy, which no header can keep busy; bytes that are no ASCII stay surrogates, see `headers.py`."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        of_part = name[:8].lower() == "content-"
        return name, value[: LONGEST_RAW_PART_HEADER_CHARS if of_part else LONGEST_RAW_HEADER_CHARS]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value


_POLICY = _Bounded()


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

    return cast("Part", BytesParser(part, policy=_POLICY).parsebytes(raw))


def header_alone(raw: bytes) -> Part:
    """The message's header, whatever its body is."""
    return cast("Part", BytesHeaderParser(Part, policy=_POLICY).parsebytes(raw))
