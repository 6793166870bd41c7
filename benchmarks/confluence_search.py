"""How long a search over 50,000 pages takes: the query itself, and `GET /confluence/search` as its user sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from urllib.parse import urlencode
from uuid import uuid4

import sqlalchemy as sa

from benchmarks.confluence_corpus import Corpus, Topics
from benchmarks.harness import Bench, BenchError, Store
from benchmarks.load import counted, get, percentile
from benchmarks.measure import Column, Contestant, Figures, Measurement, Turn
from benchmarks.user import log_in, only_user
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.testing import FakeContext
from models.db.database import database, reading
from tasks.confluence import index_store, searching, vector_search
from tasks.confluence.index_store import Owner
from tasks.confluence.searching import SearchQuery
from tasks.confluence.tables import vectors
from tasks.confluence.terms import words_of
from tasks.confluence.wiki import Space

SPACES = 20
AT_ONCE = 500
RESULTS = 10
#: Of its first look at a table and of the signs, which a process reads once.
WARM_UP = 20
#: Every query is made so often, with all others in between, and its quickest time counts.
PASSES = 3


def measurement(bench: Bench, pages: int, queries: int) -> Measurement:
    corpus = Corpus(pages)
    return Measurement(
        title="Search of Confluence pages",
        how=f"{pages:,} pages in {SPACES} spaces, 250 words on average, in about {pages * 2:,} pieces with vectors "
        f"of 768 dimensions; {queries} different queries of each kind, one at a time, 10 results with snippets each; "
        f"all of them {PASSES} times over, the quickest of each query counts, since other work shares the machine. "
        "Words: one to three. Question: eight words that no page has all of. Common: two of the thirty commonest "
        "words. With meaning: the one- to three-word queries merged with their vectors, without the time that a "
        "provider takes to embed the query. `GET`: the words once more, over HTTP: accepted on disk, claimed, run, "
        "finished on disk, answered. The last column: of the ten pieces nearest to a query, those that the search by "
        "signs passes on to be compared exactly.",
        columns=(
            Column("words_p50_ms", "words, p50 ms", 1),
            Column("words_p99_ms", "p99 ms", 1),
            Column("question_p50_ms", "question, p50 ms", 1),
            Column("question_p99_ms", "p99 ms", 1),
            Column("common_p50_ms", "common, p50 ms", 1),
            Column("common_p99_ms", "p99 ms", 1),
            Column("meaning_p50_ms", "with meaning, p50 ms", 1),
            Column("meaning_p99_ms", "p99 ms", 1),
            Column("http_p50_ms", "`GET /confluence/search`, p50 ms", 1),
            Column("http_p99_ms", "p99 ms", 1),
            Column("recall", "of the nearest 10 found", 3),
        ),
        contestants=[Contestant(store.name, partial(_ours, bench, store, corpus, queries)) for store in bench.stores],
        baseline=bench.stores[0].name,
        compared="words_p50_ms",
    )


@contextmanager
def _ours(bench: Bench, store: Store, corpus: Corpus, queries: int) -> Iterator[Turn]:
    with _an_account_in_the_settings(), bench.engine(store, "io", "scheduler", "api") as engine:
        token, model = log_in(engine.port), Topics()
        config = Config.open({"DATA_DIR": str(bench.folder / f"search-{uuid4().hex}"), "DATABASE_URL": engine.url})
        with use(config), closing(database()):
            owner = Owner(only_user(database()), "confluence", "")
            fill(owner, corpus, model)
        kinds = corpus.queries(queries)

        def turn() -> Figures:
            with use(config), closing(database()):
                return _figures(owner, kinds, model) | _over_http(engine.port, token, kinds["words"])

        yield turn


@contextmanager
def _an_account_in_the_settings() -> Iterator[None]:
    """An action that connects needs one; nothing is asked of it."""
    os.environ.update(CONFLUENCE_URL="http://127.0.0.1:9", CONFLUENCE_API_TOKEN="none")
    try:
        yield
    finally:
        for name in ("CONFLUENCE_URL", "CONFLUENCE_API_TOKEN"):
            os.environ.pop(name, None)


def _over_http(port: int, token: str, queries: Sequence[str]) -> Figures:
    requests = [get(f"/confluence/search?{urlencode({'query': query})}", token) for query in queries]
    for request in requests[:WARM_UP]:
        counted(port, request, connections=1, requests=1, status=200)
    taken = _quickest_ms([partial(_answered_ms, port, request) for request in requests])
    return {"http_p50_ms": percentile(taken, 50), "http_p99_ms": percentile(taken, 99)}


def _answered_ms(port: int, request: bytes) -> float:
    return counted(port, request, connections=1, requests=1, status=200).latencies_ms[0]


def fill(owner: Owner, corpus: Corpus, model: Topics) -> None:
    """Index the corpus as a run would, in larger batches."""
    with index_store.saving() as conn:
        wiki_id = index_store.opened(conn, owner, "https://wiki.example")
    runs = [
        index_store.begun(wiki_id, Space(f"id{number}", f"S{number}", f"Space {number}"), uuid4())
        for number in range(SPACES)
    ]
    texts = corpus.texts()
    for number in range(0, corpus.pages, AT_ONCE):
        with index_store.batch(wiki_id) as conn:
            index_store.save(conn, runs[number // AT_ONCE % SPACES], list(islice(texts, AT_ONCE)))
    vector_search.BATCH_PIECES = AT_ONCE
    context = FakeContext(user=User(owner.user_id, "bench@example.org"), timeout_s=3_600)
    done = vector_search.embed_missing(context, model, wiki_id)
    if done.note is not None:
        raise BenchError(done.note)


def _figures(owner: Owner, kinds: dict[str, list[str]], model: Topics) -> Figures:
    asked = {kind: [SearchQuery(words_of(query)) for query in queries] for kind, queries in kinds.items()}
    points = [model.points([f"query {query}"])[0].tolist() for query in kinds["words"]]
    asked["meaning"] = [
        SearchQuery(one.words, point, "topics") for one, point in zip(asked["words"], points, strict=True)
    ]
    figures: Figures = {}
    for kind, queries in asked.items():
        for query in queries[:WARM_UP]:
            _search(owner, query)
        taken = _quickest_ms([partial(_timed_ms, partial(_search, owner, query)) for query in queries])
        figures |= {f"{kind}_p50_ms": percentile(taken, 50), f"{kind}_p99_ms": percentile(taken, 99)}
    return figures | {"recall": _recall(owner, points[:50])}


def _search(owner: Owner, query: SearchQuery) -> list[str]:
    """All that the action does but for asking the provider."""
    found, _ = searching.search(owner, query, (), 0, RESULTS)
    return [searching.snippet_of(page, query.words) for page in found]


def _quickest_ms(timings: Sequence[Callable[[], float]]) -> list[float]:
    """The quickest of each, in order: all are made one after the other, and then all again."""
    passes = [[timing() for timing in timings] for _ in range(PASSES)]
    return sorted(map(min, zip(*passes, strict=True)))


def _timed_ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _recall(owner: Owner, vectors_of: Sequence[Sequence[float]]) -> float:
    """Which share of the ten nearest pieces is among those compared, against a comparison with every vector."""
    import numpy as np

    with reading("index") as conn:
        scope = searching.scope_of(conn, owner, ())
        rows = conn.execute(sa.select(vectors.c.piece, vectors.c.vector)).all()
        ids = np.array([row.piece for row in rows])
        all_vectors = np.frombuffer(b"".join(row.vector for row in rows), dtype="<f4").reshape(len(rows), -1)
        shares = []
        for vector in np.asarray(vectors_of, dtype="<f4"):
            exact = ids[np.argsort(all_vectors @ vector)[-10:]]
            compared = vector_search.closest(conn, scope, "topics", vector)
            shares.append(np.isin(exact, list(compared)).mean())
    return float(np.mean(shares))
