"""Idempotency keys outlive jobs that are pruned soon."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_spent_keys"
down_revision = "0015_login_places"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spent_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_spent_keys_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "idempotency_key", name=op.f("pk_spent_keys")),
    )
    op.create_index("ix_spent_keys_kept_until", "spent_keys", ["kept_until"])


def downgrade() -> None:
    op.drop_table("spent_keys")
