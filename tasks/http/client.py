"""Sends through the guarded client, and reads what an answer's headers say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import JsonValue

from llmcoder import strict_json
from llmcoder.charsets import codec_of, cut, decode, header_labels, inner_labels
from llmcoder.context import Context
from llmcoder.errors import RateLimited
from llmcoder.net import Limits
from llmcoder.net import Response as Answer
from llmcoder.retry_after import retry_at

__all__ = ["CONTENT_TYPE", "IDEMPOTENCY_KEY", "Answer", "find", "is_json", "json_of", "send", "text_of"]

IDEMPOTENCY_KEY = "Idempotency-Key"
CONTENT_TYPE = "Content-Type"

_JSON = ("application/json", "text/json", "application/x-json", "text/x-json")
_BINARY = ("image/", "audio/", "video/", "font/")


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None,
    ctx: Context,
    timeout_s: float,
    check: Callable[[], None] | None = None,
) -> Answer:
    """One request, one answer.

    Raises:
        BadInput: The address may not be reached.
        RateLimited: The server said when to come back. A 429 that does not say it is an answer like any other: such a
            server could keep a job waiting for ever.
        Transient: Nothing was sent.
        Uncertain: It was sent, and no whole answer came.
    """
    limits = Limits(read_s=timeout_s, total_s=timeout_s)
    answer = ctx.http.request(method, url, headers=headers, content=content, check=check, limits=limits)
    if answer.status == 429 and "retry-after" in answer.headers:
        host = urlsplit(answer.url).hostname or ""
        raise RateLimited(f"{host} asks to wait.", retry_at(answer.headers, datetime.now(UTC)), host)
    return answer


def find(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header whose case the caller chose."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether the media type is JSON or built on it, such as application/problem+json."""
    media_type = _media_type(headers)
    return media_type in _JSON or media_type.endswith("+json")


def json_of(body: bytes, headers: Mapping[str, str], most_containers: int) -> JsonValue:
    """What a body in JSON says.

    Raises:
        NotJson: It is none that every reader takes.
    """
    text = strict_json.decoded(body, *header_labels(headers.get("content-type", "")))
    value: JsonValue = strict_json.read(text, most_containers)
    return value


def text_of(body: bytes, headers: Mapping[str, str], most_bytes: int) -> str | None:
    """The body in the character set that its answer, or it itself, claims; None when it is binary. Never fails.

    Args:
        most_bytes: Where a longer one is cut, between two characters.
    """
    media_type = _media_type(headers)
    if media_type.startswith(_BINARY) and not media_type.endswith("xml"):
        return None
    labels = *header_labels(headers.get("content-type", "")), *inner_labels(body, media_type)
    codec = next(filter(None, map(codec_of, labels)), "utf-8")
    text = decode(cut(body, most_bytes, codec), *labels)
    return None if "\0" in text else text


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
