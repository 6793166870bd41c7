"""Files: what is known of them, which jobs and schedules keep them, and where their contents lie."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0019_files"
down_revision = "0018_hook_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _files()
    _uses()
    spaces = op.create_table(
        "file_spaces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("space", sa.String(length=32), nullable=False),
        sa.Column("mark", sa.String(length=32), nullable=True),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_spaces")),
    )
    op.bulk_insert(spaces, [{"id": 1, "space": secrets.token_hex(8), "mark": None, "swept_at": None}])
    op.add_column("jobs", sa.Column("files", sa.Text(), nullable=True))


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("blob", sa.String(length=120), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("taint", sa.String(length=8), nullable=True),
        sa.Column("sources", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_files_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index("ix_files_user", "files", ["user_id", "id"])
    unfinished = sa.text("state != 'ready'")
    op.create_index(
        "ix_files_unfinished", "files", ["kept_until"], postgresql_where=unfinished, sqlite_where=unfinished
    )


def _uses() -> None:
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_job_files_file_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_files_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "file_id", name=op.f("pk_job_files")),
    )
    op.create_index("ix_job_files_file", "job_files", ["file_id"])
    attached = sa.text("name IS NOT NULL")
    op.create_index(
        "uq_job_files_name",
        "job_files",
        ["job_id", "name"],
        unique=True,
        postgresql_where=attached,
        sqlite_where=attached,
    )
    op.create_table(
        "schedule_files",
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_schedule_files_file_id")),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_files_schedule_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule_id", "file_id", name=op.f("pk_schedule_files")),
    )
    op.create_index("ix_schedule_files_file", "schedule_files", ["file_id"])


def downgrade() -> None:
    op.drop_column("jobs", "files")
    for table in ("file_spaces", "schedule_files", "job_files", "files"):
        op.drop_table(table)
