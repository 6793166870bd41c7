"""Jobs remember how far they came, so that one that gets on is not taken for poison."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_furthest"
down_revision = "0008_macros"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("furthest", sa.Float))


def downgrade() -> None:
    op.drop_column("jobs", "furthest")
