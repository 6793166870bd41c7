"""Sites at the local JIRA, opened as an action opens them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jira_server import EMAIL, Jira, jira_on_loopback

from llmcoder.testing import FakeContext
from tasks.jira.connections import JIRA
from tasks.jira.open_tracker import open_tracker
from tasks.jira.tracker import Tracker

KINDS = ("cloud", "data_center")


@pytest.fixture
def jira() -> Iterator[Jira]:
    with jira_on_loopback() as running:
        yield running


def context(jira: Jira, kind: str = "cloud", **more: Any) -> FakeContext:
    account = more.pop("credentials", None) or getattr(jira, kind)()
    given = {"account": EMAIL, "timeout_s": 20.0, "fetch_allow": ("127.0.0.1",), **more}
    return FakeContext(given.pop("settings", ()), connections={JIRA: account}, **given)


def site(jira: Jira, kind: str = "cloud", **more: Any) -> Tracker:
    ctx = context(jira, kind, **more)
    return open_tracker(ctx.connection(JIRA), ctx)
