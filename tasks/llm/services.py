"""Offers `LanguageModel` to all domains: asks the configured providers in their order until one generates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from llmcoder.context import Context
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
from llmcoder.service import provides
from llmcoder.usage import Call, UsageLedger
from tasks.llm import client
from tasks.llm.prices import estimated_tokens
from tasks.llm.settings import LlmSettings

# Another provider may do better at these. A BadInput is not among them: the request itself is at fault.
ELSEWHERE = (Forbidden, NotConfigured, NotFound, RateLimited, Refused, Transient)


#: Texts that are embedded by one request.
EMBEDDED_AT_ONCE = 64


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
        ask = client.Ask(tuple(messages), model, max_tokens, temperature, schema)
        names = (provider,) if provider else self._settings.configured()
        errors: list[ActionError] = []
        for name in names:
            heard = Listener(self._ctx, stream)
            try:
                return self._ask(name, ask, heard)
            except ELSEWHERE as error:
                if heard.anything:  # watchers have seen the beginning of this answer; another one must not follow it
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
        for first in range(0, len(texts), EMBEDDED_AT_ONCE):
            self._ctx.check()
            vectors += self._embed_some(texts[first : first + EMBEDDED_AT_ONCE], *found)
        return Embeddings("/".join(found), [_of_length_one(one) for one in vectors])

    def _embed_some(self, texts: Sequence[str], name: str, model: str) -> list[list[float]]:
        size = estimated_tokens(sum(map(len, texts)))
        call_id = self._ledger.begin(Call(name, model, "embedding", size))
        try:
            vectors, tokens = client.provider(name, self._settings, self._silence_s()).embed(texts, model)
        except ActionError:
            self._ledger.drop(call_id)
            raise
        self._ledger.end(call_id, model, tokens, 0, 0)
        if len(vectors) != len(texts) or len({len(one) for one in vectors}) != 1:
            raise Transient(f"{model} gave {len(vectors)} vectors for {len(texts)} texts, or of different lengths.")
        return vectors

    def _ask(self, name: str, ask: client.Ask, heard: Listener) -> Completion:
        """One call, taken down before it is made; one that came to nothing at all is not counted."""
        size = estimated_tokens(sum(len(message.text) for message in ask.messages))
        call_id = self._ledger.begin(Call(name, ask.model or self._settings.model_of(name), "chat", size))
        provider = client.provider(name, self._settings, self._silence_s())
        try:
            done = provider.complete(ask, heard, self._heed)
        except ActionError:
            if heard.anything:
                self._ledger.end(call_id, ask.model or self._settings.model_of(name), None, None, heard.chars)
            else:
                self._ledger.drop(call_id)
            raise
        self._ledger.end(call_id, done.model, done.tokens_in, done.tokens_out, len(done.text))
        return done

    def _silence_s(self) -> float:
        return min(self._settings.llm_timeout_s, max(self._ctx.remaining_s, 1.0))

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Where there is a second provider to go to, nobody waits for the first: a pause would hold for both."""
        if len(self._settings.configured()) == 1:
            self._ctx.heed(headers, provider=client.LIMITED)


class Listener:
    """Hears each piece of text; the place where a cancellation or the deadline ends a generation.

    Attributes:
        anything: Whether any text came.
        chars: How much of it.
    """

    def __init__(self, ctx: Context, stream: bool) -> None:
        self._ctx, self._stream = ctx, stream
        self.anything = False
        self.chars = 0

    def __call__(self, text: str) -> None:
        if self._ctx.remaining_s <= 0:
            raise TimedOut("The model was still writing when the time of this job ran out; ask for fewer tokens.")
        self.anything = self.anything or bool(text)
        self.chars += len(text)
        if self._stream and text:
            self._ctx.emit_token(text)
        else:
            self._ctx.check()


def most_helpful(errors: Sequence[ActionError]) -> ActionError:
    """The one error that stands for those of all providers: one that waiting heals before one that only a person can.

    A rate limit goes first, because it knows when it ends and waiting for it costs no attempt.
    """
    limits = [error for error in errors if isinstance(error, RateLimited)]
    if limits:
        return min(limits, key=lambda error: error.retry_at)
    return next((error for error in errors if isinstance(error, Transient)), errors[0])


def _of_length_one(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(one * one for one in vector))
    return [one / length for one in vector] if length else list(vector)
