"""What recipes have to say in a digest: what could be cooked."""

from __future__ import annotations

from llmcoder.declare.digest import Part

RECIPES = Part(
    "recipes",
    "Something to cook",
    action="recipe.suggest_recipes",
    given=lambda span: {"count": 3 if (span.until - span.now).days <= 1 else 7},
    pick="items[].{text: title, detail: description}",
)
