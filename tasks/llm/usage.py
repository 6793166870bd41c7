"""The ledger of calls in SQL, and the budget that it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from llmcoder.context import Context
from llmcoder.errors import NotConfigured, Refused
from llmcoder.ids import new_id
from llmcoder.usage import Call, UsageLedger
from models.db import database, reading, writing
from tasks.llm.prices import MICROCENTS, Budget, cost_microcents, estimated_tokens, price_of
from tasks.llm.settings import LlmSettings
from tasks.llm.tables import llm_usage

#: A call that is under way counts with so many generated tokens, until it says how many.
RESERVED_TOKENS_OUT = 500
Group = Literal["day", "action", "model"]


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


class SqlLedger(UsageLedger):
    """Takes down the calls of one job."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._settings = ctx.settings(LlmSettings)

    def begin(self, call: Call) -> UUID:
        price = price_of(self._settings.llm_prices, call.provider, call.model)
        budget = self._settings.budget_of(self._ctx.user.email)
        if budget.cents is not None and price is None:
            raise NotConfigured(
                f"There is a budget in money, and the model {call.model} has no price: name it in LLM_PRICES."
            )
        call_id, now = new_id(), database().now()
        with writing("usage") as conn:
            if budget.cents is not None or budget.tokens is not None:
                refuse_spent(used_since(conn, self._ctx.user.id, month_of(now)), budget, now)
            row = {
                "id": call_id, "user_id": self._ctx.user.id, "job_id": self._ctx.job_id, "action": self._ctx.action,
                "provider": call.provider, "model": call.model, "kind": call.kind, "at": now,
                "tokens_in": call.tokens_in, "tokens_out": 0 if call.kind == "embedding" else RESERVED_TOKENS_OUT,
                "estimated": True,
            }  # fmt: skip
            cost = cost_microcents(price, call.tokens_in, int(row["tokens_out"]))  # type: ignore[call-overload]
            conn.execute(sa.insert(llm_usage).values(**row, cost_microcents=cost))
        return call_id

    def end(self, call_id: UUID, model: str, tokens_in: int | None, tokens_out: int | None, written: int) -> None:
        own = llm_usage.c
        with writing("usage") as conn:
            row = conn.execute(sa.select(own.provider, own.tokens_in).where(own.id == call_id)).first()
            if row is None:
                return  # its user is gone
            counted_in = row.tokens_in if tokens_in is None else tokens_in
            counted_out = estimated_tokens(written) if tokens_out is None else tokens_out
            price = price_of(self._settings.llm_prices, row.provider, model)
            values = {
                "model": model, "tokens_in": counted_in, "tokens_out": counted_out,
                "estimated": tokens_in is None or tokens_out is None,
                "cost_microcents": cost_microcents(price, counted_in, counted_out),
            }  # fmt: skip
            conn.execute(sa.update(llm_usage).where(own.id == call_id).values(values))

    def drop(self, call_id: UUID) -> None:
        with writing("usage") as conn:
            conn.execute(sa.delete(llm_usage).where(llm_usage.c.id == call_id))


def refuse_spent(used: Used, budget: Budget, now: datetime) -> None:
    """Raises `Refused` where a budget is used up."""
    anew = f"It begins anew on {_next_month(now):%Y-%m-%d}."
    if budget.cents is not None and used.cost_microcents >= budget.cents * MICROCENTS:
        spent = f"{used.cost_microcents / MICROCENTS:.2f} of {budget.cents} cents"
        raise Refused(f"Your budget of this month for language models is used up: {spent}. {anew}")
    tokens = used.tokens_in + used.tokens_out
    if budget.tokens is not None and tokens >= budget.tokens:
        spent = f"{tokens} of {budget.tokens} tokens"
        raise Refused(f"Your budget of this month for language models is used up: {spent}. {anew}")


def used_since(conn: sa.Connection, user_id: UUID, since: datetime) -> Used:
    row = conn.execute(sa.select(*_sums()).where(llm_usage.c.user_id == user_id, llm_usage.c.at >= since)).one()
    return Used(*(int(one or 0) for one in row))


def used_by(
    user_id: UUID, since: datetime, until: datetime, groups: Sequence[Group]
) -> list[tuple[dict[str, str], Used]]:
    """What a user used, by day, action, model or none of them; the most recent and dearest first."""
    own = llm_usage.c
    with reading("usage") as conn:
        day = sa.func.strftime("%Y-%m-%d", own.at) if conn.dialect.name == "sqlite" else sa.func.to_char(
            sa.func.timezone("UTC", own.at), "YYYY-MM-DD"
        )  # fmt: skip
        columns: dict[str, Any] = {"day": day, "action": own.action, "model": own.provider + "/" + own.model}
        keys = [columns[name].label(name) for name in groups]
        query = sa.select(*keys, *_sums()).where(own.user_id == user_id, own.at >= since, own.at < until)
        rows = conn.execute(query.group_by(*keys) if keys else query).all()
    found = [
        (dict(zip(groups, row[: len(groups)], strict=True)), Used(*(int(one or 0) for one in row[len(groups) :])))
        for row in rows
    ]
    found.sort(key=lambda one: (one[0].get("day", ""), one[1].cost_microcents, one[1].tokens_in), reverse=True)
    return found


def month_of(now: datetime) -> datetime:
    """The beginning of its calendar month, UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(now: datetime) -> datetime:
    begins = month_of(now)
    return begins.replace(year=begins.year + begins.month // 12, month=begins.month % 12 + 1)


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
