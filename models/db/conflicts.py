"""An INSERT that says what becomes of a row that is there already: each store's dialect has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


def insert(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """With `on_conflict_do_nothing` and `on_conflict_do_update`, which both stores understand alike."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # the other store's costs 5 MB

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
