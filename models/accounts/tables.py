"""Tables of users, of their sessions, and of what they decided."""

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),  # lower case
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("is_admin", sa.Boolean, nullable=False, default=False),
    sa.Column("is_active", sa.Boolean, nullable=False, default=True),
    sa.Column("created_at", Instant, nullable=False),
)

# One counter a user: every visible change of one of the user's jobs takes the next number in its own transaction.
# The row lock makes the order of numbers the order of commits, which a database sequence does not.
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("rev", sa.BigInteger, nullable=False, default=0),
)

# A chain of rotating refresh tokens; only hashes are kept. A used one that comes back ends its whole family.
refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("family", Id, nullable=False),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
    sa.Column("origin", sa.String(16), nullable=False, server_default="person"),  # who acts under this session
    sa.Index("ix_refresh_tokens_family", "family"),  # end a family: logout, reuse
    sa.Index("ix_refresh_tokens_expires_at", "expires_at"),  # prune
)

# Access tokens ended before their time (logout), until they would have expired anyway.
revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("jti", sa.String(36), primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("ix_revoked_tokens_expires_at", "expires_at"),  # prune
)

login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("subject", sa.String(300), nullable=False),  # what is counted: see api/auth/limits.py
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_login_attempts_subject", "subject", "at"),  # how many failures lately
)

# From where a user has logged in: others who guess from elsewhere do not keep the user waiting there.
login_places = sa.Table(
    "login_places",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.String(64), primary_key=True),  # an IPv4 address or the /64 of an IPv6 one
    sa.Column("seen_at", Instant, nullable=False),
    sa.Index("ix_login_places_seen_at", "seen_at"),  # prune
)

# What a user decided about approvals and the like, as one JSON document; see models.accounts.preferences.
preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

# Who approves a user's jobs; where no row stands, the user alone.
approvers = sa.Table(
    "approvers",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("approver_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_approvers_approver_id", "approver_id"),  # whose jobs may I approve
)

key_fingerprints = sa.Table(
    "key_fingerprints",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("fingerprint", sa.String(32), nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("retired_at", Instant),  # nothing is sealed with it any more
)
