"""The tables of what Slack is told: who uses it from there, and every message that goes out to them."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata

# Whoever has sent a command from Slack: where they are asked for approvals.
people = sa.Table(
    "slack_people",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("team", sa.String(40), nullable=False),
    sa.Column("person", sa.String(40), nullable=False),  # their id there; the newest account they wrote from
    sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.true()),  # whether approvals are asked for there
    sa.Column("updated_at", Instant, nullable=False),
)

# One message that the bot owes somebody: the outcome of a job that they submitted from Slack, or a request to approve.
# An outcome's row is there before its job is, and finds it by the key that both carry.
messages = sa.Table(
    "slack_messages",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # also what the message says of itself in its metadata
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),  # outcome, approval
    sa.Column("key", sa.String(255), nullable=False),  # the submission's, or job and SHA-256 of the input shown
    sa.Column("job_id", sa.Uuid),  # of an approval; no foreign key, since jobs are pruned by their own rules
    sa.Column("team", sa.String(40), nullable=False),
    sa.Column("person", sa.String(40), nullable=False),
    sa.Column("channel", sa.String(40)),  # where it is wanted; null: a direct message
    sa.Column("thread_ts", sa.String(40)),
    sa.Column("state", sa.String(12), nullable=False),  # see tasks.slack.outgoing_messages.State
    sa.Column(
        "due_at", Instant, nullable=False
    ),  # not to be looked at before; while posting: who posts it is dead then
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("armed_at", Instant),  # since when it may stand in Slack
    sa.Column("posted_in", sa.String(40)),  # the channel that it went to, or was about to
    sa.Column("ts", sa.String(40)),  # where it stands there
    sa.Column("detail", sa.Text),  # why it was given up, or went elsewhere
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("user_id", "kind", "key", name="uq_slack_messages_key"),
    sa.Index("ix_slack_messages_due", "state", "due_at"),
    sa.Index("ix_slack_messages_job", "job_id"),
)
