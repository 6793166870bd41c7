"""From where a user has logged in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_login_places"
down_revision = "0014_provenance"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "login_places",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_login_places_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "place", name=op.f("pk_login_places")),
    )
    with op.batch_alter_table("login_places", schema=None) as batch_op:
        batch_op.create_index("ix_login_places_seen_at", ["seen_at"], unique=False)


def downgrade() -> None:
    op.drop_table("login_places")
