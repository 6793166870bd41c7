"""Recipes from elsewhere, made fit to be kept, and known again when they come once more. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import ValidationError

from llmcoder import strict_json
from llmcoder.errors import BadInput
from llmcoder.text import one_line
from tasks.recipe.facts import diets_of
from tasks.recipe.markup import plain
from tasks.recipe.records import (
    MOST_LINES,
    MOST_MINUTES,
    MOST_STEPS,
    MOST_TAGS,
    NewRecipe,
)

#: What is said in an address about how somebody came there, or in which form it is shown; whole names, and beginnings.
_TRACKING = frozenset(
    (
        "fbclid", "gclid", "dclid", "gbraid", "wbraid", "gad_source", "gad_campaignid", "srsltid", "msclkid", "twclid",
        "ttclid", "epik", "igshid", "igsh", "ysclid", "yclid", "mc_cid", "mc_eid", "cmpid", "ref", "ref_src", "ref_url",
        "_ga", "_gl", "s_kwcid", "amp", "outputtype", "print",
    )
)  # fmt: skip
_TRACKING_PREFIXES = ("utm_", "pk_", "mtm_", "hsa_", "vero_")
_AMP = re.compile(r"/amp/*$", re.IGNORECASE)
#: An address within a page that is one of its own: `#/recipe/1`, `#!recipe`.
_ROUTE = re.compile(r"[!/]")
_LONGEST = {"title": 300, "author": 300, "yields": 300, "source_name": 300, "description": 20_000, "notes": 20_000}


def fitted(given: Mapping[str, Any], where: str) -> NewRecipe:
    """What was found of a recipe, as one that can be kept.

    Raises:
        BadInput: It has no title or no ingredients, or something in it cannot be right.
    """
    recipe = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    for name, longest in _LONGEST.items():
        if name in recipe:
            recipe[name] = str(recipe[name])[:longest].strip()
    recipe["ingredients"] = [line[:500].strip() for line in _texts(recipe.get("ingredients"))][:MOST_LINES]
    recipe["steps"] = [step[:10_000].strip() for step in _texts(recipe.get("steps"))][:MOST_STEPS]
    recipe["tags"] = list(dict.fromkeys(tag[:60].strip() for tag in _texts(recipe.get("tags"))))[:MOST_TAGS]
    if "diets" not in recipe:
        recipe["diets"] = diets_of(recipe["tags"])
    for name in ("prep_minutes", "cook_minutes", "minutes"):
        if not 0 < recipe.get(name, 1) <= MOST_MINUTES:
            del recipe[name]
    if not recipe.get("title"):
        raise BadInput(f"{where}: a recipe without a title.")
    if not recipe["ingredients"] and not recipe["steps"]:
        raise BadInput(f"{where}: {one_line(recipe['title'], 80)!r} has neither ingredients nor steps.")
    try:
        return NewRecipe.model_validate(recipe)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"{where}: {one_line(recipe['title'], 80)!r}: {place}: {first['msg']}.") from None


def _texts(value: Any) -> Iterable[str]:
    return [text for one in value or () if (text := plain(str(one)))]


def key_of_address(address: str) -> str:
    """The one form of an address, by which a page is known again."""
    parts = urlsplit(address)
    host = _ascii(parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("amp.")
    asked = sorted(one for one in parse_qsl(parts.query, keep_blank_values=True) if not _is_tracking(one[0].lower()))
    path = quote(unquote(_AMP.sub("", parts.path)).rstrip("/"), safe="/") or "/"
    route = f"#{parts.fragment}" if _ROUTE.match(parts.fragment) else ""
    return _key("url", f"{host}{path}?{urlencode(asked)}{route}")


def _ascii(host: str) -> str:
    """`küchen.example` as `xn--kchen-kva.example`, by which it is the same host."""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _is_tracking(name: str) -> bool:
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES)


def key_of_content(recipe: NewRecipe) -> str:
    """For what has no address and no id: the same words are the same recipe."""
    return _key("text", strict_json.write([recipe.title, recipe.ingredients, recipe.steps]))


def key_of_id(program: str, recipe_id: str) -> str:
    """By the id that another program gave it."""
    return _key(program, recipe_id)


def _key(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def canonical_of(said: str | None, fetched: str) -> str:
    """The address of a page: what it says itself, where that may be believed.

    A page speaks for its own host only, and one that names its site's front page for itself has a broken template.
    """
    if said is None:
        return fetched
    here, there = urlsplit(fetched), urlsplit(said)
    same = _site(here.hostname) == _site(there.hostname)
    is_front = there.path in ("", "/") and not there.query and here.path not in ("", "/")
    return said if same and not is_front else fetched


def _site(host: str | None) -> str:
    labels = (host or "").lower().split(".")
    return ".".join(labels[1:] if len(labels) > 2 and labels[0] in ("www", "m", "amp", "mobile") else labels)
