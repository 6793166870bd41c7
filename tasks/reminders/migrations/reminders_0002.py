"""Reminders keep whose words they hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "reminders_0002"
down_revision = "reminders_0001"
branch_labels = None
depends_on = "0014_provenance"

TABLES = ("reminders",)
READERS = ("reminders.list", "reminders.snooze", "reminders.done", "reminders.tell")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("taint", sa.String(length=8)))
        op.add_column(table, sa.Column("sources", sa.Text()))
        # Nobody took note of whose words they hold, and who wrote past a job left no trace. A record is its user's own
        # where the job that made it says so and nothing changed it since; any other may hold a stranger's words.
        op.execute(
            f"UPDATE {table} SET taint = 'outside' WHERE updated_at <> created_at OR NOT EXISTS (SELECT 1 FROM jobs"
            f" WHERE jobs.id = {table}.id AND jobs.origin IN ('person', 'schedule') AND NOT jobs.tainted)"
        )
    readers = ", ".join(f"'{name}'" for name in READERS)
    op.execute(f"UPDATE jobs SET result_taint = 'outside' WHERE result IS NOT NULL AND action IN ({readers})")


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "sources")
        op.drop_column(table, "taint")
