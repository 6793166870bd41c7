"""How the page actions are told which space or page is meant, and how they find it."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from llmcoder import Context, NotFound
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.open_site import open_site
from tasks.confluence.places import ById, place_of
from tasks.confluence.site import Site

SpaceKey = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[\w~.:@-]+$")
]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
]
PageName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]

ACCOUNT = "Which of your Confluence accounts; the first when left out."
PAGE = "Id of the page, or its address in the browser."


def site_of_job(ctx: Context) -> Site:
    """The site of the account that the job acts for."""
    return open_site(ctx.connection(CONFLUENCE), ctx)


def page_id_of(site: Site, page: str) -> str:
    """The id of the page that an id or an address names.

    Raises:
        BadInput: It is neither, or an address at another site.
        NotFound: There is no such page.
    """
    place = place_of(page, site.url)
    return place.page_id if isinstance(place, ById) else titled(site, place.space_key, place.title)


def titled(site: Site, space_key: str, title: str) -> str:
    """The id of a space's page of that title."""
    found = site.find(space_key, title)
    if found is None:
        raise NotFound(f"The space {space_key} has no page {title!r}, or this account cannot see it.")
    return found.id
