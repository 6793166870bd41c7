"""Fetches the page behind an address, by the guarded client, and says what a refusal of its server means."""

from __future__ import annotations

from datetime import UTC, datetime

from llmcoder import strict_json
from llmcoder.charsets import decode, header_labels, inner_labels
from llmcoder.context import Context
from llmcoder.errors import BadInput, Transient, Uncertain
from llmcoder.media_types import HTML, PLAIN, XHTML, named, sniffed
from llmcoder.net import Limits, Response
from llmcoder.net.guard import parse_target
from llmcoder.net.refusal import refusal
from tasks.recipe.loose_json import read_one

LIMITS = Limits(read_s=15, total_s=60)
ACCEPT = "text/html, application/xhtml+xml, application/ld+json;q=0.9, */*;q=0.1"
_JSON = ("application/json", "application/ld+json")


def fetch_page(url: str, ctx: Context) -> tuple[str, str]:
    """The source of a page, and its address after redirects.

    Raises:
        BadInput: The address may not be fetched, the answer is too large, or it is no web page.
        NotFound, Forbidden, Refused, RateLimited: What its server said.
        Transient: No whole answer; looking again changes nothing, so even silence after sending is no riddle.
    """
    try:
        answer = ctx.http.request("GET", url, headers={"Accept": ACCEPT}, check=ctx.check, limits=LIMITS)
    except Uncertain as error:
        raise Transient(error.detail) from error
    if not 200 <= answer.status < 300:
        raise refusal(answer, "page", datetime.now(UTC), "Open it yourself and give its source as `html`.")
    return _source(answer), answer.url


def _source(answer: Response) -> str:
    content_type = answer.headers.get("content-type", "")
    kind = named(content_type)
    text = decode(answer.body, *header_labels(content_type), *inner_labels(answer.body, kind))
    if kind in _JSON:
        return f"<script type='application/ld+json'>{_as_script(text)}</script>"
    seen = sniffed(answer.body)
    is_other = seen not in ("", HTML, XHTML, PLAIN)
    if not is_other and (kind in (HTML, XHTML) or seen == HTML or (kind.startswith("text/") and "<" in text[:1_000])):
        return text
    host = parse_target(answer.url).host
    raise BadInput(f"{host} gave {seen or kind or 'something unknown'} and no web page.")


def _as_script(text: str) -> str:
    """JSON that ends no script."""
    try:
        return strict_json.write(read_one(text)).replace("<", "\\u003c")
    except ValueError:
        raise BadInput("The address gives JSON that is broken.") from None
