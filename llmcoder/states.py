"""The states of a job, and the reasons for which it stands in one: the words that every layer and every client uses."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # due, not yet claimed
    SCHEDULED = "scheduled"  # due later; the reason says why
    RUNNING = "running"  # claimed by an attempt that holds a lease
    WAITING = "waiting"  # for a person or for other jobs; the reason says which
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"  # the effect may have happened, and nobody could tell so far


class Reason(StrEnum):
    """Why a job stands where it does, when the state alone does not say."""

    DELAY = "delay"  # scheduled: the caller asked for a later time
    RETRY = "retry"  # scheduled: after a transient failure
    RATE_LIMITED = "rate_limited"  # scheduled: the provider asked to wait
    RECONCILE = "reconcile"  # queued or scheduled: the provider is asked whether it happened
    RESCUED = "rescued"  # queued: the worker that had it is gone
    RELEASED = "released"  # queued: a worker that stopped gave it back
    UNDO_WINDOW = "undo_window"  # scheduled: held back for a while, so that it can still be cancelled for certain
    APPROVAL = "approval"  # waiting: a person decides whether it runs
    STEPS = "steps"  # waiting: for the steps of a macro, which are jobs of their own
    UNCERTAIN_STEP = "uncertain_step"  # waiting: a person says whether the effect of a macro's step took place
    CALL = "call"  # waiting: for somebody outside to call the address of a macro's step
    PREVIOUS = "previous"  # waiting: the job before it, of the same schedule, has not ended
    RECONNECT = "reconnect"  # waiting: a person must connect the account again
    UNKNOWN_ACTION = "unknown_action"  # waiting: no running worker knows the action
    UNKNOWN_STEP = "unknown_step"  # waiting: it is a macro, and no scheduler that looked knows the action of its step
    WORKER_LOST = "worker_lost"  # failed, uncertain: workers died under it
    TIMED_OUT = "timed_out"  # failed, uncertain: ran past its deadline
    CANCELLED = "cancelled"  # uncertain: cancelled when the effect was under way
    NO_ANSWER = "no_answer"  # uncertain: the provider did not answer
    RESTORED = "restored"  # uncertain: it had not ended in a backup that was restored, and may have run since
    BROKE = "broke"  # uncertain: the action broke after the effect was armed
    AFTER_EFFECT = "after_effect"  # failed: the effect took place, as the provider said; what came after it went wrong
    REJECTED = "rejected"  # cancelled: a person said no
    EXPIRED = "expired"  # cancelled: nobody approved it in time
    RESOLVED = "resolved"  # succeeded, failed: a person said how it ended
    OTHER = "other"  # one that a newer version wrote, while processes of both run

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        return cls.OTHER if isinstance(value, str) else None
