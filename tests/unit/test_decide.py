"""What becomes of a job after an attempt that did not succeed: every branch, and the second promise over all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.verdict import (
    LONGEST_DETAIL_CHARS,
    MAX_LOSSES,
    Facts,
    Verdict,
    after_error,
    after_failed_reconcile,
    after_loss,
    as_problem,
)
from llmcoder import ActionError, BadInput, NeedsReconnect, RateLimited, Retry, Transient, Uncertain
from llmcoder.errors import Cancelled, Forbidden, NotConfigured, NotFound, Refused, TimedOut, Unreadable
from llmcoder.states import Reason, State
from llmcoder.timing import TIMING
from models.jobs.machine import TRANSITIONS

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=7)
RETRY = Retry(attempts=3, first_wait_s=10, factor=3, jitter=0)
EVEN = 0.5  # the chance that leaves a wait as it is


def read(**known: object) -> Facts:
    facts = {"writes": False, "repeatable": True, "reconcilable": False, "armed": False, "attempt": 1}
    return Facts(**(facts | {"max_attempts": 3, "retry": RETRY} | known))  # type: ignore[arg-type]


def write(**known: object) -> Facts:
    return read(**({"writes": True, "repeatable": False} | known))


BLIND = write(armed=True)
FINDABLE = write(armed=True, reconcilable=True)
REPEATABLE = write(armed=True, repeatable=True)
DOUBTFUL = write(in_doubt=True, repeatable=True)
LAST = {"attempt": 3}


def outcome(verdict: Verdict) -> tuple[object, ...]:
    wait_s = None if verdict.due_at is None else (verdict.due_at - NOW).total_seconds()
    return verdict.to, verdict.reason, wait_s, verdict.counted, verdict.stays_armed


def stands(to: State, reason: Reason | None = None) -> tuple[object, ...]:
    return to, reason, None, True, False


def again(wait_s: float) -> tuple[object, ...]:
    return State.SCHEDULED, Reason.RETRY, wait_s, True, False


def again_in_doubt(wait_s: float) -> tuple[object, ...]:
    return State.SCHEDULED, Reason.RETRY, wait_s, True, True


ASKS = (State.SCHEDULED, Reason.RECONCILE, TIMING.reconcile_after_s, True, True)
RECONNECT = (State.WAITING, Reason.RECONNECT, None, False, False)
WAITS = (State.SCHEDULED, Reason.RATE_LIMITED, 420.0, False, False)


def unknown(reason: Reason) -> tuple[object, ...]:
    return State.UNCERTAIN, reason, None, True, True


AFTER_ERROR = [
    # what ends a job whatever it is
    (BadInput("x"), read(), stands(State.FAILED)),
    (NotFound("x"), write(), stands(State.FAILED)),
    (Forbidden("x"), BLIND, stands(State.FAILED)),
    (NotConfigured("x"), read(), stands(State.FAILED)),
    (Refused("x"), FINDABLE, stands(State.FAILED)),
    # what waits for somebody and burns no attempt
    (NeedsReconnect("x"), read(**LAST), RECONNECT),
    (NeedsReconnect("x"), BLIND, RECONNECT),
    (RateLimited("x", LATER), read(**LAST), WAITS),
    (RateLimited("x", LATER), BLIND, WAITS),
    (RateLimited("x", NOW - timedelta(hours=1)), read(), (State.SCHEDULED, Reason.RATE_LIMITED, 0.0, False, False)),
    # it surely did not happen
    (Transient("x"), read(), again(10)),
    (Transient("x"), read(attempt=2), again(30)),
    (Transient("x"), read(**LAST), stands(State.FAILED)),
    (Transient("x"), BLIND, again(10)),
    (Transient("x"), read(attempt=7, max_attempts=9), again(10)),  # six of the seven did not count
    # it may have happened
    (Uncertain("x"), read(), again(10)),
    (Uncertain("x"), read(**LAST), stands(State.FAILED, Reason.NO_ANSWER)),
    (Uncertain("x"), write(), unknown(Reason.NO_ANSWER)),  # a write that says so was sent, armed or not
    (Uncertain("x"), BLIND, unknown(Reason.NO_ANSWER)),
    (Uncertain("x"), FINDABLE, ASKS),
    (Uncertain("x"), write(armed=True, reconcilable=True, **LAST), unknown(Reason.NO_ANSWER)),
    (Uncertain("x"), REPEATABLE, again_in_doubt(10)),
    (Uncertain("x"), write(armed=True, repeatable=True, **LAST), unknown(Reason.NO_ANSWER)),
    # it took too long
    (TimedOut("x"), read(), again(10)),
    (TimedOut("x"), read(**LAST), stands(State.FAILED, Reason.TIMED_OUT)),
    (TimedOut("x"), write(), again(10)),  # not armed, so nothing was sent
    (TimedOut("x"), BLIND, unknown(Reason.TIMED_OUT)),
    (TimedOut("x"), FINDABLE, ASKS),
    (TimedOut("x"), REPEATABLE, again_in_doubt(10)),
    # somebody cancelled it
    (Cancelled("x"), read(), stands(State.CANCELLED)),
    (Cancelled("x"), write(), stands(State.CANCELLED)),
    (Cancelled("x"), BLIND, unknown(Reason.CANCELLED)),
    (Cancelled("x"), FINDABLE, ASKS),
    (Cancelled("x"), REPEATABLE, unknown(Reason.CANCELLED)),
    # a defect
    (ValueError("x"), read(), stands(State.FAILED)),
    (ValueError("x"), write(), stands(State.FAILED)),
    (ValueError("x"), BLIND, unknown(Reason.BROKE)),
    (ValueError("x"), FINDABLE, ASKS),
    (ValueError("x"), REPEATABLE, unknown(Reason.BROKE)),
    (MemoryError(), read(), stands(State.FAILED)),
    (SystemExit(3), BLIND, unknown(Reason.BROKE)),
    # this attempt surely did nothing, and an earlier one may have
    (Transient("x"), DOUBTFUL, again_in_doubt(10)),
    (Transient("x"), write(in_doubt=True, repeatable=True, **LAST), unknown(Reason.NO_ANSWER)),
    (BadInput("x"), DOUBTFUL, unknown(Reason.NO_ANSWER)),
    (Cancelled("x"), DOUBTFUL, unknown(Reason.CANCELLED)),
    (NeedsReconnect("x"), DOUBTFUL, (State.WAITING, Reason.RECONNECT, None, False, True)),
]


@pytest.mark.parametrize(("error", "facts", "expected"), AFTER_ERROR, ids=lambda value: type(value).__name__)
def test_the_verdict_on_an_attempt_that_raised(
    error: BaseException, facts: Facts, expected: tuple[object, ...]
) -> None:
    assert outcome(after_error(error, facts, NOW, EVEN)) == expected


AFTER_FAILED_RECONCILE = [
    (NeedsReconnect("x"), FINDABLE, (State.WAITING, Reason.RECONNECT, None, False, True)),
    (RateLimited("x", LATER), FINDABLE, (State.SCHEDULED, Reason.RATE_LIMITED, 420.0, False, True)),
    (Transient("x"), FINDABLE, (State.SCHEDULED, Reason.RECONCILE, 10.0, True, True)),
    (ValueError("x"), FINDABLE, (State.SCHEDULED, Reason.RECONCILE, 10.0, True, True)),
    (BadInput("x"), write(armed=True, reconcilable=True, **LAST), unknown(Reason.NO_ANSWER)),
    (Cancelled("x"), write(armed=True, reconcilable=True, **LAST), unknown(Reason.NO_ANSWER)),
]


@pytest.mark.parametrize(("error", "facts", "expected"), AFTER_FAILED_RECONCILE, ids=lambda value: type(value).__name__)
def test_a_provider_that_cannot_say_leaves_the_job_armed(
    error: BaseException, facts: Facts, expected: tuple[object, ...]
) -> None:
    assert outcome(after_failed_reconcile(error, facts, NOW, EVEN)) == expected


RESCUED = (State.QUEUED, Reason.RESCUED, 0.0, False, False)
AFTER_LOSS = [
    (read(), 1, False, RESCUED),
    (read(**LAST), 1, False, RESCUED),  # not the job's fault, so it counts for nothing
    (read(), MAX_LOSSES, False, stands(State.FAILED, Reason.WORKER_LOST)),
    (read(), 1, True, stands(State.CANCELLED)),
    (write(), 1, False, RESCUED),
    (BLIND, 1, False, unknown(Reason.WORKER_LOST)),
    (BLIND, 1, True, unknown(Reason.WORKER_LOST)),
    (FINDABLE, 1, False, ASKS),
    (write(armed=True, reconcilable=True, **LAST), 1, False, unknown(Reason.WORKER_LOST)),
    (REPEATABLE, 1, False, (State.QUEUED, Reason.RESCUED, 0.0, False, True)),
    (REPEATABLE, MAX_LOSSES, False, unknown(Reason.WORKER_LOST)),
    (REPEATABLE, 1, True, unknown(Reason.WORKER_LOST)),
    (DOUBTFUL, 1, True, unknown(Reason.CANCELLED)),
    (DOUBTFUL, MAX_LOSSES, False, unknown(Reason.WORKER_LOST)),
]


@pytest.mark.parametrize(("facts", "losses", "cancelled", "expected"), AFTER_LOSS)
def test_the_verdict_on_an_attempt_whose_worker_is_gone(
    facts: Facts, losses: int, cancelled: bool, expected: tuple[object, ...]
) -> None:
    assert outcome(after_loss(facts, losses, cancelled, NOW)) == expected


@given(
    error=st.deferred(lambda: ERRORS),
    armed=st.booleans(),
    in_doubt=st.booleans(),
    attempt=st.integers(1, 5),
    losses=st.integers(1, 5),
)
def test_what_may_have_happened_is_never_called_failed_or_cancelled_even_if_it_may_be_repeated(
    error: BaseException, armed: bool, in_doubt: bool, attempt: int, losses: int
) -> None:
    facts = write(repeatable=True, armed=armed, in_doubt=in_doubt, attempt=attempt)
    over = {State.FAILED, State.CANCELLED}
    surely_not = isinstance(error, ActionError) and not isinstance(error, Uncertain | TimedOut | Cancelled)
    verdict = after_error(error, facts, NOW, EVEN)
    if in_doubt or (armed and not surely_not):
        assert verdict.to not in over
        assert verdict.stays_armed
    if in_doubt or armed:
        assert after_loss(facts, losses, False, NOW).to not in over


ERRORS = st.sampled_from([error for error, _, _ in AFTER_ERROR])
ARMED = st.builds(
    Facts,
    writes=st.just(True),
    repeatable=st.just(False),
    reconcilable=st.booleans(),
    armed=st.just(True),
    attempt=st.integers(1, 5),
    max_attempts=st.integers(1, 5),
    retry=st.just(RETRY),
)
SURE_IT_DID_NOT_HAPPEN = (Transient, RateLimited, NeedsReconnect)


@given(error=ERRORS, facts=ARMED, chance=st.floats(0, 1))
def test_an_armed_effect_that_is_not_repeatable_runs_again_only_if_it_surely_did_not_happen(
    error: BaseException, facts: Facts, chance: float
) -> None:
    verdict = after_error(error, facts, NOW, chance)
    if verdict.to in (State.QUEUED, State.SCHEDULED, State.WAITING):
        assert verdict.stays_armed or isinstance(error, SURE_IT_DID_NOT_HAPPEN)
    if verdict.stays_armed and verdict.to is not State.UNCERTAIN:
        assert facts.reconcilable


@given(facts=ARMED, losses=st.integers(1, 9), cancelled=st.booleans())
def test_an_armed_effect_of_a_lost_worker_is_asked_about_or_uncertain(
    facts: Facts, losses: int, cancelled: bool
) -> None:
    verdict = after_loss(facts, losses, cancelled, NOW)
    assert verdict.stays_armed
    assert verdict.to is State.UNCERTAIN or (facts.reconcilable and verdict.reason is Reason.RECONCILE)


@given(error=ERRORS, facts=ARMED, chance=st.floats(0, 1))
def test_nothing_makes_a_failed_reconcile_forget_the_effect(error: BaseException, facts: Facts, chance: float) -> None:
    assert after_failed_reconcile(error, facts, NOW, chance).stays_armed


@given(error=ERRORS, facts=st.one_of(ARMED, st.just(read()), st.just(REPEATABLE)), chance=st.floats(0, 1))
def test_every_verdict_is_a_transition_that_a_running_job_may_make(
    error: BaseException, facts: Facts, chance: float
) -> None:
    for verdict in (after_error(error, facts, NOW, chance), after_loss(facts, 1, False, NOW)):
        assert verdict.to in TRANSITIONS[State.RUNNING]
        assert (verdict.due_at is not None) == (verdict.to in (State.SCHEDULED, State.QUEUED))


def test_a_defect_shows_its_kind_and_never_its_text() -> None:
    problem = as_problem(ValueError("canary"))
    assert "ValueError" in problem["detail"]
    assert "canary" not in str(problem)


def test_out_of_memory_says_what_to_do() -> None:
    assert "smaller input" in as_problem(MemoryError())["detail"]


def test_an_error_on_purpose_shows_its_own_words() -> None:
    assert as_problem(BadInput("the key is OPS-42"))["detail"] == "the key is OPS-42"


def test_a_provider_that_answers_with_a_page_is_quoted_briefly() -> None:
    problem = as_problem(Refused("x" * 1_000_000))
    assert len(problem["detail"]) == LONGEST_DETAIL_CHARS


# --- the provider has said that it happened

DONE = write(armed=True, confirmed=True)


@pytest.mark.parametrize(
    "facts",
    [
        DONE,
        write(armed=True, confirmed=True, reconcilable=True),
        write(armed=True, confirmed=True, repeatable=True),
        write(in_doubt=True, repeatable=True, armed=True, confirmed=True),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        Transient("x"),
        Uncertain("x"),
        Refused("x"),
        TimedOut("x"),
        Cancelled("x"),
        NeedsReconnect("x"),
        RateLimited("x", LATER),
        ValueError("x"),
        MemoryError(),
    ],
)
def test_what_fails_after_a_confirmed_effect_is_a_failure_that_is_never_repeated(
    facts: Facts, error: BaseException
) -> None:
    verdict = after_error(error, facts, NOW, EVEN)
    assert outcome(verdict) == (State.FAILED, Reason.AFTER_EFFECT, None, True, True)
    assert verdict.error is not None and "happened" in verdict.error["title"]


@pytest.mark.parametrize("facts", [write(), write(repeatable=True), write(in_doubt=True, repeatable=True)])
def test_an_answer_that_says_yes_and_cannot_be_read_is_an_effect_though_nobody_armed_it(facts: Facts) -> None:
    verdict = after_error(Unreadable("it is made, and its id is lost"), facts, NOW, EVEN)
    assert outcome(verdict) == (State.FAILED, Reason.AFTER_EFFECT, None, True, True)
    assert outcome(after_error(Unreadable("x"), read(), NOW, EVEN)) == stands(State.FAILED)


def test_a_worker_that_stops_after_a_confirmed_effect_does_not_make_it_unknown() -> None:
    assert after_loss(DONE, 1, False, NOW).reason is Reason.AFTER_EFFECT
