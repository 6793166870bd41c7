"""CSV files of banks: which column is what, what is no transaction, and what has two meanings."""

# ruff: noqa: E501  (a line of a file is a line)

from __future__ import annotations

import time
from decimal import Decimal

import csv_samples
import csv_samples_europe
import csv_samples_further
import csv_samples_german
import csv_samples_world
import pytest
from statement_kit import read, rows_of

from llmcoder.money import Money
from tasks.finance.statement import BadStatement, Unclear

SAMPLES = [
    *csv_samples.SAMPLES, *csv_samples_german.SAMPLES, *csv_samples_europe.SAMPLES, *csv_samples_world.SAMPLES,
    *csv_samples_further.SAMPLES
]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_a_banks_csv_is_recognised(sample: csv_samples.Sample):
    found = read(sample.bytes, currency=sample.currency, layout=sample.layout)
    rows = rows_of(found)
    assert [(day, amount) for day, amount, _ in rows] == [(day, Decimal(amount)) for day, amount, _ in sample.rows]
    assert all(word.casefold() in text.casefold() for (_, _, text), (_, _, word) in zip(rows, sample.rows, strict=True))
    first = found.statements[0]
    assert sample.number is None or first.number == sample.number
    if sample.balance is not None:
        assert first.opening is not None
        assert first.closing is not None
        assert (str(first.opening.amount.amount), str(first.closing.amount.amount)) == sample.balance
    if sample.payees is not None:
        assert [row.payee for one in found.statements for row in one.rows] == list(sample.payees)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_a_layout_that_was_shown_reads_the_same_again(sample: csv_samples.Sample):
    found = read(sample.bytes, currency=sample.currency, layout=sample.layout)
    assert found.layout is not None
    again = read(sample.bytes, currency=sample.currency, layout=found.layout.model_dump(exclude_none=True))
    assert (rows_of(again), again.layout) == (rows_of(found), found.layout)


def test_columns_that_nobody_knows_are_asked_for_by_their_names():
    with pytest.raises(Unclear, match="'foo', 'bar'") as asked:
        read("foo;bar\nx;y\n", currency="EUR")
    assert asked.value.field == "date"
    assert rows_of(read("foo;bar\n2024-01-31;5,00\n", currency="EUR", date="foo", amount="bar"))[0][1] == 5


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(BadStatement, match="There is no column 'Nope'"):
        read("Date;Amount\n2024-01-31;5,00\n", currency="EUR", date="Nope")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            "ID,Status,Direction,Created on,Source fee amount,Source name,Source amount (after fees),Target amount (after fees)\n"
            "T-1,COMPLETED,OUT,2024-01-31 10:00:00,0.50,Ann,100.00,85.00\n",
            id="fees-and-two-sides",
        ),
        pytest.param("Datum;Umsatzsteuer;Text\n31.01.2024;1,90;Laden\n", id="a-tax"),
        pytest.param("Date;Discount amount;Text\n2024-01-31;1.90;Shop\n", id="a-discount"),
    ],
)
def test_what_is_charged_beside_an_amount_is_not_taken_for_it(content: str):
    with pytest.raises(Unclear) as caught:
        read(content, currency="EUR")
    assert caught.value.field == "amount"


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (['2024-01-01;1.00;"a'] * 4, "line 2"),  # each quotation mark closes the one before
        (["2024-01-01;1.00;a"] * 3 + ['2024-01-01;1.00;"a'] + ["2024-01-01;1.00;a"] * 3, "line 5"),
        (["2024-01-01;1.00;a", '2024-01-02;1.00;"a'], "line 3"),
        (['2024-01-01;1.00;"a', *["more"] * 100, 'end"'], "line 2"),
    ],
)
def test_a_quotation_mark_that_nothing_closes_swallows_no_transaction(lines: list[str], where: str):
    with pytest.raises(BadStatement, match=f"quotation mark in {where} is not closed"):
        read("\n".join(["Date;Amount;Text", *lines, ""]), currency="EUR")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp1252", "iso8859-15"])
@pytest.mark.parametrize("text", ["Shop", "Bäckerei"])
def test_a_euro_is_one_in_each_encoding_that_has_it(text: str, codec: str):
    content = f"Datum;Text;Betrag\n31.01.2024;{text};-12,50 €\n30.01.2024;Pay;1.000,00 €\n"
    found = read(content.encode(codec))
    assert [(str(row.amount), row.text) for one in found.statements for row in one.rows] == [
        ("1000.00 EUR", "Pay"), ("-12.50 EUR", text)
    ]  # fmt: skip


def test_a_file_of_dos_is_read_as_one():
    content = "Datum;Text;Betrag\n31.01.2024;Bäckerei Größe;-12,50\n30.01.2024;Gehalt für Müller;1.000,00\n"
    found = rows_of(read(content.encode("cp850"), currency="EUR"))
    assert [text for _, _, text in found] == ["Gehalt für Müller", "Bäckerei Größe"]


def test_a_file_of_money_in_only_is_wondered_at_until_it_is_said():
    lines = [f"2024-01-{day:02},Shop {day},{day}.00" for day in range(1, 6)]
    content = "\n".join(["Date,Description,Amount", *lines, "2024-01-06,Payment,-9.00"])
    assert "say `negate`" in read(content, currency="USD").statements[0].notes[0]
    for said in (True, False):
        assert read(content, currency="USD", negate=said).statements[0].notes == []
    assert read(content.replace(",1.00", ",-1.00").replace(",2.00", ",-2.00"), currency="USD").statements[0].notes == []


def test_a_cell_may_go_on_over_lines():
    found = read('Date;Amount;Text\n2024-01-01;1.00;"a\nb;2024-01-05\nc"\n2024-01-02;2.00;d', currency="EUR")
    assert [text for _, _, text in rows_of(found)] == ["a b;2024-01-05 c", "d"]


@pytest.mark.parametrize(
    "name", ["(" * 60_000, "Amount (" * 5_000, "Amount" + " " * 100_000 + "x", "[" * 60_000, "EUR " * 9000]
)
def test_a_columns_name_of_any_length_takes_no_time(name: str):
    begun = time.monotonic()
    assert len(rows_of(read(f"Date;{name};Betrag\n2024-01-01;x;2.00\n", currency="EUR"))) == 1
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        pytest.param(["30;1000;Pay;1000;", "31;-12;Shop;988;", "31;-5;Kiosk;;pending"], ("0.00", "988.00"), id="pending-has-none"),
        pytest.param(["31;-5;Kiosk;;pending", "31;-12;Shop;988;", "30;1000;Pay;1000;"], ("0.00", "988.00"), id="pending-first"),
        pytest.param(["30;1000;Pay;1000;", "31;-5;Kiosk;995;pending", "31;-12;Shop;983;"], ("0.00", "988.00"), id="pending-counts"),
        pytest.param(["31;-2;Tea;986;", "31;-12;Shop;;", "30;1000;Pay;1000;", "29;5;Gift;0;", "29;-5;Gum;;"], ("0.00", "986.00"), id="one-a-day"),
        pytest.param(["31;-12;Shop;988;", "31;1000;Pay;1000;"], ("0.00", "988.00"), id="one-day-backwards"),
        pytest.param(["30;1000;Pay;;", "31;-12;Shop;988;"], (None, "988.00"), id="the-last-line-only"),
        pytest.param(["30;1000;Pay;1000;", "31;-12;Shop;;"], (None, None), id="not-the-last-line"),
        pytest.param(["30;1000;Pay;7;", "31;-12;Shop;988;"], (None, None), id="does-not-follow"),
    ],
)  # fmt: skip
def test_a_column_of_balances_says_with_what_a_statement_begins_and_ends(
    lines: list[str], ends: tuple[str | None, str | None]
):
    content = "\n".join(["Date;Amount;Text;Balance;Status", *(f"2024-01-{line}" for line in lines)])
    [one] = read(content, currency="EUR").statements
    assert tuple(None if end is None else str(end.amount.amount) for end in (one.opening, one.closing)) == ends
    booked = [row.amount for row in one.rows if not row.pending]
    if one.opening is not None and one.closing is not None:
        assert one.opening.amount + Money.total(booked, "EUR") == one.closing.amount


def test_lines_that_are_balances_are_no_transactions_and_say_so():
    found = read(
        "Date;Amount;Text\n2024-01-01;100.00;Opening balance\n2024-01-02;-3.50;Coffee\n2024-01-02;-4.50;Total\n"
        "2024-01-31;96.50;Closing balance 31.01.2024\n2024-01-03;-1.00;Opening balance party, balloons\n",
        currency="EUR",
    )
    [one] = found.statements
    assert [row.text for row in one.rows] == ["Coffee", "Opening balance party, balloons"]
    assert one.opening is not None
    assert one.closing is not None
    assert (str(one.opening.amount), str(one.closing.amount)) == ("100.00 EUR", "96.50 EUR")
    assert "balances or sums: 3" in one.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        "Date;Payee;Amount\n2024-01-01;Total;-12.00\n2024-01-02;Shop;-3.00\n",
        "Date;Text;Amount\n2024-01-01;TOTAL;-12.00\n2024-01-02;Shop;-3.00\n",
        "Date;Payee;Text;Amount\n2024-01-01;Landlord;Opening balance;-12.00\n2024-01-02;Shop;x;-3.00\n",
    ],
)
def test_what_is_only_called_a_sum_or_a_balance_is_a_transaction(content: str):
    assert len(rows_of(read(content, currency="EUR"))) == 2


def test_a_csv_without_a_currency_asks_for_it():
    with pytest.raises(Unclear, match="currency"):
        read("Date;Amount;Text\n2024-01-31;5,00;tea\n")


def test_accounts_and_currencies_of_one_csv_are_statements_of_their_own():
    content = "Date,Account,Amount,Currency,Description\n2024-01-31,A,1.00,EUR,x\n2024-01-31,B,2.00,EUR,y\n2024-01-31,B,3.00,USD,z\n"
    found = read(content)
    assert [(one.number, one.currency, len(one.rows)) for one in found.statements] == [
        ("A", "EUR", 1),
        ("B EUR", "EUR", 1),
        ("B USD", "USD", 1),
    ]


def test_lines_that_are_no_transactions_are_named_and_not_lost_in_silence():
    found = read("Date;Amount;Text\n2024-01-31;5,00;tea\nTotal;5,00;\n", currency="EUR")
    assert "line 3" in found.statements[0].notes[0]


@pytest.mark.parametrize("day", ["31.02.2024", "2024-13-01", "99.99.2024"])
def test_an_impossible_day_is_an_error_and_no_line_left_out(day: str):
    with pytest.raises(BadStatement, match=r"no (day|date)"):
        read(f"Date;Amount;Text\n2024-01-31;5,00;tea\n{day};5,00;tea\n", currency="EUR")


def test_a_csv_with_a_header_and_nothing_else_is_an_empty_statement():
    assert rows_of(read("Date;Amount;Description\n", currency="EUR")) == []
