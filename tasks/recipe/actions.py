"""Recipes as actions, so that a schedule, a macro or an agent can keep and find them. Others stand in files beside.

A job's id is the id of the recipe it adds: an attempt that is run again finds it there and adds no second one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from tasks.recipe.cooking_actions import scale, suggest_recipes
from tasks.recipe.import_actions import import_file, import_page, undo_import
from tasks.recipe.records import NewRecipe, Recipe, RecipeChange, RecipeFilter
from tasks.recipe.shopping_actions import (
    add_to_shopping_list,
    list_shopping_lines,
    shopping_list,
    take_off_shopping_list,
)
from tasks.recipe.store import RECIPES

__all__ = [
    "add_to_shopping_list", "import_file", "import_page", "list_shopping_lines", "scale", "shopping_list",
    "suggest_recipes", "take_off_shopping_list", "undo_import",
]  # fmt: skip

TIMEOUT_S = 15.0
AN_ID = "01937b2e-7c00-7000-8000-000000000001"


class RecipeListing(RecipeFilter):
    """Which recipes are wanted."""

    limit: Number = Field(20, ge=1, le=100, description="Most recipes to return.", examples=[20])
    before: Cursor | None = Field(
        None, description="`next` of the page before, with the same filter and sort; left out, the first page."
    )


class RecipeChoice(Model):
    """Which recipe is meant."""

    recipe_id: UUID = Field(description="The recipe's id.", examples=[AN_ID])


class ChangedRecipe(RecipeChange):
    """Which recipe, and what to change of it; a field left out stays as it is."""

    recipe_id: UUID = Field(description="The recipe's id.", examples=[AN_ID])


class RecipeRestoration(Model):
    """Which recipe is to be what it was."""

    recipe_id: UUID = Field(description="The recipe's id.", examples=[AN_ID])
    revision: int = Field(
        ge=0, description="As it was in this revision; 0 is the first. The last 20 are kept.", examples=[0]
    )


class RemovedRecipe(Model):
    """A recipe that is gone."""

    removed: Recipe | None = Field(description="The recipe as it was; null when it was gone already.")


@action("recipe.restore_recipe", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def restore_recipe(which: RecipeRestoration, ctx: Context) -> Recipe:
    """Put a recipe back to what it was in an earlier revision, also one that was removed."""
    recipe = RECIPES.restore(ctx.user.id, which.recipe_id, which.revision, ctx.job_id)
    if recipe is None:
        raise NotFound(f"Nothing is known of revision {which.revision} of the recipe {which.recipe_id}.")
    return recipe


@action(
    "recipe.remove_recipe",
    effect=Effect.DESTROY,
    repeatable=True,
    undo=Undo(restore_recipe, lambda which, gone: _as_before(which.recipe_id, gone.removed)),
    timeout_s=TIMEOUT_S,
)
def remove_recipe(which: RecipeChoice, ctx: Context) -> RemovedRecipe:
    """Remove a recipe, or hide one that comes with the program.

    One that is gone already is no error: an attempt that is run again finds its work done.
    """
    return RemovedRecipe(removed=RECIPES.take(ctx.user.id, which.recipe_id))


@action(
    "recipe.add_recipe",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove_recipe, lambda new, recipe: RecipeChoice(recipe_id=recipe.id)),
    timeout_s=TIMEOUT_S,
)
def add_recipe(new: NewRecipe, ctx: Context) -> Recipe:
    """Keep a recipe of your own.

    To take one from a web page use recipe.import_page, from another program recipe.import_file.
    """
    return RECIPES.add(ctx.user.id, new, ctx.job_id)


@action(
    "recipe.change_recipe",
    effect=Effect.DESTROY,
    repeatable=True,
    undo=Undo(
        restore_recipe, lambda change, recipe: RecipeRestoration(recipe_id=recipe.id, revision=recipe.revision - 1)
    ),
    timeout_s=TIMEOUT_S,
)
def change_recipe(change: ChangedRecipe, ctx: Context) -> Recipe:
    """Change a recipe; a field left out stays as it is.

    What it was before is kept, and can be restored. One that comes with the program is changed for you alone.
    """
    given: dict[str, Any] = {name: getattr(change, name) for name in change.model_fields_set - {"recipe_id"}}
    recipe = RECIPES.change(ctx.user.id, change.recipe_id, RecipeChange(**given), ctx.job_id)
    if recipe is None:
        raise NotFound(f"You have no recipe {change.recipe_id}; it may have been removed.")
    return recipe


@action("recipe.list_recipes", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_recipes(wanted: RecipeListing, ctx: Context) -> Page[Recipe]:
    """List recipes by words, by what you have at home, by time, diet and tags."""
    return RECIPES.page(ctx.user.id, wanted.before, wanted.limit, wanted)


def _as_before(recipe_id: UUID, removed: Recipe | None) -> RecipeRestoration:
    return RecipeRestoration(recipe_id=recipe_id, revision=0 if removed is None else removed.revision)
