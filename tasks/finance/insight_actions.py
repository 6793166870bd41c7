"""What the transactions come to: by month and category, what recurs, what is unusual, and all of it as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, model_validator

from llmcoder import Context, Effect, Model, NotFound, action
from llmcoder.declare.filter import Number
from llmcoder.file import FileRef
from llmcoder.money import Money
from models.db.database import database, reading
from models.owned_records import was_read
from tasks.finance import patterns
from tasks.finance.csv_columns import EXPORTED
from tasks.finance.patterns import Payment
from tasks.finance.records import Day
from tasks.finance.tables import accounts, transactions

TIMEOUT_S = 60.0
#: Patterns are looked for in so many of the newest payments, and no further back.
MOST_LOOKED_AT = 20_000
LOOK_BACK = timedelta(days=760)
MOST_SHOWN = 100
AT_ONCE = 1_000
DEFAULT_MONTHS = 6
own = transactions.c


class SpendingPeriod(Model):
    """A time, and an account where only one counts."""

    model_config = Model.model_config | {"validate_by_name": True, "serialize_by_alias": True}

    since: Day | None = Field(None, alias="from", description="First day, such as 2030-01-01.", examples=["2030-01-01"])
    until: Day | None = Field(None, alias="to", description="Last day; today when left out.", examples=["2030-06-30"])
    account: UUID | None = Field(None, description="Only this account, by its id.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("`from` comes after `to`")
        return self


class CategorySum(Model):
    """What a category came to."""

    category: str | None = Field(description="The category; null for what has none.")
    money_in: Money = Field(description="What came in.")
    money_out: Money = Field(description="What went out; negative.")
    transactions: int = Field(description="How many.")


class MonthSum(Model):
    """What a month came to, in one currency."""

    month: str = Field(description="The month, such as 2030-01.")
    money_in: Money = Field(description="What came in.")
    money_out: Money = Field(description="What went out; negative.")
    net: Money = Field(description="Both together.")
    categories: list[CategorySum] = Field(description="By category, the largest expense first.")


class Summary(Model):
    """What came and went, by month and category."""

    months: list[MonthSum] = Field(description="Newest first; one for each currency.")


@action("finance.summary", effect=Effect.READ, timeout_s=TIMEOUT_S)
def summary(wanted: SpendingPeriod, ctx: Context) -> Summary:
    """Sum up what came and went, by month and category.

    Pending transactions do not count. Currencies are not added up: nobody said at which rate.
    """
    _refuse_unknown(ctx, wanted.account)
    until = wanted.until or database().now().date()
    since = wanted.since or _months_before(until, DEFAULT_MONTHS - 1)
    year, month = sa.extract("year", own.booked_on), sa.extract("month", own.booked_on)
    out = sa.func.coalesce(sa.func.sum(sa.case((own.minor < 0, own.minor), else_=0)), 0)
    total = sa.func.coalesce(sa.func.sum(own.minor), 0)
    key = (year.label("year"), month.label("month"), own.currency, own.category)
    query = (
        sa.select(*key, total.label("total"), out.label("out"), sa.func.count().label("count"))
        .where(*_booked(ctx, since, until, wanted.account))
        .group_by(year, month, own.currency, own.category)
    )
    with reading("finance_transactions") as conn:
        rows = conn.execute(query).all()
        _read_all(conn, ctx, since, until, wanted.account)
    return Summary(months=_months(rows))


def _refuse_unknown(ctx: Context, account: UUID | None) -> None:
    """Nothing is said of an account that is not the user's, not even that it is empty."""
    if account is None:
        return
    query = sa.select(accounts.c.id).where(accounts.c.id == account, accounts.c.user_id == ctx.user.id)
    with reading("finance_accounts") as conn:
        if conn.execute(query).first() is None:
            raise NotFound(f"You have no account {account}.")


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _booked(ctx: Context, since: date, until: date, account: UUID | None) -> list[sa.ColumnElement[bool]]:
    one = [] if account is None else [own.account_id == account]
    between = (own.booked_on >= since, own.booked_on <= until)
    return [own.user_id == ctx.user.id, *one, *between, own.pending.is_(sa.false())]


def _read_all(conn: sa.Connection, ctx: Context, since: date, until: date, account: UUID | None) -> None:
    """Take note of whose words the sums hold: categories may be a stranger's."""
    query = sa.select(own.taint, own.sources).where(*_booked(ctx, since, until, account)).distinct().limit(AT_ONCE)
    for row in conn.execute(query):
        was_read(row)


def _months(rows: Iterable[Any]) -> list[MonthSum]:
    by_month: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        by_month.setdefault((f"{int(row.year):04}-{int(row.month):02}", row.currency), []).append(row)
    return [_month(month, currency, own_rows) for (month, currency), own_rows in sorted(by_month.items(), reverse=True)]


def _month(month: str, currency: str, rows: list[Any]) -> MonthSum:
    categories = [
        CategorySum(
            category=row.category, money_in=Money(int(row.total) - int(row.out), currency),
            money_out=Money(int(row.out), currency), transactions=row.count,
        )
        for row in sorted(rows, key=lambda row: (int(row.out), row.category or ""))
    ]  # fmt: skip
    money_in = Money.total((one.money_in for one in categories), currency)
    money_out = Money.total((one.money_out for one in categories), currency)
    return MonthSum(
        month=month, money_in=money_in, money_out=money_out, net=money_in + money_out, categories=categories
    )


# --- patterns


class RecurringPayment(Model):
    """Something that comes again and again."""

    name: str = Field(description="Who, or what for.")
    account_id: UUID = Field(description="On which account.")
    every: str = Field(description="How often, such as monthly.")
    usual: Money = Field(description="The middle of its amounts; negative is money out.")
    last: Money = Field(description="The last amount.")
    last_on: date = Field(description="When it came last.")
    next_on: date = Field(description="When it is expected next.")
    times: int = Field(description="How often it has come.")
    note: str | None = Field(description="What is new about it: another amount, or it is late.")


class RecurringPayments(Model):
    """What comes again and again, the largest expense first."""

    items: list[RecurringPayment] = Field(description="Them.")


class AccountOnly(Model):
    """Which account is looked at."""

    account: UUID | None = Field(None, description="Only this account, by its id; left out, all.")


@action("finance.recurring", effect=Effect.READ, timeout_s=TIMEOUT_S)
def recurring(wanted: AccountOnly, ctx: Context) -> RecurringPayments:
    """Find what comes again and again: rent, subscriptions, salary.

    Looks at two years. Three times in a rhythm are needed; what has not come for two periods is over.
    """
    today = database().now().date()
    found = patterns.recurrences(_payments(ctx, today - LOOK_BACK, wanted.account), today)
    return RecurringPayments(items=[_shown_recurrence(one, today) for one in found[:MOST_SHOWN]])


def _shown_recurrence(one: patterns.Recurrence, today: date) -> RecurringPayment:
    last = Money(one.last.minor, one.last.currency)
    return RecurringPayment(
        name=one.last.payee or one.last.text[:140], account_id=one.last.account_id, every=one.rhythm.name,
        usual=one.usual, last=last, last_on=one.last.on, next_on=one.next_on, times=len(one.payments),
        note=_news_of(one, last, today),
    )  # fmt: skip


def _news_of(one: patterns.Recurrence, last: Money, today: date) -> str | None:
    if today > one.next_on + timedelta(days=one.rhythm.longest - one.rhythm.days):
        return f"It was expected on {one.next_on} and has not come."
    if patterns.is_outlier(last.minor, [earlier.minor for earlier in one.payments[:-1]]):
        return f"The last one was {last}, and they are about {one.usual} else."
    return None


class UnusualSearch(Model):
    """Since when unusual payments are looked for."""

    days: Number = Field(30, ge=1, le=366, description="Days back from today.", examples=[30])
    account: UUID | None = Field(None, description="Only this account, by its id; left out, all.")


class UnusualPayment(Model):
    """A payment that is out of the ordinary."""

    transaction_id: UUID = Field(description="The transaction.")
    booked_on: date = Field(description="When.")
    amount: Money = Field(description="How much; negative is money out.")
    text: str = Field(description="What for.")
    usual: Money = Field(description="What is usual: the median, as an amount that goes out.")
    compared_with: int = Field(description="With how many payments before it is compared.")
    why: str = Field(description="The same in words.")


class UnusualPayments(Model):
    """Payments out of the ordinary, newest first."""

    items: list[UnusualPayment] = Field(description="Them.")


@action("finance.unusual", effect=Effect.READ, timeout_s=TIMEOUT_S)
def unusual(wanted: UnusualSearch, ctx: Context) -> UnusualPayments:
    """Find payments that are far from what is usual, and say why.

    Each is compared with those before it to the same side, by median and median deviation (a modified z-score above
    3.5); one to somebody new with all of yours. Fewer than five to compare with say nothing.
    """
    today = database().now().date()
    payments = _payments(ctx, today - LOOK_BACK, wanted.account)
    found = patterns.oddities(payments, today - timedelta(days=wanted.days))
    return UnusualPayments(items=[_shown_oddity(one) for one in found[:MOST_SHOWN]])


def _shown_oddity(one: patterns.Oddity) -> UnusualPayment:
    payment = one.payment
    return UnusualPayment(
        transaction_id=payment.id, booked_on=payment.on, amount=Money(payment.minor, payment.currency),
        text=payment.text, usual=one.usual, compared_with=one.count, why=one.why,
    )  # fmt: skip


def _payments(ctx: Context, since: date, account: UUID | None) -> list[Payment]:
    """The newest booked transactions since a day."""
    _refuse_unknown(ctx, account)
    columns = (own.id, own.account_id, own.booked_on, own.minor, own.currency, own.text, own.payee, own.category)
    one = [] if account is None else [own.account_id == account]
    query = (
        sa.select(*columns, own.taint, own.sources)
        .where(own.user_id == ctx.user.id, own.booked_on >= since, own.pending.is_(sa.false()), *one)
        .order_by(own.booked_on.desc(), own.id.desc())
        .limit(MOST_LOOKED_AT)
    )
    with reading("finance_transactions") as conn:
        rows = conn.execute(query).all()
    for origin in {(row.taint, row.sources): row for row in rows}.values():
        was_read(origin)
    return [Payment(*row[:8]) for row in rows]


# --- the digest's part


class SpendingLine(Model):
    """One line of a digest."""

    text: str = Field(description="What.")
    detail: str = Field(description="How much.")


class Spending(Model):
    """What was spent in a time, in lines."""

    items: list[SpendingLine] = Field(description="By category, then what is unusual in it.")


@action("finance.spending", effect=Effect.READ, timeout_s=TIMEOUT_S)
def spending(wanted: SpendingPeriod, ctx: Context) -> Spending:
    """Say in a few lines what was spent, and what of it is unusual."""
    until = wanted.until or database().now().date()
    since = wanted.since or until - timedelta(days=7)
    payments = _payments(ctx, since - LOOK_BACK, wanted.account)
    lines = [*_by_category(one for one in payments if since <= one.on <= until)]
    odd = [one for one in patterns.oddities(payments, since) if one.payment.on <= until]
    unusual_lines = [SpendingLine(text=f"Unusual: {one.payment.text[:80]}", detail=one.why) for one in odd[:5]]
    return Spending(items=[*lines[:20], *unusual_lines])


def _by_category(payments: Iterable[Payment]) -> Iterator[SpendingLine]:
    sums: dict[tuple[str, str], list[int]] = {}
    for one in payments:
        if one.minor < 0:
            sums.setdefault((one.category or "No category", one.currency), []).append(one.minor)
    for (category, currency), amounts in sorted(sums.items(), key=lambda item: sum(item[1])):
        spent = Money(-sum(amounts), currency)
        yield SpendingLine(text=category, detail=f"{spent} in {len(amounts)} payment{'s' if len(amounts) != 1 else ''}")


# --- the file


class ExportedFile(Model):
    """Transactions as a file."""

    file: FileRef = Field(description="CSV in UTF-8: a line for each transaction, oldest first.")
    transactions: int = Field(description="How many.")


@action("finance.export", effect=Effect.DRAFT, keeps=True, timeout_s=TIMEOUT_S)
def export(wanted: SpendingPeriod, ctx: Context) -> ExportedFile:
    """Write transactions into a CSV file.

    Imported again it adds nothing. What a spreadsheet would take for a formula is marked as text.
    """
    _refuse_unknown(ctx, wanted.account)
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        yield _line(EXPORTED)
        for row in _exported(wanted, ctx):
            count += 1
            yield _line(_cells(row))

    file = ctx.attach("transactions.csv", lines(), "text/csv")
    return ExportedFile(file=file, transactions=count)


def _exported(wanted: SpendingPeriod, ctx: Context) -> Iterator[Any]:
    """Page by page, so that no number of them needs memory."""
    place: tuple[date, UUID] | None = None
    conditions = [own.user_id == ctx.user.id]
    conditions += [] if wanted.since is None else [own.booked_on >= wanted.since]
    conditions += [] if wanted.until is None else [own.booked_on <= wanted.until]
    conditions += [] if wanted.account is None else [own.account_id == wanted.account]
    account = sa.func.coalesce(accounts.c.number, accounts.c.name).label("account")
    query = sa.select(transactions, account).join_from(transactions, accounts, accounts.c.id == own.account_id)
    while True:
        beyond = [] if place is None else [sa.tuple_(own.booked_on, own.id) > sa.tuple_(*map(sa.literal, place))]
        with reading("finance_transactions") as conn:
            page = query.where(*conditions, *beyond).order_by(own.booked_on, own.id).limit(AT_ONCE)
            rows = conn.execute(page).all()
        for row in rows:
            was_read(row)
            yield row
        ctx.check()
        if len(rows) < AT_ONCE:
            return
        place = rows[-1].booked_on, rows[-1].id


def _cells(row: Any) -> tuple[str, ...]:
    amount = Money(row.minor, row.currency)
    return (
        row.booked_on.isoformat(), row.value_on.isoformat() if row.value_on else "", _as_text(row.account),
        f"{amount.amount:f}", row.currency, _as_text(row.text), _as_text(row.payee or ""),
        _as_text(row.category or ""), "pending" if row.pending else "", _as_text(row.note or ""),
    )  # fmt: skip


def _as_text(cell: str) -> str:
    """What begins like a formula is run by spreadsheets (CWE-1236)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
