"""Ask a language model: one prompt, or a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from llmcoder import Context, Effect, Model, Retry, action
from llmcoder.instants import WrittenInstant
from llmcoder.language import LanguageModel, Message
from tasks.llm.prices import MICROCENTS
from tasks.llm.settings import LlmSettings, ProviderName

if TYPE_CHECKING:
    from tasks.llm.usage import Used

MAX_CHARS = 1_000_000
# Local models on slow machines write for minutes; a client's own limit is the silence between tokens (LLM_TIMEOUT_S).
TIMEOUT_S = 900
RETRY = Retry(attempts=4, first_wait_s=5)

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARS, strip_whitespace=False)]


class Sampling(Model):
    """What both actions let the caller choose; all of it may be left out."""

    provider: ProviderName | None = Field(
        None, description="Ask this provider and no other; left out, the configured order is followed."
    )
    model: str | None = Field(
        None, min_length=1, max_length=200, description="The provider's name of a model; left out, the configured one."
    )
    max_tokens: int | None = Field(
        None, ge=1, le=1_000_000, description="Most tokens to generate; left out, the provider's limit.", examples=[400]
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="0 is the most predictable, 2 the most varied; left out, the provider's choice."
    )


class Prompt(Sampling):
    """A question for a language model."""

    prompt: Text = Field(description="What to write or answer.", examples=["Explain a lease in two sentences."])
    system: Text | None = Field(
        None, description="Standing instructions: role, tone, format.", examples=["You are a terse technical writer."]
    )


class Turn(Model):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.")
    content: Text = Field(description="What is said.")


class Conversation(Sampling):
    """A conversation so far, oldest message first."""

    messages: list[Turn] = Field(
        min_length=1,
        max_length=1000,
        description="Messages, oldest first; the model writes the next one.",
        examples=[[{"role": "user", "content": "Which port does the API listen on?"}]],
    )


class Answer(Model):
    """What a model wrote, and what it cost."""

    text: str = Field(description="The generated text.")
    provider: str = Field(description="Which provider wrote it.")
    model: str = Field(description="Which model, as the provider names it.")
    tokens_in: int | None = Field(description="Tokens of the prompt; null when the provider did not say.")
    tokens_out: int | None = Field(description="Tokens generated; null when the provider did not say.")


@action("llm.generate", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY, requires=(LlmSettings,))
def generate(given: Prompt, ctx: Context) -> Answer:
    """Write a text from one prompt.

    The text is streamed to watchers as it is generated. For a conversation of several turns use llm.chat.
    """
    system = [Message("system", given.system)] if given.system else []
    return _answer([*system, Message("user", given.prompt)], given, ctx)


@action("llm.chat", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY, requires=(LlmSettings,))
def chat(given: Conversation, ctx: Context) -> Answer:
    """Write the next message of a conversation.

    The text is streamed to watchers as it is generated. For a single question use llm.generate.
    """
    return _answer([Message(turn.role, turn.content) for turn in given.messages], given, ctx)


class UsageQuery(Model):
    """Which calls to count."""

    since: WrittenInstant | None = Field(None, description="From this instant; this month if left out.")
    until: WrittenInstant | None = Field(None, description="Up to this instant; now if left out.")
    by: list[Literal["day", "action", "model"]] = Field(
        default_factory=list, max_length=3, description="Counted apart by these; all together if left out."
    )


class UsageRow(Model):
    """What was used."""

    day: str | None = Field(None, description="On which day, UTC.")
    action: str | None = Field(None, description="By which action.")
    model: str | None = Field(None, description="Of which model, as provider/model.")
    calls: int = Field(description="Calls to providers.")
    tokens_in: int = Field(description="Tokens of prompts.")
    tokens_out: int = Field(description="Generated tokens.")
    estimated_calls: int = Field(description="Calls of which the provider did not say how many tokens.")
    cost_cents: float = Field(description="Cost of the calls that have a price (LLM_PRICES).")
    unpriced_calls: int = Field(description="Calls of models without a price.")


class BudgetView(Model):
    """What you may use in a calendar month (UTC), and what of it is used."""

    cents: int | None = Field(description="Money; null is without limit.")
    tokens: int | None = Field(description="Tokens; null is without limit.")
    used_cents: float = Field(description="Spent this month.")
    used_tokens: int = Field(description="Used this month.")


class Usage(Model):
    """What you used of language models."""

    rows: list[UsageRow] = Field(description="The newest day first, then the dearest.")
    budget: BudgetView = Field(description="Your budget.")


@action("llm.usage", effect=Effect.READ, timeout_s=30)
def usage(wanted: UsageQuery, ctx: Context) -> Usage:
    """Count what you used of language models, by day, action or model."""
    from models.db import database, reading
    from tasks.llm import usage as ledger

    now = database().now()
    month = ledger.month_of(now)
    groups = list(dict.fromkeys(wanted.by))
    found = ledger.used_by(ctx.user.id, wanted.since or month, wanted.until or now, groups)
    with reading("usage") as conn:
        spent = ledger.used_since(conn, ctx.user.id, month)
    budget = ctx.settings(LlmSettings).budget_of(ctx.user.email)
    return Usage(
        rows=[_row(keys, used) for keys, used in found if used.calls],
        budget=BudgetView(
            cents=budget.cents,
            tokens=budget.tokens,
            used_cents=spent.cost_microcents / MICROCENTS,
            used_tokens=spent.tokens_in + spent.tokens_out,
        ),
    )


def _row(keys: dict[str, str], used: Used) -> UsageRow:
    return UsageRow(
        **keys,
        calls=used.calls,
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        estimated_calls=used.estimated,
        cost_cents=used.cost_microcents / MICROCENTS,
        unpriced_calls=used.unpriced,
    )


def _answer(messages: Sequence[Message], sampling: Sampling, ctx: Context) -> Answer:
    ctx.progress(0.0, "Waiting for the model")
    completion = ctx.use(LanguageModel).complete(
        messages,
        provider=sampling.provider,
        model=sampling.model,
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        stream=True,
    )
    return Answer(
        text=completion.text,
        provider=completion.provider,
        model=completion.model,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
    )
