"""The words of one language, each with what it may be. A word may be several things: `sept` is seven and September."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any

#: (kind, value, the words for it). Words of one phrase are joined by `_`; case, accents and hyphens do not count.
Entry = tuple[str, Any, str]
Kinds = Mapping[str, Any]

#: Signs that mean the same in each language.
SIGNS: Mapping[str, Kinds] = {
    ",": {"COMMA": True}, ":": {"COLON": True}, ".": {"DOT": True}, "/": {"SLASH": True},
    "-": {"DASH": True, "TO": True}, "–": {"DASH": True, "TO": True}, "@": {"AT": True}, "&": {"AND": True},
}  # fmt: skip


@dataclass(frozen=True)
class Language:
    """A language.

    Attributes:
        phrases: What the words of a phrase may be together.
        longest: Words of the longest phrase.
        month_first: Whether some who speak it write 12/24 for the 24th of December.
        examples: Three phrases that are understood.
    """

    name: str
    phrases: Mapping[tuple[str, ...], Kinds]
    longest: int
    month_first: bool
    examples: tuple[str, str, str]

    def knows(self, word: str) -> bool:
        return word in self._words

    @property
    def _words(self) -> frozenset[str]:
        return _words_of(self.name, self.phrases)


def numbered(kind: str, words: str, first: int = 1) -> list[Entry]:
    """The numbers from the first on, a word each; `/` stands between the forms of one, and `-` for one without."""
    named = ((number, forms.replace("/", " ")) for number, forms in enumerate(words.split(), first) if forms != "-")
    return [(kind, number, forms) for number, forms in named]


_KNOWN: dict[str, frozenset[str]] = {}


def _words_of(name: str, phrases: Mapping[tuple[str, ...], Kinds]) -> frozenset[str]:
    if name not in _KNOWN:
        _KNOWN[name] = frozenset(word for phrase in phrases for word in phrase)
    return _KNOWN[name]


def language(
    name: str, entries: Iterable[Entry], examples: tuple[str, str, str], *, month_first: bool = False
) -> Language:
    """The language of these entries, and of what all languages share."""
    phrases: dict[tuple[str, ...], dict[str, Any]] = {}
    for kind, value, words in [*_shared(), *entries]:
        for word in words.split():
            phrases.setdefault(tuple(word.split("_")), {})[kind] = value
    return Language(name, phrases, max(map(len, phrases)), month_first, examples)


#: Fixed offsets in hours: those of RFC 5322, section 4.3, and of Europe. What has several meanings (IST, BST) is none.
ZONES: Mapping[str, int] = {
    "utc": 0, "gmt": 0, "z": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
    "wet": 0, "west": 1, "cet": 1, "mez": 1, "cest": 2, "mesz": 2, "eet": 2, "eest": 3,
}  # fmt: skip
#: What is written alike in each language.
SHARED: tuple[Entry, ...] = (
    ("OCLOCK", True, "h"), ("HOURSIGN", True, "h"),
    ("UNIT", "hour", "h"), ("UNIT", "minute", "min m"), ("UNIT", "second", "s sec"),
)  # fmt: skip


def _shared() -> list[Entry]:
    return [*SHARED, *(("ZONE", timezone(timedelta(hours=hours)), name) for name, hours in ZONES.items())]
