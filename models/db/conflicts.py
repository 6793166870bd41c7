"""An INSERT that says what becomes of a row that is there already: each store's dialect has its own."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def insert(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """With `on_conflict_do_nothing` and `on_conflict_do_update`, which both stores understand alike."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
