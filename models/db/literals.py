"""Words of ours as they stand in the condition of a partial index.

Both stores use such an index only where the query says the very same: SQLite never takes a bound value for it, and
PostgreSQL's generic plans do not either.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

import sqlalchemy as sa


@cache
def literal(word: StrEnum) -> sa.ColumnElement[str]:
    """The word itself in the statement, not a parameter."""
    return sa.literal_column(f"'{word.value}'", sa.String)
