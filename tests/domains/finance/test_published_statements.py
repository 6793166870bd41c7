"""The test data that ofxtools and mt-940 publish in their source distributions: all of it is read, none of it crashes.

What ofxtools itself makes a statement of comes out the same here: account, currency, balance, days, amounts, numbers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sdists import unpacked
from statement_kit import read

from llmcoder.errors import BadInput
from tasks.finance.reading import ReadFile

HERE = Path(__file__).parent
#: Where the counts stand.
PAGE = " ".join((HERE.parents[2] / "docs" / "finance.md").read_text().split())
OFXTOOLS, MT940 = ("ofxtools", "1.1.1"), ("mt-940", "4.23.0")
pytestmark = pytest.mark.slow("fetches two source distributions, and runs the code of one in a process of its own")


@pytest.fixture(scope="module")
def published() -> list[tuple[str, str, list[dict[str, Any]] | None]]:
    """Every text of ofxtools' tests, and what ofxtools makes of it."""
    command = [sys.executable, str(HERE / "ofxtools_dump.py"), str(unpacked(*OFXTOOLS))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def outcome(content: str) -> ReadFile | BadInput:
    """What is read, or why it is refused; anything else is a crash."""
    try:
        return read(content, currency="EUR")
    except BadInput as refusal:
        assert refusal.detail
        return refusal


def test_all_test_data_of_ofxtools_is_read_or_refused_with_a_reason(published):
    outcomes = [outcome(text) for _, text, _ in published]
    statements = sum(isinstance(one, ReadFile) for one in outcomes)
    assert f"{len(outcomes)} texts, of which {statements} are statements" in PAGE


def test_what_ofxtools_makes_a_statement_of_comes_out_the_same(published):
    compared = 0
    for name, text, expected in published:
        if not expected:
            continue
        found = outcome(text)
        assert isinstance(found, ReadFile), f"{name}: {found}"
        ours = [one for one in found.statements if one.closing is not None]
        assert len(ours) == len(expected), name
        for one, wanted in zip(ours, expected, strict=True):
            compared += 1
            assert (one.number or "").endswith(wanted["account"]), name
            assert one.currency == wanted["currency"], name
            assert one.closing is not None
            assert one.closing.amount.amount == Decimal(wanted["balance"]), name
            rows = [[f"{row.booked_on:%Y%m%d}", row.amount.amount, row.provider_id] for row in one.rows]
            assert rows == [[day, Decimal(amount), number] for day, amount, number in wanted["rows"]], name
    assert f"the {compared} statements that ofxtools itself makes of them" in PAGE


#: Of its files, those that are a part of a statement: a field or two, for a test of that field.
PARTS = 18
#: Amounts in German marks, which ISO 4217 does not have any more.
IN_MARKS = {"mt940.sta", "mt940-iso8859-1.sta", "raphaelm.sta"}


def test_all_statements_of_mt940_are_read_or_refused_with_a_reason():
    files = sorted(unpacked(*MT940).rglob("*.sta"))
    outcomes = {path: outcome(path.read_bytes().decode("cp1252", "replace")) for path in files}
    refused = {path.name: str(one) for path, one in outcomes.items() if not isinstance(one, ReadFile)}
    rows = sum(len(one.rows) for found in outcomes.values() if isinstance(found, ReadFile) for one in found.statements)
    assert f"{len(files)} files with {rows} transactions, of which {len(refused)} are refused" in PAGE
    assert all("DEM" in why for name, why in refused.items() if name in IN_MARKS)
    assert len(set(refused) - IN_MARKS) <= PARTS
