"""What a person may tell a job to do, the same through every door. Each works in its caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from engine.account_access import Chosen
from engine.administrators import refuse_others
from engine.admission import AdmissionFacts, JobSubmission, account_of, look, new_job, why
from engine.files import inputs
from engine.unknown_actions import stored_action
from llmcoder import strict_json
from llmcoder.errors import ActionError, BadInput, Forbidden, NotFound, problem_type
from llmcoder.provenance import Taint
from llmcoder.registry import AnyAction, Registry
from llmcoder.states import Reason, State
from models import untrusted_content
from models.accounts import preferences
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.files import links
from models.jobs import approvals, taint
from models.jobs import store as jobs
from models.jobs.approvals import Origin
from models.jobs.machine import Moved, lock
from models.jobs.store import Accepted, Job


class WrongState(ActionError):
    """The job is where this cannot be done."""

    slug, title, status = "wrong-state", "The job's state does not allow it", 409


class NoUndo(ActionError):
    """The job's effect cannot be taken back."""

    slug, title, status = "no-undo", "There is no way back", 409


def find(conn: sa.Connection, user_id: UUID, job_id: UUID) -> Job:
    """The user's job.

    Raises:
        NotFound: There is none of that id, or it is somebody else's.
    """
    job = jobs.get(conn, user_id, job_id)
    if job is None:
        raise NotFound(f"You have no job {job_id}.")
    return job


def cancel(conn: sa.Connection, user_id: UUID, job_id: UUID, now: datetime, origin: Origin = Origin.PERSON) -> Job:
    """Cancel a job, or ask the running attempt to end.

    Args:
        origin: Who asks.

    Raises:
        NotFound: The user has no such job.
        Forbidden: An agent asks, and somebody else submitted it.
        WrongState: It has ended.
    """
    job = find(conn, user_id, job_id)
    if origin.delegated and not Origin(job.origin).delegated:
        raise Forbidden("An agent ends only what it submitted itself; the user in person may end any job.")
    moved = jobs.request_cancel(conn, job, now)
    job = find(conn, user_id, job_id)
    if moved is None and job.ended:
        raise WrongState(f"The job has ended: {job.state}.")
    audit.append(conn, [Entry(Event.JOB_CANCELLED, str(job_id), user_id)], now)
    return job


def retry(
    conn: sa.Connection,
    registry: Registry,
    user_id: UUID,
    job_id: UUID,
    now: datetime,
    origin: Origin = Origin.PERSON,
) -> Job:
    """Queue a failed or cancelled job again, with the action's attempts anew.

    A write that would have to ask today asks again, unless this very input was approved and a person retries it. What
    an agent retries is the agent's from then on: so are the steps of a run, and the records that it writes.

    Args:
        origin: Who asks.

    Raises:
        NotFound: The user has no such job.
        UnknownAction: This process does not know its action.
        AdministratorsOnly: The action is for administrators, and the user is none now.
        WrongState: It is in another state, or its effect took place.
    """
    lock(conn, [job_id])  # or it ends after its effect between this look and the transition
    job = find(conn, user_id, job_id)
    if job.reason == Reason.AFTER_EFFECT:
        raise WrongState("Its effect took place, so a retry would have it twice. Submit it anew if that is meant.")
    action = stored_action(registry, job.action)
    whose = origin if origin.delegated else Origin(job.origin)
    refuse_others(conn, action, user_id, whose)
    chosen = preferences.load(conn, user_id)
    tainted = job.tainted or (origin.delegated and untrusted_content.has_read_outside(conn, user_id, registry.outside))
    asks = why(action, whose, AdmissionFacts(chosen, tainted))
    approved = jobs.approved_sha256(conn, job_id) == approvals.sha256(job.input) and not origin.delegated
    expires_at = now + timedelta(seconds=chosen.approval_expires_s) if asks and not approved else None
    if origin.delegated:
        jobs.set_origin(conn, job_id, whose.value, tainted)
    _require(
        jobs.retry(conn, job, action.retry.attempts, now, expires_at),
        job,
        "Only a failed or cancelled job can be retried",
    )
    audit.append(conn, [Entry(Event.JOB_RETRIED, str(job_id), user_id)], now)
    return find(conn, user_id, job_id)


def resolve(
    conn: sa.Connection, user_id: UUID, job_id: UUID, *, happened: bool, note: str | None, now: datetime
) -> Job:
    """Settle an uncertain job by its user's word.

    Args:
        note: Is kept; where it did not happen, as the detail of the error too.

    Raises:
        NotFound: The user has no such job.
        WrongState: It is in another state.
    """
    job = find(conn, user_id, job_id)
    detail = note or "Its user looked, and found that it did not happen."
    error = {"type": problem_type("did-not-happen"), "title": "It did not happen", "detail": detail}
    text = None if happened else strict_json.write(error)
    moved = jobs.resolve(conn, job, happened=happened, error=text, note=note, now=now)
    _require(moved, job, "Only an uncertain job can be resolved")
    audit.append(conn, [Entry(Event.JOB_RESOLVED, str(job_id), user_id, {"happened": happened})], now)
    return find(conn, user_id, job_id)


def approve(
    conn: sa.Connection, registry: Registry, by: UUID, job_id: UUID, seen: str, edited: str | None, now: datetime
) -> Job:
    """Let a waiting job run, with the input that was seen or an edited one.

    Args:
        seen: SHA-256 of the input that the person saw.
        edited: Another input, as JSON text.

    Raises:
        NotFound: There is no such job that this person may see.
        UnknownAction: This process does not know its action, and so not whether this person may.
        Forbidden: Its user lets others decide.
        WrongState: It does not wait for approval.
        NotAsShown: Its input is another than the one that was seen.
        BadInput: The edited input is not what the action takes, or names a file that its user does not have.
        AdministratorsOnly: The action is for administrators, and the job's user or this person is none now.
    """
    job = to_decide(conn, by, job_id)
    action = stored_action(registry, job.action)  # which may be for administrators only
    refuse_others(conn, action, by)
    refuse_others(conn, action, job.user_id, Origin(job.origin))
    files: tuple[UUID, ...] = ()
    if edited is not None:
        edited = _checked(action, edited)
        files = inputs.look(conn, job.user_id, action, edited, Origin.PERSON, now).ids
        if (chosen := account_of(conn, job.user_id, action, edited)) is not None:
            jobs.set_account(conn, job_id, chosen.provider, chosen.account)
    held_s = preferences.load(conn, job.user_id).held_s(job.action)
    _require(
        approvals.approve(conn, job_id, by, seen, edited, held_s, now),
        job,
        "Only a job that waits, and has not expired, can be approved",
    )
    links.keep_inputs(conn, [(job_id, file_id) for file_id in files])
    return find(conn, job.user_id, job_id)


def reject(conn: sa.Connection, by: UUID, job_id: UUID, reason: str | None, now: datetime) -> Job:
    """Cancel a waiting job by a person's word.

    Raises:
        NotFound, Forbidden, WrongState: As `approve`.
    """
    job = to_decide(conn, by, job_id)
    _require(approvals.reject(conn, job_id, by, reason, now), job, "Only a job that waits can be rejected")
    return find(conn, job.user_id, job_id)


def undo(
    conn: sa.Connection, registry: Registry, user_id: UUID, job_id: UUID, origin: Origin, now: datetime
) -> Accepted:
    """Submit the job that takes another's effect back; once, whoever asks how often.

    Raises:
        NotFound: The user has no such job.
        UnknownAction: This process does not know its action.
        WrongState: Its effect did not take place, or not yet.
        NoUndo: Its action has no way back.
        AdministratorsOnly: It, or what takes it back, is for administrators, and the user is none now.
    """
    job = find(conn, user_id, job_id)
    action = stored_action(registry, job.action)
    refuse_others(conn, action, user_id, origin)
    if action.undo is None:
        raise NoUndo(f"What {job.action} did cannot be taken back from here.")
    if job.reason == Reason.AFTER_EFFECT:
        raise NoUndo("Its effect took place, but what came of it is not known, so nobody knows what to take back.")
    if job.state != State.SUCCEEDED:
        hint = " Cancel it instead." if not job.ended else ""
        raise WrongState(f"Only what has succeeded can be undone; this job is {job.state}.{hint}")
    given = _undoing(action, job)
    used = Chosen(*jobs.account_of(conn, job_id))
    decided = used if used.provider in action.undo.action.providers else None
    text = given.model_dump_json(by_alias=True)
    undone = taint.look_up(conn, user_id, [job_id], registry.outside)[job_id]
    tainted = job.tainted or undone.result_taint is Taint.OUTSIDE  # its way back is made of both input and result
    submission = JobSubmission(
        user_id, action.undo.action, text, origin, (job_id,), undo_of=job_id, decided=decided, tainted=tainted
    )
    accepted = jobs.insert_undo(conn, new_job(submission, look(conn, submission, registry, now), now), job, now)
    if not accepted.replayed:
        audit.append(conn, [Entry(Event.JOB_UNDONE, str(job_id), user_id, {"by": str(accepted.job.id)})], now)
    return accepted


def _undoing(action: AnyAction, job: Job) -> BaseModel:
    assert action.undo is not None
    if job.result is None:
        raise NoUndo("A person said that it happened, so nobody knows what to take back.")
    try:
        given, result = action.input.model_validate_json(job.input), action.output.model_validate_json(job.result)
    except ValidationError:
        raise NoUndo(f"What {job.action} takes or returns has changed since this job ran.") from None
    return action.undo.input(given, result)


def to_decide(conn: sa.Connection, by: UUID, job_id: UUID) -> Job:
    """A job that waits for this person's decision.

    Raises:
        NotFound, Forbidden, WrongState: As `approve`.
    """
    job = approvals.find(conn, by, job_id)
    if job is None:
        raise NotFound(f"You have no job {job_id}.")
    if not approvals.may_decide(conn, by, job):
        raise Forbidden("Your preferences name others who approve your jobs.")
    if (job.state, job.reason) != (State.WAITING, Reason.APPROVAL):
        raise WrongState(f"The job does not wait for approval; it is {job.state}.")
    return job


def _checked(action: AnyAction, text: str) -> str:
    try:
        checked: str = action.input.model_validate_json(text).model_dump_json(by_alias=True)
        return checked
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
        )
        raise BadInput(f"The edited input is not what {action.name} takes: {wrong}.") from None


def _require(moved: Moved | None, job: Job, rule: str) -> None:
    if moved is None:
        raise WrongState(f"{rule}; this one is {job.state}.")
