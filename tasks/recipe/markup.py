"""Texts of pages and exports as plain text: without tags, entities and blanks that nobody sees. Pure, and linear."""

from __future__ import annotations

import html
import re

from llmcoder.text import storable

# A tag has no < in it, so that looking for its end never begins anew; `< 30 minutes` is none.
_TAG = re.compile(r"<(?:[a-zA-Z][^<>]*|/[a-zA-Z][^<>]*|!--[^<>]*--|![a-zA-Z\[][^<>]*)/?>")
_BREAK = re.compile(r"<\s*(?:br|/p|/li|/div|/h[1-6]|/tr|li|p)\b[^<>]*>", re.IGNORECASE)
_INVISIBLE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What was escaped twice: a backslash and a letter instead of a line's end.
_ESCAPED_BREAK = re.compile(r"(?:\\r)?\\n(?![a-z])")
#: Entities that somebody escaped again, and again.
_MOST_UNESCAPED = 3
#: Longer texts are no part of a recipe.
LONGEST = 100_000


def plain(text: str) -> str:
    """One line of it."""
    return " ".join(_without_markup(text, " ").split())


def lines(text: str) -> list[str]:
    """Its lines, where it breaks them or its tags do; those with nothing in them are left out."""
    found = (" ".join(line.split()) for line in _without_markup(text, "\n").splitlines())
    return [line for line in found if any(char.isalnum() for char in line)]


def _without_markup(text: str, for_break: str) -> str:
    text = _ESCAPED_BREAK.sub("\n", text[:LONGEST])
    for _ in range(_MOST_UNESCAPED):
        once = html.unescape(text)
        if once == text:
            break
        text = once
    text = _TAG.sub(" ", _BREAK.sub(for_break, text))
    return storable(_INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
