"""Digests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "digest_0001"
down_revision = None
branch_labels = ("digest",)
depends_on = "0001_engine"


def upgrade() -> None:
    op.create_table(
        "digests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_digests_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
    )
    op.create_index("ix_digests_user", "digests", ["user_id", "id"])
    unsent = sa.text("sent_at IS NULL")
    op.create_index("ix_digests_unsent", "digests", ["created_at"], postgresql_where=unsent, sqlite_where=unsent)


def downgrade() -> None:
    op.drop_table("digests")
