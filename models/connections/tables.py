"""Tables of users' accounts at providers."""

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata

# A user's account at a provider. Secrets are encrypted with the key of that version before they come here.
connections = sa.Table(
    "connections",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("account", sa.String(254), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),  # of the secret; fences who renews it
    sa.Column("renewing_until", Instant),  # somebody has a new access token made
    sa.Column("shown", sa.Text, nullable=False, server_default="{}"),  # what is no secret, as JSON
    sa.Column("scopes", sa.Text, nullable=False, server_default="[]"),  # what was granted, as JSON
    sa.Column("expires_at", Instant),  # of the access token
    sa.Column("checked_at", Instant),  # it worked then
    sa.Column("error", sa.Text),  # why it is broken
    sa.UniqueConstraint("user_id", "provider", "account", name="uq_connections_account"),
)

# Sign-ins at a provider that have begun, for a few minutes; who comes back from there names the state.
oauth_states = sa.Table(
    "oauth_states",
    metadata,
    sa.Column("state_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),  # the PKCE verifier, sealed
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("ix_oauth_states_expires_at", "expires_at"),  # prune
)
