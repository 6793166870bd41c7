"""Jobs keep whose words their results and errors hold, beyond those of their inputs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_provenance"
down_revision = "0013_duties"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("result_taint", sa.String(length=8)))
    # Nobody took note of it so far. What may hold a stranger's words counts as holding some: an error of a job that
    # ran, and the results of the actions that give back what other jobs came to.
    op.execute(
        "UPDATE jobs SET result_taint = 'outside' WHERE (error IS NOT NULL AND attempt > 0)"
        " OR (result IS NOT NULL AND action IN ('tasks.start_macro', 'tasks.list_troubles'))"
    )


def downgrade() -> None:
    op.drop_column("jobs", "result_taint")
