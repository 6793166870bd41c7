"""Runs one claimed attempt and says how it ended, as one transition for the ledger. Here errors become verdicts."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import ValidationError

from engine.verdict import Facts, Verdict, after_error, after_failed_reconcile, after_loss, facts_of, transition
from llmcoder import faults, provenance, strict_json
from llmcoder.errors import (
    ActionError,
    BadInput,
    NotConfigured,
    RateLimited,
    Refused,
    Suspended,
    Transient,
    Uncertain,
    Unreadable,
    problem_type,
)
from llmcoder.logger import get_logger
from llmcoder.problems import frames_of
from llmcoder.provenance import Trail
from llmcoder.registry import AnyAction
from llmcoder.states import Reason, State
from models.db.errors import TRANSIENT_ERRORS
from models.jobs import taint
from models.jobs.claims import Claimed
from models.jobs.machine import Move
from workers.attempt import Attempt, End
from workers.context import JobContext
from workers.result import kept

log = get_logger(__name__)


class Clock(Protocol):
    """The database's."""

    def now(self) -> datetime:
        """Of all hosts alike."""

    def since_s(self, at: datetime) -> float:
        """Seconds that have surely gone by since then, whatever was done to the clock."""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended.

    Attributes:
        move: The transition to write.
        limited: Set when the provider asked to wait: (provider, account, until), for every worker.
    """

    move: Move
    limited: tuple[str, str, datetime] | None = None


def execute(attempt: Attempt, ctx: JobContext, clock: Clock, max_result_bytes: int) -> Ending:
    """Run one attempt to its end.

    Args:
        max_result_bytes: A longer result of a READ or DRAFT fails the job; a write's is shortened.
    """
    claimed, action = attempt.claimed, attempt.action
    if action is None:
        return _unknown(attempt)
    try:
        with provenance.following(attempt.trail):
            if attempt.armed and (settled := _settle_earlier(attempt, action, ctx, clock, max_result_bytes)):
                return settled
            return _run(attempt, action, _input(action, claimed), ctx, max_result_bytes)
    except BaseException as error:  # noqa: BLE001  whatever it raises becomes a verdict, asyncio's CancelledError too
        _confirm(error, attempt)
        return _found_after(error, attempt, action, ctx, max_result_bytes) or _after(
            error, attempt, action, clock.now()
        )


def _confirm(error: BaseException, attempt: Attempt) -> None:
    """An error that says so of itself confirms the effect, too."""
    if attempt.armed and isinstance(error, Unreadable):
        attempt.confirmed = True


def _found_after(
    error: BaseException, attempt: Attempt, action: AnyAction, ctx: JobContext, max_result_bytes: int
) -> Ending | None:
    """The result of a confirmed effect, asked for where the action could not give it: once, and perhaps in vain."""
    if not attempt.confirmed or action.reconcile is None or attempt.should_end() or isinstance(error, Suspended):
        return None
    try:
        with provenance.following(attempt.trail):
            given = _input(action, attempt.claimed)
            found = action.reconcile(given, strict_json.read_lenient(ctx.marker), ctx)
    except BaseException as other:  # noqa: BLE001  the effect is known without it
        _log_defect(other, attempt)
        return None
    if found is None:
        return None
    _log_defect(error, attempt)
    return Ending(_move(attempt, Verdict(State.SUCCEEDED), result=kept(found, max_result_bytes, writes=True)))


def _facts(attempt: Attempt, action: AnyAction | None) -> Facts:
    claimed = attempt.claimed
    return facts_of(action, attempt.armed, claimed.attempt, claimed.max_attempts, attempt.in_doubt, attempt.confirmed)


def past_deadline(attempt: Attempt, now: datetime) -> Move:
    """The transition of an attempt that does not end although it was asked to."""
    if attempt.end is End.LOST or attempt.end is None:
        raise ValueError("only an attempt that still owns its job, and was asked to end, is written off")
    return _after(attempt.error(), attempt, attempt.action, now).move


def given_back(attempt: Attempt, now: datetime) -> Move:
    """The transition of an attempt whose worker stops before it ended; it is no loss and counts for nothing."""
    claimed = attempt.claimed
    verdict = after_loss(_facts(attempt, attempt.action), 0, False, now)
    if verdict.to is State.QUEUED:
        verdict = replace(verdict, reason=Reason.RELEASED)
    return transition(claimed.id, claimed.attempt, claimed.max_attempts, verdict, {})


def _input(action: AnyAction, claimed: Claimed) -> Any:
    try:
        return action.input.model_validate_json(claimed.input)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
        )
        raise BadInput(f"The stored input no longer fits {action.name}: {wrong}. Submit it anew.") from None


def not_loaded(attempt: Attempt, error: Exception) -> Ending:
    """How an attempt ends whose action is declared in a package that cannot be imported here."""
    why = f"what declares {attempt.claimed.action!r} cannot be loaded ({type(error).__name__}: {error})"
    return _without_action(attempt, why, "repair it, restart the worker")


def _unknown(attempt: Attempt) -> Ending:
    why = f"no installed package declares the action {attempt.claimed.action!r}"
    return _without_action(attempt, why, "install it")


def _without_action(attempt: Attempt, why: str, remedy: str) -> Ending:
    if attempt.armed:
        doubt = Uncertain(f"An earlier attempt may have had its effect, and {why}.")
        verdict = Verdict(State.UNCERTAIN, Reason.NO_ANSWER, error=doubt.as_problem(), stays_armed=True)
        return Ending(_move(attempt, verdict))
    problem = Refused(f"{why[0].upper()}{why[1:]}; {remedy} and retry the job.")
    return Ending(_move(attempt, Verdict(State.FAILED, error=problem.as_problem())))


def _settle_earlier(
    attempt: Attempt, action: AnyAction, ctx: JobContext, clock: Clock, max_result_bytes: int
) -> Ending | None:
    """Settle what an earlier attempt armed; None when it surely did not happen, so that it may run."""
    if action.reconcile is None:
        if not action.repeatable:
            raise Uncertain("An earlier attempt may have had its effect, and nobody can be asked.")
        attempt.armed, attempt.in_doubt = False, True
        return None
    try:
        given = _input(action, attempt.claimed)
        found = action.reconcile(given, strict_json.read_lenient(attempt.claimed.marker or "{}"), ctx)
    except BaseException as error:  # noqa: BLE001  not knowing is a verdict of its own: it stays armed
        _log_defect(error, attempt)
        facts = facts_of(action, True, attempt.claimed.attempt, attempt.claimed.max_attempts)
        return _ending(error, attempt, action, after_failed_reconcile(error, facts, clock.now(), random.random()))
    if found is None:
        return _not_found(attempt, action, clock)
    return Ending(_move(attempt, Verdict(State.SUCCEEDED), result=kept(found, max_result_bytes, writes=True)))


def _not_found(attempt: Attempt, action: AnyAction, clock: Clock) -> Ending | None:
    """Not being found says nothing as long as the attempt that armed it may still send, or the provider be slow."""
    assert attempt.claimed.armed_at is not None
    if attempt.claimed.restored_at is not None and attempt.claimed.armed_at <= attempt.claimed.restored_at:
        return Ending(_move(attempt, Verdict(State.UNCERTAIN, Reason.RESTORED, error=_LOST_TIME, stays_armed=True)))
    if action.repeatable:
        attempt.armed, attempt.in_doubt = False, True
        return None
    too_early_s = action.timeout_s + action.settle_s - clock.since_s(attempt.claimed.armed_at)
    if too_early_s <= 0:
        attempt.armed = False
        return None
    believed_at = clock.now() + timedelta(seconds=too_early_s)
    return Ending(
        _move(attempt, Verdict(State.SCHEDULED, Reason.RECONCILE, believed_at, counted=False, stays_armed=True))
    )


_LOST_TIME = {
    "type": problem_type("restored"),
    "title": "It may have run after the backup",
    "detail": "The provider knows nothing of the attempt that a restored backup holds; a later one may have had the "
    "effect. Look there, then resolve it; one that did not happen can be retried afterwards.",
}


def _run(attempt: Attempt, action: AnyAction, given: Any, ctx: JobContext, max_result_bytes: int) -> Ending:
    if action.administrators_only:
        ctx.start_for_administrator(action)
    for kind in action.requires:
        if missing := ctx.settings(kind).missing():
            raise NotConfigured(
                f"{action.name} needs {', '.join(missing)}; an administrator sets it with PATCH /config."
            )
    ctx.check()
    attempt.trail.called_out |= bool(action.requires)  # a vendor's SDK asks the context for nothing
    result = action(given, ctx)
    attempt.confirmed = attempt.armed
    faults.reach("worker.after_effect")
    text = kept(result, max_result_bytes, writes=action.effect.writes)
    return Ending(_move(attempt, Verdict(State.SUCCEEDED), result=text))


def _after(error: BaseException, attempt: Attempt, action: AnyAction | None, now: datetime) -> Ending:
    if isinstance(error, TRANSIENT_ERRORS):
        error = _of_database(error, attempt.armed or (action is not None and action.effect.writes))
    _log_defect(error, attempt)
    ending = _ending(error, attempt, action, after_error(error, _facts(attempt, action), now, random.random()))
    return ending if attempt.armed or attempt.in_doubt else _armed_now(ending, now)


def _of_database(error: BaseException, may_have_happened: bool) -> ActionError:
    """The remedy of a database that was away under an action which asked it by itself: that is no defect of it."""
    named = (Uncertain if may_have_happened else Transient)("The database was away or took no writes meanwhile.")
    named.__cause__ = error
    return named


def _armed_now(ending: Ending, now: datetime) -> Ending:
    """An effect that may have happened without having been armed is armed afterwards, so that nobody forgets it."""
    if "armed_at" in ending.move.values or ending.move.to is State.SUCCEEDED:
        return ending
    values = {**ending.move.values, "armed_at": now, "marker": "{}"}
    return replace(ending, move=replace(ending.move, values=values, of_effect=True))


def _ending(error: BaseException, attempt: Attempt, action: AnyAction | None, verdict: Verdict) -> Ending:
    limited = None
    if isinstance(error, RateLimited) and action is not None:
        claimed = attempt.claimed
        limited = (
            error.provider or claimed.provider or action.provider,
            error.account or claimed.account,
            error.retry_at,
        )
    return Ending(_move(attempt, verdict), limited)


def _log_defect(error: BaseException, attempt: Attempt) -> None:
    if not isinstance(error, ActionError):
        # the traceback's frames, not the message: an exception's text may quote an input
        log.error(
            "the action broke",
            action=attempt.claimed.action,
            job=str(attempt.claimed.id),
            kind=type(error).__name__,
            at=frames_of(error),
        )


def _move(attempt: Attempt, verdict: Verdict, *, result: str | None = None) -> Move:
    claimed = attempt.claimed
    extra: dict[str, object] = {"result": result} if result is not None else {}
    newest = attempt.take_progress()
    if newest is not None:
        extra |= {"progress_fraction": newest[0], "progress_message": newest[1]}
    if verdict.to is State.SUCCEEDED and attempt.showed_progress:
        extra["progress_fraction"] = 1.0
    extra |= _origin(attempt.trail, claimed, verdict)
    move = transition(claimed.id, claimed.attempt, claimed.max_attempts, verdict, extra)
    return replace(move, of_effect=attempt.armed)


def _origin(trail: Trail, claimed: Claimed, verdict: Verdict) -> dict[str, object]:
    """What the ending says about whose words the result, or the error, holds."""
    found = trail.error_taint if verdict.error is not None else trail.result_taint
    extra: dict[str, object] = {"result_taint": found}
    if trail.sources:
        extra["sources"] = taint.as_column(taint.merged(taint.ids_of(claimed.sources), trail.sources))
    return extra
