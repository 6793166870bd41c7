"""The recipes that come with the program, in everybody's collection without a row of anybody's.

They stand in `built_in.md`. A user who changes one gets an own row with its id, one who removes it a note of that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from llmcoder.caseless import fold
from tasks.recipe.contents import Content, Terms, content_of, terms_of
from tasks.recipe.records import NewRecipe

_FILE = Path(__file__).with_name("built_in.md")
#: Before anybody had a recipe: where the newest come first, these come last.
WRITTEN_AT = datetime(2020, 1, 1, tzinfo=UTC)
_FACTS = re.compile(r"^(\w+): (.*)$")
_STEP = re.compile(r"^\d+\. (.*)$")


@dataclass(frozen=True)
class BuiltIn:
    """One of them.

    Attributes:
        id: For ever: made of its title, and of its place in the file, so that a new one stands at the end.
    """

    id: UUID
    content: Content
    terms: Terms

    @property
    def title_key(self) -> str:
        return fold(self.content["title"])[:200]


@cache
def built_ins() -> Mapping[UUID, BuiltIn]:
    """All of them by their ids; read with the first that is asked for."""
    found = {}
    for place, text in enumerate(re.split(r"^# ", _FILE.read_text("utf-8"), flags=re.MULTILINE)[1:]):
        new = _read(text)
        content = content_of(new)
        recipe = BuiltIn(_id(place, new.title), content, terms_of(content))
        found[recipe.id] = recipe
    return found


def _read(text: str) -> NewRecipe:
    title, *lines = text.strip().splitlines()
    given: dict[str, Any] = {"title": title, "ingredients": [], "steps": [], **dict(_facts(lines))}
    for line in lines:
        if line.startswith("- "):
            given["ingredients"].append(line[2:])
        elif line.endswith(":") and not _FACTS.match(line):
            given["ingredients"].append(line)
        elif (step := _STEP.match(line)) is not None:
            given["steps"].append(step[1])
        elif line.startswith("> "):
            given["description"] = line[2:]
    return NewRecipe.model_validate(given)


def _facts(lines: list[str]) -> Iterator[tuple[str, Any]]:
    names = {"servings": "servings", "prep": "prep_minutes", "cook": "cook_minutes", "total": "minutes"}
    for line in lines:
        if (fact := _FACTS.match(line)) is not None:
            name, value = fact[1], fact[2]
            if name in ("tags", "diets"):
                yield name, [one.strip() for one in value.split(",")]
            else:
                yield names.get(name, name), int(value) if name in names else value


def _id(place: int, title: str) -> UUID:
    """A UUIDv7 of that time (RFC 9562, 5.7), its random part made of the title."""
    at_ms = int(WRITTEN_AT.timestamp() * 1000) + place
    random = int.from_bytes(hashlib.sha256(title.encode()).digest()[:10], "big")
    value = at_ms << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=value)
