"""Cells of tables that span rows or columns: others stand beside and below them, so that columns stay columns. Pure."""

from __future__ import annotations

#: Cells that one may span; Atlassian's tables have no more columns.
WIDEST = 100


def span_of(told: str | None) -> int:
    """What `colspan` or `rowspan` says."""
    span = told or ""
    return min(int(span), WIDEST) if span.isascii() and span.isdigit() and 0 < len(span) < 10 and int(span) else 1


def add_cell(row: list[str], below: dict[int, int], cell: str, *, width: int, height: int) -> None:
    """Put a cell at the end of a row, with empty ones where it spans columns.

    Args:
        below: In how many rows more a cell of a row above stands in each column; it is changed.
    """
    cover(row, below)
    below |= {len(row) + column: height - 1 for column in range(width)}
    row += [cell, *[""] * (width - 1)]


def cover(row: list[str], below: dict[int, int]) -> None:
    """Put empty cells where one of a row above still stands."""
    while below.get(len(row), 0) > 0:
        below[len(row)] -= 1
        row.append("")
