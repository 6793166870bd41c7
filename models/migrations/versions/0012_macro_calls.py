"""Steps of macros wait for calls from outside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_macro_calls"
down_revision = "0011_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("macro_runs", sa.Column("secret", sa.String(length=64)))
    op.create_table(
        "macro_calls",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["macro_runs.job_id"], name=op.f("fk_macro_calls_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "step", name=op.f("pk_macro_calls")),
    )


def downgrade() -> None:
    op.drop_table("macro_calls")
    op.drop_column("macro_runs", "secret")
