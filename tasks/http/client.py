"""Sends through the guarded client, and reads what an answer's headers say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from llmcoder.charsets import cut, decode, encoding_of, header_labels, inner_labels
from llmcoder.context import Context
from llmcoder.errors import RateLimited
from llmcoder.media_types import HTML, MOST_BROKEN, PLAIN, is_text, named, sniffed
from llmcoder.net import Limits
from llmcoder.net import Response as Answer
from llmcoder.net.body import unpacked
from llmcoder.retry_after import retry_at
from llmcoder.text import REPLACEMENT

__all__ = ["CONTENT_TYPE", "IDEMPOTENCY_KEY", "Answer", "body_of", "find", "is_json", "send", "text_of"]

IDEMPOTENCY_KEY = "Idempotency-Key"
CONTENT_TYPE = "Content-Type"

_JSON = ("application/json", "text/json", "application/x-json", "text/x-json")
_READ_AS_TEXT = ("json", "xml", "javascript")


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
    media_type = named(headers.get("content-type", ""))
    return media_type in _JSON or media_type.endswith("+json")


def body_of(answer: Answer) -> bytes:
    """The body; unpacked where it is gzip that no header announces, and the type is none that would be."""
    media_type = named(answer.headers.get("content-type", ""))
    if answer.truncated or not (media_type.startswith("text/") or media_type.endswith(_READ_AS_TEXT)):
        return answer.body
    inside = unpacked(answer.body, Limits.decoded_bytes)
    return answer.body if inside.fault is not None else b"".join(inside.pieces)


def text_of(body: bytes, headers: Mapping[str, str], most_bytes: int) -> str | None:
    """The beginning of the body, in the encoding of its mark, its header, or what it says of itself; None when it is
    binary. Never fails."""
    content_type = headers.get("content-type", "")
    seen = sniffed(body)
    if seen not in (HTML, PLAIN) and (seen or not is_text(body, content_type)):
        return None
    labels = (*header_labels(content_type), *inner_labels(body, named(content_type)))
    codec = encoding_of(body, *labels)
    text = decode(cut(body, most_bytes, codec), codec, *labels)
    if text.count("\0") * MOST_BROKEN > len(text):
        return None
    return text.replace("\0", REPLACEMENT)  # which no database takes
