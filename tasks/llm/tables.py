"""The table of calls to language models. It outlives the jobs that made them, and falls with their user."""

from __future__ import annotations

import sqlalchemy as sa

from models.db.base import Instant, metadata

LONGEST_MODEL_CHARS = 200

llm_usage = sa.Table(
    "llm_usage",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("job_id", sa.Uuid, nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("provider", sa.String(20), nullable=False),
    sa.Column("model", sa.String(LONGEST_MODEL_CHARS), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("tokens_in", sa.BigInteger, nullable=False),
    sa.Column("tokens_out", sa.BigInteger, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),  # the provider did not say, or nobody heard it
    sa.Column("cost_microcents", sa.BigInteger),  # a millionth of a cent; null: the model has no price
    sa.Index("ix_llm_usage_user", "user_id", "at"),  # what a user used this month
)
