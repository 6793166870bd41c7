"""Whether anything of a user's holds untrusted content: jobs, records of domains, calls that came in."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from llmcoder.provenance import Taint
from llmcoder.states import State
from models.db.base import metadata
from models.jobs.tables import jobs
from models.webhooks.tables import inbound_hooks


def has_read_outside(conn: sa.Connection, user_id: UUID, outside: Collection[str]) -> bool:
    """Whether something of the user's holds a stranger's words: a job, or a record that outlives its job.

    Who acts in the user's name, and is not the user, can read it all: none of its inputs is above suspicion then.
    """
    under_way_or_done = jobs.c.state.in_((State.RUNNING, State.SUCCEEDED, State.UNCERTAIN))
    brought = sa.or_(
        jobs.c.tainted,
        jobs.c.result_taint == Taint.OUTSIDE,
        sa.and_(jobs.c.action.in_(outside), under_way_or_done),
    )
    refused_call = sa.and_(inbound_hooks.c.user_id == user_id, inbound_hooks.c.error.is_not(None))  # which it may quote
    found = [
        sa.exists().where(jobs.c.user_id == user_id, brought),
        sa.exists().where(refused_call),
        *(sa.exists().where(one.c.user_id == user_id, one.c.taint == Taint.OUTSIDE) for one in record_tables()),
    ]
    return any(conn.execute(sa.select(one)).scalar_one() for one in found)


def record_tables() -> list[sa.Table]:
    """Every table of users' records that keep whose words they hold."""
    return [table for table in metadata.sorted_tables if {"user_id", "taint"} <= set(table.c.keys())]
