"""CSV files of banks, by a layout that was seen in them or confirmed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, islice

from llmcoder.money import Money, exponent_of
from tasks.finance import csv_balances, csv_layout, csv_running
from tasks.finance.amounts import amount, decimal_sign, has_digit
from tasks.finance.csv_columns import key_of
from tasks.finance.csv_content import sign_of
from tasks.finance.csv_layout import SAMPLE_LINES, CsvLayout, Table, records
from tasks.finance.dates import day_of, order_of, readings
from tasks.finance.statement import (
    BadStatement,
    Counter,
    Given,
    Row,
    Statement,
    Unclear,
    in_one_line,
    short,
    shown,
)

_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CURRENCY_SIGN = re.compile(
    r"[€£¥₹₽₺₴₪₩₫฿円]|US\$|CA\$|A\$|(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])|zł|Kč|Ft\b|\b(?i:euros?|euroa)\b"
)
#: As a column of the status says it, folded.
_PENDING = (
    "pending", "vorgemerkt", "ausstehend", "offen", "en attente", "pendiente", "in sospeso", "in behandeling",
    "oczekuj", "reserv", "zadrž", "pendente", "saldamata",
)  # fmt: skip
_NOT_DONE = (
    "declined", "reverted", "failed", "cancelled", "canceled", "denied", "rejected", "expired", "voided", "abgelehnt",
    "storniert", "rückgängig", "fehlgeschlagen", "refus", "annul", "rechaz", "rifiutat", "geweigerd", "teruggedraaid",
    "odrzuc", "avvist", "avvisad", "hylätty", "交易关闭", "已全额退款",
)  # fmt: skip
#: The layout of the last file with these columns, by their key.
LayoutBefore = Callable[[str], CsvLayout | None]
LONGEST_CELL = 255
#: Lines that are no transactions: so many are shown.
MOST_SHOWN = 3
#: Of fewer amounts it says nothing that none is negative.
FEWEST_TO_WONDER = 5


@dataclass(slots=True)
class _Cells:
    """What of one record counts, still as text."""

    line: int
    date: str
    value_date: str
    amount: str
    debit: str
    credit: str
    sign: str
    fee: str
    balance: str
    currency: str
    payee: str
    payer: str
    text: str
    reference: str
    category: str
    account: str
    status: str


def unknown_layout(_key: str) -> CsvLayout | None:
    """What is known of columns that nobody has met."""
    return None


def read(
    lines: Iterable[str], given: Given, layout: CsvLayout, layout_before: LayoutBefore = unknown_layout
) -> tuple[list[Statement], CsvLayout, str]:
    """The statements of a file, the layout by which they were read, and the key of its columns.

    Args:
        layout_before: How the last file with these columns was read, by their key; it decides what is unclear.

    Raises:
        BadStatement, Unclear: As every reader.
    """
    source = iter(lines)
    sample = list(islice(source, SAMPLE_LINES))
    table = csv_layout.find([_without_end(one) for one in sample], layout)
    key = layout_key(_shown(table, layout, None, None))
    before = layout_before(key) or CsvLayout()
    if layout.negate is None and before.negate is not None:
        layout = layout.model_copy(update={"negate": before.negate})
    left_out: list[str] = []
    cells = list(_cells(records(chain(sample, source), table.delimiter), table, left_out))
    decimal = layout.decimal or given.decimal or _seen(lambda: _decimal(cells, given.currency), before.decimal)
    order = layout.date_order or given.date_order or _seen(lambda: _order(cells, given.today), before.date_order)
    of_balance = _seen(lambda: decimal_sign(one.balance for one in cells), decimal or ".") or decimal
    made = _Reading(replace(given, decimal=decimal, date_order=order), layout, table, of_balance).statements(cells)
    if left_out:
        more = f" and {len(left_out) - MOST_SHOWN} more" if len(left_out) > MOST_SHOWN else ""
        made[0].notes.append(f"Lines that are no transactions: {'; '.join(left_out[:MOST_SHOWN])}{more}.")
    return made, _shown(table, layout, decimal, order), key


def layout_key(layout: CsvLayout) -> str:
    """The same for files with the same columns."""
    columns = layout.model_dump(exclude={"decimal", "date_order", "negate", "header_line"}, exclude_none=True)
    named = "|".join(f"{role}={_column_key(column)}" for role, column in sorted(columns.items()))
    return hashlib.sha256(named.encode()).hexdigest()


def _column_key(column: object) -> str:
    if isinstance(column, list):
        return ",".join(map(_column_key, column))
    return key_of(str(column)) or str(column)


def _seen(look: Callable[[], str | None], before: str | None) -> str | None:
    """What the file shows; where it has two meanings, the one that was confirmed for a file like it."""
    try:
        return look()
    except Unclear:
        if before is None:
            raise
        return before


def _without_end(line: str) -> str:
    return line.rstrip("\r\n")


def _shown(table: Table, given: CsvLayout, decimal: str | None, order: str | None) -> CsvLayout:
    """The layout as a caller can confirm it."""
    columns = {
        role: [table.name_of(at) for at in place] if isinstance(place, list) else table.name_of(place)
        for role, place in table.columns.items()
    }
    return CsvLayout.model_validate(
        columns
        | {"delimiter": table.delimiter, "header_line": table.header_line, "negate": given.negate}
        | {"decimal": decimal, "date_order": order if order in ("dmy", "mdy", "ymd") else None}
    )


def _cells(rows: Iterable[list[str]], table: Table, left_out: list[str]) -> Iterator[_Cells]:
    """The records that have a date and an amount; of the others, what they say."""
    counter = Counter()
    for number, row in enumerate(rows, 1):
        if number <= table.header_line or not any(cell.strip() for cell in row):
            continue
        found = _of_row(number, row, table)
        money = next((one for one in (found.amount, found.debit, found.credit) if has_digit(one)), "")
        if readings(found.date, 2000) is None or not money:
            left_out.append(f"line {number}, {shown(table.delimiter.join(row), 40)}")
            if has_digit(found.date) and money and not found.date.isalpha() and _looks_like_date(found.date):
                raise BadStatement(f"line {number}: {shown(found.date)} is no date.")
            continue
        counter.add()
        yield found


def _looks_like_date(text: str) -> bool:
    return re.fullmatch(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}.*", text) is not None


def _of_row(number: int, row: list[str], table: Table) -> _Cells:
    def at_place(at: int) -> str:
        return _without_mark(row[at]) if table.is_exported else row[at]

    def cell(role: str) -> str:
        at = table.at(role)
        return at_place(at).strip()[:LONGEST_CELL] if at is not None and at < len(row) else ""

    return _Cells(
        line=number, date=cell("date"), value_date=cell("value_date"), amount=cell("amount"), debit=cell("debit"),
        credit=cell("credit"), sign=cell("sign"), fee=cell("fee"), balance=cell("balance"), currency=cell("currency"),
        payee=cell("payee"), payer=cell("payer"),
        text=in_one_line(*(at_place(at) for at in table.texts if at < len(row))),
        reference=cell("reference"), category=cell("category"), account=cell("account"), status=cell("status"),
    )  # fmt: skip


def _without_mark(cell: str) -> str:
    """Without what an export puts before a text that a spreadsheet would run."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "+", "-", "@") else cell


def _money_texts(cells: list[_Cells]) -> Iterator[str]:
    for one in cells:
        yield from (one.amount, one.debit, one.credit, one.fee)


def _decimal(cells: list[_Cells], currency: str | None) -> str | None:
    return decimal_sign(_money_texts(cells), currency)


def _order(cells: list[_Cells], today: date) -> str | None:
    return order_of((text for one in cells for text in (one.date, one.value_date) if text), today)


class _Reading:
    """Rows of records, with what is known of the file; a few banks write balances with another sign than amounts."""

    def __init__(self, given: Given, layout: CsvLayout, table: Table, decimal_of_balance: str | None) -> None:
        self._given = given
        self._decimal_of_balance = decimal_of_balance
        self._layout = layout
        self._table = table
        self._credits_are_negative = False

    def statements(self, cells: list[_Cells]) -> list[Statement]:
        self._credits_are_negative = _are_credits_negative(cells)
        by_account: dict[str, list[_Cells]] = {}
        for one in cells:
            by_account.setdefault(one.account, []).append(one)
        if not by_account:
            return [Statement(self._number(), self._given.currency, notes=["The file has no transactions in it."])]
        return [statement for name, own in by_account.items() for statement in self._of_account(name, own)]

    def _of_account(self, name: str, cells: list[_Cells]) -> list[Statement]:
        """One for each currency: an account of several is several, each with its own balance."""
        by_currency: dict[str, list[_Cells]] = {}
        for one in cells:
            by_currency.setdefault(self._currency(one), []).append(one)
        number = name or self._number()
        made = []
        for currency, own in by_currency.items():
            several = f"{number or 'csv'} {currency}" if len(by_currency) > 1 else number
            made.append(self._statement(several, currency, own))
        return made

    def _statement(self, number: str | None, currency: str, cells: list[_Cells]) -> Statement:
        made = Statement(number, currency)
        not_done = [one for one in cells if _says(one.status, _NOT_DONE)]
        lines_of_balances: list[tuple[str, Row]] = []
        for one in cells:
            if one in not_done:
                continue
            row = self._row(one, currency)
            kind = None if self._table.is_exported else csv_balances.kind_of("" if one.payee else one.text)
            if kind is not None:
                lines_of_balances.append((kind, row))
            else:
                made.rows.append(row)
        made.rows += csv_balances.take_no_sums(lines_of_balances, made.rows)
        if not_done:
            made.notes.append(f"{len(not_done)} were declined or taken back; left out.")
        if self._may_be_a_cards(made.rows):
            made.notes.append(
                "Nearly all is money in. Where it is a card whose purchases have no minus, say `negate` in `layout`."
            )
        csv_running.put_in_order(made)
        csv_balances.keep(made, lines_of_balances)
        return made

    def _may_be_a_cards(self, rows: list[Row]) -> bool:
        """Nothing in the file says in which direction its amounts go, but signs that few of them have."""
        told = any(self._table.at(role) is not None for role in ("sign", "debit", "credit", "balance"))
        if told or self._table.is_exported or self._layout.negate is not None or len(rows) < FEWEST_TO_WONDER:
            return False
        return 10 * sum(row.amount.minor > 0 for row in rows) >= 8 * len(rows)

    def _number(self) -> str | None:
        """Of the lines before the header: an IBAN that is one."""
        for row in self._table.preamble:
            for found in _IBAN.findall(" ".join(row)):
                if _is_iban(found):
                    return str(found)
        return None

    def _currency(self, cells: _Cells) -> str:
        named = cells.currency.strip().upper()
        if len(named) == 3 and named.isalpha():
            exponent_of(named)
            return named
        if self._given.currency:
            return self._given.currency
        sign = _CURRENCY_SIGN.search(cells.amount or cells.debit or cells.credit)
        head = self._table.names[at] if (at := self._money_at()) is not None and at < len(self._table.names) else ""
        mark = (sign and sign[0]) or (_CURRENCY_SIGN.search(head) or [""])[0]
        if mark.casefold().startswith("euro"):
            return "EUR"
        if not mark and (code := csv_balances.currency_before(self._table.preamble)):
            return code
        try:
            return Money.parse(f"1 {mark}").currency
        except ValueError:
            raise Unclear("The file names no currency. Say it in `currency`, such as EUR.", "currency") from None

    def _money_at(self) -> int | None:
        return next((at for role in ("amount", "debit", "credit") if (at := self._table.at(role)) is not None), None)

    def _row(self, cells: _Cells, currency: str) -> Row:
        place = f"line {cells.line}"
        given = self._given
        balance = None
        if has_digit(cells.balance):
            balance = amount(cells.balance, currency, self._decimal_of_balance, place)
        money = self._money(cells, currency, place)
        payee = cells.payee if money.minor < 0 else cells.payer or cells.payee
        said = in_one_line("" if self._table.is_exported else payee, cells.text)
        return Row(
            booked_on=day_of(cells.date, given.date_order, given.today, place),
            value_on=self._value_on(cells, place),
            amount=money,
            payee=short(payee),
            text=said or in_one_line(cells.category, cells.reference) or "?",
            provider_id=short(cells.reference, 255),
            pending=_says(cells.status, _PENDING),
            category=short(cells.category, 60),
            balance=balance,
            place=place,
        )

    def _value_on(self, cells: _Cells, place: str) -> date | None:
        if readings(cells.value_date, self._given.today.year) is None:
            return None
        return day_of(cells.value_date, self._given.date_order, self._given.today, place)

    def _amount(self, text: str, currency: str, place: str) -> Money:
        return amount(text, currency, self._given.decimal, place)

    def _money(self, cells: _Cells, currency: str, place: str) -> Money:
        if self._table.at("amount") is not None:
            found = self._amount(cells.amount, currency, place)
            sign = sign_of(cells.sign)
            if self._credits_are_negative:
                found = found * -1
            elif sign and found.minor >= 0:
                found = found * sign
        else:
            found = Money.zero(currency)
            if has_digit(cells.credit):
                found += abs(self._amount(cells.credit, currency, place))
            if has_digit(cells.debit):
                found -= abs(self._amount(cells.debit, currency, place))
        if has_digit(cells.fee):
            found -= abs(self._amount(cells.fee, currency, place))
        return -found if self._layout.negate else found


def _are_credits_negative(cells: list[_Cells]) -> bool:
    """The file is a card's: what it says is a debit has no minus, and what it says is a credit has one."""
    by_sign: dict[int, set[bool]] = {}
    for one in cells:
        if has_digit(one.amount) and (sign := sign_of(one.sign)):
            by_sign.setdefault(sign, set()).add("-" in one.amount or "−" in one.amount or "(" in one.amount)
    return by_sign.get(1) == {True} and by_sign.get(-1, {False}) == {False}


def _says(status: str, words: tuple[str, ...]) -> bool:
    folded = status.casefold()
    return bool(folded) and any(word in folded for word in words)


def _is_iban(text: str) -> bool:
    """By its check digits (ISO 13616)."""
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(one, 36)) for one in moved)) % 97 == 1
