"""Articles of fifty sources under twenty topics, as `tasks.news` keeps them; a third is unread.

Words are those of a corpus in which few are common and most are rare, as in any language.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa

from benchmarks.stored_rows.question import Question
from llmcoder.ids import new_id
from models.db.database import Database
from tasks.news import feed_store, full_text
from tasks.news.search_words import as_column, words_of
from tasks.news.tables import articles, feeds, stories

PATH = "/news/articles"
SOURCES, TOPICS, VOCABULARY = 50, 20, 30_000
AT_ONCE = 1_000
SUMMARY_WORDS = 40


def questions(chance: random.Random) -> Iterator[Question]:
    def source() -> str:
        return f"Source {chance.randrange(10, SOURCES)}"

    def topic() -> str:
        return f"topic{chance.randrange(TOPICS)}"

    yield Question(PATH, "newest", dict)
    yield Question(PATH, "unread", lambda: {"unread": "true"})
    yield Question(PATH, "a topic", lambda: {"topic": topic()})
    yield Question(PATH, "a source", lambda: {"source": source()})
    yield Question(PATH, "unread of a source", lambda: {"source": source(), "unread": "true"})
    yield Question(PATH, "a rare word", lambda: {"text": _word(chance.randrange(1_000, VOCABULARY))})
    yield Question(PATH, "a common word", lambda: {"text": _word(chance.randrange(0, 20))})
    yield Question(
        PATH, "two words", lambda: {"text": f"{_word(chance.randrange(200))} {_word(chance.randrange(200, 2_000))}"}
    )
    yield Question(PATH, "a topic and a word", lambda: {"topic": topic(), "text": _word(chance.randrange(500))})
    yield Question(PATH, "a word that none has", lambda: {"text": f"nowhere{chance.randint(0, 99)}"}, is_vain=True)


# --- the articles


def fill(db: Database, user_id: UUID, count: int, chance: random.Random) -> None:
    """Rows as `tasks.news.ingest` writes them."""
    now, sources = db.now(), [new_id() for _ in range(SOURCES)]
    with db.read() as conn:
        taken = conn.execute(sa.select(sa.func.coalesce(sa.func.max(stories.c.number), 0))).scalar_one()
    with db.write() as conn:
        reader = feed_store.lock(conn, user_id, now)
        conn.execute(sa.insert(feeds), [
            {"id": one, "user_id": user_id, "provider": "feed", "url": f"https://{at}.example/", "url_key": str(at),
             "title": f"Source {at}", "next_at": now, "added_by": one, "created_at": now, "updated_at": now}
            for at, one in enumerate(sources)
        ])  # fmt: skip
    texts = _texts(chance)
    for start in range(0, count, AT_ONCE):
        numbers = range(start + 1, min(start + AT_ONCE, count) + 1)
        said = {at: next(texts) for at in numbers}
        words = {at: words_of(said[at]) for at in numbers}
        with db.write() as conn:
            conn.execute(sa.insert(stories), [
                {"number": taken + at, "id": new_id(), "user_id": user_id, "at": now - timedelta(minutes=count - at),
                 "seen_at": now, "topic": f"topic{at % TOPICS}", "sources": 1, "words": as_column(words[at]),
                 "read_at": None if at % 3 == 0 else now}
                for at in numbers
            ])  # fmt: skip
            conn.execute(sa.insert(articles), [
                {"user_id": user_id, "feed_id": sources[at * 7 % SOURCES], "story": taken + at,
                 "story_at": now - timedelta(minutes=count - at), "key": str(at), "page_key": str(at),
                 "url": f"https://site.example/{at}", "title": said[at][0], "summary": said[at][1], "content": "",
                 "seen_at": now, "listed_at": now, "said": ""}
                for at in numbers
            ])  # fmt: skip
            full_text.put(conn, [full_text.StoryWords(taken + at, reader, words[at]) for at in numbers])


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
