"""Watches: which mailboxes are looked at for new mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "email_0001"
down_revision = None
branch_labels = ("email",)
depends_on = "0001_engine"


def upgrade() -> None:
    op.create_table(
        "email_watches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.String(length=300), nullable=True),
        sa.Column("label", sa.String(length=255), nullable=True),
        sa.Column("every_s", sa.Integer(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=True),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("apply_labels", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("cursor", sa.String(length=1000), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("open_key", sa.String(length=255), nullable=True),
        sa.Column("last_job_id", sa.Uuid(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_email_watches_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_watches")),
    )
    due = sa.text("next_at IS NOT NULL AND open_key IS NULL")
    under_way = sa.text("open_key IS NOT NULL")
    with op.batch_alter_table("email_watches", schema=None) as batch_op:
        batch_op.create_index("ix_email_watches_user", ["user_id", "id"], unique=False)
        batch_op.create_index("ix_email_watches_due", ["next_at"], sqlite_where=due, postgresql_where=due)
        batch_op.create_index(
            "ix_email_watches_open", ["user_id", "open_key"], sqlite_where=under_way, postgresql_where=under_way
        )


def downgrade() -> None:
    with op.batch_alter_table("email_watches", schema=None) as batch_op:
        batch_op.drop_index("ix_email_watches_open")
        batch_op.drop_index("ix_email_watches_due")
        batch_op.drop_index("ix_email_watches_user")

    op.drop_table("email_watches")
