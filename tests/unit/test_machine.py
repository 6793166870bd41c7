"""The table of transitions: closed, and as the design says which states end a job."""

from __future__ import annotations

import pytest

from llmcoder.states import State
from models.jobs.machine import ENDED, TRANSITIONS

S = State


def reachable_from(start: State) -> set[State]:
    seen, ahead = {start}, [start]
    while ahead:
        new = TRANSITIONS[ahead.pop()] - seen
        seen |= new
        ahead.extend(new)
    return seen


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


def test_no_transition_leads_to_where_it_came_from() -> None:
    assert not [state for state, targets in TRANSITIONS.items() if state in targets]


@pytest.mark.parametrize("start", [S.QUEUED, S.SCHEDULED])
def test_every_state_is_reachable_from_where_a_job_begins(start: State) -> None:
    assert reachable_from(start) == set(State)


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
def test_whatever_has_not_ended_can_still_end_in_success_and_in_cancellation(state: State) -> None:
    assert {S.SUCCEEDED, S.CANCELLED} <= reachable_from(state)


def test_success_is_for_ever() -> None:
    assert TRANSITIONS[S.SUCCEEDED] == frozenset()


@pytest.mark.parametrize("state", [S.FAILED, S.CANCELLED])
def test_failed_and_cancelled_only_lead_back_to_the_queue_or_to_a_person(state: State) -> None:
    assert TRANSITIONS[state] == {S.QUEUED, S.WAITING}


def test_an_attempt_begins_only_from_the_queue() -> None:
    assert [state for state, targets in TRANSITIONS.items() if S.RUNNING in targets] == [S.QUEUED]


def test_success_comes_from_an_attempt_from_its_steps_or_from_settling_what_was_uncertain() -> None:
    leading = {state for state, targets in TRANSITIONS.items() if S.SUCCEEDED in targets}
    assert leading == {S.RUNNING, S.WAITING, S.UNCERTAIN}


def test_what_is_cancelled_never_began_or_was_running() -> None:
    assert {state for state, targets in TRANSITIONS.items() if S.CANCELLED in targets} == set(State) - ENDED
