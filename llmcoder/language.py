"""The interface of a language model, for every action that drafts, summarises or answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Completion:
    """What a model answered, and what it cost.

    Attributes:
        provider: Which configured provider answered, such as `openai`.
        tokens_in: Prompt tokens as the provider counted them; None when it did not say.
        tokens_out: Generated tokens, likewise.
    """

    text: str
    provider: str
    model: str
    tokens_in: int | None
    tokens_out: int | None


class LanguageModel(ABC):
    """Whichever providers are configured, in the order of preference."""

    @abstractmethod
    def configured(self) -> bool:
        """Whether there is any provider to ask."""

    @abstractmethod
    def complete(
        self,
        messages: Sequence[Message],
        *,
        provider: str | None = None,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        stream: bool = False,
    ) -> Completion:
        """Ask for the next message.

        Args:
            provider: Ask this one and no other; None asks by the configured order, falling back while an error
                says that nothing was generated.
            model: The provider's name of a model; None takes the configured one.
            max_tokens: Upper limit of generated tokens.
            temperature: 0 to 2; None leaves it to the provider.
            stream: Whether the text goes to the job's watchers as it is generated.

        Raises:
            NotConfigured: No provider is configured, or not the one asked for.
            BadInput: The provider refused the request itself.
            RateLimited: The provider asks to wait.
            Transient: No provider could be reached, or was able to answer.
        """
