"""A brief of articles: by a language model, or in the sources' own first sentences where there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, model_validator

from llmcoder import Context, Effect, Model, NotConfigured, NotFound, Retry, action
from llmcoder.declare.filter import Number
from llmcoder.language import Completion, LanguageModel
from llmcoder.prompts import Prompts
from models.db.database import reading
from tasks.news.article_list import ARTICLES, SHOWN, own, shown
from tasks.news.markup import shortened, text_of
from tasks.news.records import Article, ArticleFilter
from tasks.news.tables import stories

PROMPTS = Prompts(Path(__file__).parent / "prompts")
MOST_ARTICLES = 40
CHARS_OF_EACH, CHARS_OF_ALL = 2_000, 24_000
MOST_TOKENS = 1_500
_CITED = re.compile(r"\s?\[(\d{1,3})\]")


class BriefRequest(ArticleFilter):
    """Which articles are summarised, and how."""

    article_ids: list[UUID] = Field(
        default_factory=list, max_length=MOST_ARTICLES,
        description="These, by their ids; else the newest ones that fulfil all that is asked for.",
    )  # fmt: skip
    limit: Number = Field(10, ge=1, le=MOST_ARTICLES, description="Most articles to read.")
    sentences: Number = Field(5, ge=1, le=30, description="About how many sentences the summary has.")
    language: str | None = Field(
        None, min_length=2, max_length=40, pattern=r"^[\w .()-]+$",
        description="Language of the summary, such as German or de; that of the articles when left out.",
    )  # fmt: skip
    instructions: str | None = Field(
        None, min_length=1, max_length=2000, description="What the summary should look at, or for whom it is."
    )
    method: Literal["auto", "llm", "extractive"] = Field(
        "auto",
        description="`llm` writes, `extractive` takes the articles' own first sentences; `auto` writes where a "
        "language model is configured.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.article_ids and self.given().keys() & set(ArticleFilter.model_fields):
            raise ValueError("give `article_ids` or a filter, and not both")
        return self


class BriefSource(Model):
    """An article that was read."""

    number: int = Field(description="By which the summary cites it.")
    article_id: UUID = Field(description="The article.")
    title: str = Field(description="Its title.")
    url: str = Field(description="Its address.")
    sources: list[str] = Field(description="Who tells it.")


class NewsSummary(Model):
    """A summary of articles, and how it came about."""

    summary: str = Field(description="The summary; numbers in brackets are those of `articles`.")
    method: Literal["llm", "extractive"] = Field(description="Written by a language model, or the articles' own words.")
    note: str | None = Field(description="What of the request could not be honoured, and why.")
    articles: list[BriefSource] = Field(description="What was read.")
    provider: str | None = Field(None, description="Which provider's model wrote it.")
    model: str | None = Field(None, description="Which model.")
    tokens_in: int | None = Field(None, description="Prompt tokens; null when the provider did not say.")
    tokens_out: int | None = Field(None, description="Generated tokens, likewise.")
    prompt: str | None = Field(None, description="Name and version of the prompt.")


@action("news.summarize", effect=Effect.DRAFT, outside=True, timeout_s=600, retry=Retry(attempts=4, first_wait_s=5))
def summarize(wanted: BriefRequest, ctx: Context) -> NewsSummary:
    """Summarise articles: some, or the newest of a topic or a search.

    A statement cites the article that it is from. Without a language model the summary is made of the articles' own
    first sentences, and `method` says so. To summarise the page behind an article, use document.summarize.
    """
    articles = _wanted(wanted, ctx)
    if not articles:
        raise NotFound("No article fulfils all that is asked for.")
    sources = [
        BriefSource(number=number, article_id=one.id, title=one.title, url=one.url,
                    sources=list(dict.fromkeys(source.feed for source in one.sources)))
        for number, one in enumerate(articles, 1)
    ]  # fmt: skip
    model = _model(wanted, ctx)
    if model is None:
        return _picked(wanted, articles, sources)
    completion = _written(wanted, articles, model, ctx)
    return NewsSummary(
        summary=_cited(completion.text, len(articles)), method="llm",
        note="It ended at its limit, so its end is missing." if completion.cut_off else None, articles=sources,
        provider=completion.provider, model=completion.model, tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out, prompt=PROMPTS["brief"].name,
    )  # fmt: skip


def _wanted(wanted: BriefRequest, ctx: Context) -> list[Article]:
    if not wanted.article_ids:
        asked = ArticleFilter(**{name: getattr(wanted, name) for name in ArticleFilter.model_fields})
        with_ids = [one.id for one in ARTICLES.page(ctx.user.id, None, wanted.limit, asked).items]
    else:
        with_ids = list(dict.fromkeys(wanted.article_ids))
    with reading("articles") as conn:
        query = sa.select(stories).where(own.id.in_(with_ids), own.user_id == ctx.user.id, SHOWN)
        found = {one.id: one for one in shown(conn, conn.execute(query).all(), whole=True)}
    if missing := [str(one) for one in wanted.article_ids if one not in found]:
        raise NotFound(f"You have no article {missing[0]}.")
    return [found[one] for one in with_ids if one in found]


def _model(wanted: BriefRequest, ctx: Context) -> LanguageModel | None:
    """The model to ask; None where sentences are taken."""
    if wanted.method == "extractive":
        return None
    try:
        model = ctx.use(LanguageModel)
    except NotConfigured:
        if wanted.method == "llm":
            raise
        return None
    return model if wanted.method == "llm" or model.configured() else None


def _written(wanted: BriefRequest, articles: Sequence[Article], model: LanguageModel, ctx: Context) -> Completion:
    chars = min(CHARS_OF_EACH, CHARS_OF_ALL // len(articles))
    content = "\n\n".join(_as_data(number, one, chars) for number, one in enumerate(articles, 1))
    wishes = f"\n\nWhat the reader asks for: {wanted.instructions}" if wanted.instructions else ""
    language = wanted.language or "the language that most of the articles are in"
    messages = PROMPTS["brief"].messages(content, sentences=wanted.sentences, language=language, wishes=wishes)
    return model.complete(messages, max_tokens=MOST_TOKENS, stream=True)


def _as_data(number: int, article: Article, chars: int) -> str:
    names = ", ".join(dict.fromkeys(one.feed for one in article.sources))
    text = text_of(article.content) if article.content else article.summary
    return f"[{number}] {article.title}\n{names}, {article.published_at:%Y-%m-%d %H:%M} UTC\n{shortened(text, chars)}"


def _cited(text: str, count: int) -> str:
    """Without numbers that no article has."""
    return _CITED.sub(lambda found: found[0] if 1 <= int(found[1]) <= count else "", text).strip()


def _picked(wanted: BriefRequest, articles: Sequence[Article], sources: list[BriefSource]) -> NewsSummary:
    said = [f"{_first_sentence(one)} [{number}]" for number, one in enumerate(articles[: wanted.sentences], 1)]
    why = "as asked" if wanted.method == "extractive" else "no language model is configured"
    ignored = [f"`{name}`" for name in ("language", "instructions") if getattr(wanted, name)]
    without = f" {' and '.join(ignored)} had no effect." if ignored else ""
    return NewsSummary(
        summary="\n".join(said), method="extractive",
        note=f"The sentences are the articles' own: {why}.{without}", articles=sources,
    )  # fmt: skip


def _first_sentence(article: Article) -> str:
    """How an article begins; its title, where it says no more."""
    from sentencex import segment

    text = article.summary
    if not text or text == article.title:
        return article.title
    first = next((one.strip() for one in segment("en", text[:2_000]) if one.strip()), text)
    return f"{article.title}: {shortened(first, 400)}"
