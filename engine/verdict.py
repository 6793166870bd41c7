"""What becomes of a job after an attempt that did not succeed: pure functions of the facts.

The order of the questions is the second promise: once the effect was armed, nothing is repeated unless the provider
was asked or the action says that repeating is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from llmcoder import strict_json
from llmcoder.declare.action import Retry
from llmcoder.errors import (
    ActionError,
    Awaiting,
    Cancelled,
    NeedsReconnect,
    RateLimited,
    Suspended,
    TimedOut,
    Transient,
    Uncertain,
    Unreadable,
    problem_type,
)
from llmcoder.registry import AnyAction
from llmcoder.states import Reason, State
from llmcoder.timing import TIMING
from models.jobs.claims import Lost
from models.jobs.machine import Move

MAX_LOSSES = 3  # workers that may die under a job that gets no further before it is called poison
LONGEST_DETAIL_CHARS = 4_000  # it often quotes a provider, who may answer with a page
TO_RUN_AGAIN = frozenset({State.QUEUED, State.SCHEDULED, State.WAITING})


@dataclass(frozen=True)
class Facts:
    """What is known of the job and its action when an attempt ends.

    Attributes:
        armed: The effect may have happened, in this attempt or an earlier one.
        in_doubt: An earlier attempt may have had the effect, and it was repeated all the same since that does no harm.
        confirmed: The effect has happened, in this attempt: the provider said so.
        attempt: The attempt that ended, from 1.
    """

    writes: bool
    repeatable: bool
    reconcilable: bool
    armed: bool
    attempt: int
    max_attempts: int
    retry: Retry
    in_doubt: bool = False
    confirmed: bool = False

    @property
    def failures(self) -> int:
        """Attempts that count, this one included; those that do not count raised `max_attempts`."""
        return max(1, self.retry.attempts - (self.max_attempts - self.attempt))

    @property
    def attempts_left(self) -> bool:
        return self.attempt < self.max_attempts


@dataclass(frozen=True)
class Verdict:
    """Where the job goes.

    Attributes:
        due_at: When it is due again; None where the state has no such time.
        error: Type, title and detail for the user; None keeps none.
        counted: Whether the attempt counts against `max_attempts`.
        stays_armed: Whether the next attempt must ask the provider before it runs.
    """

    to: State
    reason: Reason | None = None
    due_at: datetime | None = None
    error: dict[str, str] | None = None
    counted: bool = True
    stays_armed: bool = False


def after_error(error: BaseException, facts: Facts, now: datetime, chance: float) -> Verdict:
    """The verdict on an attempt that raised.

    Args:
        error: What the action raised; anything that is no `ActionError` is a bug in the action.
        chance: A random number from 0 to 1, for the jitter of retries.
    """
    happened = facts.confirmed or (isinstance(error, Unreadable) and facts.writes)  # also where it was not armed
    if happened and not isinstance(error, Suspended):
        return after_effect(error)
    return _keep_doubt(_after_error(error, facts, now, chance), facts)


def after_effect(error: BaseException) -> Verdict:
    """The verdict on an attempt that went wrong after its effect: never again, and nothing about it is unknown."""
    problem = as_problem(error)
    if not isinstance(error, Unreadable):
        known = "It happened: the provider has confirmed it. What came after it went wrong, so its result is not known."
        problem = {"type": problem_type("after-effect"), "title": "It happened, and then something went wrong"} | {
            "detail": f"{known} {problem['detail']}"[:LONGEST_DETAIL_CHARS]
        }
    return Verdict(State.FAILED, Reason.AFTER_EFFECT, error=problem, stays_armed=True)


def _after_error(error: BaseException, facts: Facts, now: datetime, chance: float) -> Verdict:
    problem = as_problem(error)
    if isinstance(error, Cancelled):
        return _open_effect(facts, Reason.CANCELLED, problem, now) or Verdict(State.CANCELLED)
    if isinstance(error, Suspended):
        reason = Reason.CALL if isinstance(error, Awaiting) else Reason.STEPS
        return Verdict(State.WAITING, reason, counted=False)
    if isinstance(error, NeedsReconnect):
        return Verdict(State.WAITING, Reason.RECONNECT, error=problem, counted=False)
    if isinstance(error, RateLimited):
        due_at = max(error.retry_at, now)
        return Verdict(State.SCHEDULED, Reason.RATE_LIMITED, due_at, problem, counted=False)
    if isinstance(error, Transient):
        return _again(facts, problem, now, chance)
    if isinstance(error, Uncertain | TimedOut):
        reason = Reason.TIMED_OUT if isinstance(error, TimedOut) else Reason.NO_ANSWER
        sent = isinstance(error, Uncertain) and facts.writes
        again = _again(facts, problem, now, chance, reason)
        return _open_effect(facts, reason, problem, now, sent=sent, again=again) or again
    if isinstance(error, ActionError):
        return Verdict(State.FAILED, error=problem)
    return _open_effect(facts, Reason.BROKE, problem, now) or Verdict(State.FAILED, error=problem)


def after_failed_reconcile(error: BaseException, facts: Facts, now: datetime, chance: float) -> Verdict:
    """The verdict when the provider could not say whether an armed effect happened: never forget that it is armed."""
    problem = as_problem(error)
    if isinstance(error, NeedsReconnect):
        return Verdict(State.WAITING, Reason.RECONNECT, error=problem, counted=False, stays_armed=True)
    if isinstance(error, RateLimited):
        due_at = max(error.retry_at, now)
        return Verdict(State.SCHEDULED, Reason.RATE_LIMITED, due_at, problem, counted=False, stays_armed=True)
    if facts.attempts_left:
        due_at = now + timedelta(seconds=facts.retry.wait_s(facts.failures, chance))
        return Verdict(State.SCHEDULED, Reason.RECONCILE, due_at, problem, stays_armed=True)
    return Verdict(State.UNCERTAIN, Reason.NO_ANSWER, error=problem, stays_armed=True)


def after_loss(facts: Facts, losses: int, cancel_requested: bool, now: datetime) -> Verdict:
    """The verdict on an attempt whose worker is gone.

    Args:
        losses: Workers that died under the job, this one included.
    """
    if facts.confirmed:
        return after_effect(Cancelled("The worker was stopped."))
    verdict = _after_loss(losses, cancel_requested, now)
    opened = _open_effect(facts, Reason.WORKER_LOST, _LOST_IN_EFFECT, now, again=verdict)
    return _keep_doubt(opened or verdict, facts)


def _after_loss(losses: int, cancel_requested: bool, now: datetime) -> Verdict:
    if cancel_requested:
        return Verdict(State.CANCELLED)
    if losses >= MAX_LOSSES:
        return Verdict(State.FAILED, Reason.WORKER_LOST, error=_POISON)
    return Verdict(State.QUEUED, Reason.RESCUED, due_at=now, counted=False)


def as_problem(error: BaseException) -> dict[str, str]:
    """The error as the user sees it; of a bug only its kind, since its text may hold anything."""
    if isinstance(error, ActionError):
        problem = error.as_problem()
        return problem | {"detail": problem["detail"][:LONGEST_DETAIL_CHARS]}
    if isinstance(error, MemoryError):
        detail = "The action ran out of memory. Give it a smaller input, or the worker more memory."
        return {"type": problem_type("out-of-memory"), "title": "Out of memory", "detail": detail}
    detail = f"The action broke with {type(error).__name__}. This is a defect; the worker's log has the traceback."
    return {"type": problem_type("defect"), "title": "The action broke", "detail": detail}


def _open_effect(
    facts: Facts,
    reason: Reason,
    problem: dict[str, str],
    now: datetime,
    *,
    sent: bool = False,
    again: Verdict | None = None,
) -> Verdict | None:
    """The verdict while the effect may have happened; None where it surely did not.

    Args:
        sent: The action says so, whether it armed the effect or not.
        again: What would follow if there were no effect; for one that may be repeated it does, while it repeats.
    """
    if not (facts.armed or sent):
        return None
    if facts.repeatable and again is not None and again.to in (State.SCHEDULED, State.QUEUED):
        return replace(again, stays_armed=True)
    if facts.armed and facts.reconcilable and facts.attempts_left:
        due_at = now + timedelta(seconds=TIMING.reconcile_after_s)
        return Verdict(State.SCHEDULED, Reason.RECONCILE, due_at, problem, stays_armed=True)
    return Verdict(State.UNCERTAIN, reason, error=problem, stays_armed=True)


def _keep_doubt(verdict: Verdict, facts: Facts) -> Verdict:
    """What may have happened in an earlier attempt has not failed, and is not forgotten."""
    if not facts.in_doubt:
        return verdict
    if verdict.to in (State.FAILED, State.CANCELLED):
        reason = verdict.reason or (Reason.CANCELLED if verdict.to is State.CANCELLED else Reason.NO_ANSWER)
        return replace(verdict, to=State.UNCERTAIN, reason=reason, stays_armed=True)
    return replace(verdict, stays_armed=True)


def _again(
    facts: Facts, problem: dict[str, str], now: datetime, chance: float, reason: Reason | None = None
) -> Verdict:
    if not facts.attempts_left:
        return Verdict(State.FAILED, reason, error=problem)
    due_at = now + timedelta(seconds=facts.retry.wait_s(facts.failures, chance))
    return Verdict(State.SCHEDULED, Reason.RETRY, due_at, problem)


_LOST_IN_EFFECT = {
    "type": problem_type("worker-lost"),
    "title": "The worker was lost",
    "detail": "The worker ended after the request may have been sent; look at the provider and resolve the job.",
}
_POISON = {
    "type": problem_type("worker-lost"),
    "title": "The worker was lost",
    "detail": f"{MAX_LOSSES} workers ended while they ran this job and it got no further, so it is not tried again.",
}


def lost_to_nobody(lost: Lost, action: AnyAction | None, now: datetime) -> Move:
    """The transition of a running job whose worker is gone.

    Args:
        action: None where this process does not know it. Then the word on an effect that may have happened is left to a
            worker that does: whoever claims the job asks before anything else.
    """
    if action is None and lost.armed_at is not None and lost.losses + 1 < MAX_LOSSES:
        due_at = now + timedelta(seconds=TIMING.reconcile_after_s)
        asked = Verdict(State.SCHEDULED, Reason.RECONCILE, due_at, _LOST_IN_EFFECT, counted=False, stays_armed=True)
        return transition(lost.id, lost.attempt, lost.max_attempts, asked, {"losses": lost.losses + 1})
    facts = facts_of(action, lost.armed_at is not None, lost.attempt, lost.max_attempts)
    losses = lost.losses + 1
    verdict = after_loss(facts, losses, lost.cancel_requested_at is not None, now)
    return transition(lost.id, lost.attempt, lost.max_attempts, verdict, {"losses": losses})


def facts_of(
    action: AnyAction | None,
    armed: bool,
    attempt: int,
    max_attempts: int,
    in_doubt: bool = False,
    confirmed: bool = False,
) -> Facts:
    """The facts of an attempt, as far as its action says them."""
    if action is None:  # of an unknown action only the worst may be assumed
        return Facts(True, False, False, armed, attempt, max_attempts, Retry(), confirmed=confirmed)
    return Facts(
        writes=action.effect.writes,
        repeatable=action.repeatable,
        reconcilable=action.reconcile is not None,
        armed=armed,
        attempt=attempt,
        max_attempts=max_attempts,
        retry=action.retry,
        in_doubt=in_doubt,
        confirmed=confirmed,
    )


def transition(job_id: Any, attempt: int, max_attempts: int, verdict: Verdict, extra: dict[str, object]) -> Move:
    """The move that writes a verdict; it is fenced by the attempt."""
    values: dict[str, object] = {"error": strict_json.write(verdict.error) if verdict.error else None}
    if verdict.due_at is not None:
        values["due_at"] = verdict.due_at
    if not verdict.counted:
        values["max_attempts"] = max_attempts + 1
    if not verdict.stays_armed and verdict.to is not State.SUCCEEDED:
        values |= {"armed_at": None, "marker": None}
    return Move(
        job_id,
        verdict.to,
        attempt,
        verdict.reason,
        only_from=frozenset({State.RUNNING}),
        or_cancel=verdict.to in TO_RUN_AGAIN and not verdict.stays_armed,
        values=values | extra,
    )
