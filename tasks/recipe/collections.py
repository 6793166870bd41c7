"""Recipes as plain records: list, add, show, change, remove under /recipe/recipes."""

from __future__ import annotations

from llmcoder.declare.collection import Collection, Excerpt
from tasks.recipe.actions import add_recipe, change_recipe, remove_recipe
from tasks.recipe.records import NewRecipe, Recipe, RecipeChange
from tasks.recipe.store import RECIPES


def _excerpt(recipe: Recipe) -> Excerpt:
    """A user's own recipes; what everybody has says nothing of them."""
    if recipe.built_in:
        return Excerpt(recipe.title, "")
    lines = ", ".join(one.line for one in recipe.ingredients)
    return Excerpt(recipe.title, "\n".join([f"Ingredients: {lines}", *recipe.steps]))


recipes = Collection(
    "recipe/recipes", title="Recipes", new=NewRecipe, change=RecipeChange, item=Recipe, store=RECIPES,
    adds=add_recipe, changes=change_recipe, removes=remove_recipe, excerpt=_excerpt,
)  # fmt: skip
