"""What a database that was put back from a backup must doubt and forget before an engine runs on it.

After the backup was made the engine went on: what had not ended may have run, clients saw revisions that are no more,
and people began sessions. Whoever knows that nothing ran since says so, and the jobs stay as they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.declare.action import Effect
from llmcoder.errors import problem_type
from llmcoder.registry import AnyAction
from llmcoder.states import Reason, State
from models.accounts.tables import login_attempts, refresh_tokens, revisions
from models.connections.tables import oauth_states
from models.jobs.machine import ENDED, Move, apply
from models.jobs.tables import jobs, rate_limits, workers

#: Further than any engine counts for a user between a backup and its restore, and far below 2**53, where the whole
#: numbers of JavaScript end.
REVISION_LEAP = 10**12
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the jobs that had not ended.

    Attributes:
        uncertain: May have had their effect; a person settles them.
        asked: Armed an effect that can be asked about; the provider is asked first.
        kept: Stay as they were, or run again as after the loss of a worker: that is harmless.
    """

    uncertain: int
    asked: int
    kept: int


def settle(
    conn: sa.Connection,
    declared: Mapping[str, AnyAction],
    made_at: datetime,
    now: datetime,
    *,
    nothing_ran_since: bool,
) -> Settled:
    """Make the database one that an engine may go on with, in the caller's transaction.

    Args:
        declared: The installed actions; one that is not there counts as not repeatable.
        made_at: When the backup was made.
        nothing_ran_since: The engine was stopped before the backup and not started since.
    """
    _forget(conn, now)
    _renew_revisions(conn)
    seen: Counter[State | None] = Counter()
    for rows in _unfinished(conn):
        moves = [] if nothing_ran_since else [_doubt(row, declared.get(row.action), made_at, now) for row in rows]
        wanted = [move for move in moves if move is not None]
        seen.update(_settled_as(move) for move in wanted)
        seen[None] += len(rows) - len(wanted)
        apply(conn, wanted, now)
    return Settled(uncertain=seen[State.UNCERTAIN], asked=seen[State.SCHEDULED], kept=seen[None])


def _settled_as(move: Move) -> State:
    return State.UNCERTAIN if move.to is State.UNCERTAIN else State.SCHEDULED


def _forget(conn: sa.Connection, now: datetime) -> None:
    """End sessions, limits, heartbeats, doorbells and leases: they are of processes and people of another time.

    Access tokens are no rows; they end with the key that they were signed with.
    """
    for table in (refresh_tokens, login_attempts, rate_limits, workers, oauth_states):
        conn.execute(sa.delete(table))
    conn.execute(sa.update(jobs).where(jobs.c.rung_at.is_not(None)).values(rung_at=None))
    conn.execute(sa.update(jobs).where(jobs.c.state == State.RUNNING).values(lease_until=now))


def _renew_revisions(conn: sa.Connection) -> None:
    """Give every job that may still change, or did in the time that was lost, a revision that no client has seen.

    Only what has succeeded never changes again. Of the others a client may have seen a later state.
    """
    conn.execute(sa.update(revisions).values(rev=revisions.c.rev + REVISION_LEAP))
    place = sa.func.row_number().over(partition_by=jobs.c.user_id, order_by=jobs.c.rev)
    renewed = (
        sa.select(jobs.c.id, (revisions.c.rev + place).label("rev"))
        .join(revisions, revisions.c.user_id == jobs.c.user_id)
        .where(jobs.c.state != State.SUCCEEDED)
        .subquery()
    )
    conn.execute(sa.update(jobs).where(jobs.c.id == renewed.c.id).values(rev=renewed.c.rev))
    newest = sa.select(sa.func.max(jobs.c.rev)).where(jobs.c.user_id == revisions.c.user_id).scalar_subquery()
    conn.execute(sa.update(revisions).where(newest > revisions.c.rev).values(rev=newest))


def _unfinished(conn: sa.Connection) -> Iterator[list[Any]]:
    after: UUID | None = None
    while True:
        query = _UNFINISHED if after is None else _UNFINISHED.where(jobs.c.id > after)
        rows = conn.execute(query).all()
        if not rows:
            return
        yield list(rows)
        after = rows[-1].id


_UNFINISHED = (
    sa.select(
        jobs.c.id, jobs.c.action, jobs.c.effect, jobs.c.state, jobs.c.armed_at, jobs.c.marker, jobs.c.max_attempts
    )
    .where(jobs.c.state.in_(sorted(set(State) - ENDED)))
    .order_by(jobs.c.id)
    .limit(BATCH)
)


def _doubt(row: Any, action: AnyAction | None, made_at: datetime, now: datetime) -> Move | None:
    """The transition of an unfinished job that may have run after the backup; None where running it is harmless."""
    if not Effect(row.effect).writes or (action is not None and action.repeatable):
        return None
    if row.marker is not None and action is not None and action.reconcile is not None:
        return _ask(row, now)
    return Move(
        row.id,
        State.UNCERTAIN,
        reason=Reason.RESTORED,
        values={"error": strict_json.write(_problem(made_at)), "restored_at": now},
    )


def _ask(row: Any, now: datetime) -> Move:
    """Have the provider asked. What is not found may still have happened under a later marker, see `restored_at`."""
    to = State.QUEUED if row.state == State.SCHEDULED else State.SCHEDULED
    values = {"due_at": now, "max_attempts": row.max_attempts + 1, "restored_at": now}
    return Move(row.id, to, reason=Reason.RECONCILE, values=values)


def _problem(made_at: datetime) -> dict[str, str]:
    detail = (
        f"The database was restored from a backup of {made_at:%Y-%m-%d %H:%M:%S} UTC, in which this job had not ended. "
        "It may have run since. Look there, then resolve it; one that did not happen can be retried afterwards."
    )
    return {"type": problem_type("restored"), "title": "It may have run after the backup", "detail": detail}
