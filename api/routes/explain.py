"""Why a job is not running, and what unblocks it: an answer put together from what SQL and the broker say now."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from api.health_checks import WORKER_SEEN_WITHIN
from api.services import Services
from engine.account_access import door_of
from engine.commands import find
from engine.views.approvals import WORDS, Link, link_to, reasons_of
from llmcoder.model import Model
from llmcoder.states import Reason, State
from models.accounts import preferences
from models.accounts.tables import users
from models.connections import store as connections
from models.db.base import Id
from models.db.literals import literal
from models.jobs import known_actions, rates, taint
from models.jobs.approvals import Why
from models.jobs.claims import workers_seen
from models.jobs.store import Job
from models.jobs.tables import jobs
from models.macros import store
from models.macros.progress import WHOLE

#: Further ahead than this, a number says nothing that "more" does not.
MOST_COUNTED = 10_000
#: What the run of a macro waits for while its steps are jobs of their own.
_OF_RUNS = frozenset({Reason.STEPS, Reason.UNCERTAIN_STEP, Reason.UNKNOWN_STEP})
#: Of a macro's steps under way, so many are named.
STEPS_NAMED = 10

Kind = Literal[
    "due_later", "retry", "rate_limited", "reconcile", "jobs_ahead", "no_worker", "broker_unreachable", "reconnect",
    "previous", "steps", "call", "waiting", "cancel_requested", "needs_a_person", "approval", "undo_window",
    "unknown_action",
]  # fmt: skip


class Blocker(Model):
    """One thing that the job waits for."""

    kind: Kind
    detail: str = Field(description="What is in the way.")
    remedy: str = Field(description="What ends it, and who.")
    until: datetime | None = Field(None, description="When it ends by itself, where that is known.")


class Explanation(Model):
    """Where a job stands and why."""

    job_id: UUID
    state: State
    reason: Reason | None
    summary: str = Field(description="One sentence.")
    blockers: list[Blocker] = Field(description="What is in the way, the most decisive first; empty when nothing is.")
    chain: list[Link] = Field(description="The jobs that its input was made of, and those before them, nearest first.")


class Seen(Model):
    """What SQL says about a job's surroundings."""

    ahead: int
    workers: int
    unknown: bool
    limited_until: datetime | None
    cancel_requested: bool
    worker: str | None
    lease_until: datetime | None
    provider: str
    account: str
    approvers: list[str]
    asks: list[Why]
    steps: str
    doubtful: list[UUID]
    account_fault: str
    account_remedy: str
    chain: list[Link]


async def explain(services: Services, user_id: UUID, job_id: UUID) -> Explanation:
    """The present state of a job in words.

    Raises:
        NotFound: The user has no such job.
    """
    job, seen = await services.sql.read(_look, services, user_id, job_id)
    broker_answers = (await services.health.check("broker")).status == "ok"
    blockers = _blockers(job, seen, broker_answers)
    summary = blockers[0].detail if blockers else _plain(job, seen)
    reason = Reason(job.reason) if job.reason else None
    return Explanation(
        job_id=job.id, state=State(job.state), reason=reason, summary=summary, blockers=blockers, chain=seen.chain
    )


SURROUNDINGS = (
    jobs.c.cancel_requested_at,
    jobs.c.worker,
    jobs.c.lease_until,
    jobs.c.provider,
    jobs.c.account,
    jobs.c.armed_at,
    jobs.c.turn,
)


def _look(conn: sa.Connection, services: Services, user_id: UUID, job_id: UUID) -> tuple[Job, Seen]:
    job, now = find(conn, user_id, job_id), services.db.now()
    waits = job.reason == Reason.APPROVAL
    links = taint.chain(conn, user_id, taint.ids_of(job.sources), services.registry.outside)
    row = conn.execute(sa.select(*SURROUNDINGS).where(jobs.c.id == job_id)).one()
    known = known_actions.read(conn, now).get(job.queue, known_actions.NOBODY)
    seen = Seen(
        ahead=_ahead(conn, job, row.turn) if job.state == State.QUEUED else 0,
        workers=sum(worker.queue == job.queue for worker in workers_seen(conn, now - WORKER_SEEN_WITHIN)),
        unknown=known.lacks(job.action),
        limited_until=rates.blocked(conn, now).get((row.provider, row.account)),
        cancel_requested=row.cancel_requested_at is not None,
        worker=row.worker,
        lease_until=row.lease_until,
        provider=row.provider,
        account=row.account,
        approvers=_approvers(conn, user_id) if waits else [],
        asks=reasons_of(conn, services.registry.if_loadable(job.action), job) if waits else [],
        steps=_steps_under_way(conn, job) if job.reason in _OF_RUNS else "",
        doubtful=_doubtful(conn, job) if job.reason == Reason.UNCERTAIN_STEP else [],
        account_fault=_account_fault(conn, user_id, row) if job.reason == Reason.RECONNECT else "",
        account_remedy=_account_remedy(services, row) if job.reason == Reason.RECONNECT else "",
        chain=[link_to(one) for one in links],
    )
    return job, seen


def _steps_under_way(conn: sa.Connection, run: Job) -> str:
    """What the jobs of a run are at, such as `Under way: read (running), ask (waiting for approval).`"""
    found = store.jobs_of(conn, run.id)
    if not found:
        return ""
    said = [
        f"{step if item == WHOLE else f'{step}[{item}]'} ({job.state}{f' for {job.reason}' if job.reason else ''})"
        for (step, item), (job, _) in sorted(found.items())[:STEPS_NAMED]
    ]
    more = f" and {len(found) - len(said)} more" if len(found) > len(said) else ""
    return f"Under way: {', '.join(said)}{more}."


def _doubtful(conn: sa.Connection, run: Job) -> list[UUID]:
    """Jobs of the run that a person has to settle, some of them."""
    found = [job.id for job, _ in store.jobs_of(conn, run.id).values() if job.state == State.UNCERTAIN]
    return sorted(found)[:STEPS_NAMED]


def _account_fault(conn: sa.Connection, user_id: UUID, row: Any) -> str:
    """What is wrong with the account that the job waits for."""
    if not row.account:
        return f"The account at {row.provider} that it uses is no longer connected."
    named = f"The {row.provider} account {row.account}"
    stored = connections.choose(conn, user_id, [row.provider], row.account)
    if stored is None:
        return f"{named} was taken out."
    return (
        f"{named} is broken: {stored.error}" if stored.broken else f"{named} works again; the job goes on in a moment."
    )


def _account_remedy(services: Services, row: Any) -> str:
    kind = services.registry.connections().get(row.provider)
    if kind is None:
        return "Connect the account again; the job then goes on."
    own = "" if row.account or kind.fallback is None else " Or an administrator corrects the one of this installation."
    if not row.account and row.armed_at is not None:
        return (
            f"An administrator corrects the {kind.title} account of this installation; only there it can be looked up."
        )
    return f"Connect it again: {door_of(kind)}. All of its jobs then go on.{own}"


def _approvers(conn: sa.Connection, user_id: UUID) -> list[str]:
    """Who may approve the user's jobs, by email address."""
    ids = preferences.approver_ids(conn, user_id)
    return list(conn.execute(sa.select(users.c.email).where(users.c.id.in_(ids)).order_by(users.c.email)).scalars())


def _ahead(conn: sa.Connection, job: Job, turn: int) -> int:
    """How many jobs of its queue are claimed before it, counted up to `MOST_COUNTED`."""
    place = sa.tuple_(jobs.c.priority, jobs.c.turn, jobs.c.id)
    earlier = place < sa.tuple_(sa.literal(job.priority), sa.literal(turn), sa.literal(job.id, Id))
    queued = sa.and_(jobs.c.queue == job.queue, jobs.c.state == literal(State.QUEUED))
    some = sa.select(jobs.c.id).where(queued, earlier).limit(MOST_COUNTED).subquery()
    count: int = conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return count


def _blockers(job: Job, seen: Seen, broker_answers: bool) -> list[Blocker]:
    match State(job.state):
        case State.QUEUED:
            return _of_queued(job, seen, broker_answers)
        case State.SCHEDULED:
            return [_of_scheduled(job, seen)]
        case State.WAITING:
            return [_of_waiting(job, seen)]
        case State.UNCERTAIN:
            detail = "The effect may have happened, and nobody could tell so far."
            if job.reason == Reason.RESTORED:
                detail = "It had not ended in the backup that was restored, and may have run since; nobody could tell."
            remedy = "Look there, then POST /jobs/{id}/resolve with what you found."
            return [Blocker(kind="needs_a_person", detail=detail, remedy=remedy)]
        case State.RUNNING if seen.cancel_requested:
            detail = "It was asked to end and has not yet reached a point where it can."
            remedy = "It ends by itself, at its deadline at last."
            return [Blocker(kind="cancel_requested", detail=detail, remedy=remedy)]
        case _:
            return []


def _of_queued(job: Job, seen: Seen, broker_answers: bool) -> list[Blocker]:
    found = []
    if not seen.workers:
        found.append(
            Blocker(
                kind="no_worker",
                detail=f"No worker of the queue {job.queue} was seen in the last 30 s.",
                remedy=f"An operator starts one: `llmcoder worker {job.queue}`.",
            )
        )
    if seen.unknown:
        found.append(_of_unknown(job))
    if not broker_answers:
        found.append(
            Blocker(
                kind="broker_unreachable",
                detail="The broker does not answer, so workers hear of new jobs late or not at all.",
                remedy="It runs when the broker is back; nothing is lost.",
            )
        )
    if seen.limited_until is not None:
        detail = f"{_provider(seen)} asked not to be called before {seen.limited_until.isoformat()}."
        remedy = "It runs after that."
        found.append(Blocker(kind="rate_limited", detail=detail, remedy=remedy, until=seen.limited_until))
    if seen.ahead:
        count = f"{MOST_COUNTED} or more jobs are" if seen.ahead >= MOST_COUNTED else _are_ahead(seen.ahead)
        remedy = "It runs after them; another worker, or a lower `priority` at the next submit, makes it sooner."
        found.append(Blocker(kind="jobs_ahead", detail=f"{count} ahead of it in the queue {job.queue}.", remedy=remedy))
    return found


def _of_unknown(job: Job) -> Blocker:
    return Blocker(
        kind="unknown_action",
        detail=f"No running worker of the queue {job.queue} knows the action {job.action}: that needs a newer version, "
        "or the package that declares it.",
        remedy="An administrator starts workers that have it; it then runs by itself, and until then nothing of it is "
        "lost. Its user can cancel it.",
    )


def _are_ahead(count: int) -> str:
    return "1 job is" if count == 1 else f"{count} jobs are"


def _of_scheduled(job: Job, seen: Seen) -> Blocker:
    at = job.due_at.isoformat()
    match job.reason:
        case Reason.RATE_LIMITED:
            kind: Kind = "rate_limited"
            detail = f"{_provider(seen)} may not be called before {at}."
        case Reason.RETRY:
            kind, detail = "retry", f"Attempt {job.attempt} failed; the next one is due at {at}."
        case Reason.RECONCILE:
            kind, detail = "reconcile", f"The provider is asked at {at} whether it happened."
        case Reason.UNDO_WINDOW:
            kind, detail = "undo_window", f"It is held back until {at}, so that it can still be cancelled for certain."
        case _:
            kind, detail = "due_later", f"It is due at {at}."
    return Blocker(kind=kind, detail=detail, remedy="It runs by itself then.", until=job.due_at)


def _provider(seen: Seen) -> str:
    return f"The provider {seen.provider}" + (f", for the account {seen.account}," if seen.account else "")


def _of_waiting(job: Job, seen: Seen) -> Blocker:
    if job.reason == Reason.APPROVAL:
        reasons = " ".join(WORDS[why] for why in seen.asks)
        return Blocker(
            kind="approval",
            detail=f"It waits for approval by {' or '.join(seen.approvers)}. {reasons}".rstrip(),
            remedy="GET /approvals shows it; POST /jobs/{id}/approve or /reject decides. If nobody does in time, it is "
            "cancelled.",
            until=job.expires_at,
        )
    if job.reason == Reason.RECONNECT:
        return Blocker(kind="reconnect", detail=seen.account_fault, remedy=seen.account_remedy)
    if job.reason == Reason.UNKNOWN_ACTION:
        return _of_unknown(job)
    if job.reason == Reason.UNKNOWN_STEP:
        detail = "It is a macro, and no scheduler that looked so far knows the action of its next step: that needs a "
        detail += "newer version, or the package that declares it."
        remedy = "An administrator starts a scheduler that has it; the run then goes on by itself."
        return Blocker(kind="unknown_action", detail=f"{detail} {seen.steps}".rstrip(), remedy=remedy)
    if job.reason == Reason.STEPS:
        detail = f"It is a macro under way; its steps are jobs of their own. {seen.steps}".rstrip()
        remedy = (
            f"It ends with them: GET /jobs/{job.id}/steps shows each with its job, and explain what that waits for."
        )
        return Blocker(kind="steps", detail=detail, remedy=remedy)
    if job.reason == Reason.UNCERTAIN_STEP:
        detail = "It is a macro, and the effect of a step of it may have happened; nobody could tell so far. "
        remedy = "Look there, then say what you found, and the run goes on: "
        resolve = ", ".join(f"POST /jobs/{one}/resolve" for one in seen.doubtful) or f"GET /jobs/{job.id}/steps"
        return Blocker(kind="needs_a_person", detail=f"{detail}{seen.steps}".rstrip(), remedy=f"{remedy}{resolve}.")
    if job.reason == Reason.CALL:
        detail = "It is a step of a macro that waits for a call from outside."
        remedy = f"Whoever has its address calls it: GET /jobs/{job.parent_id}/steps shows it."
        return Blocker(kind="call", detail=detail, remedy=remedy)
    if job.reason == Reason.PREVIOUS:
        detail = "An earlier job of its schedule has not ended."
        remedy = f"It runs after that one; GET /schedules/{job.schedule_id}/runs shows both."
        return Blocker(kind="previous", detail=detail, remedy=remedy)
    return Blocker(kind="waiting", detail="It waits for a person or for other jobs.", remedy="See its reason.")


def _plain(job: Job, seen: Seen) -> str:
    match State(job.state):
        case State.QUEUED:
            return "It is next in its queue."
        case State.RUNNING:
            since = job.started_at.isoformat() if job.started_at else "a moment ago"
            return f"Attempt {job.attempt} of {job.max_attempts} has been running since {since}."
        case state:
            at = f" at {job.finished_at.isoformat()}" if job.finished_at else ""
            more = ""
            if job.reason == Reason.AFTER_EFFECT:
                more = " Its effect took place, and what came after it went wrong, so it is not run again; look there."
            return f"It ended{at}: {state.value}.{more}"
