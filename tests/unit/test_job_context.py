"""What a worker's context makes of what an action tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import pytest

from engine.outbox import Outbox
from llmcoder.ids import new_id
from models.jobs.claims import Claimed
from workers.attempt import Attempt
from workers.context import JobContext
from workers.ledger import Ledger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNUSED = None


def paused(headers: dict[str, str], *about: str) -> list[tuple[str, str]]:
    """Provider and account of the pauses that come of it, for a job of jira by the account of Ann."""
    claimed = Claimed(
        new_id(), new_id(), "alice@example.org", "jira.add_comment", "{}", 1, 3, 0, None, None, None, NOW, NOW, NOW,
        provider="jira", account="ann",
    )  # fmt: skip
    pauses: list[tuple[str, str]] = []
    ctx = JobContext(
        Attempt(claimed, None),
        cast("Ledger", UNUSED),
        cast("Outbox", UNUSED),
        lambda provider, account, until: pauses.append((provider, account)),
    )
    ctx.heed(headers, *about)
    return pauses


@pytest.mark.parametrize(
    ("about", "whose"),
    [
        ((), ("jira", "ann")),
        (("bert",), ("jira", "bert")),
        (("", "jira"), ("jira", "ann")),
        (("", "llm"), ("llm", "")),
        (("key", "llm"), ("llm", "key")),
    ],
)
def test_a_pause_is_for_whoever_answered(about: tuple[str, ...], whose: tuple[str, str]) -> None:
    assert paused({"retry-after": "7"}, *about) == [whose]


def test_an_answer_with_calls_left_pauses_nobody() -> None:
    assert paused({"ratelimit-remaining": "1", "ratelimit-reset": "7"}) == []
