"""Recipes as schema.org has them (https://schema.org/Recipe), of JSON-LD, microdata or another program's export. Pure.

Whatever the standard allows is read, and what pages write instead: values alone or in lists, things or their names,
references within a graph, sections of steps, old names of properties. Nothing here raises for what a page says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from tasks.recipe.facts import diets_of, minutes_of, servings_of
from tasks.recipe.markup import lines, plain
from tasks.recipe.records import MOST_LINES, MOST_MINUTES, MOST_STEPS, MOST_TAGS

Node = Mapping[str, Any]
#: Things that are looked at in one document, and how deep they may lie in each other.
MOST_NODES = 50_000
DEEPEST = 40
_RECIPE = frozenset({"recipe"})
_STEP = r"(?:step|schritt|étape|etape|paso|passo|stap|steg)"
_NUMBERED = re.compile(
    rf"(?:^|(?<=[.!?)\s]))\s*(?:{_STEP}\s*(\d{{1,2}})\s*[.):–-]|(\d{{1,2}})[.)])\s+(?=\S)", re.IGNORECASE
)
_NAME_OF_STEP = re.compile(rf"^{_STEP}?\s*\d*\s*[.:)]?$", re.IGNORECASE)
_NUMBER_BEFORE = re.compile(rf"^(?:{_STEP}\s*)?\d{{1,2}}\s*[.):]\s+(?=\S)", re.IGNORECASE)
_NAMES = ("@value", "name", "text", "value", "title", "headline", "description")
_MOST_NAMES = 10
_DEEPEST_LIST = 4
_DEEPEST_STEP = 8
_ADDRESS = re.compile(r"https?://\S+$", re.IGNORECASE)
_SPLIT_TAGS = re.compile(r"\s*[,;|•·]\s*")
_CONTENT = re.compile(r"(?i)content$")


def types_of(node: Node) -> frozenset[str]:
    """Of which types it is, in lower case and without their address."""
    given = node.get("@type", node.get("type"))
    named = given if isinstance(given, list) else [given]
    return frozenset(re.split(r"[/#:]", one)[-1].lower() for one in named if isinstance(one, str))


class Graph:
    """Everything that a page says, with what refers to what.

    Args:
        documents: Each as JSON has it.
    """

    def __init__(self, documents: Iterable[Any]) -> None:
        self._by_id: dict[str, Node] = {}
        self.nodes: list[Node] = []
        for document in documents:
            for node in _walked(document):
                self.nodes.append(node)
                name = node.get("@id")
                if isinstance(name, str) and len(node) > 1:
                    known = self._by_id.get(name)
                    if known is None or len(known) < len(node):
                        self._by_id[name] = node

    def recipes(self) -> list[Node]:
        """Those with anything in them, in their order."""
        return [node for node in self.nodes if types_of(node) & _RECIPE and len(node) > 2]

    def of_type(self, name: str) -> Iterator[Node]:
        return (node for node in self.nodes if name in types_of(node))

    def resolved(self, value: Any) -> Any:
        """What a reference refers to; anything else as it is."""
        if isinstance(value, dict) and isinstance(value.get("@id"), str) and len(value) <= 2:
            return self._by_id.get(value["@id"], value)
        return value


def _walked(document: Any) -> Iterator[Node]:
    waiting: list[tuple[Any, int]] = [(document, 0)]
    for _ in range(MOST_NODES):
        if not waiting:
            return
        value, depth = waiting.pop()
        if isinstance(value, dict):
            yield value
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list) and depth < DEEPEST:
            waiting += [(one, depth + 1) for one in reversed(list(inner)) if isinstance(one, dict | list)]


# --- values


def texts_of(value: Any, graph: Graph) -> list[str]:
    """The texts that a value is, or its things are called."""
    return [text for text in (_text(one, graph) for one in _listed(value)) if text]


def first_text(graph: Graph, *values: Any) -> str | None:
    for value in values:
        if found := texts_of(value, graph):
            return found[0]
    return None


def _listed(value: Any, depth: int = 0) -> list[Any]:
    """What a value is a list of: itself, or what lists in it have; PHP writes a list as an object with numbers."""
    if isinstance(value, dict):
        if isinstance(value.get("@list"), list):
            value = value["@list"]
        elif value and all(isinstance(name, str) and name.isdigit() for name in value):
            value = list(value.values())
    if isinstance(value, list):
        return [
            inner for one in value[:1_000] for inner in (_listed(one, depth + 1) if depth < _DEEPEST_LIST else [one])
        ]
    return [] if value is None else [value]


def _text(value: Any, graph: Graph, depth: int = 0) -> str:
    value = graph.resolved(value)
    if isinstance(value, dict) and depth <= _DEEPEST_LIST:
        named = (property_of(value, name) for name in _NAMES)
        return next((text for one in named if (text := _text(one, graph, depth + 1))), "")
    if isinstance(value, list) and depth:
        return next((text for one in value[:_MOST_NAMES] if (text := _text(one, graph, depth + 1))), "")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return plain(f"{value:g}" if isinstance(value, float) else str(value))


def property_of(node: Node, *names: str) -> Any:
    """The first of these properties that says anything, whatever the case of its first letter."""
    for name in names:
        for form in (
            name,
            name[:1].upper() + name[1:],
            f"schema:{name}",
            f"http://schema.org/{name}",
            f"https://schema.org/{name}",
        ):
            if (found := node.get(form)) not in (None, "", [], {}):
                return found
    return None


# --- a recipe


def read_recipe(node: Node, graph: Graph, base: str = "") -> dict[str, Any]:
    """What it takes to add the recipe (`NewRecipe`), as far as the node says it."""
    tags = _tags(node, graph)
    found: dict[str, Any] = {
        "title": first_text(graph, property_of(node, "name", "headline", "title")),
        "description": first_text(graph, property_of(node, "description", "summary")),
        "ingredients": ingredients_of(
            property_of(node, "recipeIngredient", "ingredients", "ingredient", "supply"), graph
        ),
        "steps": steps_of(property_of(node, "recipeInstructions", "instructions", "step", "steps"), graph),
        "prep_minutes": _minutes(property_of(node, "prepTime")),
        "cook_minutes": _minutes(property_of(node, "cookTime", "performTime")),
        "minutes": _minutes(property_of(node, "totalTime", "duration")),
        "author": _author(property_of(node, "author", "creator"), graph),
        "image_url": image_of(property_of(node, "image", "thumbnailUrl", "photo"), graph, base),
        "language": _language(property_of(node, "inLanguage")),
        "diets": diets_of([*texts_of(property_of(node, "suitableForDiet"), graph), *_diet_ids(node), *tags]),
        "tags": tags,
        "nutrition": _nutrition(graph.resolved(property_of(node, "nutrition")), graph),
        **_yields(property_of(node, "recipeYield", "yield", "servings"), graph),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def _author(value: Any, graph: Graph) -> str | None:
    """Their names; an address is none."""
    names = [name for name in texts_of(value, graph) if _ADDRESS.match(name) is None]
    return ", ".join(names[:5]) or None


def ingredients_of(value: Any, graph: Graph, seen: set[int] | None = None) -> list[str]:
    """One line each; a group of them begins with its heading, and is read once: groups may refer to each other."""
    seen = set() if seen is None else seen
    if isinstance(value, list) and len(value) == 1:  # all of them in one text
        value = value[0]
    if isinstance(value, dict) and set(value) == {"@value"}:
        value = value["@value"]
    if isinstance(value, str):
        return _split_ingredients(value)
    found: list[str] = []
    for one in _listed(graph.resolved(value)):
        one = graph.resolved(one)
        if isinstance(one, dict) and (inner := property_of(one, "itemListElement", "ingredients", "recipeIngredient")):
            if id(one) in seen:
                continue
            seen.add(id(one))
            heading = first_text(graph, one.get("name"))
            found += [f"{heading.rstrip(':')}:"] if heading else []
            found += ingredients_of(inner, graph, seen)
        else:
            found += _ingredient(one, graph)
    return found[:MOST_LINES]


def _ingredient(one: Any, graph: Graph) -> list[str]:
    if isinstance(one, str):
        return [" ".join(lines(one))] if lines(one) else []
    if not isinstance(one, dict):
        return []
    amount = graph.resolved(property_of(one, "requiredQuantity", "amount", "quantity"))
    if isinstance(amount, dict):
        amount = _quantity(amount, graph)
    if amount is None and "value" in one and "name" in one:  # a PropertyValue
        amount = f"{_text(one['value'], graph)} {_text(one.get('unitText'), graph)}"
    item = one.get("item")
    text = _text(item, graph) if item is not None else _text(one, graph)
    line = " ".join(f"{first_text(graph, amount) or ''} {text}".split())
    return [line] if line else []


def _quantity(value: Node, graph: Graph) -> str:
    return " ".join(filter(None, (_text(value.get("value"), graph), _text(value.get("unitText"), graph))))


def _split_ingredients(text: str) -> list[str]:
    found = lines(text)
    if len(found) == 1 and found[0].count(",") >= 3:
        parts = [part.strip() for part in re.split(r",\s+(?=[\d¼-¾⅐-⅞])", found[0])]
        return parts if len(parts) >= 3 else found
    return found[:MOST_LINES]


def steps_of(value: Any, graph: Graph) -> list[str]:
    """One text each; a section begins with its name and a colon."""
    found: list[str] = []
    _add_steps(found, value, graph, set())
    if len(found) == 1:
        found = _split_steps(found[0])
    if 2 * sum(_NUMBER_BEFORE.match(step) is not None for step in found) > len(found):
        found = [_NUMBER_BEFORE.sub("", step) for step in found]
    return [step for step in found if any(char.isalnum() for char in step)][:MOST_STEPS]


def _add_steps(found: list[str], value: Any, graph: Graph, seen: set[int], depth: int = 0) -> None:
    """What is read already is left out: sections may refer to each other."""
    value = graph.resolved(value)
    if depth > _DEEPEST_STEP or value is None or len(found) > MOST_STEPS:
        return
    if isinstance(value, str):
        found += lines(value)
    elif isinstance(value, list) or (isinstance(value, dict) and all(name.isdigit() for name in value)):
        for one in list(value.values() if isinstance(value, dict) else value)[:1_000]:
            _add_steps(found, one, graph, seen, depth + 1)
    elif isinstance(value, dict) and id(value) not in seen:
        seen.add(id(value))
        _add_thing(found, value, graph, seen, depth)


def _add_thing(found: list[str], thing: Node, graph: Graph, seen: set[int], depth: int) -> None:
    inner = property_of(thing, "itemListElement", "@list", "steps", "step", "recipeInstructions")
    kinds = types_of(thing)
    name, text = (
        first_text(graph, property_of(thing, "name", "headline")),
        property_of(thing, "text", "description", "@value"),
    )
    if inner is not None and "howtostep" not in kinds:
        if name and kinds & {"howtosection", "itemlist", "howto", "creativework"} and not _NAME_OF_STEP.match(name):
            found.append(f"{name.rstrip(':')}:")
        _add_steps(found, inner, graph, seen, depth + 1)
        return
    if inner is not None and not text:
        parts: list[str] = []
        _add_steps(parts, inner, graph, seen, depth + 1)
        text = " ".join(parts)
    item = thing.get("item")
    if text is None and name is None and item is not None:  # a ListItem
        _add_steps(found, item, graph, seen, depth + 1)
        return
    step = " ".join(texts_of(text, graph)) if not isinstance(text, str) else " ".join(lines(text))
    found += [one for one in [_named_step(name, step)] if one]


def _named_step(name: str | None, step: str) -> str:
    """With its name, unless that is its number or its own beginning."""
    if not step:
        return name or ""
    if name is None or _NAME_OF_STEP.match(name) or step.casefold().startswith(name.rstrip(".… ").casefold()[:40]):
        return step
    return f"{name.rstrip(':.')}: {step}"


def _split_steps(text: str) -> list[str]:
    """`1. Do this. 2. Do that.` in one text."""
    marks = list(_NUMBERED.finditer(text))
    numbers = [int(mark[1] or mark[2]) for mark in marks]
    if len(marks) < 2 or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return [text]
    starts = [mark.end() for mark in marks]
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    before = text[: marks[0].start()].strip()
    return [*([before] if before else []), *(text[a:b].strip() for a, b in zip(starts, ends, strict=True))]


def _minutes(value: Any) -> int | None:
    for one in _listed(value):
        if isinstance(one, dict):
            one = next((one[name] for name in ("maxValue", "value", "minValue", "@value", "name") if name in one), None)
        if isinstance(one, int | float) and not isinstance(one, bool):
            return max(round(one), 1) if 0 < one <= MOST_MINUTES else None
        if isinstance(one, str) and (found := minutes_of(plain(one))) is not None:
            return found
    return None


def _yields(value: Any, graph: Graph) -> dict[str, Any]:
    """For how many, and the words for it: of several the one that says most."""
    said: list[str] = []
    for one in _listed(graph.resolved(value)):
        if isinstance(one, dict):
            amount = next((one[name] for name in ("value", "minValue", "maxValue") if name in one), None)
            unit = first_text(graph, one.get("unitText"), one.get("name"))
            one = " ".join(filter(None, (_text(amount, graph), unit)))
        said += texts_of(one, graph)
    servings = next((found for text in said if (found := servings_of(text)) is not None), None)
    words = next((text for text in said if any(char.isalpha() for char in text)), None)
    return {"servings": servings, "yields": words and words[:300]}


def image_of(value: Any, graph: Graph, base: str) -> str | None:
    """The address of the first picture."""
    for one in _listed(value):
        one = graph.resolved(one)
        if isinstance(one, dict):
            one = next(
                (one[name] for name in ("url", "contentUrl", "@id") if isinstance(one.get(name), str | list | dict)),
                None,
            )
            one = one[0] if isinstance(one, list) and one else one
            one = one.get("@id") or one.get("url") if isinstance(one, dict) else one
        if isinstance(one, str) and (address := address_of(one, base)) is not None:
            return address
    return None


def address_of(text: str, base: str) -> str | None:
    """The whole address; None for what is none that can be shown."""
    text = text.strip()
    text = text.replace(" ", "%20") if text.startswith(("http", "/")) else text
    if not text or re.search(r"\s", text):
        return None
    try:
        address = urljoin(base, text)
    except ValueError:
        return None
    return address if re.match(r"https?://[^/\s]", address) and len(address) <= 2_000 else None


def _language(value: Any) -> str | None:
    for one in _listed(value):
        if isinstance(one, dict):
            one = one.get("alternateName") or one.get("name")
        if isinstance(one, str) and (found := language_of(one)) is not None:
            return found
    return None


def language_of(text: str) -> str | None:
    tag = text.strip().replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag) and tag[:3].islower() else None


def _tags(node: Node, graph: Graph) -> list[str]:
    found: dict[str, str] = {}
    for name in ("keywords", "recipeCategory", "recipeCuisine", "tags", "categories"):
        for text in texts_of(property_of(node, name), graph):
            for tag in _SPLIT_TAGS.split(text):
                if tag and len(tag) <= 60:
                    found.setdefault(tag.casefold(), tag)
    return list(found.values())[:MOST_TAGS]


def _diet_ids(node: Node) -> list[str]:
    """Diets that are things with an address and no name."""
    return [
        one["@id"]
        for one in _listed(property_of(node, "suitableForDiet"))
        if isinstance(one, dict) and isinstance(one.get("@id"), str)
    ]


def _nutrition(value: Any, graph: Graph) -> dict[str, str]:
    value = next((one for one in _listed(value) if isinstance(one, dict)), None)
    if value is None:
        return {}
    said = {
        name: (_quantity(one, graph) if isinstance(one, dict) and "unitText" in one else _text(one, graph))[:300]
        for name, one in value.items()
        if isinstance(name, str) and name[:1] not in "@$"
    }
    return {
        _CONTENT.sub("", name)[:60]: text for name, text in list(said.items())[:30] if text and name not in ("type",)
    }
