"""Whatever somebody uploads is read or refused with a reason: statements cut, doubled, mixed up, byte by byte."""

# ruff: noqa: E501  (a table of pieces)

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from csv_samples import SAMPLES
from statement_kit import camt, entry, mt940, ofx, read

from llmcoder.errors import BadInput
from tasks.finance.statement import StatementFormat

ROWS = (("2024-02-01", "-3.50", "Coffee"), ("2024-02-02", "1234.56", "Pay & more"))
SOURCES: dict[str, bytes] = {
    "ofx": ofx(*ROWS, balance=("2024-02-29", "10.00")).encode(),
    "qif": b"!Account\nNBank\n^\n!Type:Bank\nD31/01/2024\nT-1,234.56\nPShop\nMmemo\nLFood\n^\nD1/2'24\nT5\n^\n",
    "camt": camt(entry("-12.50", "Tea"), entry("20.00", "Back"), closing="107.50").encode(),
    "mt940": mt940(("2024-02-01", "-12,50", "166?00X?20SVWZ+Tea?32Ann"), closing=("2024-02-29", "87,50")).encode(),
    **{one.name: one.bytes for one in SAMPLES},
}
PIECES = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"<", b">", b"&", b'"', b"'", b";", b",", b".", b"-", b"(", b"\n", b"\r", b"^", b":61:",
    b":86:", b"</STMTTRN>", b"<STMTTRN>", b"]]>", b"<![CDATA[", b"<!--", b"0", b"99999999999999999999", b"1e99", b"NaN", b"31.02.2024",
    "٣".encode(), "½".encode(), "\u2028".encode(), b"EUR", b"XAU", b"\xed\xa0\x80",
)  # fmt: skip


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """The content after a few accidents."""
    made = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, max(len(made), 1) - 1) if made else 0
        to = min(len(made), at + chance.choice((0, 1, 2, 5, 40, 200)))
        accident = chance.randint(0, 4)
        if accident == 0:
            del made[at:to]
        elif accident == 1:
            made[at:at] = made[at:to] * chance.randint(1, 3)
        elif accident == 2:
            made[at:to] = chance.choice(PIECES)
        elif accident == 3 and made:
            made[at] = chance.randint(0, 255)
        else:
            made = made[: chance.randint(0, len(made))]
    return bytes(made)


def contents(name: str, count: int) -> Iterator[bytes]:
    chance = random.Random(name)
    yield from (spoiled(SOURCES[name], chance) for _ in range(count))


@pytest.mark.parametrize("name", SOURCES)
def test_a_spoiled_statement_is_read_or_refused(name: str):
    for content in contents(name, 60):
        for currency, wanted in (
            (None, None),
            ("EUR", None),
            ("JPY", random.Random(content).choice(list(StatementFormat))),
        ):
            try:
                found = read(content, currency=currency, format=wanted)
            except BadInput as refusal:
                assert refusal.detail, content
                continue
            for one in found.statements:
                for row in one.rows:
                    assert 0 < len(row.text) <= 1_000, content
                    assert "\0" not in row.text, content
                    row.text.encode()
