"""The one way by which jobs come into the database: rows in the caller's transaction, doorbells after its commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.doorbells import Ring
from llmcoder.states import State
from models.jobs import store as jobs
from models.jobs.machine import Moved
from models.jobs.store import Accepted, Job, NewJob

#: Whether a doorbell of a queue may go out, see `engine.outbox.Outbox.reserve`.
Reserve = Callable[[str], bool]
#: What is due by then is due: a caller's instant and ours are read from two clocks.
CLOCK_SLACK = timedelta(milliseconds=1)


@dataclass(slots=True)
class AfterCommit:
    """What others hear once the transaction has committed; `Outbox.follow` tells them.

    Attributes:
        rings: Doorbells of jobs that are queued.
        changed: Pairs of user and job, for those who watch.
        live: Pairs of user and a message that is not kept.
    """

    rings: list[Ring] = field(default_factory=list)
    changed: list[tuple[UUID, UUID]] = field(default_factory=list)
    live: list[tuple[UUID, Mapping[str, Any]]] = field(default_factory=list)

    def saw(self, moved: Moved | None) -> bool:
        """Take down that a job changed, if it did."""
        if moved is not None:
            self.changed.append((moved.user_id, moved.job_id))
        return moved is not None


def enqueue(
    conn: sa.Connection, new: Sequence[NewJob], now: datetime, reserve: Reserve, after: AfterCommit
) -> list[Accepted]:  # fmt: skip
    """Accept jobs in the caller's transaction, all in one statement; `after` gets what follows its commit.

    Running it again with the same ids changes nothing, so a commit whose answer was lost can simply be repeated.
    """
    if not new:
        return []
    rung = [_is_due(job, now) and reserve(job.queue) for job in new]
    accepted = jobs.insert(conn, new, now, rung=rung)
    for one, bell in zip(accepted, rung, strict=True):
        if one.replayed:
            continue
        after.changed.append((one.job.user_id, one.job.id))
        if bell and one.job.state == State.QUEUED:
            after.rings.append(ring_of(one.job))
    return accepted


def announcement(changed: Sequence[Job], reserve: Reserve) -> AfterCommit:
    """What follows the commit of a change of jobs that are there already; those that are queued are rung for."""
    queued = [job for job in changed if job.state == State.QUEUED and reserve(job.queue)]
    return AfterCommit([ring_of(job) for job in queued], [(job.user_id, job.id) for job in changed])


def ring_of(job: Job) -> Ring:
    """The doorbell of a job as it stands."""
    return Ring(job.id, job.attempt, job.action, job.queue)


def _is_due(job: NewJob, now: datetime) -> bool:
    return job.due_at is None or job.due_at <= now + CLOCK_SLACK
