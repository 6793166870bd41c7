"""A wiki in memory, behind the same interface as the clients: it counts what was asked of it and fails on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from llmcoder.errors import NotFound, Refused
from tasks.confluence.wiki import Heads, PageHead, Space, Wiki, WikiAttachment, WikiPage

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryWiki(Wiki):
    """One site.

    Attributes:
        fetched: How often the body of each page was sent.
        before: Called before every answer with its name; what it raises is the answer.
    """

    contents: dict[str, WikiPage] = field(default_factory=dict)
    files: dict[str, list[tuple[WikiAttachment, bytes]]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    fetched: Counter[str] = field(default_factory=Counter)
    listed: list[str | None] = field(default_factory=list)
    before: Callable[[str], None] = lambda name: None
    at_once: int = 50

    def add(self, page_id: str, title: str, text: str, space: str = "OPS") -> None:
        head = PageHead(page_id, space, title, 1, AT, f"https://wiki.example/{space}/{page_id}")
        self.contents[page_id] = WikiPage(head, text)

    def edit(self, page_id: str, text: str, title: str | None = None) -> None:
        old = self.contents[page_id]
        head = replace(old.head, version=old.head.version + 1, title=title or old.head.title)
        self.contents[page_id] = WikiPage(head, text)

    def attach(self, page_id: str, file_id: str, name: str, media_type: str, content: bytes, version: int = 1) -> None:
        file = WikiAttachment(file_id, page_id, name, media_type, len(content), version, f"/download/{file_id}")
        kept = [one for one in self.files.get(page_id, []) if one[0].id != file_id]
        self.files[page_id] = [*kept, (file, content)]

    def spaces(self, keys: Sequence[str] = ()) -> list[Space]:
        self.before("spaces")
        there = {page.head.space_key for page in self.contents.values()} - self.hidden
        if missing := set(keys) - there:
            raise NotFound(f"There is no space {sorted(missing)[0]}.")
        return [Space(f"id-{key}", key, f"Space {key}") for key in sorted(keys or there)]

    def heads(self, space: Space, cursor: str | None = None) -> Heads:
        self.before("heads")
        self.listed.append(cursor)
        own = sorted(
            (page.head for page in self.contents.values() if page.head.space_key == space.key),
            key=lambda head: head.id,
        )
        begin = int(cursor or 0)
        end = begin + self.at_once
        return Heads(tuple(own[begin:end]), str(end) if end < len(own) else None)

    def pages(self, ids: Sequence[str]) -> list[WikiPage]:
        self.before("pages")
        found = [self.contents[page_id] for page_id in ids if page_id in self.contents]
        self.fetched.update(page.head.id for page in found)
        return found

    def attachments(self, page_id: str) -> list[WikiAttachment]:
        self.before("attachments")
        return [file for file, _ in self.files.get(page_id, [])]

    def download(self, attachment: WikiAttachment, max_bytes: int) -> bytes:
        self.before("download")
        content = next(found for file, found in self.files[attachment.page_id] if file.id == attachment.id)
        if len(content) > max_bytes:
            raise Refused(f"{attachment.title} is larger than {max_bytes} bytes.")
        return content

    def create(self, space: Space, title: str, storage: str, parent_id: str | None, marker: str) -> PageHead:
        raise AssertionError("an index writes nothing")

    def find_created(self, space: Space, title: str, marker: str) -> PageHead | None:
        raise AssertionError("an index writes nothing")

    def update(self, page_id: str, title: str, storage: str, base_version: int, marker: str) -> PageHead:
        raise AssertionError("an index writes nothing")

    def find_updated(self, page_id: str, version: int, marker: str) -> PageHead | None:
        raise AssertionError("an index writes nothing")
