"""Lines of a CSV file that are balances or sums and no transactions; and the currency that its first lines name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from tasks.finance import csv_columns
from tasks.finance.amounts import is_currency
from tasks.finance.statement import Balance, Row, Statement

_KINDS = {
    "opening": r"opening balance|beginning balance|starting balance|previous balance|balance (?:brought|b/f).*"
    r"|brought forward|anfangssaldo|anfangsbestand|alter (?:konto)?stand|alter saldo|saldovortrag|saldo anterior"
    r"|saldo inicial|saldo iniziale|saldo precedente|saldo początkowe|solde initial|solde précédent|ancien solde"
    r"|beginsaldo|vorig saldo|ingående saldo|inngående saldo|algsaldo|alkusaldo|sākuma atlikums|pradinis likutis"
    r"|počáteční zůstatek|nyitó egyenleg|входящий остаток|devir bakiye|前月繰越|繰越",
    "closing": r"closing balance|ending balance|balance (?:carried|c/f).*|carried forward|endsaldo|schlusssaldo"
    r"|neuer saldo|neuer kontostand|kontostand|saldo finale?|saldo końcowe|solde final|nouveau solde"
    r"|eindsaldo|nieuw saldo|utgående saldo|lõppsaldo|loppusaldo|beigu atlikums|galutinis likutis|konečný zůstatek"
    r"|záró egyenleg|исходящий остаток|s a l d o|saldo do dia",
    "sum": r"turnover|käive|apgrozījums|apyvarta|totals?|summe|gesamtsumme|umsatzsumme|totale|totaal|sub ?total",
}
_LINES = {kind: re.compile(rf"(?:{words})[\s:.]*(?:\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}})?", re.IGNORECASE)
          for kind, words in _KINDS.items()}  # fmt: skip


def kind_of(text: str) -> str | None:
    """`opening`, `closing` or `sum` where all that the line says is that it is one."""
    plain = " ".join(text.split())
    return next((kind for kind, line in _LINES.items() if line.fullmatch(plain)), None)


def take_no_sums(lines: list[tuple[str, Row]], rows: list[Row]) -> list[Row]:
    """The lines called a sum that are none of the rows, which are transactions after all: Total sells petrol."""
    amounts = [row.amount.minor for row in rows]
    money_in, money_out = sum(one for one in amounts if one > 0), sum(one for one in amounts if one < 0)
    sums = {abs(one) for one in (money_in, money_out, money_in + money_out)}
    others = [line for line in lines if line[0] == "sum" and abs(line[1].amount.minor) not in sums]
    lines[:] = [line for line in lines if line not in others]
    return [row for _, row in others]


def keep(statement: Statement, lines: Iterable[tuple[str, Row]]) -> None:
    """What such lines say counts as balance where no column does; people are told that they were left out."""
    found = list(lines)
    if not found:
        return
    for kind, row in found:
        balance = Balance(row.amount, row.booked_on)
        if kind == "opening" and statement.opening is None:
            statement.opening = balance
        if kind == "closing" and statement.closing is None:
            statement.closing = balance
    named = ", ".join(dict.fromkeys(row.text for _, row in found[:5]))
    statement.notes.append(f"Lines that are balances or sums: {len(found)} ({named}); no transactions.")


def currency_before(preamble: Iterable[list[str]]) -> str | None:
    """The currency that the lines before the header name."""
    for row in preamble:
        cells = [cell.strip(' ="') for cell in row]
        for name, value in pairwise(cells):
            if csv_columns.role_of(name.rstrip(": ")) == "currency" and is_currency(value.upper()[:3]):
                return value.upper()[:3] if len(value) == 3 or value.casefold().startswith("euro") else None
    return None
