"""Recipes from web pages and other programs' exports: once each, all or none, and taken back as one."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmcoder import BadInput, Forbidden, NotFound, RateLimited, Refused, Transient, User
from llmcoder.ids import new_id
from llmcoder.provenance import Taint
from llmcoder.testing import FakeContext, run_action
from tasks.recipe import archives, exports
from tasks.recipe.actions import change_recipe, import_file, import_page, list_recipes, undo_import
from tasks.recipe.exports import recipes_of
from tasks.recipe.import_actions import PageSource, RecipeFile

sys.path.insert(0, str(Path(__file__).parent))

from recipe_kit import Kitchen

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]

SOUP: dict[str, Any] = {
    "@context": "https://schema.org", "@type": "Recipe", "name": "Soup", "recipeIngredient": ["1 onion", "2 carrots"],
    "recipeInstructions": ["Cook it.", "Eat it."], "recipeYield": "4 servings", "totalTime": "PT30M",
}  # fmt: skip
HTML = f'<!doctype html><html><head><script type="application/ld+json">{json.dumps(SOUP)}</script></head></html>'


@pytest.fixture
def kitchen(user: User) -> Kitchen:
    return Kitchen(user)


def titles(kitchen: Kitchen) -> list[str]:
    return [one.title for one in kitchen.run(list_recipes, own=True, limit=100, sort="title").items]


# --- pages


@pytest.fixture
def fetch(server: Any, user: User) -> Callable[..., Any]:
    """Import a page of the local server: `fetch("/soup")`."""

    def run(path: str, job_id: Any = None) -> Any:
        ctx = FakeContext(user=user, job_id=job_id, fetch_allow=("127.0.0.1",))
        return run_action(import_page, {"url": server.url + path}, ctx).result

    return run


def serves(server: Any, path: str, body: str | bytes = HTML, status: int = 200, kind: str = "text/html") -> None:
    content = body if isinstance(body, bytes) else body.encode()
    server.routes[path] = lambda exchange: exchange.send(status, content, kind)


def test_a_page_is_fetched_and_its_recipe_kept_once(kitchen: Kitchen, server: Any, fetch: Callable[..., Any]) -> None:
    serves(server, "/soup")
    first = fetch("/soup")
    assert first.added and first.recipe.title == "Soup" and first.url == f"{server.url}/soup"
    assert first.recipe.source_url == first.url and first.read_by == ["schema.org"]
    kitchen.run(change_recipe, recipe_id=first.recipe.id, title="My soup")
    for path in ("/soup", "/soup/", "/soup?utm_source=mail"):
        serves(server, path.partition("?")[0])
        again = fetch(path)
        assert not again.added and again.recipe.title == "My soup"
    assert titles(kitchen) == ["My soup"]


def test_a_page_is_known_by_the_address_that_it_gives_itself(kitchen: Kitchen, server: Any, fetch: Any) -> None:
    serves(server, "/print/soup", HTML.replace("<head>", "<head><link rel=canonical href='/soup'>"))
    serves(server, "/soup")
    assert fetch("/print/soup").url == f"{server.url}/soup"
    assert not fetch("/soup").added and titles(kitchen) == ["Soup"]


def test_an_import_of_a_page_is_taken_back_and_made_again(kitchen: Kitchen, server: Any, fetch: Any) -> None:
    serves(server, "/soup")
    first = fetch("/soup", job_id := new_id())
    assert fetch("/soup", job_id) == first  # an attempt that is run again
    back = import_page.undo.input(PageSource(url=f"{server.url}/soup"), first)
    assert kitchen.run(undo_import, **back.model_dump()).removed == 1 and titles(kitchen) == []
    assert kitchen.run(undo_import, **back.model_dump()).removed == 0
    assert fetch("/soup").added


def test_the_undo_of_an_import_that_added_nothing_removes_nothing(kitchen: Kitchen, server: Any, fetch: Any) -> None:
    serves(server, "/soup")
    fetch("/soup")
    again = fetch("/soup")
    assert kitchen.run(undo_import, import_id=again.import_id).removed == 0 and titles(kitchen) == ["Soup"]


def test_what_a_page_says_is_a_strangers(user: User) -> None:
    ctx = FakeContext(user=user)
    run_action(import_page, {"html": HTML}, ctx)
    reading = FakeContext(user=user)
    run_action(list_recipes, {"own": True}, reading)
    assert ctx.trail.result_taint is reading.trail.result_taint is Taint.OUTSIDE
    built_in = FakeContext(user=user)
    run_action(list_recipes, {"own": False}, built_in)
    assert built_in.trail.result_taint is None


def test_pasted_html_needs_no_network_and_is_known_by_its_address_or_its_words(kitchen: Kitchen) -> None:
    first = kitchen.run(import_page, html=HTML)
    assert first.added and first.url is None
    assert not kitchen.run(import_page, html=HTML + "<p>more").added
    with_address = kitchen.run(import_page, html=HTML, url="https://food.example/soup")
    assert with_address.added and with_address.recipe.source_url == "https://food.example/soup"
    assert not kitchen.run(import_page, html=HTML, url="https://www.food.example/soup#top").added


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "utf-16"])
def test_a_page_in_any_encoding_is_read(server: Any, fetch: Any, encoding: str) -> None:
    said = HTML.replace(json.dumps(SOUP), json.dumps(SOUP | {"name": "Grüße"}, ensure_ascii=False))
    serves(server, "/x", said.encode(encoding), kind=f"text/html; charset={encoding}")
    assert fetch("/x").recipe.title == "Grüße"


def test_an_address_of_json_is_read_too(server: Any, fetch: Any) -> None:
    serves(server, "/soup.json", json.dumps(SOUP | {"name": "</script>Soup"}), kind="application/ld+json")
    assert fetch("/soup.json").recipe.title == "Soup"


NO_RECIPE = {
    "a page without one": ("<html><title>News</title><p>Nothing to cook.</p></html>", "text/html", "names no recipe"),
    "an empty page": ("", "text/html", "names no recipe"),
    "a PDF": (b"%PDF-1.7 \xff\xfe", "text/html", "no web page"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "image/png", "no web page"),
    "broken JSON": (b'{"@type": "Recipe", ', "application/json", "broken"),
    "JSON without one": (b'{"@type": "Thing"}', "application/json", "names no recipe"),
}


@pytest.mark.parametrize("kind", NO_RECIPE)
def test_a_page_without_a_recipe_is_a_clear_error(kitchen: Kitchen, server: Any, fetch: Any, kind: str) -> None:
    body, media_type, reason = NO_RECIPE[kind]
    serves(server, "/x", body, kind=media_type)
    with pytest.raises(BadInput, match=reason):
        fetch("/x")
    assert titles(kitchen) == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Forbidden), (403, Forbidden), (404, NotFound), (410, NotFound), (408, Transient), (429, RateLimited),
        (500, Transient), (503, Transient), (418, Refused), (451, Forbidden),
    ],
)  # fmt: skip
def test_what_a_server_refuses_names_the_remedy(server: Any, fetch: Any, status: int, error: type[Exception]) -> None:
    serves(server, "/x", b"no", status, "text/plain")
    with pytest.raises(error):
        fetch("/x")


def test_nobody_there_and_silence_are_transient_since_looking_changes_nothing(
    server: Any, fetch: Any, user: User, refused_url: str
) -> None:
    ctx = FakeContext(user=user, fetch_allow=("127.0.0.1",))
    with pytest.raises(Transient):
        run_action(import_page, {"url": refused_url + "/x"}, ctx)
    server.routes["/x"] = lambda exchange: exchange.hang_up()
    with pytest.raises(Transient):
        fetch("/x")


def test_addresses_within_are_refused(user: User) -> None:
    with pytest.raises(BadInput):
        run_action(import_page, {"url": "http://127.0.0.1:9/"}, FakeContext(user=user))
    for wrong in ({}, {"url": "ftp://food.example/"}, {"url": "file:///etc/passwd"}, {"html": ""}):
        with pytest.raises(ValueError):
            PageSource.model_validate(wrong)


# --- files

MEALIE = {
    "id": "5f3c", "slug": "pasta", "name": "Pasta", "recipeYield": "2 portions", "recipeServings": 2, "totalTime": "30 minutes",
    "prepTime": "10 minutes", "performTime": "20 minutes", "orgURL": "https://food.example/pasta", "description": "Quick.",
    "tags": [{"name": "quick", "slug": "quick"}], "recipeCategory": [{"name": "Dinner"}],
    "recipeIngredient": [
        {"title": "Sauce", "quantity": 2.0, "unit": {"name": "tablespoon"}, "food": {"name": "olive oil"}, "note": "good"},
        {"quantity": 1, "unit": None, "food": None, "note": "1 can tomatoes", "disableAmount": True},
        {"quantity": 0, "unit": None, "food": {"name": "salt"}, "note": ""},
    ],
    "recipeInstructions": [{"title": "", "text": "Cook it."}, {"title": "Then", "text": "Eat it."}],
    "nutrition": {"calories": "400", "fatContent": None}, "notes": [{"title": "Tip", "text": "Slowly."}],
}  # fmt: skip
OLD_MEALIE = {
    "slug": "stew", "name": "Stew", "recipe_yield": "4", "recipe_ingredient": ["1 kg beef", {"note": "2 onions"}],
    "recipe_instructions": [{"text": "Stew it."}], "org_url": "https://food.example/stew", "total_time": "3 hours",
}  # fmt: skip
MEALIE_BACKUP = {
    "recipes": [{"id": "r1", "name": "Pie", "slug": "pie", "org_url": None, "recipe_yield": "1 pie"}],
    "recipes_ingredients": [
        {"recipe_id": "r1", "position": 1, "quantity": 200, "unit_id": "u", "food_id": "f", "note": ""},
        {"recipe_id": "r1", "position": 0, "note": "1 onion"},
    ],
    "recipe_instructions": [{"recipe_id": "r1", "position": 0, "text": "Bake."}],
    "ingredient_foods": [{"id": "f", "name": "flour"}], "ingredient_units": [{"id": "u", "name": "g"}], "users": [{"id": 1}],
}  # fmt: skip
PAPRIKA = {
    "uid": "A-1", "name": "Chili", "ingredients": "500 g beef\n2 onions\n\n1 can beans", "directions": "Fry.\n\nSimmer.",
    "servings": "4-6 people", "prep_time": "15 min", "cook_time": "1 hour", "total_time": "", "notes": "Hot.",
    "categories": ["Stews", "Beef"], "source": "Grandma", "source_url": "", "image_url": "", "photo_data": "AAAA",
    "nutritional_info": "", "rating": 5, "hash": "x", "created": "2020-01-01 00:00:00",
}  # fmt: skip
NEXTCLOUD = {
    "@context": "http://schema.org", "@type": "Recipe", "id": 7, "name": "Waffeln", "tool": ["Waffeleisen"], "recipeYield": 6,
    "prepTime": "PT0H15M", "cookTime": "PT0H20M", "keywords": "süß,schnell", "url": "", "image": "/apps/cookbook/7",
    "recipeIngredient": ["250 g Mehl", "3 Eier"], "recipeInstructions": ["Rühren.", "Backen."], "recipeCategory": "Gebäck",
}  # fmt: skip


def zipped(members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def test_a_mealie_recipe_is_written_as_mealie_shows_it(kitchen: Kitchen, user: User) -> None:
    gram = {"name": "gram", "pluralName": "grams", "abbreviation": "g", "useAbbreviation": True}
    cup = {"name": "cup", "pluralName": "cups", "abbreviation": "", "useAbbreviation": False}
    lines = [
        {"quantity": 200.0, "unit": gram, "food": {"name": "spaghetti"}},
        {"quantity": 1.5, "unit": cup, "food": {"name": "milk"}},
        {"quantity": 2.0, "unit": None, "food": {"name": "egg", "pluralName": "eggs"}, "note": "beaten"},
    ]
    counted = {"recipeServings": 0, "recipeYieldQuantity": 24.0, "recipeYield": "cookies"}
    imported(user, "x.json", as_json(MEALIE | {"recipeIngredient": lines} | counted))
    kept = kitchen.run(list_recipes, own=True).items[0]
    assert [one.line for one in kept.ingredients] == ["200 g spaghetti", "1.5 cups milk", "2 eggs, beaten"]
    assert (kept.servings, kept.yields) == (24, "24 cookies")


def test_a_backup_of_mealie_has_tags_and_nutrition_whatever_form_its_ids_have(kitchen: Kitchen, user: User) -> None:
    long, short = "0b8e1f0a-1111-2222-3333-444455556666", "0b8e1f0a111122223333444455556666"
    tables: dict[str, Any] = {
        "recipes": [MEALIE_BACKUP["recipes"][0] | {"id": long}],
        "recipes_ingredients": [{"recipe_id": short, "position": 0, "note": "1 onion"}],
        "recipe_instructions": [{"recipe_id": short, "position": 0, "text": "Bake."}],
        "tags": [{"id": "t", "name": "Quick"}], "recipes_to_tags": [{"recipe_id": short, "tag_id": "t"}],
        "categories": [{"id": "c", "name": "Soup"}], "recipes_to_categories": [{"recipe_id": long, "category_id": "c"}],
        "recipe_nutrition": [{"id": 3, "recipe_id": short, "calories": "200"}],
    }  # fmt: skip
    imported(user, "backup.zip", zipped({"database.json": as_json(tables)}))
    kept = kitchen.run(list_recipes, own=True).items[0]
    assert ([one.line for one in kept.ingredients], kept.tags) == (["1 onion"], ["Quick", "Soup"])
    assert kept.nutrition == {"calories": "200"}


FILES: dict[str, tuple[str, bytes, str, list[str]]] = {
    "mealie, one": ("pasta.json", as_json(MEALIE), "mealie", ["Pasta"]),
    "mealie, a zip of folders": (
        "mealie.zip",
        zipped({"pasta/pasta.json": as_json(MEALIE), "stew/stew.json": as_json(OLD_MEALIE), "pasta/images/a.webp": b"x"}),
        "mealie", ["Pasta", "Stew"],
    ),
    "mealie, a backup": ("backup.zip", zipped({"database.json": as_json(MEALIE_BACKUP)}), "mealie", ["Pie"]),
    "paprika, all": (
        "all.paprikarecipes", zipped({"Chili.paprikarecipe": gzip.compress(as_json(PAPRIKA))}, zipfile.ZIP_STORED),
        "paprika", ["Chili"],
    ),
    "paprika, one": ("Chili.paprikarecipe", gzip.compress(as_json(PAPRIKA)), "paprika", ["Chili"]),
    "nextcloud, a zip of its folder": (
        "Recipes.zip",
        zipped({"Recipes/Waffeln/recipe.json": as_json(NEXTCLOUD), "Recipes/Waffeln/full.jpg": b"\xff\xd8" * 99}),
        "nextcloud", ["Waffeln"],
    ),
    "nextcloud, one": ("recipe.json", as_json(NEXTCLOUD), "nextcloud", ["Waffeln"]),
    "schema.org, several": (
        "x.json", as_json([SOUP, SOUP | {"name": "Stew"}, {"@graph": [SOUP | {"name": "Pie"}]}]), "schema.org",
        ["Pie", "Soup", "Stew"],
    ),
    "a list within an object": ("x.json", as_json({"recipes": [MEALIE, OLD_MEALIE]}), "mealie", ["Pasta", "Stew"]),
    "with a byte-order mark": ("x.json", b"\xef\xbb\xbf" + as_json(SOUP), "schema.org", ["Soup"]),
}  # fmt: skip


def imported(user: User, name: str, content: bytes, job_id: Any = None, **more: Any) -> Any:
    ctx = FakeContext(user=user, job_id=job_id)
    return run_action(import_file, {"file": ctx.give_file(name, content), **more}, ctx).result


@pytest.mark.parametrize("kind", FILES)
def test_an_export_is_imported_once_and_taken_back_as_one(kitchen: Kitchen, user: User, kind: str) -> None:
    name, content, program, there = FILES[kind]
    first = imported(user, name, content)
    assert (first.program, first.added, first.known, first.found) == (program, len(there), 0, len(there))
    assert titles(kitchen) == there and sorted(first.titles) == there
    again = imported(user, name, content)
    assert (again.added, again.known) == (0, len(there)) and titles(kitchen) == there
    assert kitchen.run(undo_import, import_id=again.import_id).removed == 0
    assert kitchen.run(undo_import, import_id=first.import_id).removed == len(there) and titles(kitchen) == []


def test_an_attempt_that_is_run_again_says_the_same(user: User) -> None:
    name, content, _, _ = FILES["mealie, a zip of folders"]
    job_id = new_id()
    assert imported(user, name, content, job_id).added == imported(user, name, content, job_id).added == 2


def test_recipes_that_were_changed_since_stay_when_an_import_is_taken_back(kitchen: Kitchen, user: User) -> None:
    name, content, _, _ = FILES["mealie, a zip of folders"]
    first = imported(user, name, content)
    mine = next(one for one in kitchen.run(list_recipes, own=True).items if one.title == "Stew")
    kitchen.run(change_recipe, recipe_id=mine.id, notes="With dumplings.")
    back = import_file.undo.input(RecipeFile(file=FakeContext().give_file("x", b"")), first)
    taken = kitchen.run(undo_import, **back.model_dump())
    assert (taken.removed, taken.kept) == (1, ["Stew"]) and titles(kitchen) == ["Stew"]


def test_a_recipe_of_a_page_and_of_an_export_is_one(kitchen: Kitchen, user: User) -> None:
    page = HTML.replace('"Soup"', '"Pasta"')
    kitchen.run(import_page, html=page, url="https://www.food.example/pasta?utm_source=x")
    assert imported(user, "pasta.json", as_json(MEALIE)).known == 1


def test_what_the_programs_keep_of_a_recipe_is_there_afterwards(kitchen: Kitchen, user: User) -> None:
    for name, given in (("a.json", MEALIE), ("b.json", NEXTCLOUD), ("c.json", MEALIE_BACKUP)):
        imported(user, name, as_json(given))
    imported(user, "d.paprikarecipe", gzip.compress(as_json(PAPRIKA)))
    found = {one.title: one for one in kitchen.run(list_recipes, own=True).items}
    pasta, chili, waffles, pie = (found[name] for name in ("Pasta", "Chili", "Waffeln", "Pie"))
    assert [one.line for one in pasta.ingredients] == ["2 tablespoon olive oil, good", "1 can tomatoes", "salt"]
    assert (pasta.ingredients[0].group, pasta.servings, pasta.minutes, pasta.cook_minutes) == ("Sauce", 2, 30, 20)
    assert (pasta.steps, pasta.tags) == (["Cook it.", "Then:", "Eat it."], ["quick", "Dinner"])
    assert (pasta.nutrition, pasta.notes) == ({"calories": "400"}, "**Tip** Slowly.")
    assert [one.line for one in chili.ingredients] == ["500 g beef", "2 onions", "1 can beans"]
    assert (chili.steps, chili.servings, chili.minutes, chili.notes) == (["Fry.", "Simmer."], 4, 75, "Hot.")
    assert (chili.tags, chili.source_name, chili.image_url) == (["Stews", "Beef"], "Grandma", None)
    assert (waffles.servings, waffles.minutes, waffles.tags) == (6, 35, ["süß", "schnell", "Gebäck"])
    assert [one.line for one in pie.ingredients] == ["1 onion", "200 g flour"]


# --- files that are wrong


def bomb(megabytes: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("recipe.json", "w") as member:
        for _ in range(megabytes):
            member.write(b" " * 1024 * 1024)
    return made.getvalue()


def lying(content: bytes) -> bytes:
    """A zip that says its one file unpacks to 10 bytes."""
    at = content.index(b"PK\x01\x02")
    return content[: at + 24] + struct.pack("<L", 10) + content[at + 28 :]


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no export"),
    "a text": (b"Dear Sir", "no export"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "no export"),
    "JSON without recipes": (b'{"a": [1, 2, {"b": null}]}', "no recipes"),
    "a number": (b"7", "no recipes"),
    "a zip without recipes": (zipped({"a.txt": b"x", "b.json": b"{}"}), "no recipes"),
    "a zip that breaks off": (zipped({"a.json": as_json(SOUP)})[:-30], "zip"),
    "a zip with a broken middle": (
        zipped({"a.json": as_json(SOUP)}, zipfile.ZIP_STORED).replace(b"onion", b"onyon"), "cannot be read",
    ),
    "a gzip that breaks off": (gzip.compress(as_json(PAPRIKA))[:-12], "gzip"),
    "a gzip bomb": (gzip.compress(b" " * 80 * 1024 * 1024), "unpacks to more"),
    "a zip bomb": (bomb(80), "unpacks to more"),
    "a zip that lies": (lying(bomb(80)), "zip"),
    "a JSON that is nested for ever": (b"[" * 100_000, "no export"),
    "a broken recipe among others": (zipped({"a.json": as_json(SOUP), "b.json": b'{"@type": "Recipe",'}), "b.json"),
    "a recipe without a title": (as_json([SOUP, SOUP | {"name": ""}]), "without a title"),
    "a recipe without anything": (as_json([SOUP, {"@type": "Recipe", "name": "Empty", "url": "x"}]), "neither"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_is_wrong_is_a_clear_error_and_nothing_is_imported(kitchen: Kitchen, user: User, kind: str) -> None:
    content, reason = WRONG[kind]
    with pytest.raises(BadInput, match=reason):
        imported(user, "export", content)
    assert titles(kitchen) == []


def test_who_wants_the_rest_gets_it_and_is_told_what_is_missing(kitchen: Kitchen, user: User) -> None:
    content, _ = WRONG["a broken recipe among others"]
    found = imported(user, "x.zip", content, skip_broken=True)
    assert (found.added, found.found) == (1, 2) and "b.json" in found.broken[0] and titles(kitchen) == ["Soup"]


def test_archives_of_too_many_files_and_exports_of_too_many_recipes_are_refused(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_RECIPES", 3)
    with pytest.raises(BadInput, match="more than 3 recipes"):
        imported(user, "x.json", as_json([SOUP | {"name": f"Soup {n}"} for n in range(5)]))
    monkeypatch.setattr(archives, "MOST_MEMBERS", 5)
    with pytest.raises(BadInput, match="more than 5 files"):
        imported(user, "x.zip", zipped({f"{n}.txt": b"" for n in range(6)}))
    monkeypatch.setattr(archives, "MOST_TABLE_BYTES", 100)
    with pytest.raises(BadInput, match="more files"):
        imported(user, "x.zip", zipped({f"{n}.txt": b"" for n in range(6)}))


def test_a_locked_archive_says_so(user: User) -> None:
    content = bytearray(zipped({"a.json": as_json(SOUP)}))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    with pytest.raises(BadInput, match="encrypted"):
        imported(user, "x.zip", bytes(content))


def test_a_large_export_is_one_import(kitchen: Kitchen, user: User) -> None:
    content = as_json([SOUP | {"name": f"Soup {n}"} for n in range(1_000)])
    first = imported(user, "x.json", content)
    assert first.added == 1_000 and imported(user, "x.json", content).known == 1_000
    assert kitchen.run(undo_import, import_id=first.import_id).removed == 1_000


def test_things_that_are_no_recipes_are_passed_over() -> None:
    others = [
        None,
        7,
        "x",
        {},
        [],
        {"recipes": None},
        {"name": "x"},
        {"@type": "Person", "name": "Ann"},
        {"items": [1]},
    ]
    assert list(recipes_of(others)) == []
