"""Macros and their runs in SQL. A run goes on by the version of the document that it began with."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.errors import NotFound
from llmcoder.ids import new_id
from models import batch
from models.jobs import COLUMNS as JOB_COLUMNS
from models.jobs import Job
from models.machine import ENDED, State
from models.macros.document import Macro
from models.macros.progress import Row, StepState
from models.tables import jobs, macro_calls, macro_runs, macro_steps, macro_versions, macros

#: States in which a step's job says how the step went; an uncertain one waits for whoever settles it.
TELLING = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
#: What a run is for: to do it, or to say what it would do.
RUN, PLAN = "run", "plan"


@dataclass(frozen=True, slots=True)
class Stored:
    """A macro as it is kept, in one version."""

    id: UUID
    user_id: UUID
    name: str
    version: int
    document: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A run, locked by the caller's transaction.

    Attributes:
        job: What stands for it.
        given: Its input.
        mode: `RUN` or `PLAN`.
        secret: Ends the addresses at which its steps wait to be called.
    """

    job: Job
    macro: Macro
    given: Mapping[str, Any]
    mode: str
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


def replace(conn: sa.Connection, stored: Stored, macro: Macro, now: datetime) -> bool:
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
) -> Stored | None:
    """The user's macro, in its newest version or a given one; None also when it is somebody else's."""
    if locked:
        conn.execute(sa.select(macros.c.id).where(macros.c.id == macro_id).with_for_update())
    wanted = _NEWEST if version is None else macro_versions.c.version == version
    query = (
        sa.select(*_STORED).select_from(_VERSIONS).where(macros.c.id == macro_id, macros.c.user_id == user_id, wanted)
    )
    row = conn.execute(query).first()
    return None if row is None else Stored(*row)


def named(conn: sa.Connection, user_id: UUID, name: str, version: int | None = None) -> Stored:
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


def _by_name(conn: sa.Connection, user_id: UUID, name: str) -> Stored | None:
    query = (
        sa.select(*_STORED).select_from(_VERSIONS).where(macros.c.user_id == user_id, macros.c.name == name, _NEWEST)
    )
    row = conn.execute(query).first()
    return None if row is None else Stored(*row)


def _by_id(conn: sa.Connection, user_id: UUID, text: str) -> Stored | None:
    try:
        return get(conn, user_id, UUID(text))
    except ValueError:
        return None


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[Stored]:
    """The user's macros, the newest first, each in its newest version."""
    query = sa.select(*_STORED).select_from(_VERSIONS).where(macros.c.user_id == user_id, _NEWEST)
    if before is not None:
        query = query.where(macros.c.id < before)
    return [Stored(*row) for row in conn.execute(query.order_by(macros.c.id.desc()).limit(limit))]


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
    source: Stored | None, now: datetime,
) -> None:  # fmt: skip
    """Let a run begin, or go on: what failed or was skipped in it is done anew, what succeeded stands."""
    known = conn.execute(sa.select(macro_runs.c.job_id).where(macro_runs.c.job_id == job_id).with_for_update()).first()
    if known is not None:
        again = macro_steps.c.state.in_((StepState.FAILED, StepState.SKIPPED, StepState.EXPANDED))
        own = macro_steps.c.run_id == job_id
        conn.execute(sa.delete(macro_steps).where(own, again))
        conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id == job_id).values(open=True, look_at=now))
        return
    row = {
        "job_id": job_id, "user_id": user_id, "macro_id": source.id if source else None,
        "version": source.version if source else None, "document": macro.model_dump_json(),
        "input": strict_json.write(given), "mode": mode, "open": True, "look_at": now, "created_at": now,
        "secret": secrets.token_hex(16),
    }  # fmt: skip
    conn.execute(sa.insert(macro_runs).values(row))


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


def to_look_at(conn: sa.Connection, now: datetime, limit: int) -> list[UUID]:
    """Runs for which something may be to do: a step's job or the run itself has ended, or a time has come."""
    is_open = macro_runs.c.open.is_(True)
    timed = sa.select(macro_runs.c.job_id).where(is_open, macro_runs.c.look_at <= now)
    ended = (
        sa.select(macro_steps.c.run_id)
        .join(jobs, jobs.c.id == macro_steps.c.job_id)
        .where(macro_steps.c.state == sa.literal_column("'submitted'"), jobs.c.state.in_(TELLING))
    )
    over = (
        sa.select(macro_runs.c.job_id)
        .join(jobs, jobs.c.id == macro_runs.c.job_id)
        .where(is_open, jobs.c.state.in_(ENDED))
    )
    return list(conn.execute(sa.union(timed, ended, over).limit(limit)).scalars())


def take(conn: sa.Connection, run_id: UUID) -> Run | None:
    """The run, locked; None when it has ended, or another process is at it."""
    query = sa.select(macro_runs).where(macro_runs.c.job_id == run_id, macro_runs.c.open.is_(True))
    row = conn.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    job = Job(*conn.execute(sa.select(*JOB_COLUMNS).where(jobs.c.id == run_id)).one())
    return Run(job, Macro.model_validate_json(row.document), strict_json.read_lenient(row.input), row.mode, row.secret)


def steps(conn: sa.Connection, run_id: UUID) -> list[Row]:
    """What the steps of a run have come to."""
    own = macro_steps.c
    columns = own.step, own.item, own.state, own.value, own.result, own.error, own.job_id
    rows = conn.execute(sa.select(*columns).where(own.run_id == run_id).order_by(own.step, own.item))
    return [
        Row(row.step, row.item, StepState(row.state), _read(row.value), _read(row.result), _read(row.error), row.job_id)
        for row in rows
    ]


def jobs_of(conn: sa.Connection, run_id: UUID) -> dict[tuple[str, int], tuple[Job, datetime | None]]:
    """The jobs of steps that are under way, each with its deadline."""
    own = macro_steps.c
    query = (
        sa.select(own.step, own.item, own.deadline_at, *JOB_COLUMNS)
        .join(jobs, jobs.c.id == own.job_id)
        .where(own.run_id == run_id, own.state == StepState.SUBMITTED)
    )
    return {(row[0], row[1]): (Job(*row[3:]), row[2]) for row in conn.execute(query)}


def keep(conn: sa.Connection, run_id: UUID, rows: Sequence[Row], deadlines: Mapping[tuple[str, int], datetime]) -> None:
    """Write down what steps have come to, whether they are new or known."""
    if not rows:
        return
    keys = [(row.step, row.item) for row in rows]
    known = sa.tuple_(macro_steps.c.step, macro_steps.c.item).in_(keys)
    conn.execute(sa.delete(macro_steps).where(macro_steps.c.run_id == run_id, known))
    batch.insert_new(
        conn,
        macro_steps,
        [
            {
                "run_id": run_id, "step": row.step, "item": row.item, "state": row.state.value,
                "value": _written(row.value), "result": _written(row.result), "error": _written(row.error),
                "job_id": row.job_id, "deadline_at": deadlines.get((row.step, row.item)),
            }
            for row in rows
        ],
    )  # fmt: skip


def show(conn: sa.Connection, run_id: UUID, fraction: float, message: str) -> None:
    """Keep how far the run is, for those who poll its job."""
    waiting = sa.and_(jobs.c.id == run_id, jobs.c.state == State.WAITING)
    conn.execute(sa.update(jobs).where(waiting).values(progress_fraction=fraction, progress_message=message))


def look_again(conn: sa.Connection, run_id: UUID, at: datetime | None) -> None:
    conn.execute(sa.update(macro_runs).where(macro_runs.c.job_id == run_id).values(look_at=at))


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


def _written(value: Any) -> str | None:
    return None if value is None else strict_json.write(value)


def _read(text: str | None) -> Any:
    return None if text is None else strict_json.read_lenient(text)
