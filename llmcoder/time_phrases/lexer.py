"""A phrase as tokens: words, numbers and signs, each with what it may be in a language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unicodedata import combining, normalize

from llmcoder.time_phrases.lexicon import SIGNS, Kinds, Language
from llmcoder.zones import zone_of

_DATE_TEXT, _TIME_TEXT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_STAMP_TEXT = rf"{_DATE_TEXT}(?:[tT]{_TIME_TEXT}(?:[zZ]|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
_ZONE_TEXT = r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+"
_PIECE = re.compile(rf"{_STAMP_TEXT}(?![\w:])|{_ZONE_TEXT}|[^\W\d_]+|\d+|\S")
_STAMP, _ZONE = re.compile(_STAMP_TEXT), re.compile(_ZONE_TEXT)
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "`": "'"})
#: Numbers of more digits name no time.
MOST_DIGITS = 5


@dataclass(frozen=True)
class Piece:
    """A word, a number or a sign as it is written, and as it is looked up.

    Attributes:
        glued: No space stands before it.
    """

    written: str
    folded: str
    glued: bool


@dataclass(frozen=True)
class Stamp:
    """A date as ISO 8601 writes it, with a time or without."""

    at: datetime
    timed: bool


@dataclass(frozen=True)
class Token:
    """One or more pieces that mean something together."""

    written: str
    kinds: Kinds
    glued: bool = False


def pieces(phrase: str) -> list[Piece]:
    """The phrase cut up; its apostrophes, and the dots of its abbreviations, are left out."""
    found: list[Piece] = []
    for chunk in normalize("NFKC", phrase).translate(_APOSTROPHES).split():
        for match in _PIECE.finditer(chunk):
            written, glued = match[0], match.start() > 0
            behind_a_word = glued and bool(found) and found[-1].folded[-1:].isalpha()
            if written in ".'" and behind_a_word:
                continue
            found.append(Piece(written, _folded(written), glued))
    return found


def _folded(text: str) -> str:
    return "".join(one for one in normalize("NFD", text.casefold()) if not combining(one))


def unknown(found: Sequence[Piece], language: Language) -> list[str]:
    """The words and signs of a phrase that the language has none for."""
    return [
        one.written
        for one in found
        if not (
            one.folded.isdecimal() or one.folded in SIGNS or language.knows(one.folded) or _special(one) is not None
        )
    ]


def tokens(found: Sequence[Piece], language: Language) -> list[Token]:
    """The phrase in a language that knows all its words; of several phrases that begin alike, the longest."""
    made: list[Token] = []
    at = 0
    while at < len(found):
        token, used = _token(found, at, language)
        made.append(token)
        at += used
    return made


def _token(found: Sequence[Piece], at: int, language: Language) -> tuple[Token, int]:
    first = found[at]
    special = _special(first)
    if special is not None:
        return Token(first.written, special, first.glued), 1
    if first.folded.isdecimal():
        return Token(first.written, _number(first.folded), first.glued), 1
    if first.folded in SIGNS:
        more = {"MONTHSLASH": True} if first.folded == "/" and language.month_first else {}
        return Token(first.written, {**SIGNS[first.folded], **more}, first.glued), 1
    for length in range(language.longest, 0, -1):
        words, used = _words(found, at, length)
        if len(words) == length and words in language.phrases:
            written = "".join((" " * (not one.glued)) + one.written for one in found[at : at + used]).strip()
            return Token(written, language.phrases[words], first.glued), used
    return Token(first.written, {}, first.glued), 1


def _words(found: Sequence[Piece], at: int, length: int) -> tuple[tuple[str, ...], int]:
    """The next so many words, and the pieces that they are: hyphens between them are none."""
    words: list[str] = []
    used = 0
    for number, one in enumerate(found[at:]):
        if one.folded == "-" and one.glued and words:
            continue
        words.append(one.folded)
        used = number + 1
        if len(words) == length:
            break
    return tuple(words), used


def _number(digits: str) -> dict[str, Any]:
    if len(digits) > MOST_DIGITS:
        return {}
    return {"INT": int(digits), f"INT{len(digits)}": int(digits)}


def _special(piece: Piece) -> Kinds | None:
    if _STAMP.fullmatch(piece.folded):
        try:
            return {"STAMP": Stamp(datetime.fromisoformat(piece.folded.upper()), "t" in piece.folded)}
        except ValueError:
            return {}
    if _ZONE.fullmatch(piece.written):
        try:
            return {"ZONE": zone_of(piece.written)}
        except ValueError:
            return None
    return None
