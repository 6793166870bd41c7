"""Which category a row has: as its user said, else as a rule of theirs says, else as the file or the bank does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.caseless import fold
from llmcoder.declare.filter import words_of
from tasks.finance.statement import Row
from tasks.finance.tables import rules


class Rules:
    """A user's rules; of several that fit, the newest counts."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rules = [(words_of(row.words), row.direction, row.category) for row in rows]

    def match(self, text: str, minor: int) -> str | None:
        """The category by rule of a text and its amount."""
        folded = fold(text)
        return next(
            (
                category
                for words, direction, category in self._rules
                if all(word in folded for word in words) and direction in (None, "out" if minor < 0 else "in")
            ),
            None,
        )

    def category_of(self, row: Row) -> tuple[str | None, str | None]:
        """And who says so."""
        if category := self.match(row.text, row.amount.minor):
            return category, "rule"
        return (row.category, "file") if row.category else (None, None)


def rules_of(conn: sa.Connection, user_id: UUID) -> Rules:
    query = sa.select(rules).where(rules.c.user_id == user_id).order_by(rules.c.id.desc())
    return Rules(conn.execute(query).all())
