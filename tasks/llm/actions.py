"""Ask a language model: one prompt, or a conversation. The registry finds all actions of this domain here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from llmcoder import Context, Effect, Model, Retry, action
from llmcoder.language import LanguageModel, Message
from tasks.llm.settings import LlmSettings, ProviderName
from tasks.llm.usage_actions import usage

__all__ = ["chat", "generate", "usage"]

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
    cut_off: bool = Field(False, description="Whether the limit of tokens ended the text, so that its end is missing.")


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
        cut_off=completion.cut_off,
    )
