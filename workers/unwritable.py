"""The ending of an attempt whose own words the database refuses, such as an instant that is no instant.

Whatever is tried, it will never be written; so the job ends without them. What is true of the effect stays true.
"""

from __future__ import annotations

from dataclasses import replace

from llmcoder import strict_json
from llmcoder.errors import problem_type
from llmcoder.states import Reason, State
from models.jobs.machine import ENDED, Move
from workers.attempt import Attempt

#: Columns that the engine itself fills, from which nothing of a provider's or an action's can come.
OURS = frozenset({"max_attempts", "losses", "armed_at", "marker"})


def bare(attempt: Attempt, move: Move, error: BaseException) -> Move:
    """The ending with nothing in it but what the engine knows.

    A read or draft whose result cannot be kept has failed, and says why. A write has had its effect, which no result
    undoes: it stays confirmed, and says what is missing. What was to be tried again is not, since it would end alike
    each time; where its effect may have happened, that stays open.
    """
    kind = type(error).__name__
    values = {name: value for name, value in move.values.items() if name in OURS}
    if move.to is State.SUCCEEDED and (attempt.armed or _writes(attempt)):
        left_out = {"detail": f"It happened. Its result cannot be kept ({kind}).", "fields": []}
        return replace(move, values=values | {"result": strict_json.write({"left_out": left_out})})
    if move.reason is Reason.AFTER_EFFECT:
        values["error"] = _problem(f"It happened, and what came after it cannot be kept ({kind}). Look there.")
        return replace(move, values=values)
    values["error"] = _problem(f"It ran, and how it ended cannot be kept ({kind}). Look at its input, and try another.")
    if move.to in ENDED - {State.SUCCEEDED}:
        return replace(move, values=values)
    if _may_have_happened(attempt, move):
        return replace(move, to=State.UNCERTAIN, reason=Reason.BROKE, or_cancel=False, values=values)
    return replace(move, to=State.FAILED, reason=None, or_cancel=False, values=values)


def _may_have_happened(attempt: Attempt, move: Move) -> bool:
    """Whether the effect that an attempt armed, or had without arming it, is still open after this ending."""
    if "armed_at" in move.values:
        return move.values["armed_at"] is not None
    return attempt.armed or attempt.in_doubt


def _writes(attempt: Attempt) -> bool:
    return attempt.action is not None and attempt.action.effect.writes


def _problem(detail: str) -> str:
    title = "The database does not take it"
    return strict_json.write({"type": problem_type("cannot-be-kept"), "title": title, "detail": detail})
