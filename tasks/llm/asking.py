"""What the providers share: the request, who hears what comes of it, and the errors that an answer stands for.

Silence and broken connections are `Transient` here, never `Uncertain`: generating text changes nothing outside, so
asking again costs tokens and nothing else.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmcoder.errors import ActionError, BadInput, Forbidden, NotConfigured, NotFound, RateLimited, Refused, Transient
from llmcoder.language import Completion, Message
from llmcoder.retry_after import retry_at
from llmcoder.text import one_line
from tasks.llm.thoughts import ThoughtFilter

if TYPE_CHECKING:
    import httpx

#: Whose limits a refusal or an answer speaks of, whichever domain asked: the provider of this domain's actions.
LIMITED = "llm"
CONNECT_TIMEOUT_S = 5.0
REASON_LIMIT = 300
#: No call has more; what claims to is no count.
MOST_TOKENS = 1_000_000_000

Headers = Mapping[str, str]


class Unheard(Transient):
    """The request went out and no answer came: it may have been worked on, and be billed."""


@dataclass(frozen=True)
class Ask:
    """One request for a completion; what is None is left to the provider."""

    messages: Sequence[Message]
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    schema: Mapping[str, Any] | None = None

    def turns(self) -> list[dict[str, str]]:
        return [{"role": message.role, "content": message.text} for message in self.messages]


class Hearer(ABC):
    """Who asks hears what comes of it; whatever it raises ends the request."""

    @abstractmethod
    def asking(self, model: str) -> None:
        """The request goes out next, to this model."""

    @abstractmethod
    def headers(self, headers: Headers) -> None:
        """An answer has begun; only of a provider whose SDK shows its headers."""

    @abstractmethod
    def text(self, piece: str, thought_chars: int = 0) -> None:
        """The next piece of the answer, which may be empty.

        Args:
            thought_chars: How much the model has thought besides, since the piece before; it is billed like the answer.
        """


class AnswerText:
    """An answer as it comes, and who hears it: what the model thinks aloud is kept from both.

    Args:
        model: Its name; see `tasks.llm.thoughts`.
    """

    def __init__(self, hearer: Hearer, model: str) -> None:
        self._hearer = hearer
        self._filter = ThoughtFilter(model)
        self._apart_chars = self._heard_chars = 0  # of thoughts: sent apart, and told of so far
        self._noise = ""

    def add(self, piece: str) -> None:
        """The next piece of the text, as it came."""
        self._hear(self._filter.feed(piece))

    def add_thought(self, piece: str) -> None:
        """The next piece of the thoughts, of a server that sends them apart."""
        self._filter.separate()
        self._apart_chars += len(piece)
        self._hear("")

    def interrupt(self) -> None:
        """Something is missing and will not come: what can only be text is shown, so that nobody else is asked."""
        if not self._filter.may_be_thought:
            self._hear(self._filter.end())

    def add_noise(self, words: str) -> None:
        """Something that is no part of the protocol; it is told where nothing else came."""
        self._noise = self._noise or words

    def whole(self, url: str, model: str, finish: Finish) -> str:
        """All of it has come.

        Raises:
            Refused: There is no answer, for a reason that asking again does not change.
            Transient: It is none, or not all of it.
        """
        self._hear(self._filter.end())
        if finish.is_filter:
            raise Refused(f"The content filter of {model} stopped the answer; change the request.")
        if finish.is_failure:
            raise Transient(f"{url} could not finish the answer ({one_line(finish.reason, 80)}).")
        text = self._filter.text
        if text.strip():
            return text
        if finish.is_cut_off:
            raise Refused(f"{model} had written no answer when the limit of tokens ended it; allow more tokens.")
        raise Transient(f"{model} at {url} gave no answer{self._instead(finish)}.")

    def broken_off(self, url: str) -> Unheard:
        """The error of a stream that ended before its end."""
        return Unheard(f"{url}: the answer broke off before its end{self._said}.")

    def _instead(self, finish: Finish) -> str:
        if finish.is_call:
            return ", but wanted to call a tool, and was offered none"
        if self._filter.thinks:
            return ", only thoughts"
        return self._said

    @property
    def _said(self) -> str:
        return f"; it said: {self._noise}" if self._noise else ""

    def _hear(self, piece: str) -> None:
        hidden = self._apart_chars + self._filter.hidden_chars
        heard, self._heard_chars = self._heard_chars, hidden
        self._hearer.text(piece, max(hidden - heard, 0))


@dataclass(frozen=True)
class Finish:
    """Why a model stopped, in its provider's word, which servers choose as they please.

    Args:
        reason: Empty where it did not say.
    """

    reason: str = ""

    @property
    def is_cut_off(self) -> bool:
        """The limit of tokens ended it."""
        return self.reason.lower() in ("length", "max_tokens", "model_length", "max_length", "limit")

    @property
    def is_filter(self) -> bool:
        """A content filter ended it."""
        return self.reason.lower() in _FILTERED

    @property
    def is_failure(self) -> bool:
        """The server ended it, for a fault or because somebody told it to."""
        return _FAILURE.search(self.reason) is not None

    @property
    def is_call(self) -> bool:
        """The model wants something to be done first."""
        return "tool" in self.reason.lower() or "function" in self.reason.lower()


#: OpenAI's word, GLM's, Anthropic's, and those of Gemini.
_FILTERED = {
    "content_filter",
    "sensitive",
    "refusal",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
}
#: `error` of OpenRouter and LiteLLM, `abort` of vLLM and SGLang, `network_error` of GLM,
#: `insufficient_system_resource` of DeepSeek, `MALFORMED_FUNCTION_CALL` of Gemini, `unload` of Ollama.
_FAILURE = re.compile(
    r"error|fail|abort|cancel|timeout|overload|insufficient|malformed|unavailable|interrupt|disconnect|unload|unexpected",
    re.IGNORECASE,
)


class ModelProvider(ABC):
    """One service that completes text.

    All methods raise: NotConfigured (key or address is wrong), Forbidden, NotFound (no such model), BadInput, Refused,
    RateLimited, Transient (busy or unreachable), Unheard (silent, or the text broke off).
    """

    @abstractmethod
    def complete(self, ask: Ask, hearer: Hearer) -> Completion:
        """Generate."""

    @abstractmethod
    def embed(self, texts: Sequence[str], model: str) -> tuple[list[list[float]], int | None]:
        """A vector for each text, in their order, and the tokens that this took, where the provider says."""

    @abstractmethod
    def check(self) -> str:
        """Ask for the models, and say which one would be used."""


def first_chat_model(models: Sequence[str]) -> str | None:
    """The first model that can chat, by its name; providers list their embedding models among the others."""
    return next((model for model in models if "embed" not in model), None)


def counted(tokens: object) -> int | None:
    """What a provider says that it counted, if it is a count."""
    return tokens if isinstance(tokens, int) and 0 <= tokens < MOST_TOKENS else None


def by_status(status: int, where: str, reason: str, headers: Headers, setting: str) -> ActionError:
    """The error that an answer's status stands for.

    Args:
        status: HTTP status; -1 for an error in the middle of a stream.
        where: The provider's address.
        reason: What the provider said.
        headers: Of the answer.
        setting: The setting to look at when the provider does not let us in.
    """
    match status:
        case 400 | 413 | 422:
            return BadInput(f"{where} does not take this request: {reason}")
        case 401:  # the reason is left out: OpenAI quotes the key in it
            return NotConfigured(f"{where} does not accept our key; correct {setting}.")
        case 402:
            return Refused(f"{where} wants to be paid first: {reason}")
        case 403:
            return Forbidden(f"{where} does not allow this: {reason}")
        case 404:
            return NotFound(f"{where} has no such model or address: {reason}")
        case 429:
            return RateLimited(f"{where} asks to wait: {reason}", retry_at(headers, datetime.now(UTC)), LIMITED)
        case 408 | 409 | 425 | -1:  # 409 is OpenAI's lock timeout
            return Transient(f"{where} could not answer: {reason}")
        case 504 | 524:  # a gateway lost its patience; 524 is Cloudflare's
            return Unheard(f"{where} did not answer in time ({status}): {reason}")
        case _ if status >= 500:
            return Transient(f"{where} failed with {status}: {reason}")
        case _ if status < 400:
            return NotConfigured(f"{where} sends us elsewhere ({status}); set the final address.")
    return Refused(f"{where} refused with {status}: {reason}")


def unanswered(url: str, cause: BaseException | None, timeout_s: float) -> Transient:
    """The error of a request without an answer: whether it was sent decides whether it may be billed."""
    import httpx  # loads with the first call

    if isinstance(cause, httpx.TimeoutException) and not isinstance(cause, httpx.ConnectTimeout | httpx.PoolTimeout):
        return Unheard(f"{url} stayed silent for {timeout_s:.0f} s.")
    if isinstance(cause, httpx.ReadError | httpx.WriteError | httpx.CloseError | httpx.RemoteProtocolError):
        return Unheard(f"{url} broke off ({type(cause).__name__}).")
    return Transient(f"{url} cannot be reached ({type(cause).__name__}); is it running?")


def http_client(url: str, timeout_s: float) -> httpx.Client:
    """The client that an SDK is given."""
    import httpx

    return httpx.Client(**http_options(url, timeout_s))


def http_options(url: str, timeout_s: float) -> dict[str, Any]:
    """How both SDKs reach their server: the operator's host is allowed even if private, no other one is.

    Redirects are not followed: one would turn the POST into a GET, or carry the key elsewhere.
    """
    import httpx

    from llmcoder.net import guarded_transport

    return {
        "transport": guarded_transport((urlsplit(url).netloc,)),
        "timeout": httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
        "follow_redirects": False,
        "trust_env": False,
    }


def not_the_protocol(url: str, setting: str) -> NotConfigured:
    """Something answers there, and it is no such provider."""
    hint = " It mostly ends in /v1." if setting == "OPENAI_BASE_URL" else ""
    return NotConfigured(f"{url} answers, but not as such a server does; correct {setting}.{hint}")
