"""What calls cost: taken down before they are made, priced, counted by day, action and model, held against a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from llm_wire import TEXT, chunk, event_stream
from pydantic import ValidationError

from llmcoder import NotConfigured, Refused, Transient
from llmcoder.context import User
from llmcoder.testing import FakeContext, run_action
from llmcoder.usage import Call, UsageLedger
from models.db import Database
from tasks.llm import actions
from tasks.llm.prices import price_of
from tasks.llm.settings import LlmSettings
from tasks.llm.tables import llm_usage
from tasks.llm.usage import SqlLedger, month_of

pytestmark = pytest.mark.usefixtures("configured")
PRICES = {"tiny-1": {"in": 100, "out": 1_000}}  # cents for a million tokens


@pytest.fixture
def ask(openai: LlmSettings, user: User) -> Iterator[Callable[..., Any]]:
    """Runs llm.generate for the user, with a real ledger."""

    def run(prompt: str = "Hello", **settings: Any) -> Any:
        own = LlmSettings.model_validate({**openai.model_dump(), **settings})
        ctx = FakeContext([own], user=user)
        ctx.usage = SqlLedger(ctx)  # type: ignore[assignment]
        return run_action(actions.generate, {"prompt": prompt}, ctx)

    yield run


def rows(db: Database) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(llm_usage).order_by(llm_usage.c.at, llm_usage.c.id)))


def test_a_call_is_a_row_with_what_the_provider_counted(db: Database, ask: Callable[..., Any], user: User) -> None:
    done = ask(llm_prices=PRICES)
    [row] = rows(db)
    assert (row.user_id, row.job_id, row.action) == (user.id, done.context.job_id, "llm.generate")
    assert (row.provider, row.model, row.kind, row.estimated) == ("openai", "tiny-1", "chat", False)
    assert (row.tokens_in, row.tokens_out, row.cost_microcents) == (12, 3, 12 * 100 + 3 * 1_000)


def test_a_provider_that_does_not_count_is_estimated(db: Database, ask: Callable[..., Any], server: Any) -> None:
    server.routes["/v1/chat/completions"] = event_stream([*(chunk(text) for text in TEXT), chunk(finish="stop")])
    ask("x" * 400)
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated, row.cost_microcents) == (100, 4, True, None)


def test_an_answer_that_breaks_off_counts_and_one_that_never_began_does_not(
    db: Database, ask: Callable[..., Any], server: Any
) -> None:
    server.routes["/v1/chat/completions"] = lambda exchange: exchange.send(503, {"error": {"message": "busy"}})
    with pytest.raises(Transient):
        ask()
    assert rows(db) == []
    server.routes["/v1/chat/completions"] = event_stream([chunk("Leases "), chunk("exp")], chunked=False, done=False)
    with pytest.raises(Transient):
        ask("x" * 400)
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (100, 3, True)


def test_a_call_whose_worker_dies_stays_as_an_estimate(db: Database, openai: LlmSettings, user: User) -> None:
    SqlLedger(FakeContext([openai], user=user)).begin(Call("openai", "tiny-1", "chat", 40))
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (40, 500, True)


@pytest.mark.parametrize("budget", [{"llm_budget_tokens": 20}, {"llm_budget_cents": 0, "llm_prices": PRICES}])
def test_a_used_up_budget_refuses_before_the_call(
    db: Database, ask: Callable[..., Any], server: Any, budget: dict[str, Any]
) -> None:
    for _ in range(2 if "llm_budget_tokens" in budget else 0):
        ask(**budget)  # 15 tokens each: the second one is begun below the limit
    before = len(server.seen)
    with pytest.raises(Refused, match=r"budget of this month for language models is used up: .* begins anew on 20"):
        ask(**budget)
    assert len(server.seen) == before


def test_a_budget_is_each_users_own_and_ends_with_the_month(
    db: Database, ask: Callable[..., Any], new_user: Callable[[str], User], user: User
) -> None:
    ask()
    with db.write() as conn:
        conn.execute(sa.update(llm_usage).values(at=month_of(datetime.now(UTC)) - timedelta(seconds=1)))
    ask(llm_budget_tokens=1)  # what was used last month does not count
    with pytest.raises(Refused):
        ask(llm_budget_tokens=1)
    ask(llm_budget_tokens=1, llm_budgets={user.email: {"tokens": 1_000}})
    ask(llm_budget_tokens=1, llm_budgets={user.email: {}})  # null is without limit


def test_money_needs_a_price(ask: Callable[..., Any], server: Any) -> None:
    with pytest.raises(NotConfigured, match="tiny-1 has no price: name it in LLM_PRICES"):
        ask(llm_budget_cents=100)
    assert server.seen == []


def test_usage_is_counted_by_day_action_and_model_and_only_ones_own(
    db: Database, ask: Callable[..., Any], openai: LlmSettings, user: User, new_user: Callable[[str], User]
) -> None:
    ask(llm_prices=PRICES)
    ask()
    for who, calls in ((user, 2), (new_user("bob@example.org"), 0)):
        ctx = FakeContext([LlmSettings.model_validate({"llm_budget_cents": 7})], user=who)
        result = run_action(actions.usage, {"by": ["day", "model", "action"]}, ctx).result
        assert sum(row.calls for row in result.rows) == calls
        assert result.budget.cents == 7
    mine = run_action(actions.usage, {"by": ["model"]}, FakeContext(user=user)).result
    [row] = mine.rows
    assert (row.model, row.tokens_in, row.tokens_out, row.unpriced_calls) == ("openai/tiny-1", 24, 6, 1)
    assert row.cost_cents == pytest.approx(0.0042)
    assert mine.budget.used_tokens == 30
    assert run_action(actions.usage, {}, FakeContext(user=user)).result.rows[0].calls == 2


def test_prices_are_found_by_name_by_provider_and_by_the_longest_beginning() -> None:
    prices = LlmSettings.model_validate(
        {"llm_prices": '{"*": {"in": 1}, "gpt-5*": {"in": 2}, "gpt-5-mini": {"in": 3}, "openai/x": {"in": 4}}'}
    ).llm_prices
    found = [price_of(prices, "openai", model) for model in ("other", "gpt-5-pro", "gpt-5-mini", "x")]
    assert [one.tokens_in for one in found if one] == [1, 2, 3, 4]
    free = price_of({}, "ollama", "llama3")
    assert free is not None and free.tokens_in == 0
    assert price_of({}, "openai", "gpt-5") is None


@pytest.mark.parametrize("wrong", ["no json", '{"a": {"in": -1}}', '{"a": {"inn": 1}}', '["a"]'])
def test_prices_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        LlmSettings.model_validate({"llm_prices": wrong})


def test_the_ledger_of_a_job_is_the_one_in_sql(openai: LlmSettings) -> None:
    from llmcoder.registry import registry

    ledger = registry().provider(UsageLedger).make(FakeContext([openai]))
    assert isinstance(ledger, SqlLedger)


def test_tests_without_a_database_have_a_ledger_in_memory(openai: LlmSettings) -> None:
    done = run_action(actions.generate, {"prompt": "Hello"}, FakeContext([openai]))
    assert [(call.provider, model, used) for call, model, used, _ in done.context.usage.calls.values()] == [
        ("openai", "tiny-1", 12)
    ]
    assert all(isinstance(one, UUID) for one in done.context.usage.calls)
