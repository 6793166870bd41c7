"""Summarise a document: a web page, a PDF, or a text that is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from llmcoder import BadInput, Context, Effect, Model, NotConfigured, Retry, action
from llmcoder.language import LanguageModel
from tasks.document.drafting import Drafter, SummaryStyle
from tasks.document.page import ParsedDocument
from tasks.document.reading import Tick, read
from tasks.document.settings import DocumentSettings

MAX_TEXT_CHARS = 1_000_000
#: Dozens of parts, each read by a local model on a slow machine.
TIMEOUT_S = 1800


class Source(Model):
    """A document and how its summary should be."""

    url: str | None = Field(
        None,
        max_length=8192,
        description="Address of a web page, PDF or text; http or https. Give this or `text`.",
        examples=["https://docs.python.org/3/library/idle.html"],
    )
    text: str | None = Field(
        None, min_length=1, max_length=MAX_TEXT_CHARS, description="The document itself, as plain text or Markdown."
    )
    sentences: int = Field(5, ge=1, le=30, description="About how many sentences the summary has.", examples=[5])
    language: str | None = Field(
        None,
        min_length=2,
        max_length=40,
        pattern=r"^[\w .()-]+$",
        description="Language of the summary, such as German or de; the document's own when left out.",
    )
    instructions: str | None = Field(
        None, min_length=1, max_length=2000, description="What the summary should look at, or for whom it is."
    )
    method: Literal["auto", "llm", "extractive"] = Field(
        "auto",
        description="`llm` writes, `extractive` picks sentences of the document; `auto` writes where a language model "
        "is configured and picks where none is.",
    )

    @model_validator(mode="after")
    def _one_document(self) -> Self:
        from llmcoder.net.guard import parse_target

        if (self.url is None) == (self.text is None):
            raise ValueError("give either `url` or `text`")
        try:
            parse_target(self.url or "http://example.org/")
        except BadInput as error:
            raise ValueError(error.detail) from None
        return self


class Summary(Model):
    """A summary, and how it came about."""

    title: str | None = Field(description="What the document calls itself; null when it does not.")
    summary: str = Field(description="The summary.")
    method: Literal["llm", "extractive"] = Field(
        description="Written by a language model, or the document's own words."
    )
    note: str | None = Field(description="What of the request could not be honoured, and why.")
    source_url: str | None = Field(description="Where the document was found, after redirects.")
    media_type: str = Field(description="What kind of document it was, such as text/html.")
    words: int = Field(description="Words of the document's main text.")
    provider: str | None = Field(None, description="Which provider's model wrote it.")
    model: str | None = Field(None, description="Which model.")
    tokens_in: int | None = Field(None, description="Prompt tokens of all calls; null when the provider did not say.")
    tokens_out: int | None = Field(None, description="Generated tokens of all calls, likewise.")
    prompt: str | None = Field(None, description="Name and version of the last prompt, such as whole/1.")


@action(
    "document.summarize",
    effect=Effect.DRAFT,
    timeout_s=TIMEOUT_S,
    retry=Retry(attempts=4, first_wait_s=5),
    outside=True,
)
def summarize(given: Source, ctx: Context) -> Summary:
    """Summarise a web page, a PDF or a text.

    Takes HTML, plain text, Markdown and PDF. A long document is read in parts. Without a language model the summary is
    made of the document's own most telling sentences, and `method` says so. A model that is configured and fails does
    not: then the job is tried again.
    """
    page = _page(given, ctx)
    model = _model(given, ctx)
    if model is None:
        return _picked(given, page, ctx)
    return _written(given, page, model, ctx)


def _page(given: Source, ctx: Context) -> ParsedDocument:
    if given.text is not None:
        return read(given.text.encode("utf-8", "replace"), "text/plain; charset=utf-8", "The text")
    from tasks.document.fetching import fetch

    url = given.url or ""
    ctx.progress(0.0, f"Fetching {urlsplit(url).hostname}")
    answer = fetch(url, ctx)
    ctx.progress(0.1, "Finding the text")
    page = read(answer.body, answer.headers.get("content-type", ""), answer.url, _ticker(ctx))
    name = unquote(urlsplit(answer.url).path.rpartition("/")[2])  # of the file, for a document that has no title
    return replace(page, url=answer.url, title=page.title or name or None)


def _ticker(ctx: Context) -> Tick:
    def tick(done: int, of: int) -> None:
        ctx.progress(0.1 + 0.1 * done / of, f"Reading page {done + 1} of {of}")

    return tick


def _model(given: Source, ctx: Context) -> LanguageModel | None:
    """The model to ask; None where sentences are to be picked."""
    if given.method == "extractive":
        return None
    try:
        model = ctx.use(LanguageModel)
    except NotConfigured:
        if given.method == "llm":
            raise
        return None
    if not model.configured() and given.method == "auto":
        return None
    return model


def _picked(given: Source, page: ParsedDocument, ctx: Context) -> Summary:
    from tasks.document.extractive import summary

    ctx.progress(0.5, "Choosing sentences")
    return Summary(
        title=page.title,
        summary=summary(page, given.sentences),
        method="extractive",
        note=_why_picked(given),
        source_url=page.url,
        media_type=page.media_type,
        words=page.words,
    )


def _why_picked(given: Source) -> str:
    why = "as asked" if given.method == "extractive" else "no language model is configured"
    ignored = [f"`{name}`" for name in ("language", "instructions") if getattr(given, name)]
    without = f" {' and '.join(ignored)} had no effect." if ignored else ""
    return f"The sentences are the document's own: {why}.{without}"


def _written(given: Source, page: ParsedDocument, model: LanguageModel, ctx: Context) -> Summary:
    wish = SummaryStyle(given.sentences, given.language, given.instructions)
    drafter = Drafter(ctx, model, wish, ctx.settings(DocumentSettings).document_chunk_chars)
    summary = drafter.summary(page.text)
    last = drafter.completions[-1]
    return Summary(
        title=page.title,
        summary=summary,
        method="llm",
        note=None,
        source_url=page.url,
        media_type=page.media_type,
        words=page.words,
        provider=last.provider,
        model=last.model,
        tokens_in=drafter.tokens_in,
        tokens_out=drafter.tokens_out,
        prompt=drafter.prompt,
    )
