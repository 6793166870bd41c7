"""`python -m benchmarks.articles [COUNT]`: how long GET /news/articles takes over so many articles of one user.

A real API, one request at a time, on each store. Words are those of a corpus in which few are common and most are rare,
as in any language; a third of the articles is unread, fifty sources tell them under twenty topics.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import sqlalchemy as sa

from benchmarks.harness import Store, bench
from benchmarks.load import percentile
from benchmarks.user import log_in, only_user
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.news import feed_store, full_text
from tasks.news.search_words import as_column, words_of
from tasks.news.tables import articles, feeds, stories

COUNT = 100_000
SOURCES, TOPICS, VOCABULARY = 50, 20, 30_000
REQUESTS = 300
AT_ONCE = 1_000
SUMMARY_WORDS = 40


def main(count: int) -> None:
    with bench(None) as shared:
        print("| store | question | p50 ms | p99 ms |\n|---|---|---|---|")
        for store in shared.stores:
            with shared.engine(store, "api") as engine:
                token = log_in(engine.port)
                with closing(Database(engine.env["DATABASE_URL"])) as db:
                    fill(db, only_user(db), count)
                with httpx.Client(
                    base_url=f"http://127.0.0.1:{engine.port}", headers={"authorization": f"Bearer {token}"}, timeout=60
                ) as client:
                    measure(store, client)


def measure(store: Store, client: httpx.Client) -> None:
    for name, made in questions().items():
        times = sorted(_timed(client, made()) for _ in range(REQUESTS))
        print(f"| {store.name} | {name} | {percentile(times, 50):.1f} | {percentile(times, 99):.1f} |", flush=True)


def questions() -> dict[str, Callable[[], dict[str, Any]]]:
    chance = random.Random(4711)
    return {
        "newest": lambda: {},
        "unread": lambda: {"unread": "true"},
        "a topic": lambda: {"topic": f"topic{chance.randrange(TOPICS)}"},
        "a source": lambda: {"source": f"Source {chance.randrange(10, SOURCES)}"},
        "unread of a source": lambda: {"source": f"Source {chance.randrange(10, SOURCES)}", "unread": "true"},
        "a rare word": lambda: {"text": _word(chance.randrange(1_000, VOCABULARY))},
        "a common word": lambda: {"text": _word(chance.randrange(0, 20))},
        "two words": lambda: {"text": f"{_word(chance.randrange(0, 200))} {_word(chance.randrange(200, 2_000))}"},
        "a topic and a word": lambda: {
            "topic": f"topic{chance.randrange(TOPICS)}", "text": _word(chance.randrange(500))
        },
    }  # fmt: skip


def _timed(client: httpx.Client, asked: dict[str, Any]) -> float:
    begun = time.perf_counter()
    answer = client.get(f"/news/articles?{urlencode({'limit': 50, **asked})}")
    answer.raise_for_status()
    return (time.perf_counter() - begun) * 1000


# --- the articles


def fill(db: Database, user_id: UUID, count: int) -> None:
    """Rows as `tasks.news.ingest` writes them."""
    now, sources = db.now(), [new_id() for _ in range(SOURCES)]
    with db.write() as conn:
        reader = feed_store.lock(conn, user_id, now)
        conn.execute(sa.insert(feeds), [
            {"id": one, "user_id": user_id, "provider": "feed", "url": f"https://{at}.example/", "url_key": str(at),
             "title": f"Source {at}", "next_at": now, "added_by": one, "created_at": now, "updated_at": now}
            for at, one in enumerate(sources)
        ])  # fmt: skip
    texts = _texts(random.Random(17))
    for start in range(0, count, AT_ONCE):
        numbers = range(start + 1, min(start + AT_ONCE, count) + 1)
        said = {at: next(texts) for at in numbers}
        words = {at: words_of(said[at]) for at in numbers}
        with db.write() as conn:
            conn.execute(sa.insert(stories), [
                {"number": at, "id": new_id(), "user_id": user_id, "at": now - timedelta(minutes=count - at),
                 "seen_at": now, "topic": f"topic{at % TOPICS}", "sources": 1, "words": as_column(words[at]),
                 "read_at": None if at % 3 == 0 else now}
                for at in numbers
            ])  # fmt: skip
            conn.execute(sa.insert(articles), [
                {"user_id": user_id, "feed_id": sources[at * 7 % SOURCES], "story": at,
                 "story_at": now - timedelta(minutes=count - at), "key": str(at), "page_key": str(at),
                 "url": f"https://site.example/{at}", "title": said[at][0], "summary": said[at][1], "content": "",
                 "seen_at": now, "listed_at": now, "said": ""}
                for at in numbers
            ])  # fmt: skip
            full_text.put(conn, [full_text.StoryWords(at, reader, words[at]) for at in numbers])
    _settle(db)


def _settle(db: Database) -> None:
    """As PostgreSQL's own autovacuum would after a while."""
    if not db.is_sqlite:
        engine = sa.create_engine(db.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            for table in ("news_stories", "news_articles", "news_fts", "news_feeds"):
                conn.exec_driver_sql(f"VACUUM ANALYZE {table}")
        engine.dispose()


def _texts(chance: random.Random) -> Iterator[Sequence[str]]:
    """Titles and summaries whose words are as common as Zipf has it."""
    weights = [1 / (rank + 1) for rank in range(VOCABULARY)]
    vocabulary = [_word(rank) for rank in range(VOCABULARY)]
    while True:
        drawn = iter(chance.choices(vocabulary, weights, k=(SUMMARY_WORDS + 10) * AT_ONCE))
        for _ in range(AT_ONCE):
            yield " ".join(next(drawn) for _ in range(10)), " ".join(next(drawn) for _ in range(SUMMARY_WORDS))


def _word(rank: int) -> str:
    """Of no other is it the beginning."""
    return f"w{rank:05d}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
