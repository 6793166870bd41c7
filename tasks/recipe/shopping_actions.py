"""A shopping list of several recipes, as to-dos, in which every line knows its recipes and can be taken back."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from llmcoder.todos import TodoList
from tasks.recipe.cooking_actions import factor_of
from tasks.recipe.records import Food
from tasks.recipe.scaling import scale_line
from tasks.recipe.search import foods_asked_for
from tasks.recipe.shopping import Need, Purchase, is_at_home, merged, needs_of
from tasks.recipe.shopping_store import ShoppingList, still_to_buy
from tasks.recipe.store import RECIPES

TIMEOUT_S = 60.0
AN_ID = "01937b2e-7c00-7000-8000-000000000001"
MOST_RECIPES = 50


class PlannedRecipe(Model):
    """A recipe that is to be cooked."""

    recipe_id: UUID = Field(description="The recipe's id.", examples=[AN_ID])
    servings: float | None = Field(
        None, gt=0, le=10_000, description="For so many people or pieces; as the recipe has it when left out."
    )


class ShoppingWish(Model):
    """What is to be cooked, and what is there."""

    recipes: list[PlannedRecipe] = Field(
        min_length=1, max_length=MOST_RECIPES, description="What is to be cooked; a recipe may come twice.",
        examples=[[{"recipe_id": AN_ID, "servings": 4}]],
    )  # fmt: skip
    have: list[Food] = Field(
        default_factory=list, max_length=200, description="What you have at home, and do not buy.", examples=[["eggs"]]
    )


class LineSource(Model):
    """Where a line of the list comes from."""

    recipe_id: UUID = Field(description="The recipe.")
    recipe_title: str = Field(description="What it is called.")
    line: str = Field(description="Its line, as it is written there.")
    scaled: str = Field(description="The same for as many people as it is bought for.")


class ShoppingAmount(Model):
    """How much to buy."""

    amount: float = Field(description="How much.")
    unit: str | None = Field(description="Of the amount; null for whole things.")
    size: str | None = Field(None, description="Of each can or package, where the recipe says it.")


class ShoppingLine(Model):
    """One thing to buy."""

    text: str = Field(description="What to buy: 750 g flour.")
    food: str = Field(description="What it is.")
    key: str = Field(description="The same in one form for all spellings.")
    amounts: list[ShoppingAmount] = Field(description="How much; several where they cannot be added.")
    some: bool = Field(description="Whether a recipe needs an amount of it that it does not say.")
    sources: list[LineSource] = Field(description="Every line of every recipe that it is made of.")
    todo_id: UUID | None = Field(None, description="The to-do that it is; null while it is only a draft.")


class ShoppingDraft(Model):
    """A shopping list that nobody has to follow yet."""

    lines: list[ShoppingLine] = Field(description="What to buy.")
    left_out: list[str] = Field(description="Lines of recipes that nobody has to buy for: what you have, water, salt.")


class ShoppingBatch(Model):
    """What was put on the list."""

    batch_id: UUID = Field(description="Of all of it, to take it back as one.")
    lines: list[ShoppingLine] = Field(description="The lines of the list that changed, as they are now.")
    left_out: list[str] = Field(description="Lines of recipes that nobody has to buy for.")


class TakeOff(Model):
    """What is not to be bought after all."""

    batch_id: UUID | None = Field(
        None, description="All that one job put on the list: `batch_id` of its result.", examples=[AN_ID]
    )
    recipe_id: UUID | None = Field(None, description="Or all that is bought for one recipe.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.batch_id is None) == (self.recipe_id is None):
            raise ValueError("give `batch_id` or `recipe_id`, and not both")
        return self


class TakenOff(Model):
    """What became of the list."""

    removed: list[str] = Field(description="Lines that are gone.")
    changed: list[str] = Field(description="Lines of which others still need some, as they are now.")


class Nothing(Model):
    """No input."""


class OpenLines(Model):
    """What is still to be bought for recipes."""

    items: list[ShoppingLine] = Field(description="Every line whose to-do is open.")


@action("recipe.shopping_list", effect=Effect.DRAFT, timeout_s=TIMEOUT_S)
def shopping_list(wish: ShoppingWish, ctx: Context) -> ShoppingDraft:
    """Draft one shopping list for several recipes; each line says which recipes it is for.

    Nothing is kept. To have it as to-dos, use recipe.add_to_shopping_list with the same input.
    """
    needs, left_out = _needs(wish, ctx)
    return ShoppingDraft(lines=[_line(one) for one in merged(needs)], left_out=left_out)


@action("recipe.list_shopping_lines", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_shopping_lines(_given: Nothing, ctx: Context) -> OpenLines:
    """List what is still to be bought, with the recipes that it is for."""
    found = still_to_buy(ctx.user.id, ctx.use(TodoList))
    return OpenLines(items=[_line(purchase, todo_id) for todo_id, purchase in found.items()])


@action("recipe.take_off_shopping_list", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def take_off_shopping_list(which: TakeOff, ctx: Context) -> TakenOff:
    """Take a batch or a recipe off the shopping list; what others need of a line stays.

    What is bought already, its to-do being done, is left alone.
    """
    removed, changed = ShoppingList(ctx.user.id, ctx.use(TodoList)).take_off(which.batch_id, which.recipe_id)
    return TakenOff(removed=removed, changed=changed)


@action(
    "recipe.add_to_shopping_list",
    effect=Effect.WRITE,
    repeatable=True,
    undo=Undo(take_off_shopping_list, lambda wish, batch: TakeOff(batch_id=batch.batch_id)),
    timeout_s=TIMEOUT_S,
)
def add_to_shopping_list(wish: ShoppingWish, ctx: Context) -> ShoppingBatch:
    """Put what recipes need on the shopping list, as to-dos; a food that is on it already grows.

    To see it first, use recipe.shopping_list with the same input.
    """
    needs, left_out = _needs(wish, ctx)
    found = ShoppingList(ctx.user.id, ctx.use(TodoList)).add(ctx.job_id, needs)
    lines = [_line(purchase, todo_id) for todo_id, purchase in found.items()]
    return ShoppingBatch(batch_id=ctx.job_id, lines=lines, left_out=left_out)


def _needs(wish: ShoppingWish, ctx: Context) -> tuple[list[Need], list[str]]:
    """Line by line, and what is at home.

    Raises:
        NotFound: A recipe is not there.
        BadInput: It does not say for how many it is.
    """
    have = frozenset(foods_asked_for(wish.have))
    needs: list[Need] = []
    for planned in wish.recipes:
        recipe = RECIPES.get(ctx.user.id, planned.recipe_id)
        if recipe is None:
            raise NotFound(f"You have no recipe {planned.recipe_id}; it may have been removed.")
        factor = factor_of(recipe, planned.servings)
        needs += needs_of(recipe.id, recipe.title, [one.line for one in recipe.ingredients], factor)
    left_out = list(dict.fromkeys(need.line for need in needs if is_at_home(need, have)))
    return [need for need in needs if not is_at_home(need, have)], left_out


def _line(purchase: Purchase, todo_id: UUID | None = None) -> ShoppingLine:
    return ShoppingLine(
        text=purchase.text,
        food=purchase.food,
        key=purchase.food_key,
        amounts=[
            ShoppingAmount(amount=round(float(part.amount), 3), unit=part.unit.code or None, size=part.size or None)
            for part in purchase.parts
        ],
        some=purchase.some,
        sources=[_source(need) for need in purchase.needs],
        todo_id=todo_id,
    )


def _source(need: Need) -> LineSource:
    return LineSource(
        recipe_id=need.recipe_id,
        recipe_title=need.recipe_title,
        line=need.line,
        scaled=scale_line(need.line, need.factor).text,
    )
