"""How people spell a place, and which spellings are the same: case, accents, Umlauts, saints."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: Letters that fall apart into none with an accent.
_LETTERS = str.maketrans({
    "ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "-": " ", "’": "'", ".": "", "‐": " ",
    "–": " ", "‘": "'", "`": "'", "ð": "d", "þ": "th",
})  # fmt: skip
#: How the letters of an Umlaut are written where a keyboard has none, and a saint in short.
_UMLAUTS = (("ue", "u"), ("oe", "o"), ("ae", "a"))
_LONG_SAINT = re.compile(r"\b(saint|sankt|sint)\b")
_SAINT = re.compile(r"\b(saint|sankt|sint|st)\b")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def folded(text: str) -> str:
    """Without case, accents and hyphens, with single blanks."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())


def plain_letters(text: str) -> str:
    """The same in the letters of one width, without what nobody sees."""
    return "".join(one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one) != "Cf")


def words_of(text: str) -> list[str]:
    """Its words, without what separates them."""
    return _WORD.findall(text)


def in_short(name: str) -> str:
    """`St Louis`, for a folded `saint louis`; any other name as it is."""
    return _LONG_SAINT.sub("st", name)


def variants(name: str) -> Iterator[str]:
    """How else a name may be filed, in the order in which they count: a saint in short, an Umlaut without its dots."""
    if _SAINT.search(name):
        for saint in ("st", "saint", "sankt", "sint"):
            yield _SAINT.sub(saint, name)
    plain = name
    for written, letter in _UMLAUTS:
        plain = plain.replace(written, letter)
    yield plain
