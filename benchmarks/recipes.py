"""How long a list of recipes takes for a user who has 100,000: `python -m benchmarks.recipes`.

Each list is asked for many times, with other words and foods each time, and the worst of a hundred counts. What is
measured is the store's answer, as `GET /recipe/recipes` and `recipe.list_recipes` take it, models included; not HTTP.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from benchmarks.load import percentile
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from models.accounts.tables import users
from models.db.database import database
from models.db.migrate import upgrade
from tasks.recipe.contents import content_of
from tasks.recipe.foods import known_foods
from tasks.recipe.records import DIETS, NewRecipe, RecipeFilter
from tasks.recipe.store import RECIPES, insert

AT_ONCE = 500
PAGE = 20
#: Others are the same once more, under ids of their own.
DIFFERENT = 20_000
SEED = 7
NOUNS = 2_000


class Corpus:
    """Recipes with foods and words as common as they are in life: the nth is n times rarer than the first."""

    def __init__(self) -> None:
        self.chance = random.Random(SEED)
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


def lists(corpus: Corpus) -> dict[str, Callable[[], dict[str, Any]]]:
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


def fill(count: int, corpus: Corpus) -> UUID:
    """A user with so many recipes, and a second one with a tenth of it."""
    ids = [new_id(), new_id()]
    different = [content_of(corpus.recipe(number)) for number in range(min(count, DIFFERENT))]
    for user_id, share in zip(ids, (count, count // 10), strict=True):
        with database().write() as conn:
            row = {"id": user_id, "email": f"{user_id}@example.org", "password_hash": "!"}
            conn.execute(sa.insert(users).values(**row, created_at=database().now()))
        for at in range(0, share, AT_ONCE):
            some = corpus.chance.choices(different, k=min(AT_ONCE, share - at))
            new = [(new_id(), content, None) for content in some]
            with database().write() as conn:
                insert(conn, user_id, new)
    if not database().is_sqlite:
        with database().write() as conn:
            for table in ("recipes", "recipe_terms", "recipe_words"):
                conn.exec_driver_sql(f"ANALYZE {table}")
    return ids[0]


def measured(user_id: UUID, corpus: Corpus, times: int) -> Iterator[tuple[str, float, float, float]]:
    """Each list with the milliseconds of its median, of the worst of a hundred, and of its second page's median."""
    for name, ask in lists(corpus).items():
        first: list[float] = []
        second: list[float] = []
        for _ in range(times):
            wanted = RecipeFilter(**ask())
            begun = time.perf_counter()
            page = RECIPES.page(user_id, None, PAGE, wanted)
            first.append(time.perf_counter() - begun)
            if page.next is not None:
                begun = time.perf_counter()
                RECIPES.page(user_id, page.next, PAGE, wanted)
                second.append(time.perf_counter() - begun)
        middle = statistics.median(second) * 1_000 if second else 0.0
        yield name, statistics.median(first) * 1_000, percentile(sorted(first), 99) * 1_000, middle


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--recipes", type=int, default=100_000)
    words.add_argument("--times", type=int, default=200)
    words.add_argument("--url", help="of an empty PostgreSQL database; SQLite in a temporary folder when left out")
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{Path(folder, 'recipes.db')}"
        upgrade(url)
        environ = {"DATA_DIR": folder, "DATABASE_URL": url}
        with use(Config.open(environ, cwd=Path(folder))), closing(database()):
            corpus = Corpus()
            begun = time.monotonic()
            user_id = fill(given.recipes, corpus)
            took_s = time.monotonic() - begun
            print(f"{given.recipes:,} recipes, kept in {took_s:.0f} s; lists of {PAGE}, {given.times} each")
            print(f"{'list':40} {'p50 ms':>8} {'p99 ms':>8} {'page 2':>8}")
            for name, middle, worst, following in measured(user_id, corpus, given.times):
                print(f"{name:40} {middle:8.1f} {worst:8.1f} {following:8.1f}")


if __name__ == "__main__":
    main()
