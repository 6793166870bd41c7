"""Texts from elsewhere, made fit: for a database, for a line that people read. Pure."""

from __future__ import annotations

from collections.abc import Collection

#: Stands for what was no character (Unicode's own choice).
REPLACEMENT = "\ufffd"


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
