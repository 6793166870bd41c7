"""QIF: lines of a letter and a value, as Quicken wrote them; without currency, account number or order of dates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from tasks.finance.amounts import amount, decimal_sign
from tasks.finance.dates import day_of, order_of, readings
from tasks.finance.statement import BadStatement, Balance, Counter, Given, Row, Statement, in_one_line, short, shown

_MONEY = frozenset({"bank", "cash", "ccard", "oth a", "oth l"})
_OPENING = re.compile(r"opening balance|anfangsbestand|solde initial|saldo inicial|saldo iniziale", re.IGNORECASE)


class _Draft:
    """One account's records, still as text."""

    def __init__(self, name: str | None) -> None:
        self.name = name
        self.records: list[tuple[int, dict[str, str]]] = []


class _Reader:
    def __init__(self) -> None:
        self.drafts: list[_Draft] = []
        self.skipped: dict[str, int] = {}
        self.order: str | None = None
        self._kind = "bank"
        self._account: str | None = None
        self._fields: dict[str, str] = {}
        self._begun_at = 0
        self._counter = Counter()

    def take(self, number: int, line: str) -> None:
        line = line.strip()
        if not line:
            return
        if line.startswith("!"):
            self._header(line[1:].strip().lower())
        elif line.startswith("^"):
            self.end()
        else:
            self._begun_at = self._begun_at or number
            self._fields.setdefault(line[0].upper(), line[1:].strip())

    def _header(self, header: str) -> None:
        self.end()
        if header.startswith("type:"):
            self._kind = header[5:].split(":")[0].strip()
            if self._kind in _MONEY:
                self._begin()
        elif header.startswith("account"):
            self._kind = "account"
        elif header.startswith("option:") and header[7:].strip() in ("mdy", "dmy"):
            self.order = header[7:].strip()

    def _begin(self) -> None:
        known = next((one for one in self.drafts if one.name == self._account), None)
        if known is None:
            self.drafts.append(_Draft(self._account))
        else:
            self.drafts.append(self.drafts.pop(self.drafts.index(known)))

    def end(self) -> None:
        """A record is whole."""
        fields, number = self._fields, self._begun_at
        self._fields, self._begun_at = {}, 0
        if not fields:
            return
        if self._kind == "account":
            self._account = fields.get("N") or self._account
        elif self._kind not in _MONEY:
            self.skipped[self._kind] = self.skipped.get(self._kind, 0) + 1
        else:
            if not self.drafts:
                self._begin()
            self._counter.add()
            self.drafts[-1].records.append((number, fields))


def read(lines: Iterable[str], given: Given) -> list[Statement]:
    """The statements of a file, one for each account that it names.

    Raises:
        BadStatement, Unclear: As every reader.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        reader.take(number, line)
    reader.end()
    if not reader.drafts:
        raise BadStatement("The file is QIF, but has no transactions of a bank account, a card or cash in it.")
    records = [fields for draft in reader.drafts for _, fields in draft.records]
    decimal = given.decimal or decimal_sign([_total(one) for one in records], given.currency)
    order = given.date_order or reader.order or order_of([one.get("D", "") for one in records], given.today)
    known = replace(given, decimal=decimal, date_order=order)
    notes = [f"{count} records of the kind {kind!r} left out." for kind, count in reader.skipped.items()]
    made = [_statement(draft, known) for draft in reader.drafts]
    made[0].notes += notes
    return made


def _total(fields: dict[str, str]) -> str:
    return fields.get("T") or fields.get("U") or ""


def _statement(draft: _Draft, given: Given) -> Statement:
    made = Statement(draft.name, given.currency, draft.name)
    if draft.records and given.currency is None:
        raise BadStatement("QIF names no currency. Say it in `currency`, such as EUR.")
    for number, fields in draft.records:
        row = _row(number, fields, given)
        if _OPENING.fullmatch(fields.get("P", "")) and made.opening is None and not made.rows:
            made.opening = Balance(row.amount, row.booked_on)
        else:
            made.rows.append(row)
    return made


def _row(number: int, fields: dict[str, str], given: Given) -> Row:
    place = f"line {number}"
    if readings(fields.get("D", ""), given.today.year) is None:
        raise BadStatement(f"{place}: the record has no date (D), but {shown(fields.get('D', ''))}.")
    if not _total(fields):
        raise BadStatement(f"{place}: the record has no amount (T).")
    assert given.currency is not None
    check, category = fields.get("N"), fields.get("L", "")
    return Row(
        booked_on=day_of(fields["D"], given.date_order, given.today, place),
        amount=amount(_total(fields), given.currency, given.decimal, place),
        payee=short(fields.get("P")),
        text=in_one_line(fields.get("P"), fields.get("M"), f"#{check}" if check else None) or "?",
        category=None if category.startswith("[") else short(category.split("/")[0], 60),
        place=place,
    )
