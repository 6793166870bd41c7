"""Read Confluence: its spaces, and single pages as text."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from llmcoder import BadInput, Context, Effect, Model, action
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.page_names import ACCOUNT, PAGE, PageName, SpaceKey, Title, page_id_of, site_of_job, titled
from tasks.confluence.site import Site
from tasks.confluence.storage import text_of

#: Of a page's text; a job's result has an end.
MAX_TEXT_CHARS = 200_000
MAX_SPACES_SHOWN = 2_000


class SpacesWanted(Model):
    """Whose spaces."""

    account: str | None = Field(None, max_length=254, description=ACCOUNT)


class SpaceShown(Model):
    """One space."""

    key: str = Field(description="Its key, by which the other actions know it.")
    name: str = Field(description="What people call it.")


class SpacesShown(Model):
    """The spaces that the account can see."""

    spaces: list[SpaceShown] = Field(description="By their keys.")
    truncated: bool = Field(description="Whether there are more.")


@action("confluence.spaces", effect=Effect.READ, outside=True, connects=CONFLUENCE)
def spaces(wanted: SpacesWanted, ctx: Context) -> SpacesShown:
    """List the spaces of Confluence that the account can see."""
    found = sorted(site_of_job(ctx).spaces(), key=lambda space: space.key)
    shown = [SpaceShown(key=space.key, name=space.name) for space in found[:MAX_SPACES_SHOWN]]
    return SpacesShown(spaces=shown, truncated=len(found) > MAX_SPACES_SHOWN)


# --- one page


class PageWanted(Model):
    """Which page: by id or address, or by space and title."""

    page: PageName | None = Field(None, description=PAGE, examples=["123456"])
    space: SpaceKey | None = Field(None, description="Key of the space, together with the title.")
    title: Title | None = Field(None, description="Title of the page, exactly.")
    account: str | None = Field(None, max_length=254, description=ACCOUNT)


class PageShown(Model):
    """A page as text."""

    page_id: str = Field(description="Its id at the site.")
    title: str = Field(description="Its title.")
    space: str = Field(description="Key of the space.")
    version: int = Field(description="Counts up with every edit; say it when you change the page.")
    updated_at: AwareDatetime = Field(description="When it last changed.")
    url: str = Field(description="Where people read it.")
    text: str = Field(description="What it says, close to markdown.")
    truncated: bool = Field(description="Whether the text goes on.")


@action("confluence.page", effect=Effect.READ, outside=True, connects=CONFLUENCE)
def page(wanted: PageWanted, ctx: Context) -> PageShown:
    """Read one page of Confluence as text."""
    site = site_of_job(ctx)
    found = site.page(_wanted_id(site, wanted))
    text, head = text_of(found.storage), found.head
    return PageShown(
        page_id=head.id,
        title=head.title,
        space=head.space_key,
        version=head.version,
        updated_at=head.updated_at,
        url=head.url,
        text=text[:MAX_TEXT_CHARS],
        truncated=len(text) > MAX_TEXT_CHARS,
    )


def _wanted_id(site: Site, wanted: PageWanted) -> str:
    if wanted.page is not None:
        return page_id_of(site, wanted.page)
    if wanted.space is None or wanted.title is None:
        raise BadInput("Say which page: its id or address as `page`, or `space` and `title`.")
    return titled(site, wanted.space, wanted.title)
