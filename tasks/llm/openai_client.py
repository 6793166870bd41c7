"""The only module that speaks to the openai SDK, and the only one that knows its errors.

Its own retries are off, or they would hide errors from our policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeGuard

from llmcoder import strict_json
from llmcoder.errors import ActionError, NotConfigured, Refused, Transient
from llmcoder.language import Completion
from llmcoder.text import one_line
from tasks.llm.asking import (
    REASON_LIMIT,
    AnswerText,
    Ask,
    Finish,
    Headers,
    Hearer,
    ModelProvider,
    by_status,
    counted,
    first_chat_model,
    http_client,
    not_the_protocol,
    unanswered,
)
from tasks.llm.completions import Part, events, is_whole, json_of, part_of
from tasks.llm.settings import OPENAI_URL, LlmSettings
from tasks.llm.strict import strict

if TYPE_CHECKING:
    import openai
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
                whole, chunks = is_whole(stream.response.iter_bytes())
                if whole:
                    return self._whole(b"".join(chunks), model, hearer)
                return self._streamed(chunks, model, hearer)

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

    def _streamed(self, chunks: Iterator[bytes], model: str, hearer: Hearer) -> Completion:
        answer, name, finish, done = AnswerText(hearer, model), model, "", False
        usage: Mapping[str, Any] | None = None
        for event in events(chunks):
            if done := event.data.startswith("[DONE]"):
                break
            sent = json_of(event.data)
            part = part_of(event.data if sent is ... else sent, event.event)
            if not part.known:
                answer.add_noise(self._told(event.data))
            self._take(part, answer, name)
            usage, finish, name = part.usage or usage, part.finish or finish, part.model or name
        if not finish and not done and usage is None:
            raise answer.broken_off(self._url)
        text = answer.whole(self._url, name, Finish(finish))
        return Completion(text, "openai", name, *_tokens(usage), cut_off=Finish(finish).is_cut_off)

    def _take(self, part: Part, answer: AnswerText, model: str) -> None:
        if part.error is not None:
            answer.interrupt()
            raise self._failed(part)
        if part.thought:
            answer.add_thought(part.thought)
        answer.add(part.text)
        if part.refusal and not part.text:
            raise Refused(f"{model} declined to answer: {self._told(part.refusal)}")

    def _failed(self, part: Part) -> ActionError:
        """The error of an answer that had begun with 200."""
        reason = self._told(part.error or "") or "it does not say why"
        if part.status is None:
            return Transient(f"{self._url} could not answer: {reason}")
        return by_status(part.status, self._url, reason, {}, "OPENAI_API_KEY")

    def _whole(self, body: bytes, model: str, hearer: Hearer) -> Completion:
        """The answer of a server that ignores `stream` and sends everything at once."""
        part = part_of(strict_json.read_lenient(body))
        if part.error is None and not part.known:
            raise not_the_protocol(self._url, "OPENAI_BASE_URL")
        answer = AnswerText(hearer, model)
        self._take(part, answer, model)
        name, finish = part.model or model, Finish(part.finish)
        text = answer.whole(self._url, name, finish)
        return Completion(text, "openai", name, *_tokens(part.usage), cut_off=finish.is_cut_off)

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


def _tokens(usage: object) -> tuple[int | None, int | None]:
    """As far as it says; servers leave out what they please."""
    told = usage if isinstance(usage, Mapping) else vars(usage) if hasattr(usage, "__dict__") else {}
    return counted(told.get("prompt_tokens")), counted(told.get("completion_tokens"))


def _is_vector(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and bool(value) and all(isinstance(one, int | float) for one in value)


def _refuse_web_page(response: Any, url: str) -> None:
    if "html" in response.headers.get("content-type", ""):
        raise not_the_protocol(url, "OPENAI_BASE_URL")
