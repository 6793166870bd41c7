"""Macros read in circles, and it is traced all the same whose words a step holds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from llmcoder.ids import new_id
from models.macros.document import Macro
from models.macros.progress import WHOLE, Progress, Row, StepState

LIST = "general.list_notes"


def macro(*steps: dict[str, Any]) -> Macro:
    return Macro.model_validate({"name": "Circles", "steps": [{"action": LIST, "with": {}, **step} for step in steps]})


def ended(step: str, state: StepState, job_id: UUID | None = None) -> Row:
    error = {"type": "t", "title": "t", "detail": "d"} if state is StepState.FAILED else None
    return Row(step, WHOLE, state, error=error, job_id=job_id)


EVERYTHING = "${{ [][][][] }}"
CIRCLES = {
    "a condition that reads everything, itself too": macro({"id": "a", "if": EVERYTHING}),
    "two of these": macro({"id": "a", "if": EVERYTHING}, {"id": "b", "if": EVERYTHING}),
    "an input that reads everything": macro(
        {"id": "a", "with": {"x": EVERYTHING}}, {"id": "b", "with": {"x": EVERYTHING}, "if": EVERYTHING}
    ),
    "a list that reads everything": macro({"id": "a", "foreach": EVERYTHING}, {"id": "b", "foreach": EVERYTHING}),
    "a fallback that reads the error of its step": macro(
        {"id": "a", "on_error": {"fallback": "b"}}, {"id": "b", "with": {"x": "${{ steps.a.error }}"}}
    ),
    "fallbacks of fallbacks that read everything": macro(
        {"id": "a", "on_error": {"fallback": "b"}},
        {"id": "b", "if": EVERYTHING, "on_error": {"fallback": "c"}},
        {"id": "c", "with": {"x": EVERYTHING}},
    ),
}


@pytest.mark.parametrize("document", CIRCLES.values(), ids=CIRCLES)
@pytest.mark.parametrize("state", [None, StepState.FAILED, StepState.SKIPPED, StepState.SUCCEEDED])
def test_a_run_that_reads_in_a_circle_goes_on_whatever_its_steps_have_come_to(
    document: Macro, state: StepState | None
) -> None:
    for number in range(len(document.steps) + 1):
        known = document.steps[:number] if state is not None else []
        rows = [ended(step.id, state, new_id()) for step in known if state is not None]
        without_jobs = [ended(step.id, state) for step in known if state is not None]
        for there in (rows, without_jobs):
            progress = Progress(document, {}, there)
            progress.next()
            assert set(progress.sources()) >= {row.job_id for row in there if row.job_id is not None}


def test_what_stands_in_for_a_failed_step_holds_the_words_of_its_error() -> None:
    failed = new_id()
    progress = Progress(
        CIRCLES["a fallback that reads the error of its step"], {}, [ended("a", StepState.FAILED, failed)]
    )
    (submit,) = progress.next().submits
    assert (submit.step.id, submit.sources) == ("b", (failed,))
