"""The pieces of pages: cut anew when a page changes, and kept with their vectors where their words stay the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tasks.confluence.chunking import pieces_of
from tasks.confluence.full_text import PageEntry
from tasks.confluence.tables import pieces, wikis

#: Rows in one statement; PostgreSQL takes 65,535 values.
ROWS_AT_ONCE = 500

Rows = list[dict[str, Any]]


def put(conn: sa.Connection, wiki_id: int, entries: Sequence[PageEntry]) -> None:
    """Cut the pages, and keep what of it is new, has moved, or is gone."""
    held = _held(conn, entries)
    new, moved = Rows(), Rows()
    for entry in entries:
        for piece in pieces_of(entry.title, entry.text):
            same = held[entry.page, piece.sha256]
            place = {"space_id": entry.space_id, "begins": piece.begins, "ends": piece.ends}
            if same:
                moved.append({"piece": same.pop(), **{f"new_{name}": value for name, value in place.items()}})
            else:
                new.append({"wiki_id": wiki_id, "page": entry.page, "sha256": piece.sha256, **place})
    _drop(conn, wiki_id, [piece for left in held.values() for piece in left])
    if moved:
        conn.execute(_MOVE, moved)
    if new:
        conn.execute(sa.insert(pieces), new)


_MOVE = (
    sa.update(pieces)
    .where(pieces.c.id == sa.bindparam("piece"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("space_id", "begins", "ends")})
)


def _held(conn: sa.Connection, entries: Sequence[PageEntry]) -> defaultdict[tuple[int, str], list[int]]:
    """The pieces of the pages by page and content; a page may have the same words twice."""
    query = sa.select(pieces.c.page, pieces.c.sha256, pieces.c.id)
    held = defaultdict[tuple[int, str], list[int]](list)
    for page, digest, piece in conn.execute(query.where(pieces.c.page.in_([entry.page for entry in entries]))):
        held[page, digest].append(piece)
    return held


def _drop(conn: sa.Connection, wiki_id: int, ids: Sequence[int]) -> None:
    for some in portions(ids):
        count_gone(conn, wiki_id, pieces.c.id.in_(some))
        conn.execute(sa.delete(pieces).where(pieces.c.id.in_(some)))


def count_gone(conn: sa.Connection, wiki_id: int, going: sa.ColumnElement[bool]) -> None:
    """Whoever holds the signs of a wiki in memory sees by this count when too many of them are of no use any more."""
    embedded = sa.select(sa.func.count()).select_from(pieces).where(going, pieces.c.model.is_not(None))
    gone = wikis.c.pieces_gone + embedded.scalar_subquery()
    conn.execute(sa.update(wikis).where(wikis.c.id == wiki_id).values(pieces_gone=gone))


def portions(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[at : at + ROWS_AT_ONCE]
