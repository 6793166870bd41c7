"""The column of balances of a CSV file: which line is the older, and with what the statement begins and ends."""

from __future__ import annotations

from itertools import pairwise

from llmcoder.money import Money
from tasks.finance.statement import Balance, Row, Statement

#: A balance, and what has come and gone by then.
Anchor = tuple[Money, Money]


def put_in_order(statement: Statement) -> None:
    """Oldest first, as the balances show where there are any; and its two ends.

    Some banks write a balance in the last line of a day only, and none beside what is pending.
    """
    rows = statement.rows
    if len(rows) > 1 and rows[0].booked_on > rows[-1].booked_on:
        rows.reverse()
    anchors = _anchors(rows)
    if len(rows) > 1 and rows[0].booked_on == rows[-1].booked_on:
        backwards = _anchors(rows[::-1])
        if _steps(backwards) > _steps(anchors):
            rows.reverse()
            anchors = backwards
    if not anchors:
        return
    if 2 * _steps(anchors) < len(anchors) - 1:
        statement.notes.append("The column of balances does not follow from the amounts, so it proves nothing.")
        return
    _keep_ends(statement, anchors)


def _keep_ends(statement: Statement, anchors: list[Anchor]) -> None:
    """The balances before the first line and after the last, without what is pending."""
    rows, (last, by_then) = statement.rows, anchors[-1]
    if len(anchors) == 1 < len(rows) and rows[-1].balance is None:
        return  # one balance in the middle of a file tells nothing of its ends
    currency = last.currency
    counted = Money.total((one.amount for one in rows if _counts(one)), currency)
    pending = Money.total((one.amount for one in rows if one.pending and _counts(one)), currency)
    booked = [one for one in rows if not one.pending] or rows
    statement.closing = Balance(last + counted - by_then - pending, booked[-1].booked_on)
    if len(anchors) > 1 or len(rows) == 1:
        first, so_far = anchors[0]
        statement.opening = Balance(first - so_far, rows[0].booked_on)


def _counts(row: Row) -> bool:
    """It is a part of the balances: what is pending is none where it has none."""
    return not row.pending or row.balance is not None


def _anchors(rows: list[Row]) -> list[Anchor]:
    found: list[Anchor] = []
    if not rows:
        return found
    so_far = Money.zero(rows[0].amount.currency)
    for row in rows:
        so_far += row.amount if _counts(row) else Money.zero(so_far.currency)
        if row.balance is not None:
            found.append((row.balance, so_far))
    return found


def _steps(anchors: list[Anchor]) -> int:
    """How often a balance follows from the one before and the amounts between."""
    return sum(after - before == moved - so_far for (before, so_far), (after, moved) in pairwise(anchors))
