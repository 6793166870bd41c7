"""The recipe of a web page: by what the page says of itself for machines, and by what is known of its site.

First comes schema.org, as JSON-LD, microdata or RDFa; then recipe-scrapers, which knows how several hundred sites
differ from it; at last the class names of h-recipe and of plug-ins. Runs in a process of its own, see `page_process`:
the libraries look through pages by patterns that a page can make very slow, and are never to fetch anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasks.recipe.cards import read_card
from tasks.recipe.facts import diets_of, minutes_of, servings_of
from tasks.recipe.loose_json import MOST_DOCUMENTS, documents
from tasks.recipe.markup import lines, plain
from tasks.recipe.rdfa import rdfa_nodes
from tasks.recipe.schema_org import Graph, Node, address_of, language_of, read_recipe

if TYPE_CHECKING:
    from lxml.html import HtmlElement  # type: ignore[import-untyped]

#: Share of a text that what is known of a site has to give.
ENOUGH = 0.8
#: Where no address is known.
NOWHERE = "https://page.invalid/"
_JSON_LD = re.compile(r"application/(?:\w+\+)?ld\+json", re.IGNORECASE)
_MOST_OTHERS = 20


@dataclass
class PageReading:
    """What a page says.

    Attributes:
        recipe: What it takes to add it (`NewRecipe`), not yet checked; None where there is none.
        title: What the page calls itself.
        canonical: The address that it says is its own; None where it says none.
        others: Titles of further recipes on it.
        read_by: What it was read by.
    """

    recipe: dict[str, Any] | None = None
    title: str | None = None
    canonical: str | None = None
    others: list[str] = field(default_factory=list)
    read_by: list[str] = field(default_factory=list)


def read_page(html: str, url: str | None = None) -> PageReading:
    """Find the recipe of a page. Never raises for what a page says."""
    root = _parsed(html)
    if root is None:
        return PageReading()
    base = url or NOWHERE
    head = _Head(root, base)
    reading = PageReading(title=head.title, canonical=head.canonical)
    found: dict[str, Any] = {}
    chosen, others, graph = _of_schema_org(html, root, head)
    if chosen is not None:
        _fill(found, chosen, reading, "schema.org")
    reading.others = others
    here = url or head.canonical
    if here is not None and (known := _by_site(html, here, leading=_is_whole(found))) is not None:
        scraped, leads = known
        if leads:
            _replace(found, scraped)
        _fill(found, scraped, reading, "recipe-scrapers")
    if not _is_whole(found):
        _fill(found, read_card(root), reading, "h-recipe")
    if found.get("ingredients") or (found.get("title") and found.get("steps")):
        reading.recipe = _completed(found, head, graph)
    return reading


def _is_whole(found: dict[str, Any]) -> bool:
    return bool(found.get("title") and found.get("ingredients") and found.get("steps"))


def _fill(found: dict[str, Any], more: dict[str, Any], reading: PageReading, name: str) -> None:
    """Take what is not there yet."""
    new = {key: value for key, value in more.items() if value not in (None, "", [], {}) and key not in found}
    if new:
        found |= new
        reading.read_by.append(name)


def _replace(found: dict[str, Any], scraped: dict[str, Any]) -> None:
    """What is known of a site are the places of its texts; times and yields are read from schema.org more carefully.

    Its page may have changed since: what has become much shorter than what the page says itself is not believed.
    """
    if "title" in scraped:
        found["title"] = scraped["title"]
    for name in ("ingredients", "steps"):
        if len("".join(scraped.get(name, ()))) >= max(1.0, ENOUGH * len("".join(found.get(name, ())))):
            found[name] = scraped[name]


def _completed(found: dict[str, Any], head: _Head, graph: Graph) -> dict[str, Any]:
    """With what the page says beside the recipe."""
    found.setdefault("title", head.title or "")
    if head.image is not None:
        found.setdefault("image_url", head.image)
    if head.language is not None:
        found.setdefault("language", head.language)
    site = head.site or next((name for one in graph.of_type("website") if (name := one.get("name"))), None)
    if isinstance(site, str) and plain(site):
        found.setdefault("source_name", plain(site)[:300])
    return found


def _parsed(html: str) -> HtmlElement | None:
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import HTMLParser, fromstring

    text = html.lstrip("\ufeff").replace("\0", "")
    try:
        # as bytes: a text with a declaration of another encoding is refused
        root: HtmlElement = fromstring(
            text.encode("utf-8", "replace"), parser=HTMLParser(encoding="utf-8", huge_tree=False)
        )
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):  # nothing in it
        return None
    return root


class _Head:
    """What a page says of itself in its head."""

    def __init__(self, root: HtmlElement, base: str) -> None:
        self.base = base
        meta: dict[str, str] = {}
        for one in root.iter("meta"):
            name = (one.get("property") or one.get("name") or one.get("itemprop") or "").strip().lower()
            if name and (content := one.get("content")):
                meta.setdefault(name, content.strip())
        links = [one for one in root.iter("link") if "canonical" in (one.get("rel") or "").lower().split()]
        addresses = [one.get("href") or "" for one in links] + [meta.get("og:url", "")]
        found = (address_of(address, base) for address in addresses)
        self.canonical = next((one for one in found if one is not None and not one.startswith(NOWHERE)), None)
        titles = (plain(one.text_content()) for name in ("h1", "title") for one in root.iter(name))
        self.title = plain(meta.get("og:title", "")) or next((text for text in titles if text), None)
        self.image = address_of(
            meta.get("og:image") or meta.get("og:image:url") or meta.get("twitter:image") or "", base
        )
        self.site = plain(meta.get("og:site_name", "")) or None
        said = root.get("lang") or meta.get("og:locale") or meta.get("content-language") or ""
        self.language = language_of(said)


# --- schema.org


def _of_schema_org(html: str, root: HtmlElement, head: _Head) -> tuple[dict[str, Any] | None, list[str], Graph]:
    """The recipe that the page is about, and what else is on it."""
    graph = Graph(_json_ld(root))
    recipes = [(read_recipe(node, graph, head.base), node) for node in graph.recipes()]
    if not any(_is_whole(one) for one, _ in recipes):
        items = Graph([*_microdata(root, head.base), *rdfa_nodes(root)])
        recipes += [(read_recipe(node, items, head.base), node) for node in items.recipes()]
    told = [(one, node) for one, node in recipes if one.get("ingredients") or one.get("steps")]
    if not told:
        return None, [], graph
    chosen, _ = max(told, key=lambda pair: _rank(pair[0], pair[1], head))
    same = [one for one, _ in told if one.get("title") in (chosen.get("title"), None)]
    merged = dict(chosen)
    for one in same:
        merged = {**one, **merged}
    names = dict.fromkeys(str(one["title"]) for one, _ in told if one.get("title") not in (chosen.get("title"), None))
    return merged, list(names)[:_MOST_OTHERS], graph


def _rank(recipe: dict[str, Any], node: Node, head: _Head) -> tuple[bool, bool, bool, int]:
    """What speaks for it: the page's own address, its being whole, the page's own title. The first wins a draw."""
    own = {_bare(one) for one in _addresses(node)} & {_bare(head.base), _bare(head.canonical or "")} - {""}
    title = str(recipe.get("title") or "").casefold()
    in_title = bool(title) and title in (head.title or "").casefold()
    return (
        bool(own),
        bool(recipe.get("ingredients")) and bool(recipe.get("steps")),
        in_title,
        len(recipe.get("ingredients", ())),
    )


def _addresses(node: Node) -> Iterator[str]:
    for name in ("url", "mainEntityOfPage", "@id"):
        value = node.get(name)
        value = value.get("@id") or value.get("url") if isinstance(value, dict) else value
        if isinstance(value, str):
            yield value


def _bare(address: str) -> str:
    parts = urlsplit(address.partition("#")[0]) if "://" in address else urlsplit("")
    return f"{(parts.netloc or '').removeprefix('www.')}{parts.path.rstrip('/')}".lower()


def _json_ld(root: HtmlElement) -> Iterator[Any]:
    count = 0
    for script in root.iter("script"):
        text = script.text or ""
        is_meant = _JSON_LD.search(script.get("type") or "") or _is_recipe_in_json(script.get("type") or "", text)
        if is_meant and count < MOST_DOCUMENTS:
            for document in documents(text):
                count += 1
                yield document


def _is_recipe_in_json(kind: str, text: str) -> bool:
    """Whether a script of another type has it: what pages keep for themselves, and templates that name it wrongly."""
    return kind.strip().lower() == "application/json" and '"recipeIngredient"' in text and '"@type"' in text


def _microdata(root: HtmlElement, base: str) -> list[Any]:
    from extruct.w3cmicrodata import LxmlMicrodataExtractor

    try:
        items = LxmlMicrodataExtractor().extract_items(root, base)
    except Exception:  # noqa: BLE001  the library may raise anything; the page has no microdata, then
        return []
    return [_as_json_ld(item) for item in items]


def _as_json_ld(item: Any) -> Any:
    """An item of microdata as JSON-LD would have it."""
    if isinstance(item, list):
        return [_as_json_ld(one) for one in item]
    if not isinstance(item, dict):
        return item
    node = {name: _as_json_ld(value) for name, value in (item.get("properties") or {}).items()}
    if "type" in item:
        node["@type"] = item["type"]
    if "id" in item:
        node["@id"] = item["id"]
    if "value" in item and not node:
        return item["value"]
    return node


# --- what is known of a site


def _by_site(html: str, url: str, *, leading: bool) -> tuple[dict[str, Any], bool] | None:
    """What recipe-scrapers makes of the page, and whether it knows the site; None where it makes nothing of it."""
    from recipe_scrapers import scrape_html, scraper_exists_for

    try:
        leads = bool(scraper_exists_for(url))
        if not leads and leading:
            return None  # it would only read the same once more
        scraper: Any = scrape_html(html, org_url=url, supported_only=False)
    except Exception:  # noqa: BLE001  it raises whatever its parts raise; what else is known counts, then
        return None

    def asked(name: str) -> Any:
        try:
            return getattr(scraper, name)()
        except Exception:  # noqa: BLE001  every getter may raise anything
            return None

    found = {
        "title": _text_or_none(asked("title")),
        "description": _text_or_none(asked("description")),
        "ingredients": _grouped(asked) or _texts(asked("ingredients")),
        "steps": _texts(asked("instructions_list")),
        "prep_minutes": _whole_minutes(asked("prep_time")),
        "cook_minutes": _whole_minutes(asked("cook_time")),
        "minutes": _whole_minutes(asked("total_time")),
        "author": _text_or_none(asked("author")),
        "image_url": address_of(str(asked("image") or ""), url),
        "language": language_of(str(asked("language") or "")),
        "source_name": _text_or_none(asked("site_name")),
        "tags": _tags(asked("keywords"), asked("category"), asked("cuisine")),
        "diets": diets_of(_texts(asked("dietary_restrictions"))),
        **_yielding(_text_or_none(asked("yields"))),
    }
    said = {name: value for name, value in found.items() if value not in (None, "", [], {})}
    if leads and not (said.get("ingredients") or said.get("steps")):
        return said, False
    return said, leads


def _grouped(asked: Callable[[str], Any]) -> list[str]:
    groups = asked("ingredient_groups")
    if not isinstance(groups, list) or len(groups) < 2:
        return []
    found: list[str] = []
    for group in groups:
        purpose = _text_or_none(getattr(group, "purpose", None))
        found += [f"{purpose.rstrip(':')}:"] if purpose else []
        found += _texts(getattr(group, "ingredients", None))
    return found


def _text_or_none(value: Any) -> str | None:
    return plain(value) or None if isinstance(value, str) else None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return lines(value)
    texts = [plain(one) for one in value if isinstance(one, str)] if isinstance(value, list) else []
    return [text for text in texts if text not in ("", "None")]


def _whole_minutes(value: Any) -> int | None:
    return minutes_of(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _tags(*values: Any) -> list[str]:
    parts = [part for value in values for text in _texts(value) for part in text.split(",")]
    return list(dict.fromkeys(part.strip() for part in parts if 0 < len(part.strip()) <= 60))[:50]


def _yielding(text: str | None) -> dict[str, Any]:
    servings = None if text is None else servings_of(text)
    return {} if text is None or servings is None else {"servings": servings, "yields": text[:300]}
