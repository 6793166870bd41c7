"""Macros and their runs in SQL. A run goes on by the version of the document that it began with."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.config import config
from llmcoder.errors import BadInput, NotFound
from llmcoder.ids import new_id
from llmcoder.settings import EngineSettings
from llmcoder.states import Reason, State
from models.db import batch
from models.db.base import Id, Instant
from models.db.literals import literal
from models.jobs import store as job_store
from models.jobs.approvals import Origin
from models.jobs.machine import ENDED
from models.jobs.store import COLUMNS as JOB_COLUMNS
from models.jobs.store import Job
from models.jobs.tables import jobs
from models.macros.document import Macro
from models.macros.progress import WHOLE, Row, RunBudgetSpent, StepState
from models.macros.stored_values import StoredValue, as_json, read
from models.macros.tables import macro_calls, macro_roots, macro_runs, macro_steps, macro_versions, macros

#: States in which a step's job says how the step went.
TELLING = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
#: States of a job which a retry begins anew.
_RETRIED = (State.FAILED, State.CANCELLED)
#: Macros in macros.
MOST_DEEP = 10
#: Runs that are noticed at once.
NOTICED_AT_ONCE = 1_000
#: States of a step in which its job says how it goes on.
UNDER_WAY = (StepState.SUBMITTED.value, StepState.UNCERTAIN.value)
#: What a run is for: to do it, or to say what it would do.
RUN, PLAN = "run", "plan"


@dataclass(frozen=True, slots=True)
class StoredMacro:
    """A macro as it is kept, in one version."""

    id: UUID
    user_id: UUID
    name: str
    version: int
    document: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MacroRun:
    """A run, locked by the caller's transaction.

    Attributes:
        job: What stands for it.
        given: Its input.
        mode: `RUN` or `PLAN`.
        root_id: The outermost run that it stands in, or itself.
        secret: Ends the addresses at which its steps wait to be called.
    """

    job: Job
    macro: Macro
    given: Mapping[str, Any]
    mode: str
    root_id: UUID
    secret: str | None = None

    def addresses(self, base_url: str) -> dict[str, str]:
        """Where to call, by step."""
        return _addresses(self.job.id, self.macro, self.secret, base_url)


_STORED = (
    macros.c.id, macros.c.user_id, macros.c.name, macro_versions.c.version, macro_versions.c.document,
    macros.c.created_at, macros.c.updated_at,
)  # fmt: skip
_VERSIONS = macros.join(macro_versions, macro_versions.c.macro_id == macros.c.id)
_NEWEST = macro_versions.c.version == macros.c.version


# --- documents


def add(conn: sa.Connection, user_id: UUID, macro: Macro, now: datetime) -> UUID | None:
    """Keep a new macro; None when the user has one of that name."""
    taken = sa.select(macros.c.id).where(macros.c.user_id == user_id, macros.c.name == macro.name)
    if conn.execute(taken).first() is not None:
        return None
    macro_id = new_id()
    row = {"id": macro_id, "user_id": user_id, "name": macro.name, "version": 1, "created_at": now, "updated_at": now}
    conn.execute(sa.insert(macros).values(row))
    _keep_version(conn, macro_id, 1, macro, now)
    return macro_id


def replace(conn: sa.Connection, stored: StoredMacro, macro: Macro, now: datetime) -> bool:
    """Keep a new version; False when another macro of the user has its name."""
    same = sa.and_(macros.c.user_id == stored.user_id, macros.c.name == macro.name, macros.c.id != stored.id)
    if conn.execute(sa.select(macros.c.id).where(same)).first() is not None:
        return False
    values = {"name": macro.name, "version": stored.version + 1, "updated_at": now}
    conn.execute(sa.update(macros).where(macros.c.id == stored.id).values(values))
    _keep_version(conn, stored.id, stored.version + 1, macro, now)
    return True


def _keep_version(conn: sa.Connection, macro_id: UUID, version: int, macro: Macro, now: datetime) -> None:
    row = {"macro_id": macro_id, "version": version, "document": macro.model_dump_json(), "created_at": now}
    conn.execute(sa.insert(macro_versions).values(row))


def get(
    conn: sa.Connection, user_id: UUID, macro_id: UUID, version: int | None = None, *, locked: bool = False
) -> StoredMacro | None:
    """The user's macro, in its newest version or a given one; None also when it is somebody else's."""
    if locked:
        conn.execute(sa.select(macros.c.id).where(macros.c.id == macro_id).with_for_update())
    wanted = _NEWEST if version is None else macro_versions.c.version == version
    query = (
        sa.select(*_STORED).select_from(_VERSIONS).where(macros.c.id == macro_id, macros.c.user_id == user_id, wanted)
    )
    row = conn.execute(query).first()
    return None if row is None else StoredMacro(*row)


def named(conn: sa.Connection, user_id: UUID, name: str, version: int | None = None) -> StoredMacro:
    """The user's macro of that name, or of that id.

    Raises:
        NotFound: There is none, or none in that version.
    """
    found = _by_name(conn, user_id, name) or _by_id(conn, user_id, name)
    if found is not None and version is not None:
        found = get(conn, user_id, found.id, version)
    if found is None:
        of = "" if version is None else f", or none in version {version}"
        raise NotFound(f"You have no macro {name!r}{of}. GET /macros lists them.")
    return found


def _by_name(conn: sa.Connection, user_id: UUID, name: str) -> StoredMacro | None:
    query = (
        sa.select(*_STORED).select_from(_VERSIONS).where(macros.c.user_id == user_id, macros.c.name == name, _NEWEST)
    )
    row = conn.execute(query).first()
    return None if row is None else StoredMacro(*row)


def _by_id(conn: sa.Connection, user_id: UUID, text: str) -> StoredMacro | None:
    try:
        return get(conn, user_id, UUID(text))
    except ValueError:
        return None


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[StoredMacro]:
    """The user's macros, the newest first, each in its newest version."""
    query = sa.select(*_STORED).select_from(_VERSIONS).where(macros.c.user_id == user_id, _NEWEST)
    if before is not None:
        query = query.where(macros.c.id < before)
    return [StoredMacro(*row) for row in conn.execute(query.order_by(macros.c.id.desc()).limit(limit))]


def count(conn: sa.Connection, user_id: UUID) -> int:
    found: int = conn.execute(
        sa.select(sa.func.count()).select_from(macros).where(macros.c.user_id == user_id)
    ).scalar_one()
    return found


def versions(conn: sa.Connection, macro_id: UUID, before: int | None, limit: int) -> list[tuple[int, datetime]]:
    """Number and time of a macro's versions, the newest first."""
    own = macro_versions.c
    query = sa.select(own.version, own.created_at).where(own.macro_id == macro_id)
    if before is not None:
        query = query.where(own.version < before)
    return [(row.version, row.created_at) for row in conn.execute(query.order_by(own.version.desc()).limit(limit))]


def remove(conn: sa.Connection, macro_id: UUID) -> None:
    """Delete a macro with its versions; runs go on."""
    conn.execute(sa.delete(macros).where(macros.c.id == macro_id))


# --- runs


def begin(
    conn: sa.Connection, job_id: UUID, user_id: UUID, macro: Macro, given: Mapping[str, Any], mode: str,
    source: StoredMacro | None, now: datetime, *, counted: bool = False,
) -> None:  # fmt: skip
    """Let a run begin, or go on: what failed or was skipped in it is done anew, what succeeded stands.

    Args:
        counted: Within another run it was counted when its job was submitted.

    Raises:
        BadInput: It stands in too many others.
        BudgetSpent: Its outermost run has started as many as it may.
    """
    known = conn.execute(sa.select(macro_runs.c.root_id).where(macro_runs.c.job_id == job_id).with_for_update()).first()
    if known is not None:
        _go_on(conn, job_id, now)
        return
    root_id = _root_of(conn, job_id)
    row = {
        "job_id": job_id, "user_id": user_id, "macro_id": source.id if source else None,
        "version": source.version if source else None, "document": macro.model_dump_json(),
        "input": strict_json.write(given), "mode": mode, "open": True, "look_at": now, "created_at": now,
        "secret": secrets.token_hex(16), "root_id": root_id,
    }  # fmt: skip
    conn.execute(sa.insert(macro_runs).values(row))
    _, runs = budget(conn, root_id)
    if root_id != job_id and not counted:
        most = config().get(EngineSettings).macro_max_runs
        if runs >= most:
            raise too_many_runs(most)
        count_begun(conn, root_id, runs=runs + 1)


def _go_on(conn: sa.Connection, job_id: UUID, now: datetime) -> None:
    """A person had the run begin again. A failed step whose job had its effect, or may have, is not done twice; a run
    within this one goes on like it, so that what succeeded there is not done twice either.
    """
    own, job = macro_steps.c, jobs.c
    again = sa.and_(own.run_id == job_id, own.state.in_((StepState.FAILED, StepState.SKIPPED, StepState.EXPANDED)))
    _retry_runs(conn, job_id, again, now)
    anew = sa.and_(job.state.in_(_RETRIED), job.reason.is_distinct_from(Reason.AFTER_EFFECT.value))
    conn.execute(sa.delete(macro_steps).where(again, ~sa.exists().where(job.id == own.job_id, ~anew)))
    attached = {"state": StepState.SUBMITTED, "error": None, "deadline_at": None}
    conn.execute(sa.update(macro_steps).where(again).values(attached))
    fresh = {"open": True, "look_at": now, "failures": 0, "rest_until": None}
    conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id == job_id).values(fresh))
    conn.execute(sa.update(macro_roots).where(macro_roots.c.root_id == job_id).values(steps=0, runs=0))


def _retry_runs(conn: sa.Connection, job_id: UUID, steps: sa.ColumnElement[bool], now: datetime) -> None:
    """Have the runs that are steps of this one go on, for whoever has this one go on and as often as it is tried."""
    outer = Job(*conn.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == job_id)).one())
    within = sa.select(macro_steps.c.job_id).join(macro_runs, macro_runs.c.job_id == macro_steps.c.job_id).where(steps)
    query = sa.select(*JOB_COLUMNS).where(jobs.c.id.in_(within), jobs.c.state.in_(_RETRIED)).order_by(jobs.c.id)
    for row in conn.execute(query).all():
        one = Job(*row)
        if Origin(outer.origin).delegated:
            job_store.set_origin(conn, one.id, outer.origin, outer.tainted)
        job_store.retry(conn, one, outer.max_attempts - outer.attempt + 1, now)


def _root_of(conn: sa.Connection, job_id: UUID) -> UUID:
    """The outermost run that a new one stands in, or itself.

    Raises:
        BadInput: There are too many in between.
    """
    if depth(conn, job_id) > MOST_DEEP:
        raise BadInput(f"Macros that start macros go at most {MOST_DEEP} deep. Does one start itself?")
    of_parent = sa.select(jobs.c.parent_id).where(jobs.c.id == job_id).scalar_subquery()
    root = sa.func.coalesce(macro_runs.c.root_id, macro_runs.c.job_id, type_=Id)
    found: UUID | None = conn.execute(sa.select(root).where(macro_runs.c.job_id == of_parent)).scalar()
    return found or job_id


def too_many_runs(most: int) -> RunBudgetSpent:
    return RunBudgetSpent(
        f"A run starts at most {most:,} macros, with all that those start (MACRO_MAX_RUNS). Does one start itself?"
    )


def budget(conn: sa.Connection, root_id: UUID) -> tuple[int, int]:
    """Steps and runs that an outermost run has begun so far, locked until the caller's transaction ends."""
    query = sa.select(macro_roots.c.steps, macro_roots.c.runs).where(macro_roots.c.root_id == root_id)
    row = conn.execute(query.with_for_update()).first()
    if row is None:
        batch.insert_new(conn, macro_roots, [{"root_id": root_id, "steps": 0, "runs": 0}])
        row = conn.execute(query.with_for_update()).one()
    return row.steps, row.runs


def count_begun(conn: sa.Connection, root_id: UUID, **begun: int) -> None:
    """Write down how many `steps` or `runs` have begun by now, in a transaction that holds the budget."""
    conn.execute(sa.update(macro_roots).where(macro_roots.c.root_id == root_id).values(begun))


def addresses(conn: sa.Connection, run_id: UUID, base_url: str) -> dict[str, str] | None:
    """Where to call the steps of a run that wait for it; None of a job that is no run, or has not begun."""
    query = sa.select(macro_runs.c.secret, macro_runs.c.document).where(macro_runs.c.job_id == run_id)
    row = conn.execute(query).first()
    return None if row is None else _addresses(run_id, Macro.model_validate_json(row.document), row.secret, base_url)


def _addresses(run_id: UUID, macro: Macro, secret: str | None, base_url: str) -> dict[str, str]:
    return {step: f"{base_url}/macros/runs/{run_id}/{step}/{secret}" for step in macro.awaiting()}


def steps_page(
    conn: sa.Connection, run_id: UUID, after: tuple[str, int] | None, limit: int
) -> list[tuple[str, int, str, str | None, UUID | None, datetime | None]]:
    """Step, item, state, error, job and deadline of a run's steps, by name and item."""
    own = macro_steps.c
    query = sa.select(own.step, own.item, own.state, own.error, own.job_id, own.deadline_at).where(own.run_id == run_id)
    if after is not None:
        query = query.where(sa.tuple_(own.step, own.item) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])))
    return [tuple(row) for row in conn.execute(query.order_by(own.step, own.item).limit(limit))]


def is_step(conn: sa.Connection, job_id: UUID) -> bool:
    """Whether a job is a step of a run."""
    return conn.execute(sa.select(jobs.c.parent_id).where(jobs.c.id == job_id)).scalar() is not None


def depth(conn: sa.Connection, job_id: UUID) -> int:
    """How many runs a run stands in."""
    found = -1
    above: UUID | None = job_id
    while above is not None:
        found, above = found + 1, conn.execute(sa.select(jobs.c.parent_id).where(jobs.c.id == above)).scalar()
    return found


# --- whose turn it is


_IS_OPEN = macro_runs.c.open.is_(True)


def _is_due(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    rested = sa.or_(macro_runs.c.rest_until.is_(None), macro_runs.c.rest_until <= now)
    return sa.and_(_IS_OPEN, macro_runs.c.look_at <= now, rested)


def to_notice(conn: sa.Connection, now: datetime) -> list[UUID]:
    """Runs that wait for something which has happened: a step's job or the run's own has ended, or was settled."""
    state, job_state = macro_steps.c.state, jobs.c.state
    ended = sa.and_(state == literal(StepState.SUBMITTED), job_state.in_(ENDED))
    settled = sa.and_(state == literal(StepState.UNCERTAIN), job_state != State.UNCERTAIN)
    under_way = state.in_(sa.bindparam("under_way", UNDER_WAY, expanding=True, literal_execute=True))
    waits = sa.and_(_IS_OPEN, sa.or_(macro_runs.c.look_at.is_(None), macro_runs.c.look_at > now))
    of_steps = (
        sa.select(macro_steps.c.run_id)
        .join(jobs, jobs.c.id == macro_steps.c.job_id)
        .join(macro_runs, macro_runs.c.job_id == macro_steps.c.run_id)
        .where(under_way, sa.or_(ended, settled), waits)
    )
    of_runs = (
        sa.select(macro_runs.c.job_id)
        .join(jobs, jobs.c.id == macro_runs.c.job_id)
        .where(waits, jobs.c.state.in_(ENDED))
    )
    return list(conn.execute(sa.union(of_steps, of_runs).limit(NOTICED_AT_ONCE)).scalars())


def notice(conn: sa.Connection, run_ids: Collection[UUID], now: datetime) -> None:
    """Have runs looked at; those that somebody is at are left for the next time."""
    waits = sa.and_(_IS_OPEN, sa.or_(macro_runs.c.look_at.is_(None), macro_runs.c.look_at > now))
    query = sa.select(macro_runs.c.job_id).where(macro_runs.c.job_id.in_(run_ids), waits)
    free = conn.execute(query.with_for_update(skip_locked=True)).scalars().all()
    if free:
        conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id.in_(free)).values(look_at=now))


def users_due(conn: sa.Connection, now: datetime) -> list[UUID]:
    """Users with a run that is to be looked at, in the order of their ids.

    A walk over the index from user to user, so that it costs the same however many runs one of them has.
    """
    return list(conn.execute(_users_due(), {"now": now}).scalars())


@cache
def _users_due() -> sa.Select[UUID]:
    """Made once: it is asked before every look, and to put it together takes longer than its answer."""
    users = sa.select(_next_user(None).label("id")).cte("users", recursive=True)
    users = users.union_all(sa.select(_next_user(users.c.id)).where(users.c.id.is_not(None)))
    has_due = sa.exists().where(macro_runs.c.user_id == users.c.id, _is_due(sa.bindparam("now", type_=Instant())))
    return sa.select(users.c.id).where(users.c.id.is_not(None), has_due)


def _next_user(after: sa.ColumnElement[UUID] | None) -> sa.ScalarSelect[UUID]:
    of = macro_runs.alias()
    query = sa.select(of.c.user_id).where(of.c.open.is_(True))
    if after is not None:
        query = query.where(of.c.user_id > after)
    return query.order_by(of.c.user_id).limit(1).scalar_subquery()


def next_due(conn: sa.Connection, user_id: UUID, now: datetime, passed_over: Collection[UUID] = ()) -> UUID | None:
    """The user's run that has waited longest to be looked at, locked; those that somebody is at are passed over.

    Args:
        passed_over: Runs that the caller cannot move on.
    """
    query = (
        sa.select(macro_runs.c.job_id)
        .where(macro_runs.c.user_id == user_id, _is_due(now), macro_runs.c.job_id.not_in(passed_over))
        .order_by(macro_runs.c.look_at, macro_runs.c.job_id)
        .limit(1)
    )
    return conn.execute(query.with_for_update(skip_locked=True)).scalar()


def take(conn: sa.Connection, run_id: UUID) -> MacroRun | None:
    """The run, locked; None when it has ended, or another process is at it."""
    own = macro_runs.c
    query = sa.select(own.document, own.input, own.mode, own.root_id, own.secret).where(own.job_id == run_id, _IS_OPEN)
    row = conn.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    job = Job(*conn.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == run_id)).one())
    macro = Macro.model_validate_json(row.document)
    return MacroRun(job, macro, strict_json.read_lenient(row.input), row.mode, row.root_id or run_id, row.secret)


def size_bytes(conn: sa.Connection, run_id: UUID) -> int:
    """What the values and results of a run take."""
    own = macro_steps.c
    each = (sa.func.coalesce(sa.func.octet_length(column), 0) for column in (own.value, own.result))
    total = sa.func.coalesce(sa.func.sum(sum(each, sa.literal(0))), 0)
    return int(conn.execute(sa.select(total).where(own.run_id == run_id)).scalar_one())


# --- looks that broke


def lock_open(conn: sa.Connection, run_id: UUID) -> int | None:
    """How many looks at an open run broke one after the other, the run locked; None when it has ended."""
    query = sa.select(macro_runs.c.failures).where(macro_runs.c.job_id == run_id, _IS_OPEN).with_for_update()
    return conn.execute(query).scalar()


def rest(conn: sa.Connection, run_id: UUID, until: datetime, failures: int | None = None) -> None:
    """Have nobody look at a run before that."""
    values: dict[str, Any] = {"rest_until": until} | ({} if failures is None else {"failures": failures})
    conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id == run_id).values(values))


def job_ids(conn: sa.Connection, run_id: UUID) -> list[UUID]:
    """Of the steps that are under way."""
    own = macro_steps.c
    query = sa.select(own.job_id).where(own.run_id == run_id, own.state.in_(UNDER_WAY), own.job_id.is_not(None))
    return list(conn.execute(query.order_by(own.job_id)).scalars())


def fail_under_way(conn: sa.Connection, run_id: UUID, error: Mapping[str, str]) -> None:
    """Let the steps that are under way have failed with their run."""
    own = macro_steps.c
    under_way = sa.and_(own.run_id == run_id, own.state.in_(UNDER_WAY))
    values = {"state": StepState.FAILED, "error": strict_json.write(dict(error))}
    conn.execute(sa.update(macro_steps).where(under_way).values(values))


# --- steps


def steps(conn: sa.Connection, run_id: UUID) -> list[Row]:
    """What the steps of a run have come to; their results are loaded when they are read, on the same connection."""
    own = macro_steps.c
    columns = own.step, own.item, own.state, own.value, own.error, own.job_id, own.result.is_not(None).label("made")
    rows = conn.execute(sa.select(*columns).where(own.run_id == run_id).order_by(own.step, own.item)).all()
    results = {step: _Results(conn, run_id, step) for step in {row.step for row in rows}}
    return [_row(row, results[row.step].of(row.item) if row.made else None) for row in rows]


def _row(row: Any, result: StoredValue | None) -> Row:
    value = None if row.value is None else StoredValue(lambda: row.value)
    if row.state == StepState.EXPANDED and result is not None:
        return Row(row.step, row.item, StepState.EXPANDED, value, read(result), None, row.job_id)
    return Row(row.step, row.item, StepState(row.state), value, result, _read(row.error), row.job_id)


class _Results:
    """Of one step: the one of all, or those of its items, which are read together or not at all."""

    def __init__(self, conn: sa.Connection, run_id: UUID, step: str) -> None:
        self._conn, self._run_id, self._step = conn, run_id, step

    def of(self, item: int) -> StoredValue:
        return StoredValue(lambda: self._whole if item == WHOLE else self._items[item])

    @property
    def _query(self) -> sa.Select[int, str | None]:
        own = macro_steps.c
        return sa.select(own.item, own.result).where(own.run_id == self._run_id, own.step == self._step)

    @cached_property
    def _whole(self) -> str | None:
        found: str | None = self._conn.execute(self._query.where(macro_steps.c.item == WHOLE)).one().result
        return found

    @cached_property
    def _items(self) -> dict[int, str | None]:
        rows = self._conn.execute(self._query.where(macro_steps.c.item != WHOLE))
        return {row.item: row.result for row in rows}


def jobs_of(conn: sa.Connection, run_id: UUID) -> dict[tuple[str, int], tuple[Job, datetime | None]]:
    """The jobs of steps that are under way, each with its deadline."""
    own = macro_steps.c
    query = (
        sa.select(own.step, own.item, own.deadline_at, *JOB_COLUMNS)
        .join(jobs, jobs.c.id == own.job_id)
        .where(own.run_id == run_id, own.state.in_(UNDER_WAY))
    )
    return {(row[0], row[1]): (Job(*row[3:]), row[2]) for row in conn.execute(query)}


def keep(conn: sa.Connection, run_id: UUID, rows: Sequence[Row], deadlines: Mapping[tuple[str, int], datetime]) -> None:
    """Write down what steps have come to, whether they are new or known."""
    if not rows:
        return
    values = [
        {
            "run_id": run_id, "step": row.step, "item": row.item, "state": row.state.value,
            "value": as_json(row.value), "result": as_json(row.result), "error": as_json(row.error),
            "job_id": row.job_id, "deadline_at": deadlines.get((row.step, row.item)),
        }
        for row in rows
    ]  # fmt: skip
    keys = [(row.step, row.item) for row in rows]
    known = sa.tuple_(macro_steps.c.step, macro_steps.c.item).in_(keys)
    conn.execute(sa.delete(macro_steps).where(macro_steps.c.run_id == run_id, known))  # after `values` read them
    batch.insert_new(conn, macro_steps, values)


def show(conn: sa.Connection, run_id: UUID, fraction: float, message: str) -> None:
    """Keep how far the run is, for those who poll its job."""
    waiting = sa.and_(jobs.c.id == run_id, jobs.c.state == State.WAITING)
    conn.execute(sa.update(jobs).where(waiting).values(progress_fraction=fraction, progress_message=message))


def look_again(conn: sa.Connection, run_id: UUID, at: datetime | None) -> None:
    conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id == run_id).values(look_at=at))


def looked_well(conn: sa.Connection, run_id: UUID) -> None:
    """Forget the looks before that broke."""
    broke = sa.and_(macro_runs.c.job_id == run_id, macro_runs.c.failures > 0)
    conn.execute(sa.update(macro_runs).where(broke).values(failures=0, rest_until=None))


def called(conn: sa.Connection, run_id: UUID, step: str, secret: str) -> bool:
    """Whether that is the address of a step of an open run that waits, or will, to be called."""
    query = sa.select(macro_runs.c.secret, macro_runs.c.document)
    row = conn.execute(query.where(macro_runs.c.job_id == run_id, macro_runs.c.open.is_(True))).first()
    if row is None or not row.secret or not hmac.compare_digest(row.secret.encode(), secret.encode()):
        return False
    return step in Macro.model_validate_json(row.document).awaiting()


def keep_call(conn: sa.Connection, run_id: UUID, step: str, result: Mapping[str, Any], now: datetime) -> bool:
    """Keep what a call brought, for the run to be looked at; False where the step was called before."""
    row = {"run_id": run_id, "step": step, "result": strict_json.one_line(result), "created_at": now}
    fresh = batch.insert_new(conn, macro_calls, [row]) > 0
    if fresh:
        look_again(conn, run_id, now)
    return fresh


def call_of(conn: sa.Connection, run_id: UUID, step: str) -> str | None:
    """What a call to a step brought, as JSON; None while there was none."""
    query = sa.select(macro_calls.c.result).where(macro_calls.c.run_id == run_id, macro_calls.c.step == step)
    return conn.execute(query).scalar()


def close(conn: sa.Connection, run_id: UUID) -> None:
    """Nothing is to be done for the run any more."""
    conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id == run_id).values(open=False, look_at=None))


def _read(text: str | None) -> Any:
    return None if text is None else strict_json.read_lenient(text)
