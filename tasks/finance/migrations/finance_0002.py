"""Banks that are connected: how people signed in, and how far their transactions were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "finance_0002"
down_revision = "finance_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_finance_transactions_provider", "finance_transactions", ["account_id", "provider_id"])
    op.create_table(
        "finance_bank_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.String(length=300), nullable=False),
        sa.Column("item", sa.String(length=300)),
        sa.Column("connected", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_finance_bank_links_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_bank_links")),
    )
    op.create_index("ix_finance_bank_links_user", "finance_bank_links", ["user_id", "id"])
    op.create_table(
        "finance_syncs",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("connection", sa.String(length=300), nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("edits", sa.Text()),
        sa.Column("synced_at", sa.DateTime(timezone=True)),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_finance_syncs_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "provider", "connection", name=op.f("pk_finance_syncs")),
    )


def downgrade() -> None:
    op.drop_table("finance_syncs")
    op.drop_table("finance_bank_links")
    op.drop_index("ix_finance_transactions_provider", "finance_transactions")
