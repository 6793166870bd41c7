"""RDFa in a page as JSON-LD would have it, as far as recipes take it (https://www.w3.org/TR/rdfa-lite/). Pure.

Also the vocabulary before schema.org's, of `rdf.data-vocabulary.org`, in which pages of old say `rel` for `property`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lxml.html import HtmlElement  # type: ignore[import-untyped]

_PREFIX = re.compile(r"^.*[/#:]")
#: Where their address is what they say.
_ADDRESSES = {"img": "src", "a": "href", "link": "href", "source": "src"}


def rdfa_nodes(root: HtmlElement) -> list[dict[str, Any]]:
    """Things that are parts of no other thing, with all that is said of them."""
    found: list[dict[str, Any]] = []
    node_of: dict[Any, dict[str, Any]] = {}
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        parent = element.getparent()
        around = None if parent is None else node_of.get(parent)
        here = around
        if (kinds := element.get("typeof")) is not None:
            here = {"@type": [_PREFIX.sub("", kind) for kind in kinds.split()]}
            if name := element.get("resource") or element.get("about"):
                here["@id"] = name
        names = (element.get("property") or (element.get("rel") if kinds is not None else None) or "").split()
        value = here if kinds is not None else _value(element) if names else None
        linked = parent.get("rel") if parent is not None and kinds is not None and not names else None
        for name in names or ((linked or "").split() if around is not None else ()):
            if around is not None:
                around.setdefault(_PREFIX.sub("", name), []).append(value)
        if kinds is not None and here is not None and (around is None or not (names or linked)):
            found.append(here)
        if here is not None:
            node_of[element] = here
    return found


def _value(element: HtmlElement) -> str:
    """Its text with its tags, which say where lines end."""
    from lxml.html import tostring

    for name in ("content", "datetime", _ADDRESSES.get(element.tag, "")):
        if name and (said := element.get(name)) is not None:
            return str(said)
    return str(tostring(element, encoding="unicode", with_tail=False))
