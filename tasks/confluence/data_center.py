"""Confluence Data Center: what is asked of its REST API, with a personal access token.

The marker of a creation stands in the body and that of an update in its version's message, as on Cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import Field

from llmcoder.errors import BadInput, NotFound, Refused, Uncertain
from tasks.atlassian.payload import AtlassianPayload
from tasks.confluence.client import ConfluenceClient, page_url
from tasks.confluence.errors import PageConflict, TitleTaken
from tasks.confluence.markers import changed_meanwhile, is_marked, marked
from tasks.confluence.site import Edit, Site
from tasks.confluence.wiki import Heads, PageHead, Space, WikiAttachment, WikiPage

API = "/rest/api"
HEADS_AT_ONCE = 200
IDS_AT_ONCE = 50
NEWEST = 25
MOST_PAGES = 1000
HEAD = "version,space,ancestors"
WHOLE = f"{HEAD},body.storage"
#: Cursors of the two ways in which a space is listed.
SCAN, START = "scan:", "start:"


class DataCenterLinksPayload(AtlassianPayload):
    next: str | None = None
    base: str | None = None
    webui: str | None = None
    download: str | None = None


class DataCenterPersonPayload(AtlassianPayload):
    display_name: str = Field("", alias="displayName")
    username: str = ""


class DataCenterVersionPayload(AtlassianPayload):
    number: int
    when: datetime
    message: str = ""
    by: DataCenterPersonPayload = DataCenterPersonPayload()


class DataCenterStoragePayload(AtlassianPayload):
    value: str = ""


class DataCenterBodyPayload(AtlassianPayload):
    storage: DataCenterStoragePayload = DataCenterStoragePayload()


class DataCenterSpacePayload(AtlassianPayload):
    id: str = ""
    key: str
    name: str = ""


class DataCenterAncestorPayload(AtlassianPayload):
    id: str


class DataCenterPagePayload(AtlassianPayload):
    """A page, in a list or alone."""

    id: str
    title: str = ""
    space: DataCenterSpacePayload | None = None
    version: DataCenterVersionPayload
    ancestors: tuple[DataCenterAncestorPayload, ...] = ()
    body: DataCenterBodyPayload = DataCenterBodyPayload()
    links: DataCenterLinksPayload = Field(DataCenterLinksPayload(), alias="_links")


class DataCenterPagesPayload(AtlassianPayload):
    """A list of pages."""

    results: list[DataCenterPagePayload]
    next_cursor: str | None = Field(None, alias="nextCursor")
    links: DataCenterLinksPayload = Field(DataCenterLinksPayload(), alias="_links")


class DataCenterSpacesPayload(AtlassianPayload):
    """A list of spaces."""

    results: list[DataCenterSpacePayload]
    links: DataCenterLinksPayload = Field(DataCenterLinksPayload(), alias="_links")


class DataCenterFileDataPayload(AtlassianPayload):
    media_type: str = Field("", alias="mediaType")
    file_size: int = Field(0, alias="fileSize")


class DataCenterFilePayload(AtlassianPayload):
    id: str
    title: str = ""
    version: DataCenterVersionPayload
    extensions: DataCenterFileDataPayload = DataCenterFileDataPayload()
    links: DataCenterLinksPayload = Field(DataCenterLinksPayload(), alias="_links")


class DataCenterFilesPayload(AtlassianPayload):
    """A list of files."""

    results: list[DataCenterFilePayload]
    links: DataCenterLinksPayload = Field(DataCenterLinksPayload(), alias="_links")


class DataCenterWiki(Site):
    """A site that somebody runs; its version decides which of two ways a space is listed."""

    def __init__(self, rest: ConfluenceClient) -> None:
        self.url = rest.base_url
        self._rest = rest
        self._takes_ids = True

    # --- reading

    def spaces(self, keys: Sequence[str] = ()) -> list[Space]:
        found: list[Space] = []
        parts: list[list[str] | None] = [list(keys[at : at + IDS_AT_ONCE]) for at in range(0, len(keys), IDS_AT_ONCE)]
        for some in parts or [None]:
            start: str | None = "0"
            while start is not None and len(found) < MOST_PAGES * HEADS_AT_ONCE:
                query = {"spaceKey": some, "status": "current", "start": start, "limit": HEADS_AT_ONCE}
                answer = self._rest.get(DataCenterSpacesPayload, f"{API}/space", query)
                found += [Space(space.id, space.key, space.name) for space in answer.results]
                start = _further(answer.links.next, start)
        if missing := set(keys) - {space.key for space in found}:
            raise NotFound(f"{self._rest.site} has no space {min(missing)}, or this account cannot see it.")
        return found

    def heads(self, space: Space, cursor: str | None = None) -> Heads:
        """By the scan, whose order is that of ids; by the plain list where a site is too old for it."""
        if cursor is not None and cursor.startswith(START):
            return self._listed(space, cursor.removeprefix(START))
        try:
            return self._scanned(space, cursor and cursor.removeprefix(SCAN))
        except (NotFound, BadInput):
            if cursor is not None:
                raise
        return self._listed(space, "0")

    def pages(self, ids: Sequence[str]) -> list[WikiPage]:
        found: dict[str, WikiPage] = {}
        for at in range(0, len(ids), IDS_AT_ONCE):
            found |= self._together([_id(one) for one in ids[at : at + IDS_AT_ONCE]])
        for missing in [one for one in ids if one not in found] if not self._takes_ids else ():
            try:
                found[missing] = self.page(missing)
            except NotFound:
                continue
        return list(found.values())

    def page(self, page_id: str, version: int | None = None) -> WikiPage:
        old = {} if version is None else {"status": "historical", "version": version}
        try:
            found = self._rest.get(DataCenterPagePayload, f"{API}/content/{_id(page_id)}", {**old, "expand": WHOLE})
        except NotFound:
            if version is None:
                raise
            found = self._rest.get(DataCenterPagePayload, f"{API}/content/{_id(page_id)}", {"expand": WHOLE})
            if found.version.number != version:  # the newest is not among the historical ones
                raise
        return self._page(found)

    def find(self, space_key: str, title: str) -> PageHead | None:
        found = self._titled(space_key, title, "current")
        return next((self._page(page).head for page in found if page.title.casefold() == title.casefold()), None)

    def edits(self, page_id: str, since: int) -> list[Edit]:
        """The newest only: older ones would cost a request each."""
        made = self._rest.get(DataCenterPagePayload, f"{API}/content/{_id(page_id)}", {"expand": HEAD}).version
        by = made.by.display_name or made.by.username
        return [Edit(made.number, made.when, by, made.message)] if made.number > since else []

    def attachments(self, page_id: str) -> list[WikiAttachment]:
        found: list[WikiAttachment] = []
        start: str | None = "0"
        while start is not None and len(found) < MOST_PAGES:
            query = {"expand": "version", "start": start, "limit": HEADS_AT_ONCE}
            answer = self._rest.get(DataCenterFilesPayload, f"{API}/content/{_id(page_id)}/child/attachment", query)
            found += [self._attachment(page_id, file) for file in answer.results]
            start = _further(answer.links.next, start)
        return found

    def download(self, attachment: WikiAttachment, max_bytes: int) -> bytes:
        if attachment.size_bytes > max_bytes:
            raise Refused(f"{attachment.title} has {attachment.size_bytes} bytes, which is too large.")
        return self._rest.load(attachment.download_path, attachment.media_type, max_bytes)

    # --- writing

    def create(self, space: Space, title: str, storage: str, parent_id: str | None, marker: str) -> PageHead:
        body = {
            "type": "page",
            "title": title,
            "space": {"key": space.key},
            "body": {"storage": {"value": marked(storage, marker), "representation": "storage"}},
        }
        try:
            made = self._rest.send(
                DataCenterPagePayload,
                "POST",
                f"{API}/content",
                body | ({"ancestors": [{"id": parent_id}]} if parent_id else {}),
            )
        except TitleTaken:
            if (ours := self.find_created(space, title, marker)) is not None:
                return ours
            raise
        return self._page(made, space.key).head

    def find_created(self, space: Space, title: str, marker: str) -> PageHead | None:
        titled = self._titled(space.key, title, "any")
        for page in (*titled, *self._made_last(space)):
            if is_marked(page.body.storage.value, marker):
                return self._page(page).head
        return next((self._page(page).head for page in titled if self._began_marked(page, marker)), None)

    def update(self, page_id: str, title: str, storage: str, base_version: int, marker: str) -> PageHead:
        body = {
            "id": page_id,
            "type": "page",
            "title": title,
            "body": {"storage": {"value": storage, "representation": "storage"}},
            "version": {"number": base_version + 1, "message": marker},
        }
        try:
            made = self._rest.send(DataCenterPagePayload, "PUT", f"{API}/content/{_id(page_id)}", body)
        except PageConflict as error:
            if (ours := self.find_updated(page_id, base_version + 1, marker)) is not None:
                return ours
            raise changed_meanwhile(base_version, self.edits(page_id, base_version)) from error
        return self._page(made).head

    def find_updated(self, page_id: str, version: int, marker: str) -> PageHead | None:
        path = f"{API}/content/{_id(page_id)}"
        page = self._rest.get(DataCenterPagePayload, path, {"status": "any", "expand": HEAD})
        if page.version.number < version:
            return None
        if page.version.number > version:
            query = {"status": "historical", "version": version, "expand": HEAD}
            try:
                page = self._rest.get(DataCenterPagePayload, path, query)
            except NotFound as error:
                raise Uncertain(f"Version {version} of the page {page_id} is deleted, so nobody can tell.") from error
        return self._page(page).head if page.version.message == marker else None

    def trash(self, page_id: str) -> None:
        self._rest.send(None, "DELETE", f"{API}/content/{_id(page_id)}")

    # --- parts of these

    def _scanned(self, space: Space, cursor: str | None) -> Heads:
        query = {"spaceKey": space.key, "type": "page", "status": "current", "expand": HEAD}
        found = self._rest.get(
            DataCenterPagesPayload, f"{API}/content/scan", {**query, "limit": HEADS_AT_ONCE, "cursor": cursor}
        )
        following = found.next_cursor or _member(found.links.next, "cursor")
        return Heads(self._heads(found, space), f"{SCAN}{following}" if following and found.results else None)

    def _listed(self, space: Space, start: str) -> Heads:
        query = {"spaceKey": space.key, "type": "page", "status": "current", "expand": HEAD, "start": start}
        found = self._rest.get(DataCenterPagesPayload, f"{API}/content", {**query, "limit": HEADS_AT_ONCE})
        following = _further(found.links.next, start)
        return Heads(self._heads(found, space), following and f"{START}{following}")

    def _heads(self, found: DataCenterPagesPayload, space: Space) -> tuple[PageHead, ...]:
        return tuple(self._page(page, space.key, found.links.base).head for page in found.results)

    def _together(self, ids: Sequence[str]) -> dict[str, WikiPage]:
        """Pages by one request. A site too old for `ids` answers with any pages, which are not what was asked for."""
        if not self._takes_ids:
            return {}
        query = {"ids": ids, "status": "current", "expand": WHOLE, "limit": len(ids)}
        try:
            found = self._rest.get(DataCenterPagesPayload, f"{API}/content", query)
        except (BadInput, NotFound):
            found = DataCenterPagesPayload(results=[])
            self._takes_ids = False
        self._takes_ids = self._takes_ids and all(page.id in ids for page in found.results)
        return {page.id: self._page(page, base=found.links.base) for page in found.results if page.id in ids}

    def _titled(self, space_key: str, title: str, status: str) -> list[DataCenterPagePayload]:
        query = {"type": "page", "spaceKey": space_key, "title": title, "status": status, "expand": WHOLE}
        return self._rest.get(DataCenterPagesPayload, f"{API}/content", query).results

    def _made_last(self, space: Space) -> list[DataCenterPagePayload]:
        """By the search index, which may be some seconds behind; it is for a page that was renamed at once."""
        key = space.key.replace("\\", "\\\\").replace('"', '\\"')
        cql = f'space = "{key}" and type = page and creator = currentUser() order by created desc'
        query = {"cql": cql, "expand": WHOLE, "limit": NEWEST}
        return self._rest.get(DataCenterPagesPayload, f"{API}/content/search", query).results

    def _began_marked(self, page: DataCenterPagePayload, marker: str) -> bool:
        """Whether its first version was ours, and somebody has taken the anchor out since."""
        return page.version.number > 1 and is_marked(self.page(page.id, 1).storage, marker)

    def _page(self, page: DataCenterPagePayload, space_key: str = "", base: str | None = None) -> WikiPage:
        head = PageHead(
            id=page.id,
            space_key=page.space.key if page.space else space_key,
            title=page.title,
            version=page.version.number,
            updated_at=page.version.when,
            url=page_url(page.links.base or base, page.links.webui, page.id, self.url),
            parent_id=page.ancestors[-1].id if page.ancestors else None,
        )
        return WikiPage(head, page.body.storage.value)

    def _attachment(self, page_id: str, file: DataCenterFilePayload) -> WikiAttachment:
        about = file.extensions
        path = self._rest.base_url + (file.links.download or f"/download/attachments/{page_id}/{quote(file.title)}")
        return WikiAttachment(
            file.id, page_id, file.title, about.media_type, about.file_size, file.version.number, path
        )


def _id(text: str) -> str:
    """An id as it may stand in a path: Confluence's are numbers."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise NotFound(f"There is nothing with the id {text[:40]!r}.")
    return text


def _further(link: str | None, start: str) -> str | None:
    """Where the next part of a list begins; None at its end, or where the site does not get on."""
    following = _member(link, "start")
    return following if following is not None and following.isdigit() and int(following) > int(start) else None


def _member(link: str | None, name: str) -> str | None:
    found = parse_qs(urlsplit(link or "").query).get(name)
    return found[0] if found else None
