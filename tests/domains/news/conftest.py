"""A user who reads news, and feeds on a server of this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmcoder.config import Config
from llmcoder.context import User

sys.path.insert(0, str(Path(__file__).parent))

from news_kit import Reader, ServedFeed


@pytest.fixture
def reader(configured: Config, user: User) -> Reader:
    return Reader(user)


@pytest.fixture
def serve(server) -> Callable[..., tuple[str, ServedFeed]]:  # type: ignore[no-untyped-def]  # of the conftest above
    """Serve a feed: `url, feed = serve("/feed", body)`."""

    def start(path: str, body: bytes, **more: object) -> tuple[str, ServedFeed]:
        feed = ServedFeed(body, **more)  # type: ignore[arg-type]
        server.routes[path] = feed
        return f"{server.url}{path}", feed

    return start
