"""Texts from elsewhere, made fit: for a database, for a line that people read. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Spaces, what has no width, fillers of scripts, the blank of Braille, selectors and tags: a text of these is none.
_SEEN = re.compile(
    "[^\\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
#: Stands for what was no character (Unicode's own choice).
REPLACEMENT = "\ufffd"


def is_seen(text: str) -> bool:
    """Whether a reader sees anything of it."""
    return _SEEN.search(text) is not None


def whole(text: str) -> str:
    """The text without halves of characters (lone surrogates), which JSON and UTF-16 may hold and UTF-8 cannot.

    Two halves that belong together become their character; one alone becomes U+FFFD.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def storable(text: str) -> str:
    """The text as every database takes it: whole, and without NUL."""
    return whole(text).replace("\0", "")


def one_line(text: str, longest: int, secrets: Collection[str] = ()) -> str:
    """Somebody else's words as part of a message: one line of what can be printed, cut where it gets long.

    Args:
        longest: Characters, without the ellipsis that then follows.
        secrets: What must not show, although the words quote it.
    """
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= longest else f"{line[:longest]}…"
