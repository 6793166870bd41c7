"""The only module that speaks to the ollama SDK, and the only one that knows its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmcoder import strict_json
from llmcoder.errors import NotConfigured
from llmcoder.language import Completion
from llmcoder.text import one_line
from tasks.llm.asking import (
    REASON_LIMIT,
    AnswerText,
    Ask,
    Finish,
    Hearer,
    ModelProvider,
    by_status,
    counted,
    first_chat_model,
    http_options,
    not_the_protocol,
    unanswered,
)
from tasks.llm.completions import part_of
from tasks.llm.settings import LlmSettings

if TYPE_CHECKING:
    import ollama

#: Comments, and the fields of events besides their data, of proxies that make an event stream of the lines.
_NO_DATA = re.compile(r":|(?:event|id|retry):")


class OllamaProvider(ModelProvider):
    """Ollama's own protocol."""

    def __init__(self, settings: LlmSettings, timeout_s: float) -> None:
        self._url = settings.ollama_host or ""
        self._model = settings.ollama_model
        self._context_tokens = settings.ollama_context_tokens
        self._timeout_s = timeout_s

    def complete(self, ask: Ask, hearer: Hearer) -> Completion:
        with self._errors(), self._client() as client:
            model = ask.model or self._model or self._first_model(client)
            hearer.asking(model)
            answer, name = AnswerText(hearer, model), model
            for part in _parts(client, self._request(ask, model)):
                if isinstance(part, str):
                    answer.add_noise(one_line(part, REASON_LIMIT))
                    continue
                message = part["message"] if isinstance(part.get("message"), dict) else {}
                said = part_of({"choices": [{"message": message}]})  # proxies write both protocols alike
                if said.thought:
                    answer.add_thought(said.thought)
                answer.add(said.text)
                name = named if isinstance(named := part.get("model"), str) and named else name
                if part.get("done"):
                    return self._completion(answer, name, part)
            raise answer.broken_off(self._url)

    def _completion(self, answer: AnswerText, model: str, last: Mapping[str, Any]) -> Completion:
        reason = last.get("done_reason")
        finish = Finish(reason if isinstance(reason, str) else "")
        tokens = counted(last.get("prompt_eval_count")), counted(last.get("eval_count"))
        return Completion(answer.whole(self._url, model, finish), "ollama", model, *tokens, finish.is_cut_off)

    def embed(self, texts: Sequence[str], model: str) -> tuple[list[list[float]], int | None]:
        with self._errors(), self._client() as client:
            answer = client.embed(model=model, input=list(texts))
            return [list(one) for one in answer.embeddings], counted(answer.prompt_eval_count)

    def check(self) -> str:
        with self._errors(), self._client() as client:
            models = _installed(client)
        chosen = self._model or first_chat_model(models) or "none: install one with `ollama pull`"
        absent = ", which is not installed" if self._model and not _is_installed(self._model, models) else ""
        return f"ollama at {self._url} answers with {len(models)} models; used: {chosen}{absent}."

    @contextmanager
    def _client(self) -> Iterator[ollama.Client]:
        import ollama

        with ollama.Client(host=self._url, **http_options(self._url, self._timeout_s)) as client:
            yield client

    def _request(self, ask: Ask, model: str) -> dict[str, Any]:
        options = {"num_predict": ask.max_tokens, "temperature": ask.temperature, "num_ctx": self._context_tokens}
        return {
            "model": model,
            "messages": ask.turns(),
            "stream": True,
            "options": {name: value for name, value in options.items() if value is not None},
            **({} if ask.schema is None else {"format": dict(ask.schema)}),
        }

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
            raise by_status(
                error.status_code, self._url, one_line(str(error.error), REASON_LIMIT), headers, "OLLAMA_HOST"
            ) from error
        except (httpx.HTTPError, ConnectionError) as error:
            raise unanswered(self._url, error, self._timeout_s) from error
        except (ValueError, RecursionError) as error:
            raise not_the_protocol(self._url, "OLLAMA_HOST") from error


def _parts(client: ollama.Client, request: dict[str, Any]) -> Iterator[dict[str, Any] | str]:
    """The answer as it comes, asked for without the form where this Ollama or its model cannot be held to it."""
    import ollama

    try:
        yield from _streamed(client, request)
        return
    except ollama.ResponseError as error:
        if not (request.get("format") and error.status_code in (400, 500) and "format" in error.error):
            raise
    yield from _streamed(client, {name: value for name, value in request.items() if name != "format"})


def _streamed(client: ollama.Client, request: dict[str, Any]) -> Iterator[dict[str, Any] | str]:
    """The objects of a stream, and what in it is none; the SDK itself takes an empty line, with which proxies keep it
    alive, for an error.
    """
    import httpx
    import ollama

    http: httpx.Client = client._client
    with http.stream("POST", "/api/chat", json=request) as response:
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            response.read()
            raise ollama.ResponseError(response.text, response.status_code) from error
        if "html" in response.headers.get("content-type", ""):
            raise ValueError("a web page")
        for line in _lines(response.iter_bytes()):
            if (part := _said(line)) is None:
                continue
            if isinstance(part, dict) and (told := part.get("error")):
                raise ollama.ResponseError(_words(told))
            yield part


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """The lines of a stream. A text in JSON may hold all that others take for a line's end, but the one."""
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        *whole, last = rest.split(b"\n") if b"\n" in chunk else [rest]
        yield from (line.decode("utf-8", "replace") for line in whole)
        rest = bytearray(last)
    yield rest.decode("utf-8", "replace")


def _said(line: str) -> dict[str, Any] | str | None:
    """What a line says: an object, or what is none; None of a blank, a comment or a field of an event."""
    words = line.strip().removeprefix("\ufeff").removeprefix("data:").strip()
    if not words or words == "[DONE]" or _NO_DATA.match(words):
        return None
    try:
        found = strict_json.read_lenient(words)
    except strict_json.NotJson:
        return words
    return found if isinstance(found, dict) else words


def _words(error: object) -> str:
    return error if isinstance(error, str) else strict_json.one_line(error)


def _installed(client: ollama.Client) -> list[str]:
    return [model.model for model in client.list().models if model.model]


def _is_installed(model: str, models: Sequence[str]) -> bool:
    return model in models or f"{model}:latest" in models
