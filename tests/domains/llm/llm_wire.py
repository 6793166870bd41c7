"""Servers that speak as OpenAI-compatible ones and Ollama do, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

TEXT = ["Leases ", "expire", "."]


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a chat completion."""
    choices = [{"index": 0, "delta": {"content": text} if text is not None else {}, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny-1", "choices": choices, **more}


def usage_chunk() -> dict[str, Any]:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return chunk(choices=[], usage=usage)


def answer_chunks() -> list[dict[str, Any]]:
    return [*(chunk(text) for text in TEXT), chunk(finish="stop"), usage_chunk()]


def event_stream(chunks: Iterable[dict[str, Any]], *, chunked: bool = True, done: bool = True) -> Callable[[Any], None]:
    """A route that streams chunks as OpenAI does."""

    def route(exchange: Any) -> None:
        exchange.start("text/event-stream", chunked=chunked)
        for one in chunks:
            exchange.piece(b"data: " + json.dumps(one).encode() + b"\n\n")
        if done:
            exchange.piece(b"data: [DONE]\n\n")
        exchange.finish_pieces()

    return route


def ollama_parts() -> list[dict[str, Any]]:
    parts = [{"model": "llama3", "message": {"role": "assistant", "content": text}, "done": False} for text in TEXT]
    last = {"message": {"role": "assistant", "content": ""}, "done": True, "prompt_eval_count": 9, "eval_count": 3}
    return [*parts, {"model": "llama3", **last}]


def ndjson(parts: Iterable[dict[str, Any]]) -> Callable[[Any], None]:
    """A route that streams parts as Ollama does."""

    def route(exchange: Any) -> None:
        exchange.start("application/x-ndjson")
        for one in parts:
            exchange.piece(json.dumps(one).encode() + b"\n")
        exchange.finish_pieces()

    return route


def error_body(message: str = "something is wrong", code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "param": None, "code": code}}


def models(*names: str) -> dict[str, Any]:
    listed = [{"id": name, "object": "model", "created": 1, "owned_by": "us"} for name in names]
    return {"object": "list", "data": listed}
