"""Puts what a source says into stories: what is known is brought up to date, what is new joins a story or begins one.

All of it is one transaction with the source's ETag and Last-Modified: a server is told that we have something only when
we have it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.ids import new_id
from tasks.news import feed_store, full_text
from tasks.news.feed import FeedEntry
from tasks.news.identity import WITHIN, TitleIndex, page_key, title_words
from tasks.news.search_words import as_column, words_of
from tasks.news.tables import articles, feeds, readers, stories

#: Older ones are told by their pages alone; nobody tells them anew.
COMPARED = timedelta(days=14)
#: A date that is further ahead is wrong, or of what is to come; it sorts as if it were of now.
AHEAD = timedelta(hours=1)
#: Of a source whose articles are all older than what is kept, so many are taken all the same.
ALWAYS_TAKEN = 20
LISTED_WITHIN = timedelta(days=1)


@dataclass
class KnownTitles:
    """The titles of a user's newer stories; read once and then brought up to date."""

    user_id: UUID
    index: TitleIndex = field(default_factory=TitleIndex)
    _newest: int | None = None

    def load(self, conn: sa.Connection, now: datetime) -> None:
        """Add what was written since, by whoever it was; the caller holds the user's lock."""
        columns = (articles.c.number, articles.c.story, articles.c.story_at, articles.c.title, feeds.c.title)
        query = sa.select(*columns).join(feeds, feeds.c.id == articles.c.feed_id)
        if self._newest is None:
            newer = stories.c.at >= now - COMPARED - WITHIN
            shown = stories.c.sources > sa.literal_column("0")
            query = query.join(stories, stories.c.number == articles.c.story)
            query = query.where(stories.c.user_id == self.user_id, shown, newer)
        else:
            query = query.where(articles.c.user_id == self.user_id, articles.c.number > self._newest)
        rows = conn.execute(query.order_by(articles.c.number)).all()
        for number, story, at, title, source in rows:
            self.index.add(story, at, title_words(title, source))
            self._newest = number
        self._newest = self._newest or 0


@dataclass(frozen=True)
class IngestReport:
    """What came of it.

    Attributes:
        added: Articles that are new.
        stories: Stories that they began.
        changed: Articles that say something else now.
    """

    added: int = 0
    stories: int = 0
    changed: int = 0


@dataclass
class PendingEntry:
    """An entry on its way into a row."""

    entry: FeedEntry
    key: str
    page_key: str | None
    at: datetime
    story: int | None = None


def ingest(
    conn: sa.Connection,
    feed: Any,
    entries: Sequence[FeedEntry],
    titles: KnownTitles,
    now: datetime,
    keep: timedelta,
) -> IngestReport:
    """Write what a source says. The caller holds the user's lock (`feed_store.lock`).

    Args:
        feed: Its row.
        titles: Of its user.
        keep: Older entries are not taken, but for the newest of a source that has nothing else.
    """
    pending = _pending(entries, now, keep)
    known = _Known(conn, feed.id, pending)
    changed, fresh, listed = 0, [], []
    for one in pending:
        row = known.row_of(one)
        if row is None:
            fresh.append(one)
            continue
        listed.append(row.number)
        changed += _bring_up_to_date(conn, row, one)
    _still_listed(conn, listed, now)
    if not fresh:
        return IngestReport(changed=changed)
    titles.load(conn, now)
    begun = _find_stories(conn, feed, fresh, titles, now)
    _write(conn, feed, fresh, now)
    _complete_stories(conn, {one.story for one in fresh if one.story is not None})
    titles.load(conn, now)
    return IngestReport(len(fresh), begun, changed)


# --- what is known


class _Known:
    """The articles of a source that its entries may be."""

    def __init__(self, conn: sa.Connection, feed_id: UUID, pending: Sequence[PendingEntry]) -> None:
        self._keys = {one.key for one in pending}
        pages = [one.page_key for one in pending if one.page_key]
        titles = [one.entry.title for one in pending if one.entry.published_at is not None]
        own = articles.c
        may_be = sa.or_(own.key.in_(list(self._keys)), own.page_key.in_(pages), own.title.in_(titles))
        rows = conn.execute(sa.select(articles).where(own.feed_id == feed_id, may_be)).all()
        self._by_key = {row.key: row for row in rows}
        moved = [row for row in rows if row.key not in self._keys]
        self._by_page = {row.page_key: row for row in moved if row.page_key}
        self._by_title = {(row.title, row.published_at): row for row in moved if row.published_at is not None}
        self._taken: set[int] = set()

    def row_of(self, one: PendingEntry) -> Any:
        """By its own key; else by its page, or by title and time, where its source has given it another key."""
        row = self._by_key.get(one.key)
        if row is None and one.page_key:
            row = self._by_page.get(one.page_key)
        if row is None and one.entry.published_at is not None:
            row = self._by_title.get((one.entry.title, one.entry.published_at))
        if row is None or row.number in self._taken:
            return None
        self._taken.add(row.number)
        return row


def _pending(entries: Sequence[FeedEntry], now: datetime, keep: timedelta) -> list[PendingEntry]:
    """The entries that are taken, the oldest first, so that the newest gets the highest number."""
    entries = _newest_versions(entries)
    guids = Counter(entry.guid for entry in entries if entry.guid)
    pages = Counter(page_key(entry.original_url or entry.url) for entry in entries)
    found: dict[str, PendingEntry] = {}
    for entry in reversed(entries):
        if not entry.title and not entry.url and not entry.summary:
            continue
        page = page_key(entry.original_url or entry.url)
        page = page if pages[page] == 1 else ""  # one page for all tells nothing
        at = entry.published_at if entry.published_at and entry.published_at <= now + AHEAD else now
        key = _key_of(entry, guids[entry.guid] == 1, page)
        found[key] = PendingEntry(entry, key, page or None, at)
    in_time = sorted(found.values(), key=lambda one: one.at)
    return [one for at, one in enumerate(in_time) if one.at >= now - keep or at >= len(in_time) - ALWAYS_TAKEN]


def _newest_versions(entries: Sequence[FeedEntry]) -> list[FeedEntry]:
    """Each entry once, where a feed has several versions of it: as it was changed last, else as it comes first."""
    found: dict[Any, FeedEntry] = {}
    for number, entry in enumerate(entries):
        own = (entry.guid, entry.url, entry.published_at)
        which = own if all(own) else number  # a guid alone may be that of all
        other = found.get(which)
        if other is None or (entry.updated_at and other.updated_at and entry.updated_at > other.updated_at):
            found[which] = entry
    return list(found.values())


def _key_of(entry: FeedEntry, is_own: bool, page: str) -> str:
    """By its guid; where that is missing, or of several entries, by its page, else by what it says."""
    parts: tuple[str, ...]
    if entry.guid and is_own:
        parts = ("guid", entry.guid)
    elif page:
        parts = ("page", page)
    else:
        parts = ("text", entry.guid, entry.url, entry.title, str(entry.published_at or entry.summary[:200]))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _columns(one: PendingEntry) -> dict[str, Any]:
    """What of an entry is kept."""
    entry = one.entry
    media = [asdict(file) for file in entry.enclosures]
    return {
        "page_key": one.page_key, "url": entry.original_url or entry.url, "title": entry.title or "(untitled)",
        "author": entry.author, "summary": entry.summary, "content": entry.content, "image_url": entry.image_url,
        "media": strict_json.write(media), "published_at": entry.published_at,
    }  # fmt: skip


def _said(columns: dict[str, Any]) -> str:
    told = [columns[name] for name in ("url", "title", "author", "summary", "content", "image_url", "media")]
    return hashlib.sha256("\n".join(told).encode("utf-8", "replace")).hexdigest()


def _bring_up_to_date(conn: sa.Connection, row: Any, one: PendingEntry) -> int:
    columns = _columns(one)
    said = _said(columns)
    if said == row.said and row.key == one.key:
        return 0
    columns |= {"key": one.key, "said": said, "published_at": one.entry.published_at or row.published_at}
    conn.execute(sa.update(articles).where(articles.c.number == row.number).values(columns))
    _complete_stories(conn, {row.story})
    return int(said != row.said)


def _still_listed(conn: sa.Connection, numbers: Iterable[int], now: datetime) -> None:
    for some in _batches(list(numbers), 500):
        was = articles.c.listed_at < now - LISTED_WITHIN
        conn.execute(sa.update(articles).where(articles.c.number.in_(some), was).values(listed_at=now))


# --- what is new


def _find_stories(
    conn: sa.Connection, feed: Any, fresh: Sequence[PendingEntry], titles: KnownTitles, now: datetime
) -> int:
    """Say of each entry which story it belongs to; those that nobody told yet begin one. Returns how many do."""
    by_page = _stories_of_pages(conn, feed.user_id, [one.page_key for one in fresh if one.page_key])
    taken: set[int] = set()  # a source tells a story once
    likely: dict[int, list[int]] = {}
    for at, one in enumerate(fresh):
        likely[at] = list(by_page.get(one.page_key or "", []))
        if one.at >= now - COMPARED:
            likely[at] += titles.index.find(title_words(one.entry.title, feed.title), one.at)
    taken = _told_by(conn, feed.id, {story for some in likely.values() for story in some})
    for at, one in enumerate(fresh):
        one.story = next((story for story in likely[at] if story not in taken), None)
        taken |= {one.story} if one.story is not None else set()
    beginning = [one for one in fresh if one.story is None]
    numbers = _begin(conn, feed, beginning, now)
    for one, number in zip(beginning, numbers, strict=True):
        one.story = number
    return len(beginning)


def _stories_of_pages(conn: sa.Connection, user_id: UUID, pages: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for some in _batches(pages, 500):
        query = sa.select(articles.c.page_key, articles.c.story).where(
            articles.c.user_id == user_id, articles.c.page_key.in_(some)
        )
        for page, story in conn.execute(query.order_by(articles.c.story)):
            found.setdefault(page, []).append(story)
    return found


def _told_by(conn: sa.Connection, feed_id: UUID, numbers: Iterable[int]) -> set[int]:
    told: set[int] = set()
    for some in _batches(sorted(numbers), 500):
        query = sa.select(articles.c.story).where(articles.c.feed_id == feed_id, articles.c.story.in_(some))
        told |= set(conn.execute(query).scalars())
    return told


def _begin(conn: sa.Connection, feed: Any, beginning: Sequence[PendingEntry], now: datetime) -> list[int]:
    if not beginning:
        return []
    rows = [
        {"id": new_id(), "user_id": feed.user_id, "at": one.at, "seen_at": now, "topic": feed.topic, "sources": 0,
         "words": " "}
        for one in beginning
    ]  # fmt: skip
    new_rows = sa.insert(stories).returning(stories.c.number, sort_by_parameter_order=True)
    return list(conn.execute(new_rows, rows).scalars())


def _write(conn: sa.Connection, feed: Any, fresh: Sequence[PendingEntry], now: datetime) -> None:
    found = sa.select(stories.c.number, stories.c.at).where(stories.c.number.in_({one.story for one in fresh}))
    story_at = {row.number: row.at for row in conn.execute(found)}
    rows = []
    for one in fresh:
        columns = _columns(one)
        assert one.story is not None
        rows.append(
            columns
            | {"user_id": feed.user_id, "feed_id": feed.id, "story": one.story, "story_at": story_at[one.story]}
            | {"key": one.key, "seen_at": now, "listed_at": now, "said": _said(columns)}
        )
    conn.execute(sa.insert(articles), rows)


def _complete_stories(conn: sa.Connection, numbers: set[int]) -> None:
    """Have stories know their sources and their words: those of all titles, and of the summary that is shown."""
    for some in _batches(sorted(numbers), 500):
        feed_store.count_sources(conn, stories.c.number.in_(some))
        query = sa.select(articles.c.story, articles.c.title, articles.c.summary, readers.c.number)
        query = query.join(readers, readers.c.user_id == articles.c.user_id)
        texts: dict[tuple[int, int], list[str]] = {}
        for story, title, summary, reader in conn.execute(
            query.where(articles.c.story.in_(some)).order_by(articles.c.number)
        ):
            texts.setdefault((story, reader), []).extend((title, summary))
        entries = [
            full_text.StoryWords(story, reader, words_of([*said[::2], *list(filter(None, said[1::2]))[:1]]))
            for (story, reader), said in texts.items()
        ]
        change = sa.update(stories).where(stories.c.number == sa.bindparam("which"))
        columns = [{"which": one.number, "put": as_column(one.words)} for one in entries]
        conn.execute(change.values(words=sa.bindparam("put")), columns)
        full_text.put(conn, entries)


def _batches(values: Sequence[Any], size: int) -> Iterable[list[Any]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
