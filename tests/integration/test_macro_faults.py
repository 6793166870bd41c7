"""What one run raises ends that run, with the reason; everybody else's go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engine_kit import load_testkit
from macro_kit import Runs, echo

from llmcoder.config import Config
from llmcoder.context import User
from models.db import Database
from models.machine import State
from models.macros import expressions, progress, store
from workers.outbox import Outbox

load_testkit()


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield Runs(db, outbox, user)
    outbox.close()


#: Expressions that cannot be computed, or whose value nobody can keep.
EXPRESSIONS = {
    "a function that refuses a number": "length(`1`)",
    "a function that refuses null": "starts_with(input.nothing, 'a')",
    "an absolute value of a text": "abs(input.texts)",
    "a maximum of what cannot be compared": "max_by(input.list, &@.x)",
    "no number": "to_number('nan')",
    "an infinite number": "to_number('1e999')",
    "a number of more than 64 bits": "input.huge",
    "half a surrogate pair": "input.half",
    "keys that are no text": "sort_by(input.list, &@)",
    "a sum of texts": "sum(input.texts)",
}
GIVEN = {"list": [{"x": None}, {"x": 1}], "texts": ["a"], "huge": 18446744073709551616, "half": "\ud800"}
INPUT: dict[str, Any] = {name: {} for name in GIVEN} | {"nothing": {"required": False}}

#: Where an expression may stand, by what a step of a macro is then.
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "if": lambda text: echo("x", **{"if": f"${{{{ {text} }}}}"}),
    "foreach": lambda text: echo("x", foreach=f"${{{{ {text} }}}}"),
    "with": lambda text: echo("x", f"${{{{ {text} }}}}"),
    "within a text": lambda text: echo("x", f"so ${{{{ {text} }}}}!"),
    "an item": lambda text: echo("x", f"${{{{ {text} }}}}", foreach="${{ input.texts }}"),
    "wait_for until": lambda text: {"id": "x", "wait_for": {"until": f"${{{{ {text} }}}}"}},
    "wait_for approval": lambda text: {"id": "x", "wait_for": {"approval": f"${{{{ {text} }}}}"}},
    "a macro within": lambda text: {
        "id": "x", "action": "tasks.start_macro",
        "with": {"document": {"name": "inner", "steps": [echo("a", f"${{{{ {text} }}}}")]}},
    },
    "a macro's input": lambda text: {
        "id": "x", "action": "tasks.start_macro",
        "with": {"document": {"name": "inner", "input": {"a": {}}, "steps": [echo("a")]},
                 "input": {"a": f"${{{{ {text} }}}}"}},
    },
}  # fmt: skip


def on_error(how: str) -> dict[str, Any]:
    return {"on_error": {"fallback": "instead"} if how == "fallback" else how}


@pytest.mark.parametrize("how", ["fail", "continue", "fallback"])
@pytest.mark.parametrize("place", PLACES)
def test_an_expression_that_raises_fails_its_step_and_the_run_goes_by_its_on_error(
    runs: Runs, place: str, how: str
) -> None:
    """Each kind of error in that place, all at once and beside an honest run; whatever raises is a problem, no 500."""
    last = echo("after", "after ${{ steps.x.state }}", needs=["x"])
    started = {}
    for kind, text in EXPRESSIONS.items():
        steps = [PLACES[place](text) | on_error(how), *([echo("instead")] if how == "fallback" else []), last]
        started[kind] = runs.start(steps, GIVEN, input=INPUT)
    honest = runs.start([echo("a"), echo("b", "${{ steps.a.result.text }}")])
    for _ in range(6):
        runs.macros.advance()
        runs.work()
    assert runs.job(honest).state == State.SUCCEEDED
    for kind, run in started.items():
        job = runs.job(run)
        with runs.db.read() as conn:
            rows = {row.step: row for row in store.steps(conn, run) if row.item == -1}
        if job.state == State.WAITING:  # a question that can be asked
            assert place == "wait_for approval" and rows["x"].state == "submitted", (kind, rows)
            continue
        assert job.ended, (kind, rows)
        failed = rows["x"].state == "failed"
        if failed:
            assert rows["x"].error is not None and len(rows["x"].error["detail"]) <= 1_100
            assert "defect" not in rows["x"].error["type"], (kind, rows["x"].error)
        expected = State.FAILED if failed and how == "fail" else State.SUCCEEDED
        assert job.state == expected, (kind, job.error, rows)
        json.loads(json.dumps(job.as_json().decode()))


def test_most_kinds_fail_in_most_places(runs: Runs) -> None:
    """The table is of errors, and not of harmless values."""
    for kind in ("a function that refuses a number", "a function that refuses null", "no number"):
        run = runs.start([PLACES["with"](EXPRESSIONS[kind])], GIVEN, input=INPUT)
        runs.settle(run)
        assert runs.job(run).state == State.FAILED, kind


@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_an_output_that_cannot_be_kept_fails_the_run_with_the_reason(runs: Runs, kind: str) -> None:
    run = runs.start([echo("a")], GIVEN, input=INPUT, output={"said": f"${{{{ {EXPRESSIONS[kind]} }}}}"})
    runs.settle(run)
    job = runs.job(run)
    if job.state == State.FAILED:
        assert "output" in runs.error_of(run)["detail"]
    json.loads(job.as_json())


@pytest.mark.parametrize(
    "error", [KeyError("x"), MemoryError(), RecursionError(), ZeroDivisionError(), OSError(5, "x")]
)
@pytest.mark.parametrize("place", ["if", "foreach", "with", "an item", "wait_for until", "output"])
def test_whatever_the_evaluation_raises_is_the_problem_of_its_step(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    honest = runs.start([echo("a"), echo("b", "${{ steps.a.result.text }}")])
    steps = [PLACES[place]("input.trap")] if place in PLACES else [echo("x")]
    output = {"output": {"said": "${{ input.trap }}"}} if place == "output" else {}
    run = runs.start(steps, {"trap": "a", "texts": ["a"]}, input={"trap": {}, "texts": {}}, **output)
    computed = expressions.evaluate

    def evaluate(text: str, *more: Any, **named: Any) -> Any:
        if text == "input.trap":
            raise error
        return computed(text, *more, **named)

    monkeypatch.setattr(expressions, "evaluate", evaluate)
    monkeypatch.setattr(progress, "evaluate", evaluate)
    runs.settle(run, honest)
    assert (runs.job(run).state, runs.job(honest).state) == (State.FAILED, State.SUCCEEDED)
    assert runs.error_of(run)["type"] == "urn:llmcoder:problem:defect"
    assert type(error).__name__ in runs.error_of(run)["detail"]
