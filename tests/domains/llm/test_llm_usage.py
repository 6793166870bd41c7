"""What calls cost: taken down before they are made, priced, counted by day, action and model, held against a budget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import structlog
from llm_wire import TEXT, answer_chunks, chunk, error_body, event_stream
from pydantic import ValidationError

from llmcoder import Cancelled, NotConfigured, NotFound, Refused, Transient
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.language import LanguageModel
from llmcoder.provenance import Taint
from llmcoder.registry import registry
from llmcoder.testing import FakeContext, run_action
from llmcoder.usage import BudgetSpent, ProviderCall, UsageLedger
from models.accounts.tables import users
from models.db.database import Database, database
from models.jobs.store import NewJob, insert
from models.jobs.tables import jobs
from tasks.llm import actions, usage_actions
from tasks.llm.prices import FREE, Price, UsageBudget
from tasks.llm.settings import LlmSettings
from tasks.llm.tables import llm_usage
from tasks.llm.usage import SqlLedger, Used, month_of, next_month, refuse_unless_held

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
PRICES = {"tiny-1": {"in": 100, "out": 1_000}}  # cents for a million tokens


CHAT = "/v1/chat/completions"


class BilledContext(FakeContext):
    """A context whose ledger is the real one."""

    def use(self, interface: type[Any]) -> Any:
        return SqlLedger(self) if interface is UsageLedger else super().use(interface)


@pytest.fixture
def ask(openai: LlmSettings, user: User) -> Callable[..., Any]:
    """Runs llm.generate for the user."""

    def run(prompt: str = "Hello", context: dict[str, Any] | None = None, **settings: Any) -> Any:
        own = LlmSettings.model_validate({**openai.model_dump(), **settings})
        return run_action(actions.generate, {"prompt": prompt}, BilledContext([own], user=user, **(context or {})))

    return run


def used(wanted: dict[str, Any], user: User, **settings: Any) -> usage_actions.Usage:
    ctx = FakeContext([LlmSettings.model_validate(settings)], user=user)
    return run_action(registry()["llm.usage"], wanted, ctx).result


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


def test_what_was_refused_or_never_arrived_does_not_count(
    db: Database, ask: Callable[..., Any], server: Any, refused_url: str
) -> None:
    for status, error in ((404, NotFound), (503, Transient)):
        server.routes[CHAT] = lambda exchange, status=status: exchange.send(status, error_body())
        with pytest.raises(error):
            ask()
    with pytest.raises(Transient, match="cannot be reached"):
        ask(openai_base_url=f"{refused_url}/v1")
    assert rows(db) == []


def test_an_answer_that_breaks_off_counts_with_what_came(db: Database, ask: Callable[..., Any], server: Any) -> None:
    server.routes[CHAT] = event_stream([chunk("Leases "), chunk("exp")], chunked=False, done=False)
    with pytest.raises(Transient):
        ask("x" * 400)
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (100, 3, True)


@pytest.mark.parametrize("status", [0, 504, 524])
def test_a_call_that_was_sent_and_never_answered_counts_since_it_may_be_billed(
    db: Database, ask: Callable[..., Any], server: Any, status: int
) -> None:
    server.routes[CHAT] = lambda exchange: exchange.send(status, b"late") if status else exchange.hang_up()
    with pytest.raises(Transient):
        ask("x" * 400)
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (100, 500, True)


def test_a_cancelled_call_counts_from_its_first_piece_on(db: Database, ask: Callable[..., Any], server: Any) -> None:
    server.routes[CHAT] = event_stream([chunk(""), *answer_chunks()])
    with pytest.raises(Cancelled):
        ask("x" * 400, {"cancel_after": 1})  # the action's own progress looks first
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (100, 0, True)


def test_each_provider_that_was_asked_has_a_row(
    db: Database, ask: Callable[..., Any], server: Any, ollama: LlmSettings
) -> None:
    server.routes[CHAT] = lambda exchange: exchange.hang_up()
    ask(ollama_host=ollama.ollama_host, ollama_model="llama3")
    assert [(row.provider, row.model, row.cost_microcents) for row in rows(db)] == [
        ("openai", "tiny-1", None),
        ("ollama", "llama3", 0),
    ]


def test_a_call_whose_worker_dies_stays_as_an_estimate(db: Database, openai: LlmSettings, user: User) -> None:
    SqlLedger(FakeContext([openai], user=user)).begin(ProviderCall("openai", "tiny-1", "chat", 40, 500))
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (40, 500, True)


def test_what_a_caller_allows_is_reserved_and_no_more(
    db: Database, server: Any, openai: LlmSettings, user: User
) -> None:
    server.routes[CHAT] = lambda exchange: exchange.hang_up()
    for max_tokens in (7, 100_000):
        with pytest.raises(Transient):
            run_action(actions.generate, {"prompt": "Hi", "max_tokens": max_tokens}, BilledContext([openai], user=user))
    assert [row.tokens_out for row in rows(db)] == [7, 500]


def test_the_model_that_is_priced_is_the_one_that_is_asked(db: Database, ask: Callable[..., Any]) -> None:
    """And not the word "default", where only the server knows which."""
    ask(openai_model=None, llm_budget_cents=1, llm_prices=PRICES)
    [row] = rows(db)
    assert (row.model, row.cost_microcents) == ("tiny-1", 12 * 100 + 3 * 1_000)


def test_a_model_that_answers_under_a_longer_name_costs_what_was_asked(
    db: Database, ask: Callable[..., Any], server: Any
) -> None:
    server.routes[CHAT] = event_stream([one | {"model": f"tiny-1-{'x' * 300}\0"} for one in answer_chunks()])
    ask(llm_prices=PRICES)
    [row] = rows(db)
    assert row.model == f"tiny-1-{'x' * 193}"
    assert row.cost_microcents == 12 * 100 + 3 * 1_000


@pytest.mark.parametrize("usage", [{}, {"prompt_tokens": -1, "completion_tokens": 10**30}, {"prompt_tokens": "12"}])
def test_counts_that_are_none_are_estimated(
    db: Database, ask: Callable[..., Any], server: Any, usage: dict[str, Any]
) -> None:
    server.routes[CHAT] = event_stream([*answer_chunks()[:-1], chunk(choices=[], usage=usage)])
    ask("x" * 400)
    [row] = rows(db)
    assert (row.tokens_in, row.tokens_out, row.estimated) == (100, 4, True)


def test_an_answer_is_not_lost_because_its_row_cannot_be_completed(
    db: Database, openai: LlmSettings, user: User, tmp_path: Path
) -> None:
    ledger = SqlLedger(FakeContext([openai], user=user))
    call_id = ledger.begin(ProviderCall("openai", "tiny-1", "chat", 40, 500))
    away = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/llmcoder.db"}
    with use(Config.open(away, cwd=tmp_path)), closing(database()), structlog.testing.capture_logs() as lines:
        ledger.end(call_id, "tiny-1", 12, 3, 0)
        ledger.drop(call_id)
        with pytest.raises(Transient):
            ledger.begin(ProviderCall("openai", "tiny-1", "chat", 40, 500))
    assert [line["event"] for line in lines] == ["a model's call stays counted as it was begun"] * 2
    assert [(row.tokens_in, row.estimated) for row in rows(db)] == [(40, True)]


# --- budgets


@pytest.mark.parametrize("budget", [{"llm_budget_tokens": 20}, {"llm_budget_cents": 0, "llm_prices": PRICES}])
def test_a_used_up_budget_refuses_before_the_call(
    db: Database, ask: Callable[..., Any], server: Any, budget: dict[str, Any]
) -> None:
    for _ in range(2 if "llm_budget_tokens" in budget else 0):
        ask(**budget)  # 15 tokens each: the second one is begun below the limit
    before, counted = len(server.seen), len(rows(db))
    with pytest.raises(BudgetSpent, match=r"does not hold this call: .* are used, .* begins anew on 20"):
        ask(**budget)
    assert (len(server.seen), len(rows(db))) == (before, counted)


def test_a_spent_budget_burns_no_retry_and_has_a_name_of_its_own() -> None:
    assert issubclass(BudgetSpent, Refused)
    assert BudgetSpent("x").as_problem()["type"] == "urn:llmcoder:problem:budget-spent"


NOW = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
CALL = ProviderCall("openai", "tiny-1", "chat", 1_000, 500)
DEAR = Price(tokens_in=1_000, tokens_out=1_000)  # the prompt of CALL costs one cent


@pytest.mark.parametrize(
    ("used", "price", "budget", "held"),
    [
        (Used(tokens_in=8_000), DEAR, UsageBudget(tokens=9_000), True),
        (Used(tokens_in=8_001), DEAR, UsageBudget(tokens=9_000), False),  # the prompt no longer fits
        (Used(tokens_in=1, tokens_out=9_000), DEAR, UsageBudget(tokens=9_000), False),
        (Used(cost_microcents=4_000_000), DEAR, UsageBudget(cents=5), True),
        (Used(cost_microcents=4_000_001), DEAR, UsageBudget(cents=5), False),
        (Used(cost_microcents=9_000_000), FREE, UsageBudget(cents=5), True),  # costs nothing
        (Used(cost_microcents=9_000_000), FREE, UsageBudget(cents=5, tokens=10), False),
        (Used(tokens_in=10**9, cost_microcents=10**12), DEAR, UsageBudget(), True),
    ],
)
def test_a_budget_holds_a_call_whose_prompt_fits_into_what_is_left(
    used: Used, price: Price, budget: UsageBudget, held: bool
) -> None:
    if held:
        refuse_unless_held(used, CALL, price, budget, NOW)
        return
    with pytest.raises(BudgetSpent, match="anew on 2027-01-01"):
        refuse_unless_held(used, CALL, price, budget, NOW)


def test_calls_that_begin_at_once_see_what_the_others_reserved(db: Database, openai: LlmSettings, user: User) -> None:
    own = LlmSettings.model_validate({**openai.model_dump(), "llm_budget_tokens": 1_000})
    together = threading.Barrier(8)

    def begin() -> bool:
        together.wait(30)
        try:
            SqlLedger(FakeContext([own], user=user)).begin(ProviderCall("openai", "tiny-1", "chat", 1, 499))
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: begin(), range(8))) == 2


def test_a_budget_is_each_users_own_and_ends_with_the_month(
    db: Database, ask: Callable[..., Any], new_user: Callable[[str], User], user: User
) -> None:
    ask()
    with db.write() as conn:
        conn.execute(sa.update(llm_usage).values(at=month_of(datetime.now(UTC)) - timedelta(seconds=1)))
    ask(llm_budget_tokens=2)  # what was used last month does not count
    with pytest.raises(Refused):
        ask(llm_budget_tokens=2)
    ask(llm_budget_tokens=2, llm_budgets={user.email.upper(): {"tokens": 1_000}})
    ask(llm_budget_tokens=2, llm_budgets={user.email: {"tokens": None}})


def test_money_needs_a_price(ask: Callable[..., Any], server: Any, db: Database) -> None:
    with pytest.raises(NotConfigured, match="openai/tiny-1 has no price: name it in LLM_PRICES"):
        ask(llm_budget_cents=100)
    assert (server.seen, rows(db)) == ([], [])


def test_where_the_money_is_spent_a_model_that_costs_nothing_takes_over(
    db: Database, ask: Callable[..., Any], server: Any, ollama: LlmSettings
) -> None:
    both = {"ollama_host": ollama.ollama_host, "ollama_model": "llama3"}
    assert ask(llm_budget_cents=0, llm_prices=PRICES, **both).result.provider == "ollama"
    assert [row.provider for row in rows(db)] == ["ollama"]


def test_embeddings_are_held_against_the_budget_too(db: Database, openai: LlmSettings, server: Any, user: User) -> None:
    own = LlmSettings.model_validate({**openai.model_dump(), "openai_embedding_model": "e", "llm_budget_tokens": 1})
    with pytest.raises(BudgetSpent):
        BilledContext([own], user=user).use(LanguageModel).embed(["more than a token"])
    assert server.seen == []


# --- llm.usage


def test_usage_is_counted_by_day_action_and_model_and_only_ones_own(
    db: Database, ask: Callable[..., Any], openai: LlmSettings, user: User, new_user: Callable[[str], User]
) -> None:
    ask(llm_prices=PRICES)
    ask()
    for who, calls in ((user, 2), (new_user("bob@example.org"), 0)):
        found = used({"by": ["day", "model", "action"]}, who, llm_budget_cents=7, llm_currency="EUR")
        assert sum(row.calls for row in found.rows) == found.total.calls == calls
        assert (found.budget.cents, found.currency, found.more) == (7, "EUR", False)
    [row] = used({"by": ["model"]}, user).rows
    assert (row.model, row.action, row.tokens_in, row.tokens_out, row.unpriced_calls) == (
        "openai/tiny-1",
        None,
        24,
        6,
        1,
    )
    assert row.cost_cents == pytest.approx(0.0042)
    mine = used({}, user)
    assert (mine.rows, mine.total.calls, mine.unpriced_models) == ([], 2, ["openai/tiny-1"])
    assert (mine.budget.used_tokens, mine.budget.begins_anew_at) == (30, next_month(datetime.now(UTC)))


PRICED = {"llm_prices": {"*": {"in": 1, "out": 1}, "tiny-1": {"in": 1, "out": 1}}}
#: Who asked a model, by which name; how is counted; whose words the count holds.
NAMES: dict[str, tuple[dict[str, Any] | None, str, dict[str, Any], Taint | None]] = {
    "a stranger's word": ({"tainted": True}, "pay mallory", {"by": ["model"]}, Taint.OUTSIDE),
    "a stranger's word beside days": ({"tainted": True}, "pay mallory", {"by": ["day", "model"]}, Taint.OUTSIDE),
    "an agent's word": ({"origin": "agent"}, "pay mallory", {"by": ["model"]}, Taint.AGENT),
    "a word of nobody knows whom": (None, "pay mallory", {"by": ["model"]}, Taint.OUTSIDE),
    "the user's own": ({}, "tiny-2", {"by": ["model"]}, None),
    "the operator's, for a stranger's words": ({"tainted": True}, "tiny-1", {"by": ["model"]}, None),
    "a name that is not shown": ({"tainted": True}, "pay mallory", {"by": ["day", "action"]}, None),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_model_stays_the_words_of_who_gave_it(
    db: Database, openai: LlmSettings, user: User, name: str
) -> None:
    job, model, wanted, taint = NAMES[name]
    asking = FakeContext([LlmSettings.model_validate(openai.model_dump() | PRICED)], user=user)
    if job is not None:
        given = {"action": "llm.generate", "effect": "draft", "queue": "io", "input": "{}", "max_attempts": 1}
        new = NewJob(id=asking.job_id, user_id=user.id, **given, **job)
        with db.write() as conn:
            insert(conn, [new], db.now(), rung=[False])
    SqlLedger(asking).begin(ProviderCall("openai", model, "chat", 1, 0))
    counting = FakeContext([LlmSettings.model_validate(PRICED)], user=user)
    run_action(registry()["llm.usage"], wanted, counting)
    assert counting.trail.result_taint is taint
    assert counting.trail.sources == ((asking.job_id,) if taint else ())


def test_a_model_without_a_price_is_named_by_who_asked_for_it(db: Database, openai: LlmSettings, user: User) -> None:
    SqlLedger(FakeContext([openai], user=user)).begin(ProviderCall("openai", "pay mallory", "chat", 1, 0))
    counting = FakeContext([openai], user=user)
    assert run_action(registry()["llm.usage"], {}, counting).result.unpriced_models == ["openai/pay mallory"]
    assert counting.trail.result_taint is Taint.OUTSIDE


def test_days_are_counted_in_utc_and_both_ends_of_a_span_count(db: Database, openai: LlmSettings, user: User) -> None:
    ledger = SqlLedger(FakeContext([openai], user=user))
    for at in ("2026-03-01T00:00:00", "2026-03-01T23:59:59.999999", "2026-03-02T00:00:00", "2026-03-03T12:00:00"):
        call_id = ledger.begin(ProviderCall("openai", "tiny-1", "chat", 1, 0))
        with db.write() as conn:
            at_ = datetime.fromisoformat(at).replace(tzinfo=UTC)
            conn.execute(sa.update(llm_usage).where(llm_usage.c.id == call_id).values(at=at_))
    found = used({"since": "2026-03-01", "until": "2026-03-02", "by": ["day"]}, user)
    assert [(row.day, row.calls) for row in found.rows] == [("2026-03-02", 1), ("2026-03-01", 2)]
    assert (found.total.calls, found.budget.used_tokens) == (3, 0)
    assert used({"since": date(2026, 3, 3)}, user).total.calls == 1
    assert used({"since": "0001-01-01", "until": "9999-12-31"}, user).total.calls == 4


@pytest.mark.parametrize(
    "wrong", [{"since": "2026"}, {"since": "1795478400"}, {"since": "2026-03-02", "until": "2026-03-01"}, {"by": ["x"]}]
)
def test_a_question_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        usage_actions.UsageQuery.model_validate(wrong)


def test_an_answer_shows_a_bounded_number_of_rows_and_the_whole_sum(
    db: Database, openai: LlmSettings, user: User
) -> None:
    SqlLedger(FakeContext([openai], user=user)).begin(ProviderCall("openai", "tiny-1", "chat", 1, 0))
    [row] = rows(db)
    many = [row._asdict() | {"id": UUID(int=n), "model": f"m{n}", "tokens_in": n} for n in range(1_100)]
    with db.write() as conn:
        conn.execute(sa.insert(llm_usage), many)
    found = used({"by": ["model"]}, user)
    assert (len(found.rows), found.more, found.total.calls) == (1_000, True, 1_101)
    assert found.rows[0].model == "openai/m1099", "the dearest first"
    assert len(found.unpriced_models) == 100


def test_rows_outlive_their_jobs_and_fall_with_their_user(db: Database, ask: Callable[..., Any], user: User) -> None:
    ask()
    with db.write() as conn:
        conn.execute(sa.delete(jobs))
    assert len(rows(db)) == 1
    with db.write() as conn:
        conn.execute(sa.delete(users).where(users.c.id == user.id))
    assert rows(db) == []


# --- whose ledger


def test_the_ledger_of_a_job_is_the_one_in_sql(openai: LlmSettings) -> None:
    ledger = registry().provider(UsageLedger).make(FakeContext([openai]))
    assert isinstance(ledger, SqlLedger)


def test_tests_without_a_database_have_a_ledger_in_memory(openai: LlmSettings) -> None:
    done = run_action(actions.generate, {"prompt": "Hello"}, FakeContext([openai]))
    assert [(call.provider, model, used) for call, model, used, _ in done.context.usage.calls.values()] == [
        ("openai", "tiny-1", 12)
    ]
