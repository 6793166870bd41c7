"""A Confluence on 127.0.0.1, Cloud and Data Center at once, with pages that change, and what goes wrong.

    with confluence_on_loopback() as confluence:
        confluence.fill("OPS", 2000)                    # 2,000 pages, at once
        page = confluence.add("OPS", "Title", "<p>Body</p>")
        confluence.edit(page.id, "<p>Other</p>")
        confluence.remove(page.id)                      # into the trash
        confluence.attach(page.id, "notes.txt", "text/plain", b"...")
        confluence.next("GET /pages", "refuse", 429, retry_after="2")
        ... confluence.cloud() and confluence.data_center() are credentials for it

Both kinds show the same spaces and pages. Every request is held against the vendor's contract before it is looked at,
and every answer before it is sent; what does not fit stands in `violations`, and fails the test at its end.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.entities import html5
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from atlassian_server import ACCESS, CLOUD_ID, EMAIL, Answer, AtlassianSite, Refusal, on_loopback
from confluence_contract import CLOUD, DATA_CENTER, contract
from lxml import etree  # type: ignore[import-untyped]
from pydantic import SecretStr

from tasks.confluence.account import ConfluenceAccount

__all__ = ["ACCESS", "CLOUD_ID", "EMAIL", "TOKEN", "Confluence", "confluence_on_loopback"]

TOKEN = "confluence-canary-1"
GRANTED = f"/ex/confluence/{CLOUD_ID}"
PEOPLE = {"a-1": "Ada Lovelace", "a-2": "Bert Bastler"}
Query = dict[str, list[str]]
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
STORAGE = 'xmlns:ac="http://atlassian.com/content" xmlns:ri="http://atlassian.com/resource/identifier"'
MOST_AT_ONCE = {CLOUD: 250, DATA_CENTER: 200}


@dataclass
class Version:
    number: int
    title: str
    storage: str
    message: str
    by: str
    at: datetime


@dataclass
class KeptSpace:
    id: str
    key: str
    name: str
    status: str = "current"


@dataclass
class KeptPage:
    """A page with all its versions, the newest last."""

    id: str
    space: KeptSpace
    parent_id: str | None
    versions: list[Version]
    status: str = "current"

    @property
    def now(self) -> Version:
        return self.versions[-1]


@dataclass
class KeptFile:
    id: str
    page_id: str
    name: str
    media_type: str
    content: bytes
    version: int = 1


@dataclass
class Confluence(AtlassianSite):
    """The site and how it behaves.

    Attributes:
        at_once: The most that a list holds, where the site gives less than was asked for.
        old_data_center: Whether Data Center knows neither the scan nor pages by their ids.
        anonymous: Whether strangers are answered, as a site that is open to them does.
        fetched: How often the body of each page was sent.
        holds_after: So many bodies, and the site is asked for more in vain until this is set higher.
    """

    secret: str = TOKEN
    spaces: dict[str, KeptSpace] = field(default_factory=dict)
    pages: dict[str, KeptPage] = field(default_factory=dict)
    files: list[KeptFile] = field(default_factory=list)
    at_once: int = 250
    old_data_center: bool = False
    anonymous: bool = False
    fetched: dict[str, int] = field(default_factory=dict)
    holds_after: float = math.inf
    last_id: int = 100_000

    def hold(self) -> None:
        """Answer nobody as long as more bodies were sent than may be."""
        while sum(self.fetched.values()) >= self.holds_after and not self.over.wait(0.01):
            pass

    # --- what is there

    def cloud(self, token: str = TOKEN) -> ConfluenceAccount:
        return ConfluenceAccount(site=self.url, email=EMAIL, token=SecretStr(token))

    def data_center(self, token: str = TOKEN) -> ConfluenceAccount:
        return ConfluenceAccount(site=f"{self.url}{DATA_CENTER}", token=SecretStr(token))

    def space(self, key: str, name: str = "", status: str = "current") -> KeptSpace:
        """The space of that key, made if need be."""
        with self.lock:
            if key not in self.spaces:
                self.spaces[key] = KeptSpace(self._new_id(), key, name or f"Space {key}", status)
            return self.spaces[key]

    def add(
        self, space: str, title: str, storage: str = "<p>x</p>", parent_id: str | None = None, by: str = "a-1"
    ) -> KeptPage:
        """A page that is there."""
        with self.lock:
            page = KeptPage(self._new_id(), self.space(space), parent_id, [])
            self.pages[page.id] = page
            self._version(page, title, storage, "", by)
            return page

    def fill(self, space: str, count: int, storage: str = "<h1>Page {0}</h1><p>the text number{0}</p>") -> list[str]:
        """Many pages at once."""
        return [self.add(space, f"Page {one}", storage.format(one)).id for one in range(count)]

    def edit(
        self, page_id: str, storage: str, title: str | None = None, by: str = "a-2", message: str = ""
    ) -> KeptPage:
        """Somebody edits a page."""
        with self.lock:
            page = self.pages[page_id]
            self._version(page, title or page.now.title, storage, message, by)
            return page

    def remove(self, page_id: str) -> None:
        """Into the trash."""
        self.pages[page_id].status = "trashed"

    def attach(self, page_id: str, name: str, media_type: str, content: bytes) -> KeptFile:
        with self.lock:
            file = KeptFile(f"att{self._new_id()}", page_id, name, media_type, content)
            self.files.append(file)
            return file

    def titled(self, title: str) -> list[KeptPage]:
        return [page for page in self.pages.values() if page.now.title == title]

    def _version(self, page: KeptPage, title: str, storage: str, message: str, by: str) -> None:
        number = len(page.versions) + 1
        at = BEGAN + timedelta(minutes=self.last_id - 100_000 + number)
        page.versions.append(Version(number, title, storage, message, by, at))

    # --- what both kinds do

    def create(self, space: KeptSpace, title: str, storage: str, parent_id: str | None) -> KeptPage:
        self._check_title(space, title, None)
        check_storage(storage)
        if parent_id is not None and (parent_id not in self.pages or self.pages[parent_id].space is not space):
            raise Refusal(404 if parent_id not in self.pages else 400, "Parent page does not exist in this space")
        return self.add(space.key, title, storage, parent_id)

    def update(self, page_id: str, title: str, storage: str, number: int, message: str) -> KeptPage:
        page = self.current(page_id)
        if number != page.now.number + 1:
            current = f"Version must be incremented on update. Current version is: {page.now.number}"
            raise Refusal(409, current)
        self._check_title(page.space, title, page)
        check_storage(storage)
        return self.edit(page_id, storage, title, "a-1", message)

    def current(self, page_id: str) -> KeptPage:
        page = self.pages.get(page_id)
        if page is None or page.status != "current":
            raise Refusal(404, f"No content found with id: {page_id}")
        return page

    def _check_title(self, space: KeptSpace, title: str, besides: KeptPage | None) -> None:
        if not title or len(title) > 255:
            raise Refusal(400, "Title must be specified and up to 255 characters")
        taken = (page for page in self.titled(title) if page.space is space and page.status == "current")
        if any(page is not besides for page in taken):
            raise Refusal(
                400, "A page with this title already exists: A page already exists with the same TITLE in this space"
            )

    def paged(self, base: str, items: list[Any], query: Query, start: int) -> tuple[list[Any], int | None]:
        """A part of a list, and where the next one begins."""
        most = min(int(query.get("limit", ["25"])[0]), MOST_AT_ONCE[base], self.at_once)
        following = start + most
        return items[start:following], following if following < len(items) else None

    def contract_of(self, target: str) -> tuple[Any, str] | None:
        base = _base(target)
        return None if base is None else (contract(base), target.removeprefix(GRANTED))

    def is_open(self, target: str, authorization: str) -> bool:
        if target.startswith(("/media/", "/oauth/token?")) or target == "/oauth/token" or self.anonymous:
            return True
        return self.lets_in(target, authorization, granted=(GRANTED, "/me", "/oauth/"), data_center=DATA_CENTER)

    def below_api(self, asked: str) -> str:
        return re.sub(rf"(?:{GRANTED})?(?:{CLOUD}|{DATA_CENTER}/rest/api)", "", asked)

    def complaint(self, target: str, refusal: Refusal) -> Any:
        (message,) = refusal.messages
        if target.startswith(DATA_CENTER):
            return {"statusCode": refusal.status, "message": message, "reason": "Refused"}
        return {"errors": [{"status": refusal.status, "code": "REFUSED", "title": message, "detail": None}]}

    def done(self, method: str, target: str, body: bytes, authorization: str) -> Answer:
        answer = self.answer(method, target, body, authorization)
        if isinstance(answer, Redirect):
            return Answer(302, b"", {"location": answer.to})
        if isinstance(answer, KeptFile):
            return Answer(200, answer.content, {"content-type": answer.media_type})
        return Answer(204, b"") if answer is None else Answer(200, answer)

    def answer(self, method: str, target: str, body: bytes, authorization: str) -> Any:
        """The answer of whoever is meant; raises Refusal."""
        address = urlsplit(target)
        path, query = unquote(address.path), parse_qs(address.query)
        given = json.loads(body) if body[:1] == b"{" else {}  # a form says nothing that is looked at
        for pattern, known in ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                with self.lock:
                    return known(self, query, given, *found.groups())
        raise Refusal(404, f"no such path {path}")

    # --- Atlassian

    def resources(self, _query: Any, _given: Any) -> Any:
        scopes = ["read:page:confluence", "write:page:confluence"]
        jira = {"id": "other", "url": "https://other.example", "name": "other", "scopes": ["read:jira-work"]}
        return [jira, {"id": CLOUD_ID, "url": "https://acme.atlassian.net", "name": "acme", "scopes": scopes}]

    def me(self, _query: Any, _given: Any) -> Any:
        return {"account_id": "a-1", "email": EMAIL, "name": PEOPLE["a-1"]}

    def token(self, _query: Any, _given: Any) -> Any:
        return self.new_token()

    # --- Cloud

    def cloud_spaces(self, query: Query, _given: Any) -> Any:
        keys = [key for some in query.get("keys", []) for key in some.split(",")]
        ids = query.get("ids", [])
        shown = [one for one in self.spaces.values() if one.status == query.get("status", [one.status])[0]]
        shown = [one for one in shown if (not keys or one.key in keys) and (not ids or one.id in ids)]
        return self.cloud_list("/spaces", [self.cloud_space(one) for one in shown], query)

    def cloud_space(self, space: KeptSpace) -> Any:
        return {"id": space.id, "key": space.key, "name": space.name, "type": "global", "status": space.status}

    def cloud_list(self, path: str, items: list[Any], query: Query) -> Any:
        cursor = query.get("cursor", [_cursor(0)])[0]
        try:
            start = int(base64.urlsafe_b64decode(cursor).decode().removeprefix("at-"))
        except ValueError as error:
            raise Refusal(400, "Provided cursor is not valid") from error
        part, following = self.paged(CLOUD, items, query, start)
        links = {"base": f"{self.url}/wiki"}
        if following is not None:
            kept = {name: values for name, values in query.items() if name != "cursor"}
            further = urlencode(kept | {"cursor": [_cursor(following)]}, doseq=True)
            links["next"] = f"{CLOUD}{path}?{further}"
        return {"results": part, "_links": links}

    def cloud_pages_of_space(self, query: Query, _given: Any, space_id: str) -> Any:
        space = next((one for one in self.spaces.values() if one.id == space_id), None)
        if space is None:
            raise Refusal(404, "Space not found")
        own = [page for page in self.pages.values() if page.space is space]
        return self._cloud_pages(f"/spaces/{space_id}/pages", own, query)

    def cloud_pages(self, query: Query, _given: Any) -> Any:
        ids, spaces, title = query.get("id"), query.get("space-id"), query.get("title")
        own = [self.pages[one] for one in ids if one in self.pages] if ids else list(self.pages.values())
        own = [page for page in own if not spaces or page.space.id in spaces]
        own = [page for page in own if not title or page.now.title == title[0]]
        return self._cloud_pages("/pages", own, query)

    def _cloud_pages(self, path: str, pages: list[KeptPage], query: Query) -> Any:
        status = query.get("status", ["current", "archived"])
        shown = [page for page in pages if page.status in status]
        if query.get("sort", ["id"])[0].startswith("-"):
            shown.reverse()
        found = self.cloud_list(path, shown, query)
        return found | {"results": [self.cloud_page(page, None, query) for page in found["results"]]}

    def cloud_page(self, page: KeptPage, number: int | None, query: Query) -> Any:
        version = page.now if number is None else page.versions[number - 1]
        shown = {
            "id": page.id,
            "status": page.status,
            "title": version.title,
            "spaceId": page.space.id,
            "parentId": page.parent_id,
            "authorId": page.versions[0].by,
            "createdAt": _cloud_time(page.versions[0].at),
            "version": _cloud_version(version),
            "_links": {"webui": f"/spaces/{page.space.key}/pages/{page.id}/{quote(version.title)}"},
        }
        if page.parent_id is None:
            del shown["parentId"]  # it is null there, which the contract does not know
        if query.get("body-format") == ["storage"]:
            self.fetched[page.id] = self.fetched.get(page.id, 0) + 1
            shown["body"] = {"storage": {"representation": "storage", "value": version.storage}}
        return shown

    def cloud_one_page(self, query: Query, _given: Any, page_id: str) -> Any:
        page = self.pages.get(page_id)
        number = int(query["version"][0]) if "version" in query else None
        if page is None or page.status not in query.get("status", ["current", "archived"]):
            raise Refusal(404, "Not Found")
        if number is not None and not 1 <= number <= len(page.versions):
            raise Refusal(404, "Not Found")
        return self.cloud_page(page, number, query) | {"_links": self._cloud_links(page)}

    def _cloud_links(self, page: KeptPage) -> Any:
        return {"webui": f"/spaces/{page.space.key}/pages/{page.id}", "base": f"{self.url}/wiki"}

    def cloud_create(self, _query: Any, given: Any) -> Any:
        space = next((one for one in self.spaces.values() if one.id == given["spaceId"]), None)
        if space is None:
            raise Refusal(404, "Space not found")
        page = self.create(space, given["title"], given["body"]["value"], given.get("parentId"))
        return self.cloud_page(page, None, {"body-format": ["storage"]}) | {"_links": self._cloud_links(page)}

    def cloud_update(self, _query: Any, given: Any, page_id: str) -> Any:
        version = given["version"]
        page = self.update(
            page_id, given["title"], given["body"]["value"], version["number"], version.get("message", "")
        )
        return self.cloud_page(page, None, {"body-format": ["storage"]}) | {"_links": self._cloud_links(page)}

    def trash(self, _query: Any, _given: Any, page_id: str) -> Any:
        self.current(page_id).status = "trashed"
        return None

    def cloud_versions(self, query: Query, _given: Any, page_id: str) -> Any:
        versions = [_cloud_version(one) for one in reversed(self.current(page_id).versions)]
        return self.cloud_list(f"/pages/{page_id}/versions", versions, query)

    def cloud_one_version(self, _query: Any, _given: Any, page_id: str, number: str) -> Any:
        page = self.pages.get(page_id)
        if page is None or not 1 <= int(number) <= len(page.versions):
            raise Refusal(404, "Not Found")
        return _cloud_version(page.versions[int(number) - 1])

    def cloud_files(self, query: Query, _given: Any, page_id: str) -> Any:
        self.current(page_id)
        shown = [self._cloud_file(file) for file in self.files if file.page_id == page_id]
        return self.cloud_list(f"/pages/{page_id}/attachments", shown, query)

    def _cloud_file(self, file: KeptFile) -> Any:
        link = f"/download/attachments/{file.page_id}/{quote(file.name)}?version={file.version}"
        return {
            "id": file.id,
            "status": "current",
            "title": file.name,
            "pageId": file.page_id,
            "mediaType": file.media_type,
            "fileSize": len(file.content),
            "downloadLink": link,
            "version": {"number": file.version, "createdAt": _cloud_time(BEGAN), "authorId": "a-1"},
            "_links": {"download": link},
        }

    def cloud_users(self, _query: Any, given: Any) -> Any:
        known = [one for one in given["accountIds"] if one in PEOPLE]
        return {"results": [{"accountId": one, "displayName": PEOPLE[one]} for one in known]}

    # --- Data Center

    def center_user(self, _query: Any, _given: Any) -> Any:
        return {"type": "known", "username": "ada", "userKey": "k-1", "displayName": PEOPLE["a-1"]}

    def center_list(self, path: str, items: list[Any], query: Query) -> Any:
        start = int(query.get("start", ["0"])[0])
        part, following = self.paged(DATA_CENTER, items, query, start)
        links = {"base": f"{self.url}{DATA_CENTER}", "context": DATA_CENTER}
        if following is not None:
            kept = {name: values for name, values in query.items() if name != "start"}
            links["next"] = f"{path}?{urlencode(kept | {'start': [str(following)]}, doseq=True)}"
        return {"results": part, "start": start, "limit": len(part), "size": len(part), "_links": links}

    def center_spaces(self, query: Query, _given: Any) -> Any:
        keys = query.get("spaceKey", [])
        shown = [one for one in self.spaces.values() if one.status == query.get("status", [one.status])[0]]
        spaces = [self.center_space(one) for one in shown if not keys or one.key in keys]
        return self.center_list("/rest/api/space", spaces, query)

    def center_space(self, space: KeptSpace) -> Any:
        return {"id": int(space.id), "key": space.key, "name": space.name, "type": "global", "status": space.status}

    def center_pages(self, query: Query, _given: Any) -> Any:
        space, title, ids = query.get("spaceKey"), query.get("title"), query.get("ids")
        if space and space[0] not in self.spaces:
            raise Refusal(404, f"No space with key : {space[0]}")
        shown = [page for page in self.pages.values() if _has_status(page, query)]
        if ids and not self.old_data_center:  # old ones do not know the parameter, and take no notice of it
            shown = [page for page in shown if page.id in ids]
        shown = [page for page in shown if not space or page.space.key == space[0]]
        shown = [page for page in shown if not title or page.now.title == title[0]]
        found = self.center_list("/rest/api/content", shown, query)
        return found | {"results": [self.center_page(page, None, query) for page in found["results"]]}

    def center_scan(self, query: Query, _given: Any) -> Any:
        if self.old_data_center:
            raise Refusal(404, "No content found with id: ContentId{id=scan}")
        if query["spaceKey"][0] not in self.spaces:
            raise Refusal(404, f"No space with key : {query['spaceKey'][0]}")
        own = [page for page in self.pages.values() if page.space.key == query["spaceKey"][0]]
        shown = [page for page in own if _has_status(page, query)]
        cursor = query.get("cursor", ["content:false:0"])[0]
        if not re.fullmatch(r"content:false:\d+", cursor):
            raise Refusal(400, "Invalid cursor")
        start = int(cursor.rpartition(":")[2])
        part, following = self.paged(DATA_CENTER, shown, query, start)
        answer = {"results": [self.center_page(page, None, query) for page in part], "size": len(part), "_links": {}}
        return answer | ({"nextCursor": f"content:false:{following}"} if following is not None else {})

    def center_search(self, query: Query, _given: Any) -> Any:
        key = re.match(r'space = "([^"]+)"', query["cql"][0])
        own = [page for page in self.pages.values() if key and page.space.key == key[1] and page.status == "current"]
        found = self.center_list("/rest/api/content/search", own[::-1], query)
        return found | {"results": [self.center_page(page, None, query) for page in found["results"]]}

    def center_page(self, page: KeptPage, number: int | None, query: Query) -> Any:
        version = page.now if number is None else page.versions[number - 1]
        wanted = query.get("expand", ["history,space,version"])[0].split(",")
        shown: dict[str, Any] = {"id": page.id, "type": "page", "status": page.status, "title": version.title}
        shown["_links"] = {"webui": f"/display/{page.space.key}/{quote(version.title)}"}
        if "space" in wanted:
            shown["space"] = self.center_space(page.space)
        if "version" in wanted:
            shown["version"] = _center_version(version)
        if "ancestors" in wanted:
            shown["ancestors"] = [{"id": page.parent_id, "type": "page"}] if page.parent_id else []
        if "body.storage" in wanted:
            self.fetched[page.id] = self.fetched.get(page.id, 0) + 1
            shown["body"] = {"storage": {"representation": "storage", "value": version.storage}}
        return shown

    def center_one_page(self, query: Query, _given: Any, page_id: str) -> Any:
        page, number = self.pages.get(page_id), None
        if "version" in query:
            number = int(query["version"][0])
            if page is None or not 1 <= number < len(page.versions):  # the newest is not a historical one
                raise Refusal(404, f"No content found with id: ContentId{{id={page_id}}}")
        elif page is None or not _has_status(page, query):
            raise Refusal(404, f"No content found with id: ContentId{{id={page_id}}}")
        return self.center_page(page, number, query) | {"_links": self._center_links(page)}

    def _center_links(self, page: KeptPage) -> Any:
        return {"webui": f"/display/{page.space.key}/{page.id}", "base": f"{self.url}{DATA_CENTER}"}

    def center_create(self, _query: Any, given: Any) -> Any:
        space = self.spaces.get(given["space"]["key"])
        if space is None:
            raise Refusal(404, "No space found")
        ancestors = given.get("ancestors", [])
        storage = given["body"]["storage"]["value"]
        page = self.create(space, given["title"], storage, ancestors[-1]["id"] if ancestors else None)
        return self.center_page(page, None, WHOLE) | {"_links": self._center_links(page)}

    def center_update(self, _query: Any, given: Any, page_id: str) -> Any:
        version, storage = given["version"], given["body"]["storage"]["value"]
        page = self.update(page_id, given["title"], storage, version["number"], version.get("message", ""))
        return self.center_page(page, None, WHOLE) | {"_links": self._center_links(page)}

    def center_files(self, query: Query, _given: Any, page_id: str) -> Any:
        self.current(page_id)
        shown = [self._center_file(file) for file in self.files if file.page_id == page_id]
        return self.center_list(f"/rest/api/content/{page_id}/child/attachment", shown, query)

    def _center_file(self, file: KeptFile) -> Any:
        return {
            "id": file.id,
            "type": "attachment",
            "status": "current",
            "title": file.name,
            "version": {"number": file.version, "when": _center_time(BEGAN)},
            "extensions": {"mediaType": file.media_type, "fileSize": len(file.content)},
            "_links": {"download": f"/download/attachments/{file.page_id}/{quote(file.name)}?version={file.version}"},
        }

    # --- files

    def download(self, _query: Any, _given: Any, page_id: str, name: str) -> Any:
        if not any((file.page_id, file.name) == (page_id, name) for file in self.files):
            raise Refusal(404, "no such file")
        return Redirect(f"/media/{page_id}/{quote(name)}")

    def download_by_id(self, _query: Any, _given: Any, page_id: str, file_id: str) -> Any:
        found = next(file for file in self.files if file.id == file_id)
        return Redirect(f"/media/{page_id}/{quote(found.name)}")

    def media(self, _query: Any, _given: Any, page_id: str, name: str) -> Any:
        return next(file for file in self.files if (file.page_id, file.name) == (page_id, name))


@dataclass(frozen=True)
class Redirect:
    to: str


WHOLE = {"expand": ["body.storage,version,space,ancestors"]}
_V2, _DC = rf"(?:{GRANTED})?{CLOUD}", rf"{DATA_CENTER}/rest/api"
ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (r"GET /oauth/token/accessible-resources", Confluence.resources),
    (r"POST /oauth/token", Confluence.token),
    (r"GET /me", Confluence.me),
    (rf"GET {_V2}/spaces", Confluence.cloud_spaces),
    (rf"GET {_V2}/spaces/(\d+)/pages", Confluence.cloud_pages_of_space),
    (rf"GET {_V2}/pages", Confluence.cloud_pages),
    (rf"POST {_V2}/pages", Confluence.cloud_create),
    (rf"GET {_V2}/pages/(\d+)", Confluence.cloud_one_page),
    (rf"PUT {_V2}/pages/(\d+)", Confluence.cloud_update),
    (rf"DELETE {_V2}/pages/(\d+)", Confluence.trash),
    (rf"GET {_V2}/pages/(\d+)/versions", Confluence.cloud_versions),
    (rf"GET {_V2}/pages/(\d+)/versions/(\d+)", Confluence.cloud_one_version),
    (rf"GET {_V2}/pages/(\d+)/attachments", Confluence.cloud_files),
    (rf"POST {_V2}/users-bulk", Confluence.cloud_users),
    (rf"GET {_DC}/user/current", Confluence.center_user),
    (rf"GET {_DC}/space", Confluence.center_spaces),
    (rf"GET {_DC}/content", Confluence.center_pages),
    (rf"POST {_DC}/content", Confluence.center_create),
    (rf"GET {_DC}/content/scan", Confluence.center_scan),
    (rf"GET {_DC}/content/search", Confluence.center_search),
    (rf"GET {_DC}/content/(\d+)", Confluence.center_one_page),
    (rf"PUT {_DC}/content/(\d+)", Confluence.center_update),
    (rf"DELETE {_DC}/content/(\d+)", Confluence.trash),
    (rf"GET {_DC}/content/(\d+)/child/attachment", Confluence.center_files),
    (r"GET (?:/wiki|/confluence)/download/attachments/(\d+)/([^/]+)", Confluence.download),
    (rf"GET {GRANTED}/wiki/rest/api/content/(\d+)/child/attachment/(\w+)/download", Confluence.download_by_id),
    (r"GET /media/(\d+)/([^/]+)", Confluence.media),
]


def _cursor(at: int) -> str:
    return base64.urlsafe_b64encode(f"at-{at}".encode()).decode()


def _cloud_time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def _center_time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000+00:00"


def _cloud_version(version: Version) -> Any:
    shown = {"number": version.number, "message": version.message, "minorEdit": False, "authorId": version.by}
    return shown | {"createdAt": _cloud_time(version.at)}


def _center_version(version: Version) -> Any:
    by = {"type": "known", "username": version.by, "displayName": PEOPLE.get(version.by, version.by)}
    return {"number": version.number, "message": version.message, "when": _center_time(version.at), "by": by}


def _has_status(page: KeptPage, query: Query) -> bool:
    wanted = query.get("status", ["current"])
    return page.status in wanted or ("any" in wanted and page.status in ("current", "trashed"))


def check_storage(storage: str) -> None:
    """Confluence refuses what is not well-formed, with the entities of HTML known."""

    def known(found: re.Match[str]) -> str:
        return found[0] if found[1] in ("lt", "gt", "amp", "quot", "apos") else html5.get(f"{found[1]};", found[0])

    named = re.sub(r"&(\w+);", known, re.sub(r"<!\[CDATA\[.*?\]\]>", "", storage, flags=re.S))
    try:
        etree.fromstring(f"<storage {STORAGE}>{named}</storage>".encode())
    except etree.XMLSyntaxError as error:
        raise Refusal(400, f"Error parsing xhtml: {error}") from error


def _base(path: str) -> str | None:
    """Which contract speaks of a path."""
    path = path.removeprefix(GRANTED)
    if path.startswith(CLOUD):
        return CLOUD
    return DATA_CENTER if path.startswith(f"{DATA_CENTER}/rest/api") else None


@contextmanager
def confluence_on_loopback() -> Iterator[Confluence]:
    """A Confluence that runs; at its end, nothing may have broken the contracts."""
    contract(CLOUD)
    with on_loopback(Confluence()) as confluence:
        yield confluence
