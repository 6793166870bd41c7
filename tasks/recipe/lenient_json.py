"""Reads JSON that no reader takes: with quotes, commas, brackets and values missing, or too many. Pure, linear.

Only for what strict readers refuse. A quote ends a text where something follows that may follow a text; so
`"Use a 9" pan, "slowly"."` is one text. What breaks off ends where it breaks off.
"""

from __future__ import annotations

import re
from typing import Any

DEEPEST = 60
_SPACE = re.compile(r"\s*")
_QUOTES = {'"': '"', "'": "'", "“": '“”"', "”": '“”"'}
_STOP = re.compile(r"[\"'“”\\]")
_SCALAR = re.compile(r"[^\s,:{}\[\]\"'“”]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.?))", re.DOTALL)
_ESCAPED = {"b": " ", "f": " ", "n": "\n", "r": "\r", "t": "\t"}
#: What may follow a text: the end of what it is in, or a comma and the next thing.
_AFTER_KEY = re.compile(r"\s*:")
_AFTER_VALUE = re.compile(
    r"\s*(?:[}\]]|$|,\s*(?:[\"'“”{}\[\],]|true\b|false\b|null\b|[A-Za-z_]\w{0,40}\s*:|-?\d[\d.]*\s*[,\]}]|$)|\n\s*[\"{\[])",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "True": True, "False": False}


def read_leniently(text: str, at: int = 0) -> tuple[Any, int]:
    """The value that begins there, and where it ends.

    Raises:
        ValueError: It is nested too deeply.
    """
    return _value(text, at, 0)


def _skip(text: str, at: int, more: str = "") -> int:
    while True:
        found = _SPACE.match(text, at)
        at = at if found is None else found.end()
        if at < len(text) and text[at] in more:
            at += 1
        else:
            return at


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    at = _skip(text, at)
    char = text[at : at + 1]
    if char == "{":
        return _object(text, at + 1, depth)
    if char == "[":
        return _array(text, at + 1, depth)
    if char and char in _QUOTES:
        return _string(text, at, _AFTER_VALUE)
    word = _SCALAR.match(text, at)
    if word is None:
        return None, at
    return _scalar(word[0]), word.end()


def _scalar(word: str) -> Any:
    if _NUMBER.fullmatch(word) is not None and len(word) < 100:
        if re.match(r"-?0\d", word):
            return word
        return int(word) if word.lstrip("-").isdigit() else float(word)
    return _WORDS.get(word)  # null, None, undefined, NaN and whatever else is nothing


def _object(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while True:
        at = _skip(text, at, ",;")
        char = text[at : at + 1]
        if char in ("", "}", "]"):
            return found, at + (char == "}")
        if char in _QUOTES:
            key, at = _string(text, at, _AFTER_KEY)
        else:
            word = _SCALAR.match(text, at)
            key, at = (text[at], at + 1) if word is None else (word[0], word.end())
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            continue
        at = _skip(text, at + 1)
        value, at = (None, at) if text[at : at + 1] in (",", "}", "]") else _value(text, at, depth + 1)
        found.setdefault(key, value)


def _array(text: str, at: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    while True:
        at = _skip(text, at, ",;:")
        char = text[at : at + 1]
        if char in ("", "}", "]"):
            return found, at + (char == "]")
        value, at = _value(text, at, depth + 1)
        found.append(value)


def _string(text: str, at: int, after: re.Pattern[str]) -> tuple[str, int]:
    """Up to a quote after which something comes that may follow; else up to the end."""
    closing = _QUOTES[text[at]]
    start = at = at + 1
    while (stop := _STOP.search(text, at)) is not None:
        at = stop.end()
        if stop[0] == "\\":
            at += 1
        elif stop[0] in closing and after.match(text, at) is not None:
            return _unescaped(text[start : stop.start()]), at
    return _unescaped(text[start:]), len(text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text)
