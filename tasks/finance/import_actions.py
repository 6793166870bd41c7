"""Statements of banks: looked at, imported as one, undone as one; and the rows of which only a person can say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from llmcoder import BadInput, Context, Effect, Model, NotFound, Undo, action
from llmcoder.declare.filter import Number
from llmcoder.file import FileRef
from llmcoder.money import Money
from models.db.database import database, writing
from models.db.database import reading as database_reading
from tasks.finance import import_store, reading
from tasks.finance.categories import rules_of
from tasks.finance.csv_layout import CsvLayout
from tasks.finance.doubts import Doubt, doubts_of_import
from tasks.finance.importing import AccountImport, Outcome
from tasks.finance.proof import Proof, Verdict
from tasks.finance.reading import ReadFile
from tasks.finance.records import Currency, Name
from tasks.finance.statement import BadStatement, Balance, Given, Row, Statement, StatementFormat, Unclear
from tasks.finance.store import account_for, account_of_number, keep_number

TIMEOUT_S = 300.0
SAMPLE_ROWS = 5
MOST_DOUBTS_SHOWN = 20


class StatementFile(Model):
    """A bank's file, and what it does not say itself."""

    file: FileRef = Field(description="The file: OFX, QFX, QIF, CSV, CAMT.052/053/054 or MT940; see POST /files.")
    account: Name | None = Field(
        None,
        description="Of a file with one account: your account's id, its name, or the name of a new one. Needed where"
        " the file names none.",
        examples=["Checking"],
    )
    currency: Currency | None = Field(
        None, description="Of amounts without one, as in QIF and some CSV: a code of ISO 4217.", examples=["EUR"]
    )
    format: StatementFormat | None = Field(None, description="Its format; left out, it is seen.")
    layout: CsvLayout | None = Field(
        None,
        description="How a CSV file is laid out, as finance.preview_statement shows it; `decimal` and `date_order`"
        " count for QIF, too. Left out, it is seen, and asked for where it has two meanings.",
        examples=[{"decimal": ",", "date_order": "dmy"}],
    )


class NewImport(StatementFile):
    """A bank's file to import."""

    require_proof: bool = Field(
        False, description="Whether to import nothing unless each account's statement adds up to its closing balance."
    )


class OpenQuestion(Model):
    """What the file leaves open."""

    field: str = Field(description="The field that answers it.")
    question: str = Field(description="What it is about.")
    choices: list[str] = Field(description="What the field can say; empty where it is anything.")


class BalanceProof(Model):
    """Whether an account's statement adds up."""

    verdict: Verdict = Field(description="proven, differs, or unproven where there is nothing to hold it against.")
    opening: Money | None = Field(description="The balance before.")
    sum: Money | None = Field(description="What came and went since.")
    closing: Money | None = Field(description="The closing balance of the file.")
    by: Money | None = Field(description="By how much it differs.")
    why: str = Field(description="The same in words.")


class SampleRow(Model):
    """A transaction as it was read."""

    booked_on: date = Field(description="When.")
    amount: Money = Field(description="How much; negative is money out.")
    text: str = Field(description="What for.")


class PreviewAccount(Model):
    """A statement of the file."""

    number: str | None = Field(description="The account, as the file names it.")
    currency: str | None = Field(description="Its currency.")
    transactions: int = Field(description="How many it has.")
    first_on: date | None = Field(description="The first one's day.")
    last_on: date | None = Field(description="The last one's day.")
    money_in: Money | None = Field(description="What came in.")
    money_out: Money | None = Field(description="What went out.")
    opening: Money | None = Field(description="The opening balance.")
    closing: Money | None = Field(description="The closing balance.")
    adds_up: bool | None = Field(description="Whether one leads to the other; null where the file lacks one of them.")
    sample: list[SampleRow] = Field(description="Its first transactions.")
    notes: list[str] = Field(description="What was left out.")


class StatementPreview(Model):
    """What an import of the file would read."""

    format: StatementFormat | None = Field(description="Its format.")
    encoding: str | None = Field(description="How its text is written.")
    layout: CsvLayout | None = Field(
        description="Of CSV: the columns as they were seen. Give it to the import, changed or not."
    )
    accounts: list[PreviewAccount] = Field(description="Its statements.")
    questions: list[OpenQuestion] = Field(description="What must be said before it can be imported.")


class ImportedAccount(Model):
    """What an import did to one account."""

    account_id: UUID = Field(description="The account.")
    name: str = Field(description="What it is called.")
    currency: str = Field(description="Its currency.")
    added: int = Field(description="Transactions that are new.")
    known: int = Field(description="Those that were there already.")
    doubtful: int = Field(description="Those held back, since each may be one that is there already.")
    booked: int = Field(description="Pending ones that are booked now.")
    proofs: list[BalanceProof] = Field(description="Whether its statements add up to their closing balances.")


class ImportReport(Model):
    """What an import did."""

    import_id: UUID = Field(description="The import, to undo it as one.")
    file_name: str = Field(description="The file.")
    format: StatementFormat = Field(description="Its format.")
    added: int = Field(description="Transactions that are new, in all accounts.")
    known: int = Field(description="Those that were there already.")
    doubtful: int = Field(description="Those held back: answer by finance.settle_doubts.")
    proven: bool = Field(description="Whether every statement adds up to its closing balance.")
    accounts: list[ImportedAccount] = Field(description="By account.")
    doubts: list[Doubt] = Field(description="The first of those held back.")
    layout: CsvLayout | None = Field(description="Of CSV: how it was read.")
    notes: list[str] = Field(description="What was left out, and what you should look at.")


class StatementImportChoice(Model):
    """Which import is meant."""

    import_id: UUID = Field(
        description="The import: the id of the job that did it.", examples=["01937b2e-7c00-7000-8000-000000000001"]
    )


class UndoneImport(Model):
    """An import that is taken back."""

    removed: Number = Field(description="Transactions that are gone.")
    kept: Number = Field(description="Those that stay, since another import has them, too, or you had added them.")


@action("finance.preview_statement", effect=Effect.DRAFT, timeout_s=TIMEOUT_S)
def preview_statement(given: StatementFile, ctx: Context) -> StatementPreview:
    """Look at a bank's statement, and change nothing.

    Shows the accounts, the first transactions, whether the balances add up, and how a CSV's columns were understood.
    What has two meanings comes as a question, with the field that answers it.
    """
    try:
        found = _read(given, ctx)
    except Unclear as unclear:
        asked = OpenQuestion(field=unclear.field, question=unclear.detail, choices=list(unclear.choices))
        return StatementPreview(format=None, encoding=None, layout=given.layout, accounts=[], questions=[asked])
    questions = []
    if given.account is None and any(one.number is None for one in found.statements):
        questions.append(
            OpenQuestion(field="account", question="The file names no account. What is it called?", choices=[])
        )
    accounts = [_previewed(one) for one in found.statements[:MOST_DOUBTS_SHOWN]]
    return StatementPreview(
        format=found.format, encoding=found.encoding, layout=found.layout, accounts=accounts, questions=questions
    )


@action("finance.undo_import", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def undo_import(which: StatementImportChoice, ctx: Context) -> UndoneImport:
    """Take a whole import back.

    What another import has seen, too, stays. Categories and notes of what goes are gone with it.
    """
    with writing("finance_imports") as conn:
        row = import_store.get(conn, ctx.user.id, which.import_id, locked=True)
        if row is None:
            raise NotFound(f"You have no import {which.import_id}.")
        removed, kept = import_store.undo(conn, row.id, database().now())
    return UndoneImport(removed=removed, kept=kept)


@action(
    "finance.import_statement",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(undo_import, lambda given, report: StatementImportChoice(import_id=report.import_id)),
    timeout_s=TIMEOUT_S,
)
def import_statement(given: NewImport, ctx: Context) -> ImportReport:
    """Import a bank's statement: OFX, QFX, QIF, CSV, CAMT or MT940.

    What is there already is not added again. What may be there already is held back until you say so. Each account is
    held against the closing balance. All of it can be undone as one. To look first, use finance.preview_statement.
    """
    found = _read(given, ctx)
    with writing("finance_imports") as conn:
        done = import_store.get(conn, ctx.user.id, ctx.job_id)
        if done is not None:
            return ImportReport.model_validate_json(done.report)
        return _imported(conn, given, found, ctx)


# --- reading


def _read(given: StatementFile, ctx: Context) -> ReadFile:
    today = database().now().date()
    size = ctx.file(given.file).size_bytes
    known = Given(today=today, currency=given.currency)

    def layout_before(key: str) -> CsvLayout | None:
        with database_reading("finance_imports") as conn:
            last = import_store.last_layout(conn, ctx.user.id, key)
        return None if last is None else last[0]

    with ctx.open_file(given.file) as file:
        found = reading.read(file, size, known, given.layout or CsvLayout(), given.format, layout_before)
    ctx.check()
    return found


def _previewed(statement: Statement) -> PreviewAccount:
    rows = statement.rows
    days = [row.booked_on for row in rows]
    one_currency = statement.currency if len({row.amount.currency for row in rows}) == 1 else None
    return PreviewAccount(
        number=statement.number, currency=statement.currency, transactions=len(rows),
        first_on=min(days, default=None), last_on=max(days, default=None),
        money_in=one_currency and Money.total((r.amount for r in rows if r.amount.minor > 0), one_currency),
        money_out=one_currency and Money.total((r.amount for r in rows if r.amount.minor < 0), one_currency),
        opening=_money(statement.opening), closing=_money(statement.closing), adds_up=_adds_up(statement),
        sample=[_sample(row) for row in rows[:SAMPLE_ROWS]], notes=statement.notes,
    )  # fmt: skip


def _money(balance: Balance | None) -> Money | None:
    return None if balance is None else balance.amount


def _adds_up(statement: Statement) -> bool | None:
    opening, closing = _money(statement.opening), _money(statement.closing)
    booked = [row.amount for row in statement.rows if not row.pending]
    if (
        opening is None
        or closing is None
        or {one.currency for one in (opening, closing, *booked)} != {opening.currency}
    ):
        return None
    return opening + Money.total(booked, opening.currency) == closing


def _sample(row: Row) -> SampleRow:
    return SampleRow(booked_on=row.booked_on, amount=row.amount, text=row.text)


# --- importing


def _imported(conn: sa.Connection, given: NewImport, found: ReadFile, ctx: Context) -> ImportReport:
    now = database().now()
    stored = ctx.file(given.file)
    import_store.begin(conn, ctx.user.id, ctx.job_id, stored.name, found.format, now)
    by_account = _by_account(conn, given, found, ctx, now)
    rules = rules_of(conn, ctx.user.id)
    outcomes: list[tuple[Any, Outcome]] = []
    for account, statements in by_account:
        outcomes.append((account, AccountImport(conn, account, ctx.job_id, rules, now).take(statements)))
        ctx.check()
    report = _report(conn, stored.name, found, outcomes, ctx)
    if given.require_proof and not report.proven:
        why = "; ".join(one.why for account in report.accounts for one in account.proofs if one.verdict != "proven")
        raise BadStatement(f"Nothing was imported, since the statement proves nothing: {why}")
    layout = None
    if found.layout is not None and found.layout_key is not None:
        layout = found.layout_key, import_store.layout_text(found.layout, [account.id for account, _ in outcomes])
    import_store.finish(conn, ctx.job_id, report.model_dump_json(), report.added, layout)
    return report


def _by_account(
    conn: sa.Connection, given: NewImport, found: ReadFile, ctx: Context, now: datetime
) -> list[tuple[Any, list[Statement]]]:
    """The statements of each account of the user's."""
    numbers = {one.number for one in found.statements}
    if given.account is not None and len(numbers) > 1:
        named = ", ".join(str(one) for one in sorted(map(str, numbers))[:5])
        raise BadInput(f"The file has several accounts ({named}), so `account` cannot name one. Leave it out.")
    by_account: dict[UUID, tuple[Any, list[Statement]]] = {}
    for one in found.statements:
        if one.currency is None and not one.rows and given.account is None:
            continue  # nothing in it, and nothing known of it
        account = _account(conn, given, found, one, ctx, now)
        by_account.setdefault(account.id, (account, []))[1].append(one)
    return list(by_account.values())


def _account(
    conn: sa.Connection, given: NewImport, found: ReadFile, statement: Statement, ctx: Context, now: datetime
) -> Any:
    currency = statement.currency or given.currency
    if currency is None:
        raise Unclear("The file names no currency. Say it in `currency`, such as EUR.", "currency")
    if given.account is not None:
        account = account_for(conn, ctx.user.id, given.account, currency, now)
        if statement.number:
            keep_number(conn, ctx.user.id, statement.number, account.id)
        return _same_currency(account, currency)
    if statement.number is not None:
        return _account_of_file(conn, ctx, statement, statement.number, currency, now)
    last = import_store.last_layout(conn, ctx.user.id, found.layout_key) if found.layout_key else None
    if last is not None and len(last[1]) == 1:
        return _same_currency(account_for(conn, ctx.user.id, str(last[1][0]), currency, now), currency)
    raise Unclear("The file names no account. Say in `account` what to call it, such as Checking.", "account")


def _account_of_file(
    conn: sa.Connection, ctx: Context, statement: Statement, number: str, currency: str, now: datetime
) -> Any:
    """The account of that number; one for each currency where the bank has several under one number."""
    name = statement.name if statement.name and len(statement.name) > 3 else number
    account = account_of_number(conn, ctx.user.id, number, name, currency, "file", now)
    if account.currency == currency:
        return account
    return account_of_number(conn, ctx.user.id, f"{number} {currency}", f"{name} {currency}", currency, "file", now)


def _same_currency(account: Any, currency: str) -> Any:
    if account.currency != currency:
        raise BadInput(f"Your account {account.name!r} is in {account.currency}, and the file in {currency}.")
    return account


def _report(
    conn: sa.Connection, file_name: str, found: ReadFile, outcomes: Sequence[tuple[Any, Outcome]], ctx: Context
) -> ImportReport:
    accounts = [_account_report(account, outcome) for account, outcome in outcomes]
    proofs = [proof for one in accounts for proof in one.proofs]
    notes = [note for one in found.statements for note in one.notes]
    return ImportReport(
        import_id=ctx.job_id, file_name=file_name, format=found.format, accounts=accounts,
        added=sum(one.added for one in accounts), known=sum(one.known for one in accounts),
        doubtful=sum(one.doubtful for one in accounts), layout=found.layout, notes=list(dict.fromkeys(notes))[:50],
        proven=bool(proofs) and all(proof.verdict is Verdict.PROVEN for proof in proofs),
        doubts=doubts_of_import(conn, ctx.user.id, ctx.job_id, MOST_DOUBTS_SHOWN),
    )  # fmt: skip


def _account_report(account: Any, outcome: Outcome) -> ImportedAccount:
    return ImportedAccount(
        account_id=account.id, name=account.name, currency=account.currency, added=outcome.added, known=outcome.known,
        doubtful=outcome.doubtful, booked=outcome.booked, proofs=[_proof(one) for one in outcome.proofs[:100]],
    )  # fmt: skip


def _proof(one: Proof) -> BalanceProof:
    return BalanceProof(
        verdict=one.verdict, opening=one.opening, sum=one.sum, closing=one.closing, by=one.by, why=one.why
    )
