"""Connected accounts: what is shown of them, their renewal, sign-ins under way, the keys that seal them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_connections"
down_revision = "0005_restored"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("renewing_until", sa.DateTime(timezone=True)),
        sa.Column("shown", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("scopes", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
    ):
        op.add_column("connections", column)
    op.create_table(
        "oauth_states",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=40), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_oauth_states_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_oauth_states")),
    )
    op.create_index("ix_oauth_states_expires_at", "oauth_states", ["expires_at"])
    op.create_table(
        "key_fingerprints",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_key_fingerprints")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_key_fingerprints_fingerprint")),
    )
    waits = sa.text("state = 'waiting' AND reason = 'reconnect'")
    op.create_index(
        "ix_jobs_reconnect", "jobs", ["user_id", "provider", "account"], postgresql_where=waits, sqlite_where=waits
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_reconnect", table_name="jobs")
    op.drop_table("key_fingerprints")
    op.drop_table("oauth_states")
    for name in ("version", "renewing_until", "shown", "scopes", "expires_at", "checked_at", "error"):
        op.drop_column("connections", name)
