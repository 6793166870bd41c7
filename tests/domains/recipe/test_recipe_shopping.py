"""One shopping list of several recipes: added up, traced line by line, kept as to-dos, and taken back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from llmcoder import BadInput, NotFound, User
from llmcoder.ids import new_id
from llmcoder.provenance import Taint
from llmcoder.testing import FakeContext, run_action
from tasks.general.actions import complete_todo, list_todos, remove_todo
from tasks.recipe.actions import (
    add_to_shopping_list,
    list_shopping_lines,
    remove_recipe,
    shopping_list,
    take_off_shopping_list,
)
from tasks.recipe.shopping import merged, needs_of
from tasks.recipe.shopping_actions import ShoppingWish

sys.path.insert(0, str(Path(__file__).parent))

from recipe_kit import Kitchen

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]


@pytest.fixture
def kitchen(user: User) -> Kitchen:
    return Kitchen(user)


def cake(kitchen: Kitchen) -> UUID:
    lines = ["250 g flour", "2 eggs", "100 ml milk", "1 tsp baking powder", "a pinch of salt", "100 g butter"]
    return kitchen.add(title="Cake", servings=4, ingredients=lines).id


def pancakes(kitchen: Kitchen) -> UUID:
    lines = ["500 g Mehl", "3 Eier", "0,5 l Milch", "Butter zum Braten", "Salz"]
    return kitchen.add(title="Pfannkuchen", servings=2, ingredients=lines).id


def todos(kitchen: Kitchen) -> list[str]:
    return [one.title for one in kitchen.run(list_todos, done=False, sort="created").items]


def wish(*recipes: UUID, **more: Any) -> dict[str, Any]:
    return {"recipes": [{"recipe_id": one} for one in recipes], **more}


# --- merged


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["250 g flour", "0,5 kg Mehl"], "750 g flour"),
        (["600 g flour", "600 g flour"], "1.2 kg flour"),
        (["1 cup milk", "100 ml milk"], "337 ml milk"),
        (["1 cup milk", "2 cups milk"], "3 cup milk"),
        (["2 tbsp oil", "1 tbsp oil"], "3 tbsp oil"),
        (["2 eggs", "3 Eier"], "5 eggs"),
        (["2-3 onions", "1 onion"], "4 onions"),
        (["200 g flour", "2 cups flour"], "200 g + 2 cup flour"),
        (["1 onion", "100 g onions, diced"], "1 + 100 g onion"),
        (["2 x 400g tins tomatoes", "400g tin tomatoes", "1 (400 g) can tomatoes"], "4 can (400 g) tomatoes"),
        (["2 cloves garlic", "3 Knoblauchzehen", "1 Zehe Knoblauch"], "6 clove garlic"),
        (["1 onion", "2 Stück Zwiebel", "1 gr. Zwiebel"], "4 onion"),
        (["1 lb 2 oz flour"], "510 g flour"),
        (["200g/7oz flour", "20 dag Mehl"], "400 g flour"),
        (["1 lemon, zest only", "Saft einer halben Zitrone", "le jus d'1/2 citron"], "2 lemon"),
        (["1 verre de lait", "5 dl Milch"], "1 glass + 5 dl lait"),
        (["1 (400 g) can chickpeas", "2 cans (400 g) chickpeas"], "3 can (400 g) chickpeas"),
        (["1 can (400 g) chickpeas", "1 can (240 g) chickpeas"], "1 can (400 g) + 1 can (240 g) chickpeas"),
        (["1 cup plus 2 tbsp flour"], "267 ml flour"),
        (["200 g (7 oz) chocolate"], "200 g chocolate"),
        (["butter for frying"], "butter"),
        (["butter for frying", "100 g butter"], "100 g butter"),
        (["⅓ cup sugar", "⅓ cup sugar", "⅓ cup sugar"], "1 cup sugar"),
    ],
)
def test_what_can_be_added_is_added_and_the_rest_stands_beside_it(lines: list[str], text: str) -> None:
    found = merged(needs_of(new_id(), "Dish", lines, Fraction(1)))
    assert [one.text for one in found] == [text]


def test_a_draft_says_of_every_line_which_lines_of_which_recipes_it_is(kitchen: Kitchen) -> None:
    one, other = cake(kitchen), pancakes(kitchen)
    recipes = [{"recipe_id": one, "servings": 8}, {"recipe_id": other}]
    draft = kitchen.run(shopping_list, recipes=recipes, have=["Milch"])
    lines = {line.key: line for line in draft.lines}
    assert lines["flour"].text == "1 kg flour" and lines["egg"].text == "7 eggs"
    assert [(source.recipe_title, source.line, source.scaled) for source in lines["flour"].sources] == [
        ("Cake", "250 g flour", "500 g flour"), ("Pfannkuchen", "500 g Mehl", "500 g Mehl"),
    ]  # fmt: skip
    assert lines["butter"].text == "200 g butter" and lines["butter"].some
    assert set(draft.left_out) == {"100 ml milk", "0,5 l Milch", "a pinch of salt", "Salz"}
    assert todos(kitchen) == [] and all(line.todo_id is None for line in draft.lines)


def test_every_line_of_every_recipe_is_somewhere(kitchen: Kitchen) -> None:
    one, other = cake(kitchen), pancakes(kitchen)
    draft = kitchen.run(shopping_list, **wish(one, other, one))
    told = [source.line for line in draft.lines for source in line.sources] + draft.left_out
    assert {"250 g flour", "500 g Mehl", "Salz", "1 tsp baking powder", "Butter zum Braten"} <= set(told)
    assert next(line for line in draft.lines if line.key == "flour").text == "1 kg flour"


def test_a_recipe_that_is_not_there_or_does_not_say_for_how_many_is_an_error(kitchen: Kitchen) -> None:
    with pytest.raises(NotFound):
        kitchen.run(shopping_list, **wish(new_id()))
    vague = kitchen.add(servings=None).id
    with pytest.raises(BadInput, match="for how many"):
        kitchen.run(shopping_list, recipes=[{"recipe_id": vague, "servings": 3}])
    assert kitchen.run(shopping_list, **wish(vague)).lines


# --- as to-dos


def test_lines_become_to_dos_that_grow_with_the_next_recipe(kitchen: Kitchen) -> None:
    kitchen.run(add_to_shopping_list, **wish(cake(kitchen)))
    assert "250 g flour (Cake)" in todos(kitchen) and "2 eggs (Cake)" in todos(kitchen)
    batch = kitchen.run(add_to_shopping_list, **wish(pancakes(kitchen)))
    assert "750 g flour (Cake, Pfannkuchen)" in todos(kitchen)
    assert len(todos(kitchen)) == 5  # flour, eggs, milk, baking powder, butter
    assert {line.key for line in batch.lines} == {"flour", "egg", "milk", "butter"}
    listed = {line.todo_id: line.text for line in kitchen.run(list_shopping_lines).items}
    assert set(listed.values()) == {"750 g flour", "5 eggs", "600 ml milk", "1 tsp baking powder", "100 g butter"}


def test_a_batch_is_taken_back_and_what_others_need_stays(kitchen: Kitchen) -> None:
    kitchen.run(add_to_shopping_list, **wish(cake(kitchen)))
    before = todos(kitchen)
    given = wish(pancakes(kitchen))
    batch = kitchen.run(add_to_shopping_list, **given)
    back = add_to_shopping_list.undo.input(ShoppingWish.model_validate(given), batch)
    taken = kitchen.run(take_off_shopping_list, **back.model_dump())
    assert todos(kitchen) == before and taken.removed == []
    assert "250 g flour (Cake)" in taken.changed
    again = kitchen.run(take_off_shopping_list, **back.model_dump())  # an attempt that is run again
    assert (again.removed, again.changed) == ([], [])


def test_one_recipe_is_taken_off_whoever_put_it_there(kitchen: Kitchen) -> None:
    one, other = cake(kitchen), pancakes(kitchen)
    kitchen.run(add_to_shopping_list, **wish(one, other))
    kitchen.run(add_to_shopping_list, **wish(one))
    taken = kitchen.run(take_off_shopping_list, recipe_id=one)
    assert "500 g Mehl (Pfannkuchen)" in taken.changed
    assert set(todos(kitchen)) == {
        "500 g Mehl (Pfannkuchen)", "3 Eier (Pfannkuchen)", "0.5 l Milch (Pfannkuchen)", "Butter (Pfannkuchen)",
    }  # fmt: skip
    assert kitchen.run(take_off_shopping_list, recipe_id=other).changed == []
    assert todos(kitchen) == [] and kitchen.run(list_shopping_lines).items == []


def test_what_is_bought_is_not_bought_again_nor_taken_back(kitchen: Kitchen) -> None:
    first = kitchen.run(add_to_shopping_list, **wish(cake(kitchen)))
    flour = next(line for line in first.lines if line.key == "flour")
    egg = next(line for line in first.lines if line.key == "egg")
    kitchen.run(complete_todo, todo_id=flour.todo_id)
    kitchen.run(remove_todo, todo_id=egg.todo_id)
    assert {"flour", "egg"}.isdisjoint(line.key for line in kitchen.run(list_shopping_lines).items)
    second = kitchen.run(add_to_shopping_list, **wish(pancakes(kitchen)))
    assert "500 g Mehl (Pfannkuchen)" in todos(kitchen) and "3 Eier (Pfannkuchen)" in todos(kitchen)
    kitchen.run(take_off_shopping_list, batch_id=second.batch_id)
    done = kitchen.run(list_todos, done=True).items
    assert [one.title for one in done] == ["250 g flour (Cake)"]


def test_an_attempt_that_died_anywhere_and_is_run_again_puts_everything_there_once(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies at its nth call of the to-dos, for every n."""
    from tasks.general.services import KeptTodos

    recipe, other = cake(kitchen), pancakes(kitchen)
    kitchen.run(add_to_shopping_list, **wish(recipe))
    job_id, calls = new_id(), {"left": 0}

    class Died(Exception):
        pass

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *given: Any) -> Any:
            calls["left"] -= 1
            if calls["left"] == 0:
                raise Died
            return method(self, *given)

        return call

    for name in ("add", "rename", "still_open"):
        monkeypatch.setattr(KeptTodos, name, counted(getattr(KeptTodos, name)))
    for died_at in range(1, 40):
        calls["left"] = died_at
        try:
            kitchen.run(add_to_shopping_list, job_id, **wish(other))
        except Died:
            continue
        break
    calls["left"] = 0
    assert died_at > 5
    listed = {line.key: line.text for line in kitchen.run(list_shopping_lines).items}
    assert listed["flour"] == "750 g flour" and listed["egg"] == "5 eggs" and len(todos(kitchen)) == len(listed) == 5


def test_the_list_says_where_a_line_comes_from_although_the_recipe_is_gone(kitchen: Kitchen) -> None:
    recipe = cake(kitchen)
    kitchen.run(add_to_shopping_list, **wish(recipe))
    kitchen.run(remove_recipe, recipe_id=recipe)
    line = next(line for line in kitchen.run(list_shopping_lines).items if line.key == "flour")
    assert [(source.recipe_id, source.recipe_title) for source in line.sources] == [(recipe, "Cake")]


def test_what_a_stranger_wrote_is_a_strangers_in_the_list_too(kitchen: Kitchen) -> None:
    from tasks.recipe.actions import import_page

    html = """<script type="application/ld+json">{"@type": "Recipe", "name": "Theirs",
      "recipeIngredient": ["1 mango"], "recipeInstructions": "Eat."}</script>"""
    imported = kitchen.run(import_page, html=html).recipe
    ctx = FakeContext(user=kitchen.user)
    batch = run_action(add_to_shopping_list, wish(imported.id), ctx).result
    assert ctx.trail.result_taint is Taint.OUTSIDE
    reading = FakeContext(user=kitchen.user)
    run_action(list_todos, {}, reading)
    assert reading.trail.result_taint is Taint.OUTSIDE and batch.lines[0].text == "1 mango"


def test_another_users_list_is_left_alone(kitchen: Kitchen, new_user: Callable[[str], User]) -> None:
    other = Kitchen(new_user("bob@example.org"))
    batch = kitchen.run(add_to_shopping_list, **wish(cake(kitchen)))
    assert other.run(list_shopping_lines).items == []
    assert other.run(take_off_shopping_list, batch_id=batch.batch_id).removed == []
    assert len(todos(kitchen)) == 5
