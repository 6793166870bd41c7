"""What is kept of a site: written in short transactions, each of which leaves an index that can be searched.

Everything that changes a wiki's index takes the lock of its row first, so two jobs on the same site take turns by batch
and never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.errors import NotConfigured, Transient, Uncertain
from llmcoder.text import storable
from models.connections import store as connections
from models.db import conflicts
from models.db.database import database, reading, writing
from tasks.confluence import full_text, piece_store
from tasks.confluence.chunking import sha256
from tasks.confluence.full_text import PageEntry
from tasks.confluence.piece_store import ROWS_AT_ONCE, portions
from tasks.confluence.tables import pages, pieces, runs, spaces, wikis
from tasks.confluence.wiki import PageHead, Space

WHAT = "index of Confluence pages"
FORGET_RUNS_AFTER = timedelta(days=7)
MAX_FAILURES = 50


@dataclass(frozen=True)
class Owner:
    """Whose index it is.

    Attributes:
        provider: Of which kind the account is.
        account: Empty for the account of this installation.
    """

    user_id: UUID
    provider: str
    account: str


@dataclass(frozen=True)
class PageFailure:
    """A page or file that could not be indexed."""

    page_id: str
    title: str
    reason: str


@dataclass
class RunCounts:
    """What a run did so far in one space."""

    seen: int = 0
    fetched: int = 0
    unchanged: int = 0
    removed: int = 0
    files: int = 0
    failures: list[PageFailure] = field(default_factory=list)
    failed: int = 0

    def fail(self, failure: PageFailure) -> None:
        self.failed += 1
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(failure)

    @staticmethod
    def read(text: str) -> RunCounts:
        found = strict_json.read_lenient(text)
        return RunCounts(**{**found, "failures": [PageFailure(**one) for one in found["failures"]]})


@dataclass
class IndexRun:
    """How far a job has come with one space.

    Attributes:
        number: Counts the runs on this space; what a complete run has not seen by its number is gone.
        finished: Nothing is left to do.
    """

    wiki_id: int
    space_id: int
    job_id: UUID
    number: int
    cursor: str | None
    counts: RunCounts
    started_at: datetime
    finished: bool


@dataclass(frozen=True)
class IndexedVersion:
    """What is kept of a page or a file."""

    row: int
    space_id: int
    title: str
    version: int
    reader: int
    url: str
    seen_run: int


@dataclass(frozen=True)
class IndexedText:
    """A page or a file of one, read.

    Attributes:
        file_id: Empty for the page itself.
    """

    page_id: str
    file_id: str
    title: str
    version: int
    reader: int
    url: str
    updated_at: datetime
    text: str


@contextmanager
def batch(wiki_id: int) -> Iterator[sa.Connection]:
    """One batch of changes to one wiki, in its turn."""
    with saving() as conn:
        lock(conn, wiki_id)
        yield conn


@contextmanager
def saving() -> Iterator[sa.Connection]:
    """One batch. A commit that broke may be repeated: the same pages are written again."""
    try:
        with writing(WHAT) as conn:
            yield conn
    except Uncertain as error:
        raise Transient(error.detail) from error


def opened(conn: sa.Connection, owner: Owner, site: str) -> int:
    """The wiki of an account, made if there is none yet and emptied if it was another site's."""
    row = conn.execute(sa.select(wikis).where(_of(owner)).with_for_update()).first()
    if row is not None and row.site == site:
        return int(row.id)
    if row is not None:
        conn.execute(sa.delete(wikis).where(wikis.c.id == row.id))
    account = connections.choose(conn, owner.user_id, [owner.provider], owner.account)
    made = conflicts.insert(conn.dialect.name, wikis).values(
        **asdict(owner), site=site, connection_id=account and account.id
    )
    found = conn.execute(made.on_conflict_do_nothing().returning(wikis.c.id)).scalar_one_or_none()
    if found is None:  # another job was quicker
        found = conn.execute(sa.select(wikis.c.id).where(_of(owner))).scalar_one()
    return int(found)


def found_wiki(conn: sa.Connection, owner: Owner) -> int | None:
    """The wiki of an account, if any was indexed."""
    return conn.execute(sa.select(wikis.c.id).where(_of(owner))).scalar_one_or_none()


def _of(owner: Owner) -> sa.ColumnElement[bool]:
    return sa.and_(*(wikis.c[name] == value for name, value in asdict(owner).items()))


def lock(conn: sa.Connection, wiki_id: int) -> None:
    """Take the turn of this wiki until the end of the transaction.

    Raises:
        NotConfigured: The account was removed meanwhile, and its index with it.
    """
    if conn.execute(sa.select(wikis.c.id).where(wikis.c.id == wiki_id).with_for_update()).first() is None:
        raise NotConfigured("The Confluence account was removed, and its index with it.")


# --- runs


def begun(wiki_id: int, space: Space, job_id: UUID) -> IndexRun:
    """The job's run on the space: the one that it began before a crash or a wait, else a new one."""
    with batch(wiki_id) as conn:
        space_id = _space(conn, wiki_id, space)
        mine = sa.and_(runs.c.space_id == space_id, runs.c.job_id == job_id)
        row = conn.execute(sa.select(runs).where(mine)).first()
        if row is None:
            _forget_old_runs(conn, space_id)
            row = _new_run(conn, space_id, job_id)
    return IndexRun(
        wiki_id,
        space_id,
        job_id,
        row.number,
        row.cursor,
        RunCounts.read(row.counts),
        row.started_at,
        row.finished_at is not None,
    )


def _space(conn: sa.Connection, wiki_id: int, space: Space) -> int:
    row = {"wiki_id": wiki_id, "key": space.key, "name": storable(space.name)}
    put = conflicts.insert(conn.dialect.name, spaces).values(row)
    put = put.on_conflict_do_update(index_elements=["wiki_id", "key"], set_={"name": put.excluded.name})
    return int(conn.execute(put.returning(spaces.c.id)).scalar_one())


def _new_run(conn: sa.Connection, space_id: int, job_id: UUID) -> sa.Row[Any]:
    taken = sa.update(spaces).where(spaces.c.id == space_id).values(runs=spaces.c.runs + 1).returning(spaces.c.runs)
    number = conn.execute(taken).scalar_one()
    row = {"space_id": space_id, "job_id": job_id, "number": number, "counts": strict_json.write(asdict(RunCounts()))}
    made = sa.insert(runs).values(**row, started_at=database().now()).returning(*runs.c)
    return conn.execute(made).one()


def _forget_old_runs(conn: sa.Connection, space_id: int) -> None:
    old = sa.or_(runs.c.finished_at.is_not(None), runs.c.started_at < database().now() - FORGET_RUNS_AFTER)
    conn.execute(sa.delete(runs).where(runs.c.space_id == space_id, old))


def advance(conn: sa.Connection, run: IndexRun, *, finished: bool = False) -> None:
    """Keep how far the run has come, in the transaction that brought it there."""
    now = database().now()
    values: dict[str, Any] = {"cursor": run.cursor, "counts": strict_json.write(asdict(run.counts))}
    mine = sa.and_(runs.c.space_id == run.space_id, runs.c.job_id == run.job_id)
    conn.execute(sa.update(runs).where(mine).values(**values, finished_at=now if finished else None))
    if finished:
        conn.execute(sa.update(spaces).where(spaces.c.id == run.space_id).values(completed_at=now))
        run.finished = True


def expected(run: IndexRun) -> int:
    """How many pages of the space are kept: a guess at how many it has."""
    with reading(WHAT) as conn:
        own = sa.and_(pages.c.space_id == run.space_id, pages.c.file_id == "")
        return int(conn.execute(sa.select(sa.func.count()).select_from(pages).where(own)).scalar_one())


# --- pages


def known(wiki_id: int, page_ids: Sequence[str]) -> dict[tuple[str, str], IndexedVersion]:
    """What is kept of pages and their files, by the ids of both."""
    columns = (pages.c.id, pages.c.space_id, pages.c.title, pages.c.version, pages.c.reader, pages.c.url)
    query = sa.select(pages.c.page_id, pages.c.file_id, *columns, pages.c.seen_run)
    with reading(WHAT) as conn:
        rows = conn.execute(query.where(pages.c.wiki_id == wiki_id, pages.c.page_id.in_(page_ids))).all()
    return {(row[0], row[1]): IndexedVersion(*row[2:]) for row in rows}


def mark_seen(conn: sa.Connection, run: IndexRun, page_ids: Sequence[str]) -> None:
    """The listing has these pages; a later run's mark stays."""
    _mark(conn, run, sa.and_(pages.c.page_id.in_(page_ids), pages.c.file_id == ""))


def mark_files_seen(conn: sa.Connection, run: IndexRun, page_id: str, file_ids: Sequence[str] | None = None) -> None:
    """The page has these files; all that are kept of it, where nobody could look."""
    own = sa.and_(pages.c.page_id == page_id, pages.c.file_id != "")
    _mark(conn, run, own if file_ids is None else sa.and_(own, pages.c.file_id.in_(file_ids)))


def _mark(conn: sa.Connection, run: IndexRun, which: sa.ColumnElement[bool]) -> None:
    here = sa.and_(pages.c.wiki_id == run.wiki_id, pages.c.space_id == run.space_id, which)
    conn.execute(sa.update(pages).where(here, pages.c.seen_run < run.number).values(seen_run=run.number))


def readdress(conn: sa.Connection, moved: Mapping[int, str]) -> None:
    """Pages that people find under another address now, although their version is the same."""
    for row, url in moved.items():
        conn.execute(sa.update(pages).where(pages.c.id == row).values(url=url))


def save(conn: sa.Connection, run: IndexRun, texts: Sequence[IndexedText]) -> int:
    """Write pages with their pieces and words; what another run stored of the same or a later version stays.

    Who calls it marks them as seen too, since those that stay keep the other run's mark.

    Returns:
        How many were written.
    """
    written = 0
    for some in portions(sorted(texts, key=lambda text: (text.page_id, text.file_id))):
        rows = [_row(run, text) for text in some]
        ids = _put_pages(conn, rows)
        entries = [
            PageEntry(ids[row["page_id"], row["file_id"]], run.space_id, row["title"], row["text"])
            for row in rows
            if (row["page_id"], row["file_id"]) in ids
        ]
        piece_store.put(conn, run.wiki_id, entries)
        full_text.put(conn, run.wiki_id, entries)
        written += len(entries)
    return written


def _row(run: IndexRun, text: IndexedText) -> dict[str, Any]:
    body = storable(text.text)
    return {
        "wiki_id": run.wiki_id,
        "space_id": run.space_id,
        "page_id": text.page_id,
        "file_id": text.file_id,
        "title": storable(text.title),
        "version": text.version,
        "reader": text.reader,
        "url": storable(text.url),
        "updated_at": text.updated_at,
        "text": body,
        "text_sha256": sha256(body),
        "seen_run": run.number,
    }


def _put_pages(conn: sa.Connection, rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    put = conflicts.insert(conn.dialect.name, pages).values(rows)
    new = put.excluded
    differs = (pages.c[name] != new[name] for name in ("version", "reader", "space_id", "title"))
    put = put.on_conflict_do_update(
        index_elements=["wiki_id", "page_id", "file_id"],
        set_={name: new[name] for name in rows[0] if name not in ("wiki_id", "page_id", "file_id")},
        where=sa.and_(pages.c.version <= new.version, sa.or_(*differs)),
    )
    written = conn.execute(put.returning(pages.c.page_id, pages.c.file_id, pages.c.id))
    return {(row[0], row[1]): row[2] for row in written}


def remove_unseen(conn: sa.Connection, run: IndexRun, *, files: bool) -> tuple[int, int]:
    """Remove some pages that a complete listing did not have, with their files.

    Args:
        files: Whether the run looked at files, so that those it did not see are gone too.

    Returns:
        How many pages, and how many rows in all; nothing is left when that is 0.
    """
    unseen = sa.and_(pages.c.space_id == run.space_id, pages.c.seen_run < run.number)
    mine = unseen if files else sa.and_(unseen, pages.c.file_id == "")
    found = conn.execute(sa.select(pages.c.id, pages.c.page_id, pages.c.file_id).where(mine).limit(ROWS_AT_ONCE)).all()
    gone = [row.page_id for row in found if row.file_id == ""]
    theirs = sa.and_(pages.c.wiki_id == run.wiki_id, pages.c.page_id.in_(gone), pages.c.file_id != "")
    ids = {row.id for row in found} | set(conn.execute(sa.select(pages.c.id).where(theirs)).scalars())
    remove(conn, run.wiki_id, sorted(ids))
    return len(gone), len(ids)


def remove(conn: sa.Connection, wiki_id: int, rows: Sequence[int]) -> None:
    for some in portions(rows):
        piece_store.count_gone(conn, wiki_id, pieces.c.page.in_(some))
        conn.execute(sa.delete(pages).where(pages.c.id.in_(some)))


def remove_other_spaces(wiki_id: int, keys: Sequence[str]) -> int:
    """Remove the spaces that the account cannot see any more; returns how many pages they had."""
    removed = 0
    while True:
        with batch(wiki_id) as conn:
            other = sa.and_(spaces.c.wiki_id == wiki_id, spaces.c.key.not_in(keys))
            its = sa.select(spaces.c.id).where(other)
            query = sa.select(pages.c.id, pages.c.file_id).where(pages.c.space_id.in_(its)).limit(ROWS_AT_ONCE)
            found = conn.execute(query).all()
            if not found:
                conn.execute(sa.delete(spaces).where(other))
                return removed
            remove(conn, wiki_id, [row.id for row in found])
            removed += sum(1 for row in found if row.file_id == "")


def head_is_kept(head: PageHead, kept: IndexedVersion | None, space_id: int, reader: int) -> bool:
    """Whether what is kept of a page is still what the site has."""
    if kept is None:
        return False
    return (kept.version, kept.reader, kept.space_id, kept.title) == (
        head.version,
        reader,
        space_id,
        storable(head.title),
    )
