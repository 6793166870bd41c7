"""Recipes as they are sent and shown: the models that actions, collection and imports share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from llmcoder import Model
from llmcoder.declare.filter import NO_BOOL, Filter, Words
from llmcoder.model import ChangeModel

# NUL is the one character that PostgreSQL keeps in no text.
NO_NUL = r"^[^\x00]*$"
MOST_LINES = 300
MOST_STEPS = 200
MOST_TAGS = 50
MOST_MISSING = 5
#: A year: what ripens longer is no recipe.
MOST_MINUTES = 527_040

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=NO_NUL)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)]
Step = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000, pattern=NO_NUL)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=20_000, pattern=NO_NUL)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=NO_NUL)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300, pattern=NO_NUL)]
Food = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=NO_NUL)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^https?://[^\x00\s]+$")]
Minutes = Annotated[int, Field(ge=0, le=MOST_MINUTES), NO_BOOL]
#: As schema.org's RestrictedDiet has them, and vegetarian people call them.
Diet = Literal[
    "vegan", "vegetarian", "gluten_free", "low_lactose", "halal", "kosher", "hindu", "diabetic", "low_calorie",
    "low_fat", "low_salt",
]  # fmt: skip
DIETS: tuple[Diet, ...] = get_args(Diet)


def _each_once(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS), AfterValidator(_each_once)]
Diets = Annotated[list[Diet], Field(max_length=len(DIETS)), AfterValidator(_each_once)]


class RecipeFilter(Filter):
    """Which recipes are wanted, and in which order."""

    text: Words | None = Field(
        None,
        description="Only recipes with all of these words in their title, description, ingredients or tags, in any case"
        " and order; a part of a word will do.",
        examples=["lentil soup"],
    )
    ingredients: list[Food] | None = Field(
        None,
        description="What you have at home, in English or German: only recipes that use some of it and need at most"
        " `missing` other things. Salt, pepper, sugar, oil and water count as there.",
        examples=[["eggs", "potatoes", "onions"]],
    )
    missing: Annotated[int, Field(ge=0, le=MOST_MISSING), NO_BOOL] | None = Field(
        None, description="With `ingredients`: how many other things may be needed; 2 when left out.", examples=[2]
    )
    uses: list[Food] | None = Field(None, description="Only recipes with all of these in them.", examples=[["leek"]])
    without: list[Food] | None = Field(
        None,
        description="Only recipes with none of these, by the names of their ingredients. It knows no allergens: `milk`"
        " leaves butter in.",
        examples=[["mushrooms"]],
    )
    max_minutes: Minutes | None = Field(
        None, description="Only recipes that say they take at most so many minutes in all.", examples=[30]
    )
    diet: list[Diet] | None = Field(
        None, description="Only recipes that fit all of these. Vegan ones are vegetarian, too.", examples=[["vegan"]]
    )
    tags: list[Tag] | None = Field(
        None, description="Only recipes with all of these tags, in any case.", examples=[["soup"]]
    )
    own: bool | None = Field(
        None, description="True for your own, false for those that come with the program; left out, both."
    )
    sort: Literal["created", "-created", "minutes", "title", "-title"] = Field(
        "-created", description="Their order; - turns it round. The quickest first by `minutes`, unknown times last."
    )


class Ingredient(Model):
    """A line of ingredients, and what is understood of it."""

    line: str = Field(description="As it was written.")
    group: str | None = Field(None, description="The part of the dish that it is for, such as: For the sauce.")
    amount: float | None = Field(None, description="How much; the least of a range. Null where nothing is said.")
    amount_max: float | None = Field(None, description="The most of a range.")
    unit: str | None = Field(
        None, description="Of the amount: g, kg, ml, l, tsp, tbsp, cup, oz, lb, clove, can, …; null for whole things."
    )
    food: str | None = Field(None, description="What it is, as the line names it.")
    keys: list[str] = Field(
        default_factory=list,
        description="The same in one form for all spellings and both languages, as filters use it.",
    )
    note: str | None = Field(None, description="What else the line says, such as: finely chopped.")
    scales: bool = Field(True, description="Whether more people need more of it; a pinch does not scale.")


class RecipeFields(Model):
    """What a recipe may say beside its title, ingredients and steps."""

    description: Text | None = Field(None, description="What it is.", examples=["A soup for cold days."])
    servings: float | None = Field(None, gt=0, le=10_000, description="For how many, or how many pieces.", examples=[4])
    yields: Short | None = Field(None, description="What it makes, in words.", examples=["4 bowls"])
    prep_minutes: Minutes | None = Field(None, description="Minutes of work.", examples=[15])
    cook_minutes: Minutes | None = Field(None, description="Minutes on the stove or in the oven.", examples=[25])
    minutes: Minutes | None = Field(
        None, description="Minutes in all; the sum of work and cooking when left out.", examples=[40]
    )
    diets: Diets = Field(default_factory=list, description="Whom it suits.", examples=[["vegan"]])
    tags: Tags = Field(default_factory=list, description="Words to find it by.", examples=[["soup", "winter"]])
    language: str | None = Field(
        None,
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="Language of its text, such as de.",
        examples=["en"],
    )
    author: Short | None = Field(None, description="Who wrote it.")
    source_url: Address | None = Field(None, description="The page it comes from.")
    source_name: Short | None = Field(None, description="The site or book it comes from.")
    image_url: Address | None = Field(None, description="Address of a picture; it is not fetched.")
    nutrition: dict[Tag, Short] = Field(
        default_factory=dict, max_length=30, description="Of one portion, as the source says it.",
        examples=[{"calories": "320 kcal"}],
    )  # fmt: skip
    notes: Text | None = Field(None, description="Your own notes, in Markdown.")


class NewRecipe(RecipeFields):
    """A recipe to keep."""

    title: Title = Field(description="What it is called.", examples=["Lentil soup"])
    ingredients: list[Line] = Field(
        max_length=MOST_LINES,
        description="One line each, as cookbooks write them. A line that ends with a colon heads those after it.",
        examples=[["200 g red lentils", "1 onion, chopped", "1 l vegetable stock", "a pinch of salt"]],
    )
    steps: list[Step] = Field(
        default_factory=list, max_length=MOST_STEPS, description="How it is made, step by step.",
        examples=[["Fry the onion.", "Add lentils and stock, and simmer for 20 minutes."]],
    )  # fmt: skip


class RecipeChange(ChangeModel):
    """What to change of a recipe; a field left out stays as it is, and null empties it."""

    title: Title | None = Field(None, description="The new title; null leaves the old.")
    ingredients: list[Line] | None = Field(
        None, max_length=MOST_LINES, description="All of its ingredients, one line each; null leaves the old."
    )
    steps: list[Step] | None = Field(None, max_length=MOST_STEPS, description="All of its steps; null leaves the old.")
    description: Text | None = Field(None, description="What it is.")
    servings: float | None = Field(None, gt=0, le=10_000, description="For how many, or how many pieces.")
    yields: Short | None = Field(None, description="What it makes, in words.")
    prep_minutes: Minutes | None = Field(None, description="Minutes of work.")
    cook_minutes: Minutes | None = Field(None, description="Minutes on the stove or in the oven.")
    minutes: Minutes | None = Field(None, description="Minutes in all.")
    diets: Diets | None = Field(None, description="Whom it suits.")
    tags: Tags | None = Field(None, description="Words to find it by.")
    language: str | None = Field(
        None, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="Language of its text, such as de."
    )
    author: Short | None = Field(None, description="Who wrote it.")
    source_name: Short | None = Field(None, description="The site or book it comes from.")
    image_url: Address | None = Field(None, description="Address of a picture; it is not fetched.")
    nutrition: dict[Tag, Short] | None = Field(None, max_length=30, description="Of one portion.")
    notes: Text | None = Field(None, description="Your own notes, in Markdown.")


class Recipe(Model):
    """A recipe."""

    id: UUID = Field(description="Its id.")
    title: str = Field(description="What it is called.")
    description: str | None = Field(None, description="What it is.")
    ingredients: list[Ingredient] = Field(description="Its ingredients, in order.")
    steps: list[str] = Field(description="How it is made, step by step.")
    servings: float | None = Field(None, description="For how many, or how many pieces; null where it does not say.")
    yields: str | None = Field(None, description="What it makes, in words.")
    prep_minutes: int | None = Field(None, description="Minutes of work.")
    cook_minutes: int | None = Field(None, description="Minutes on the stove or in the oven.")
    minutes: int | None = Field(None, description="Minutes in all; null where it does not say.")
    diets: list[str] = Field(default_factory=list, description="Whom it suits.")
    tags: list[str] = Field(default_factory=list, description="Words to find it by.")
    language: str | None = Field(None, description="Language of its text.")
    author: str | None = Field(None, description="Who wrote it.")
    source_url: str | None = Field(None, description="The page it comes from.")
    source_name: str | None = Field(None, description="The site or book it comes from.")
    image_url: str | None = Field(None, description="Address of a picture.")
    nutrition: dict[str, str] = Field(default_factory=dict, description="Of one portion, as the source says it.")
    notes: str | None = Field(None, description="Your own notes.")
    built_in: bool = Field(False, description="Whether it comes with the program; a change of it is yours alone.")
    revision: int = Field(0, description="How often it was changed.")
    missing: list[str] | None = Field(
        None, description="In a list that was asked for by `ingredients`: what else is needed. Else null."
    )
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")
