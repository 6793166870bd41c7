"""Price watches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "travel_0001"
down_revision = None
branch_labels = ("travel",)
depends_on = "0014_provenance"


def upgrade() -> None:
    op.create_table(
        "price_watches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("trip", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("threshold_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("is_below", sa.Boolean(), nullable=False),
        sa.Column("drops", sa.Integer(), nullable=False),
        sa.Column("last_minor", sa.BigInteger()),
        sa.Column("last_quote_id", sa.Uuid()),
        sa.Column("quoted_at", sa.DateTime(timezone=True)),
        sa.Column("lowest_minor", sa.BigInteger()),
        sa.Column("note", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_price_watches_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_watches")),
    )
    op.create_index("ix_price_watches_user", "price_watches", ["user_id", "id"])
    op.create_table(
        "price_quotes",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of_a_watch("price_quotes"),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("price_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("flight", sa.Text()),
        sa.Column("flights", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("quoted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_quotes")),
    )
    op.create_index("ix_price_quotes_watch", "price_quotes", ["watch_id", "id"])
    op.create_index("ix_price_quotes_user", "price_quotes", ["user_id"])
    op.create_table(
        "price_alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_of_a_watch("price_alerts"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text()),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_alerts")),
        sa.UniqueConstraint("watch_id", "number", name="uq_price_alerts_number"),
    )
    op.create_index("ix_price_alerts_user", "price_alerts", ["user_id", "id"])
    untold = sa.text("told_at IS NULL")
    op.create_index(
        "ix_price_alerts_untold", "price_alerts", ["created_at"], postgresql_where=untold, sqlite_where=untold
    )


def _of_a_watch(table: str) -> list[sa.schema.SchemaItem]:
    """The columns that say whose a row is, with their foreign keys."""
    return [
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("watch_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["price_watches.id"], name=op.f(f"fk_{table}_watch_id"), ondelete="CASCADE"
        ),
    ]


def downgrade() -> None:
    for table in ("price_alerts", "price_quotes", "price_watches"):
        op.drop_table(table)
