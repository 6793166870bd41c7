"""The ledger of calls in SQL, and the budget that it is held against."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from llmcoder.context import Context
from llmcoder.errors import NotConfigured, Transient, Uncertain
from llmcoder.ids import new_id
from llmcoder.logger import get_logger
from llmcoder.provenance import MOST_SOURCES, Taint
from llmcoder.usage import BudgetSpent, ProviderCall, UsageLedger
from models.accounts.users import lock
from models.db.database import database, reading, writing
from models.jobs import inquiries
from tasks.llm.prices import FREE, MICROCENTS, Price, UsageBudget, cost_microcents, price_of
from tasks.llm.settings import LlmSettings
from tasks.llm.tables import LONGEST_MODEL_CHARS, llm_usage

log = get_logger(__name__)

WHAT = "rows of usage"
Group = Literal["day", "action", "model"]
#: Rows that an answer holds.
MOST_ROWS = 1_000
MOST_NAMES = 100


@dataclass(frozen=True)
class Used:
    """What was used in a span of time.

    Attributes:
        cost_microcents: Of the calls that have a price.
        unpriced: Calls without one.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: int = 0
    cost_microcents: int = 0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True)
class UsagePeriod:
    """The calls of one user in a span of time, both ends of which count; without an end up to now."""

    user_id: UUID
    since: datetime
    until: datetime | None = None

    def theirs(self) -> sa.ColumnElement[bool]:
        own = llm_usage.c
        ended = [own.at <= self.until] if self.until else []
        return sa.and_(own.user_id == self.user_id, own.at >= self.since, *ended)


class SqlLedger(UsageLedger):
    """Takes down the calls of one job: one INSERT before each, one UPDATE after it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._settings = ctx.settings(LlmSettings)
        self._begun: dict[UUID, ProviderCall] = {}

    def begin(self, call: ProviderCall) -> UUID:
        price = self._price(call.provider, call.model)
        budget = self._settings.budget_of(self._ctx.user.email)
        if budget.cents is not None and price is None:
            raise NotConfigured(
                f"There is a budget in money, and {call.provider}/{call.model} has no price: name it in LLM_PRICES."
            )
        call_id, now = new_id(), database().now()
        row = {
            "id": call_id, "user_id": self._ctx.user.id, "job_id": self._ctx.job_id, "action": self._ctx.action,
            "provider": call.provider, "model": _kept(call.model), "kind": call.kind, "at": now,
            "tokens_in": call.tokens_in, "tokens_out": call.tokens_out, "estimated": True,
            "cost_microcents": cost_microcents(price, call.tokens_in, call.tokens_out),
        }  # fmt: skip
        try:
            with writing(WHAT) as conn:
                if budget != UsageBudget():
                    self._refuse_unless_held(conn, call, price, budget, now)
                conn.execute(sa.insert(llm_usage).values(row))
        except Uncertain as error:  # at worst a call counts that was not made
            raise Transient(f"No model was asked: the {WHAT} could not be written.") from error
        self._begun[call_id] = call
        return call_id

    def end(self, call_id: UUID, model: str, tokens_in: int | None, tokens_out: int | None, written: int) -> None:
        call = self._begun[call_id]
        counted_in = call.tokens_in if tokens_in is None else tokens_in
        counted_out = written if tokens_out is None else tokens_out
        values = {
            "model": _kept(model), "tokens_in": counted_in, "tokens_out": counted_out,
            "estimated": tokens_in is None or tokens_out is None,
            "cost_microcents": cost_microcents(self._price(call.provider, model, call.model), counted_in, counted_out),
        }  # fmt: skip
        self._complete(sa.update(llm_usage).where(llm_usage.c.id == call_id).values(values), call_id)

    def drop(self, call_id: UUID) -> None:
        self._complete(sa.delete(llm_usage).where(llm_usage.c.id == call_id), call_id)

    def _complete(self, change: sa.Update | sa.Delete, call_id: UUID) -> None:
        """The provider has answered by now, and its answer is worth more than an exact count."""
        try:
            with writing(WHAT) as conn:
                conn.execute(change)
        except (Transient, Uncertain) as error:
            log.warning("a model's call stays counted as it was begun", call=str(call_id), why=error.detail)

    def _price(self, provider: str, *models: str) -> Price | None:
        """Of the model that answered (`gpt-5-2026-01-01`), else of the one that was asked (`gpt-5`)."""
        found = (price_of(self._settings.llm_prices, provider, model) for model in models)
        return next((price for price in found if price is not None), None)

    def _refuse_unless_held(
        self, conn: sa.Connection, call: ProviderCall, price: Price | None, budget: UsageBudget, now: datetime
    ) -> None:
        """Calls that begin at the same time stand in line here, and each sees what those before it reserved."""
        lock(conn, f"llm_usage:{self._ctx.user.id}")
        used = _used(conn, UsagePeriod(self._ctx.user.id, month_of(now)))
        refuse_unless_held(used, call, price, budget, now)


def refuse_unless_held(used: Used, call: ProviderCall, price: Price | None, budget: UsageBudget, now: datetime) -> None:
    """Whether a budget holds one more call: it is not used up, and the prompt fits into what is left.

    What the call will generate is not foreseen, so it may end beyond the budget. A model that costs nothing is held by
    every budget in money.

    Raises:
        BudgetSpent: It does not.
    """
    anew = f"It begins anew on {next_month(now):%Y-%m-%d}; GET /llm/usage shows what used it."
    tokens_left = None if budget.tokens is None else budget.tokens - used.tokens
    if tokens_left is not None and tokens_left < max(call.tokens_in, 1):
        raise BudgetSpent(
            f"Your budget of this month for language models does not hold this call: {used.tokens} of {budget.tokens} "
            f"tokens are used, and it takes about {call.tokens_in}. {anew}"
        )
    if budget.cents is None or price is None or price == FREE:
        return
    least = round(call.tokens_in * price.tokens_in)
    if budget.cents * MICROCENTS - used.cost_microcents < max(least, 1):
        raise BudgetSpent(
            "Your budget of this month for language models does not hold this call: "
            f"{used.cost_microcents / MICROCENTS:.2f} of {budget.cents} cents are used, and it takes at least "
            f"{least / MICROCENTS:.2f}. {anew}"
        )


def used_in(span: UsagePeriod) -> Used:
    """What a user used."""
    with reading(WHAT) as conn:
        return _used(conn, span)


def used_by(span: UsagePeriod, groups: Sequence[Group]) -> list[tuple[dict[str, str], Used]]:
    """What a user used, by day, action or model: the newest day first, then the dearest; one row more than shown."""
    own = llm_usage.c
    with reading(WHAT) as conn:
        day = sa.func.strftime("%Y-%m-%d", own.at) if conn.dialect.name == "sqlite" else sa.func.to_char(
            sa.func.timezone("UTC", own.at), "YYYY-MM-DD"
        )  # fmt: skip
        columns: dict[str, Any] = {"day": day, "action": own.action, "model": own.provider + "/" + own.model}
        keys = [columns[name].label(f"by_{name}") for name in groups]
        sums = _sums()
        newest = [key.desc() for name, key in zip(groups, keys, strict=True) if name == "day"]
        dearest = [sa.func.coalesce(sums[4], 0).desc(), sums[1].desc(), *keys]
        query = sa.select(*keys, *sums).where(span.theirs()).group_by(*keys).order_by(*newest, *dearest)
        rows = conn.execute(query.limit(MOST_ROWS + 1)).all()
    return [(dict(zip(groups, row[: len(groups)], strict=True)), _as_used(row[len(groups) :])) for row in rows]


def unpriced_models(span: UsagePeriod) -> list[str]:
    """The models among the calls that had no price, as provider/model."""
    own = llm_usage.c
    query = sa.select(own.provider, own.model).where(span.theirs(), own.cost_microcents.is_(None)).distinct()
    with reading(WHAT) as conn:
        return [
            f"{row.provider}/{row.model}"
            for row in conn.execute(query.order_by(own.provider, own.model).limit(MOST_NAMES))
        ]


def whose_names(span: UsagePeriod, operators: Collection[str]) -> list[tuple[Taint, UUID]]:
    """Whose words the models' names are, and by which jobs: an input may name a model as it likes.

    Args:
        operators: Names that stand in the settings, whoever asked for them.
    """
    own = llm_usage.c
    of_stranger = sa.not_(inquiries.is_trusted(own.job_id))
    query = (
        sa.select(own.job_id, sa.case((of_stranger, 0), else_=1).label("whose"))
        .where(span.theirs(), own.model.not_in(operators), sa.or_(of_stranger, inquiries.is_delegated(own.job_id)))
        .distinct()
    )
    with reading(WHAT) as conn:
        rows = conn.execute(query.order_by("whose", own.job_id).limit(MOST_SOURCES)).all()
    return [((Taint.OUTSIDE, Taint.AGENT)[row.whose], row.job_id) for row in rows]


def month_of(now: datetime) -> datetime:
    """The beginning of its calendar month, UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(now: datetime) -> datetime:
    """When the budget begins anew."""
    begins = month_of(now)
    return begins.replace(year=begins.year + begins.month // 12, month=begins.month % 12 + 1)


def _kept(model: str) -> str:
    """A model's name as its column takes it: servers of one's own name theirs after whole paths."""
    return model.replace("\0", "")[:LONGEST_MODEL_CHARS]


def _used(conn: sa.Connection, span: UsagePeriod) -> Used:
    return _as_used(conn.execute(sa.select(*_sums()).where(span.theirs())).one())


def _as_used(sums: Sequence[Any]) -> Used:
    return Used(*(int(one or 0) for one in sums))


def _sums() -> list[sa.ColumnElement[Any]]:
    own = llm_usage.c
    return [
        sa.func.count(),
        sa.func.sum(own.tokens_in),
        sa.func.sum(own.tokens_out),
        sa.func.sum(sa.case((own.estimated, 1), else_=0)),
        sa.func.sum(own.cost_microcents),
        sa.func.sum(sa.case((own.cost_microcents.is_(None), 1), else_=0)),
    ]
