"""The only module that speaks to the openai and ollama SDKs, and the only one that knows their errors.

Silence and broken connections are `Transient` here, never `Uncertain`: generating text changes nothing outside, so
asking again costs tokens and nothing else. The SDKs' own retries are off, or they would hide errors from our policy.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmcoder.errors import ActionError, BadInput, Forbidden, NotConfigured, NotFound, RateLimited, Refused, Transient
from llmcoder.language import Completion, Message
from llmcoder.retry_after import retry_at
from tasks.llm.settings import OPENAI_URL, LlmSettings

if TYPE_CHECKING:
    import httpx
    import ollama
    import openai
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk

OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
CHECK_TIMEOUT_S = 10.0
#: Whose limits a refusal or an answer speaks of, whichever domain asked: the provider of this domain's actions.
LIMITED = "llm"
CONNECT_TIMEOUT_S = 5.0
REASON_LIMIT = 300
UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")


Headers = Mapping[str, str]


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


class Provider(ABC):
    """One service that completes text.

    Both methods raise: NotConfigured (key or address is wrong), Forbidden, NotFound (no such model), BadInput, Refused,
    RateLimited, Transient (busy, unreachable, silent, or the text broke off).
    """

    @abstractmethod
    def complete(self, ask: Ask, on_text: Callable[[str], None], on_headers: Callable[[Headers], None]) -> Completion:
        """Generate, giving each piece to `on_text` as it comes; whatever that raises ends the generation.

        The headers of an answer go to `on_headers`, as far as the SDK shows them.
        """

    @abstractmethod
    def embed(self, texts: Sequence[str], model: str) -> tuple[list[list[float]], int | None]:
        """A vector for each text, in their order, and the tokens that this took, where the provider says."""

    @abstractmethod
    def check(self) -> str:
        """Ask for the models, and say which one would be used."""


def provider(name: str, settings: LlmSettings, timeout_s: float = CHECK_TIMEOUT_S) -> Provider:
    """The provider of that name.

    Args:
        name: `openai` or `ollama`.
        settings: Where it is, and with which key.
        timeout_s: Longest silence.

    Raises:
        NotConfigured: The settings do not say where it is.
    """
    if name not in settings.configured():
        wanted = {"openai": "OPENAI_API_KEY or OPENAI_BASE_URL", "ollama": "OLLAMA_HOST"}[name]
        raise NotConfigured(f"The provider {name} is not configured: set {wanted} and list it in LLM_PROVIDERS.")
    return OpenAIProvider(settings, timeout_s) if name == "openai" else OllamaProvider(settings, timeout_s)


class OpenAIProvider(Provider):
    """OpenAI, or a server that speaks its chat completions."""

    def __init__(self, settings: LlmSettings, timeout_s: float) -> None:
        self._url = settings.openai_url
        # Servers of one's own often want no key, and the SDK insists on one.
        self._key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "no-key"
        self._model = settings.openai_model
        self._timeout_s = timeout_s

    def complete(self, ask: Ask, on_text: Callable[[str], None], on_headers: Callable[[Headers], None]) -> Completion:
        with self._errors(), self._client() as client:
            model = ask.model or self._model or self._first_model(client)
            with self._stream(client, self._request(ask, model)) as stream:
                on_headers(with_plain_limits(stream.response.headers))
                _refuse_web_page(stream.response, self._url)
                if "json" in stream.response.headers.get("content-type", ""):
                    return self._whole(stream.response, model, on_text)
                return self._streamed(stream, model, on_text)

    def check(self) -> str:
        with self._errors(), self._client() as client:
            models = [model.id for model in client.models.list()]
        chosen = self._model or self._default(models) or "none: set OPENAI_MODEL"
        absent = ", which it does not list" if self._model and self._model not in models else ""
        return f"openai at {self._url} answers with {len(models)} models; used: {chosen}{absent}."

    @contextmanager
    def _client(self) -> Iterator[openai.OpenAI]:
        import openai

        with (
            _http_client(self._url, self._timeout_s) as http,
            openai.OpenAI(
                base_url=self._url,
                api_key=self._key,
                max_retries=0,
                timeout=http.timeout,  # type: ignore[arg-type]  # the SDK takes either generation of httpx
                http_client=http,  # type: ignore[arg-type]
            ) as client,
        ):
            yield client

    def _first_model(self, client: openai.OpenAI) -> str:
        if self._url == OPENAI_URL:
            return OPENAI_DEFAULT_MODEL
        found = self._default([model.id for model in client.models.list()])
        if found is None:
            raise NotConfigured(f"{self._url} lists no model; set OPENAI_MODEL.")
        return found

    def _default(self, models: Sequence[str]) -> str | None:
        return OPENAI_DEFAULT_MODEL if self._url == OPENAI_URL else first_chat_model(models)

    def _request(self, ask: Ask, model: str) -> dict[str, Any]:
        # OpenAI itself has retired max_tokens for its newer models; other servers mostly know nothing else.
        limit = "max_completion_tokens" if self._url == OPENAI_URL else "max_tokens"
        request = {
            "model": model,
            "messages": ask.turns(),
            "stream": True,
            "stream_options": {"include_usage": True},
            limit: ask.max_tokens,
            "temperature": ask.temperature,
            "response_format": None if ask.schema is None else _form(ask.schema),
        }
        return {name: value for name, value in request.items() if value is not None}

    def embed(self, texts: Sequence[str], model: str) -> tuple[list[list[float]], int | None]:
        with self._errors(), self._client() as client:
            answer = client.embeddings.create(input=list(texts), model=model, encoding_format="float")
            vectors = [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
            return vectors, answer.usage.prompt_tokens if answer.usage else None

    def _stream(self, client: openai.OpenAI, request: dict[str, Any]) -> openai.Stream[ChatCompletionChunk]:
        """Open the stream, giving up what this server says it does not understand."""
        import openai

        try:
            return client.chat.completions.create(**request)  # type: ignore[no-any-return]
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            simpler = without_denied(request, error.response.text)
            if simpler == request:
                raise
        return self._stream(client, simpler)

    def _streamed(
        self, stream: openai.Stream[ChatCompletionChunk], model: str, on_text: Callable[[str], None]
    ) -> Completion:
        pieces: list[str] = []
        usage: CompletionUsage | None = None
        finish: str | None = None
        for chunk in stream:
            piece, refusal, finish_here = _first_choice(chunk)
            if refusal:
                raise Refused(f"{model} declined to answer: {self._told(refusal)}")
            pieces.append(piece)
            on_text(piece)
            usage, finish, model = chunk.usage or usage, finish_here or finish, chunk.model or model
        _refuse_cut_off(stream.response, finish, self._url)
        _refuse_filtered(finish, model)
        return Completion("".join(pieces), "openai", model, *_tokens(usage))

    def _whole(self, response: Any, model: str, on_text: Callable[[str], None]) -> Completion:
        """The answer of a server that ignores `stream` and sends everything at once."""
        from openai.types.chat import ChatCompletion

        response.read()
        raw = response.json()
        if isinstance(raw, dict) and raw.get("error"):
            raise Transient(f"{self._url} could not answer: {self._told(str(raw['error']))}")
        if not isinstance(raw, dict) or not raw.get("choices"):
            raise _not_the_protocol(self._url, "OPENAI_BASE_URL")
        answer = ChatCompletion.construct(**raw)  # as lenient as the SDK: servers leave out what they please
        text = answer.choices[0].message.content or ""
        _refuse_filtered(getattr(answer.choices[0], "finish_reason", None), model)
        on_text(text)
        return Completion(text, "openai", answer.model or model, *_tokens(answer.usage))

    def _told(self, reason: str) -> str:
        """What the server said, without our key: some quote it wherever they can."""
        return _short(reason.replace(self._key, "***"))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import httpx
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            reason = self._told(error.message)
            if error.code == "insufficient_quota":  # comes as 429, yet no waiting helps
                raise Refused(f"{self._url}: the account has no credit left. {reason}") from error
            raise by_status(error.status_code, self._url, reason, error.response.headers, "OPENAI_API_KEY") from error
        except openai.APITimeoutError as error:
            raise Transient(f"{self._url} stayed silent for {self._timeout_s:.0f} s.") from error
        except openai.APIConnectionError as error:
            raise _unreachable(self._url, error.__cause__) from error
        except openai.APIError as error:  # an error event in the middle of the stream
            raise Transient(f"{self._url} broke off: {self._told(error.message)}") from error
        except httpx.HTTPError as error:
            raise _unreachable(self._url, error) from error
        except ValueError as error:  # JSON or shape; pydantic's error is one as well
            raise _not_the_protocol(self._url, "OPENAI_BASE_URL") from error


class OllamaProvider(Provider):
    """Ollama's own protocol."""

    def __init__(self, settings: LlmSettings, timeout_s: float) -> None:
        self._url = settings.ollama_host or ""
        self._model = settings.ollama_model
        self._timeout_s = timeout_s

    def complete(self, ask: Ask, on_text: Callable[[str], None], on_headers: Callable[[Headers], None]) -> Completion:
        options = {"num_predict": ask.max_tokens, "temperature": ask.temperature}
        with self._errors(), self._client() as client:
            model = ask.model or self._model or self._first_model(client)
            parts = client.chat(
                model=model,
                messages=ask.turns(),
                stream=True,
                options={name: value for name, value in options.items() if value is not None},
                format=None if ask.schema is None else dict(ask.schema),
            )
            pieces: list[str] = []
            for part in parts:
                pieces.append(part.message.content or "")
                on_text(pieces[-1])
                if part.done:
                    return Completion(
                        "".join(pieces), "ollama", part.model or model, part.prompt_eval_count, part.eval_count
                    )
        raise Transient(f"{self._url}: the answer broke off before its end.")

    def embed(self, texts: Sequence[str], model: str) -> tuple[list[list[float]], int | None]:
        with self._errors(), self._client() as client:
            answer = client.embed(model=model, input=list(texts))
            return [list(one) for one in answer.embeddings], answer.prompt_eval_count

    def check(self) -> str:
        with self._errors(), self._client() as client:
            models = _installed(client)
        chosen = self._model or first_chat_model(models) or "none: install one with `ollama pull`"
        absent = ", which is not installed" if self._model and not _is_installed(self._model, models) else ""
        return f"ollama at {self._url} answers with {len(models)} models; used: {chosen}{absent}."

    @contextmanager
    def _client(self) -> Iterator[ollama.Client]:
        import ollama

        with ollama.Client(host=self._url, **_http_options(self._url, self._timeout_s)) as client:
            yield client

    def _first_model(self, client: ollama.Client) -> str:
        found = first_chat_model(_installed(client))
        if found is None:
            raise NotConfigured(f"Ollama at {self._url} has no model installed; run `ollama pull` there.")
        return found

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import httpx
        import ollama

        try:
            yield
        except ollama.ResponseError as error:
            # The SDK drops the response, and Retry-After with it; the HTTP error it stood in for still has it.
            response = getattr(error.__context__, "response", None)
            headers = response.headers if response is not None else {}
            raise by_status(error.status_code, self._url, _short(str(error.error)), headers, "OLLAMA_HOST") from error
        except httpx.TimeoutException as error:
            raise Transient(f"{self._url} stayed silent for {self._timeout_s:.0f} s.") from error
        except (httpx.HTTPError, ConnectionError) as error:
            raise _unreachable(self._url, error) from error
        except ValueError as error:
            raise _not_the_protocol(self._url, "OLLAMA_HOST") from error


def without_denied(request: Mapping[str, Any], complaint: str) -> dict[str, Any]:
    """The request without what a server's 400 or 422 complains of, where the answer is as good without it."""
    simpler = dict(request)
    if "stream_options" in complaint:  # then nobody counts the tokens for us
        simpler.pop("stream_options", None)
    if "response_format" in complaint or "json_schema" in complaint:  # then the form stands in the prompt alone
        simpler.pop("response_format", None)
    if "max_completion_tokens" in complaint and "max_tokens" in simpler:
        simpler["max_completion_tokens"] = simpler.pop("max_tokens")
    return simpler


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Not `strict`: that takes a part of JSON Schema only, in which no field may be left out."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema), "strict": False}}


def first_chat_model(models: Sequence[str]) -> str | None:
    """The first model that can chat, by its name; providers list their embedding models among the others."""
    return next((model for model in models if "embed" not in model), None)


def with_plain_limits(headers: Headers) -> dict[str, str]:
    """The headers, with OpenAI's limits of requests and tokens under the names that everybody else gives to limits.

    Its resets are durations such as 6m0s or 250ms (platform.openai.com/docs/guides/rate-limits, "in headers").
    """
    plain = {name.lower(): value for name, value in headers.items()}
    resets = [
        _duration_s(plain.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if plain.get(f"x-ratelimit-remaining-{kind}") == "0"
    ]
    return plain | {"ratelimit-remaining": "0", "ratelimit-reset": f"{max(resets):.3f}"} if resets else plain


def _duration_s(text: str) -> float:
    return sum(float(number) * UNITS_S[unit] for number, unit in DURATION.findall(text))


def by_status(status: int, where: str, reason: str, headers: Mapping[str, str], setting: str) -> ActionError:
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
        case _ if status >= 500:
            return Transient(f"{where} failed with {status}: {reason}")
        case _ if status < 400:
            return NotConfigured(f"{where} sends us elsewhere ({status}); set the final address.")
    return Refused(f"{where} refused with {status}: {reason}")


def _http_client(url: str, timeout_s: float) -> httpx.Client:
    import httpx

    return httpx.Client(**_http_options(url, timeout_s))


def _http_options(url: str, timeout_s: float) -> dict[str, Any]:
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


def _first_choice(chunk: ChatCompletionChunk) -> tuple[str, str, str | None]:
    """Text, refusal and finish reason of a chunk; servers leave out what they please."""
    if not chunk.choices:
        return "", "", None
    choice = chunk.choices[0]
    delta = getattr(choice, "delta", None)
    text, refusal = getattr(delta, "content", None), getattr(delta, "refusal", None)
    return text or "", refusal or "", getattr(choice, "finish_reason", None)


def _tokens(usage: CompletionUsage | None) -> tuple[int | None, int | None]:
    return (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)


def _refuse_web_page(response: Any, url: str) -> None:
    if "html" in response.headers.get("content-type", ""):
        raise _not_the_protocol(url, "OPENAI_BASE_URL")


def _refuse_cut_off(response: Any, finish: str | None, url: str) -> None:
    """A body framed by the closing of the connection can end early without anybody noticing; a framed one cannot."""
    framed = "chunked" in response.headers.get("transfer-encoding", "") or "content-length" in response.headers
    if finish is None and not framed:
        raise Transient(f"{url}: the answer broke off before its end.")


def _refuse_filtered(finish: str | None, model: str) -> None:
    if finish == "content_filter":
        raise Refused(f"The content filter of {model} stopped the answer; change the request.")


def _installed(client: ollama.Client) -> list[str]:
    return [model.model for model in client.list().models if model.model]


def _is_installed(model: str, models: Sequence[str]) -> bool:
    return model in models or f"{model}:latest" in models


def _unreachable(url: str, cause: BaseException | None) -> Transient:
    return Transient(f"{url} cannot be reached ({type(cause).__name__}); is it running?")


def _not_the_protocol(url: str, setting: str) -> NotConfigured:
    hint = " It mostly ends in /v1." if setting == "OPENAI_BASE_URL" else ""
    return NotConfigured(f"{url} answers, but not as such a server does; correct {setting}.{hint}")


def _short(reason: str) -> str:
    return reason if len(reason) <= REASON_LIMIT else f"{reason[:REASON_LIMIT]}…"
