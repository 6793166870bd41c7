"""What pages write instead of what the standard says: values, broken JSON, RDFa, cards of plug-ins, addresses."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.recipe.arrivals import key_of_address
from tasks.recipe.facts import diets_of, minutes_of, servings_of
from tasks.recipe.lenient_json import read_leniently
from tasks.recipe.page import read_page

URL = "https://food.example/recipes/soup"
INGREDIENTS = ["1 onion", "2 carrots"]
SOUP: dict[str, Any] = {
    "@context": "https://schema.org", "@type": "Recipe", "name": "Soup", "recipeIngredient": INGREDIENTS,
    "recipeInstructions": "Cook it.\nEat it.",
}  # fmt: skip
SCRIPT = json.dumps(SOUP)


def read(document: Any, kind: str = "application/ld+json") -> dict[str, Any]:
    script = document if isinstance(document, str) else json.dumps(document).replace("</", "<\\/")
    return read_body(f'<script type="{kind}">{script}</script>')


def read_body(body: str) -> dict[str, Any]:
    return (
        read_page(f"<!doctype html><html><head><title>Site</title></head><body>{body}</body></html>", URL).recipe or {}
    )


MINUTES: dict[str, int | None] = {
    "30 mins to 1 hour": 60, "45 min bis 1 Stunde": 60, "1 to 2 hours": 120, "1 hr 15 min": 75, "PT1D": 1440, "30'": 30,
    "30 minuuttia": 30, "1 t 30 min": 90, "1 tunti": 60, "1 St. 30 Min": 90, "30分": 30, "1時間30分": 90, "1 godz. 20 minut": 80,
    "50 Minuten + 2 Stunden Kühlzeit": 170, "overnight": None, "PT0M": None, "PT-30M": None,
}  # fmt: skip


@pytest.mark.parametrize("text", MINUTES)
def test_a_time_is_understood_in_the_words_of_many_languages(text: str) -> None:
    assert minutes_of(text) == MINUTES[text]


@pytest.mark.parametrize(
    ("text", "servings"),
    [
        ("-4", None),
        ("1 000 g", None),
        ("9" * 400, None),
        ("8 servings (1 cup each)", 8),
        ("24 (2-inch) cookies", 24),
        ("0", None),
    ],
)
def test_a_yield_is_never_a_weight_and_never_out_of_bounds(text: str, servings: float | None) -> None:
    assert servings_of(text) == servings


DIETS: dict[str, list[str]] = {
    "schema:VeganDiet": ["vegan"], "végane": ["vegan"], "ohne Gluten": ["gluten_free"], "senza glutine": ["gluten_free"],
    "glutenvrij": ["gluten_free"], "sin lactosa": ["low_lactose"], "senza lattosio": ["low_lactose"], "sans lactose": ["low_lactose"],
    "vegan adaptable": [], "vegan option": [], "vegetables": [], "non-vegan": [],
}  # fmt: skip


@pytest.mark.parametrize("name", DIETS)
def test_a_diet_is_one_that_the_recipe_has_and_no_option(name: str) -> None:
    assert diets_of([name]) == DIETS[name]


#: What a page says, the field that it becomes, and its value.
VALUES: list[tuple[dict[str, Any], str, Any]] = [
    ({"totalTime": 29.6}, "minutes", 30),
    ({"author": {"@type": "Person", "name": ["Ann"]}}, "author", "Ann"),
    ({"author": {"@type": "Person", "name": {"@value": "Ann"}}}, "author", "Ann"),
    ({"author": "https://food.example/ann"}, "author", None),
    ({"image": "//cdn.example/x y.jpg"}, "image_url", "https://cdn.example/x%20y.jpg"),
    ({"image": {"url": {"@id": "https://a.example/d.jpg"}}}, "image_url", "https://a.example/d.jpg"),
    ({"nutrition": {"proteinContent": {"value": 3, "unitText": "g"}}}, "nutrition", {"protein": "3 g"}),
    ({"nutrition": [{"@type": "NutritionInformation", "calories": "270 kcal"}]}, "nutrition", {"calories": "270 kcal"}),
    ({"recipeIngredient": ["1 onion\n2 carrots"]}, "ingredients", INGREDIENTS),
    ({"recipeIngredient": ["<ul><li>1 onion</li><li>2 carrots</li></ul>"]}, "ingredients", INGREDIENTS),
    ({"recipeIngredient": ["1 onion, 2 carrots, 3 eggs, 4 leeks"]}, "ingredients", [*INGREDIENTS, "3 eggs", "4 leeks"]),
    ({"recipeIngredient": [[["1 onion"]], ["2 carrots"]]}, "ingredients", INGREDIENTS),
    ({"recipeIngredient": {"0": "1 onion", "1": "2 carrots"}}, "ingredients", INGREDIENTS),
    ({"recipeIngredient": ["1 cup\nflour", "2 eggs"]}, "ingredients", ["1 cup flour", "2 eggs"]),
    ({"recipeInstructions": {"1": {"@type": "HowToStep", "text": "A b."}, "2": "C d."}}, "steps", ["A b.", "C d."]),
    ({"recipeInstructions": "Schritt 1: Mischen. Schritt 2: Backen."}, "steps", ["Mischen.", "Backen."]),
    ({"recipeInstructions": "Mix.\\nBake."}, "steps", ["Mix.", "Bake."]),
]


@pytest.mark.parametrize(("more", "field", "value"), VALUES, ids=[json.dumps(more) for more, _, _ in VALUES])
def test_a_value_is_read_in_every_shape_in_which_pages_have_it(more: dict[str, Any], field: str, value: Any) -> None:
    assert read(SOUP | more).get(field) == value


def test_names_of_properties_may_be_their_addresses() -> None:
    said = {
        f"https://schema.org/{name}": [{"@value": value}]
        for name, value in SOUP.items()
        if name[0] != "@" and isinstance(value, str)
    }
    lines = {"https://schema.org/recipeIngredient": [{"@value": line} for line in INGREDIENTS]}
    found = read({"@type": "https://schema.org/Recipe", **said, **lines})
    assert (found["title"], found["ingredients"]) == ("Soup", INGREDIENTS)


@pytest.mark.parametrize("width", [1, 50])
def test_groups_that_refer_to_themselves_are_read_once(width: int) -> None:
    lines = {"@id": "#a", "@type": "ItemList", "itemListElement": [*[{"@id": "#a"}] * width, *INGREDIENTS]}
    steps = {"@id": "#s", "@type": "HowToSection", "name": "Do", "itemListElement": [*[{"@id": "#s"}] * width, "Cook."]}
    soup = SOUP | {"recipeIngredient": {"@id": "#a"}, "recipeInstructions": {"@id": "#s"}, "author": {"@id": "#p"}}
    found = read({"@graph": [soup, lines, steps, {"@id": "#p", "x": 1, "name": [{"@id": "#p"}] * width}]})
    assert (found["ingredients"], found["steps"]) == (INGREDIENTS, ["Do:", "Cook."])


BROKEN: dict[str, str] = {
    "a bracket is missing": SCRIPT[:-1],
    "all of its ends are": f'{{"@graph": [{SCRIPT}',
    "a comma twice": SCRIPT.replace(', "recipeInstructions"', ',, "recipeInstructions"'),
    "a comma is missing": SCRIPT.replace('], "recipeInstructions"', '] "recipeInstructions"'),
    "quotes within a text": SCRIPT.replace("Cook it.", 'Cook "slowly", then "fast".'),
    "inches within a text": SCRIPT.replace("Cook it.", 'Use a 9" pan, or 10".'),
    "single quotes": SCRIPT.replace('"', "'"),
    "curly quotes": SCRIPT.replace('"@type"', "“@type”"),
    "no value": SCRIPT[:-1] + ', "video": }',
    "a value of JavaScript": SCRIPT[:-1] + ', "video": undefined}',
    "names without quotes": SCRIPT.replace('"name"', "name"),
    "no escape": SCRIPT.replace("Cook it.", "Cook \\u00g it."),
    "broken before it": '{"@type": "BreadcrumbList", "x": [}' + SCRIPT,
    "broken behind it": SCRIPT + '{"@type": "BreadcrumbList", "x": [}',
}


@pytest.mark.parametrize("fault", BROKEN)
def test_json_that_no_reader_takes_is_read_as_far_as_it_goes(fault: str) -> None:
    assert read(BROKEN[fault]).get("ingredients") == INGREDIENTS


def test_what_quotes_are_in_a_text_stay_in_it() -> None:
    assert read(BROKEN["quotes within a text"])["steps"] == ['Cook "slowly", then "fast".', "Eat it."]


@pytest.mark.parametrize(
    "text", ["", "{", "[", '"', "{'", "[,,]", '{"a"', '{"a":', "}", ":", '[{"a": 1}, nonsense, 01, 1.5]', '{"a" 1}']
)
def test_the_lenient_reader_ends_whatever_it_is_given(text: str) -> None:
    assert read_leniently(text)[1] <= len(text)


def test_a_recipe_in_a_script_of_another_type_is_read() -> None:
    assert read({"props": {"page": SOUP}}, "application/json")["ingredients"] == INGREDIENTS
    assert read({"props": {"page": {"name": "x"}}}, "application/json") == {}


RDFA: dict[str, str] = {
    "lite": '<div vocab="https://schema.org/" typeof="Recipe"><span property="name">Soup</span><span property="author" typeof="Person">'
    '<span property="name">Ann</span></span><li property="recipeIngredient">1 onion</li><li property="recipeIngredient">2 carrots</li>'
    '<meta property="totalTime" content="PT30M"><ol property="recipeInstructions"><li>Cook it.</li><li>Eat it.</li></ol></div>',
    "with a prefix": '<div prefix="schema: http://schema.org/" typeof="schema:Recipe"><span property="schema:name">Soup</span>'
    '<i property="schema:author">Ann</i><li property="schema:recipeIngredient">1 onion</li><li property="schema:recipeIngredient">2 carrots'
    '</li><time property="schema:totalTime" datetime="PT30M">half an hour</time><div property="schema:recipeInstructions">Cook it.<br>Eat it.</div></div>',
    "of old": '<div xmlns:v="http://rdf.data-vocabulary.org/#" typeof="v:Recipe"><b property="v:name">Soup</b><i property="v:author">Ann</i>'
    '<span rel="v:ingredient"><span typeof="v:Ingredient"><i property="v:amount">1</i> <i property="v:name">onion</i></span></span>'
    '<span rel="v:ingredient"><span typeof="v:Ingredient"><i property="v:amount">2</i> <i property="v:name">carrots</i></span></span>'
    '<time property="v:totalTime" content="PT30M">half an hour</time><div property="v:instructions"><p>Cook it.</p><p>Eat it.</p></div></div>',
}  # fmt: skip


@pytest.mark.parametrize("kind", RDFA)
def test_a_recipe_in_rdfa_is_read(kind: str) -> None:
    found = read_body(RDFA[kind])
    assert (found["title"], found["ingredients"], found["steps"]) == ("Soup", INGREDIENTS, ["Cook it.", "Eat it."])
    assert (found["minutes"], found["author"]) == (30, "Ann")


CARDS: dict[str, str] = {
    "WP Recipe Maker": '<div class="wprm-recipe-container"><h2 class="wprm-recipe-name">Soup</h2><span class="wprm-recipe-servings">4</span>'
    '<div class="wprm-recipe-ingredient-group"><h4 class="wprm-recipe-group-name wprm-recipe-ingredient-group-name">Base</h4><ul>'
    '<li class="wprm-recipe-ingredient"><span class="wprm-checkbox-container"><label>▢</label></span><span>1</span> <span>onion</span></li>'
    '<li class="wprm-recipe-ingredient"><span>2</span> <span>carrots</span></li></ul></div><div class="wprm-recipe-instruction-group"><ul>'
    '<li><div class="wprm-recipe-instruction-text">Cook it.</div></li><li><div class="wprm-recipe-instruction-text">Eat it.</div></li></ul></div></div>',
    "Tasty Recipes": '<div class="tasty-recipes"><h2 class="tasty-recipes-title">Soup</h2><span class="tasty-recipes-yield">4 servings</span>'
    '<div class="tasty-recipes-ingredients"><h3>Ingredients</h3><h4>Base</h4><ul><li>1 onion</li><li>2 carrots</li></ul></div>'
    '<div class="tasty-recipes-instructions"><h3>Instructions</h3><ol><li>Cook it.</li><li>Eat it.</li></ol></div></div>',
    "Mediavine Create": '<section class="mv-create-card"><h2 class="mv-create-title">Soup</h2><span class="mv-create-yield">4</span>'
    '<div class="mv-create-ingredients"><h3>Ingredients</h3><h4>Base</h4><ul><li>1 onion</li><li>2 carrots</li></ul></div>'
    '<div class="mv-create-instructions"><h3>Instructions</h3><ol><li>Cook it.</li><li>Eat it.</li></ol></div></section>',
}  # fmt: skip


@pytest.mark.parametrize("plug_in", CARDS)
def test_a_card_of_a_plug_in_is_read_where_the_page_says_nothing_for_machines(plug_in: str) -> None:
    found = read_body(CARDS[plug_in])
    assert (found["title"], found["ingredients"], found["servings"]) == ("Soup", ["Base:", *INGREDIENTS], 4)
    assert found["steps"] == ["Cook it.", "Eat it."]


def test_lists_within_lists_of_a_card_are_read_once() -> None:
    body = (
        '<div class="h-recipe"><b class="p-name">Soup</b>'
        + '<ul class="ingredients-list">' * 100
        + "<li>1 onion</li>" * 1_000
    )
    assert len(read_body(body)["ingredients"]) <= 300


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://food.example/a/amp/", "https://food.example/a"), ("https://food.example/a?amp=1", "https://food.example/a"),
        ("https://food.example/k%C3%BCrbis", "https://food.example/kürbis"), ("https://food.example/a%2Db", "https://food.example/a-b"),
        ("https://xn--kchen-kva.example/a", "https://küchen.example/a"), ("https://food.example/a?srsltid=1", "https://food.example/a"),
        ("https://food.example/a?gad_source=1&b=2", "https://food.example/a?b=2"), ("https://food.example/a#comments", "https://food.example/a"),
    ],
)  # fmt: skip
def test_one_page_has_one_key_whatever_its_address_says_beside(one: str, other: str) -> None:
    assert key_of_address(one) == key_of_address(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://food.example/a?reference=1", "https://food.example/a?reference=2"), ("https://food.example/?1", "https://food.example/?2"),
        ("https://food.example/a?ref_id=1", "https://food.example/a?ref_id=2"), ("https://food.example/a?id=", "https://food.example/a"),
        ("https://food.example/#/recipe/1", "https://food.example/#/recipe/2"), ("https://food.example/#!a", "https://food.example/#!b"),
        ("https://food.example/a%2Fb?x=1", "https://food.example/a?x=1"), ("https://food.example/example", "https://food.example/ex/amp"),
    ],
)  # fmt: skip
def test_pages_of_their_own_have_keys_of_their_own(one: str, other: str) -> None:
    assert key_of_address(one) != key_of_address(other)
