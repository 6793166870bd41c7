"""Fetches the document behind a URL, and says what a refusal of its server means."""

from __future__ import annotations

from datetime import UTC, datetime

from llmcoder.context import Context
from llmcoder.errors import BadInput, Transient, Uncertain
from llmcoder.net import Limits, Response
from llmcoder.net.guard import parse_target
from llmcoder.net.refusal import refusal
from tasks.document.page import UnreadableDocument
from tasks.document.reading import html_of, read
from tasks.document.refresh import Refresh
from tasks.document.stubs import FEW_WORDS

LIMITS = Limits(read_s=15, total_s=60)
ACCEPT = "text/html, application/xhtml+xml, application/pdf, text/markdown, text/plain;q=0.9, */*;q=0.1"


def fetch(url: str, ctx: Context) -> Response:
    """The document as it was sent, where its address leads to in the end: by redirects, and by pages that do nothing
    but refresh to another one.

    Raises:
        BadInput: The address may not be fetched, the answer is too large, or pages lead on without end.
        NotFound, Forbidden, Refused, RateLimited: What its server said.
        Transient: No whole answer; looking again changes nothing, so even silence after sending is no riddle.
    """
    here = url
    for _ in range(LIMITS.redirects + 1):
        answer = _fetched(here, ctx)
        following = _next_page(answer)
        if following is None:
            return answer
        if answer.url.startswith("https:") and following.startswith("http:"):
            raise BadInput(f"{parse_target(answer.url).host} leads on from https to http, which is not followed.")
        here = following
    raise BadInput(f"{parse_target(here).host} leads on to another page more than {LIMITS.redirects} times.")


def _fetched(url: str, ctx: Context) -> Response:
    try:
        answer = ctx.http.request("GET", url, headers={"Accept": ACCEPT}, check=ctx.check, limits=LIMITS)
    except Uncertain as error:
        raise Transient(error.detail) from error
    if not 200 <= answer.status < 300:
        raise refusal(answer, "page", datetime.now(UTC), "Fetch it yourself and give its text.")
    return answer


def _next_page(answer: Response) -> str | None:
    """Where a page leads instead of saying anything; None for what is to be read."""
    content_type = answer.headers.get("content-type", "")
    html = html_of(answer.body, content_type)
    if html is None:
        return None
    refresh = Refresh(html, answer.url, answer.headers.get("refresh", ""))
    if refresh.at_once is None and refresh.at_last is not None and _says_little(answer.body, content_type):
        return refresh.at_last
    return refresh.at_once


def _says_little(body: bytes, content_type: str) -> bool:
    try:
        return read(body, content_type, "It").words < FEW_WORDS
    except UnreadableDocument:
        return True
