"""One attempt from the inside: what is armed is never forgotten, whoever ends the attempt and whenever."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from engine_kit import accept_one, row, take

from engine.outbox import Outbox
from llmcoder import Cancelled, Context, Effect, Model, Refused, Transient, action
from llmcoder.context import User
from llmcoder.states import Reason, State
from llmcoder.strict_json import storable, write_bytes
from models.db.database import Database
from models.jobs.claims import Claimed
from models.jobs.machine import lock
from workers.attempt import Attempt, End
from workers.context import JobContext
from workers.execute import Ending, execute, given_back, past_deadline
from workers.ledger import Ledger

pytestmark = pytest.mark.both_stores

S = State
NO_BROKER = "unix:///nowhere/redis.sock?db=0"
HALF = "\ud800"  # half of a surrogate pair, as vendors' JSON may hold


class Nothing(Model):
    """No input."""


class Done(Model):
    """What happened."""


def _find(given: Nothing, marker: Mapping[str, str], ctx: Context) -> Done | None:
    return Done() if marker["found"] == "yes" else None


@action("trial.find", effect=Effect.WRITE, repeatable=False, reconcile=_find)
def find(given: Nothing, ctx: Context) -> Done:
    """Have an effect that can be asked about."""
    ctx.armed({"found": "no"})
    return Done()


@action("trial.stop", effect=Effect.DRAFT)
def stop(given: Nothing, ctx: Context) -> Done:
    """Leave as code of asyncio does that somebody else cancelled."""
    raise asyncio.CancelledError


@action("trial.stammer", effect=Effect.DRAFT)
def stammer(given: Nothing, ctx: Context) -> Done:
    """Say what no database and no wire can carry."""
    ctx.progress(0.5, f"a{HALF}b\0c")
    ctx.emit_token(HALF)
    ctx.log("large", number=2**80, text=HALF)
    raise Refused(f"the provider said {HALF}")


class Report(Model):
    page: str
    receipt: str = "msg-1"


@action("trial.report", effect=Effect.WRITE, repeatable=False)
def report(given: Nothing, ctx: Context) -> Report:
    """Have an effect and say far too much about it."""
    ctx.armed()
    return Report(page="x" * 50_000)


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    with closing(Outbox(NO_BROKER, NO_BROKER, 400)) as never_started:
        yield never_started


@pytest.fixture
def ledger(db: Database, outbox: Outbox) -> Iterator[Ledger]:
    with closing(Ledger(db, outbox, "w1", "io", 30.0, {})) as made:
        made.start()
        yield made


@pytest.fixture
def claimed(db: Database, user: User) -> Claimed:
    return take(db, accept_one(db, user, action="trial.find", effect="write").id)[0]


@pytest.fixture
def run(db: Database, ledger: Ledger, outbox: Outbox) -> Callable[..., Ending]:
    def run(attempt: Attempt) -> Ending:
        attempt.start()
        return execute(attempt, JobContext(attempt, ledger, outbox, no_pause), db, 1_000)

    return run


def armed_before(claimed: Claimed, found: str = "no", ago_s: float = 300.0) -> Claimed:
    armed_at = claimed.started_at - timedelta(seconds=ago_s)
    return replace(claimed, armed_at=armed_at, marker=f'{{"found": "{found}"}}')


def no_pause(provider: str, account: str, until: datetime) -> None:
    """Nobody else is to wait."""


def keeps_armed(ending: Ending) -> bool:
    return "armed_at" not in ending.move.values


# --- an earlier attempt may have had the effect


def test_what_the_provider_knows_of_is_a_success(claimed: Claimed, run: Callable[..., Ending]) -> None:
    ending = run(Attempt(armed_before(claimed, found="yes"), find))
    assert (ending.move.to, ending.move.values["result"]) == (S.SUCCEEDED, "{}")


def test_what_the_provider_does_not_know_of_runs_again(
    db: Database, claimed: Claimed, run: Callable[..., Ending]
) -> None:
    assert run(Attempt(armed_before(claimed), find)).move.to is S.SUCCEEDED
    assert row(db, claimed.id).armed_at is not None


def test_not_being_found_is_not_believed_before_the_one_who_armed_it_can_have_sent_and_been_heard(
    claimed: Claimed, run: Callable[..., Ending]
) -> None:
    armed = armed_before(claimed, ago_s=find.timeout_s + find.settle_s - 1)
    ending = run(Attempt(armed, find))
    assert (ending.move.to, ending.move.reason, keeps_armed(ending)) == (S.SCHEDULED, Reason.RECONCILE, True)
    due_at = ending.move.values["due_at"]
    assert isinstance(due_at, datetime)
    assert abs((due_at - claimed.started_at).total_seconds() - 1) < 1, "a second later, whatever this one took"
    assert ending.move.values["max_attempts"] == claimed.max_attempts + 1


def test_an_input_that_no_longer_fits_does_not_forget_the_effect(claimed: Claimed, run: Callable[..., Ending]) -> None:
    ending = run(Attempt(replace(armed_before(claimed), input='{"new":1}'), find))
    assert (ending.move.to, ending.move.reason) == (S.SCHEDULED, Reason.RECONCILE)
    assert keeps_armed(ending)


def test_an_action_that_nobody_declares_any_more_is_uncertain_once_it_was_armed(
    claimed: Claimed, run: Callable[..., Ending]
) -> None:
    assert run(Attempt(claimed, None)).move.to is S.FAILED
    ending = run(Attempt(armed_before(claimed), None))
    assert (ending.move.to, keeps_armed(ending)) == (S.UNCERTAIN, True)


# --- somebody ends the attempt while it arms


def held_up(db: Database, claimed: Claimed, ledger: Ledger, outbox: Outbox, end: Callable[[Attempt], Any]) -> Any:
    """Arm while the database keeps everybody waiting, and call `end` meanwhile; returns attempt, verdict and error."""
    attempt = Attempt(claimed, find)
    attempt.start()
    ctx = JobContext(attempt, ledger, outbox, no_pause)
    with ThreadPoolExecutor(1) as pool:
        with db.write() as conn:
            lock(conn, [claimed.id])
            arming = pool.submit(ctx.armed, {"found": "no"})
            while not attempt.armed:
                assert not arming.done()
            verdict = end(attempt)
        return attempt, verdict, arming.exception(30)


def test_an_attempt_that_is_given_back_while_it_arms_sends_nothing_and_is_asked_about(
    db: Database, claimed: Claimed, ledger: Ledger, outbox: Outbox
) -> None:
    def give_back(attempt: Attempt) -> Any:
        assert attempt.settle()
        attempt.ask_to_end(End.LOST)
        return given_back(attempt, db.now())

    attempt, move, error = held_up(db, claimed, ledger, outbox, give_back)
    assert isinstance(error, Cancelled)
    assert (move.to, move.reason) == (S.SCHEDULED, Reason.RECONCILE), "it may be armed by then: it is not simply queued"
    assert not attempt.armed


def test_an_attempt_that_runs_out_of_time_while_it_arms_sends_nothing(
    db: Database, claimed: Claimed, ledger: Ledger, outbox: Outbox
) -> None:
    def overdue(attempt: Attempt) -> Any:
        attempt.ask_to_end(End.TIMED_OUT)
        return past_deadline(attempt, db.now())

    _, move, error = held_up(db, claimed, ledger, outbox, overdue)
    assert error is not None
    assert move.reason is Reason.RECONCILE


def test_a_database_that_is_away_lets_nothing_be_sent_and_the_job_is_tried_again(
    claimed: Claimed, outbox: Outbox
) -> None:
    attempt = Attempt(claimed, find)
    attempt.start()
    with closing(Ledger(Database("sqlite:////nowhere/at/all.db"), outbox, "w1", "io", 30.0, {})) as nowhere:
        nowhere.start()
        with pytest.raises(Transient, match="nothing was sent"):
            JobContext(attempt, nowhere, outbox, no_pause).armed({})
    assert not attempt.armed


# --- whatever an action does


def test_asyncios_cancellation_does_not_end_the_slot(claimed: Claimed, run: Callable[..., Ending]) -> None:
    assert run(Attempt(claimed, stop)).move.to is S.FAILED


def test_no_character_and_no_number_of_an_action_breaks_its_worker(
    db: Database, claimed: Claimed, run: Callable[..., Ending], ledger: Ledger
) -> None:
    ending = run(Attempt(claimed, stammer))
    assert ending.move.to is S.FAILED
    assert ledger.end(ending.move), "the database takes it"
    after = row(db, claimed.id)
    assert (after.progress_message, after.progress_fraction) == ("a\ufffdbc", 0.5)
    assert "the provider said \ufffd" in after.error


def test_what_can_be_carried_is_carried_as_it_is() -> None:
    assert write_bytes({"text": "Grüße 🎈", "n": 1.5}) == '{"text":"Grüße 🎈","n":1.5}'.encode()
    assert storable("Grüße 🎈") == "Grüße 🎈"


def test_only_the_first_who_asks_ends_an_attempt_or_frees_its_slot(claimed: Claimed) -> None:
    attempt = Attempt(claimed, find)
    ready = threading.Barrier(8)

    def ask(_: int) -> tuple[bool, bool]:
        ready.wait()
        return attempt.settle(), attempt.free_slot()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert [sum(each) for each in zip(*answers, strict=True)] == [1, 1]


def test_a_write_whose_result_is_too_large_succeeds_with_its_receipt(
    db: Database, user: User, run: Callable[..., Ending]
) -> None:
    claimed = take(db, accept_one(db, user, action="trial.report", effect="write").id)[0]
    move = run(Attempt(claimed, report)).move
    assert (move.to, move.values["error"]) == (S.SUCCEEDED, None)
    result = json.loads(str(move.values["result"]))
    assert (result["receipt"], result["left_out"]["fields"]) == ("msg-1", ["page"])


@pytest.mark.parametrize(("found", "to"), [("no", S.UNCERTAIN), ("yes", S.SUCCEEDED)])
def test_after_a_restore_not_finding_an_earlier_attempts_effect_is_no_proof(
    claimed: Claimed, run: Callable[..., Ending], found: str, to: State
) -> None:
    armed = armed_before(claimed, found=found)
    move = run(Attempt(replace(armed, restored_at=claimed.started_at), find)).move
    assert (move.to, move.reason) == (to, Reason.RESTORED if to is S.UNCERTAIN else None)


def test_what_a_person_had_retried_after_the_restore_is_believed_again(
    claimed: Claimed, run: Callable[..., Ending]
) -> None:
    armed = armed_before(claimed, ago_s=300)
    before = claimed.started_at - timedelta(seconds=600)
    assert run(Attempt(replace(armed, restored_at=before), find)).move.to is S.SUCCEEDED
