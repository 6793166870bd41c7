"""What to learn next, of what you did: cards drafted from your own records and decisions, and resources that fit."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from pydantic import Field

from llmcoder import BadInput, Context, Effect, Model, NotConfigured, action
from llmcoder.caseless import fold
from llmcoder.declare.filter import Number
from llmcoder.errors import ActionError, Cancelled, RateLimited
from llmcoder.language import LanguageModel, PromptUse
from llmcoder.prompts import Prompts
from llmcoder.text import storable
from models.db.database import database, reading
from tasks.learning import drafting, starter
from tasks.learning.incoming import cut
from tasks.learning.material import Material, gathered, places
from tasks.learning.records import Deck, NewCard, NewResource
from tasks.learning.tables import cards, resources

PROMPTS = Prompts(Path(__file__).parent / "prompts")
DEFAULT_DECK = "From my own work"
TIMEOUT_S = 180.0
MOST_TOKENS = 4_000
#: What a model is given; a tenth of what most of them read.
MOST_CHARS = 40_000
MOST_RESOURCES = 5


class SuggestionRequest(Model):
    """What to draft from, and how much."""

    places: list[str] = Field(
        default_factory=list,
        max_length=50,
        description="Where to look: `jobs` for what you approved, `general/notes` for your notes, and every other "
        "collection that lets itself be read; all of them when left out.",
        examples=[["general/notes"]],
    )
    days: Number = Field(30, ge=1, le=3_650, description="Only what is not older than so many days.", examples=[30])
    most: Number = Field(10, ge=1, le=50, description="Most cards to draft.", examples=[10])
    deck: Deck = Field(DEFAULT_DECK, description="The deck that the drafts name.")
    again: bool = Field(False, description="Whether records count as well of which you have a card already.")
    use_model: bool = Field(True, description="Whether a language model drafts, where there is one.")


class SuggestedResource(Model):
    """A resource that fits what you do."""

    resource: NewResource = Field(description="As learning.add_resource takes it.")
    because: str = Field(description="Why.")


class Suggestions(Model):
    """What you might learn; nothing of it is kept before you say so."""

    cards: list[NewCard] = Field(description="Drafts, as learning.add_cards takes them; each names its source.")
    resources: list[SuggestedResource] = Field(description="Of those that come with the engine.")
    looked_at: int = Field(description="How many records and jobs were read.")
    note: str | None = Field(None, description="Why there is nothing, or why no model drafted.")
    prompt: str | None = Field(None, description="By which prompt they were drafted; null where by words alone.")
    model: str | None = Field(None, description="By which model; likewise.")
    tokens_in: int | None = Field(None, description="Prompt tokens of that.")
    tokens_out: int | None = Field(None, description="Generated tokens of that.")


class DraftedCard(Model):
    """One card."""

    record: int = Field(description="Number of the record that it is made from.")
    front: str = Field(description="The question.")
    back: str = Field(description="The answer, in a few words.")


class DraftedCards(Model):
    """The cards; none where nothing is worth one."""

    cards: list[DraftedCard] = Field(description="Them.")


@action("learning.suggest", effect=Effect.DRAFT, timeout_s=TIMEOUT_S)
def suggest(request: SuggestionRequest, ctx: Context) -> Suggestions:
    """Draft cards from what you noted and approved, each with a link to its source.

    A language model drafts them where one is configured, else the form of what you wrote does. To keep them, give them
    to learning.add_cards.
    """
    all_places = places()
    if unknown := sorted(set(request.places) - set(all_places)):
        raise BadInput(f"places: there is no {', '.join(unknown)}; there is {', '.join(all_places)}.")
    since = database().now() - timedelta(days=request.days)
    materials = gathered(request.places or all_places, since, ctx)
    fresh = materials if request.again else _without_cards(materials, ctx)
    drafts, use, note = _drafted(fresh, request, ctx)
    if not fresh:
        looked_in = ", ".join(request.places or all_places)
        note = f"There is nothing of the last {request.days} days that has no card yet in {looked_in}."
    return Suggestions(
        cards=_new_ones(drafts, ctx),
        resources=_resources(materials, ctx),
        looked_at=len(materials),
        note=note,
        prompt=None if use is None else use.prompt,
        model=None if use is None else use.model,
        tokens_in=None if use is None else use.tokens_in,
        tokens_out=None if use is None else use.tokens_out,
    )


def _without_cards(materials: list[Material], ctx: Context) -> list[Material]:
    own = cards.c
    query = sa.select(own.source_path).where(own.user_id == ctx.user.id, own.source_path.is_not(None)).distinct()
    with reading(cards.name) as conn:
        known = set(conn.execute(query).scalars())
    return [one for one in materials if one.path not in known]


def _drafted(
    materials: list[Material], request: SuggestionRequest, ctx: Context
) -> tuple[list[NewCard], PromptUse | None, str | None]:
    """By a model; without one, or where it fails, by words, and why."""
    note = None
    if request.use_model and materials:
        try:
            model = ctx.use(LanguageModel)
            if model.configured():
                return *_by_model(model, materials, request), None
        except NotConfigured:
            pass
        except (Cancelled, RateLimited):
            raise
        except ActionError as error:
            note = f"No model drafted: {error.detail}"
    drafts = drafting.drafts(materials, request.most)
    return [_card(draft.material, draft.front, draft.back, request.deck) for draft in drafts], None, note


def _by_model(
    model: LanguageModel, materials: list[Material], request: SuggestionRequest
) -> tuple[list[NewCard], PromptUse]:
    records: list[Material] = []
    parts: list[str] = []
    left = MOST_CHARS
    for one in materials:
        part = f"[{len(records) + 1}] {one.title}\n{one.text}"
        if len(part) > left:
            break
        left -= len(part)
        records.append(one)
        parts.append(part)
    prompt = PROMPTS["cards"]
    answer = model.structured(
        prompt.messages("\n\n".join(parts), most=request.most), DraftedCards, max_tokens=MOST_TOKENS
    )
    drafts = [
        _card(records[one.record - 1], front, back, request.deck)
        for one in answer.value.cards[: request.most]
        if 1 <= one.record <= len(records)
        and (front := storable(one.front).strip())
        and (back := storable(one.back).strip())
    ]
    return drafts, PromptUse.of(prompt.name, answer.completions)


def _card(source: Material, front: str, back: str, deck: str) -> NewCard:
    return NewCard(
        front=cut(front), back=cut(back), deck=deck, source_path=source.path, source_title=source.title[:300] or None
    )


def _new_ones(drafted: list[NewCard], ctx: Context) -> list[NewCard]:
    """Those whose question is on no card yet."""
    own = cards.c
    asked = {fold(one.front) for one in drafted}
    with reading(cards.name) as conn:
        query = sa.select(own.front_folded).where(own.user_id == ctx.user.id, own.front_folded.in_(asked))
        known = set(conn.execute(query).scalars())
    return [one for one in drafted if fold(one.front) not in known]


def _resources(materials: list[Material], ctx: Context) -> list[SuggestedResource]:
    """Those of whose topic the records speak most, and that the user does not have."""
    own = resources.c
    with reading(resources.name) as conn:
        own_urls = set(conn.execute(sa.select(own.url).where(own.user_id == ctx.user.id)).scalars())
    texts = [fold(f"{one.title} {one.text}") for one in materials]
    speaking = {
        topic: sum(bool(re.search(rf"\b{re.escape(fold(topic))}\b", text)) for text in texts)
        for topic in starter.topics()
    }
    fitting = [one for one in starter.resources() if one.url not in own_urls and speaking[one.topic]]
    fitting.sort(key=lambda one: -speaking[one.topic])
    return [
        SuggestedResource(resource=one, because=f"{speaking[one.topic]} of your records speak of {one.topic}.")
        for one in fitting[:MOST_RESOURCES]
    ]
