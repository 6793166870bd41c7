"""Sends through the guarded client, and reads what an answer's headers say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from llmcoder import charsets
from llmcoder.context import Context
from llmcoder.errors import RateLimited
from llmcoder.net import Limits
from llmcoder.net import Response as Answer
from llmcoder.retry_after import retry_at

__all__ = ["CONTENT_TYPE", "IDEMPOTENCY_KEY", "Answer", "cut", "find", "is_json", "send", "text_of"]

IDEMPOTENCY_KEY = "Idempotency-Key"
CONTENT_TYPE = "Content-Type"


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
        Uncertain: It was sent, and no answer came; of one that only looks, no whole one.
    """
    limits = Limits(read_s=timeout_s, total_s=timeout_s)
    answer = ctx.http.request(method, url, headers=headers, content=content, check=check, limits=limits)
    # of the request itself: where it was done, and the page that its redirect leads to is asked too often, it is done
    if answer.status == 429 and "retry-after" in answer.headers and answer.method == method.upper():
        host = urlsplit(answer.url).hostname or ""
        raise RateLimited(f"{host} asks to wait.", retry_at(answer.headers, datetime.now(UTC)), host)
    return answer


def find(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header whose case the caller chose."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def is_json(headers: Mapping[str, str]) -> bool:
    """Whether the media type is JSON or built on it, such as application/problem+json."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def text_of(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The body in the character set its answer claims, as browsers mean it; None when it is binary. Never fails."""
    text = charsets.decode(body, *charsets.header_labels(headers.get("content-type", "")))
    return None if "\0" in text else text


def cut(body: bytes, headers: Mapping[str, str], size: int) -> bytes:
    """The beginning of a body, not cut in the middle of a character."""
    labels = charsets.header_labels(headers.get("content-type", ""))
    codec = next((codec for label in labels if (codec := charsets.codec_of(label))), "utf-8")
    return charsets.cut(body, size, codec)
