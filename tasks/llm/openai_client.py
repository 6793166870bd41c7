"""The only module that speaks to the openai SDK, and the only one that knows its errors.

Its own retries are off, or they would hide errors from our policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard

from llmcoder.errors import NotConfigured, Refused, Transient
from llmcoder.language import Completion
from llmcoder.text import one_line
from tasks.llm.asking import (
    REASON_LIMIT,
    Ask,
    Headers,
    Hearer,
    ModelProvider,
    Unheard,
    by_status,
    counted,
    first_chat_model,
    http_client,
    not_the_protocol,
    unanswered,
)
from tasks.llm.settings import OPENAI_URL, LlmSettings
from tasks.llm.strict import strict

if TYPE_CHECKING:
    import openai
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk

OPENAI_DEFAULT_MODEL = "gpt-5.4-mini"
UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")
#: How servers say that they cannot hold a model to a form, or not to this one.
FORM_DENIED = re.compile(r"response.?format|json.?schema|structured.?output|guided|grammar", re.IGNORECASE)


class OpenAIProvider(ModelProvider):
    """OpenAI, or a server that speaks its chat completions."""

    def __init__(self, settings: LlmSettings, timeout_s: float) -> None:
        self._url = settings.openai_url
        # Servers of one's own often want no key, and the SDK insists on one.
        self._key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "no-key"
        self._model = settings.openai_model
        self._timeout_s = timeout_s

    def complete(self, ask: Ask, hearer: Hearer) -> Completion:
        with self._errors(), self._client() as client:
            model = ask.model or self._model or self._first_model(client)
            hearer.asking(model)
            with self._stream(client, self._request(ask, model)) as stream:
                hearer.headers(with_plain_limits(stream.response.headers))
                _refuse_web_page(stream.response, self._url)
                if "json" in stream.response.headers.get("content-type", ""):
                    return self._whole(stream.response, model, hearer)
                return self._streamed(stream, model, hearer)

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
            http_client(self._url, self._timeout_s) as http,
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
            by_place = {getattr(one, "index", None): one.embedding for one in answer.data}
            vectors = [vector for place in range(len(answer.data)) if _is_vector(vector := by_place.get(place))]
            if len(vectors) != len(answer.data):
                raise Transient(f"{self._url} does not say which vector belongs to which text.")
            return vectors, _tokens(getattr(answer, "usage", None))[0]

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

    def _streamed(self, stream: openai.Stream[ChatCompletionChunk], model: str, hearer: Hearer) -> Completion:
        pieces: list[str] = []
        usage: CompletionUsage | None = None
        finish: str | None = None
        for chunk in stream:
            piece, refusal, finish_here = _first_choice(chunk)
            pieces.append(piece)
            hearer.text(piece)
            if refusal:
                raise Refused(f"{model} declined to answer: {self._told(refusal)}")
            usage, finish, model = chunk.usage or usage, finish_here or finish, chunk.model or model
        _refuse_cut_off(stream.response, finish, self._url)
        _refuse_filtered(finish, model)
        return Completion("".join(pieces), "openai", model, *_tokens(usage), cut_off=finish == "length")

    def _whole(self, response: Any, model: str, hearer: Hearer) -> Completion:
        """The answer of a server that ignores `stream` and sends everything at once."""
        from openai.types.chat import ChatCompletion

        response.read()
        raw = response.json()
        if isinstance(raw, dict) and raw.get("error"):
            raise Transient(f"{self._url} could not answer: {self._told(str(raw['error']))}")
        if not isinstance(raw, dict) or not raw.get("choices"):
            raise not_the_protocol(self._url, "OPENAI_BASE_URL")
        answer = ChatCompletion.construct(**raw)  # as lenient as the SDK: servers leave out what they please
        text = answer.choices[0].message.content or ""
        hearer.text(text)
        finish = getattr(answer.choices[0], "finish_reason", None)
        _refuse_filtered(finish, model)
        return Completion(text, "openai", answer.model or model, *_tokens(answer.usage), cut_off=finish == "length")

    def _told(self, reason: str) -> str:
        """What the server said, without our key: some quote it wherever they can."""
        return one_line(reason, REASON_LIMIT, {self._key})

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
        except openai.APIConnectionError as error:  # a timeout is one
            raise unanswered(self._url, error.__cause__, self._timeout_s) from error
        except openai.APIError as error:  # an error event in the middle of the stream
            raise Transient(f"{self._url} broke off: {self._told(error.message)}") from error
        except httpx.HTTPError as error:
            raise unanswered(self._url, error, self._timeout_s) from error
        except (ValueError, RecursionError) as error:  # JSON or shape; pydantic's error is one as well
            raise not_the_protocol(self._url, "OPENAI_BASE_URL") from error


def without_denied(request: Mapping[str, Any], complaint: str) -> dict[str, Any]:
    """The request without what a server's 400 or 422 complains of, where the answer is as good without it."""
    simpler = dict(request)
    if "stream_options" in complaint:  # then nobody counts the tokens for us
        simpler.pop("stream_options", None)
    if FORM_DENIED.search(complaint):  # then the form stands in the prompt alone
        simpler.pop("response_format", None)
    if "max_completion_tokens" in complaint and "max_tokens" in simpler:
        simpler["max_completion_tokens"] = simpler.pop("max_tokens")
    return simpler


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:64]
    closed = strict(schema)
    asked = {"name": name, "schema": closed or dict(schema), "strict": closed is not None}
    return {"type": "json_schema", "json_schema": asked}


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


def _first_choice(chunk: ChatCompletionChunk) -> tuple[str, str, str | None]:
    """Text, refusal and finish reason of a chunk; servers leave out what they please."""
    if not chunk.choices:
        return "", "", None
    choice = chunk.choices[0]
    delta = getattr(choice, "delta", None)
    text, refusal = getattr(delta, "content", None), getattr(delta, "refusal", None)
    return text or "", refusal or "", getattr(choice, "finish_reason", None)


def _tokens(usage: object) -> tuple[int | None, int | None]:
    """As far as it says; servers leave out what they please."""
    return counted(getattr(usage, "prompt_tokens", None)), counted(getattr(usage, "completion_tokens", None))


def _is_vector(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and bool(value) and all(isinstance(one, int | float) for one in value)


def _refuse_web_page(response: Any, url: str) -> None:
    if "html" in response.headers.get("content-type", ""):
        raise not_the_protocol(url, "OPENAI_BASE_URL")


def _refuse_cut_off(response: Any, finish: str | None, url: str) -> None:
    """A body framed by the closing of the connection can end early without anybody noticing; a framed one cannot."""
    framed = "chunked" in response.headers.get("transfer-encoding", "") or "content-length" in response.headers
    if finish is None and not framed:
        raise Unheard(f"{url}: the answer broke off before its end.")


def _refuse_filtered(finish: str | None, model: str) -> None:
    if finish == "content_filter":
        raise Refused(f"The content filter of {model} stopped the answer; change the request.")
