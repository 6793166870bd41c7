"""Make pages of Confluence, and change them without overwriting what others wrote meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field, StringConstraints

from llmcoder import BadInput, Context, Effect, Marker, Model, NotFound, Retry, Transient, Undo, action
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.errors import PageConflict
from tasks.confluence.markdown import storage_of
from tasks.confluence.page_names import ACCOUNT, PAGE, PageName, SpaceKey, Title, page_id_of, site_of_job
from tasks.confluence.site import Site
from tasks.confluence.wiki import PageHead, WikiPage

#: Confluence Cloud takes no request above 5 MB.
MAX_STORAGE_BYTES = 4_500_000
MAX_MARKDOWN_CHARS = 500_000
TIMEOUT_S = 90
SETTLE_S = 30
RETRY = Retry(attempts=4, first_wait_s=3)

Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

_MARKDOWN = "In markdown: headings, lists, [ ] tasks, tables, code, links. HTML in it is shown as text."
_COMMENT = "What was changed and why; stands in the page's history."


# --- taking away


class PageToTrash(Model):
    """Which page goes."""

    page: PageName = Field(description=PAGE, examples=["123456"])
    version: int | None = Field(None, ge=1, description="Only if this is still the page's newest version.")
    account: str | None = Field(None, max_length=254, description=ACCOUNT)


class PageTrashed(Model):
    """The page is in the trash of its space, where it can be restored."""

    page_id: str = Field(description="Its id.")


@action(
    "confluence.trash_page",
    effect=Effect.DESTROY,
    repeatable=True,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=CONFLUENCE,
)
def trash_page(given: PageToTrash, ctx: Context) -> PageTrashed:
    """Move a page of Confluence to the trash of its space.

    One that is not there any more is no error. Its child pages move up; the trash can be emptied by its administrators.
    """
    site = site_of_job(ctx)
    page_id = page_id_of(site, given.page)
    try:
        newest = site.page(page_id).head.version
        if given.version is not None and newest != given.version:
            raise PageConflict(f"The page has been edited since: version {newest} is its newest. It stays where it is.")
        ctx.armed({"page_id": page_id})
        site.trash(page_id)
    except NotFound:
        return PageTrashed(page_id=page_id)
    return PageTrashed(page_id=page_id)


# --- making


class NewPage(Model):
    """A page to be made."""

    space: SpaceKey = Field(description="Key of the space.", examples=["OPS"])
    title: Title = Field(description="Title; a space has each only once.", examples=["Deploying on Fridays"])
    markdown: str = Field(max_length=MAX_MARKDOWN_CHARS, description=f"The text. {_MARKDOWN}", examples=["# Why not"])
    parent: PageName | None = Field(
        None, description="Id or address of the page to put it under; on top of the space when left out."
    )
    account: str | None = Field(None, max_length=254, description=ACCOUNT)


class PageMade(Model):
    """The new page."""

    page_id: str = Field(description="Its id at the site.")
    space: str = Field(description="Key of the space.")
    title: str = Field(description="Its title.")
    version: int = Field(description="Its version.")
    url: str = Field(description="Where people read it.")


def _as_it_was_made(given: NewPage, made: PageMade) -> PageToTrash:
    return PageToTrash(page=made.page_id, version=made.version, account=given.account)


def find_new_page(given: NewPage, marker: Marker, ctx: Context) -> PageMade | None:
    """Whether an attempt that nobody heard of again made the page."""
    site = site_of_job(ctx)
    (space,) = site.spaces([given.space])
    found = site.find_created(space, given.title, marker["marker"])
    return None if found is None else _made(found, given)


@action(
    "confluence.create_page",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_new_page,
    undo=Undo(
        trash_page, lambda given, made: PageToTrash(page=made.page_id, version=made.version, account=given.account)
    ),
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=CONFLUENCE,
)
def create_page(given: NewPage, ctx: Context) -> PageMade:
    """Make a page in a space of Confluence.

    A title that the space has already is refused. At the end of the page stands an anchor that readers do not see, by
    which the page is known again if the answer is lost. Undone by moving the page to the trash, unless it was edited.
    """
    site, storage = site_of_job(ctx), _storage(given.markdown)
    (space,) = site.spaces([given.space])
    parent_id = None if given.parent is None else page_id_of(site, given.parent)
    marker = f"llmcoder-{ctx.job_id}"
    ctx.armed({"marker": marker})
    return _made(site.create(space, given.title, storage, parent_id, marker), given)


def _made(head: PageHead, given: NewPage) -> PageMade:
    return PageMade(page_id=head.id, space=given.space, title=head.title, version=head.version, url=head.url)


# --- changing


class PageChanged(Model):
    """What became of the page."""

    page_id: str = Field(description="Its id at the site.")
    space: str = Field(description="Key of the space.")
    version: int = Field(description="The version that was made.")
    url: str = Field(description="Where people read it.")


class OldVersion(Model):
    """Which version comes back."""

    page: PageName = Field(description=PAGE, examples=["123456"])
    version: int = Field(ge=1, description="The version that is to be the newest again.", examples=[3])
    base_version: int = Field(
        ge=1, description="The page's newest version; another one by now is a conflict.", examples=[4]
    )
    account: str | None = Field(None, max_length=254, description=ACCOUNT)


def find_change(_given: object, marker: Marker, ctx: Context) -> PageChanged | None:
    """Whether an attempt that nobody heard of again made its version."""
    found = site_of_job(ctx).find_updated(marker["page_id"], int(marker["version"]), marker["message"])
    return None if found is None else _changed(found)


@action(
    "confluence.restore_version",
    effect=Effect.DESTROY,
    repeatable=True,
    reconcile=find_change,
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=CONFLUENCE,
)
def restore_version(given: OldVersion, ctx: Context) -> PageChanged:
    """Make an old version of a page of Confluence its newest one.

    Refused when the page has been edited since `base_version`. What it says now stays in its history.
    """
    site = site_of_job(ctx)
    old = site.page(page_id_of(site, given.page), given.version)
    return _write(site, old, given.base_version, f"Version {given.version} restored", ctx)


def _before(given: PageUpdate | NewSection, done: PageChanged) -> OldVersion:
    return OldVersion(
        page=done.page_id, version=max(done.version - 1, 1), base_version=done.version, account=given.account
    )


class PageUpdate(Model):
    """What a page is to say."""

    page: PageName = Field(description=PAGE, examples=["123456"])
    base_version: int = Field(
        ge=1,
        description="Version that the new text was made from, as confluence.page says it; another one by now is a "
        "conflict, and nothing is written.",
        examples=[3],
    )
    markdown: str = Field(
        max_length=MAX_MARKDOWN_CHARS, description=f"The whole new text. {_MARKDOWN}", examples=["# Why"]
    )
    title: Title | None = Field(None, description="A new title; as it is when left out.")
    comment: Comment = Field("", description=_COMMENT)
    account: str | None = Field(None, max_length=254, description=ACCOUNT)


@action(
    "confluence.update_page",
    effect=Effect.DESTROY,
    repeatable=True,
    reconcile=find_change,
    undo=Undo(restore_version, _before),
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=CONFLUENCE,
)
def update_page(given: PageUpdate, ctx: Context) -> PageChanged:
    """Replace the text of a page of Confluence.

    Refused as a conflict when somebody has edited the page since `base_version`, saying who and when. Macros and
    layouts of the old text that markdown does not know are gone from the new one. Undone by restoring the old version.
    """
    site = site_of_job(ctx)
    storage, page_id = _storage(given.markdown), page_id_of(site, given.page)
    head = site.page(page_id).head
    wanted = WikiPage(replace(head, title=given.title or head.title), storage)
    return _write(site, wanted, given.base_version, given.comment, ctx)


class NewSection(Model):
    """What is added to a page."""

    page: PageName = Field(description=PAGE, examples=["123456"])
    markdown: str = Field(
        min_length=1,
        max_length=MAX_MARKDOWN_CHARS,
        description=f"What stands at the page's end from now on. {_MARKDOWN}",
        examples=["## Monday\n\nAll went well."],
    )
    comment: Comment = Field("", description=_COMMENT)
    account: str | None = Field(None, max_length=254, description=ACCOUNT)


@action(
    "confluence.append_section",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_change,
    undo=Undo(restore_version, _before),
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=CONFLUENCE,
)
def append_section(given: NewSection, ctx: Context) -> PageChanged:
    """Add a section to the end of a page of Confluence.

    All that the page has stays as it is; an edit that comes between is kept, and the section put after it.
    """
    site, added = site_of_job(ctx), _storage(given.markdown)
    old = site.page(page_id_of(site, given.page))
    wanted = replace(old, storage=appended(old.storage, added))
    try:
        return _write(site, wanted, old.head.version, given.comment, ctx)
    except PageConflict as error:
        raise Transient("Somebody edited the page at this very moment; the section goes after that.") from error


def appended(storage: str, added: str) -> str:
    """The body of a page with something at its end; in a page with a layout, all stands in its sections."""
    end = "</ac:layout>"
    if not storage.rstrip().endswith(end):
        return f"{storage}{added}"
    section = f'<ac:layout-section ac:type="single"><ac:layout-cell>{added}</ac:layout-cell></ac:layout-section>'
    return f"{storage.rstrip().removesuffix(end)}{section}{end}"


def _storage(markdown: str) -> str:
    storage = storage_of(markdown)
    if len(storage.encode()) > MAX_STORAGE_BYTES:
        raise BadInput("The text is too long for one page of Confluence.")
    return storage


def _write(site: Site, wanted: WikiPage, base_version: int, comment: str, ctx: Context) -> PageChanged:
    """Make the version after `base_version`, known again by its message."""
    head, message = wanted.head, f"{comment} (LLMCoder {ctx.job_id})".strip()
    ctx.armed({"page_id": head.id, "version": str(base_version + 1), "message": message})
    return _changed(site.update(head.id, head.title, wanted.storage, base_version, message))


def _changed(head: PageHead) -> PageChanged:
    return PageChanged(page_id=head.id, space=head.space_key, version=head.version, url=head.url)
