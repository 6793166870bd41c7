"""What a user used of language models, and what the budget still holds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from llmcoder import Context, Effect, Model, action
from tasks.llm.prices import MICROCENTS
from tasks.llm.settings import LlmSettings

if TYPE_CHECKING:
    from tasks.llm.usage import Used

_A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _refuse_numbers(given: object) -> object:
    """pydantic takes a number in a text for seconds since 1970."""
    if isinstance(given, str) and not _A_DAY.fullmatch(given):
        raise ValueError("must be a day such as 2030-06-01")
    return given


Day = Annotated[date, BeforeValidator(_refuse_numbers)]


class UsageQuery(Model):
    """Which calls to count."""

    since: Day | None = Field(None, description="First day, UTC; left out, the first of this month.")
    until: Day | None = Field(None, description="Last day, UTC, which counts as well; left out, today.")
    by: list[Literal["day", "action", "model"]] = Field(
        default_factory=list, max_length=3, description="Counted apart by these; left out, all together."
    )

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError("since is after until")
        return self


class Counts(Model):
    """How much some calls used."""

    calls: int = Field(description="Calls to providers.")
    tokens_in: int = Field(description="Tokens of prompts.")
    tokens_out: int = Field(description="Generated tokens.")
    estimated_calls: int = Field(description="Calls of which the provider did not say how many tokens.")
    cost_cents: float = Field(description="Cost of the calls that have a price (LLM_PRICES), in the currency.")
    unpriced_calls: int = Field(description="Calls of models without a price.")


class UsageRow(Counts):
    """How much the calls of one day, action or model used."""

    day: str | None = Field(None, description="On which day, UTC.")
    action: str | None = Field(None, description="By which action.")
    model: str | None = Field(None, description="Of which model, as provider/model.")


class BudgetView(Model):
    """What you may use in a calendar month (UTC), and what of it is used."""

    cents: int | None = Field(description="Money, in the currency; null is without limit.")
    tokens: int | None = Field(description="Tokens; null is without limit.")
    used_cents: float = Field(description="Spent this month.")
    used_tokens: int = Field(description="Used this month.")
    begins_anew_at: datetime = Field(description="When the next month begins.")


class Usage(Model):
    """What you used of language models."""

    rows: list[UsageRow] = Field(description="The newest day first, then the dearest; at most 1,000.")
    more: bool = Field(description="Whether there are more rows; ask for fewer days.")
    total: Counts = Field(description="All of it, rows that are not shown included.")
    unpriced_models: list[str] = Field(description="Models whose calls have no cost; LLM_PRICES gives them a price.")
    currency: str = Field(description="What the cents are cents of (LLM_CURRENCY).")
    budget: BudgetView = Field(description="Your budget.")


@action("llm.usage", effect=Effect.READ, timeout_s=30)
def usage(wanted: UsageQuery, ctx: Context) -> Usage:
    """Count what you used of language models, by day, action or model."""
    from models.db.database import database  # loads the database
    from tasks.llm import usage as ledger

    now, settings = database().now(), ctx.settings(LlmSettings)
    month = ledger.month_of(now)
    since = datetime.combine(wanted.since, time.min, UTC) if wanted.since else month
    until = datetime.combine(wanted.until, time.max, UTC) if wanted.until else None
    span = ledger.UsagePeriod(ctx.user.id, since, until)
    total = ledger.used_in(span)
    rows = ledger.used_by(span, list(dict.fromkeys(wanted.by))) if wanted.by and total.calls else []
    unpriced = ledger.unpriced_models(span) if total.unpriced else []
    if unpriced or (rows and "model" in wanted.by):
        for whose, job_id in ledger.whose_names(span, settings.model_names()):
            ctx.trail.read(whose, [job_id])
    spent = ledger.used_in(ledger.UsagePeriod(ctx.user.id, month))
    budget = settings.budget_of(ctx.user.email)
    return Usage(
        rows=[UsageRow(**keys, **_counts(used)) for keys, used in rows[: ledger.MOST_ROWS]],
        more=len(rows) > ledger.MOST_ROWS,
        total=Counts(**_counts(total)),
        unpriced_models=unpriced,
        currency=settings.llm_currency,
        budget=BudgetView(
            cents=budget.cents,
            tokens=budget.tokens,
            used_cents=spent.cost_microcents / MICROCENTS,
            used_tokens=spent.tokens,
            begins_anew_at=ledger.next_month(now),
        ),
    )


def _counts(used: Used) -> dict[str, Any]:
    return {
        "calls": used.calls,
        "tokens_in": used.tokens_in,
        "tokens_out": used.tokens_out,
        "estimated_calls": used.estimated,
        "cost_cents": used.cost_microcents / MICROCENTS,
        "unpriced_calls": used.unpriced,
    }
