"""Bytes of mails as text, and which of it can be seen. Pure."""

from __future__ import annotations

import re

from llmcoder.text import REPLACEMENT, is_seen, whole

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: What is written by who does not know what it is in.
_UNSAID = {"us-ascii", "ascii", "ansi_x3.4-1968", "iso-ir-6", "646", "iso646-us"}
#: Seven bits may stand for other letters than ASCII's: ISO-2022, HZ, UTF-7, UTF-16.
_OTHER_THAN_ASCII = re.compile(rb"\x1b|\+|~\{|\x0e|\x00")


def clean(text: str) -> str:
    """Without control characters and halves of characters, which no database and no JSON takes."""
    return whole(_CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def has_letters(text: str) -> bool:
    """Whether a reader sees anything of it."""
    return is_seen(text)


def of_bytes(content: bytes, *labels: str | None) -> str:
    """A text by the first charset that is known, and that it can be in: many mails lie about it.

    Args:
        labels: As its part and its HTML say.
    """
    from llmcoder.charsets import decode

    if content.isascii() and not _OTHER_THAN_ASCII.search(content):
        return content.decode("ascii")
    return decode(content, *_believable(content, labels))


def of_few_bytes(content: bytes, *labels: str | None) -> str:
    """As `of_bytes` for a header: too short to tell by its letters what it is in, so Western Europe's where nobody
    says."""
    from llmcoder.charsets import codec_of, decode

    if content.isascii() and not _OTHER_THAN_ASCII.search(content):
        return content.decode("ascii")
    believed = [one for one in _believable(content, labels) if codec_of(one)]
    if not believed and _is_utf8(content):
        return decode(content, "utf-8")
    return decode(content, *believed, "windows-1252")


def _believable(content: bytes, labels: tuple[str | None, ...]) -> list[str]:
    from llmcoder.charsets import codec_of

    named = [one.strip(" \t\"';") for one in labels if one]
    said = [one for one in named if one.lower() not in _UNSAID]
    return [one for one in said if codec_of(one) != "utf-8" or _is_utf8(content)]


def _is_utf8(content: bytes) -> bool:
    """Whether it is that but for some bytes."""
    try:
        content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        wrong = text.count(REPLACEMENT)
        right = sum(1 for _ in re.finditer("[^\x00-\x7f\ufffd]", text))
        return right >= wrong
    return True
