"""Sources as rows: added, found again, removed for a while, and what came of asking them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import BadInput
from llmcoder.provenance import Taint
from models.db import conflicts
from models.owned_records import origin_of_new
from tasks.news.tables import articles, feeds, readers, stories

own = feeds.c
FEED = "feed"
#: What comes with the program.
BUILT_IN = "built-in"
MOST_FEEDS = 2_000
#: Removed sources can be given back for so long.
KEPT_REMOVED = timedelta(days=30)
#: At one refresh; the next one goes on.
MOST_PRUNED, BATCH = 10_000, 500
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=15), timedelta(days=1)


@dataclass(frozen=True)
class NewSource:
    """A source to be kept.

    Attributes:
        url: Of a feed; of a search its words.
        own_title: Whether the user named it.
    """

    url: str
    title: str
    provider: str = FEED
    topic: str = ""
    language: str = ""
    site_url: str = ""
    own_title: bool = False


def key_of(provider: str, url: str, language: str = "") -> str:
    """What tells a source from others of its user; http and https are the same."""
    place = url.partition("://")[2] or url if provider == FEED else f"{url}\n{language}"
    return hashlib.sha256(f"{provider}\n{place}".encode("utf-8", "replace")).hexdigest()


def lock(conn: sa.Connection, user_id: UUID, now: datetime) -> int:
    """Wait for whoever else changes the user's sources and stories, until the end of the transaction.

    Returns:
        The number by which the full-text index knows the user.
    """
    row = conflicts.insert(conn.dialect.name, readers).values(user_id=user_id, created_at=now)
    conn.execute(row.on_conflict_do_nothing(index_elements=["user_id"]))
    locked = sa.select(readers.c.number).where(readers.c.user_id == user_id).with_for_update()
    number: int = conn.execute(locked).scalar_one()
    return number


def reader_number(conn: sa.Connection, user_id: UUID) -> int | None:
    """The same, for who only reads; None for a user who never had a source."""
    number: int | None = conn.execute(sa.select(readers.c.number).where(readers.c.user_id == user_id)).scalar()
    return number


def add(conn: sa.Connection, user_id: UUID, source: NewSource, job_id: UUID, feed_id: UUID, now: datetime) -> Any:
    """Keep a source; one that is there already stays as it is, and one that was removed comes back with its articles.

    Raises:
        BadInput: The user has too many.
    """
    known = by_key(conn, user_id, key_of(source.provider, source.url, source.language))
    if known is not None:
        if known.removed_at is not None:
            put_back(conn, user_id, [known.id], now)
            conn.execute(sa.update(feeds).where(own.id == known.id).values(added_by=job_id))
        return by_id(conn, user_id, known.id)
    count = conn.execute(sa.select(sa.func.count()).select_from(feeds).where(own.user_id == user_id)).scalar_one()
    if count >= MOST_FEEDS:
        raise BadInput(f"A user has at most {MOST_FEEDS} sources. Remove some first.")
    values = {
        "id": feed_id, "user_id": user_id, "provider": source.provider, "url": source.url,
        "url_key": key_of(source.provider, source.url, source.language), "language": source.language,
        "title": source.title[:500], "own_title": source.own_title, "site_url": source.site_url,
        "topic": source.topic, "next_at": now, "added_by": job_id, "created_at": now, "updated_at": now,
        **origin_of_new(),
    }  # fmt: skip
    if not source.own_title:
        values["taint"] = Taint.OUTSIDE
    conn.execute(sa.insert(feeds).values(values))
    return by_id(conn, user_id, feed_id)


def by_id(conn: sa.Connection, user_id: UUID, feed_id: UUID) -> Any:
    return conn.execute(sa.select(feeds).where(own.id == feed_id, own.user_id == user_id)).first()


def by_key(conn: sa.Connection, user_id: UUID, key: str) -> Any:
    return conn.execute(sa.select(feeds).where(own.user_id == user_id, own.url_key == key)).first()


def reads(conn: sa.Connection, user_id: UUID, url: str) -> bool:
    """Whether the feed of an address is a source of the user's."""
    known = by_key(conn, user_id, key_of(FEED, url))
    return known is not None and known.removed_at is None


def place_of(conn: sa.Connection, row: Any, url: str) -> dict[str, Any]:
    """What a source's row keeps of the address that it has moved to; nothing where another source has that."""
    key = key_of(row.provider, url, row.language)
    other = by_key(conn, row.user_id, key)
    return {"url": url, "url_key": key} if other is None or other.id == row.id else {}


def all_of(conn: sa.Connection, user_id: UUID) -> list[Any]:
    """Those that are not removed, the first added first."""
    query = sa.select(feeds).where(own.user_id == user_id, own.removed_at.is_(None))
    return list(conn.execute(query.order_by(own.id)))


def due(conn: sa.Connection, user_id: UUID, now: datetime) -> list[Any]:
    query = sa.select(feeds).where(own.user_id == user_id, own.next_at <= now, own.removed_at.is_(None))
    return list(conn.execute(query.order_by(own.next_at, own.id)))


def next_due_at(conn: sa.Connection, user_id: UUID) -> datetime | None:
    query = sa.select(sa.func.min(own.next_at)).where(own.user_id == user_id, own.removed_at.is_(None))
    found: datetime | None = conn.execute(query).scalar_one()
    return found


def added_by(conn: sa.Connection, user_id: UUID, job_id: UUID) -> list[UUID]:
    query = sa.select(own.id).where(own.user_id == user_id, own.added_by == job_id, own.removed_at.is_(None))
    return list(conn.execute(query).scalars())


def remove(conn: sa.Connection, user_id: UUID, feed_ids: Collection[UUID], job_id: UUID, now: datetime) -> list[Any]:
    """Hide sources, and what only they tell; gives back those that the job removed, now or in an earlier attempt."""
    ids = [row.id for row in _these(conn, user_id, feed_ids) if row.removed_at is None]
    if ids:
        values = {"removed_at": now, "removed_by": job_id, "updated_at": now}
        conn.execute(sa.update(feeds).where(own.id.in_(ids)).values(values))
        _show(conn, ids, hidden=True)
    query = sa.select(feeds).where(own.user_id == user_id, own.removed_by == job_id, own.removed_at.is_not(None))
    return list(conn.execute(query.order_by(own.id)))


def put_back(conn: sa.Connection, user_id: UUID, feed_ids: Collection[UUID], now: datetime) -> list[Any]:
    """The opposite; what was removed too long ago is gone."""
    rows = [row for row in _these(conn, user_id, feed_ids) if row.removed_at is not None]
    ids = [row.id for row in rows]
    if ids:
        conn.execute(sa.update(feeds).where(own.id.in_(ids)).values(removed_at=None, next_at=now, updated_at=now))
        _show(conn, ids, hidden=False)
    return rows


def _these(conn: sa.Connection, user_id: UUID, feed_ids: Collection[UUID]) -> list[Any]:
    query = sa.select(feeds).where(own.user_id == user_id, own.id.in_(list(feed_ids)))
    return list(conn.execute(query.order_by(own.id)))


def _show(conn: sa.Connection, feed_ids: list[UUID], *, hidden: bool) -> None:
    conn.execute(sa.update(articles).where(articles.c.feed_id.in_(feed_ids)).values(hidden=hidden))
    told_by = sa.select(articles.c.story).where(articles.c.feed_id.in_(feed_ids))
    count_sources(conn, stories.c.number.in_(told_by))


def count_sources(conn: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Have stories know how many sources tell them."""
    shown = sa.select(sa.func.count()).where(articles.c.story == stories.c.number, articles.c.hidden.is_(False))
    conn.execute(sa.update(stories).where(which).values(sources=shown.scalar_subquery()))


def set_topic(conn: sa.Connection, row: Any, topic: str, now: datetime) -> None:
    """Change a source's topic, and that of the stories that had it from there."""
    conn.execute(sa.update(feeds).where(own.id == row.id).values(topic=topic, updated_at=now))
    told = sa.select(articles.c.story).where(articles.c.feed_id == row.id)
    conn.execute(sa.update(stories).where(stories.c.number.in_(told), stories.c.topic == row.topic).values(topic=topic))


def succeeded(conn: sa.Connection, feed_id: UUID, values: dict[str, Any], now: datetime) -> None:
    """Keep what a source's answer says of itself; in the transaction that writes its articles."""
    done = {"fetched_at": now, "failures": 0, "updated_at": now}
    conn.execute(sa.update(feeds).where(own.id == feed_id).values(done | values))


def failed(conn: sa.Connection, row: Any, why: str, retry_at: datetime | None, now: datetime) -> None:
    """Ask again later, the later the more often it failed in a row."""
    wait = min(FIRST_WAIT * 2 ** min(row.failures, 10), LONGEST_WAIT)
    values = {"failures": row.failures + 1, "note": why[:1_000], "next_at": retry_at or now + wait, "updated_at": now}
    conn.execute(sa.update(feeds).where(own.id == row.id).values(values))


def prune(conn: sa.Connection, user_id: UUID, now: datetime, keep: timedelta) -> int:
    """Delete what was removed long ago, and articles that are old and that their sources list no more.

    Returns:
        How many stories went.
    """
    long_ago = now - KEPT_REMOVED
    removed = list(conn.execute(sa.select(own.id).where(own.user_id == user_id, own.removed_at < long_ago)).scalars())
    told = articles.c
    old = sa.select(told.number, told.story).join(stories, stories.c.number == told.story)
    old = old.where(stories.c.user_id == user_id, stories.c.sources > sa.literal_column("0"), stories.c.at < now - keep)
    rows = conn.execute(old.where(told.listed_at < long_ago).limit(MOST_PRUNED)).all()
    of_removed = sa.select(told.story).where(told.feed_id.in_(removed))
    numbers = {row.story for row in rows} | (set(conn.execute(of_removed).scalars()) if removed else set())
    for start in range(0, len(rows), BATCH):
        conn.execute(sa.delete(articles).where(told.number.in_([row.number for row in rows[start : start + BATCH]])))
    conn.execute(sa.delete(feeds).where(own.id.in_(removed)))
    return _delete_untold(conn, sorted(numbers))


def _delete_untold(conn: sa.Connection, numbers: list[int]) -> int:
    """Of these stories those that nobody tells any more; the others know their sources anew."""
    gone = 0
    for start in range(0, len(numbers), BATCH):
        these = stories.c.number.in_(numbers[start : start + BATCH])
        untold = sa.not_(sa.exists().where(articles.c.story == stories.c.number))
        gone += conn.execute(sa.delete(stories).where(these, untold)).rowcount
        count_sources(conn, these)
    return gone
