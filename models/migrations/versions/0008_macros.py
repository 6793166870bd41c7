"""Macros, their versions, their runs, and what each step of a run came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_macros"
down_revision = "0007_schedules"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("parent_id", sa.Uuid()))
    _make_documents()
    _make_runs()


def _make_documents() -> None:
    op.create_table(
        "macros",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_macros_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_macros")),
        sa.UniqueConstraint("user_id", "name", name="uq_macros_name"),
    )
    op.create_index("ix_macros_user", "macros", ["user_id", "id"])
    op.create_table(
        "macro_versions",
        sa.Column("macro_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["macro_id"], ["macros.id"], name=op.f("fk_macro_versions_macro_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("macro_id", "version", name=op.f("pk_macro_versions")),
    )


def _make_runs() -> None:
    op.create_table(
        "macro_runs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("macro_id", sa.Uuid()),
        sa.Column("version", sa.Integer()),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_macro_runs_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_macro_runs")),
    )
    looked_at = sa.text('"open" IS true') if op.get_bind().dialect.name == "postgresql" else sa.text('"open" IS 1')
    op.create_index("ix_macro_runs_look", "macro_runs", ["look_at"], postgresql_where=looked_at, sqlite_where=looked_at)
    op.create_table(
        "macro_steps",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("value", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("deadline_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["run_id"], ["macro_runs.job_id"], name=op.f("fk_macro_steps_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "step", "item", name=op.f("pk_macro_steps")),
    )
    submitted = sa.text("state = 'submitted'")
    op.create_index(
        "ix_macro_steps_open", "macro_steps", ["job_id"], postgresql_where=submitted, sqlite_where=submitted
    )


def downgrade() -> None:
    for name in ("macro_steps", "macro_runs", "macro_versions", "macros"):
        op.drop_table(name)
    op.drop_column("jobs", "parent_id")
