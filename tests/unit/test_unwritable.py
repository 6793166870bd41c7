"""An ending that no database takes: the job ends without its words, and what is true of the effect stays true."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import sqlalchemy as sa

from llmcoder.context import Context
from llmcoder.declare.action import Action, Effect, action
from llmcoder.ids import new_id
from llmcoder.model import Model
from llmcoder.states import Reason, State
from models.db.group_commit import Closed
from models.jobs.claims import Claimed
from models.jobs.machine import ENDED, TRANSITIONS, Move
from workers.attempt import Attempt
from workers.ledger import Ledger
from workers.runtime import MOST_TRIES, Runtime, Unwritten
from workers.unwritable import bare

S = State
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REFUSED = sa.exc.DataError("UPDATE", None, Exception("no such instant"))
AWAY = sa.exc.OperationalError("UPDATE", None, Exception("the connection is closed"))
ARMED: dict[str, object] = {}  # values that leave the row's `armed_at` as it is
DISARMED: dict[str, object] = {"armed_at": None, "marker": None}
ARMED_NOW: dict[str, object] = {"armed_at": NOW, "marker": "{}"}


class Nothing(Model):
    """Nothing."""


@action("tiny.send", effect=Effect.WRITE, repeatable=False)
def send(given: Nothing, ctx: Context) -> Nothing:
    """Send it."""
    return given


@action("tiny.draft", effect=Effect.DRAFT)
def draft(given: Nothing, ctx: Context) -> Nothing:
    """Draft it."""
    return given


WRITE, DRAFT = send, draft


def attempt_of(action: Action[Any, Any], *, armed: bool) -> Attempt:
    claimed = Claimed(
        new_id(), new_id(), "alice@example.org", action.name, "{}", 1, 3, 0, NOW if armed else None, None, None, NOW,
        NOW, NOW, provider="", account="",
    )  # fmt: skip
    return Attempt(claimed, action)


def move_of(attempt: Attempt, to: State, **values: object) -> Move:
    return Move(attempt.claimed.id, to, 1, only_from=frozenset({S.RUNNING}), or_cancel=to not in ENDED, values=values)


@pytest.mark.parametrize(
    ("action", "armed", "to", "values", "becomes"),
    [
        (DRAFT, False, S.SUCCEEDED, {"result": "\0"}, S.FAILED),
        (WRITE, True, S.SUCCEEDED, {"result": "\0"}, S.SUCCEEDED),
        (WRITE, False, S.SUCCEEDED, {"result": "\0"}, S.SUCCEEDED),
        (DRAFT, False, S.FAILED, DISARMED, S.FAILED),
        (WRITE, True, S.FAILED, DISARMED, S.FAILED),
        (DRAFT, False, S.CANCELLED, DISARMED, S.CANCELLED),
        (WRITE, True, S.UNCERTAIN, ARMED, S.UNCERTAIN),
        (WRITE, False, S.UNCERTAIN, ARMED_NOW, S.UNCERTAIN),
        (DRAFT, False, S.SCHEDULED, DISARMED, S.FAILED),
        (DRAFT, False, S.WAITING, DISARMED, S.FAILED),
        (WRITE, True, S.SCHEDULED, DISARMED, S.FAILED),
        (WRITE, True, S.SCHEDULED, ARMED, S.UNCERTAIN),
        (WRITE, True, S.WAITING, ARMED, S.UNCERTAIN),
        (WRITE, False, S.SCHEDULED, ARMED_NOW, S.UNCERTAIN),
        (WRITE, True, S.QUEUED, ARMED, S.UNCERTAIN),
    ],
)
def test_the_job_ends_and_its_effect_stays_what_it_is(
    action: Action[Any, Any], armed: bool, to: State, values: dict[str, object], becomes: State
) -> None:
    attempt = attempt_of(action, armed=armed)
    theirs = {"error": "\0", "due_at": "never", "progress_message": "\0", "progress_fraction": "x"}
    ending = bare(attempt, move_of(attempt, to, **values, **theirs), REFUSED)
    assert ending.to is becomes and ending.to in TRANSITIONS[S.RUNNING]
    assert not set(ending.values) & {"due_at", "progress_message", "progress_fraction"}
    assert "\0" not in json.dumps(dict(ending.values), default=str)
    assert {name: ending.values.get(name, "kept") for name in ("armed_at",)} == {
        "armed_at": values.get("armed_at", "kept")
    }
    told = json.loads(str(ending.values.get("error") or ending.values["result"]))
    assert "DataError" in json.dumps(told)


class OneJob(Runtime):
    """As much of a worker process as the writing of endings needs; what is handed in is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unwritten, self._written_at = [], float("-inf")
        self.handed_in: list[Move] = []
        self.answer: Callable[[Any], None] | None = None
        self.forgotten: list[Attempt] = []
        self.ledger = cast("Ledger", self)

    def end_soon(self, move: Move, report: Callable[[Any], None]) -> None:
        self.handed_in.append(move)
        self.answer = report

    def say(self, answer: Any) -> None:
        assert self.answer is not None
        self.answer(answer)

    def _forget(self, attempt: Attempt) -> None:
        self.forgotten.append(attempt)


def test_an_absent_database_is_waited_for_however_long_it_takes() -> None:
    process, attempt = OneJob(), attempt_of(WRITE, armed=True)
    process._write(attempt, move_of(attempt, S.SUCCEEDED, result="{}"))
    for error in [AWAY] * (MOST_TRIES + 5) + [Closed("closed")]:
        process.say(error)
        process.write_again()
    assert {move.to for move in process.handed_in} == {S.SUCCEEDED} and process.forgotten == []


def test_what_is_refused_for_what_it_holds_is_written_bare_at_once() -> None:
    process, attempt = OneJob(), attempt_of(DRAFT, armed=False)
    process._write(attempt, move_of(attempt, S.SUCCEEDED, result="\0"))
    process.say(REFUSED)
    assert [move.to for move in process.handed_in] == [S.SUCCEEDED, S.FAILED]
    process.write_again()
    assert len(process.handed_in) == 2


def test_what_not_even_bare_can_be_written_is_let_go_and_never_tried_again() -> None:
    process, attempt = OneJob(), attempt_of(DRAFT, armed=False)
    process._write(attempt, move_of(attempt, S.SUCCEEDED, result="\0"))
    process.say(REFUSED)
    process.say(REFUSED)
    process.write_again()
    assert process.forgotten == [attempt] and len(process.handed_in) == 2


def test_what_alone_fails_for_a_minute_while_others_are_written_is_refused_for_what_it_holds() -> None:
    process, attempt = OneJob(), attempt_of(DRAFT, armed=False)
    process._written(Unwritten(attempt, move_of(attempt, S.SUCCEEDED), since=float("-inf")), AWAY)
    for _ in range(MOST_TRIES):
        process._written_at = 0.0  # another's ending was written meanwhile
        process.write_again()
        process.say(AWAY)
    assert process.handed_in[-1].to is S.FAILED
    assert {move.to for move in process.handed_in[:-1]} == {S.SUCCEEDED}


def test_reasons_of_an_ending_that_was_to_go_on_do_not_outlive_it() -> None:
    attempt = attempt_of(WRITE, armed=True)
    scheduled = Move(attempt.claimed.id, S.SCHEDULED, 1, Reason.RECONCILE, or_cancel=True, values={"due_at": NOW})
    assert bare(attempt, scheduled, REFUSED).reason is Reason.BROKE
