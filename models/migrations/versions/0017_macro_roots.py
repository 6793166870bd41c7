"""What runs of macros may do altogether, and how often a look at one broke."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_macro_roots"
down_revision = "0016_spent_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("macro_runs", sa.Column("root_id", sa.Uuid()))
    op.add_column("macro_runs", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("macro_runs", sa.Column("rest_until", sa.DateTime(timezone=True)))
    op.create_table(
        "macro_roots",
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["root_id"], ["jobs.id"], name=op.f("fk_macro_roots_root_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("root_id", name=op.f("pk_macro_roots")),
    )
    _index_looks(["user_id", "look_at"])
    _index_steps("state IN ('submitted', 'uncertain')")


def downgrade() -> None:
    op.execute("UPDATE macro_steps SET state = 'submitted' WHERE state = 'uncertain'")
    _index_steps("state = 'submitted'")
    _index_looks(["look_at"])
    op.drop_table("macro_roots")
    for column in ("rest_until", "failures", "root_id"):
        op.drop_column("macro_runs", column)


def _index_looks(columns: list[str]) -> None:
    open_runs = sa.text('"open" IS true') if op.get_bind().dialect.name == "postgresql" else sa.text('"open" IS 1')
    op.drop_index("ix_macro_runs_look", "macro_runs")
    op.create_index("ix_macro_runs_look", "macro_runs", columns, postgresql_where=open_runs, sqlite_where=open_runs)


def _index_steps(of: str) -> None:
    op.drop_index("ix_macro_steps_open", "macro_steps")
    which = sa.text(of)
    op.create_index("ix_macro_steps_open", "macro_steps", ["job_id"], postgresql_where=which, sqlite_where=which)
