"""Recipes with foods and words as common as they are in life, as `tasks.recipe` keeps them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from benchmarks.stored_rows.question import Question
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.recipe.contents import content_of
from tasks.recipe.foods import known_foods
from tasks.recipe.records import DIETS, NewRecipe
from tasks.recipe.store import insert

PATH = "/recipe/recipes"
AT_ONCE = 500
#: Others are the same once more, under ids of their own.
DIFFERENT = 20_000
NOUNS = 2_000


class Corpus:
    """Recipes with foods and words as common as they are in life: the nth is n times rarer than the first."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.foods = [*known_foods(), *(f"food{n}" for n in range(800))]
        self._food_weights = [1 / (n + 3) for n in range(len(self.foods))]
        self.words = [f"word{n}" for n in range(NOUNS)]
        self._word_weights = [1 / (n + 5) for n in range(NOUNS)]

    def food(self) -> str:
        return self.chance.choices(self.foods, self._food_weights)[0]

    def word(self) -> str:
        return self.chance.choices(self.words, self._word_weights)[0]

    def recipe(self, number: int) -> NewRecipe:
        foods = {self.food() for _ in range(self.chance.randint(4, 12))}
        title = f"{self.word()} {self.word()} {self.food()} {number}"
        return NewRecipe(
            title=title,
            description=" ".join(self.word() for _ in range(12)),
            ingredients=[f"{self.chance.randint(1, 9) * 50} g {food}" for food in foods],
            steps=["Chop, fry and simmer everything until it is done, then season it. " * 2] * 4,
            servings=4,
            minutes=round(self.chance.lognormvariate(3.7, 0.7)) + 3,
            diets=[diet for diet in DIETS[:4] if self.chance.random() < 0.2],
            tags=list({f"tag{int(self.chance.paretovariate(0.6)) % 300}" for _ in range(3)}),
        )


def questions(chance: random.Random) -> Iterator[Question]:
    for name, ask in _lists(Corpus(chance)).items():
        yield Question(PATH, name, ask, is_vain=True)


def _lists(corpus: Corpus) -> dict[str, Callable[[], dict[str, Any]]]:
    """What is asked for, anew each time."""
    foods = corpus.foods
    return {
        "newest": dict,
        "quickest": lambda: {"sort": "minutes"},
        "by title": lambda: {"sort": "title"},
        "one word": lambda: {"text": corpus.word()},
        "two words": lambda: {"text": f"{corpus.word()} {corpus.word()}"},
        "a part of a word": lambda: {"text": corpus.word()[-3:]},
        "a rare word": lambda: {"text": corpus.chance.choice(corpus.words[1_500:])},
        "no such word": lambda: {"text": "nowhere"},
        "at most 10 minutes": lambda: {"max_minutes": 10},
        "at most 3 minutes (none)": lambda: {"max_minutes": 3},
        "at most 30 minutes, vegan": lambda: {"max_minutes": 30, "diet": ["vegan"]},
        "three diets": lambda: {"diet": list(DIETS[:3])},
        "a tag": lambda: {"tags": [f"tag{corpus.chance.randint(1, 290)}"]},
        "uses two foods": lambda: {"uses": [corpus.food(), corpus.food()]},
        "uses two rare foods": lambda: {"uses": corpus.chance.sample(foods[100:], 2)},
        "without milk and eggs": lambda: {"without": ["milk", "egg"]},
        "five foods at home": lambda: {"ingredients": [corpus.food() for _ in range(5)], "missing": 3},
        "ten foods at home": lambda: {"ingredients": [corpus.food() for _ in range(10)], "missing": 2},
        "twenty common foods, nothing missing": lambda: {"ingredients": foods[:20], "missing": 0},
        "thirty foods at home, five missing": lambda: {"ingredients": foods[:30], "missing": 5},
        "all at once, by title": lambda: {
            "text": corpus.word(), "uses": [corpus.food()], "max_minutes": 60, "sort": "title",
        },
    }  # fmt: skip


def fill(db: Database, user_id: UUID, count: int, chance: random.Random) -> None:
    corpus = Corpus(chance)
    different = [content_of(corpus.recipe(number)) for number in range(min(count, DIFFERENT))]
    for start in range(0, count, AT_ONCE):
        some = chance.choices(different, k=min(AT_ONCE, count - start))
        with db.write() as conn:
            insert(conn, user_id, [(new_id(), content, None) for content in some])
