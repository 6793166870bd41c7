"""Sites at the local Confluence, opened as an action opens them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluence_server import EMAIL, Confluence, confluence_on_loopback

from llmcoder.testing import FakeContext
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.open_site import open_site
from tasks.confluence.site import Site

KINDS = ("cloud", "data_center")


@pytest.fixture
def confluence() -> Iterator[Confluence]:
    with confluence_on_loopback() as running:
        yield running


def context(confluence: Confluence, kind: str = "cloud", **more: Any) -> FakeContext:
    account = more.pop("credentials", None) or getattr(confluence, kind)()
    given = {"account": EMAIL, "timeout_s": 20.0, "fetch_allow": ("127.0.0.1",), **more}
    return FakeContext(given.pop("settings", ()), connections={CONFLUENCE: account}, **given)


def site(confluence: Confluence, kind: str = "cloud", **more: Any) -> Site:
    ctx = context(confluence, kind, **more)
    return open_site(ctx.connection(CONFLUENCE), ctx)
