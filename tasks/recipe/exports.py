"""What other programs export, as recipes of ours: Mealie, Paprika, Nextcloud Cookbook, and schema.org at large. Pure.

Each document says by its own fields whose it is; what none of them knows is no recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmcoder.errors import BadInput
from llmcoder.text import one_line
from tasks.recipe.archives import Document
from tasks.recipe.arrivals import fitted, key_of_address, key_of_content, key_of_id
from tasks.recipe.facts import minutes_of, servings_of
from tasks.recipe.markup import lines, plain
from tasks.recipe.records import NewRecipe
from tasks.recipe.schema_org import Graph, address_of, read_recipe, types_of

MOST_RECIPES = 20_000
MOST_BROKEN_NAMED = 100
_MOST_QUANTITY = 1_000_000
Given = Mapping[str, Any]


@dataclass
class Export:
    """All recipes of an export.

    Attributes:
        program: Whose it is.
        recipes: Each under the key by which it is known again.
        broken: Those that could not be read, and why.
    """

    program: str = "schema.org"
    recipes: dict[str, NewRecipe] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class ExportReader:
    """Takes the documents of one export, one after the other.

    Args:
        skip_broken: Name what cannot be read, and go on.
    """

    def __init__(self, skip_broken: bool) -> None:
        self.export = Export()
        self._skip_broken = skip_broken

    def take(self, document: Document) -> None:
        """Read its recipes.

        Raises:
            BadInput: One of them cannot be read, and may not be skipped; or there are too many.
        """
        where = one_line(document.name, 120)
        if document.fault is not None:
            self._fail(BadInput(f"{where}: {document.fault}."))
            return
        for program, given, recipe_id in recipes_of(document.content):
            self.export.program = program
            try:
                self._keep(fitted(given, where), program, recipe_id)
            except BadInput as error:
                self._fail(error)

    def _keep(self, recipe: NewRecipe, program: str, recipe_id: str | None) -> None:
        if len(self.export.recipes) >= MOST_RECIPES:
            raise BadInput(f"The export has more than {MOST_RECIPES} recipes. Split it.")
        keys = [] if recipe.source_url is None else [key_of_address(recipe.source_url)]
        keys += [] if recipe_id is None else [key_of_id(program, recipe_id)]
        keys.append(key_of_content(recipe))
        # several recipes may come from one page: the address is the first one's
        self.export.recipes.setdefault(next((key for key in keys if key not in self.export.recipes), keys[-1]), recipe)

    def _fail(self, error: BadInput) -> None:
        if not self._skip_broken:
            raise BadInput(f"{error.detail} Nothing was imported; `skip_broken` takes the others.")
        if len(self.export.broken) < MOST_BROKEN_NAMED:
            self.export.broken.append(error.detail)


def recipes_of(content: Any) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """The recipes of a document: whose program's it is, what it takes to add it, and the id that it has there."""
    if isinstance(content, list):
        for one in content:
            yield from recipes_of(one)
    elif isinstance(content, dict):
        yield from _of_object(content)


def _of_object(given: Given) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    if _is_paprika(given):
        yield "paprika", _paprika(given), _id(given, "uid")
    elif _is_mealie_database(given):
        yield from _mealie_database(given)
    elif _is_mealie(given):
        yield "mealie", _mealie(given), _id(given, "id")
    elif isinstance(given.get("recipes") or given.get("items"), list) and not types_of(given):
        yield from recipes_of(given.get("recipes") or given.get("items"))
    else:
        graph = Graph([given])
        for node in graph.recipes():
            program = (
                "nextcloud" if "recipeIngredient" in node and ("tool" in node or "recipe_id" in node) else "schema.org"
            )
            found = read_recipe(node, graph)
            address = node.get("url") or node.get("source")
            yield program, {**found, "source_url": _address(address)}, None


def _id(given: Given, name: str) -> str | None:
    value = given.get(name)
    return str(value) if isinstance(value, str | int) and value != "" else None


def _address(value: Any) -> str | None:
    return address_of(value, "") if isinstance(value, str) else None


def _string(given: Given, *names: str) -> str:
    for name in names:
        value = given.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value)
    return ""


# --- Paprika: https://www.paprikaapp.com, one gzip of JSON for each recipe


def _is_paprika(given: Given) -> bool:
    return "directions" in given and "name" in given and "ingredients" in given and not types_of(given)


def _paprika(given: Given) -> dict[str, Any]:
    notes = [_string(given, "notes"), _string(given, "nutritional_info")]
    servings = _string(given, "servings")
    return {
        "title": plain(_string(given, "name")),
        "description": plain(_string(given, "description")),
        "ingredients": lines(_string(given, "ingredients")),
        "steps": lines(_string(given, "directions")),
        "servings": servings_of(servings) if servings else None,
        "yields": servings if any(char.isalpha() for char in servings) else None,
        "prep_minutes": minutes_of(_string(given, "prep_time")),
        "cook_minutes": minutes_of(_string(given, "cook_time")),
        "minutes": minutes_of(_string(given, "total_time")),
        "tags": _names(given.get("categories")),
        "source_url": _address(given.get("source_url")),
        "source_name": plain(_string(given, "source")),
        "image_url": _address(given.get("image_url")),
        "notes": "\n\n".join("\n".join(lines(note)) for note in notes if note.strip()),
    }


# --- Mealie: https://docs.mealie.io, one JSON for each recipe, or all of its tables


def _is_mealie(given: Given) -> bool:
    ours = {"slug", "orgURL", "org_url", "recipeServings", "recipe_ingredient", "groupId", "dateAdded"}
    return bool(ours & set(given)) and ("recipeIngredient" in given or "recipe_ingredient" in given)


def _mealie(given: Given) -> dict[str, Any]:
    servings = given.get("recipeServings") or given.get("recipe_servings")
    many = given.get("recipeYieldQuantity") or given.get("recipe_yield_quantity")
    yields = " ".join(filter(None, (_number(many), _string(given, "recipeYield", "recipe_yield"))))
    is_number = isinstance(servings, int | float) and not isinstance(servings, bool) and servings > 0
    return {
        "title": plain(_string(given, "name")),
        "description": plain(_string(given, "description")),
        "ingredients": _mealie_ingredients(given.get("recipeIngredient") or given.get("recipe_ingredient")),
        "steps": _mealie_steps(given.get("recipeInstructions") or given.get("recipe_instructions")),
        "servings": servings if is_number else servings_of(yields) if yields else None,
        "yields": yields or None,
        "prep_minutes": minutes_of(_string(given, "prepTime", "prep_time")),
        "cook_minutes": minutes_of(_string(given, "performTime", "perform_time", "cookTime", "cook_time")),
        "minutes": minutes_of(_string(given, "totalTime", "total_time")),
        "tags": [*_names(given.get("tags")), *_names(given.get("recipeCategory") or given.get("recipe_category"))],
        "source_url": _address(given.get("orgURL") or given.get("org_url")),
        "nutrition": _mealie_nutrition(given.get("nutrition")),
        "notes": _mealie_notes(given.get("notes")),
    }


def _mealie_ingredients(given: Any) -> list[str]:
    found: list[str] = []
    for one in given if isinstance(given, list) else ():
        if isinstance(one, str):
            found += lines(one)
        elif isinstance(one, dict):
            heading = plain(_string(one, "title"))
            found += [f"{heading.rstrip(':')}:"] if heading else []
            found += [line for line in [_mealie_line(one)] if line]
    return found


def _mealie_line(one: Given) -> str:
    food = _name(one.get("food"))
    note = plain(_string(one, "note"))
    if not food:
        return plain(_string(one, "display")) or note or plain(_string(one, "originalText", "original_text"))
    amount = "" if one.get("disableAmount") else _number(one.get("quantity"))
    unit = _mealie_name(one.get("unit"), one.get("quantity"))
    food = food if unit else _mealie_name(one.get("food"), one.get("quantity"))
    line = " ".join(part for part in (amount, unit, food) if part)
    return f"{line}, {note}" if note else line


def _mealie_name(given: Any, quantity: Any) -> str:
    """Of a unit or a food, in the form that Mealie shows beside the quantity."""
    if isinstance(given, dict):
        short = given.get("useAbbreviation") or given.get("use_abbreviation")
        is_more = isinstance(quantity, int | float) and quantity > 1
        plural = plain(_string(given, "pluralName", "plural_name")) if is_more else ""
        return (plain(_string(given, "abbreviation")) if short else "") or plural or _name(given)
    return _name(given)


def _number(value: Any) -> str:
    """A number above zero as cooks write it; nothing for what is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _MOST_QUANTITY
    return f"{round(float(value), 3):g}" if is_number else ""


def _mealie_steps(given: Any) -> list[str]:
    found: list[str] = []
    for one in given if isinstance(given, list) else ():
        if isinstance(one, str):
            found += lines(one)
        elif isinstance(one, dict):
            heading = plain(_string(one, "title"))
            found += [f"{heading.rstrip(':')}:"] if heading else []
            found += [" ".join(lines(text)) for text in [_string(one, "text")] if text]
    return found


def _mealie_nutrition(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    said = {name.removesuffix("Content").removesuffix("_content"): plain(_string(given, name)) for name in given}
    return {name[:60]: text[:300] for name, text in said.items() if text}


def _mealie_notes(given: Any) -> str:
    notes = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    parts = (f"**{plain(_string(one, 'title'))}** {_string(one, 'text')}".replace("****", "").strip() for one in notes)
    return "\n\n".join(part for part in parts if part)


def _name(value: Any) -> str:
    return plain(_string(value, "name")) if isinstance(value, dict) else plain(value) if isinstance(value, str) else ""


def _names(value: Any) -> list[str]:
    return [name for one in value if (name := _name(one))] if isinstance(value, list) else []


def _is_mealie_database(given: Given) -> bool:
    return isinstance(given.get("recipes"), list) and isinstance(given.get("recipes_ingredients"), list)


def _mealie_database(given: Given) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """A backup: every table as a list of its rows."""
    foods, units = _by_id(given, "ingredient_foods"), _by_id(given, "ingredient_units")
    ingredients, steps = _of_recipe(given, "recipes_ingredients"), _of_recipe(given, "recipe_instructions")
    notes, nutrition = _of_recipe(given, "notes"), _of_recipe(given, "recipe_nutrition")
    tags = _linked(given, "recipes_to_tags", "tag_id", "tags")
    categories = _linked(given, "recipes_to_categories", "category_id", "categories")
    for recipe in _rows(given, "recipes"):
        recipe_id = _row_id(recipe.get("id"))
        its_lines = [
            {**one, "food": foods.get(_row_id(one.get("food_id"))), "unit": units.get(_row_id(one.get("unit_id")))}
            for one in ingredients.get(recipe_id, ())
        ]
        more = {"recipe_ingredient": its_lines, "recipe_instructions": steps.get(recipe_id, [])}
        more |= {
            "tags": tags.get(recipe_id),
            "recipe_category": categories.get(recipe_id),
            "notes": notes.get(recipe_id),
        }
        more |= {"nutrition": _nutrients(next(iter(nutrition.get(recipe_id, ())), {}))}
        yield "mealie", _mealie({**recipe, **more}), recipe_id


def _nutrients(row: Given) -> Given:
    return {name: value for name, value in row.items() if name not in ("id", "recipe_id")}


def _linked(given: Given, links: str, name: str, table: str) -> dict[str, list[Given]]:
    """Rows of a table by the recipe to which another table links them."""
    rows = _by_id(given, table)
    found: dict[str, list[Given]] = {}
    for link in _rows(given, links):
        if (row := rows.get(_row_id(link.get(name)))) is not None:
            found.setdefault(_row_id(link.get("recipe_id")), []).append(row)
    return found


def _row_id(value: Any) -> str:
    """In one form: some tables have a UUID with its hyphens, others without."""
    return str(value).replace("-", "").lower()


def _rows(given: Given, table: str) -> list[Given]:
    rows = given.get(table)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _by_id(given: Given, table: str) -> dict[str, Given]:
    return {_row_id(row.get("id")): row for row in _rows(given, table)}


def _of_recipe(given: Given, table: str) -> dict[str, list[Given]]:
    found: dict[str, list[Given]] = {}
    for row in sorted(
        _rows(given, table), key=lambda row: row["position"] if isinstance(row.get("position"), int) else 0
    ):
        found.setdefault(_row_id(row.get("recipe_id")), []).append(row)
    return found
