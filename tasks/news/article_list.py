"""The list of articles: stories, newest first, each with the sources that tell it.

Each question walks an index in the order of the answer, from the place where the page before ended. For words the
newest stories are gone through first: where many have them, the page is full after a few. Where it is not, few have
them, and the full-text index has these at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from tasks.news import feed_store, full_text
from tasks.news.records import Article, ArticleFilter, ArticleSource, Media
from tasks.news.search_words import words_of
from tasks.news.tables import articles, feeds, stories

own = stories.c
#: So many stories are gone through for words that may be common.
GONE_THROUGH = 1_000
#: What the full-text index says of words is sorted as far as this; more have only words that a page is full of anyway.
MOST_MATCHES = 50_000
#: As the partial indexes say it; a parameter would keep both stores from seeing that they fit.
SHOWN = own.sources > sa.literal_column("0")
UNREAD = own.read_at.is_(None)


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
    walk = _StoryWalk(user_id, tuple(conditions), sources, place)
    if asked.text is None:
        return conn.execute(walk.query([stories]).limit(most)).all()
    return _with_words(conn, walk, words_of([asked.text]), most)


@dataclass(frozen=True)
class _StoryWalk:
    """Through a user's stories, newest first, by an index in this order.

    Attributes:
        sources: One of these tells it; any where None.
        place: Where it begins.
    """

    user_id: UUID
    conditions: tuple[sa.ColumnElement[bool], ...]
    sources: list[UUID] | None
    place: Place | None

    def query(self, columns: Sequence[Any]) -> sa.Select[Any]:
        """One source has an index of its own."""
        if self.sources is not None and len(self.sources) == 1:
            told = articles.c
            query = sa.select(*columns).join(articles, told.story == own.number)
            is_told = (told.feed_id == self.sources[0], told.hidden.is_(False), SHOWN)
            query = query.where(*is_told, *self.conditions, *_before(self.place, told.story_at, told.story))
            return query.order_by(told.story_at.desc(), told.story.desc())
        query = sa.select(*columns).where(own.user_id == self.user_id, SHOWN, *self.conditions)
        query = query.where(*self._is_told(), *_before(self.place, own.at, own.number))
        return query.order_by(own.at.desc(), own.number.desc())

    def of_matches(self, conn: sa.Connection, reader: int, words: Sequence[str]) -> sa.Select[Any]:
        """Not a walk: of the few that have the words those that fit, sorted."""
        hits = full_text.matching(conn, reader, words, MOST_MATCHES)
        # No word of the user here: the hits are theirs alone, and a store that reads it would walk all others instead.
        query = sa.select(stories).join(hits, hits.c.number == own.number).where(SHOWN, *self.conditions)
        query = query.where(*self._is_told(), *_before(self.place, own.at, own.number))
        return query.order_by(own.at.desc(), own.number.desc())

    def _is_told(self) -> list[sa.ColumnElement[bool]]:
        if self.sources is None:
            return []
        told = articles.c
        return [sa.exists().where(told.story == own.number, told.feed_id.in_(self.sources), told.hidden.is_(False))]


def _with_words(conn: sa.Connection, walk: _StoryWalk, words: list[str], most: int) -> Sequence[Any]:
    reader = feed_store.reader_number(conn, walk.user_id)
    if not words or reader is None:
        return []
    newest = walk.query(list(stories.c)).limit(GONE_THROUGH).subquery()
    among = sa.select(newest).where(*full_text.has_words(words, newest.c.words))
    found = conn.execute(among.order_by(newest.c.at.desc(), newest.c.number.desc()).limit(most)).all()
    return found if len(found) == most else conn.execute(walk.of_matches(conn, reader, words).limit(most)).all()


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
