"""Which page is meant: by its id, its address in the browser, or its space and title. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus, urlsplit

from llmcoder.errors import BadInput

_ID = re.compile(r"[0-9]{1,19}")
_BY_ID = re.compile(r"/spaces/[^/]+/pages/(?:edit(?:-v2)?/)?([0-9]{1,19})(?:/|$)")
_BY_TITLE = re.compile(r"/display/([^/]+)/([^/]+)/?$")


@dataclass(frozen=True)
class ById:
    page_id: str


@dataclass(frozen=True)
class ByTitle:
    space_key: str
    title: str


def place_of(page: str, site: str) -> ById | ByTitle:
    """What an id or an address names.

    Args:
        page: As somebody gave it.
        site: The address of the account's site.

    Raises:
        BadInput: It is neither, or an address at another site.
    """
    if _ID.fullmatch(page):
        return ById(page)
    try:
        parts = urlsplit(page)
        at_home = parts.hostname == urlsplit(site).hostname
    except ValueError:
        at_home = False
    if not at_home:
        raise BadInput(f"{page[:100]!r} is neither the id of a page nor its address at {site}.")
    return _of_address(parts.path, parse_qs(parts.query).get("pageId", [""])[0], page)


def _of_address(path: str, page_id: str, page: str) -> ById | ByTitle:
    if _ID.fullmatch(page_id):
        return ById(page_id)
    if found := _BY_ID.search(path):
        return ById(found[1])
    if found := _BY_TITLE.search(path):
        return ByTitle(unquote_plus(found[1]), unquote_plus(found[2]))
    raise BadInput(f"{page[:100]!r} does not say which page it is. Give its id, or its space and title.")
