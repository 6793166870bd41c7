"""What a page says of its recipe: by schema.org in every form that it allows, and in those that pages have instead."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from llmcoder import BadInput
from llmcoder.testing import FakeContext
from tasks.recipe import page_process
from tasks.recipe.arrivals import canonical_of, key_of_address
from tasks.recipe.facts import diets_of, minutes_of, servings_of
from tasks.recipe.page import PageReading, read_page
from tasks.recipe.page_process import read_in_process

URL = "https://food.example/recipes/soup"
SOUP: dict[str, Any] = {
    "@context": "https://schema.org",
    "@type": "Recipe",
    "name": "Soup",
    "recipeIngredient": ["1 onion", "2 carrots"],
    "recipeInstructions": "Cook it.\nEat it.",
    "totalTime": "PT30M",
    "recipeYield": "4 servings",
}


def page(*documents: Any, head: str = "", body: str = "") -> str:
    scripts = "".join(f'<script type="application/ld+json">{_script(one)}</script>' for one in documents)
    return f"<!doctype html><html lang='en'><head><title>Site</title>{head}{scripts}</head><body>{body}</body></html>"


def _script(document: Any) -> str:
    """As pages write it: `</` would end the script."""
    return document if isinstance(document, str) else json.dumps(document).replace("</", "<\\/")


def read(*documents: Any, url: str | None = URL, **more: str) -> dict[str, Any]:
    found = read_page(page(*documents, **more), url).recipe
    assert found is not None
    return found


# --- where the recipe is


GRAPH = {"@context": "https://schema.org", "@graph": [{"@type": "WebSite", "name": "Food"}, {"@type": "WebPage"}, SOUP]}
PLACES: dict[str, Any] = {
    "alone": SOUP,
    "in a list": [{"@type": "BreadcrumbList"}, SOUP],
    "in a list in a list": [[SOUP]],
    "in a graph": GRAPH,
    "in a graph in a list": [GRAPH],
    "a graph that is one thing": {"@context": "https://schema.org", "@graph": SOUP},
    "with several types": SOUP | {"@type": ["Recipe", "NewsArticle"]},
    "by the full name of its type": SOUP | {"@type": "http://schema.org/Recipe"},
    "by a prefix": SOUP | {"@type": "schema:Recipe"},
    "a context that is a list": SOUP | {"@context": ["https://schema.org", {"@language": "en"}]},
    "a context that is an object": SOUP | {"@context": {"@vocab": "http://schema.org/"}},
    "no context": {name: value for name, value in SOUP.items() if name != "@context"},
    "the main entity of a page": {"@type": "WebPage", "@context": "https://schema.org", "mainEntity": SOUP},
    "a part of an article": {"@type": "Article", "hasPart": [{"@type": "ImageObject"}, SOUP]},
    "about": {"@type": "Article", "about": {"@type": "Thing", "subjectOf": SOUP}},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_recipe_is_found_wherever_a_page_keeps_it(place: str) -> None:
    found = read(PLACES[place])
    assert (found["title"], found["ingredients"], found["steps"]) == (
        "Soup",
        ["1 onion", "2 carrots"],
        ["Cook it.", "Eat it."],
    )
    assert (found["minutes"], found["servings"], found["yields"]) == (30, 4.0, "4 servings")


def test_references_within_a_graph_are_followed() -> None:
    graph = {
        "@context": "https://schema.org",
        "@graph": [
            {"@type": "Recipe", "@id": "#r", "name": "Soup", "author": {"@id": "#ann"}, "image": {"@id": "#pic"},
             "recipeIngredient": ["1 onion"], "recipeInstructions": [{"@id": "#s1"}], "nutrition": {"@id": "#n"}},
            {"@type": "Person", "@id": "#ann", "name": "Ann"},
            {"@type": "ImageObject", "@id": "#pic", "url": "/pic.jpg"},
            {"@type": "HowToStep", "@id": "#s1", "text": "Cook."},
            {"@type": "NutritionInformation", "@id": "#n", "calories": "90 kcal", "fatContent": "3 g"},
        ],
    }  # fmt: skip
    found = read(graph)
    assert (found["author"], found["image_url"], found["steps"]) == ("Ann", "https://food.example/pic.jpg", ["Cook."])
    assert found["nutrition"] == {"calories": "90 kcal", "fat": "3 g"}


BROKEN: dict[str, str] = {
    "a comma too many": json.dumps(SOUP)[:-1] + ",}",
    "line breaks in texts": json.dumps(SOUP).replace("\\n", "\n"),
    "within a comment of HTML": f"<!-- {json.dumps(SOUP)} -->",
    "within CDATA": f"//<![CDATA[\n{json.dumps(SOUP)}\n//]]>",
    "a semicolon at the end": json.dumps(SOUP) + ";",
    "escaped as HTML": json.dumps(SOUP).replace('"', "&quot;"),
    "one after the other": '{"@type": "WebSite"}\n' + json.dumps(SOUP),
    "a remark": "/* by our plug-in */ " + json.dumps(SOUP),
    "a backslash that escapes nothing": json.dumps(SOUP | {"description": "x"}).replace('"x"', '"5 \\x 5"'),
    "a byte-order mark": "\ufeff" + json.dumps(SOUP),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_json_that_templates_broke_is_read_all_the_same(fault: str) -> None:
    assert read(BROKEN[fault])["ingredients"] == ["1 onion", "2 carrots"]


def test_one_broken_script_hides_no_other() -> None:
    assert read("{not json", SOUP, '{"@type": "Recipe", "name": ')["title"] == "Soup"


@pytest.mark.parametrize(
    "kind", ["application/ld+json; charset=utf-8", "APPLICATION/LD+JSON", "application/json+ld+json"]
)
def test_the_type_of_a_script_is_not_read_too_closely(kind: str) -> None:
    html = page(SOUP).replace("application/ld+json", kind)
    assert read_page(html, URL).recipe is not None


MICRODATA = """
<div itemscope itemtype="http://schema.org/Recipe">
  <h1 itemprop="name">Soup</h1> by <span itemprop="author" itemscope itemtype="http://schema.org/Person"><b itemprop="name">Ann</b></span>
  <img itemprop="image" src="/pic.jpg"> <meta itemprop="recipeYield" content="4 servings">
  <time itemprop="totalTime" datetime="PT30M">half an hour</time>
  <ul><li itemprop="recipeIngredient">1 onion</li><li itemprop="ingredients">2 carrots</li></ul>
  <ol itemprop="recipeInstructions"><li>Cook it.</li><li>Eat it.</li></ol>
  <div itemprop="nutrition" itemscope itemtype="http://schema.org/NutritionInformation"><span itemprop="calories">90 kcal</span></div>
</div>"""


def test_microdata_is_read() -> None:
    found = read(body=MICRODATA)
    assert (found["title"], found["author"], found["minutes"], found["servings"]) == ("Soup", "Ann", 30, 4.0)
    assert found["image_url"] == "https://food.example/pic.jpg" and found["nutrition"] == {"calories": "90 kcal"}
    assert "1 onion" in found["ingredients"]
    assert "Cook it." in " ".join(found["steps"])


def test_what_json_ld_leaves_out_microdata_adds() -> None:
    half = {name: SOUP[name] for name in ("@context", "@type", "name", "recipeIngredient")}
    assert "Cook it." in " ".join(read(half, body=MICRODATA)["steps"])


def test_the_microformat_is_read_where_there_is_nothing_else() -> None:
    body = """<article class="h-recipe"><h1 class="p-name">Soup</h1><p class="p-yield">4 bowls</p>
      <time class="dt-duration" datetime="PT30M">30 min</time><span class="p-ingredient">1 onion</span>
      <span class="p-ingredient">2 carrots</span><div class="e-instructions"><p>Cook it.</p><p>Eat it.</p></div></article>"""
    found = read(body=body)
    assert (found["title"], found["ingredients"], found["steps"]) == (
        "Soup",
        ["1 onion", "2 carrots"],
        ["Cook it.", "Eat it."],
    )
    assert (found["minutes"], found["servings"]) == (30, 4.0)


# --- of several the one that the page is about


def test_of_several_recipes_the_pages_own_is_taken_and_the_others_are_named() -> None:
    others = [SOUP | {"name": f"Other {n}", "url": f"https://food.example/recipes/other-{n}"} for n in range(2)]
    reading = read_page(page(others[0], SOUP | {"url": URL + "/"}, others[1]), URL)
    assert reading.recipe is not None and reading.recipe["title"] == "Soup"
    assert reading.others == ["Other 0", "Other 1"]


def test_a_teaser_of_a_recipe_is_not_the_recipe() -> None:
    teaser = {
        "@context": "https://schema.org",
        "@type": "Recipe",
        "name": "Teaser",
        "url": "https://food.example/t",
        "image": "/x.jpg",
    }
    assert read(teaser, SOUP)["title"] == "Soup"


def test_a_page_with_nothing_but_teasers_names_no_recipe() -> None:
    teasers = [{"@type": "Recipe", "name": f"T{n}", "image": "x.jpg", "url": f"/{n}"} for n in range(9)]
    for html in (page(teasers), page(), "", "   ", "<p>No recipe, but much text.</p>", "plain text", "\0", "<" * 5_000):
        assert read_page(html, URL).recipe is None


# --- ingredients and steps


INGREDIENTS: list[tuple[Any, list[str]]] = [
    ("1 onion\n2 carrots", ["1 onion", "2 carrots"]),
    ("<ul><li>1 onion</li><li>2 carrots</li></ul>", ["1 onion", "2 carrots"]),
    ("1 onion<br>2 carrots<br/>", ["1 onion", "2 carrots"]),
    ("1 onion, 2 carrots, 3 leeks, 4 eggs", ["1 onion", "2 carrots", "3 leeks", "4 eggs"]),
    ([["1 onion"], ["2 carrots"]], ["1 onion", "2 carrots"]),
    (["1&nbsp;onion", "&amp;frac12; cup", "", None, "<b>2</b> carrots"], ["1 onion", "½ cup", "2 carrots"]),
    ([{"@type": "HowToSupply", "name": "onion", "requiredQuantity": "1"}], ["1 onion"]),
    ([{"@type": "HowToSupply", "name": "flour", "requiredQuantity": {"value": 200, "unitText": "g"}}], ["200 g flour"]),
    ([{"@type": "PropertyValue", "name": "flour", "value": "200", "unitText": "g"}], ["200 g flour"]),
    ([{"text": "1 onion"}, {"name": "2 carrots"}], ["1 onion", "2 carrots"]),
    ({"@type": "ItemList", "name": "Base", "itemListElement": ["1 onion"]}, ["Base:", "1 onion"]),
    ([{"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": "1 onion"}]}], ["1 onion"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "lines"), INGREDIENTS)
def test_ingredients_are_read_in_whatever_form(given: Any, lines: list[str]) -> None:
    assert read(SOUP | {"recipeIngredient": given})["ingredients"] == lines


def test_the_old_name_of_ingredients_counts() -> None:
    old = {name: value for name, value in SOUP.items() if name != "recipeIngredient"} | {"ingredients": ["1 onion"]}
    assert read(old)["ingredients"] == ["1 onion"]


STEPS: list[tuple[Any, list[str]]] = [
    ("Cook it.", ["Cook it."]),
    ("1. Cook it. 2. Eat it.", ["Cook it.", "Eat it."]),
    ("<p>Cook it.</p><p>Eat it.</p>", ["Cook it.", "Eat it."]),
    ("<ol><li>Cook it.</li><li>Eat it.</li></ol>", ["Cook it.", "Eat it."]),
    (["Cook it.", "Eat it."], ["Cook it.", "Eat it."]),
    ([["Cook it."], ["Eat it."]], ["Cook it.", "Eat it."]),
    ({"@type": "HowToStep", "text": "Cook it."}, ["Cook it."]),
    ([{"@type": "HowToStep", "name": "Step 1", "text": "Cook it."}], ["Cook it."]),
    ([{"@type": "HowToStep", "name": "Cook it", "text": "Cook it."}], ["Cook it."]),
    ([{"@type": "HowToStep", "name": "Prepare", "text": "Cook it."}], ["Prepare: Cook it."]),
    ([{"@type": "HowToStep", "name": "Cook it."}], ["Cook it."]),
    ([{"@type": ["HowToStep", "Thing"], "text": "Cook it."}], ["Cook it."]),
    ([{"@type": "HowToStep", "itemListElement": [{"@type": "HowToDirection", "text": "Cook it."}, {"@type": "HowToTip", "text": "Slowly."}]}], ["Cook it. Slowly."]),
    ([{"@type": "HowToSection", "name": "Base", "itemListElement": [{"@type": "HowToStep", "text": "Cook it."}, {"@type": "HowToStep", "text": "Eat it."}]}], ["Base:", "Cook it.", "Eat it."]),
    ([{"@type": "HowToSection", "name": "Base", "itemListElement": {"@type": "HowToStep", "text": "Cook it."}}, "Eat it."], ["Base:", "Cook it.", "Eat it."]),
    ([{"@type": "HowToSection", "itemListElement": ["Cook it.", "Eat it."]}], ["Cook it.", "Eat it."]),
    ({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": {"@type": "HowToStep", "text": "Cook it."}}]}, ["Cook it."]),
    ({"@type": "HowTo", "step": [{"text": "Cook it."}, {"text": "Eat it."}]}, ["Cook it.", "Eat it."]),
    ({"@type": "CreativeWork", "text": "Cook it.\nEat it."}, ["Cook it. Eat it."]),
    ([None, "", {"@type": "HowToStep"}, {"@type": "HowToStep", "text": None}, "Cook it."], ["Cook it."]),
    ([{"@type": "HowToStep", "text": {"@value": "Cook it.", "@language": "en"}}], ["Cook it."]),
    ({"@list": ["Cook it.", "Eat it."]}, ["Cook it.", "Eat it."]),
    ([{"text": "1) Cook it.<script>x</script>"}], ["Cook it. x"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "steps"), STEPS)
def test_steps_are_read_in_whatever_form(given: Any, steps: list[str]) -> None:
    assert read(SOUP | {"recipeInstructions": given})["steps"] == steps


def test_a_recipe_that_lies_within_itself_for_ever_ends() -> None:
    deep: Any = "Cook it."
    for _ in range(300):
        deep = {"@type": "HowToSection", "itemListElement": [deep]}
    assert read(SOUP | {"recipeInstructions": ["Cook it.", deep]})["steps"][0] == "Cook it."
    around = {"@id": "#a", "@type": "HowToSection", "name": "A", "itemListElement": [{"@id": "#a"}]}
    assert read(SOUP | {"recipeInstructions": [around, "Cook it."]})["steps"]


# --- times, yields, pictures


MINUTES: dict[str, int | None] = {
    "PT30M": 30, "PT1H30M": 90, "P0Y0M0DT0H35M0.000S": 35, "PT1.5H": 90, "P1D": 1440, "P1W": 10080, "P1DT2H": 1560,
    "PT2700S": 45, "PT100H": 6000, " pt45m ": 45, "P0DT1H30M": 90,
    # wrong, and what was meant
    "PT90": 90, "PT1H30": 90, "P30M": 30, "T30M": 30, "PT30MIN": 30, "PT1H 30M": 90,
    # no duration at all
    "30": 30, "30 minutes": 30, "1 hr 15 min": 75, "1:30": 90, "00:30:00": 30, "1 Stunde 20 Minuten": 80,
    "1 Stunde 20": 80, "½ hour": 30, "1 1/2 hours": 90, "ca. 45 Min.": 45, "20-25 minutes": 25, "eine Stunde": 60, "1h30": 90,
    # nothing
    "PT0M": None, "P0D": None, "PT": None, "P": None, "": None, "foo": None, "PT-5M": None, "-PT5M": None, "0": None,
    "P99Y": None, "overnight": None, "999999999999 hours": None,
}  # fmt: skip


@pytest.mark.parametrize("text", MINUTES)
def test_durations_are_read_also_where_they_are_wrong(text: str) -> None:
    assert minutes_of(text) == MINUTES[text]


@pytest.mark.parametrize(
    ("given", "minutes"),
    [
        (30, 30), (["PT30M", "30 minutes"], 30), ({"@type": "Duration", "maxValue": "PT40M", "minValue": "PT30M"}, 40),
        ({"@type": "QuantitativeValue", "value": 30, "unitCode": "MIN"}, 30), (True, None), ({}, None), ([], None), (-5, None),
    ],
)  # fmt: skip
def test_a_duration_may_be_a_thing_or_a_number(given: Any, minutes: int | None) -> None:
    assert read(SOUP | {"totalTime": given}).get("minutes") == minutes


@pytest.mark.parametrize(
    ("given", "servings"),
    [
        ("4", 4), (4, 4), ("Serves 4-6", 4), ("Für 4 Personen", 4), ("2 dozen cookies", 24), ("Makes one loaf", 1), ("four", 4),
        (["4", "4 servings"], 4), ("About 24 pieces", 24), ("one 9-inch cake", 1), ("½ cup", 0.5), ("12 Stück", 12),
        ({"@type": "QuantitativeValue", "value": 6, "unitText": "servings"}, 6), ("plenty", None), ("", None), (0, None),
    ],
)  # fmt: skip
def test_a_yield_may_be_in_words(given: Any, servings: float | None) -> None:
    assert read(SOUP | {"recipeYield": given}).get("servings") == servings


def test_words_for_a_yield_are_kept() -> None:
    assert read(SOUP | {"recipeYield": ["8", "8 slices"]})["yields"] == "8 slices"
    assert servings_of("1 (9-inch) pie") == 1


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("/a.jpg", "https://food.example/a.jpg"), (["https://cdn.example/a.jpg", "b.jpg"], "https://cdn.example/a.jpg"),
        ({"@type": "ImageObject", "url": "//cdn.example/a.jpg"}, "https://cdn.example/a.jpg"),
        ([{"@type": "ImageObject", "contentUrl": "a.jpg"}], "https://food.example/recipes/a.jpg"),
        ({"@type": "ImageObject", "url": ["https://x.example/1.jpg"]}, "https://x.example/1.jpg"),
        ("data:image/png;base64,AAAA", None), ("javascript:alert(1)", None), ("a picture of soup", None), ([], None), (7, None),
    ],
)  # fmt: skip
def test_a_picture_is_named_by_its_whole_address_or_not_at_all(given: Any, address: str | None) -> None:
    assert read(SOUP | {"image": given}).get("image_url") == address


def test_tags_and_diets_come_of_what_the_page_says() -> None:
    more = {
        "keywords": "quick, Easy; weeknight", "recipeCategory": ["Dinner", "quick"], "recipeCuisine": "Italian",
        "suitableForDiet": ["https://schema.org/VeganDiet", {"@id": "http://schema.org/GlutenFreeDiet"}],
    }  # fmt: skip
    found = read(SOUP | more)
    assert found["tags"] == ["quick", "Easy", "weeknight", "Dinner", "Italian"]
    assert found["diets"] == ["vegan", "gluten_free"]
    assert diets_of(["vegetarisch", "Non-vegetarian", "Gluten-free baking", "not vegan"]) == [
        "vegetarian",
        "gluten_free",
    ]


def test_what_a_page_says_cannot_be_markup_or_longer_than_a_recipe() -> None:
    found = read(
        SOUP
        | {"name": "<script>alert(1)</script>Soup &lt;img src=x onerror=y&gt;", "description": "a\u0000b\u202ec\ud800"}
    )
    assert "<" not in found["title"] and "onerror" not in found["title"]
    assert found["description"].startswith("abc")


def test_the_page_says_what_the_recipe_leaves_out() -> None:
    head = """<meta property="og:image" content="/og.jpg"><meta property="og:site_name" content="Food &amp; more">
      <link rel="canonical" href="/recipes/soup">"""
    bare = {name: SOUP[name] for name in ("@context", "@type", "recipeIngredient", "recipeInstructions")}
    reading = read_page(page(bare, head=head, body="<h1>Good soup</h1>"), URL + "?utm_source=x")
    assert reading.recipe is not None and reading.canonical == URL
    assert reading.recipe["title"] == "Good soup" and reading.recipe["source_name"] == "Food & more"
    assert (reading.recipe["image_url"], reading.recipe["language"]) == ("https://food.example/og.jpg", "en")


def test_a_site_that_is_known_is_read_by_what_is_known_of_it() -> None:
    """recipe-scrapers knows this host; schema.org alone would do as well, and the two agree."""
    found = read_page(page(SOUP | {"name": "Soup of the site"}), "https://www.allrecipes.com/recipe/1/soup/")
    assert found.recipe is not None and found.recipe["title"] == "Soup of the site"


# --- its address


@pytest.mark.parametrize(
    ("said", "fetched", "address"),
    [
        (None, URL, URL),
        ("https://www.food.example/soup", URL, "https://www.food.example/soup"),
        ("https://food.example/soup", "https://m.food.example/amp/soup", "https://food.example/soup"),
        ("https://evil.example/soup", URL, URL),  # a page speaks for its own site only
        ("https://food.example/", URL, URL),  # a template that names the front page
    ],
)
def test_the_address_that_a_page_gives_itself_is_believed_within_its_site(
    said: str | None, fetched: str, address: str
) -> None:
    assert canonical_of(said, fetched) == address


def test_addresses_that_differ_by_how_somebody_came_there_are_one() -> None:
    same = [
        URL,
        URL + "/",
        URL.replace("https", "http"),
        URL + "?utm_source=mail&fbclid=1",
        URL.replace("//", "//www."),
        URL + "#top",
    ]
    assert len({key_of_address(one) for one in same}) == 1
    assert key_of_address(URL + "?id=1") != key_of_address(URL + "?id=2")


# --- the process that reads it


def test_a_page_is_read_in_a_process_of_its_own() -> None:
    reading = read_in_process(page(SOUP), URL, FakeContext())
    assert isinstance(reading, PageReading) and reading.recipe is not None
    assert reading.recipe == read(SOUP) and reading.read_by == ["schema.org"]


def test_the_process_that_reads_pages_knows_none_of_our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    show = "import sys, os, json; sys.stdin.read(); print(json.dumps({'title': ' '.join(sorted(os.environ))}))"
    monkeypatch.setattr(page_process, "command_line", lambda _: [sys.executable, "-c", show])
    names = (read_in_process(page(SOUP), URL, FakeContext()).title or "").split()
    assert "DATABASE_URL" not in names and set(names) <= {*page_process.PASSED_ON, "LC_CTYPE"}


def test_there_is_no_network_where_pages_are_read() -> None:
    code = (
        "from tasks.recipe.page_process import refuse_network; refuse_network()\n"
        "import recipe_scrapers, urllib.request, socket\n"
        "for ask in (lambda: urllib.request.urlopen('http://127.0.0.1:9/'), lambda: socket.socket(),\n"
        "            lambda: socket.create_connection(('127.0.0.1', 9)), lambda: recipe_scrapers.scrape_me('http://127.0.0.1:9/')):\n"
        "    try: ask()\n"
        "    except OSError as error: print('no network' in str(error))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_a_page_that_takes_too_long_is_a_clear_error_and_its_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_process, "TIME_LIMIT_S", 0.2)
    begun = time.monotonic()
    with pytest.raises(BadInput, match="longer than"):
        read_in_process(page(SOUP, body="<p>x" * 400_000), URL, FakeContext())
    assert time.monotonic() - begun < 20


def test_a_process_that_breaks_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        page_process, "command_line", lambda _: [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(3)"]
    )
    with pytest.raises(BadInput, match="cannot be read"):
        read_in_process(page(SOUP), URL, FakeContext())


HOSTILE: dict[str, str] = {
    "tags that never end": page(SOUP | {"description": "<" * 90_000}),
    "a script that never ends": "<script type='application/ld+json'>" + "[" * 100_000,
    "many scripts": page(*[SOUP] * 3_000),
    "deep HTML": "<div>" * 50_000 + page(SOUP),
    "entities": page(SOUP | {"name": "&amp;" * 20_000}),
    "digits": page(SOUP | {"totalTime": "1" * 90_000, "recipeYield": "9" * 90_000, "recipeIngredient": ["1" * 90_000]}),
    "blanks": page(SOUP | {"recipeIngredient": [" " * 90_000 + "1 onion"], "recipeInstructions": "\n" * 90_000 + "x"}),
    "a list of a million": page(SOUP | {"recipeIngredient": ["1 onion"] * 100_000}),
    "itself in itself": "<div itemscope itemtype='http://schema.org/Recipe' id=a itemref=a><p itemprop=name>x</p></div>",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_page_is_read_or_refused_within_its_bounds(kind: str) -> None:
    try:
        reading = read_in_process(HOSTILE[kind], URL, FakeContext())
    except BadInput as error:
        assert "page" in error.detail
    else:
        assert reading.recipe is None or len(reading.recipe.get("ingredients", [])) <= 300
