"""Confluence Cloud: what is asked of its REST API v2.

A page is created with an anchor in its body that carries the marker, since the request takes neither a version message
nor a property; an anchor is shown to nobody and survives edits. An update carries the marker as its version's message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import Field

from llmcoder.errors import ActionError, NotFound, Refused, Uncertain
from tasks.atlassian.client import Query
from tasks.atlassian.payload import AtlassianPayload
from tasks.confluence.client import ConfluenceClient, page_url
from tasks.confluence.errors import PageConflict, TitleTaken
from tasks.confluence.markers import changed_meanwhile, is_marked, marked
from tasks.confluence.site import Edit, Site
from tasks.confluence.wiki import Heads, PageHead, Space, WikiAttachment, WikiPage

API = "/api/v2"
AT_ONCE = 250
#: Ids in one request; addresses stay below 4,000 characters.
IDS_AT_ONCE = 100
EDITS_SHOWN = 10
#: Pages created last, among which one that was renamed at once is looked for.
NEWEST = 50
#: A listing that never ends is cut off here; 100,000 spaces or files.
MOST_PAGES = 400
EVERYWHERE = ("current", "archived", "trashed")
_SPACE = re.compile(r"/spaces/([^/?#]+)/")


class CloudLinksPayload(AtlassianPayload):
    next: str | None = None
    base: str | None = None
    webui: str | None = None
    download: str | None = None


class CloudVersionPayload(AtlassianPayload):
    number: int
    created_at: datetime = Field(alias="createdAt")
    message: str = ""
    author_id: str = Field("", alias="authorId")


class CloudStoragePayload(AtlassianPayload):
    value: str = ""


class CloudBodyPayload(AtlassianPayload):
    storage: CloudStoragePayload = CloudStoragePayload()


class CloudPagePayload(AtlassianPayload):
    """A page, in a list or alone."""

    id: str
    title: str = ""
    status: str = "current"
    space_id: str = Field(alias="spaceId")
    parent_id: str | None = Field(None, alias="parentId")
    version: CloudVersionPayload
    body: CloudBodyPayload = CloudBodyPayload()
    links: CloudLinksPayload = Field(CloudLinksPayload(), alias="_links")


class CloudPagesPayload(AtlassianPayload):
    """A list of pages."""

    results: list[CloudPagePayload]
    links: CloudLinksPayload = Field(CloudLinksPayload(), alias="_links")


class CloudSpacePayload(AtlassianPayload):
    id: str
    key: str
    name: str = ""


class CloudSpacesPayload(AtlassianPayload):
    """A list of spaces."""

    results: list[CloudSpacePayload]
    links: CloudLinksPayload = Field(CloudLinksPayload(), alias="_links")


class CloudFilePayload(AtlassianPayload):
    id: str
    title: str = ""
    media_type: str = Field("", alias="mediaType")
    file_size: int = Field(0, alias="fileSize")
    download_link: str = Field("", alias="downloadLink")
    version: CloudVersionPayload
    links: CloudLinksPayload = Field(CloudLinksPayload(), alias="_links")


class CloudFilesPayload(AtlassianPayload):
    """A list of files."""

    results: list[CloudFilePayload]
    links: CloudLinksPayload = Field(CloudLinksPayload(), alias="_links")


class CloudVersionsPayload(AtlassianPayload):
    """Versions of a page."""

    results: list[CloudVersionPayload]


class CloudUserPayload(AtlassianPayload):
    account_id: str = Field("", alias="accountId")
    display_name: str = Field("", alias="displayName")


class CloudUsersPayload(AtlassianPayload):
    """Some users."""

    results: tuple[CloudUserPayload, ...] = ()


class CloudWiki(Site):
    """A site of Confluence Cloud.

    Args:
        url: Where people find it.
        by_id: Whether Atlassian's API is asked, by the site's id; files are had at another address there.
    """

    def __init__(self, rest: ConfluenceClient, url: str, *, by_id: bool = False) -> None:
        self.url = url
        self._rest = rest
        self._by_id = by_id
        self._keys: dict[str, str] = {}

    # --- reading

    def spaces(self, keys: Sequence[str] = ()) -> list[Space]:
        found: list[Space] = []
        parts: list[list[str] | None] = [list(keys[at : at + AT_ONCE]) for at in range(0, len(keys), AT_ONCE)]
        for some in parts or [None]:
            found += self._spaces({"keys": some, "status": "current"})
        self._remember(found)
        if missing := set(keys) - {space.key for space in found}:
            raise NotFound(f"{self._rest.site} has no space {min(missing)}, or this account cannot see it.")
        return found

    def heads(self, space: Space, cursor: str | None = None) -> Heads:
        self._remember([space])
        query = {"sort": "id", "status": "current", "limit": AT_ONCE, "cursor": cursor}
        found = self._rest.get(CloudPagesPayload, f"{API}/spaces/{_id(space.id)}/pages", query)
        heads = tuple(self._head(page, found.links.base) for page in found.results)
        return Heads(heads, _cursor(found.links.next))

    def pages(self, ids: Sequence[str]) -> list[WikiPage]:
        found: list[CloudPagePayload] = []
        for at in range(0, len(ids), IDS_AT_ONCE):
            some = [_id(one) for one in ids[at : at + IDS_AT_ONCE]]
            query = {"id": some, "status": "current", "body-format": "storage", "limit": AT_ONCE}
            found += self._rest.get(CloudPagesPayload, f"{API}/pages", query).results
        self._learn_keys(found)
        return [WikiPage(self._head(page), page.body.storage.value) for page in found]

    def page(self, page_id: str, version: int | None = None) -> WikiPage:
        query = {"body-format": "storage", "version": version}
        found = self._rest.get(CloudPagePayload, f"{API}/pages/{_id(page_id)}", query)
        if version is None and found.status != "current":
            raise NotFound(f"The page {page_id} is {found.status}.")
        self._learn_keys([found])
        return WikiPage(self._head(found), found.body.storage.value)

    def find(self, space_key: str, title: str) -> PageHead | None:
        (space,) = self.spaces([space_key])
        found = self._titled(space, title, ("current",))
        return next((self._head(page) for page in found if page.title.casefold() == title.casefold()), None)

    def edits(self, page_id: str, since: int) -> list[Edit]:
        query = {"sort": "-modified-date", "limit": EDITS_SHOWN}
        found = self._rest.get(CloudVersionsPayload, f"{API}/pages/{_id(page_id)}/versions", query).results
        newer = sorted((one for one in found if one.number > since), key=lambda one: -one.number)
        names = self._names({one.author_id for one in newer if one.author_id})
        return [Edit(one.number, one.created_at, names.get(one.author_id, one.author_id), one.message) for one in newer]

    def attachments(self, page_id: str) -> list[WikiAttachment]:
        found: list[WikiAttachment] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            query = {"status": "current", "limit": AT_ONCE, "cursor": cursor}
            some = self._rest.get(CloudFilesPayload, f"{API}/pages/{_id(page_id)}/attachments", query)
            found += [self._attachment(page_id, file) for file in some.results]
            cursor = _cursor(some.links.next)
            if cursor is None:
                break
        return found

    def download(self, attachment: WikiAttachment, max_bytes: int) -> bytes:
        if attachment.size_bytes > max_bytes:
            raise Refused(f"{attachment.title} has {attachment.size_bytes} bytes, which is too large.")
        return self._rest.load(attachment.download_path, attachment.media_type, max_bytes)

    # --- writing

    def create(self, space: Space, title: str, storage: str, parent_id: str | None, marker: str) -> PageHead:
        body = {
            "spaceId": space.id,
            "status": "current",
            "title": title,
            "body": {"representation": "storage", "value": marked(storage, marker)},
        }
        self._remember([space])
        try:
            made = self._rest.send(
                CloudPagePayload, "POST", f"{API}/pages", body | ({"parentId": parent_id} if parent_id else {})
            )
        except TitleTaken:
            if (ours := self.find_created(space, title, marker)) is not None:
                return ours
            raise
        return self._head(made)

    def find_created(self, space: Space, title: str, marker: str) -> PageHead | None:
        self._remember([space])
        titled = self._titled(space, title, EVERYWHERE)
        newest = {"sort": "-created-date", "status": EVERYWHERE, "body-format": "storage", "limit": NEWEST}
        renamed = self._rest.get(CloudPagesPayload, f"{API}/spaces/{_id(space.id)}/pages", newest).results
        for page in (*titled, *renamed):
            if is_marked(page.body.storage.value, marker):
                return self._head(page)
        return next((self._head(page) for page in titled if self._began_marked(page, marker)), None)

    def update(self, page_id: str, title: str, storage: str, base_version: int, marker: str) -> PageHead:
        body = {
            "id": page_id,
            "status": "current",
            "title": title,
            "body": {"representation": "storage", "value": storage},
            "version": {"number": base_version + 1, "message": marker},
        }
        try:
            made = self._rest.send(CloudPagePayload, "PUT", f"{API}/pages/{_id(page_id)}", body)
        except PageConflict as error:
            if (ours := self.find_updated(page_id, base_version + 1, marker)) is not None:
                return ours
            raise changed_meanwhile(base_version, self.edits(page_id, base_version)) from error
        with suppress(ActionError):  # it is done, and where its space is called what can be asked later
            self._learn_keys([made])
        return self._head(made)

    def find_updated(self, page_id: str, version: int, marker: str) -> PageHead | None:
        page = self._rest.get(CloudPagePayload, f"{API}/pages/{_id(page_id)}", {"status": EVERYWHERE})
        if page.version.number < version:
            return None
        try:
            made = self._rest.get(CloudVersionPayload, f"{API}/pages/{_id(page_id)}/versions/{version}")
        except NotFound as error:
            raise Uncertain(f"Version {version} of the page {page_id} is deleted, so nobody can tell.") from error
        if made.message != marker:
            return None
        self._learn_keys([page])
        return self._head(page.model_copy(update={"version": made}))

    def trash(self, page_id: str) -> None:
        self._rest.send(None, "DELETE", f"{API}/pages/{_id(page_id)}")

    # --- parts of these

    def _spaces(self, query: Query) -> list[Space]:
        found: list[Space] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            some = self._rest.get(CloudSpacesPayload, f"{API}/spaces", {**query, "limit": AT_ONCE, "cursor": cursor})
            found += [Space(space.id, space.key, space.name) for space in some.results]
            cursor = _cursor(some.links.next)
            if cursor is None:
                break
        return found

    def _titled(self, space: Space, title: str, status: Sequence[str]) -> list[CloudPagePayload]:
        query = {
            "space-id": [_id(space.id)],
            "title": title,
            "status": status,
            "body-format": "storage",
            "limit": NEWEST,
        }
        return self._rest.get(CloudPagesPayload, f"{API}/pages", query).results

    def _began_marked(self, page: CloudPagePayload, marker: str) -> bool:
        """Whether its first version was ours, and somebody has taken the anchor out since."""
        if page.version.number == 1:
            return False
        query = {"body-format": "storage", "version": 1}
        first = self._rest.get(CloudPagePayload, f"{API}/pages/{_id(page.id)}", query)
        return is_marked(first.body.storage.value, marker)

    def _names(self, account_ids: set[str]) -> dict[str, str]:
        """What these accounts are called; ids do where the site does not say."""
        if not account_ids:
            return {}
        try:
            found = self._rest.ask(CloudUsersPayload, f"{API}/users-bulk", {"accountIds": sorted(account_ids)})
        except ActionError:  # a name is a nicety; nothing hangs on it
            return {}
        return {user.account_id: user.display_name for user in found.results if user.display_name}

    def _learn_keys(self, pages: Sequence[CloudPagePayload]) -> None:
        """Pages name their spaces by id; where people read them, the address has the key."""
        for page in pages:
            if found := _SPACE.match(page.links.webui or ""):
                self._keys.setdefault(page.space_id, unquote(found[1]))
        unknown = sorted({page.space_id for page in pages} - self._keys.keys())
        for at in range(0, len(unknown), AT_ONCE):
            self._remember(self._spaces({"ids": [_id(one) for one in unknown[at : at + AT_ONCE]]}))

    def _remember(self, spaces: Sequence[Space]) -> None:
        self._keys |= {space.id: space.key for space in spaces}

    def _head(self, page: CloudPagePayload, base: str | None = None) -> PageHead:
        return PageHead(
            id=page.id,
            space_key=self._keys.get(page.space_id, ""),
            title=page.title,
            version=page.version.number,
            updated_at=page.version.created_at,
            url=page_url(page.links.base or base, page.links.webui, page.id, f"{self.url}/wiki"),
            parent_id=page.parent_id,
        )

    def _attachment(self, page_id: str, file: CloudFilePayload) -> WikiAttachment:
        path = f"{self._rest.base_url}/rest/api/content/{quote(page_id)}/child/attachment/{quote(file.id)}/download"
        if not self._by_id:  # the site itself takes the token where browsers go
            path = self._rest.base_url + (file.links.download or file.download_link)
        return WikiAttachment(file.id, page_id, file.title, file.media_type, file.file_size, file.version.number, path)


def _id(text: str) -> str:
    """An id as it may stand in a path: Confluence's are numbers."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise NotFound(f"There is nothing with the id {text[:40]!r}.")
    return text


def _cursor(link: str | None) -> str | None:
    found = parse_qs(urlsplit(link or "").query).get("cursor")
    return found[0] if found else None
