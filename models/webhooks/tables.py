"""Tables of addresses that are called, here and elsewhere."""

from enum import StrEnum

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata


class DeliveryState(StrEnum):
    """Where a message to an outbound webhook stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


# Addresses at which others call us, and what their calls become. The secret is a JSON list of those that count.
inbound_hooks = sa.Table(
    "inbound_hooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("input", sa.Text, nullable=False),  # a template over the call, as JSON
    sa.Column("scheme", sa.String(24), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("replay_window_s", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text),  # why the last call that was proven became no job
    sa.Column("error_at", Instant),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_inbound_hooks_user", "user_id", "id"),  # a user's, newest first
)

# Addresses of users at which we call when their jobs change, each as far as it has come in its user's revisions.
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("url", sa.String(2_000), nullable=False),
    sa.Column("events", sa.Text, nullable=False),  # a JSON list
    sa.Column("actions", sa.String(100), nullable=False),  # whose jobs: a name, `domain.*` or `*`
    sa.Column("with_result", sa.Boolean, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text),  # why it was disabled
    sa.Column("rev", sa.BigInteger, nullable=False),  # changes up to it have become deliveries
    sa.Column("failures", sa.Integer, nullable=False),  # one after the other
    sa.Column("failing_since", Instant),
    sa.Column("resting_until", Instant),  # nothing is sent before, since it failed
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_webhooks_user", "user_id", "id"),  # a user's, newest first
)

# What is sent to them: at least once, under an id that stays the same.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("job_id", Id),  # null: a test
    sa.Column("attempt", sa.Integer, nullable=False),  # of the job: failed again is another event
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),  # pending, delivered, failed
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),  # while somebody sends it: when it counts as lost
    sa.Column("status", sa.Integer),  # of the last answer
    sa.Column("error", sa.Text),  # why the last try failed
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),  # of one webhook, newest first
    sa.Index("ix_webhook_deliveries_ended", "ended_at"),  # prune
    sa.UniqueConstraint("webhook_id", "job_id", "event", "attempt", name="uq_webhook_deliveries_event"),
)
_PENDING = webhook_deliveries.c.state == DeliveryState.PENDING
sa.Index(
    "ix_webhook_deliveries_due", webhook_deliveries.c.webhook_id, webhook_deliveries.c.due_at,
    postgresql_where=_PENDING, sqlite_where=_PENDING,
)  # fmt: skip
