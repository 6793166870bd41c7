"""Mail watches keep whose words they hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "email_0002"
down_revision = "email_0001"
branch_labels = None
depends_on = "0014_provenance"

TABLES = ("email_watches",)


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


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "sources")
        op.drop_column(table, "taint")
