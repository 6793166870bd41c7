"""What one does with statements in a test: run an action, bring a file in, look at what is kept."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from llmcoder import Action, User
from llmcoder.testing import FakeContext, run_action
from tasks.finance import actions
from tasks.finance.import_actions import ImportReport
from tasks.finance.records import Transaction


@pytest.fixture
def run(user: User) -> Callable[..., Any]:
    """Run an action for alice: `run(actions.list_transactions, text="tea")`."""

    def run(action: Action[Any, Any], job_id: Any = None, **given: object) -> Any:
        return run_action(action, given, FakeContext(user=user, job_id=job_id)).result

    return run


@pytest.fixture
def bring(user: User) -> Callable[..., ImportReport]:
    """Import a file for alice, or for whom is named."""

    def bring(
        content: str | bytes, job_id: Any = None, name: str = "statement.ofx", who: User = user, **given: object
    ) -> ImportReport:
        ctx = FakeContext(user=who, job_id=job_id)
        ref = ctx.give_file(name, content.encode() if isinstance(content, str) else content)
        result: ImportReport = run_action(
            actions.import_statement, {"file": ref.model_dump(mode="json"), **given}, ctx
        ).result
        return result

    return bring


@pytest.fixture
def kept(run: Callable[..., Any]) -> Callable[..., list[tuple[str, Decimal, str]]]:
    """Alice's transactions, oldest first: day, amount, text."""

    def kept(**wanted: object) -> list[tuple[str, Decimal, str]]:
        items: list[Transaction] = run(actions.list_transactions, sort="date", limit=200, **wanted).items
        return [(str(one.booked_on), one.amount.amount, one.text) for one in items]

    return kept
