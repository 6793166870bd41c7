"""Index the pages of Confluence, search them, and ask them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from llmcoder import Context, Effect, Model, NotConfigured, Retry, action
from llmcoder.language import Completion, LanguageModel
from llmcoder.prompts import Prompts
from tasks.confluence import answering, index_store, searching
from tasks.confluence.answering import CitedAnswer, Passage
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.index_store import Owner
from tasks.confluence.indexing import Refreshed, refresh
from tasks.confluence.open_site import open_site
from tasks.confluence.searching import PageFound
from tasks.confluence.storage import text_of

PROMPTS = Prompts(Path(__file__).parent / "prompts")
#: A hundred thousand pages at ten requests of 25 pages a minute.
INDEX_TIMEOUT_S = 12 * 3600
MAX_SPACES = 200
#: Pages whose passages are chosen from.
LOOKED_AT = 12

NO_NUL = r"^[^\x00]*$"
SpaceKey = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[\w~.:@-]+$")
]
Account = Annotated[str, StringConstraints(max_length=254)]
_ACCOUNT = "Which of your Confluence accounts; the first when left out."


# --- index


class IndexRequest(Model):
    """What is to be indexed."""

    spaces: list[SpaceKey] = Field(
        [],
        max_length=MAX_SPACES,
        description="Keys of spaces; all that the account can see when empty, and those it cannot see any more go.",
        examples=[["OPS", "HR"]],
    )
    attachments: bool = Field(
        False,
        description="Whether the text of the pages' files counts too: plain text, HTML, PDF. One request per page.",
    )
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class IndexFailure(Model):
    """A page or a file that could not be indexed; the next run tries it again."""

    page_id: str = Field(description="Its id at the site.")
    title: str = Field(description="Its title, or the file's name.")
    reason: str = Field(description="What was wrong.")


class IndexedSpace(Model):
    """What was done in one space."""

    space: str = Field(description="Key of the space.")
    seen: int = Field(description="Pages that the space has.")
    fetched: int = Field(description="Pages that were new or changed, and read.")
    unchanged: int = Field(description="Pages whose version was known.")
    removed: int = Field(description="Pages that are gone.")
    files: int = Field(description="Files of pages that were read.")
    failed: int = Field(description="Pages and files that could not be read.")


class IndexReport(Model):
    """What the index has now that it had not, over all attempts of this job."""

    spaces: list[IndexedSpace] = Field(description="Each space.")
    seen: int = Field(description="Pages of all spaces.")
    fetched: int = Field(description="Pages that were new or changed.")
    unchanged: int = Field(description="Pages that were as they are kept.")
    removed: int = Field(description="Pages that are gone, with those of spaces that cannot be seen any more.")
    failed: int = Field(description="Pages and files that could not be read.")
    failures: list[IndexFailure] = Field(description="Some of these, and why.")
    embedded: int | None = Field(description="Pieces of text embedded for search by meaning; null without a model.")
    note: str | None = Field(description="What is missing, and why; null when nothing is.")
    seconds: float = Field(description="Since the job's first attempt began.")


@action(
    "confluence.index",
    effect=Effect.READ,
    keeps=True,
    timeout_s=INDEX_TIMEOUT_S,
    retry=Retry(attempts=12, first_wait_s=5),
    outside=True,
    connects=CONFLUENCE,
)
def index(wanted: IndexRequest, ctx: Context) -> IndexReport:
    """Index the pages of Confluence spaces, or refresh their index.

    Only pages whose version changed are read again, and a run that was interrupted goes on where it was. Pages are
    found as soon as they are read; search by meaning follows at the end, where a provider has an embedding model.
    """
    site = open_site(ctx.connection(CONFLUENCE), ctx)
    done = refresh(ctx, site, _owner(ctx), site.url, wanted.spaces, text_of, with_files=wanted.attachments)
    return _report(done)


def _owner(ctx: Context) -> Owner:
    """Whose index it is: nobody else's is read, not even of the same site."""
    return Owner(ctx.user.id, CONFLUENCE.provider, ctx.connection(CONFLUENCE).account)


def _report(done: Refreshed) -> IndexReport:
    spaces = [
        IndexedSpace(
            space=key,
            seen=counts.seen,
            fetched=counts.fetched,
            unchanged=counts.unchanged,
            removed=counts.removed,
            files=counts.files,
            failed=counts.failed,
        )
        for key, counts in done.spaces
    ]
    failures = [failure for _, counts in done.spaces for failure in counts.failures][: index_store.MAX_FAILURES]
    return IndexReport(
        spaces=spaces,
        seen=sum(space.seen for space in spaces),
        fetched=sum(space.fetched for space in spaces),
        unchanged=sum(space.unchanged for space in spaces),
        removed=sum(space.removed for space in spaces) + done.removed_elsewhere,
        failed=sum(space.failed for space in spaces),
        failures=[IndexFailure(page_id=one.page_id, title=one.title, reason=one.reason) for one in failures],
        embedded=None if done.embedded is None else done.embedded.count,
        note=None if done.embedded is None else done.embedded.note,
        seconds=round(done.seconds, 3),
    )


# --- search


class PageQuery(Model):
    """What is looked for."""

    query: str = Field(
        min_length=1,
        max_length=500,
        pattern=NO_NUL,
        description="Words, or a question. There is no syntax; pages with all the words come first.",
        examples=["vpn setup"],
    )
    spaces: list[SpaceKey] = Field([], max_length=MAX_SPACES, description="Keys of spaces to look in; all when empty.")
    limit: int = Field(10, ge=1, le=50, description="At most so many results.")
    cursor: str | None = Field(None, max_length=20, description="The `next` of the page of results before this one.")
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class PageHit(Model):
    """A page that was found, or a file of one."""

    title: str = Field(description="Its title; of a file, its name and the page's title.")
    url: str = Field(description="Where people read it.")
    snippet: str = Field(description="Where the words stand, **marked**.")
    score: float = Field(description="The higher the better; to be compared within one answer only.")
    space: str = Field(description="Key of the space.")
    updated_at: AwareDatetime = Field(description="When the page last changed.")


class PagesFound(Model):
    """Some results, the best first."""

    results: list[PageHit] = Field(description="The pages.")
    next: str | None = Field(description="Cursor of the next results; null when these are the last.")
    by: Literal["words", "words and meaning"] = Field(description="How they were found.")
    note: str | None = Field(description="Why only by words, if that is a trouble.")


@action("confluence.search", effect=Effect.READ, timeout_s=60, outside=True, connects=CONFLUENCE)
def search(wanted: PageQuery, ctx: Context) -> PagesFound:
    """Search the indexed pages of Confluence.

    By words in their various forms, and by meaning too where a provider has an embedding model.
    """
    offset = searching.offset_of(wanted.cursor)
    owner = _owner(ctx)
    asked = searching.asked(ctx, wanted.query)
    found, following = searching.search(owner, asked, wanted.spaces, offset, wanted.limit)
    return PagesFound(
        results=[
            PageHit(
                title=page.title,
                url=page.url,
                snippet=searching.snippet_of(page, asked.words),
                score=round(page.rank.score, 6),
                space=page.space_key,
                updated_at=page.updated_at,
            )
            for page in found
        ],
        next=None if following is None else str(following),
        by="words" if asked.vector is None else "words and meaning",
        note=asked.note,
    )


# --- ask


class Question(Model):
    """A question, and how its answer should be."""

    question: str = Field(
        min_length=1,
        max_length=1_000,
        pattern=NO_NUL,
        description="What you want to know.",
        examples=["How do I get a VPN account?"],
    )
    spaces: list[SpaceKey] = Field([], max_length=MAX_SPACES, description="Keys of spaces to look in; all when empty.")
    language: str | None = Field(
        None,
        min_length=2,
        max_length=40,
        pattern=r"^[\w .()-]+$",
        description="Language of the answer, such as German or de; the question's own when left out.",
    )
    instructions: str | None = Field(
        None, min_length=1, max_length=2_000, description="How the answer should be, or for whom it is."
    )
    account: str | None = Field(None, max_length=254, description=_ACCOUNT)


class AnswerSource(Model):
    """A page that the model was given."""

    number: int = Field(description="Under which the answer cites it.")
    cited: bool = Field(description="Whether the answer does.")
    title: str = Field(description="Its title.")
    url: str = Field(description="Where people read it.")
    space: str = Field(description="Key of the space.")
    version: int = Field(description="The version that was read.")
    updated_at: AwareDatetime = Field(description="When that was made.")


class PageAnswer(Model):
    """An answer from the wiki, and what it rests on."""

    answer: str = Field(description="The answer, citing its sources as [1], [2].")
    sources: list[AnswerSource] = Field(description="What the model was given, the cited ones first.")
    grounded: bool = Field(description="Whether it cites any source; do not trust one that does not.")
    note: str | None = Field(description="What was wrong with its citations; null when nothing was.")
    by: Literal["words", "words and meaning"] = Field(description="How the sources were found.")
    prompt: str | None = Field(description="Name and version of the prompt; null when no model was asked.")
    provider: str | None = Field(None, description="Which provider's model wrote it.")
    model: str | None = Field(None, description="Which model.")
    tokens_in: int | None = Field(None, description="Prompt tokens; null when the provider did not say.")
    tokens_out: int | None = Field(None, description="Generated tokens, likewise.")


@action(
    "confluence.ask",
    effect=Effect.DRAFT,
    timeout_s=600,
    retry=Retry(attempts=4, first_wait_s=5),
    outside=True,
    connects=CONFLUENCE,
)
def ask(question: Question, ctx: Context) -> PageAnswer:
    """Answer a question from the indexed pages of Confluence, with its sources.

    Where no page was found, no model is asked. A number that the model cites and was not given is taken out, and an
    answer that cites nothing is not `grounded`.
    """
    owner, model = _owner(ctx), ctx.use(LanguageModel)
    ctx.progress(0.1, "Looking for pages")
    asked = searching.asked(ctx, question.question)
    pages, _ = searching.search(owner, asked, question.spaces, 0, LOOKED_AT)
    given = answering.passages(pages, asked.words)
    by: Literal["words", "words and meaning"] = "words" if asked.vector is None else "words and meaning"
    if not given:
        return _nothing_found(by)
    if not model.configured():
        raise NotConfigured(
            "No language model is configured that could answer. Search works without: GET /confluence/search."
        )
    ctx.progress(0.3, f"Reading {len({one.number for one in given})} pages")
    prompt = PROMPTS["answer"]
    wishes = f"\n\nThe reader also asks for this: {question.instructions}" if question.instructions else ""
    language = question.language or "the language of the question"
    places = {"question": question.question, "language": language, "wishes": wishes}
    done = model.complete(prompt.messages(answering.written(given), **places), stream=True)
    return _answer(answering.checked(done.text, given), given, done, by, prompt.name)


def _nothing_found(by: Literal["words", "words and meaning"]) -> PageAnswer:
    text = "I don't know: nothing was found in the indexed pages. Use other words, or index more spaces."
    return PageAnswer(answer=text, sources=[], grounded=False, note=None, by=by, prompt=None)


def _answer(
    answer: CitedAnswer, given: list[Passage], done: Completion, by: Literal["words", "words and meaning"], prompt: str
) -> PageAnswer:
    pages = {one.number: one.page for one in given}
    order = [*answer.cited, *(number for number in pages if number not in answer.cited)]
    return PageAnswer(
        answer=answer.text,
        sources=[_source(number, pages[number], cited=number in answer.cited) for number in order],
        grounded=bool(answer.cited),
        note=_note(answer),
        by=by,
        prompt=prompt,
        provider=done.provider,
        model=done.model,
        tokens_in=done.tokens_in,
        tokens_out=done.tokens_out,
    )


def _source(number: int, page: PageFound, *, cited: bool) -> AnswerSource:
    return AnswerSource(
        number=number,
        cited=cited,
        title=page.title,
        url=page.url,
        space=page.space_key,
        version=page.version,
        updated_at=page.updated_at,
    )


def _note(answer: CitedAnswer) -> str | None:
    said = []
    if answer.dropped:
        numbers = ", ".join(map(str, answer.dropped))
        said.append(f"It cited sources that do not exist ({numbers}); these marks were taken out.")
    if not answer.cited:
        said.append("It cites no source, so nothing shows that it comes from the wiki.")
    return " ".join(said) or None
