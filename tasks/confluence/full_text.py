"""The full-text index on both stores: FTS5 on SQLite, a tsvector under a GIN index on PostgreSQL.

Whatever is asked for has gone through `terms`, so that nothing a user writes is syntax here. Whose pages are meant is
part of the index itself: a query that names no wiki finds nothing of anybody.

Ranking. Pages that have all the words come before those that have some. SQLite orders each group by bm25, a word of
the title counting eight times. PostgreSQL knows no bm25, and unpacking the words of ten thousand pages to rank them
takes longer than a search may: of a word that stands on very many pages the ones that are about it are looked at, up to
`MOST_HITS`. A word has a second term for that, `^word`, on the pages where it stands in the title or stands out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

import sqlalchemy as sa

from tasks.confluence.terms import Word, terms_of

TITLE_WEIGHT = 8.0
#: Words of so many pages are looked for only together with others, where there are others.
COMMON = 5_000
#: In a longer query such words are not even asked of a page that comes first.
FEW_WORDS = 4
COUNTED_FOR_S = 300.0
#: On SQLite.
MOST_RANKED = 12_000
#: On PostgreSQL: pages with all the words that are ranked, and pages with each of them that are weighed.
MOST_HITS = 1_000
HITS_OF_EACH = 400
#: How many pages of those that have some of the words are ranked exactly there.
RANKED = 300
#: A tsvector takes 1 MB, 16,383 places and 256 of them for one word.
MAX_WORDS_BYTES = 900_000
MAX_PLACE = 16_383
MAX_PLACES = 64

# bm25's own way to weigh how often a word stands in a text of some length, and from where on a page is about it.
_K1, _B, _USUAL_TERMS = 1.2, 0.75, 250
STANDS_OUT = 0.6


@dataclass(frozen=True)
class PageEntry:
    """A page as the index takes it."""

    page: int
    space_id: int
    title: str
    text: str


@dataclass(frozen=True)
class Scope:
    """Whose pages are looked through.

    Attributes:
        spaces: Of this wiki; all when empty.
    """

    wiki_id: int
    spaces: tuple[int, ...] = ()

    @property
    def terms(self) -> list[str]:
        return [f"s{space}" for space in self.spaces] or [f"w{self.wiki_id}"]


def put(conn: sa.Connection, wiki_id: int, entries: Sequence[PageEntry]) -> None:
    """Index pages, anew where they are indexed already."""
    if not entries:
        return
    if conn.dialect.name == "sqlite":
        conn.execute(_PUT_SQLITE, [_sqlite_row(wiki_id, entry) for entry in entries])
    else:
        conn.execute(_PUT_POSTGRESQL, [_postgresql_row(wiki_id, entry) for entry in entries])


def find(conn: sa.Connection, scope: Scope, words: Sequence[Word], most: int) -> list[int]:
    """The pages that have the words, the best first."""
    if not words:
        return []
    common = _common(conn, words)
    telling = [word for word in words if word.term not in common]
    wanted = QueryWords(words if len(words) <= FEW_WORDS else telling or words, telling or words, bool(telling))
    look = _all_then_some_sqlite if conn.dialect.name == "sqlite" else _all_then_some_postgresql
    return look(conn, scope, wanted, most)


@dataclass(frozen=True)
class QueryWords:
    """The words of a query, by what they are good for.

    Attributes:
        all: A page that has these comes first; of a long question not those that stand on very many pages.
        some: A page that has one of these comes next.
        tells: Whether one of these is not on very many pages.
    """

    all: Sequence[Word]
    some: Sequence[Word]
    tells: bool


#: By database: until when, and whether very many pages have the word.
_counted: dict[str, tuple[float, dict[str, bool]]] = {}


def _common(conn: sa.Connection, words: Sequence[Word]) -> set[str]:
    """Those words that so many pages have that finding them all tells little and takes long."""
    key = str(conn.engine.url)
    until, known = _counted.get(key, (0.0, dict[str, bool]()))
    if time.monotonic() > until:
        known = {} if conn.dialect.name == "sqlite" else _common_by_analyze(conn)
        _counted[key] = (time.monotonic() + COUNTED_FOR_S, known)
    if conn.dialect.name == "sqlite":
        known.update({word.term: _is_common(conn, word) for word in words if word.term not in known})
    return {word.term for word in words if known.get(word.term)}


# --- SQLite

_PUT_SQLITE = sa.text(
    "INSERT OR REPLACE INTO confluence_fts (rowid, scope, title, body) VALUES (:page, :scope, :title, :body)"
)
_FIND_SQLITE = sa.text(
    f"SELECT page FROM (SELECT rowid AS page, bm25(confluence_fts, 0.0, {TITLE_WEIGHT}, 1.0) AS rank_ "
    "FROM confluence_fts WHERE confluence_fts MATCH :wanted LIMIT :ranked) ORDER BY rank_, page DESC LIMIT :most"
)
_COUNT_SQLITE = sa.text(
    "SELECT count(*) FROM (SELECT 1 FROM confluence_fts WHERE confluence_fts MATCH :wanted LIMIT :most)"
)


def _sqlite_row(wiki_id: int, entry: PageEntry) -> dict[str, object]:
    return {
        "page": entry.page,
        "scope": f"w{wiki_id} s{entry.space_id}",
        "title": " ".join(terms_of(entry.title)),
        "body": " ".join(terms_of(entry.text)),
    }


def _all_then_some_sqlite(conn: sa.Connection, scope: Scope, wanted: QueryWords, most: int) -> list[int]:
    looks = [_sqlite_query(scope, wanted.all, " AND ")]
    if not wanted.tells:
        looks.insert(0, _sqlite_query(scope, wanted.all, " AND ", "title"))
    if len(wanted.all) > 1 or len(wanted.some) > 1:
        looks.append(_sqlite_query(scope, wanted.some, " OR "))
    found: dict[int, None] = {}
    for match in looks:
        asked = {"wanted": match, "most": most, "ranked": MOST_RANKED}
        found |= dict.fromkeys(conn.execute(_FIND_SQLITE, asked).scalars())
        if len(found) >= most:
            break
    return list(found)[:most]


def _sqlite_query(scope: Scope, words: Sequence[Word], joined: str, column: str = "title body") -> str:
    within = " OR ".join(f'"{term}"' for term in scope.terms)
    each = joined.join(_sqlite_word(word) for word in words)
    return f"scope : ({within}) AND {{{column}}} : ({each})"


def _sqlite_word(word: Word) -> str:
    return f'("{word.term}" OR "{word.term}"*)' if word.opens else f'"{word.term}"'


def _is_common(conn: sa.Connection, word: Word) -> bool:
    wanted = f'{{title body}} : "{word.term}"'
    return int(conn.execute(_COUNT_SQLITE, {"wanted": wanted, "most": COMMON}).scalar_one()) >= COMMON


# --- PostgreSQL

_PUT_POSTGRESQL = sa.text(
    "INSERT INTO confluence_fts (id, words) VALUES (:page, CAST(:words AS tsvector)) "
    "ON CONFLICT (id) DO UPDATE SET words = excluded.words"
)
_HITS_POSTGRESQL = sa.text("SELECT confluence_hits(CAST(:wanted AS tsquery), :most)")
_HITS_OF_EACH = sa.text(
    "SELECT word, hit FROM unnest(CAST(:each AS text[])) WITH ORDINALITY AS asked(wanted, word), "
    "confluence_hits(CAST(wanted AS tsquery), :most) AS hit"
)
_COMMON_POSTGRESQL = sa.text(
    "SELECT word FROM pg_stats, "
    "unnest(CAST(CAST(most_common_elems AS text) AS text[]), most_common_elem_freqs) AS counted(word, share) "
    "WHERE tablename = 'confluence_fts' AND attname = 'words' AND schemaname = ANY(current_schemas(false)) "
    "AND share * (SELECT reltuples FROM pg_class WHERE oid = CAST('confluence_fts' AS regclass)) >= :common "
    "AND word IS NOT NULL"
)
_RANK_POSTGRESQL = sa.text(
    # of the four weights, titles have A; 1: long pages count a little less
    f"SELECT id, ts_rank('{{0, 0, {1 / TITLE_WEIGHT}, 1}}', words, CAST(:wanted AS tsquery), 1) "
    "FROM confluence_fts WHERE id = ANY(:ids)"
)


def _postgresql_row(wiki_id: int, entry: PageEntry) -> dict[str, object]:
    return {"page": entry.page, "words": _tsvector(wiki_id, entry)}


def _tsvector(wiki_id: int, entry: PageEntry) -> str:
    title, body = terms_of(entry.title), terms_of(entry.text)
    places: dict[str, list[str]] = {}
    for at, term in enumerate(title, 1):
        places.setdefault(term, []).append(f"{at}A")
    for at, term in enumerate(body, len(title) + 1):
        if len(held := places.setdefault(term, [])) < MAX_PLACES:
            held.append(f"{min(at, MAX_PLACE)}B")
    told = dict.fromkeys(title) | dict.fromkeys(_standing_out(body))
    marks = [f"'#w{wiki_id}'", f"'#s{entry.space_id}'", *(f"'^{term}'" for term in told)]
    return " ".join(_within(MAX_WORDS_BYTES, [*marks, *(f"'{term}':{','.join(at)}" for term, at in places.items())]))


def _within(most_bytes: int, lexemes: Iterable[str]) -> Iterable[str]:
    """As many as fit; only texts of hundreds of pages have more."""
    for lexeme in lexemes:
        most_bytes -= len(lexeme.encode()) + 8
        if most_bytes < 0:
            return
        yield lexeme


def _standing_out(body: Sequence[str]) -> list[str]:
    usual = _K1 * (1 - _B + _B * len(body) / _USUAL_TERMS)
    return [term for term, times in Counter(body).items() if times / (times + usual) >= STANDS_OUT]


def _all_then_some_postgresql(conn: sa.Connection, scope: Scope, wanted: QueryWords, most: int) -> list[int]:
    words = dict.fromkeys([*wanted.all, *wanted.some])
    # a word that is there as it was asked for counts for more than one that begins with it
    either = " | ".join([*(_lexeme(word) for word in words), *(f"'{word.term}'" for word in words if word.opens)])
    found = _ranked(conn, _hits_of_all(conn, scope, wanted.all), either)
    if len(found) < most and len(words) > 1:
        weights = _weights_of_some(conn, scope, wanted.some, set(found))
        nearest = sorted(weights, key=lambda page: (-weights[page], -page))[:RANKED]
        order = {page: at for at, page in enumerate(_ranked(conn, nearest, either))}
        found += sorted(nearest, key=lambda page: (-weights[page], order[page]))
    return found[:most]


def _hits_of_all(conn: sa.Connection, scope: Scope, words: Sequence[Word]) -> list[int]:
    """Pages with all the words, those that are about them first."""
    hits: dict[int, None] = {}
    for mark in ("^", ""):
        wanted = " & ".join([_within_scope(scope), *(_lexeme(word, mark) for word in words)])
        hits |= dict.fromkeys(conn.execute(_HITS_POSTGRESQL, {"wanted": wanted, "most": MOST_HITS}).scalars())
        if len(hits) >= MOST_HITS:
            break
    return list(hits)


def _weights_of_some(conn: sa.Connection, scope: Scope, words: Sequence[Word], besides: set[int]) -> dict[int, float]:
    """Pages with any of the words; the rarer a word, the more it counts."""
    hits = _hits_of_each(conn, scope, [_lexeme(word, "^") for word in words])
    # where so many pages are about a word, others that have it tell nothing, and to find them takes the longest
    rest = [at for at, pages in enumerate(hits) if len(pages) < HITS_OF_EACH]
    for at, pages in zip(rest, _hits_of_each(conn, scope, [_lexeme(words[at]) for at in rest]), strict=True):
        hits[at] |= pages
    weights: dict[int, float] = {}
    for pages in hits:
        weight = log(1 + 20 * HITS_OF_EACH / (1 + len(pages)))
        for page in pages - besides:
            weights[page] = weights.get(page, 0.0) + weight
    return weights


def _common_by_analyze(conn: sa.Connection) -> dict[str, bool]:
    """As the last ANALYZE counted them; PostgreSQL runs one by itself now and then."""
    return dict.fromkeys(conn.execute(_COMMON_POSTGRESQL, {"common": COMMON}).scalars(), True)


def _hits_of_each(conn: sa.Connection, scope: Scope, lexemes: Sequence[str]) -> list[set[int]]:
    within = _within_scope(scope)
    each = [f"{within} & {lexeme}" for lexeme in lexemes]
    found: list[set[int]] = [set() for _ in lexemes]
    for number, page in conn.execute(_HITS_OF_EACH, {"each": each, "most": HITS_OF_EACH}):
        found[number - 1].add(page)
    return found


def _ranked(conn: sa.Connection, ids: Sequence[int], either: str) -> list[int]:
    if not ids:
        return []
    rows = conn.execute(_RANK_POSTGRESQL, {"wanted": either, "ids": list(ids)}).all()
    return [page for page, _ in sorted(rows, key=lambda row: (-row[1], -row[0]))]


def _within_scope(scope: Scope) -> str:
    lexemes = [f"'#{term}'" for term in scope.terms]
    return f"({' | '.join(lexemes)})"


def _lexeme(word: Word, mark: str = "") -> str:
    return f"'{mark}{word.term}'{':*' if word.opens else ''}"
