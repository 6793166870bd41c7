"""A recipe's content as it is kept: its lines understood, its change made, and what it is found by. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llmcoder.caseless import fold
from tasks.recipe.foods import STAPLES, rarest_first
from tasks.recipe.ingredients import IngredientLine, is_heading, read_line
from tasks.recipe.records import Ingredient, NewRecipe, RecipeChange

#: Words of one recipe that it is found by, each of at most so many letters.
MOST_WORDS = 300
LONGEST_WORD = 60
#: Of a term; a letter may become several where it is folded.
LONGEST_TERM = 100
_WORD = re.compile(r"\w[\w'’]*", re.UNICODE)

#: As JSON has it; without what is a column of its own.
Content = dict[str, Any]


def content_of(new: NewRecipe) -> Content:
    """What is kept of a new recipe."""
    content = new.model_dump(mode="json", exclude_defaults=True)
    return _completed({"ingredients": [], "steps": [], **content}, new.ingredients)


def changed(content: Content, change: RecipeChange) -> Content:
    """The content with the change made; the old is left as it was."""
    given = change.model_dump(mode="json", exclude_unset=True)
    lines = given.pop("ingredients", None)
    kept = {name: value for name, value in content.items() if name not in given}
    for name, value in given.items():
        if value is None and name in ("title", "steps"):
            kept[name] = content[name]
        elif value is not None:
            kept[name] = value
    if {"prep_minutes", "cook_minutes"} & set(given) and "minutes" not in given:
        kept.pop("minutes", None)
    return _completed(kept, lines)


def _completed(content: Content, lines: Sequence[str] | None) -> Content:
    if lines is not None:
        content["ingredients"] = understood(lines)
    parts = [content.get(name) for name in ("prep_minutes", "cook_minutes")]
    if content.get("minutes") is None and any(part is not None for part in parts):
        content["minutes"] = sum(part or 0 for part in parts)
    return content


def understood(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Lines with what is understood of them; a heading becomes the group of those after it."""
    group: str | None = None
    found: list[dict[str, Any]] = []
    for line in lines:
        if is_heading(line):
            group = line.strip().strip("*#=_ ").removesuffix(":").strip() or None
        else:
            found.append(as_ingredient(read_line(line), group).model_dump(mode="json", exclude_defaults=True))
    return found


def as_ingredient(read: IngredientLine, group: str | None = None) -> Ingredient:
    first = read.first
    amount = None if first is None or (read.to_taste and not first.scales) else first.amount
    return Ingredient(
        line=read.line,
        group=group,
        amount=None if amount is None else _number(amount.least),
        amount_max=None if amount is None or amount.most is None else _number(amount.most),
        unit=None if first is None else first.unit.code or None,
        food=read.food or None,
        keys=list(read.keys),
        note=read.note or None,
        scales=first is not None and first.scales,
    )


def _number(value: Any) -> float:
    return round(float(value), 3)


def foods_of(content: Content) -> list[str]:
    """What has to be there to cook it, the rarest first; what every kitchen has is left out."""
    optional = ("optional",)
    found = [
        key
        for one in content["ingredients"]
        if not any(word in one["line"].casefold() for word in optional)
        for key in one.get("keys", ())
    ]
    return [key for key in rarest_first(found) if key not in STAPLES]


@dataclass(frozen=True)
class Terms:
    """What a recipe is found by.

    Attributes:
        words: Folded, of its title, description, ingredients and tags.
        foods: Everything in it, staples too.
        needed: Of these, what must be there, the rarest first.
    """

    words: frozenset[str]
    foods: frozenset[str]
    needed: tuple[str, ...]
    tags: frozenset[str]
    diets: frozenset[str]


def tag_term(tag: str) -> str:
    """A tag as it is looked for: in any case."""
    return fold(tag)[:LONGEST_TERM]


def terms_of(content: Content) -> Terms:
    texts = [content["title"], *content.get("tags", ()), *(one["line"] for one in content["ingredients"])]
    texts += [content.get("description") or "", content.get("source_name") or "", content.get("author") or ""]
    words: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall(fold(text)):
            if len(words) < MOST_WORDS:
                words[word[:LONGEST_WORD]] = None
    diets = set(content.get("diets", ()))
    if "vegan" in diets:
        diets.add("vegetarian")
    return Terms(
        words=frozenset(words),
        foods=frozenset(key for one in content["ingredients"] for key in one.get("keys", ())),
        needed=tuple(foods_of(content)),
        tags=frozenset(map(tag_term, content.get("tags", ()))),
        diets=frozenset(diets),
    )
