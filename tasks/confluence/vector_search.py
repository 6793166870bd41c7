"""Pieces as points of meaning: which have none yet, and which are nearest to a question.

A hundred thousand vectors are 300 MB and more, which no process should hold and no database read in time. A process
holds their signs, one bit a dimension; the pieces whose signs differ least from the question's are then compared by
their vectors, exactly. Up to `COMPARED` pieces that is an exact search; beyond, a piece can only be missed whose signs
are farther away than those of so many others. Signs are read once, and what was embedded since with every search.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.context import Context
from llmcoder.errors import ActionError, Cancelled, NotConfigured, RateLimited, Transient
from llmcoder.language import Embeddings, LanguageModel
from models.db.database import database, reading
from tasks.confluence import index_store
from tasks.confluence.chunking import embedded
from tasks.confluence.full_text import Scope
from tasks.confluence.tables import pages, pieces, vectors, wikis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Pieces that are sent to a provider at once.
BATCH_PIECES = 64
#: Pieces that are compared exactly.
COMPARED = 256
#: Of a page, the best piece counts; so many pages are ranked at most.
RANKED_PAGES = 100
MAX_HELD_BYTES = 256_000_000
#: When more than this share of the signs held are of removed pieces, all are read anew.
STALE = 0.2
PATIENCE_S = 3.0


# --- embedding


@dataclass(frozen=True)
class EmbeddingOutcome:
    """What became of the pieces that had no vector.

    Attributes:
        note: Why some have none still; None when all have one.
    """

    count: int
    note: str | None


@dataclass(frozen=True)
class _Missing:
    piece: int
    text: str


def model_of(ctx: Context) -> LanguageModel | None:
    """The model that can embed, if there is one."""
    try:
        model = ctx.use(LanguageModel)
    except NotConfigured:
        return None
    return model if model.can_embed() else None


def embed_missing(ctx: Context, model: LanguageModel, wiki_id: int) -> EmbeddingOutcome:
    """Give every piece a vector of the model in use now, in batches that are kept one by one.

    A provider that fails for other reasons than a limit leaves the rest as it is; the next run takes it up.

    Raises:
        RateLimited: The provider asks to wait; what is embedded so far is kept.
    """
    count, of = 0, _count_missing(wiki_id)
    try:
        if not of:
            of = _forget_others(wiki_id, _embed(ctx, model, ["model"]).model)
        while missing := _missing(wiki_id):
            ctx.progress(0.99, f"Meanings: {count} of {of} pieces embedded")
            found = _embed(ctx, model, [one.text for one in missing])
            _forget_others(wiki_id, found.model)
            count += _keep(wiki_id, missing, found)
    except (Cancelled, RateLimited):
        raise
    except ActionError as error:
        return EmbeddingOutcome(
            count, f"Not all pieces are embedded, so they are found by their words only: {error.detail}"
        )
    return EmbeddingOutcome(count, None)


def _embed(ctx: Context, model: LanguageModel, texts: Sequence[str]) -> Embeddings:
    try:
        return model.embed(texts)
    except Transient:
        ctx.wait(PATIENCE_S)
        return model.embed(texts)


def _count_missing(wiki_id: int) -> int:
    query = sa.select(sa.func.count()).select_from(pieces).where(pieces.c.wiki_id == wiki_id, pieces.c.rev.is_(None))
    with reading(index_store.WHAT) as conn:
        return int(conn.execute(query).scalar_one())


def _missing(wiki_id: int) -> list[_Missing]:
    texts = sa.func.substr(pages.c.text, pieces.c.begins + 1, pieces.c.ends - pieces.c.begins)
    query = sa.select(pieces.c.id, pages.c.title, texts).join(pages, pages.c.id == pieces.c.page)
    query = query.where(pieces.c.wiki_id == wiki_id, pieces.c.rev.is_(None)).order_by(pieces.c.id).limit(BATCH_PIECES)
    with reading(index_store.WHAT) as conn:
        return [_Missing(piece, embedded(title, text)) for piece, title, text in conn.execute(query)]


def _forget_others(wiki_id: int, model: str) -> int:
    """Vectors of another model cannot be compared with those of this one: they are made anew."""
    other = sa.and_(pieces.c.wiki_id == wiki_id, pieces.c.model != model)
    with index_store.batch(wiki_id) as conn:
        gone = conn.execute(sa.update(pieces).where(other).values(model=None, signs=None, rev=None)).rowcount
        if gone:
            conn.execute(_add(wiki_id, "pieces_gone", gone))
    return gone


def _keep(wiki_id: int, missing: Sequence[_Missing], found: Embeddings) -> int:
    """Keep the vectors; pieces that were removed meanwhile have none to get."""
    import numpy as np

    made = np.asarray(found.vectors, dtype="<f4")
    with index_store.batch(wiki_id) as conn:
        rev = conn.execute(_add(wiki_id, "meanings_rev", 1).returning(wikis.c.meanings_rev)).scalar_one()
        ids = [one.piece for one in missing]
        there = set(conn.execute(sa.select(pieces.c.id).where(pieces.c.id.in_(ids))).scalars())
        kept = [(piece, vector) for piece, vector in zip(ids, made, strict=True) if piece in there]
        if not kept:
            return 0
        conn.execute(sa.delete(vectors).where(vectors.c.piece.in_(ids)))
        conn.execute(sa.insert(vectors), [{"piece": piece, "vector": vector.tobytes()} for piece, vector in kept])
        with_signs = sa.update(pieces).where(pieces.c.id == sa.bindparam("its"))
        conn.execute(
            with_signs.values(model=found.model, rev=rev, signs=sa.bindparam("bits")),
            [{"its": piece, "bits": signs_of(vector)} for piece, vector in kept],
        )
    return len(kept)


def _add(wiki_id: int, column: str, more: int) -> sa.Update:
    return sa.update(wikis).where(wikis.c.id == wiki_id).values({column: wikis.c[column] + more})


def signs_of(vector: NDArray[Any]) -> bytes:
    """One bit a dimension, filled up to whole words of 64."""
    import numpy as np

    bits = np.packbits(vector > 0)
    return bits.tobytes() + bytes(-len(bits) % 8)


# --- searching

# One value instead of hundreds: to bind those takes as long as to find what they name.
_VECTORS = "SELECT piece, vector FROM confluence_vectors WHERE piece "
_VECTORS_SQLITE = sa.text(f"{_VECTORS} IN (SELECT value FROM json_each(:ids))")
_VECTORS_POSTGRESQL = sa.text(f"{_VECTORS} = ANY(:ids)")


@dataclass(frozen=True)
class Near:
    """A page whose meaning is near.

    Attributes:
        piece: Its nearest one.
        likeness: Cosine of the angle, up to 1.
    """

    page: int
    piece: int
    likeness: float


@dataclass
class _Held:
    """The signs of one wiki's pieces, embedded by one model. Columns are pieces, so that a word of all of them is one
    run of memory."""

    rev: int
    gone: int
    pieces: NDArray[np.int64]
    pages: NDArray[np.int64]
    spaces: NDArray[np.int64]
    signs: NDArray[np.uint64]

    @property
    def size_bytes(self) -> int:
        return 3 * self.pieces.nbytes + self.signs.nbytes

    def part(self, which: NDArray[np.bool_]) -> _Held:
        return _Held(
            self.rev, self.gone, self.pieces[which], self.pages[which], self.spaces[which], self.signs[:, which]
        )

    def with_more(self, new: _Held) -> _Held:
        """A piece whose vector was made again counts once."""
        import numpy as np

        old = self.part(~np.isin(self.pieces, new.pieces))
        return _Held(
            new.rev,
            self.gone,
            np.concatenate([old.pieces, new.pieces]),
            np.concatenate([old.pages, new.pages]),
            np.concatenate([old.spaces, new.spaces]),
            np.concatenate([old.signs, new.signs], axis=1),
        )


_held: OrderedDict[tuple[str, int, str], _Held] = OrderedDict()
_holding = threading.Lock()


def nearest(conn: sa.Connection, scope: Scope, model: str, vector: Sequence[float]) -> list[Near]:
    """The pages whose pieces are nearest in meaning, the nearest first."""
    import numpy as np

    asked = np.asarray(vector, dtype="<f4")
    page_of = closest(conn, scope, model, asked)
    best: dict[int, Near] = {}
    for piece, likeness in _compared(conn, asked, list(page_of)):
        near = Near(page_of[piece], piece, likeness)
        if near.page not in best or best[near.page].likeness < likeness:
            best[near.page] = near
    return sorted(best.values(), key=lambda near: (-near.likeness, -near.page))[:RANKED_PAGES]


def closest(conn: sa.Connection, scope: Scope, model: str, asked: NDArray[Any]) -> dict[int, int]:
    """The pieces whose signs differ least, with their pages."""
    import numpy as np

    held = _signs(conn, scope.wiki_id, model, len(signs_of(asked)) // 8)
    if scope.spaces:
        held = held.part(np.isin(held.spaces, scope.spaces))
    near = _nearest_by_signs(held.signs, asked) if len(held.pieces) > COMPARED else slice(None)
    return dict(zip(held.pieces[near].tolist(), held.pages[near].tolist(), strict=True))


def _nearest_by_signs(signs: NDArray[np.uint64], asked: NDArray[Any]) -> NDArray[np.intp]:
    """Which columns differ least: `COMPARED`, and those that differ no more. To count is quicker than to sort."""
    import numpy as np

    differing = np.zeros(signs.shape[1], dtype=np.uint16)
    for word, ours in zip(signs, np.frombuffer(signs_of(asked), dtype="<u8"), strict=True):
        differing += np.bitwise_count(word ^ ours)
    upto = np.cumsum(np.bincount(differing))
    return np.flatnonzero(differing <= np.searchsorted(upto, COMPARED))[: 4 * COMPARED]


def _compared(conn: sa.Connection, asked: NDArray[Any], ids: list[int]) -> list[tuple[int, float]]:
    """Each piece that still has a vector, with its likeness."""
    import numpy as np

    is_sqlite = conn.dialect.name == "sqlite"
    named = strict_json.write(sorted(ids)) if is_sqlite else sorted(ids)
    found = conn.execute(_VECTORS_SQLITE if is_sqlite else _VECTORS_POSTGRESQL, {"ids": named})
    rows = [(piece, vector) for piece, vector in found if len(vector) == asked.nbytes]
    if not rows:
        return []
    likeness = np.frombuffer(b"".join(vector for _, vector in rows), dtype="<f4").reshape(len(rows), -1) @ asked
    return list(zip((piece for piece, _ in rows), likeness.tolist(), strict=True))


def _signs(conn: sa.Connection, wiki_id: int, model: str, words: int) -> _Held:
    """The signs as they are now: those held, and what was embedded since."""
    key = (str(database().url), wiki_id, model)
    query = sa.select(wikis.c.meanings_rev, wikis.c.pieces_gone).where(wikis.c.id == wiki_id)
    rev, gone = conn.execute(query).first() or (0, 0)  # removed since it was found: then it has no pieces either
    with _holding:
        held = _held.get(key)
    if held is None or gone - held.gone > STALE * len(held.pieces):
        held = _read_signs(conn, wiki_id, model, words, rev, gone, since=0)
    elif held.rev != rev:
        held = held.with_more(_read_signs(conn, wiki_id, model, words, rev, held.gone, since=held.rev))
    with _holding:
        _held[key] = held
        _held.move_to_end(key)
        while len(_held) > 1 and sum(one.size_bytes for one in _held.values()) > MAX_HELD_BYTES:
            _held.popitem(last=False)
    return held


def _read_signs(conn: sa.Connection, wiki_id: int, model: str, words: int, rev: int, gone: int, *, since: int) -> _Held:
    import numpy as np

    mine = sa.and_(pieces.c.wiki_id == wiki_id, pieces.c.rev > since, pieces.c.rev <= rev, pieces.c.model == model)
    query = sa.select(pieces.c.id, pieces.c.page, pieces.c.space_id, pieces.c.signs).where(mine)
    rows = [row for row in conn.execute(query) if len(row[3]) == 8 * words]
    numbers = np.array([row[:3] for row in rows], dtype=np.int64).reshape(len(rows), 3)
    ids, of_pages, spaces = np.ascontiguousarray(numbers.T)
    bits = np.frombuffer(b"".join(row[3] for row in rows), dtype="<u8").reshape(len(rows), words)
    return _Held(rev, gone, ids, of_pages, spaces, np.ascontiguousarray(bits.T))
