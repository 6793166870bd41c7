"""The list of articles: filtered, searched, paged and marked; answered by index on both stores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from news_kit import Item, Reader, ServedFeed, ago, new_id, rss

from llmcoder import BadInput
from llmcoder.context import User
from llmcoder.provenance import Taint
from models.db.database import Database
from tasks.news import article_list, feed_store, full_text
from tasks.news.actions import add_feed, list_articles, mark_read, mark_unread
from tasks.news.article_list import ARTICLES
from tasks.news.reading_actions import ReadArticles
from tasks.news.records import ArticleFilter
from tasks.news.search_words import as_column, words_of
from tasks.news.tables import articles, feeds, stories

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from test_query_plans import said_to

pytestmark = pytest.mark.both_stores
Serve = Callable[..., tuple[str, ServedFeed]]


def titles(reader: Reader, **wanted: Any) -> list[str]:
    return [one.title for one in reader.do(list_articles, limit=100, **wanted).items]


@pytest.fixture
def two_feeds(reader: Reader, serve: Serve) -> Reader:
    """A reader of two sources with three articles each."""
    for name, topic in (("Science Daily", "science"), ("Tech Weekly", "technology")):
        word = name.split()[0]
        items = [
            Item(f"{word} story about {what}", f"https://{word}.example/{what}", what, ago(days=day, hours=1), text)
            for day, (what, text) in enumerate([("Straße", "one"), ("rockets", "two moons"), ("café", "three")])
        ]
        url, _ = serve(f"/{word}", rss(items, name))
        reader.do(add_feed, url=url, topic=topic)
    return reader


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (
            {"topic": "science"},
            ["Science story about Straße", "Science story about rockets", "Science story about café"],
        ),
        ({"source": "weekly", "text": "rockets"}, ["Tech story about rockets"]),
        ({"text": "STRASSE science"}, ["Science story about Straße"]),
        ({"text": "moon sci"}, ["Science story about rockets"]),
        ({"text": "cafe"}, []),
        ({"text": "no such words"}, []),
        ({"text": "%"}, []),
        ({"text": "'\""}, []),
        ({"source": "nobody"}, []),
        ({"unread": False}, []),
        ({"text": "caf", "unread": True, "topic": "technology"}, ["Tech story about café"]),
    ],
)
def test_a_filter_finds_what_it_says(two_feeds: Reader, wanted: dict[str, Any], found: list[str]) -> None:
    assert titles(two_feeds, **wanted) == found


def test_a_time_bounds_the_list(two_feeds: Reader) -> None:
    at = ago(hours=20).isoformat()
    assert len(titles(two_feeds, since=at)) == 2
    assert len(titles(two_feeds, until=at)) == 4


def test_common_words_are_found_too(two_feeds: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    rare = titles(two_feeds, text="story about")
    monkeypatch.setattr(article_list, "GONE_THROUGH", 2)
    assert titles(two_feeds, text="story about") == rare and len(rare) == 6
    assert titles(two_feeds, text="story about", source="tech") == [one for one in rare if one.startswith("Tech")]


def test_pages_go_on_from_a_place(two_feeds: Reader) -> None:
    whole = titles(two_feeds)
    for wanted in ({}, {"text": "story"}, {"source": "daily"}, {"unread": True}):
        seen: list[str] = []
        cursor = None
        while True:
            page = two_feeds.do(list_articles, limit=2, before=cursor, **wanted)
            seen += [one.title for one in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert seen == titles(two_feeds, **wanted)
    (first, *_) = two_feeds.do(list_articles, limit=1).items
    assert titles(two_feeds, before=str(first.id)) == whole[1:]


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "01a22881-e178-717d-877b-8f9e499505d1"])
def test_a_cursor_that_is_none_is_refused(two_feeds: Reader, cursor: str) -> None:
    with pytest.raises(BadInput):
        two_feeds.do(list_articles, before=cursor)


def test_a_cursor_of_another_filter_is_refused(two_feeds: Reader) -> None:
    cursor = two_feeds.do(list_articles, limit=1).next
    with pytest.raises(BadInput, match="another list, sort or filter"):
        two_feeds.do(list_articles, before=cursor, unread=True)


def test_what_is_read_is_marked_and_can_be_taken_back(two_feeds: Reader) -> None:
    some = [str(one.id) for one in two_feeds.do(list_articles, limit=2).items]
    marked = two_feeds.do(mark_read, article_ids=some)
    assert (marked.count, len(titles(two_feeds, unread=True)), len(titles(two_feeds, unread=False))) == (2, 4, 2)
    rest = two_feeds.do(mark_read, until=ago(hours=-1).isoformat(), source="tech")
    assert rest.count == 2, "those that are read already stay as they are"
    undo = mark_read.undo.input(ReadArticles(article_ids=some), marked)
    assert two_feeds.do(mark_unread, **undo.model_dump(mode="json")).count == 2
    assert len(titles(two_feeds, unread=True)) == 4
    everything = two_feeds.do(mark_read, until=ago(hours=-1).isoformat(), topic="science")
    assert everything.count == 3


def test_marking_is_done_once_however_often_it_is_run(two_feeds: Reader) -> None:
    ctx = two_feeds.context()
    some = [str(one.id) for one in two_feeds.do(list_articles, limit=2).items]
    assert [two_feeds.do(mark_read, ctx, article_ids=some).count for _ in range(2)] == [2, 2]


def test_what_is_listed_is_outside_content(two_feeds: Reader) -> None:
    ctx = two_feeds.context()
    two_feeds.do(list_articles, ctx)
    assert list_articles.outside and ctx.trail.result_taint is Taint.OUTSIDE


def test_another_user_sees_nothing_of_it(two_feeds: Reader, new_user: Callable[[str], User]) -> None:
    bob = Reader(new_user("bob@example.org"))
    (mine, *_) = two_feeds.do(list_articles).items
    assert (titles(bob), titles(bob, text="story"), ARTICLES.get(bob.user.id, mine.id)) == ([], [], None)
    assert titles(bob, source=str(mine.sources[0].feed_id)) == []
    assert bob.do(mark_read, article_ids=[str(mine.id)]).count == 0
    whole = ARTICLES.get(two_feeds.user.id, mine.id)
    assert whole is not None and whole.content is not None


# --- plans


STORIES = 6_000


@pytest.fixture
def large(db: Database, reader: Reader) -> Iterator[Reader]:
    """A reader of two sources with many articles, as statistics know it."""
    fill(db, reader.user.id, STORIES)
    yield reader


def fill(db: Database, user_id: UUID, count: int) -> list[UUID]:
    """Rows as `ingest` would write them."""
    now = db.now()
    sources = [new_id(), new_id()]
    with db.write() as conn:
        reader = feed_store.lock(conn, user_id, now)
        conn.execute(sa.insert(feeds), [
            {"id": one, "user_id": user_id, "provider": "feed", "url": f"https://{at}.example/", "url_key": str(at),
             "title": f"Source {at}", "next_at": now, "added_by": one, "created_at": now, "updated_at": now}
            for at, one in enumerate(sources)
        ])  # fmt: skip
        for start in range(0, count, 1_000):
            numbers = range(start + 1, min(start + 1_000, count) + 1)
            words = {at: words_of([f"Story {at} of the {['alpha', 'beta'][at % 2]} kind w{at % 97}"]) for at in numbers}
            conn.execute(sa.insert(stories), [
                {"number": at, "id": new_id(), "user_id": user_id, "at": now - timedelta(minutes=count - at),
                 "seen_at": now, "topic": f"topic{at % 20}", "sources": 1, "words": as_column(words[at]),
                 "read_at": now if at % 3 else None}
                for at in numbers
            ])  # fmt: skip
            conn.execute(sa.insert(articles), [
                {"user_id": user_id, "feed_id": sources[at % 50 == 0], "story": at,
                 "story_at": now - timedelta(minutes=count - at), "key": str(at), "page_key": str(at), "url": "",
                 "title": f"Story {at}", "summary": "x" * 300, "content": "", "seen_at": now, "listed_at": now,
                 "said": ""}
                for at in numbers
            ])  # fmt: skip
            full_text.put(conn, [full_text.StoryWords(at, reader, words[at]) for at in numbers])
    if not db.is_sqlite:
        with db.write() as conn:
            for table in ("news_stories", "news_articles", "news_fts"):
                conn.exec_driver_sql(f"ANALYZE {table}")
    return sources


WANTED: list[dict[str, Any]] = [
    {}, {"unread": True}, {"topic": "topic7"}, {"since": ago(days=1)}, {"source": "Source 1"}, {"text": "w13"},
    {"text": "story of"}, {"unread": True, "topic": "topic7"}, {"topic": "topic7", "text": "beta"},
]  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: "-".join(wanted) or "all")
def test_every_question_is_answered_by_an_index_and_sorts_nothing(
    db: Database, large: Reader, wanted: dict[str, Any]
) -> None:
    asked = ArticleFilter(**wanted)
    with said_to(db) as said:
        first = ARTICLES.page(large.user.id, None, 20, asked)
        assert len(first.items) == 20 and first.next is not None
        ARTICLES.page(large.user.id, first.next, 20, asked)
    assert len(said) >= 4
    for statement in said:
        plan = plan_of(db, statement)
        assert not reads_whole(plan), plan
        is_bounded = statement[0].count("LIMIT") > 1 or "news_fts" in statement[0] or "news_hits" in statement[0]
        if "LIMIT" in statement[0] and not is_bounded:  # of a thousand at most, or of those that have the words
            assert not sorts(plan), plan


def plan_of(db: Database, statement: tuple[str, Any]) -> list[str]:
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
    with db.read() as conn:
        return [str(row[-1]) for row in conn.exec_driver_sql(how + statement[0], statement[1])]


def reads_whole(plan: list[str]) -> list[str]:
    large = ("news_stories", "news_articles")
    scans = [f"SCAN {table}" for table in large] + [f"Seq Scan on {table}" for table in large]
    return [line for line in plan if any(scan in line for scan in scans) and "USING INDEX" not in line]


def sorts(plan: list[str]) -> list[str]:
    return [line for line in plan if "TEMP B-TREE" in line or line.strip().startswith(("Sort ", "->  Sort "))]
