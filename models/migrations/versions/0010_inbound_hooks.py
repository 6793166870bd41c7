"""Addresses at which others call, and what their calls become."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_inbound_hooks"
down_revision = "0009_furthest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbound_hooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("scheme", sa.String(length=24), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("replay_window_s", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("error_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_inbound_hooks_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_hooks")),
    )
    op.create_index("ix_inbound_hooks_user", "inbound_hooks", ["user_id", "id"])


def downgrade() -> None:
    op.drop_table("inbound_hooks")
