"""Keys of calls from outside are such as nobody can send with a submission of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_hook_keys"
down_revision = "0017_macro_roots"
branch_labels = None
depends_on = None

#: `hook:<id of the hook>:<delivery>`.
A_HOOKS = "________-____-____-____-____________:%"


def upgrade() -> None:
    _begin("hook:", "hook\t")


def downgrade() -> None:
    _begin("hook\t", "hook:")


def _begin(before: str, after: str) -> None:
    """Have the keys of calls begin otherwise; one that is taken by somebody's own submission stays."""
    calls = "origin = 'webhook' AND"
    for table, whose in (("jobs", calls), ("spent_keys", "")):
        op.execute(
            sa.text(
                f"UPDATE {table} SET idempotency_key = :after || substr(idempotency_key, :rest)"
                f" WHERE {whose} idempotency_key LIKE :known"
            ).bindparams(after=after, rest=len(before) + 1, known=before + A_HOOKS)
        )
