"""Finds pages: by their words, by their meaning where pieces are embedded, and by both at once.

Two orders are merged by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): a page counts 1 / (60 + its
rank) in each. It needs no common scale of bm25 and cosines, and has nothing to tune.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from llmcoder.context import Context
from llmcoder.errors import ActionError, BadInput, Cancelled, NotFound
from models.db.database import reading
from tasks.confluence import full_text, index_store, vector_search
from tasks.confluence.full_text import Scope
from tasks.confluence.index_store import Owner
from tasks.confluence.snippets import LOOKED_AT_CHARS, snippet
from tasks.confluence.tables import pages, pieces, spaces
from tasks.confluence.terms import Word, words_of

#: How far a search can be paged.
DEPTH = 200
RANK_OFFSET = 60


@dataclass(frozen=True)
class SearchQuery:
    """A query as it is looked for.

    Attributes:
        vector: Its meaning, by `model`; None where words alone count.
        note: Why they do, if that is a trouble.
    """

    words: tuple[Word, ...]
    vector: Sequence[float] | None = None
    model: str = ""
    note: str | None = None


@dataclass(frozen=True)
class Rank:
    """A page in the merged order.

    Attributes:
        near: Its nearest piece, where it was found by its meaning.
    """

    page: int
    score: float
    near: vector_search.Near | None


@dataclass(frozen=True)
class PageFound:
    """A page to be shown.

    Attributes:
        nearest: Where in the text its nearest piece begins and ends, where it was found by its meaning.
    """

    rank: Rank
    title: str
    url: str
    space_key: str
    version: int
    updated_at: datetime
    text: str
    nearest: tuple[int, int] | None


def asked(ctx: Context, query: str) -> SearchQuery:
    """What a query looks for; a provider that cannot embed it now leaves its words."""
    words = words_of(query)
    model = vector_search.model_of(ctx)
    if model is None:
        return SearchQuery(words)
    try:
        found = model.embed([query])
    except Cancelled:
        raise
    except ActionError as error:
        return SearchQuery(words, note=f"Found by words only, since the query could not be embedded: {error.detail}")
    return SearchQuery(words, found.vectors[0], found.model)


def scope_of(conn: sa.Connection, owner: Owner, keys: Sequence[str]) -> Scope:
    """Where the user may look.

    Raises:
        NotFound: The account has nothing indexed, or not one of the spaces.
    """
    wiki_id = index_store.found_wiki(conn, owner)
    if wiki_id is None:
        raise NotFound("Nothing is indexed for this account yet. Index its spaces first: GET /confluence/index.")
    if not keys:
        return Scope(wiki_id)
    query = sa.select(spaces.c.key, spaces.c.id).where(spaces.c.wiki_id == wiki_id, spaces.c.key.in_(keys))
    found = {row.key: row.id for row in conn.execute(query)}
    if missing := [key for key in keys if key not in found]:
        raise NotFound(f"Not indexed: {', '.join(missing)}. Index it first: GET /confluence/index?spaces={missing[0]}.")
    return Scope(wiki_id, tuple(sorted(found.values())))


def ranked(conn: sa.Connection, scope: Scope, query: SearchQuery) -> list[Rank]:
    """Every page that was found, the best first, up to `DEPTH`."""
    by_words = full_text.find(conn, scope, query.words, DEPTH)
    near = [] if query.vector is None else vector_search.nearest(conn, scope, query.model, query.vector)
    scores: dict[int, float] = {}
    for order in (by_words, [one.page for one in near]):
        for rank, page in enumerate(order, 1):
            scores[page] = scores.get(page, 0.0) + 1 / (RANK_OFFSET + rank)
    nearest = {one.page: one for one in near}
    best = sorted(scores, key=lambda page: (-scores[page], -page))[:DEPTH]
    return [Rank(page, scores[page], nearest.get(page)) for page in best]


def shown(
    conn: sa.Connection, scope: Scope, ranks: Sequence[Rank], most_chars: int = LOOKED_AT_CHARS
) -> list[PageFound]:
    """The pages behind the ranks, in their order; one that was removed meanwhile is left out."""
    text = sa.func.substr(pages.c.text, 1, LOOKED_AT_CHARS)
    columns = (pages.c.id, pages.c.title, pages.c.url, spaces.c.key, pages.c.version, pages.c.updated_at, text)
    query = sa.select(*columns).join(spaces, spaces.c.id == pages.c.space_id)
    mine = sa.and_(pages.c.wiki_id == scope.wiki_id, pages.c.id.in_([rank.page for rank in ranks]))
    if scope.spaces:
        mine = sa.and_(mine, pages.c.space_id.in_(scope.spaces))
    rows = {row[0]: row for row in conn.execute(query.where(mine))}
    places = _places(conn, [rank.near.piece for rank in ranks if rank.near is not None])
    return [PageFound(rank, *rows[rank.page][1:], _place(rank, places)) for rank in ranks if rank.page in rows]


def _places(conn: sa.Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    query = sa.select(pieces.c.id, pieces.c.begins, pieces.c.ends).where(pieces.c.id.in_(ids))
    return {piece: (begins, ends) for piece, begins, ends in conn.execute(query)} if ids else {}


def _place(rank: Rank, places: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
    return None if rank.near is None else places.get(rank.near.piece)


def snippet_of(page: PageFound, words: Sequence[Word]) -> str:
    """Why a page was found; of one found by its meaning, its nearest piece."""
    by_words = snippet(page.text, words)
    piece = "" if page.nearest is None else page.text[slice(*page.nearest)]
    return by_words if "**" in by_words or not piece else snippet(piece, words)


# --- pages of results


def offset_of(cursor: str | None) -> int:
    """How many results the earlier pages had.

    Raises:
        BadInput: It is no cursor of a search.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 5):
        raise BadInput("That is no cursor. Take the `next` of the page before.")
    return int(cursor)


def search(
    owner: Owner, query: SearchQuery, keys: Sequence[str], offset: int, limit: int
) -> tuple[list[PageFound], int | None]:
    """One page of results, and the offset of the next."""
    with reading(index_store.WHAT) as conn:
        scope = scope_of(conn, owner, keys)
        ranks = ranked(conn, scope, query)
        end = offset + limit
        return shown(conn, scope, ranks[offset:end]), end if len(ranks) > end else None
