"""The job state machine: one table of allowed transitions, and the only function that performs them.

Every transition is a compare-and-set fenced by the attempt number, and takes the user's next revision in the same
transaction. Locks are waited for in one order everywhere (jobs by id, then users' counters by user, once), so no two
transactions wait for each other in a circle. A transaction with several steps takes its jobs' locks first, see `lock`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.states import Reason, State
from models.accounts.tables import revisions
from models.db import batch
from models.jobs.tables import jobs

_S = State
TRANSITIONS: Mapping[State, frozenset[State]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.SCHEDULED, _S.WAITING, _S.CANCELLED, _S.FAILED, _S.UNCERTAIN}),
    _S.SCHEDULED: frozenset({_S.QUEUED, _S.WAITING, _S.CANCELLED, _S.UNCERTAIN}),
    _S.RUNNING: frozenset(
        {_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.UNCERTAIN, _S.SCHEDULED, _S.QUEUED, _S.WAITING},
    ),
    _S.WAITING: frozenset({_S.QUEUED, _S.SCHEDULED, _S.SUCCEEDED, _S.CANCELLED, _S.FAILED, _S.UNCERTAIN}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset({_S.QUEUED, _S.WAITING}),  # a person retries it
    _S.CANCELLED: frozenset({_S.QUEUED, _S.WAITING}),  # likewise
    _S.UNCERTAIN: frozenset({_S.SUCCEEDED, _S.FAILED, _S.QUEUED}),  # settled by the provider or a person
}
ENDED = frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED, _S.UNCERTAIN})


@dataclass(frozen=True, slots=True)
class Move:
    """One wanted transition.

    Attributes:
        attempt: The fence: it only happens while the job is still at this attempt. None for those that are not an
            attempt themselves (a person, the dispatcher).
        only_from: Narrows the table: it only happens from these states.
        or_cancel: If somebody asked for the end of the job, it is cancelled instead.
        of_effect: The attempt that ends had armed an effect.
        values: Further columns to set, by name.
    """

    job_id: UUID
    to: State
    attempt: int | None = None
    reason: Reason | None = None
    only_from: frozenset[State] | None = None
    or_cancel: bool = False
    of_effect: bool = False
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moved:
    """A transition that happened."""

    job_id: UUID
    user_id: UUID
    state: State
    attempt: int
    rev: int


def lock(conn: sa.Connection, ids: Iterable[UUID]) -> None:
    """Take the locks of jobs that the caller's transaction will write about in more than one step."""
    _lock(conn, ids)


def apply(
    conn: sa.Connection, moves: Sequence[Move], now: datetime, held: Mapping[UUID, Any] = MappingProxyType({})
) -> list[Moved | None]:
    """Perform transitions in the caller's transaction, all of them in one call.

    Args:
        held: Rows with `LOCKED` columns, by id, that the caller's transaction has locked already.

    Returns:
        For each move what happened, or None where it was refused: the job is gone, is in a state from which the
        table (or `only_from`) does not lead there, or is past that attempt. Of two moves of one job the first counts.
    """
    if not moves:
        return []
    found = {**held, **_lock(conn, [move.job_id for move in moves if move.job_id not in held])}
    agreed = list({move.job_id: move for move in reversed(moves) if _may(move, found.get(move.job_id))}.values())
    revs = take_revisions(conn, Counter(found[move.job_id].user_id for move in agreed))
    done: dict[int, Moved] = {}
    rows: list[dict[str, object]] = []
    for move in agreed:
        row = found[move.job_id]
        wanted = _cancelled(move) if move.or_cancel and row.cancel_requested_at is not None else move
        attempt = row.attempt + 1 if wanted.to is State.RUNNING else row.attempt
        rev = revs[row.user_id] = revs[row.user_id] + 1
        rows.append(_values(wanted, attempt, rev, now))
        done[id(move)] = Moved(move.job_id, row.user_id, wanted.to, attempt, rev)
    _write(conn, rows)
    return [done.get(id(move)) for move in moves]


def wait_for(conn: sa.Connection, job_id: UUID, reason: Reason) -> Moved | None:
    """Say what a waiting job waits for by now; None where that is known, or it does not wait."""
    row = _lock(conn, [job_id]).get(job_id)
    if row is None or row.state != State.WAITING:
        return None
    if conn.execute(sa.select(jobs.c.reason).where(jobs.c.id == job_id)).scalar() == reason:
        return None
    rev = take_revisions(conn, {row.user_id: 1})[row.user_id] + 1
    conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(reason=reason, rev=rev))
    return Moved(job_id, row.user_id, State.WAITING, row.attempt, rev)


def take_revisions(conn: sa.Connection, wanted: Mapping[UUID, int]) -> dict[UUID, int]:
    """Reserve each user's next revisions until the transaction ends.

    Returns:
        For each user the revision before the first reserved one.
    """
    if not wanted:
        return {}
    if len(wanted) > 1:
        hold_counters(conn, wanted)
    given = {"rows": batch.packed([*wanted.items()])}
    return {row.user_id: row.rev - wanted[row.user_id] for row in conn.execute(_take(conn.dialect.name), given)}


def hold_counters(conn: sa.Connection, user_ids: Iterable[UUID]) -> None:
    """Take the locks of users' counters in their order, for a transaction that will write about several users.

    On SQLite a writer is alone anyway.
    """
    if conn.dialect.name != "sqlite":
        conn.execute(_COUNTERS, {"users": list(user_ids)})


_COUNTERS = (
    sa.select(revisions.c.user_id)
    .where(revisions.c.user_id.in_(sa.bindparam("users", expanding=True)))
    .order_by(revisions.c.user_id)
    .with_for_update()
)


@cache
def _take(dialect: str) -> sa.Executable:
    wanted = batch.relation(dialect, [revisions.c.user_id, sa.column("number", sa.BigInteger)])
    mine = revisions.c.user_id == wanted.c.user_id
    taken = sa.update(revisions).where(mine).values(rev=revisions.c.rev + wanted.c.number)
    return taken.returning(revisions.c.user_id, revisions.c.rev)


def _lock(conn: sa.Connection, ids: Iterable[UUID]) -> dict[UUID, Any]:
    wanted = list(ids)
    return {row.id: row for row in conn.execute(_LOCK, {"ids": wanted})} if wanted else {}


LOCKED = (jobs.c.id, jobs.c.user_id, jobs.c.state, jobs.c.attempt, jobs.c.cancel_requested_at)
_LOCK = (
    sa.select(*LOCKED).where(jobs.c.id.in_(sa.bindparam("ids", expanding=True))).order_by(jobs.c.id).with_for_update()
)


def _may(move: Move, row: Any | None) -> bool:
    if row is None or move.to not in TRANSITIONS[State(row.state)]:
        return False
    if move.only_from is not None and State(row.state) not in move.only_from:
        return False
    return move.attempt is None or move.attempt == row.attempt


def _cancelled(move: Move) -> Move:
    return replace(move, to=State.CANCELLED, reason=None, values=dict(move.values) | {"error": None})


def _values(move: Move, attempt: int, rev: int, now: datetime) -> dict[str, object]:
    values: dict[str, object] = {"id": move.job_id, "state": move.to, "reason": move.reason, "attempt": attempt}
    values["rev"] = rev
    if move.to is not State.RUNNING:
        values |= {"lease_until": None, "worker": None, "rung_at": None}
        values["finished_at"] = now if move.to in ENDED else None
    return values | dict(move.values)


def _write(conn: sa.Connection, rows: Sequence[dict[str, object]]) -> None:
    """One statement for all rows that set the same columns."""
    alike: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for row in rows:
        alike.setdefault(tuple(row), []).append(row)
    for group in alike.values():
        batch.update(conn, jobs, group)
