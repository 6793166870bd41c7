"""How a bank's CSV is laid out: seen by the names of its columns and by what stands in them, shown, and confirmable."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from pydantic import Field

from llmcoder import Model
from tasks.finance import csv_columns
from tasks.finance.amounts import has_digit
from tasks.finance.csv_columns import ROLES
from tasks.finance.csv_content import (
    MOST_TEXTS,
    Cells,
    Columns,
    are_numbers_of_accounts,
    are_signs,
    by_content,
    filled_cells,
    is_amount,
    is_date,
    texts_of,
)
from tasks.finance.statement import BadStatement, Unclear, shown

MOST_COLUMNS = 100
DELIMITERS = (";", ",", "\t", "|")
#: Lines in which the header is looked for; banks write up to twenty about the account first.
HEAD_LINES = 60
SAMPLE_LINES = 300
_EXPORTED_ROLES = ("date", "value_date", "account", "amount", "currency", "text", "payee", "category", "status")
#: A cell may go on over lines: an address, or what a card says of a trip.
MOST_LINES_OF_RECORD = 60
#: A line that no file has, behind the last one.
_END = "\x00\x00"
Column = str | int


class CsvLayout(Model):
    """How a CSV file is laid out: columns by header, or by number from 1. What is left out is seen in the file."""

    delimiter: Literal[";", ",", "\t", "|"] | None = Field(None, description="Between columns.", examples=[";"])
    header_line: int | None = Field(
        None, ge=0, le=HEAD_LINES, description="The line with the names of the columns, from 1; 0 where there is none."
    )
    date: Column | None = Field(None, description="Column of the booking date.", examples=["Buchungstag"])
    value_date: Column | None = Field(None, description="Column of the value date.")
    amount: Column | None = Field(
        None, description="Column of the amount, negative for money out.", examples=["Betrag"]
    )
    debit: Column | None = Field(None, description="Column of money out, where there are two.")
    credit: Column | None = Field(None, description="Column of money in, where there are two.")
    sign: Column | None = Field(None, description="Column that says debit or credit, where the amount has no sign.")
    fee: Column | None = Field(None, description="Column of a fee that is taken beside the amount.")
    balance: Column | None = Field(None, description="Column of the balance after each transaction.")
    currency: Column | None = Field(None, description="Column of the currency.")
    payee: Column | None = Field(None, description="Column of the other side's name, or of who was paid.")
    payer: Column | None = Field(None, description="Column of who paid, where the file names both sides apart.")
    text: list[Column] | None = Field(None, max_length=10, description="Columns that say what it was.")
    reference: Column | None = Field(None, description="Column of the bank's own number.")
    category: Column | None = Field(None, description="Column of a category.")
    account: Column | None = Field(None, description="Column of your own account, where the file has several.")
    status: Column | None = Field(None, description="Column that says what is pending.")
    decimal: Literal[".", ","] | None = Field(None, description="The sign before the decimals.", examples=[","])
    date_order: Literal["dmy", "mdy", "ymd"] | None = Field(
        None, description="Whether day or month comes first in its dates: dmy, mdy or ymd.", examples=["dmy"]
    )
    negate: bool | None = Field(
        None, description="True where money out has no minus, as in the files of some credit cards."
    )


@dataclass(slots=True)
class Table:
    """A layout, found in a file.

    Attributes:
        columns: By role, its place from 0; several of `text`.
        names: Of the columns; empty where the file has none.
        preamble: What stands before the header.
    """

    delimiter: str
    header_line: int
    columns: Columns
    names: list[str] = field(default_factory=list)
    preamble: list[list[str]] = field(default_factory=list)

    def at(self, role: str) -> int | None:
        found = self.columns.get(role)
        return found if isinstance(found, int) else None

    @property
    def is_exported(self) -> bool:
        """It is a file of `finance.export`."""
        return tuple(self.names) == csv_columns.EXPORTED

    @property
    def texts(self) -> list[int]:
        found = self.columns.get("text")
        return found if isinstance(found, list) else []

    def name_of(self, index: int) -> Column:
        own = self.names[index].strip() if index < len(self.names) else ""
        return own if own and self.names.count(self.names[index]) == 1 else index + 1


def records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The records of a file.

    Raises:
        BadStatement: One has more columns than any bank writes, or a quotation mark that nothing closes.
    """
    feed = _Feed(lines, delimiter)
    for record in _parsed(feed, delimiter):
        if record == [_END]:
            return
        if record and record[-1].endswith(f"{_END}\n"):
            raise BadStatement(
                f"The quotation mark in line {feed.begun_at} is not closed, and the file ends within it."
            )
        feed.check_begun()
        yield record


def _records_of_sample(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Those of the first lines, which may end within one."""
    return _parsed((f"{line}\n" for line in lines), delimiter)


def _parsed(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    try:
        for record in csv.reader(lines, delimiter=delimiter):
            if len(record) > MOST_COLUMNS:
                raise BadStatement(f"A line has {len(record)} columns; a statement has at most {MOST_COLUMNS}.")
            yield record
    except csv.Error as error:
        raise BadStatement(f"The CSV is broken: {error}. A quotation mark may not be closed.") from None


class _Feed:
    """Lines for the parser, which keeps quiet of a quotation mark that nothing closes: it takes lines for one cell."""

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._record: list[str] = []
        self._count = 0

    @property
    def begun_at(self) -> int:
        return self._count - len(self._record) + 1

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._count += 1
            self._record.append(line)
            yield f"{line}\n"
        yield f"{_END}\n"

    def check_begun(self) -> None:
        """A record is whole: none of its further lines begins as a transaction does."""
        first = self._record[0].split(self._delimiter, 1)[0].strip(' "') if self._record else ""
        if len(self._record) > MOST_LINES_OF_RECORD or (is_date(first) and any(map(self._begins, self._record[1:]))):
            raise BadStatement(f"The quotation mark in line {self.begun_at} is not closed in it.")
        self._record = []

    def _begins(self, line: str) -> bool:
        first, delimiter, _ = line.partition(self._delimiter)
        return bool(delimiter) and is_date(first.strip(' "'))


def find(sample: Sequence[str], given: CsvLayout) -> Table:
    """The layout of a file by its first lines, and what the caller says of it.

    Raises:
        Unclear: There is no telling which column is the date, or the amount.
        BadStatement: A column that the caller names is not there; or too many are.
    """
    delimiters = [given.delimiter] if given.delimiter else _delimiters(sample)
    tables = [(table, count) for one in delimiters for table, count in [_table(sample, one, given)]]
    best = max(tables, key=lambda one: one[1])[0]
    _check(best, sample)
    return best


def _delimiters(sample: Sequence[str]) -> list[str]:
    if sample and sample[0].lower().startswith("sep=") and sample[0][4:5] in DELIMITERS:
        return [sample[0][4]]
    present = [one for one in DELIMITERS if sum(one in line for line in sample) >= min(2, len(sample))]
    return present or [","]


def _table(sample: Sequence[str], delimiter: str, given: CsvLayout) -> tuple[Table, int]:
    """The layout with this delimiter, and how well it fits."""
    rows = list(islice(_records_of_sample(sample, delimiter), SAMPLE_LINES))
    header = _header_row(rows, given)
    body = rows[header + 1 :] if header is not None else rows
    names = rows[header] if header is not None else []
    columns = _by_name(names, body, rows[:header]) if names else {}
    if not {"date"} <= set(columns) or not {"amount", "debit", "credit"} & set(columns):
        columns = _without_names(body, columns, names)
    columns |= _by_caller(given, names)
    table = Table(delimiter, 0 if header is None else header + 1, columns, names, rows[: header or 0])
    fits = _fitting(body, table)
    width = max((len(row) for row in rows), default=0)
    return table, fits * 1000 + len(columns) * 10 + min(width, 9)


def _header_row(rows: list[list[str]], given: CsvLayout) -> int | None:
    if given.header_line is not None:
        return given.header_line - 1 if 0 < given.header_line <= len(rows) else None
    scores = [_named(row) for row in rows[:HEAD_LINES]]
    best = max(range(len(scores)), key=lambda at: scores[at], default=None)
    if (named := _row_of_names(rows, given)) is not None:
        return named
    if best is not None and scores[best] >= 2 and not any(is_date(cell) for cell in rows[best]):
        return best
    first = next((at for at, row in enumerate(rows) if any(cell.strip() for cell in row)), None)
    if first is not None and len(rows[first]) > 1 and not any(is_date(one) or is_amount(one) for one in rows[first]):
        return first
    return None


def _row_of_names(rows: list[list[str]], given: CsvLayout) -> int | None:
    """The line that has the columns which the caller names."""
    said = [getattr(given, role) for role in ROLES]
    columns = [column for one in said for column in (one if isinstance(one, list) else [one])]
    names = {one.strip() for one in columns if isinstance(one, str) and not one.isdigit()}
    if not names:
        return None
    return next((at for at, row in enumerate(rows[:HEAD_LINES]) if names <= {cell.strip() for cell in row}), None)


def _named(row: list[str]) -> int:
    roles = {role for cell in row if cell.strip() and (role := csv_columns.role_of(cell))}
    has_money = roles & {"amount", "debit", "credit"}
    return len(roles) + (3 if "date" in roles and has_money else 0)


def _without_names(body: list[list[str]], named: Columns, names: list[str]) -> Columns:
    """What the cells tell of the columns that no name has told of."""
    taken = {at for place in named.values() for at in (place if isinstance(place, list) else [place])}
    taken |= {at for at, name in enumerate(names) if csv_columns.is_charge(name)}
    seen: Columns = {}
    for role, place in by_content(body).items():
        left = [at for at in (place if isinstance(place, list) else [place]) if at not in taken]
        if left:
            seen[role] = left if isinstance(place, list) else left[0]
    return seen | named


def _by_name(names: list[str], body: list[list[str]], preamble: list[list[str]]) -> Columns:
    """By role, the column of it whose name says it best and whose cells can be that."""
    if tuple(names) == csv_columns.EXPORTED:
        return {role: [5] if role == "text" else at for at, role in enumerate(_EXPORTED_ROLES)}
    columns: Columns = {}
    texts: list[int] = []
    filled = filled_cells(body)
    for index, name in sorted(enumerate(names), key=lambda one: csv_columns.rank(one[1])):
        role = csv_columns.role_of(name) if name.strip() else None
        role = _as_filled(role, filled.get(index, []))
        if role == "text":
            texts.append(index)
        elif role is not None and role not in columns:
            columns[role] = index
    if "date" not in columns and "value_date" in columns:
        columns["date"] = columns.pop("value_date")
    if "payer" in columns and "payee" not in columns:
        columns["payee"] = columns.pop("payer")
    if "fee" in columns and isinstance(at := columns.get("amount"), int) and csv_columns.is_net(names[at]):
        del columns["fee"]  # it is taken off already
    if _is_of_other_side(columns, filled, len(body), preamble, names):
        del columns["account"]
    if texts := _all_texts(names, sorted(texts), columns, filled):
        columns["text"] = texts[:MOST_TEXTS]
    if "debit" in columns and "credit" in columns and "amount" in columns:
        columns = _amount_or_two(columns, body)
    return columns


def _all_texts(names: list[str], texts: list[int], columns: Columns, filled: Cells) -> list[int]:
    """Those that go on in columns without a name, too; where no name tells of any, whatever has words."""
    if not texts and not {"payee", "payer"} & set(columns):
        taken = {at for at in columns.values() if isinstance(at, int)}
        return texts_of(filled, taken)
    more = list(texts)
    for at in texts:
        while at + 1 < len(names) and not names[at + 1].strip() and filled.get(at + 1):
            at += 1
            more.append(at)
    return sorted(more)


def _is_of_other_side(columns: Columns, filled: Cells, rows: int, preamble: list[list[str]], names: list[str]) -> bool:
    """The number of an account is not one's own: it stands behind the other side's name, or is not the file's."""
    at, payee = columns.get("account"), columns.get("payee", columns.get("payer"))
    if not isinstance(at, int) or not are_numbers_of_accounts(cells := filled.get(at, [])):
        return False
    own = "".join("".join(row) for row in preamble).replace(" ", "")
    if cells and any(one.replace(" ", "") in own for one in cells):
        return False
    is_one = len(cells) == rows > 1 and len(set(cells)) == 1
    is_behind = isinstance(payee, int) and payee < at
    if csv_columns.key_of(names[at]) == "iban":  # whose, it does not say
        return is_behind or (rows > 1 and not is_one)
    return is_behind and not is_one


def _as_filled(role: str | None, cells: list[str]) -> str | None:
    """The role, where what stands in the column can be that: `Valuta` is a date for some and a currency for others."""
    if role in ("value_date", "currency") and cells:
        as_date = sum(is_date(one) for one in cells) * 2 > len(cells)
        as_code = sum(len(one) == 3 and one.isalpha() for one in cells) * 2 > len(cells)
        return "value_date" if as_date else "currency" if as_code else None
    if role == "date" and cells and not any(is_date(one) for one in cells):
        return None
    if role in ("amount", "debit", "credit", "balance", "fee") and cells and not any(map(is_amount, cells)):
        return "sign" if are_signs(cells) else None
    if role == "sign":
        return "sign" if cells and are_signs(cells) else None
    if role == "account" and len(set(cells)) > 20:
        return None
    if role in ("payee", "payer") and cells and are_numbers_of_accounts(cells):
        return None
    return role


def _amount_or_two(columns: Columns, body: list[list[str]]) -> Columns:
    """Where there are all three: those that more transactions have; of as many, an amount with a sign of its own."""
    dated = [row for row in body if "date" not in columns or is_date(_cell(row, columns["date"]))]
    amounts = [cell for row in dated if has_digit(cell := _cell(row, columns["amount"]))]
    sides = ("debit", "credit")
    of_sides = sum(any(has_digit(_cell(row, columns[side])) for side in sides) for row in dated)
    is_signed = any("-" in cell or "(" in cell or "−" in cell for cell in amounts)
    gone = sides if is_signed and len(amounts) >= of_sides else ("amount",)
    return {role: place for role, place in columns.items() if role not in gone}


def _cell(row: list[str], at: int | list[int]) -> str:
    return row[at] if isinstance(at, int) and at < len(row) else ""


def _by_caller(given: CsvLayout, names: list[str]) -> Columns:
    columns: Columns = {}
    for role in ROLES:
        wanted = getattr(given, role)
        if isinstance(wanted, list):
            columns[role] = [_place(one, names) for one in wanted]
        elif wanted is not None:
            columns[role] = _place(wanted, names)
    return columns


def _place(column: Column, names: list[str]) -> int:
    if isinstance(column, int) or column.isdigit():
        if 1 <= int(column) <= MOST_COLUMNS:
            return int(column) - 1
        raise BadStatement(f"There is no column {column}; they are counted from 1.")
    key = csv_columns.key_of(column)
    for at, name in enumerate(names):
        if name.strip() == column.strip():
            return at
    for at, name in enumerate(names):
        if key and csv_columns.key_of(name) == key:
            return at
    known = ", ".join(shown(one, 30) for one in names if one.strip()) or "none has a name; say their numbers"
    raise BadStatement(f"There is no column {shown(column)}. There are: {known}.")


def _fitting(body: list[list[str]], table: Table) -> int:
    """How many lines have a date and an amount where they should be."""
    date_at, money = table.at("date"), [table.at(one) for one in ("amount", "debit", "credit")]
    if date_at is None or not any(at is not None for at in money):
        return 0
    return sum(
        date_at < len(row)
        and is_date(row[date_at])
        and any(at is not None and at < len(row) and has_digit(row[at]) for at in money)
        for row in body
    )


def _check(table: Table, sample: Sequence[str]) -> None:
    shown_names = ", ".join(shown(one, 30) for one in table.names if one.strip())
    there = (
        f"Its columns are {shown_names}" if shown_names else f"Its first line is {shown(sample[0] if sample else '')}"
    )
    for roles, what in ((("date",), "the date"), (("amount", "debit", "credit"), "the amount")):
        if not any(role in table.columns for role in roles):
            raise Unclear(f"It cannot be told which column is {what}. {there}. Say it in `layout`.", roles[0])
