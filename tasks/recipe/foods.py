"""What food a line names, in one form: so that eggs, Eier and "2 large eggs, beaten" are one thing to buy. Pure.

A name that the table knows becomes its English key, in either language; any other is reduced to its words without
plurals and without what was done to it. Names that mean different things stay apart: coconut milk is no milk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from unicodedata import normalize

from llmcoder.caseless import fold

#: Longer ones are no foods.
LONGEST_KEY = 60

_ENDINGS_OF_ADJECTIVES = re.compile(r"(?:em|en|er|es|e)$")
#: What is at home wherever there is a kitchen: nobody has to say so.
STAPLES = frozenset({"salt", "water", "black pepper", "sugar", "oil", "olive oil"})

_FILE = Path(__file__).with_name("foods.txt")

_WORD = re.compile(r"[^\W\d_][\w'’-]*", re.UNICODE)
_SAID_BEFORE_HYPHEN = re.compile(r"(?<=\bbio)-|(?<=\bextra)-|(?<=\btk)-|(?<=\broom)-(?=temp)|(?<=%)-\w+", re.UNICODE)
_OTHER_THAN_S = ("ss", "us", "is")


@cache
def _lines() -> tuple[str, ...]:
    lines = (line.strip() for line in _FILE.read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def _names() -> Mapping[str, list[str]]:
    """Every key with its other names, the most common first."""
    parted = [line.partition(":") for line in _lines() if not line.startswith("+")]
    return MappingProxyType({key: [key, *names.split(",")] for key, _, names in parted})


@cache
def _table() -> Mapping[tuple[str, ...], str]:
    table: dict[tuple[str, ...], str] = {}
    for key, names in _names().items():
        for name in names:
            table.setdefault(_words(name), key)
    return MappingProxyType(table)


@cache
def _order() -> Mapping[str, int]:
    return MappingProxyType({key: place for place, key in enumerate(_names())})


def food_key(name: str) -> str:
    """The one form of a food's name; empty where it names none."""
    words = _words(name)
    if (known := _known(words)) is not None:
        return known
    bare = tuple(word for word in words if not _is_said_of_it(word)) or words
    return _known(bare) or " ".join(bare)[:LONGEST_KEY].strip()


def known_foods() -> list[str]:
    """The keys of the table, the most common first."""
    return list(_names())


def is_known(name: str) -> bool:
    """Whether the table has it."""
    words = _words(name)
    return _known(words) is not None or _known(tuple(word for word in words if not _is_said_of_it(word))) is not None


def is_only_said(name: str) -> bool:
    """Whether it names no food, and only says something of one: `boneless`, `frisch gemahlen`."""
    words = _words(name)
    return bool(words) and _known(words) is None and all(map(_is_said_of_it, words))


def _known(words: tuple[str, ...]) -> str | None:
    return _table().get(words)


def rarity(key: str) -> int:
    """How common a food is in recipes: the smaller, the rarer. One that the table does not know is the rarest."""
    place = _order().get(key)
    return 0 if place is None else len(_order()) - place


def rarest_first(keys: Iterable[str]) -> list[str]:
    return sorted(set(keys), key=lambda key: (rarity(key), key))


def _words(name: str) -> tuple[str, ...]:
    found = _WORD.findall(_parted(fold(name)))
    return tuple(_singular(_plain(word.strip("'’-"))) for word in found[:8] if word.strip("'’-"))


def _parted(name: str) -> str:
    """Where a hyphen joins what is said of a food to it, it is two words: `Bio-Zitrone`, `extra-virgin olive oil`."""
    name = name.replace("’", "'")
    return name.replace("-", " ") if name.count("-") > 2 else _SAID_BEFORE_HYPHEN.sub(" ", name)


def _plain(word: str) -> str:
    """Without accents, German umlauts as two letters: so that both spellings are one."""
    word = word.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    return "".join(char for char in normalize("NFD", word) if not 0x300 <= ord(char) <= 0x36F)


def _singular(word: str) -> str:
    """Without the plural endings of English and German; the same for both numbers, and no word that anybody reads."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("oes", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(_OTHER_THAN_S):
        return word[:-1]
    if len(word) > 4 and word.endswith("n") and word[-2] in "elr":
        return word[:-1]
    return word


def _is_said_of_it(word: str) -> bool:
    return word in _said() or (len(word) > 4 and _ENDINGS_OF_ADJECTIVES.sub("", word) in _said())


@cache
def _said() -> frozenset[str]:
    words = [fold(word) for line in _lines() if line.startswith("+") for word in line[1:].split()]
    return frozenset(form for word in words for form in (_plain(word), _singular(_plain(word))))
