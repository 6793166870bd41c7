"""Recipes as records: kept, changed, removed and put back; those that come with the program among the user's own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from llmcoder import BadInput, NotFound, User, strict_json
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.recipe.actions import (
    ChangedRecipe,
    RecipeChoice,
    add_recipe,
    change_recipe,
    list_recipes,
    remove_recipe,
    restore_recipe,
    scale,
    suggest_recipes,
)
from tasks.recipe.built_in import built_ins
from tasks.recipe.contents import content_of
from tasks.recipe.records import DIETS, NewRecipe, RecipeFilter
from tasks.recipe.store import RECIPES, insert
from tasks.recipe.tables import recipe_terms, recipes

sys.path.insert(0, str(Path(__file__).parent))

from recipe_kit import SOUP, Kitchen

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]


@pytest.fixture
def kitchen(user: User) -> Kitchen:
    return Kitchen(user)


@pytest.fixture
def other(new_user: Callable[[str], User]) -> Kitchen:
    return Kitchen(new_user("bob@example.org"))


def titles(kitchen: Kitchen, **wanted: Any) -> list[str]:
    return [one.title for one in kitchen.run(list_recipes, **({"own": True, "limit": 100} | wanted)).items]


def test_a_recipe_is_kept_under_its_job_with_every_line_understood(kitchen: Kitchen) -> None:
    job_id = new_id()
    recipe = kitchen.run(add_recipe, job_id, **SOUP)
    assert (recipe.id, recipe.minutes, recipe.built_in) == (job_id, 30, False)
    carrots, pinch = recipe.ingredients[0], recipe.ingredients[-1]
    assert (carrots.line, carrots.amount, carrots.unit, carrots.keys) == ("500 g carrots", 500.0, "g", ["carrot"])
    assert (pinch.line, pinch.amount, pinch.scales) == ("a pinch of salt", None, False)
    assert kitchen.run(add_recipe, job_id, **SOUP) == recipe  # an attempt that is run again
    assert titles(kitchen) == ["Carrot soup"]


def test_a_heading_is_the_group_of_the_lines_after_it(kitchen: Kitchen) -> None:
    recipe = kitchen.add(ingredients=["For the dough:", "200 g flour", "For the top:", "2 apples"])
    assert [(one.group, one.line) for one in recipe.ingredients] == [
        ("For the dough", "200 g flour"), ("For the top", "2 apples"),
    ]  # fmt: skip


def test_letters_that_become_many_where_they_are_folded_fit(kitchen: Kitchen) -> None:
    recipe = kitchen.add(title="\ufdfa" * 300, tags=["\ufdfa" * 60], ingredients=["1 " + "\ufdfa" * 400])
    assert titles(kitchen, tags=["\ufdfa" * 60]) == titles(kitchen, sort="title") == [recipe.title]


def test_a_recipe_longer_than_any_is_refused(kitchen: Kitchen) -> None:
    with pytest.raises(BadInput, match="longer than a recipe"):
        kitchen.add(steps=["x" * 9_000] * 50)
    recipe = kitchen.add()
    with pytest.raises(BadInput, match="longer than a recipe"):
        kitchen.run(change_recipe, recipe_id=recipe.id, steps=["x" * 9_000] * 50)
    assert kitchen.run(list_recipes, own=True).items == [recipe]


def test_what_a_later_version_keeps_of_a_recipe_hides_it_from_no_earlier_one(kitchen: Kitchen, db: Database) -> None:
    recipe = kitchen.add()
    with db.write() as conn:
        content = strict_json.read(conn.execute(sa.select(recipes.c.content)).scalar_one())
        content["ingredients"][0]["calories"], content["video"] = 7, "later"
        conn.execute(sa.update(recipes).values(content=strict_json.write(content)))
    assert kitchen.run(list_recipes, own=True).items == [recipe]


# --- changes, and the way back


def test_a_change_keeps_what_was_there_and_is_taken_back(kitchen: Kitchen) -> None:
    recipe = kitchen.add()
    change = {
        "recipe_id": recipe.id,
        "title": "Ginger soup",
        "ingredients": ["30 g ginger"],
        "servings": None,
    }
    changed = kitchen.run(change_recipe, **change)
    assert (changed.title, changed.servings, changed.revision) == ("Ginger soup", None, 1)
    assert changed.steps == recipe.steps and changed.ingredients[0].keys == ["ginger"]
    assert titles(kitchen, uses=["ginger"]) == [changed.title] and titles(kitchen, uses=["carrots"]) == []

    back = change_recipe.undo.input(ChangedRecipe.model_validate(change), changed)
    restored = kitchen.run(restore_recipe, **back.model_dump())
    assert (restored.title, restored.servings, restored.revision) == ("Carrot soup", 4, 2)
    assert restored.ingredients == recipe.ingredients and titles(kitchen, uses=["carrots"]) == ["Carrot soup"]


def test_a_change_and_its_undo_are_made_once_however_often_their_jobs_run(kitchen: Kitchen) -> None:
    recipe = kitchen.add()
    job_id, undo_id = new_id(), new_id()
    for _ in range(2):
        changed = kitchen.run(change_recipe, job_id, recipe_id=recipe.id, title="Other")
    assert changed.revision == 1
    for _ in range(2):
        restored = kitchen.run(restore_recipe, undo_id, recipe_id=recipe.id, revision=0)
    assert (restored.title, restored.revision) == ("Carrot soup", 2)


def test_a_removed_recipe_comes_back_under_its_id(kitchen: Kitchen) -> None:
    recipe = kitchen.add()
    gone = kitchen.run(remove_recipe, recipe_id=recipe.id)
    assert gone.removed == recipe and titles(kitchen) == []
    assert kitchen.run(remove_recipe, recipe_id=recipe.id).removed is None
    back = remove_recipe.undo.input(RecipeChoice(recipe_id=recipe.id), gone)
    restored = kitchen.run(restore_recipe, **back.model_dump())
    assert (restored.id, restored.title, restored.created_at) == (recipe.id, recipe.title, recipe.created_at)
    assert titles(kitchen, text="carrot") == ["Carrot soup"]


def test_twenty_revisions_are_kept(kitchen: Kitchen) -> None:
    recipe = kitchen.add()
    for number in range(25):
        kitchen.run(change_recipe, recipe_id=recipe.id, title=f"Soup {number}")
    with pytest.raises(NotFound, match="revision 4"):
        kitchen.run(restore_recipe, recipe_id=recipe.id, revision=4)
    assert kitchen.run(restore_recipe, recipe_id=recipe.id, revision=6).title == "Soup 5"


def test_another_users_recipe_does_not_exist(kitchen: Kitchen, other: Kitchen) -> None:
    recipe = kitchen.add()
    assert RECIPES.get(other.user.id, recipe.id) is None and titles(other) == []
    assert other.run(remove_recipe, recipe_id=recipe.id).removed is None
    with pytest.raises(NotFound):
        other.run(change_recipe, recipe_id=recipe.id, title="Mine")
    assert titles(kitchen) == ["Carrot soup"]


# --- those that come with the program


def test_a_few_dozen_recipes_are_there_for_a_new_user_without_a_row(kitchen: Kitchen, db: Database) -> None:
    page = kitchen.run(list_recipes, limit=100)
    assert len(page.items) == len(built_ins()) >= 36 and all(one.built_in for one in page.items)
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(recipes)).scalar_one() == 0
    assert all(one.steps and one.servings and one.minutes and one.ingredients for one in page.items)
    assert {one.language for one in page.items} == {"en", "de"}


def test_a_built_in_recipe_that_is_changed_is_the_users_own_under_its_id(kitchen: Kitchen, other: Kitchen) -> None:
    seed = kitchen.run(list_recipes, text="hummus").items[0]
    changed = kitchen.run(change_recipe, recipe_id=seed.id, notes="More lemon.")
    assert (changed.id, changed.notes, changed.built_in, changed.title) == (seed.id, "More lemon.", False, seed.title)
    assert [one.notes for one in kitchen.run(list_recipes, text="hummus").items] == ["More lemon."]
    assert [one.notes for one in other.run(list_recipes, text="hummus").items] == [None]
    restored = kitchen.run(restore_recipe, recipe_id=seed.id, revision=0)
    assert restored == seed == RECIPES.get(kitchen.user.id, seed.id)


def test_a_built_in_recipe_that_is_removed_is_hidden_from_that_user_alone(kitchen: Kitchen, other: Kitchen) -> None:
    seed = kitchen.run(list_recipes, text="hummus").items[0]
    gone = kitchen.run(remove_recipe, recipe_id=seed.id)
    assert gone.removed == seed and kitchen.run(list_recipes, text="hummus").items == []
    assert RECIPES.get(kitchen.user.id, seed.id) is None and RECIPES.get(other.user.id, seed.id) == seed
    back = remove_recipe.undo.input(RecipeChoice(recipe_id=seed.id), gone)
    assert kitchen.run(restore_recipe, **back.model_dump()) == seed


def test_ids_of_built_in_recipes_stay_for_ever(kitchen: Kitchen) -> None:
    """A user's version of one is found by it: change no title, and add new ones at the end."""
    first, last = next(iter(built_ins().values())), list(built_ins().values())[36]
    assert (str(first.id), first.content["title"]) == ("016f5e66-e800-789a-b2c0-803b5cbe8ae7", "Red lentil soup")
    assert (str(last.id), last.content["title"]) == (
        "016f5e66-e824-7fbf-b35c-32cd2a00c62c", "Quarkauflauf mit Heidelbeeren",
    )  # fmt: skip
    assert all(one.id.version == 7 for one in built_ins().values())


# --- the list


@pytest.mark.parametrize("sort", ["created", "-created", "minutes", "title", "-title"])
def test_pages_of_any_order_hold_everything_once_own_and_built_in_together(kitchen: Kitchen, sort: str) -> None:
    for number in range(7):
        kitchen.add(title=f"Soup {number % 3}", cook_minutes=number % 2 * 10 or None)
    kitchen.add(title="Unknown", prep_minutes=None, cook_minutes=None)
    kitchen.run(change_recipe, recipe_id=next(iter(built_ins())), title="Ours")
    seen: list[Any] = []
    cursor = None
    while True:
        page = kitchen.run(list_recipes, sort=sort, limit=5, before=cursor)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == len({one.id for one in seen}) == 8 + len(built_ins())
    keys = {
        "created": [one.id for one in seen], "title": [one.title.casefold() for one in seen],
        "minutes": [10**9 if one.minutes is None else one.minutes for one in seen],
    }[sort.removeprefix("-")]  # fmt: skip
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_a_cursor_of_another_filter_or_one_that_was_made_is_refused(kitchen: Kitchen) -> None:
    cursor = kitchen.run(list_recipes, limit=2, diet=["vegan"]).next
    for wanted in ({}, {"diet": ["vegan"], "sort": "title"}, {"diet": ["vegetarian"]}):
        with pytest.raises(BadInput, match="cursor"):
            kitchen.run(list_recipes, before=cursor, **wanted)
    with pytest.raises(BadInput, match="cursor"):
        kitchen.run(list_recipes, before="x" * 40, sort="title")


FILTERS: list[dict[str, Any]] = [
    {"text": "soup"}, {"text": "SUPPE"}, {"text": "lentil cumin"}, {"text": "zzz"}, {"text": "a"}, {"text": "100%"},
    {"max_minutes": 20}, {"max_minutes": 0}, {"diet": ["vegan"]}, {"diet": ["vegetarian", "gluten_free"]},
    {"tags": ["SOUP"]}, {"tags": ["soup", "winter"]}, {"uses": ["leeks"]}, {"uses": ["Kartoffeln", "Zwiebel"]},
    {"without": ["eggs", "butter"]}, {"ingredients": ["eggs", "potatoes", "onions"]},
    {"ingredients": ["Eier", "Milch", "Mehl", "Butter"], "missing": 0},
    {"ingredients": ["chickpeas", "tahini", "lemon juice"], "missing": 2},
    {"ingredients": ["rice"], "missing": 5, "diet": ["vegan"], "max_minutes": 60},
    {"ingredients": ["unicorn"], "missing": 5},
    {"ingredients": ["..."], "missing": 5}, {"uses": ["garlic"], "without": ["onion"], "sort": "title"},
]  # fmt: skip


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_rows_and_built_in_recipes_are_found_by_the_same_things(
    kitchen: Kitchen, other: Kitchen, db: Database, wanted: dict[str, Any]
) -> None:
    """Every built-in recipe once as a row: SQL must find those of them that Python finds."""
    with db.write() as conn:
        insert(conn, other.user.id, [(new_id(), one.content, None) for one in built_ins().values()])
    of_program = {one.title for one in kitchen.run(list_recipes, limit=100, own=False, **wanted).items}
    assert set(titles(other, **wanted)) == of_program


def test_what_is_missing_is_said_beside_each(kitchen: Kitchen) -> None:
    kitchen.add(title="Omelette", ingredients=["3 eggs", "1 tbsp butter", "salt", "1 onion", "chives (optional)"])
    found = kitchen.run(list_recipes, own=True, ingredients=["Eier", "butter"]).items[0]
    assert (found.title, found.missing) == ("Omelette", ["onion"])
    assert kitchen.run(list_recipes, own=True).items[0].missing is None
    assert titles(kitchen, ingredients=["eggs", "butter"], missing=0) == []
    assert titles(kitchen, ingredients=["onion", "salt"], missing=2) == ["Omelette"]
    assert titles(kitchen, ingredients=["salt"], missing=3) == []  # what every kitchen has is no reason


def test_words_are_found_in_any_case_of_any_alphabet_and_within_others(kitchen: Kitchen) -> None:
    kitchen.add(title="Kartoffel-Gemüse-Auflauf", tags=["Straße"])
    for text in ("GEMÜSE", "auflauf kartoffel", "STRASSE", "toffel"):
        assert titles(kitchen, text=text) == ["Kartoffel-Gemüse-Auflauf"], text
    assert titles(kitchen, text="%") == titles(kitchen, text="gemuse") == []


def test_a_filter_with_values_that_nobody_can_mean_is_refused(kitchen: Kitchen) -> None:
    for wanted in ({"diet": ["paleo"]}, {"missing": 9}, {"max_minutes": -1}, {"text": ""}, {"uses": ["x"] * 101}):
        with pytest.raises(ValueError):
            RecipeFilter(**wanted)


def test_choosing_is_the_same_all_day_long(kitchen: Kitchen) -> None:
    first = kitchen.run(suggest_recipes, count=3, diet=["vegetarian"], max_minutes=60)
    assert first == kitchen.run(suggest_recipes, count=3, diet=["vegetarian"], max_minutes=60)
    assert len(first.items) == 3 and all("vegetarian" in one.diets or "vegan" in one.diets for one in first.items)


# --- scaling


def test_a_recipe_is_scaled_exactly_and_its_lines_stand_beside(kitchen: Kitchen) -> None:
    recipe = kitchen.add(servings=3, ingredients=["⅓ cup sugar", "2 (400 g) cans tomatoes", "a pinch of salt"])
    scaled = kitchen.run(scale, recipe_id=recipe.id, servings=9)
    assert (scaled.factor, scaled.servings) == (3.0, 9)
    assert [(one.line, one.text, one.scaled) for one in scaled.ingredients] == [
        ("⅓ cup sugar", "1 cup sugar", True),
        ("2 (400 g) cans tomatoes", "6 (400 g) cans tomatoes", True),
        ("a pinch of salt", "a pinch of salt", False),
    ]


def test_a_recipe_that_does_not_say_for_how_many_is_scaled_by_a_factor_only(kitchen: Kitchen) -> None:
    recipe = kitchen.add(servings=None)
    with pytest.raises(BadInput, match="for how many"):
        kitchen.run(scale, recipe_id=recipe.id, servings=2)
    assert kitchen.run(scale, recipe_id=recipe.id, factor=0.5).ingredients[0].text == "250 g carrots"
    with pytest.raises(NotFound):
        kitchen.run(scale, recipe_id=new_id(), factor=2)
    with pytest.raises(ValueError, match="not both"):
        kitchen.run(scale, recipe_id=recipe.id, factor=2, servings=2)


# --- how it is asked of SQL


def plan_of(db: Database, ask: Callable[[], object]) -> str:
    asked: list[tuple[str, Any]] = []

    def hear(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith("SELECT") and "content" in statement:
            asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        ask()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)
    statement, parameters = asked[-1]
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
    with db.read() as conn:
        return "\n".join(str(row[-1]) for row in conn.exec_driver_sql(how + statement, parameters))


#: Each filter with an index that its statement has to use; the newest first by that of the ids.
INDEXED: list[tuple[dict[str, Any], str]] = [
    ({}, "ix_recipes_newest"),
    ({"sort": "created"}, "ix_recipes_newest"),
    ({"sort": "minutes"}, "ix_recipes_minutes"),
    ({"sort": "title"}, "ix_recipes_title"),
    ({"sort": "-title"}, "ix_recipes_title"),
    ({"max_minutes": 70}, "ix_recipes_newest"),
    ({"max_minutes": 70, "sort": "minutes"}, "ix_recipes_minutes"),
    ({"uses": ["saffron"]}, "recipe_terms"),
    ({"text": "saffron"}, "recipe_terms"),
    ({"text": "1"}, "ix_recipe_terms_recipe"),
    ({"diet": ["halal"]}, "recipe_terms"),
    ({"tags": ["rare"]}, "recipe_terms"),
    ({"ingredients": ["saffron", "rice"]}, "ix_recipe_terms_recipe"),
    ({"ingredients": ["saffron", "rice", "onion"], "missing": 0}, "ix_recipe_terms_place"),
]


def dish(number: int) -> NewRecipe:
    is_rare = number % 400 == 0
    return NewRecipe(
        title=f"Dish {number:04}",
        ingredients=["200 g rice", "1 onion", "saffron" if is_rare else "butter"],
        minutes=30 + number % 50,
        diets=["halal" if is_rare else DIETS[0]],
        tags=["rare" if is_rare else "common"],
    )


@pytest.fixture
def full_kitchen(kitchen: Kitchen, other: Kitchen, db: Database) -> Kitchen:
    """2,000 recipes of the user's and as many of another's; few with saffron."""
    new = [content_of(dish(number)) for number in range(2_000)]
    with db.write() as conn:
        for owner in (kitchen.user.id, other.user.id):
            for at in range(0, len(new), 500):
                insert(conn, owner, [(new_id(), content, None) for content in new[at : at + 500]])
    if not db.is_sqlite:
        with db.write() as conn:
            conn.exec_driver_sql("ANALYZE recipes")
            conn.exec_driver_sql("ANALYZE recipe_terms")
    return kitchen


def test_every_list_uses_an_index_and_sorts_no_more_than_what_is_rare(full_kitchen: Kitchen, db: Database) -> None:
    user_id = full_kitchen.user.id
    for wanted, index in INDEXED:
        if wanted == {"text": "1"} and not db.is_sqlite:
            continue  # most recipes have it: PostgreSQL reads so small a table as a whole, and is right
        plan = plan_of(db, lambda wanted=wanted: RECIPES.page(user_id, None, 5, RecipeFilter(own=True, **wanted)))
        assert any(name in plan for name in index.split("|")), (wanted, plan)
        assert "Seq Scan" not in plan and "SCAN recipes" not in plan, (wanted, plan)
        # the terms of one recipe, or those under a term: never all of a kind or of a user
        assert not re.search(r"recipe_terms\b.*\((user_id|kind)=\?( AND (user_id|kind)=\?)?\)", plan), (wanted, plan)
        if "recipe_terms" not in index:
            assert "Sort" not in plan and "TEMP B-TREE FOR ORDER" not in plan, (wanted, plan)
    found = RECIPES.page(user_id, None, 10, RecipeFilter(own=True, uses=["saffron"], ingredients=["rice", "onion"]))
    assert len(found.items) == 5 and found.next is None


def test_the_index_of_a_recipe_goes_with_it(full_kitchen: Kitchen, db: Database) -> None:
    recipe = full_kitchen.add()

    def terms() -> int:
        with db.read() as conn:
            mine = sa.select(sa.func.count()).where(recipe_terms.c.recipe_id == recipe.id)
            return int(conn.execute(mine).scalar_one())

    assert terms() > 5
    full_kitchen.run(remove_recipe, recipe_id=recipe.id)
    assert terms() == 0


def test_an_id_is_a_place_where_the_newest_come_first(kitchen: Kitchen) -> None:
    older, newer = kitchen.add(title="Older"), kitchen.add(title="Newer")
    page = kitchen.run(list_recipes, before=str(newer.id), own=True)
    assert [one.id for one in page.items] == [older.id] and isinstance(older.id, UUID)
