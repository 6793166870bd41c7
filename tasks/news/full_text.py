"""The full-text index of stories on both stores: FTS5 on SQLite, a tsvector under a GIN index on PostgreSQL.

Words come from `search_words`, so that nothing a user writes is syntax here, and whose stories are meant is part of
the index: a query that names no user finds nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa


@dataclass(frozen=True)
class StoryWords:
    """A story as the index takes it."""

    number: int
    user_id: UUID
    words: Sequence[str]


_PUT_SQLITE = sa.text("INSERT OR REPLACE INTO news_fts (rowid, scope, words) VALUES (:number, :scope, :words)")
_PUT_POSTGRESQL = sa.text(
    "INSERT INTO news_fts (number, words) VALUES (:number, CAST(:words AS tsvector)) "
    "ON CONFLICT (number) DO UPDATE SET words = excluded.words"
)
_FIND_SQLITE = sa.text("SELECT rowid FROM news_fts WHERE news_fts MATCH :wanted LIMIT :most")
_FIND_POSTGRESQL = sa.text("SELECT news_hits(CAST(:wanted AS tsquery), :most)")


def put(conn: sa.Connection, entries: Sequence[StoryWords]) -> None:
    """Index stories, anew where they are indexed already."""
    if not entries:
        return
    if conn.dialect.name == "sqlite":
        rows = [{"number": one.number, "scope": _scope(one.user_id), "words": " ".join(one.words)} for one in entries]
        conn.execute(_PUT_SQLITE, rows)
    else:
        lexemes = [" ".join([f"'#{_scope(one.user_id)}'", *(f"'{word}'" for word in one.words)]) for one in entries]
        conn.execute(
            _PUT_POSTGRESQL,
            [{"number": one.number, "words": text} for one, text in zip(entries, lexemes, strict=True)],
        )


def find(conn: sa.Connection, user_id: UUID, words: Sequence[str], most: int) -> list[int]:
    """Stories of a user that have words beginning with each of these, in no order; at most so many."""
    if conn.dialect.name == "sqlite":
        each = " AND ".join(f'"{word}" *' for word in words)
        wanted = f'scope : "{_scope(user_id)}" AND words : ({each})'
        return list(conn.execute(_FIND_SQLITE, {"wanted": wanted, "most": most}).scalars())
    wanted = " & ".join([f"'#{_scope(user_id)}'", *(f"'{word}':*" for word in words)])
    return list(conn.execute(_FIND_POSTGRESQL, {"wanted": wanted, "most": most}).scalars())


def _scope(user_id: UUID) -> str:
    return f"u{user_id.hex}"
