"""The interface of a language model, for every action that drafts, summarises or answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from llmcoder import form as forms
from llmcoder import strict_json
from llmcoder.errors import Transient

T = TypeVar("T", bound=BaseModel)

#: How often an answer of the wrong form is sent back with what is wrong about it.
REPAIRS = 1
#: How much of a wrong answer goes back to the model that wrote it.
RETURNED_CHARS = 20_000


class WrongForm(Transient):
    """The model answered, but not in the form that was asked for; another text may have more luck than another try."""


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
        cut_off: Whether the limit of tokens ended it, so that the end is missing.
    """

    text: str
    provider: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    cut_off: bool = False


@dataclass(frozen=True)
class PromptUse:
    """By which prompt and model a text was written, and what that cost.

    Attributes:
        prompt: Its name with its version.
        tokens_in: Of all calls; None where the provider did not say it of each.
    """

    prompt: str
    model: str
    tokens_in: int | None
    tokens_out: int | None

    @classmethod
    def of(cls, prompt: str, completions: Sequence[Completion]) -> PromptUse:
        return cls(prompt, completions[-1].model, *_tokens(completions))

    @classmethod
    def sum(cls, uses: Sequence[PromptUse]) -> PromptUse | None:
        """All of it together; None where nothing was written."""
        return cls(uses[-1].prompt, uses[-1].model, *_tokens(uses)) if uses else None


def _tokens(calls: Sequence[Completion] | Sequence[PromptUse]) -> tuple[int | None, int | None]:
    return total(call.tokens_in for call in calls), total(call.tokens_out for call in calls)


def total(counts: Iterable[int | None]) -> int | None:
    """The sum of counts; None where one of them is not known."""
    listed = list(counts)
    known = [count for count in listed if count is not None]
    return sum(known) if len(known) == len(listed) else None


@dataclass(frozen=True)
class Structured(Generic[T]):
    """An answer of a form that was asked for.

    Attributes:
        completions: Every call that it took, the last one being the answer.
    """

    value: T
    completions: tuple[Completion, ...]

    @property
    def model(self) -> str:
        return self.completions[-1].model


@dataclass(frozen=True)
class Embeddings:
    """Texts as points whose angle says how alike their meanings are.

    Attributes:
        model: Which model made them; those of different models cannot be compared.
        vectors: One for each text, in their order, all of one length and of norm 1.
    """

    model: str
    vectors: list[list[float]]


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
        schema: Mapping[str, Any] | None = None,
    ) -> Completion:
        """Ask for the next message.

        Args:
            provider: Ask this one and no other; None asks by the configured order, falling back while an error
                says that nothing was generated.
            model: The provider's name of a model; None takes the configured one.
            max_tokens: Upper limit of generated tokens.
            temperature: 0 to 2; None leaves it to the provider.
            stream: Whether the text goes to the job's watchers as it is generated.
            schema: JSON schema of the answer, for providers that can hold a model to one; given up where they cannot.

        Raises:
            NotConfigured: No provider is configured, or not the one asked for.
            BadInput: The provider refused the request itself.
            BudgetSpent: The user's budget of this month does not hold it; nothing was asked.
            RateLimited: The provider asks to wait.
            Transient: No provider could be reached, or was able to answer.
        """

    def structured(
        self,
        messages: Sequence[Message],
        form: type[T],
        *,
        max_tokens: int | None = None,
    ) -> Structured[T]:
        """Ask for an answer of a given form; a wrong one goes back to the model once, with what is wrong about it.

        The temperature is left to the provider: OpenAI's reasoning models refuse any but their own.

        Args:
            form: Its fields' descriptions are what the model knows of them.

        Raises:
            WrongForm: The model does not keep to the form.
            ActionError: As `complete`.
        """
        schema = form.model_json_schema()
        turns = _asking_for(schema, messages)
        done: list[Completion] = []
        complaint = ""
        for _ in range(REPAIRS + 1):
            done.append(self.complete(turns, max_tokens=max_tokens, schema=schema))
            try:
                return Structured(forms.read(done[-1].text, form), tuple(done))
            except forms.Misfit as error:
                cut_off = "the limit of tokens cut it off, so be briefer; " if done[-1].cut_off else ""
                complaint = f"{cut_off}{error}"
            turns += [
                Message("assistant", done[-1].text[:RETURNED_CHARS]),
                Message("user", f"That does not fit the schema: {complaint}. Answer again."),
            ]
        raise WrongForm(f"{done[-1].model} does not answer in the form that was asked for: {complaint}.")

    @abstractmethod
    def can_embed(self) -> bool:
        """Whether a provider has an embedding model configured."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Turn texts into points, in as few requests as the provider takes. An empty text counts as a blank.

        Raises:
            NotConfigured: No embedding model is configured.
            ActionError: As `complete`.
        """


def _asking_for(schema: Mapping[str, Any], messages: Sequence[Message]) -> list[Message]:
    """The conversation with the form in its instructions; many models take one system message, the first, or none."""
    compact = strict_json.write(schema)
    wish = f"Answer with one JSON object of this schema, and nothing else: {compact}"
    if messages and messages[0].role == "system":
        return [Message("system", f"{messages[0].text}\n\n{wish}"), *messages[1:]]
    return [Message("system", wish), *messages]
