"""Sends through the guarded client, and reads what an answer's headers say of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from llmcoder.context import Context
from llmcoder.errors import RateLimited
from llmcoder.net import Limits
from llmcoder.net import Response as Answer
from llmcoder.retry_after import retry_at

__all__ = ["CONTENT_TYPE", "IDEMPOTENCY_KEY", "Answer", "find", "is_json", "send", "text_of"]

IDEMPOTENCY_KEY = "Idempotency-Key"
CONTENT_TYPE = "Content-Type"

_CHARSET = re.compile(r"charset=\"?([\w.:-]+)", re.ASCII | re.IGNORECASE)


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
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def text_of(body: bytes, headers: Mapping[str, str]) -> str | None:
    """The body in the character set its answer claims, or in UTF-8; None when it is binary. Never fails."""
    found = _CHARSET.search(headers.get("content-type", ""))
    try:
        text = body.decode(found[1] if found else "utf-8", errors="replace")
    except (LookupError, UnicodeError):  # unknown, not a text encoding (base64 is a codec), or one that cannot replace
        text = body.decode("utf-8", errors="replace")
    return None if "\0" in text else text
