"""Patterns of tokens: a grammar as tables, each row a sequence of kinds and what it means.

    Row("ON? THE? NEXT? WD", lambda b: ...)

An item is a kind (`WD`), several of which one will do (`AM|PM`), or another table (`<clock>`); `?` behind it says that
it may be missing, `~` before it that no space may stand before it, and `name=` before it under which name its value
is bound, if not under its kind. Every way to read the tokens is tried, so that a phrase of two meanings is seen to
have two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from llmcoder.time_phrases.lexer import Token

Bound = Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """One item of a pattern."""

    name: str
    kinds: tuple[str, ...]
    optional: bool
    glued: bool


@dataclass(frozen=True)
class Row:
    """A pattern, and what it means: None where these values mean nothing together."""

    pattern: str
    meaning: Callable[[Bound], Any]

    @cached_property
    def items(self) -> tuple[Item, ...]:
        return tuple(_item(text) for text in self.pattern.split())


Tables = Mapping[str, Sequence[Row]]


def _item(text: str) -> Item:
    text, optional = text.removesuffix("?"), text.endswith("?")
    name, _, kinds = text.rpartition("=")
    glued, kinds = kinds.startswith("~"), kinds.removeprefix("~")
    return Item(name, tuple(kinds.split("|")), optional, glued)


@dataclass
class Matcher:
    """Reads tokens by tables.

    Attributes:
        furthest: The first token that no reading so far could use.
    """

    tokens: Sequence[Token]
    tables: Tables
    furthest: int = 0
    _seen: dict[tuple[str, int], list[tuple[int, Any]]] = field(default_factory=dict)

    def read(self, table: str, at: int) -> list[tuple[int, Any]]:
        """Every reading of a table from there: where it ends, and what it means."""
        key = (table, at)
        if key not in self._seen:
            self._seen[key] = []  # a table that begins with itself finds nothing
            found: list[tuple[int, Any]] = []
            for reading in self._rows(table, at):
                if reading not in found:  # two ways to one meaning, told apart, would double with each part of a list
                    found.append(reading)
            self._seen[key] = found
        return self._seen[key]

    def _rows(self, table: str, at: int) -> Iterator[tuple[int, Any]]:
        for row in self.tables[table]:
            for end, bound in self._items(row.items, 0, at, {}):
                value = row.meaning(bound)
                if value is not None and end > at:
                    yield end, value

    def _items(self, items: Sequence[Item], number: int, at: int, bound: dict[str, Any]) -> Iterator[tuple[int, Bound]]:
        if number == len(items):
            yield at, bound
            return
        item = items[number]
        for end, kind, value in self._one(item, at):
            yield from self._items(items, number + 1, end, {**bound, item.name or kind: value})
        if item.optional:
            yield from self._items(items, number + 1, at, bound)

    def _one(self, item: Item, at: int) -> Iterator[tuple[int, str, Any]]:
        for kind in item.kinds:
            if kind.startswith("<"):
                yield from ((end, kind, value) for end, value in self.read(kind, at))
            elif at < len(self.tokens) and kind in self.tokens[at].kinds:
                if item.glued and not self.tokens[at].glued:
                    continue
                self.furthest = max(self.furthest, at + 1)
                yield at + 1, kind, self.tokens[at].kinds[kind]
