"""The list of articles: stories, newest first, each with the sources that tell it.

Each question walks an index in the order of the answer, from the place where the page before ended. Words are looked up
in the full-text index where few stories have them; where many do, the newest stories are gone through instead, and a
page is full after a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.caseless import fold
from llmcoder.declare import cursor as cursors
from llmcoder.declare.collection import Page, ReadableStore
from llmcoder.declare.filter import Filter
from llmcoder.errors import BadInput
from llmcoder.provenance import Taint, current
from models.db.database import reading
from tasks.news import full_text
from tasks.news.records import Article, ArticleFilter, ArticleSource, Media
from tasks.news.search_words import words_of
from tasks.news.tables import articles, feeds, stories

own = stories.c
#: Words that more stories have are common.
COMMON = 2_000
#: As the partial indexes say it; a parameter would keep both stores from seeing that they fit.
SHOWN = own.sources > sa.literal_column("0")
UNREAD = own.read_at.is_(None)
_ORDER = (own.at.desc(), own.number.desc())


class Articles(ReadableStore[Article]):
    """A user's stories, as articles."""

    filter = ArticleFilter

    def page(self, user_id: UUID, cursor: str | None, limit: int, wanted: Filter | None = None) -> Page[Article]:
        asked = wanted if isinstance(wanted, ArticleFilter) else ArticleFilter()
        with reading("articles") as conn:
            rows = _rows(conn, user_id, asked, _place(conn, user_id, cursor, asked), limit + 1)
            items = shown(conn, rows[:limit])
        following = _cursor(asked, rows[limit - 1]) if len(rows) > limit else None
        return Page[Article](items=items, next=following)

    def get(self, user_id: UUID, item_id: UUID) -> Article | None:
        with reading("articles") as conn:
            query = sa.select(stories).where(own.id == item_id, own.user_id == user_id, SHOWN)
            rows = conn.execute(query).all()
            return next(iter(shown(conn, rows, whole=True)), None)


ARTICLES = Articles()


def shown(conn: sa.Connection, rows: Sequence[Any], *, whole: bool = False) -> list[Article]:
    """Stories with what their sources tell.

    Args:
        whole: With the content, which is long.
    """
    if rows and (trail := current()) is not None:
        trail.read(Taint.OUTSIDE)
    told: dict[int, list[Any]] = {row.number: [] for row in rows}
    columns = [column for column in articles.c if whole or column.name != "content"]
    query = sa.select(*columns, feeds.c.title.label("feed")).join(feeds, feeds.c.id == articles.c.feed_id)
    query = query.where(articles.c.story.in_(told), articles.c.hidden.is_(False)).order_by(articles.c.number)
    for one in conn.execute(query) if told else ():
        told[one.story].append(one)
    return [_article(row, told[row.number], whole=whole) for row in rows if told[row.number]]


def _article(row: Any, told: list[Any], *, whole: bool) -> Article:
    first = told[0]
    sources = [
        ArticleSource(feed_id=one.feed_id, feed=one.feed, title=one.title, url=one.url, author=one.author,
                      published_at=one.published_at)
        for one in told
    ]  # fmt: skip
    return Article(
        id=row.id, title=first.title, url=next((one.url for one in told if one.url), ""),
        summary=next((one.summary for one in told if one.summary), ""),
        content=max((one.content for one in told), key=len) if whole else None,
        image_url=next((one.image_url for one in told if one.image_url), ""),
        media=[Media.model_validate(file) for file in strict_json.read_lenient(first.media)],
        topic=row.topic, published_at=row.at, read_at=row.read_at, told_at=row.told_at, told_by=row.told_by,
        sources=sources,
    )  # fmt: skip


# --- which

Place = tuple[datetime, int]


def _rows(conn: sa.Connection, user_id: UUID, asked: ArticleFilter, place: Place | None, most: int) -> Sequence[Any]:
    conditions = conditions_of(asked)
    sources = None if asked.source is None else sources_named(conn, user_id, asked.source)
    if sources is not None and not sources:
        return []
    if asked.text is None:
        return _newest(conn, user_id, conditions, sources, place, most)
    words = words_of([asked.text])
    if not words:
        return []
    numbers = full_text.find(conn, user_id, words, COMMON + 1)
    if len(numbers) > COMMON:
        has_all = [own.words.contains(f" {word}", autoescape=True) for word in words]
        return _newest(conn, user_id, [*conditions, *has_all], sources, place, most)
    conditions += [own.user_id == user_id, SHOWN, *_told_by(sources), *_before(place, own.at, own.number)]
    return _newest_of(conn, numbers, conditions, most)


def _before(place: Place | None, at: sa.ColumnElement[Any], number: sa.ColumnElement[Any]) -> list[Any]:
    """What comes after a place, in the columns by which the list is walked."""
    if place is None:
        return []
    return [sa.tuple_(at, number) < sa.tuple_(sa.literal(place[0], at.type), sa.literal(place[1], number.type))]


def conditions_of(asked: ArticleFilter) -> list[sa.ColumnElement[bool]]:
    """What a filter means for a story; all but its words and its source."""
    found: list[sa.ColumnElement[bool]] = []
    if asked.topic is not None:
        found.append(own.topic == asked.topic)
    if asked.since is not None:
        found.append(own.at >= asked.since)
    if asked.until is not None:
        found.append(own.at < asked.until)
    if asked.unread is not None:
        found.append(UNREAD if asked.unread else own.read_at.is_not(None))
    return found


def sources_named(conn: sa.Connection, user_id: UUID, text: str) -> list[UUID]:
    """The sources that a text names: by id, or by a part of title or address."""
    query = sa.select(feeds.c.id, feeds.c.title, feeds.c.url).where(
        feeds.c.user_id == user_id, feeds.c.removed_at.is_(None)
    )
    rows = conn.execute(query).all()
    by_id = [row.id for row in rows if str(row.id) == text.lower()]
    part = fold(text)
    return by_id or [row.id for row in rows if part in fold(row.title) or part in fold(row.url)]


def _newest(
    conn: sa.Connection,
    user_id: UUID,
    conditions: Sequence[Any],
    sources: list[UUID] | None,
    place: Place | None,
    most: int,
) -> Sequence[Any]:
    if sources is not None and len(sources) == 1:
        told = articles.c
        query = sa.select(stories).join(articles, told.story == own.number)
        before = _before(place, told.story_at, told.story)
        query = query.where(told.feed_id == sources[0], told.hidden.is_(False), SHOWN, *conditions, *before)
        return conn.execute(query.order_by(told.story_at.desc(), told.story.desc()).limit(most)).all()
    before = _before(place, own.at, own.number)
    query = sa.select(stories).where(own.user_id == user_id, SHOWN, *conditions, *_told_by(sources), *before)
    return conn.execute(query.order_by(*_ORDER).limit(most)).all()


def _told_by(sources: list[UUID] | None) -> list[sa.ColumnElement[bool]]:
    if sources is None:
        return []
    told = articles.c
    return [sa.exists().where(told.story == own.number, told.feed_id.in_(sources), told.hidden.is_(False))]


def _newest_of(conn: sa.Connection, numbers: list[int], conditions: Sequence[Any], most: int) -> Sequence[Any]:
    """Of a few stories those that fit; sorted here, since a store that is to sort them may walk all others instead."""
    query = sa.select(own.number, own.at).where(own.number.in_(numbers), *conditions)
    found = sorted(conn.execute(query), key=lambda row: (row.at, row.number), reverse=True)[:most]
    rows = conn.execute(sa.select(stories).where(own.number.in_([row.number for row in found]))).all()
    return sorted(rows, key=lambda row: (row.at, row.number), reverse=True)


# --- places


def _scope(asked: ArticleFilter) -> list[Any]:
    given = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asked.given().items()}
    return ["news_stories", strict_json.plain(given)]


def _cursor(asked: ArticleFilter, row: Any) -> str:
    return cursors.written(_scope(asked), [row.at.isoformat(), row.number])


def _place(conn: sa.Connection, user_id: UUID, cursor: str | None, asked: ArticleFilter) -> Place | None:
    """Where a page ended; of an id where that article stands."""
    if cursor is None:
        return None
    if (story_id := _as_id(cursor)) is not None:
        row = conn.execute(sa.select(own.at, own.number).where(own.id == story_id, own.user_id == user_id)).first()
        if row is None:
            raise BadInput("There is no article of this id. Ask for the first page, without a cursor.")
        return row.at, row.number
    try:
        at, number = cursors.read(_scope(asked), cursor)
        place = datetime.fromisoformat(at), int(number)
    except (ValueError, TypeError) as error:  # one that somebody made, sums and all
        raise BadInput("The cursor is none that was given out. Take `next` of a page as it is.") from error
    if place[0].tzinfo is None or not 0 <= place[1] < 2**63:
        raise BadInput("The cursor is none that was given out. Take `next` of a page as it is.")
    return place


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
