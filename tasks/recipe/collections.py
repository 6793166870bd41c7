"""Recipes as plain records: list, add, show, change, remove under /recipe/recipes."""

from __future__ import annotations

from llmcoder.declare.collection import Collection
from tasks.recipe.actions import add_recipe, change_recipe, remove_recipe
from tasks.recipe.records import NewRecipe, Recipe, RecipeChange
from tasks.recipe.store import RECIPES

recipes = Collection(
    "recipe/recipes", title="Recipes", new=NewRecipe, change=RecipeChange, item=Recipe, store=RECIPES,
    adds=add_recipe, changes=change_recipe, removes=remove_recipe,
)  # fmt: skip
