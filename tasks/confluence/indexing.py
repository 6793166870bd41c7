"""Brings the index of a site's spaces up to date: by version, in batches, so that a run can end anywhere and go on.

A space is listed by its pages' heads, which is cheap; only pages whose version changed are fetched with their bodies.
Every batch is one transaction with the run's cursor and counts in it. What the listing did not have is removed only
when it came to its end. Nothing here depends on being alone: see `index_store` for what two runs do to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from llmcoder.context import Context
from llmcoder.errors import BadInput, Forbidden, NotFound, Refused
from models.db.database import database
from tasks.confluence import files, index_store, vector_search
from tasks.confluence.index_store import (
    IndexedText,
    IndexedVersion,
    IndexRun,
    Owner,
    PageFailure,
    RunCounts,
    head_is_kept,
)
from tasks.confluence.vector_search import EmbeddingOutcome
from tasks.confluence.wiki import Heads, PageHead, Space, Wiki, WikiAttachment, WikiPage

#: Counts up when the text of a page is made differently, so that all pages are read again.
READER = 3
BATCH_PAGES = 25
MAX_TEXT_CHARS = 2_000_000
#: Of one page or file, not of the site: the run goes on without it.
NOT_THIS_ONE = (BadInput, Forbidden, NotFound, Refused)

TextOf = Callable[[str], str]
#: By the ids of page and file.
KnownTexts = Mapping[tuple[str, str], IndexedVersion]


@dataclass(frozen=True)
class FilesOf:
    """The files of one page.

    Attributes:
        seen: Those that it has; None where nobody could look.
        texts: Of those that are new.
    """

    page_id: str
    seen: list[str] | None
    texts: list[IndexedText]


@dataclass
class Indexer:
    """One job's work on the spaces of one wiki.

    Args:
        text_of: Makes text of the storage format.
        files: Whether the pages' files are read too.
    """

    ctx: Context
    wiki: Wiki
    wiki_id: int
    text_of: TextOf
    files: bool
    runs: list[IndexRun] = field(default_factory=list)

    def index(self, spaces: Sequence[Space]) -> None:
        """Bring all of them up to date; those that this job has finished before are left as they are.

        Of several, one that cannot be listed is named among the failures and keeps what it has.
        """
        self.runs = [index_store.begun(self.wiki_id, space, self.ctx.job_id) for space in spaces]
        for at, (space, run) in enumerate(zip(spaces, self.runs, strict=True)):
            try:
                if not run.finished:
                    _SpaceRun(self, space, run, at / len(spaces), 1 / len(spaces)).finish()
            except NOT_THIS_ONE as error:
                if len(spaces) == 1:
                    raise
                run.counts.fail(PageFailure(space.id, f"The space {space.key}", error.detail))


@dataclass
class _SpaceRun:
    """One run on one space.

    Args:
        begins, share: Which part of the job's progress it is.
    """

    of: Indexer
    space: Space
    run: IndexRun
    begins: float
    share: float
    expected: int = 0

    def finish(self) -> None:
        self.expected = index_store.expected(self.run)
        for heads in self._listing():
            for at in range(0, len(heads.heads), BATCH_PAGES):
                self._batch(heads.heads[at : at + BATCH_PAGES])
            self.run.cursor = heads.next
            with index_store.batch(self.run.wiki_id) as conn:
                index_store.advance(conn, self.run)
        self._remove_what_is_gone()

    def _listing(self) -> Iterator[Heads]:
        """All heads from where the run stands. Cursors that lead back would never end: an error."""
        heads = self._first()
        cursors = {self.run.cursor}
        yield heads
        while heads.next is not None:
            if heads.next in cursors:
                raise Refused(f"Confluence lists the space {self.space.key} in a circle; nothing was removed.")
            cursors.add(heads.next)
            heads = self.of.wiki.heads(self.space, heads.next)
            yield heads

    def _first(self) -> Heads:
        try:
            return self.of.wiki.heads(self.space, self.run.cursor)
        except NOT_THIS_ONE:
            if self.run.cursor is None:
                raise
        self.run.cursor = None  # the site has forgotten it; what this run has seen is marked and not looked at again
        return self.of.wiki.heads(self.space, None)

    # --- a batch

    def _batch(self, heads: Sequence[PageHead]) -> None:
        """Some heads of the listing: read what changed, and keep all that is known of them then."""
        kept = index_store.known(self.run.wiki_id, [head.id for head in heads])
        new = list({head.id: head for head in heads if not self._is_done(head, kept)}.values())
        changed = [head for head in new if not head_is_kept(head, kept.get((head.id, "")), self.run.space_id, READER)]
        self.run.counts.seen += len(new)
        self.run.counts.unchanged += len(new) - len(changed)
        texts = list(self._read_pages(changed))
        looked = [self._look_for_files(head, kept) for head in new] if self.of.files else []
        with index_store.batch(self.run.wiki_id) as conn:
            index_store.save(conn, self.run, [*texts, *(text for files_of in looked for text in files_of.texts)])
            index_store.mark_seen(conn, self.run, [head.id for head in new])
            index_store.readdress(conn, _moved(new, kept))
            for files_of in looked:
                index_store.mark_files_seen(conn, self.run, files_of.page_id, files_of.seen)
            index_store.advance(conn, self.run)

    def _is_done(self, head: PageHead, kept: KnownTexts) -> bool:
        """Whether this very run has dealt with the page: before it was interrupted, or the listing has it twice."""
        old = kept.get((head.id, ""))
        seen = old is not None and (old.seen_run, old.space_id) == (self.run.number, self.run.space_id)
        return seen or any(failure.page_id == head.id for failure in self.run.counts.failures)

    # --- pages

    def _read_pages(self, heads: Sequence[PageHead]) -> Iterator[IndexedText]:
        self._show()
        wanted = {head.id for head in heads}
        for page in self._fetched(heads):
            if page.head.id in wanted:
                self.run.counts.fetched += 1
                self._show()
                yield from self._text(page)

    def _fetched(self, heads: Sequence[PageHead]) -> list[WikiPage]:
        """The pages; those that are gone since they were listed are not among them."""
        if not heads:
            return []
        try:
            return self.of.wiki.pages([head.id for head in heads])
        except NOT_THIS_ONE as error:
            if len(heads) > 1:  # which of them is it
                return [page for head in heads for page in self._fetched([head])]
            if not isinstance(error, NotFound):
                self._fail(heads[0].id, heads[0].title, error.detail)
            return []

    def _text(self, page: WikiPage) -> Iterator[IndexedText]:
        head = page.head
        try:
            text = self.of.text_of(page.storage)[:MAX_TEXT_CHARS]
        except NOT_THIS_ONE as error:
            self._fail(head.id, head.title, error.detail)
            return
        yield IndexedText(head.id, "", head.title, head.version, READER, head.url, head.updated_at, text)

    # --- files

    def _look_for_files(self, head: PageHead, kept: KnownTexts) -> FilesOf:
        """The files of a page. A new one changes no page's version, so each page is asked for its own."""
        self._show()
        try:
            listed = self.of.wiki.attachments(head.id)
        except NOT_THIS_ONE as error:
            self._fail(head.id, head.title, f"Its files cannot be listed: {error.detail}")
            return FilesOf(head.id, None, [])
        read = [file for file in listed if files.has_text(file)][: files.MAX_FILES_PER_PAGE]
        new = [file for file in read if self._is_new(file, kept.get((head.id, file.id)))]
        texts = [text for file in new for text in self._file(head, file)]
        return FilesOf(head.id, [file.id for file in read], texts)

    def _is_new(self, file: WikiAttachment, old: IndexedVersion | None) -> bool:
        here = (file.version, READER, self.run.space_id)
        return old is None or (old.version, old.reader, old.space_id) != here

    def _file(self, head: PageHead, file: WikiAttachment) -> Iterator[IndexedText]:
        try:
            content = self.of.wiki.download(file, files.MAX_FILE_BYTES)
            text = files.text_of_file(file, content, self.of.ctx.check)
        except NOT_THIS_ONE as error:
            self._fail(file.id, file.title, error.detail)
            return
        self.run.counts.files += 1
        title = f"{file.title} ({head.title})"
        yield IndexedText(head.id, file.id, title, file.version, READER, head.url, head.updated_at, text)

    # --- the end

    def _remove_what_is_gone(self) -> None:
        """Only after a complete listing: half of one would take the other half for gone."""
        while True:
            self._show()
            with index_store.batch(self.run.wiki_id) as conn:
                gone, rows = index_store.remove_unseen(conn, self.run, files=self.of.files)
                self.run.counts.removed += gone
                index_store.advance(conn, self.run, finished=rows == 0)
            if rows == 0:
                return

    def _fail(self, page_id: str, title: str, reason: str) -> None:
        self.run.counts.fail(PageFailure(page_id, title[:200], reason[:300]))

    def _show(self) -> None:
        """Show how far it is; also where a cancellation takes hold."""
        counts = self.run.counts
        of = max(self.expected, counts.seen + BATCH_PAGES)
        message = f"{self.space.key}: {counts.seen} pages seen, {counts.fetched} fetched"
        self.of.ctx.progress(min(0.99, self.begins + self.share * counts.seen / of), message)


def _moved(heads: Sequence[PageHead], kept: KnownTexts) -> dict[int, str]:
    """The new addresses of pages that have another one than is kept."""
    old = {head: kept[head.id, ""] for head in heads if (head.id, "") in kept}
    return {known.row: head.url for head, known in old.items() if known.url != head.url}


# --- all of a job


@dataclass(frozen=True)
class Refreshed:
    """What a job did, over all its attempts.

    Attributes:
        removed_elsewhere: Pages of spaces that the account cannot see any more.
        embedded: None where no provider has an embedding model.
        seconds: Since its first attempt began.
    """

    spaces: list[tuple[str, RunCounts]]
    removed_elsewhere: int
    embedded: EmbeddingOutcome | None
    seconds: float


def refresh(
    ctx: Context, wiki: Wiki, owner: Owner, site: str, keys: Sequence[str], text_of: TextOf, *, with_files: bool
) -> Refreshed:
    """Bring an account's index up to date.

    Args:
        site: Its address; the index of another one under the same account is dropped.
        keys: Of spaces; all that the account can see when empty.
        with_files: Whether files are read too.

    Raises:
        NotFound: There is no space of that key.
        RateLimited, Transient: As the wiki or the provider of embeddings; what is done is kept.
    """
    ctx.progress(0.0, "Looking for spaces")
    spaces = wiki.spaces(keys)
    with index_store.saving() as conn:
        wiki_id = index_store.opened(conn, owner, site)
    indexer = Indexer(ctx, wiki, wiki_id, text_of, with_files)
    indexer.index(spaces)
    gone = 0 if keys else index_store.remove_other_spaces(wiki_id, [space.key for space in spaces])
    model = vector_search.model_of(ctx)
    embedded = None if model is None else vector_search.embed_missing(ctx, model, wiki_id)
    began_at = min((run.started_at for run in indexer.runs), default=database().now())
    done = [(space.key, run.counts) for space, run in zip(spaces, indexer.runs, strict=True)]
    return Refreshed(done, gone, embedded, (database().now() - began_at).total_seconds())
