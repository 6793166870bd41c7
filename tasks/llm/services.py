"""Offers `LanguageModel` to all domains: asks the configured providers in their order until one generates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from tasks.llm import client
from tasks.llm.settings import LlmSettings

# Another provider may do better at these. A BadInput is not among them: the request itself is at fault.
ELSEWHERE = (Forbidden, NotConfigured, NotFound, RateLimited, Refused, Transient)


@provides(LanguageModel)
def language_model(ctx: Context) -> LanguageModel:
    return ConfiguredModels(ctx)


class ConfiguredModels(LanguageModel):
    """The providers that the settings name, for one attempt of one job."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._settings = ctx.settings(LlmSettings)

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
        return False

    def embed(self, texts: Sequence[str]) -> Embeddings:
        raise NotConfigured("No embedding model is configured.")

    def _ask(self, name: str, ask: client.Ask, heard: Callable[[str], None]) -> Completion:
        silence_s = min(self._settings.llm_timeout_s, max(self._ctx.remaining_s, 1.0))
        return client.provider(name, self._settings, silence_s).complete(ask, heard, self._heed)

    def _heed(self, headers: Mapping[str, str]) -> None:
        """Where there is a second provider to go to, nobody waits for the first: a pause would hold for both."""
        if len(self._settings.configured()) == 1:
            self._ctx.heed(headers, provider=client.LIMITED)


class Listener:
    """Hears each piece of text; the place where a cancellation or the deadline ends a generation.

    Attributes:
        anything: Whether any text came.
    """

    def __init__(self, ctx: Context, stream: bool) -> None:
        self._ctx, self._stream = ctx, stream
        self.anything = False

    def __call__(self, text: str) -> None:
        if self._ctx.remaining_s <= 0:
            raise TimedOut("The model was still writing when the time of this job ran out; ask for fewer tokens.")
        self.anything = self.anything or bool(text)
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
