"""What is done with recipes on the day: scale one, and choose one."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from llmcoder import BadInput, Context, Effect, Model, NotFound, action
from llmcoder.declare.filter import NO_BOOL, Number
from llmcoder.zones import zone_of
from models.accounts import preferences
from models.db.database import database, reading
from tasks.recipe.records import MOST_MISSING, Diet, Food, Recipe, RecipeFilter
from tasks.recipe.scaling import UnitSystem, scale_line
from tasks.recipe.store import RECIPES

MOST_TIMES = 1_000
CHOSEN_FROM = 200


class Scaling(Model):
    """Which recipe, and for how many."""

    recipe_id: UUID = Field(description="The recipe's id.", examples=["01937b2e-7c00-7000-8000-000000000001"])
    servings: float | None = Field(
        None, gt=0, le=10_000, description="For so many people or pieces. Give this or `factor`.", examples=[6]
    )
    factor: float | None = Field(None, gt=0, le=MOST_TIMES, description="Instead: so many times as much.")
    units: UnitSystem = Field(
        "as_written",
        description="`metric` writes cups and ounces as ml and g, `us` the other way round; spoons stay spoons.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.servings is None) == (self.factor is None):
            raise ValueError("give `servings` or `factor`, and not both")
        return self


class ScaledIngredient(Model):
    """A line for another number of people."""

    line: str = Field(description="As the recipe has it.")
    text: str = Field(description="The same with the new amounts.")
    group: str | None = Field(None, description="The part of the dish that it is for.")
    amount: float | None = Field(None, description="How much; the least of a range.")
    amount_max: float | None = Field(None, description="The most of a range.")
    unit: str | None = Field(None, description="Of the amount; null for whole things.")
    scaled: bool = Field(description="False where nothing changed: a pinch, a size, an amount that is not said.")


class ScaledRecipe(Model):
    """A recipe for another number of people."""

    recipe_id: UUID = Field(description="The recipe.")
    title: str = Field(description="What it is called.")
    factor: float = Field(description="How many times as much.")
    servings: float | None = Field(description="For how many; null where the recipe does not say.")
    ingredients: list[ScaledIngredient] = Field(description="What it takes.")
    steps: list[str] = Field(description="Its steps as they are: times and pans do not scale.")


class MealWish(Model):
    """What to choose from."""

    count: Number = Field(3, ge=1, le=20, description="How many to choose.", examples=[3])
    max_minutes: Annotated[int, Field(ge=0), NO_BOOL] | None = Field(
        None, description="Only recipes that take at most so many minutes."
    )
    diet: list[Diet] | None = Field(None, description="Only recipes that fit all of these.", examples=[["vegetarian"]])
    ingredients: list[Food] | None = Field(None, description="What you have at home; as in recipe.list_recipes.")
    missing: Annotated[int, Field(ge=0, le=MOST_MISSING), NO_BOOL] | None = Field(
        None, description="With `ingredients`: how many other things may be needed."
    )
    tags: list[str] | None = Field(None, description="Only recipes with all of these tags.")


class Suggestions(Model):
    """Some recipes of yours and of those that come with the program."""

    items: list[Recipe] = Field(description="Them.")


@action("recipe.scale", effect=Effect.READ, timeout_s=15)
def scale(wish: Scaling, ctx: Context) -> ScaledRecipe:
    """Write a recipe for another number of people, or in other units."""
    recipe = RECIPES.get(ctx.user.id, wish.recipe_id)
    if recipe is None:
        raise NotFound(f"You have no recipe {wish.recipe_id}; it may have been removed.")
    factor = factor_of(recipe, wish.servings, wish.factor)
    return ScaledRecipe(
        recipe_id=recipe.id,
        title=recipe.title,
        factor=round(float(factor), 4),
        servings=None if recipe.servings is None else round(recipe.servings * float(factor), 2),
        ingredients=[_scaled(one.line, one.group, factor, wish.units) for one in recipe.ingredients],
        steps=recipe.steps,
    )


@action("recipe.suggest_recipes", effect=Effect.READ, timeout_s=15)
def suggest_recipes(wish: MealWish, ctx: Context) -> Suggestions:
    """Choose some recipes for today: the same all day long, others tomorrow."""
    given = {name: getattr(wish, name) for name in wish.model_fields_set - {"count"}}
    page = RECIPES.page(ctx.user.id, None, CHOSEN_FROM, RecipeFilter(**given))
    with reading("preferences") as conn:
        zone = preferences.load(conn, ctx.user.id).timezone
    today = database().now().astimezone(zone_of(zone)).date()
    chance = random.Random(f"{ctx.user.id} {today}")
    return Suggestions(items=chance.sample(page.items, min(wish.count, len(page.items))))


def factor_of(recipe: Recipe, servings: float | None, factor: float | None = None) -> Fraction:
    """By how much its amounts are multiplied.

    Raises:
        BadInput: It does not say for how many it is, or the factor is no sensible one.
    """
    if servings is None:
        return _exactly(1 if factor is None else factor)
    if recipe.servings is None:
        raise BadInput(f"{recipe.title} does not say for how many it is. Give `factor`, or set its `servings` first.")
    by = _exactly(servings) / _exactly(recipe.servings)
    if by > MOST_TIMES:
        raise BadInput(f"{servings:g} is more than {MOST_TIMES} times what {recipe.title} makes.")
    return by


def _exactly(value: float) -> Fraction:
    """1.333 is meant as 4/3."""
    return Fraction(value).limit_denominator(1000)


def _scaled(line: str, group: str | None, factor: Fraction, units: UnitSystem) -> ScaledIngredient:
    found = scale_line(line, factor, units)
    measure = found.measure
    amount = measure.amount if measure is not None and measure.scales else None
    return ScaledIngredient(
        line=found.line,
        text=found.text,
        group=group,
        amount=None if amount is None else round(float(amount.least), 3),
        amount_max=None if amount is None or amount.most is None else round(float(amount.most), 3),
        unit=None if measure is None else measure.unit.code or None,
        scaled=found.scaled,
    )
