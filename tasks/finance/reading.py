"""A file becomes statements: its encoding and its format are seen, and it is read piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO

from tasks.finance import camt, csv_statement, mt940, ofx, qif
from tasks.finance.csv_layout import CsvLayout
from tasks.finance.csv_statement import LayoutBefore, unknown_layout
from tasks.finance.statement import MIB, MOST_ACCOUNTS, MOST_BYTES, BadStatement, Given, Statement, StatementFormat
from tasks.finance.statement_text import chunks, encoding_of, format_of, head_of, lines


@dataclass(slots=True)
class ReadFile:
    """What a file holds.

    Attributes:
        encoding: The codec by which it was read.
        layout: Of a CSV file, as it was seen or given.
        layout_key: The same for files of CSV with the same columns.
    """

    format: StatementFormat
    encoding: str
    statements: list[Statement]
    layout: CsvLayout | None = None
    layout_key: str | None = None


def read(
    file: IO[bytes],
    size_bytes: int,
    given: Given,
    layout: CsvLayout,
    wanted: StatementFormat | None = None,
    layout_before: LayoutBefore = unknown_layout,
) -> ReadFile:
    """The statements of a file.

    Args:
        wanted: Its format, where it cannot be seen.
        layout_before: How the last CSV file with these columns was read.

    Raises:
        BadStatement: It is none that can be read for sure.
        Unclear: It can be read in two ways.
    """
    if size_bytes > MOST_BYTES:
        raise BadStatement(
            f"The file has {size_bytes // MIB:,} MB; a statement has at most {MOST_BYTES // MIB} MB. Export a shorter"
            " time."
        )
    encoding = encoding_of(file)
    found = wanted or format_of(head_of(file, encoding))
    known = replace(given, decimal=layout.decimal or given.decimal, date_order=layout.date_order or given.date_order)
    if found is StatementFormat.CSV:
        statements, shown, key = csv_statement.read(lines(file, encoding), known, layout, layout_before)
        return ReadFile(found, encoding, statements, shown, key)
    made = ReadFile(found, encoding, _statements(file, found, encoding, known))
    if len(made.statements) > MOST_ACCOUNTS * 10:
        raise BadStatement(f"The file has {len(made.statements)} statements, which are too many for one import.")
    return made


def _statements(file: IO[bytes], found: StatementFormat, encoding: str, given: Given) -> list[Statement]:
    match found:
        case StatementFormat.OFX:
            return ofx.read(chunks(file, encoding), given)
        case StatementFormat.CAMT:
            return camt.read(chunks(file, encoding), given)
        case StatementFormat.QIF:
            return qif.read(lines(file, encoding), given)
        case StatementFormat.MT940:
            return mt940.read(lines(file, encoding), given)
        case _:
            raise NotImplementedError(found)
