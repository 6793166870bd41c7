"""What domains ask about jobs that are not their own: in their own transactions, without knowing the table.

Some answers are parts of a domain's own query: predicates over its column that holds a job's id, or its columns that
hold whose job it is and under which key it was submitted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.context import User
from llmcoder.provenance import Taint, worse
from llmcoder.states import Reason, State
from models.accounts.tables import users
from models.jobs import taint
from models.jobs.approvals import WAITS, Origin
from models.jobs.machine import ENDED
from models.jobs.store import COLUMNS, Job
from models.jobs.tables import jobs

UserId = sa.ColumnElement[UUID]
Key = sa.ColumnElement[Any]
JobId = sa.ColumnElement[Any]
_ENDED = tuple(state.value for state in ENDED)


# --- in a domain's own query


def id_of_key(user_id: UserId, key: Key) -> sa.ColumnElement[UUID]:
    """The job that was submitted under the key; NULL where there is none, or none any more."""
    return sa.select(jobs.c.id).where(_of_key(user_id, key)).scalar_subquery()


def is_submitted(user_id: UserId, key: Key) -> sa.ColumnElement[bool]:
    """Whether a job was submitted under the key, and is there still."""
    return sa.exists().where(_of_key(user_id, key))


def has_ended(user_id: UserId, key: Key) -> sa.ColumnElement[bool]:
    """Whether the job of the key is there, and nothing more happens to it by itself."""
    return sa.exists().where(_of_key(user_id, key), jobs.c.state.in_(_ENDED))


def is_over(user_id: UserId, key: Key) -> sa.ColumnElement[bool]:
    """As `has_ended`, or it is gone."""
    return sa.not_(sa.exists().where(_of_key(user_id, key), jobs.c.state.not_in(_ENDED)))


def waits_for_approval(job_id: JobId) -> sa.ColumnElement[bool]:
    """Whether a person is to decide about the job."""
    return sa.exists().where(jobs.c.id == job_id, WAITS)


def is_trusted(job_id: JobId) -> sa.ColumnElement[bool]:
    """Whether the job is there, and nothing of its input is from outside; of one that is gone nobody knows."""
    return sa.exists().where(jobs.c.id == job_id, sa.not_(jobs.c.tainted))


def is_delegated(job_id: JobId) -> sa.ColumnElement[bool]:
    """Whether the job is there, and whoever submitted it acts in its user's name by its own lights."""
    delegated = [one.value for one in Origin if one.delegated]
    return sa.exists().where(jobs.c.id == job_id, jobs.c.origin.in_(delegated))


def _of_key(user_id: UserId, key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.user_id == user_id, jobs.c.idempotency_key == key)


# --- by itself


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job as whoever had it submitted is interested in it; `result` and `error` are JSON text.

    Attributes:
        result_taint: Of whose words its result or error is made.
    """

    id: UUID
    state: str
    result: str | None
    error: str | None
    result_taint: str | None


def of_key(conn: sa.Connection, user_id: UUID, key: str) -> EndedJob | None:
    """The job that was submitted under the key, if it is there still."""
    columns = [jobs.c[name] for name in EndedJob.__slots__]
    mine = sa.and_(jobs.c.user_id == user_id, jobs.c.idempotency_key == key)
    row = conn.execute(sa.select(*columns).where(mine)).first()
    return None if row is None else EndedJob(*row)


def by_id(conn: sa.Connection, job_id: UUID) -> Job | None:
    """A job, whoever's it is; for what its user, or who decides about it, was already told of."""
    row = conn.execute(sa.select(*COLUMNS).where(jobs.c.id == job_id)).first()
    return None if row is None else Job(*row)


def any_for_approval(conn: sa.Connection) -> bool:
    """Whether any job of anybody waits for a person's decision."""
    return conn.execute(sa.select(jobs.c.id).where(WAITS).limit(1)).first() is not None


def decider_of(conn: sa.Connection, job_id: UUID) -> User | None:
    """Who decided about a job."""
    query = sa.select(users.c.id, users.c.email).join(jobs, jobs.c.decided_by == users.c.id)
    row = conn.execute(query.where(jobs.c.id == job_id)).first()
    return None if row is None else User(row.id, row.email)


def runs_of(conn: sa.Connection, step_ids: Collection[UUID]) -> dict[UUID, Job]:
    """The run that each of these jobs is a step of; those that are there still."""
    run, step = jobs.alias(), jobs.alias()
    columns = [run.c[column.name] for column in COLUMNS]
    query = sa.select(step.c.id.label("step"), *columns).join(run, run.c.id == step.c.parent_id)
    return {row[0]: Job(*row[1:]) for row in conn.execute(query.where(step.c.id.in_(step_ids)))}


def steps_of(conn: sa.Connection, run_id: UUID, action: str) -> list[Job]:
    """The steps of a run that are jobs of an action, the newest first."""
    query = sa.select(*COLUMNS).where(jobs.c.parent_id == run_id, jobs.c.action == action)
    return [Job(*row) for row in conn.execute(query.order_by(jobs.c.id.desc()))]


@dataclass(frozen=True, slots=True)
class TroubledJob:
    """A job that wants its user.

    Attributes:
        error: JSON text.
        error_taint: Of whose words it is made.
        finished_at: None while it waits.
    """

    id: UUID
    action: str
    state: str
    reason: str | None
    error: str | None
    error_taint: Taint | None
    finished_at: datetime | None


def troubled(
    conn: sa.Connection, user_id: UUID, since: datetime, reasons: Collection[Reason], limit: int
) -> list[TroubledJob]:
    """The user's jobs that ended badly since then, or wait for one of these reasons; the newest first.

    Steps as well where a person is to approve, connect or resolve something, also in a macro within a macro; of those
    that failed only the runs.
    """
    own = jobs.c
    failed = sa.and_(own.parent_id.is_(None), own.state.in_((State.FAILED, State.UNCERTAIN)), own.finished_at >= since)
    waits = sa.and_(own.state == State.WAITING, own.reason.in_(reasons))
    doubtful = sa.and_(own.state == State.UNCERTAIN, own.finished_at >= since)
    query = (
        sa.select(
            own.id, own.action, own.state, own.reason, own.error, own.finished_at, own.tainted, own.origin,
            own.result_taint,
        )
        .where(own.user_id == user_id, sa.or_(failed, waits, doubtful))
        .order_by(own.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        TroubledJob(
            row.id, row.action, row.state, row.reason, row.error,
            taint.of_error(row.tainted, row.origin, row.result_taint), row.finished_at,
        )
        for row in conn.execute(query)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DecidedJob:
    """A job that a person approved, and that did what it was to do; `input` and `result` are JSON text.

    Attributes:
        input: As it was approved, with what the person had changed of it.
        taint: Of whose words input and result are made.
        sources: The jobs that these came from.
    """

    id: UUID
    action: str
    input: str
    result: str | None
    decided_at: datetime
    taint: Taint | None
    sources: tuple[UUID, ...]


def approved(
    conn: sa.Connection, user_id: UUID, since: datetime, outside: Collection[str], limit: int
) -> list[DecidedJob]:
    """The user's jobs that a person approved since then and that succeeded; the newest first.

    Args:
        outside: Names of the actions that bring in what others wrote.
    """
    own = jobs.c
    query = (
        sa.select(
            own.id, own.action, own.input, own.result, own.decided_at, own.tainted, own.origin, own.result_taint,
            own.sources,
        )
        .where(
            own.user_id == user_id, own.state == State.SUCCEEDED, own.decided_at >= since,
            own.approved_sha256.is_not(None),
        )
        .order_by(own.id.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        DecidedJob(
            row.id, row.action, row.input, row.result, row.decided_at,
            worse(
                taint.of_input(row.tainted, row.origin), row.result_taint,
                Taint.OUTSIDE if row.action in outside else None,
            ),
            taint.ids_of(row.sources),
        )
        for row in conn.execute(query)
    ]  # fmt: skip
