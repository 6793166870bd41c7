"""Feeds for tests: written as RSS, served by a server on loopback, read by the actions themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.settings import Settings
from llmcoder.testing import FakeContext, run_action

Route = Callable[[Any], None]


@dataclass(frozen=True)
class Item:
    """An entry, as a feed has it."""

    title: str
    link: str = ""
    guid: str = ""
    at: datetime | None = None
    description: str = ""

    def rss(self) -> str:
        parts = {
            "title": escape(self.title), "link": escape(self.link), "guid": escape(self.guid),
            "pubDate": format_datetime(self.at) if self.at else "", "description": escape(self.description),
        }  # fmt: skip
        return f"<item>{''.join(f'<{name}>{text}</{name}>' for name, text in parts.items() if text)}</item>"


def rss(items: Iterable[Item], title: str = "A feed", more: str = "") -> bytes:
    """A feed of RSS 2.0, the items in the order that they are given."""
    body = "".join(item.rss() for item in items)
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{escape(title)}</title><link>https://site.example/</link>{more}{body}</channel></rss>"
    ).encode()


def ago(**span: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**span)


@dataclass
class ServedFeed:
    """A feed whose answer a test can change.

    Attributes:
        body: What is served; with an ETag only to who does not have it.
        headers: Of its answers.
        asked: The headers of every request.
    """

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/rss+xml"
    status: int = 200
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, exchange: Any) -> None:
        self.asked.append(exchange.seen.headers)
        named = {name.replace("-", "_"): value for name, value in self.headers.items()}
        known = exchange.seen.headers.get("if-none-match")
        if known is not None and known == self.headers.get("etag"):
            exchange.send(304, b"", self.media_type, **named)
        else:
            exchange.send(self.status, self.body, self.media_type, **named)


class Reader:
    """A user who reads news from servers on this machine."""

    def __init__(self, user: User, *settings: Settings) -> None:
        self.user = user
        self.settings = settings

    def context(self, **more: Any) -> FakeContext:
        return FakeContext(self.settings, user=self.user, fetch_allow=("127.0.0.1",), **more)

    def do(self, action: Any, ctx: FakeContext | None = None, **given: Any) -> Any:
        return run_action(action, given, ctx or self.context()).result


def many(count: int, prefix: str = "Item") -> list[Item]:
    """Items that have nothing in common, the newest first."""
    words = ["alpha", "bravo", "carbon", "delta", "ember", "falcon", "garnet", "harbor", "indigo", "jungle"]
    return [
        Item(f"{prefix} {words[at % 10]} {at} {words[at * 7 % 10]}", f"https://site.example/{prefix}/{at}", f"{prefix}{at}",  # noqa: E501
             ago(hours=1 + at))
        for at in range(count)
    ]  # fmt: skip


__all__ = ["Item", "Reader", "ServedFeed", "ago", "many", "new_id", "rss"]
