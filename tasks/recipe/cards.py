"""The cards that recipes have on pages which say nothing of them for machines: by the class names of their plug-ins.

h-recipe and its forerunner (https://microformats.org/wiki/h-recipe), WP Recipe Maker, Tasty Recipes, Mediavine Create,
EasyRecipe, Recipe Card Blocks, Cooked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from tasks.recipe.facts import minutes_of, servings_of
from tasks.recipe.markup import lines, plain
from tasks.recipe.records import MOST_LINES

if TYPE_CHECKING:
    from lxml.html import HtmlElement  # type: ignore[import-untyped]

_ROOTS = frozenset(
    (
        "h-recipe", "hrecipe", "wprm-recipe-container", "wprm-recipe", "tasty-recipes", "mv-create-card", "easyrecipe",
        "recipe-card", "wp-block-wpzoom-recipe-card-block-recipe-card", "cooked-recipe", "cooked-recipe-info",
    )
)  # fmt: skip
#: Of each, the first class that says anything counts.
_CLASSES: dict[str, tuple[str, ...]] = {
    "title": (
        "p-name", "fn", "wprm-recipe-name", "tasty-recipes-title", "mv-create-title", "ERSName", "recipe-card-title",
    ),
    "ingredients": (
        "p-ingredient", "wprm-recipe-ingredient-group", "wprm-recipe-ingredient", "tasty-recipes-ingredients",
        "tasty-recipe-ingredients", "mv-create-ingredients", "ingredients-list", "cooked-single-ingredient",
        "ingredient",
    ),
    "steps": (
        "e-instructions", "wprm-recipe-instruction-group", "wprm-recipe-instruction-text", "tasty-recipes-instructions",
        "tasty-recipe-instructions", "mv-create-instructions", "directions-list", "cooked-single-direction",
        "instructions", "instruction",
    ),
    "yields": (
        "p-yield", "wprm-recipe-servings-with-unit", "wprm-recipe-servings", "tasty-recipes-yield", "mv-create-yield",
        "yield",
    ),
    "minutes": (
        "dt-duration", "wprm-recipe-total_time", "wprm-recipe-total-time-container", "tasty-recipes-total-time",
        "mv-create-time-total", "duration",
    ),
    "prep_minutes": (
        "wprm-recipe-prep_time", "wprm-recipe-prep-time-container", "tasty-recipes-prep-time", "mv-create-time-prep",
        "preptime",
    ),
    "cook_minutes": (
        "wprm-recipe-cook_time", "wprm-recipe-cook-time-container", "tasty-recipes-cook-time", "mv-create-time-active",
        "cooktime",
    ),
    "description": (
        "p-summary", "wprm-recipe-summary", "tasty-recipes-description-body", "mv-create-description", "summary",
    ),
    "author": ("p-author", "wprm-recipe-author", "tasty-recipes-author-name", "author"),
}  # fmt: skip
_HEADINGS = frozenset(("h2", "h3", "h4", "h5", "h6"))
_HEADING_CLASS = re.compile(r"group-name|group-title|section-heading|cooked-heading")
_OWN_HEADING = re.compile(
    r"(?:the )?(?:ingredients?|instructions?|directions?|method|steps|preparation|zutaten|zubereitung|anleitung"
    r"|ingrédients|préparation|ingredientes|preparación|ingredienti|preparazione|ingrediënten|bereiding)[:.]?",
    re.IGNORECASE,
)
_BOX = re.compile(r"^[▢□☐☑✓\s]+")


def read_card(root: HtmlElement) -> dict[str, Any]:
    """What it takes to add the first recipe that has a card (`NewRecipe`); nothing where none has."""
    for card in root.iter():
        if isinstance(card.tag, str) and _classes(card) & _ROOTS:
            found = _of_card(card)
            if found.get("ingredients"):
                return found
    return {}


def _classes(element: HtmlElement) -> set[str]:
    return set((element.get("class") or "").split())


def _of_card(card: HtmlElement) -> dict[str, Any]:
    by_class: dict[str, list[HtmlElement]] = {}
    for one in card.iter():
        if isinstance(one.tag, str):
            for name in _classes(one):
                by_class.setdefault(name, []).append(one)
    found: dict[str, Any] = {}
    for name, classes in _CLASSES.items():
        for elements in (by_class[one] for one in classes if one in by_class):
            value = _read(name, elements)
            if value not in (None, "", [], {}):
                found[name] = value
                break
    yields = found.pop("yields", None)
    servings = None if yields is None else servings_of(yields)
    return found if servings is None else {**found, "servings": servings, "yields": yields[:300]}


def _read(name: str, elements: list[HtmlElement]) -> Any:
    if name in ("ingredients", "steps"):
        return list(islice((line for element in _outermost(elements) for line in _lines_of(element)), MOST_LINES))
    first = elements[0]
    text = plain(first.get("datetime") or first.get("value") or first.text_content())
    return minutes_of(text.partition(":")[2] or text) if name.endswith("minutes") else text


def _outermost(elements: list[HtmlElement]) -> Iterator[HtmlElement]:
    """Without those within another of them, which has their lines."""
    inner: set[HtmlElement] = set()
    for element in elements:
        if element not in inner:
            inner.update(element.iterdescendants())
            yield element


def _lines_of(element: HtmlElement) -> Iterator[str]:
    """One for each item of a list, with the headings between; where it has no list, as its tags break it."""
    items = [one for one in element.iter() if one is not element and isinstance(one.tag, str) and _is_part(one)]
    if not any(one.tag == "li" for one in items):
        yield from ([_text(element)] if element.tag == "li" else map(_unboxed, _broken_lines(element)))
        return
    for one in items:
        text = _text(one)
        if one.tag == "li":
            yield from [text] if text else []
        elif text and _OWN_HEADING.fullmatch(text) is None:
            yield f"{text.rstrip(':')}:"


def _is_part(element: HtmlElement) -> bool:
    if element.tag == "li":
        return next((one for one in element.iter("li") if one is not element), None) is None
    return element.tag in _HEADINGS or _HEADING_CLASS.search(element.get("class") or "") is not None


def _text(element: HtmlElement) -> str:
    return _unboxed(plain(element.text_content()))


def _unboxed(line: str) -> str:
    """Without the box in which one ticks it off."""
    return _BOX.sub("", line)


def _broken_lines(element: HtmlElement) -> list[str]:
    from lxml.html import tostring

    return lines(tostring(element, encoding="unicode", with_tail=False))
