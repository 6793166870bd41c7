"""Notes and to-dos are searched and sorted in any case, by a folded form of their text beside it.

An earlier version that runs beside this one leaves the column empty in what it adds, and as it was in what it changes:
such a record is found by its text as it is, or was, until it is changed again.
"""

from __future__ import annotations

from unicodedata import normalize

import sqlalchemy as sa
from alembic import op

revision = "general_0003"
down_revision = "general_0002"
branch_labels = None
depends_on = None

TEXTS = {"notes": "text", "todos": "title"}
AT_ONCE = 500


def fold(text: str) -> str:
    """As `llmcoder.caseless.fold` does it in this version."""
    once = normalize("NFKD", normalize("NFD", text).casefold())
    return normalize("NFKC", normalize("NFKD", once.casefold()))


def upgrade() -> None:
    for table, column in TEXTS.items():
        op.add_column(table, sa.Column(f"{column}_folded", sa.Text()))
        _fill(sa.table(table, sa.column("id", sa.Uuid), sa.column(column), sa.column(f"{column}_folded")), column)


def _fill(table: sa.TableClause, column: str) -> None:
    conn = op.get_bind()
    folded = f"{column}_folded"
    set_folded = sa.update(table).where(table.c.id == sa.bindparam("row_id")).values({folded: sa.bindparam("folded")})
    last = None
    while True:
        beyond = sa.true() if last is None else table.c.id > last
        query = sa.select(table.c.id, table.c[column]).where(beyond).order_by(table.c.id).limit(AT_ONCE)
        rows = conn.execute(query).all()
        if not rows:
            return
        conn.execute(set_folded, [{"row_id": row_id, "folded": fold(text)} for row_id, text in rows])
        last = rows[-1][0]


def downgrade() -> None:
    for table, column in TEXTS.items():
        op.drop_column(table, f"{column}_folded")
