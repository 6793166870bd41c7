"""Jobs remember that a restore put them back in doubt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_restored"
down_revision = "0004_audit"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("restored_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("jobs", "restored_at")
