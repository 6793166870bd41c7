"""The full-text index of stories on both stores: FTS5 on SQLite, a tsvector under a GIN index on PostgreSQL.

Words come from `search_words`, so that nothing a user writes is syntax here. Each stands there behind its reader's
number, so that a word costs a reader nothing that only others have, and finds nothing of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tasks.news.search_words import is_whole


@dataclass(frozen=True)
class StoryWords:
    """A story as the index takes it.

    Attributes:
        reader: The number of its user (`feed_store.lock`).
    """

    number: int
    reader: int
    words: Sequence[str]


_PUT_SQLITE = sa.text("INSERT OR REPLACE INTO news_fts (rowid, words) VALUES (:number, :words)")
_PUT_POSTGRESQL = sa.text(
    "INSERT INTO news_fts (number, words) VALUES (:number, CAST(:words AS tsvector)) "
    "ON CONFLICT (number) DO UPDATE SET words = excluded.words"
)
_MATCH_SQLITE = sa.text("SELECT rowid AS number FROM news_fts WHERE news_fts MATCH :wanted")
_MATCH_POSTGRESQL = sa.text("SELECT hit AS number FROM news_hits(CAST(:wanted AS tsquery), :most) AS hit")


def put(conn: sa.Connection, entries: Sequence[StoryWords]) -> None:
    """Index stories, anew where they are indexed already."""
    if not entries:
        return
    on_sqlite = conn.dialect.name == "sqlite"
    term = "{}" if on_sqlite else "'{}'"
    rows = [
        {"number": one.number, "words": " ".join(term.format(_term(one.reader, word)) for word in one.words)}
        for one in entries
    ]
    conn.execute(_PUT_SQLITE if on_sqlite else _PUT_POSTGRESQL, rows)


def matching(conn: sa.Connection, reader: int, words: Sequence[str], most: int) -> sa.Subquery:
    """The numbers of a reader's stories that have all the words.

    Args:
        most: On PostgreSQL; there they come from a function, which the planner takes for a small table.
    """
    if conn.dialect.name == "sqlite":
        wanted = " AND ".join(f'"{_term(reader, word)}"{"" if is_whole(word) else " *"}' for word in words)
        match = _MATCH_SQLITE.bindparams(wanted=wanted)
    else:
        wanted = " & ".join(f"'{_term(reader, word)}'{'' if is_whole(word) else ':*'}" for word in words)
        match = _MATCH_POSTGRESQL.bindparams(wanted=wanted, most=most)
    return match.columns(sa.column("number", sa.BigInteger)).subquery("hits")


def has_words(words: Sequence[str], column: sa.ColumnElement[str]) -> list[sa.ColumnElement[bool]]:
    """The same, looked for in a story's own words."""
    return [column.contains(f" {word} " if is_whole(word) else f" {word}", autoescape=True) for word in words]


def _term(reader: int, word: str) -> str:
    return f"{reader}z{word}"
