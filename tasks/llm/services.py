"""Offers `LanguageModel` to all domains: asks the configured providers in their order until one generates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from llmcoder.context import Context
from llmcoder.declare.service import provides
from llmcoder.errors import (
    ActionError,
    Forbidden,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    TimedOut,
    Transient,
)
from llmcoder.language import Completion, Embeddings, LanguageModel, Message
from llmcoder.usage import ProviderCall, UsageLedger
from tasks.llm import client
from tasks.llm.asking import LIMITED, Ask, Headers, Hearer, Unheard
from tasks.llm.prices import estimated_tokens
from tasks.llm.settings import LlmSettings

# Another provider may do better at these. A BadInput is not among them: the request itself is at fault.
ELSEWHERE = (Forbidden, NotConfigured, NotFound, RateLimited, Refused, Transient)
#: A call that is under way counts with so many generated tokens, or with fewer where the caller allows no more.
RESERVED_TOKENS_OUT = 500
#: What one request embeds; OpenAI takes 2,048 texts and 300,000 tokens.
EMBEDDED_AT_ONCE = 64
EMBEDDED_TOKENS_AT_ONCE = 100_000


@provides(UsageLedger)
def usage_ledger(ctx: Context) -> UsageLedger:
    from tasks.llm.usage import SqlLedger  # loads the database

    return SqlLedger(ctx)


@provides(LanguageModel)
def language_model(ctx: Context) -> LanguageModel:
    return ConfiguredModels(ctx)


class ConfiguredModels(LanguageModel):
    """The providers that the settings name, for one attempt of one job."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._settings = ctx.settings(LlmSettings)
        self._ledger = ctx.use(UsageLedger)

    def configured(self) -> bool:
        return bool(self._settings.configured())

    def complete(
        self,
        messages: Sequence[Message],
        *,
        provider: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stream: bool = False,
        schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        if not self.configured():
            raise NotConfigured(f"No language model is configured: set {', '.join(self._settings.missing())}.")
        ask = Ask(tuple(messages), model, max_tokens, temperature, schema)
        names = (provider,) if provider else self._settings.configured()
        errors: list[ActionError] = []
        for name in names:
            hearing = Hearing(self._ctx, self._ledger, name, ask, stream=stream, heeded=self._nobody_else_to_ask())
            try:
                return self._ask(name, ask, hearing)
            except ELSEWHERE as error:
                if hearing.anything:  # watchers have seen the beginning of this answer; another must not follow it
                    raise
                errors.append(error)
        raise most_helpful(errors)

    def can_embed(self) -> bool:
        return self._settings.embedding() is not None

    def embed(self, texts: Sequence[str]) -> Embeddings:
        found = self._settings.embedding()
        if found is None:
            raise NotConfigured(
                "No embedding model is configured: set OPENAI_EMBEDDING_MODEL or OLLAMA_EMBEDDING_MODEL."
            )
        vectors: list[list[float]] = []
        for some in in_batches([text or " " for text in texts]):  # OpenAI refuses an empty one
            self._ctx.check()
            vectors += self._embed_some(some, *found)
        return Embeddings("/".join(found), of_length_one(vectors, found[1]))

    def _embed_some(self, texts: Sequence[str], name: str, model: str) -> list[list[float]]:
        provider = client.provider(name, self._settings, self._silence_s())
        call_id = self._ledger.begin(ProviderCall(name, model, "embedding", sum(map(estimated_tokens, texts)), 0))
        try:
            vectors, tokens = provider.embed(texts, model)
        except Unheard:  # it may be billed: what was taken down stands
            raise
        except ActionError:
            self._ledger.drop(call_id)
            raise
        self._ledger.end(call_id, model, tokens, 0, 0)
        if len(vectors) != len(texts):
            raise Transient(f"{model} gave {len(vectors)} vectors for {len(texts)} texts.")
        return vectors

    def _ask(self, name: str, ask: Ask, hearing: Hearing) -> Completion:
        try:
            done = client.provider(name, self._settings, self._silence_s()).complete(ask, hearing)
        except ActionError as error:
            hearing.broke_off(error)
            raise
        hearing.ended(done)
        return done

    def _silence_s(self) -> float:
        return min(self._settings.llm_timeout_s, max(self._ctx.remaining_s, 1.0))

    def _nobody_else_to_ask(self) -> bool:
        return len(self._settings.configured()) == 1


class Hearing(Hearer):
    """One call: taken down before it is made, completed by what was heard of it.

    It is also the place where a cancellation or the deadline ends a generation.

    Args:
        heeded: Whether what the provider says of its limits holds for everybody. Where there is a second provider to go
            to, nobody waits for the first: a pause would hold for both.

    Attributes:
        anything: Whether any text came.
    """

    def __init__(self, ctx: Context, ledger: UsageLedger, name: str, ask: Ask, *, stream: bool, heeded: bool) -> None:
        self._ctx, self._ledger, self._name, self._ask = ctx, ledger, name, ask
        self._stream, self._heeded = stream, heeded
        self._call: tuple[UUID, str] | None = None
        self._begun = False
        self._pieces: list[str] = []
        self._thought_chars = 0

    @property
    def anything(self) -> bool:
        return any(self._pieces)

    def asking(self, model: str) -> None:
        size = sum(estimated_tokens(message.text) for message in self._ask.messages)
        reserved = min(self._ask.max_tokens or RESERVED_TOKENS_OUT, RESERVED_TOKENS_OUT)
        self._call = self._ledger.begin(ProviderCall(self._name, model, "chat", size, reserved)), model

    def headers(self, headers: Headers) -> None:
        if self._heeded:
            self._ctx.heed(headers, provider=LIMITED)

    def text(self, piece: str, thought_chars: int = 0) -> None:
        self._begun = True
        self._thought_chars += thought_chars
        if self._ctx.remaining_s <= 0:
            raise TimedOut("The model was still writing when the time of this job ran out; ask for fewer tokens.")
        self._pieces.append(piece)
        if self._stream and piece:
            self._ctx.emit_token(piece)
        else:
            self._ctx.check()

    def ended(self, done: Completion) -> None:
        """The answer is whole."""
        if self._call is not None:
            written = estimated_tokens(done.text) + self._thought_tokens
            self._ledger.end(self._call[0], done.model, done.tokens_in, done.tokens_out, written)

    def broke_off(self, error: ActionError) -> None:
        """What came counts. What was sent and never answered counts as it was begun. What was refused does not."""
        if self._call is None:
            return
        call_id, model = self._call
        if self._begun:
            self._ledger.end(call_id, model, None, None, self._tokens_heard())
        elif not isinstance(error, Unheard):
            self._ledger.drop(call_id)

    def _tokens_heard(self) -> int:
        return estimated_tokens("".join(self._pieces)) + self._thought_tokens

    @property
    def _thought_tokens(self) -> int:
        return estimated_tokens("x" * self._thought_chars)


def most_helpful(errors: Sequence[ActionError]) -> ActionError:
    """The one error that stands for those of all providers: one that waiting heals before one that only a person can.

    A rate limit goes first, because it knows when it ends and waiting for it costs no attempt.
    """
    limits = [error for error in errors if isinstance(error, RateLimited)]
    if limits:
        return min(limits, key=lambda error: error.retry_at)
    return next((error for error in errors if isinstance(error, Transient)), errors[0])


def in_batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, in lists of which one request can embed each."""
    batch: list[str] = []
    tokens = 0
    for text in texts:
        size = estimated_tokens(text)
        if batch and (len(batch) == EMBEDDED_AT_ONCE or tokens + size > EMBEDDED_TOKENS_AT_ONCE):
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += size
    if batch:
        yield batch


def of_length_one(vectors: Sequence[Sequence[float]], model: str) -> list[list[float]]:
    """The vectors with norm 1; one of nothing but zeros, which some models give a blank text, stays as it is.

    Raises:
        Transient: They are no vectors of one space.
    """
    norms = [math.hypot(*vector) for vector in vectors]
    if len({len(vector) for vector in vectors}) > 1 or not all(map(math.isfinite, norms)):
        raise Transient(f"{model} gave vectors of different lengths, or with values that are no numbers.")
    return [[one / (norm or 1.0) for one in vector] for vector, norm in zip(vectors, norms, strict=True)]
