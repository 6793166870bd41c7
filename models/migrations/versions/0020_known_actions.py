"""What each worker knows, and the jobs that wait for one which knows their action."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_known_actions"
down_revision = "0019_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("actions", sa.Text(), nullable=True))
    waits = sa.text("state = 'waiting' AND reason = 'unknown_action'")
    op.create_index("ix_jobs_unknown", "jobs", ["queue", "action", "id"], postgresql_where=waits, sqlite_where=waits)


def downgrade() -> None:
    op.execute("UPDATE jobs SET state = 'queued', reason = NULL, turn = 0 WHERE reason = 'unknown_action'")
    op.execute("UPDATE jobs SET reason = 'steps' WHERE reason = 'unknown_step'")
    op.drop_index("ix_jobs_unknown", "jobs")
    op.drop_column("workers", "actions")
