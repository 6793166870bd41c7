"""What one run raises ends that run, with the reason; everybody else's go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit
from macro_kit import Runs, echo, runs_on

from engine import macro_runs as macros
from engine import macro_step
from engine.enqueue import AfterCommit
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs
from models.macros import expressions, progress, store
from models.macros.tables import macro_runs, macro_steps

pytestmark = pytest.mark.both_stores

load_testkit()


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    with runs_on(db, redis_url, user) as made:
        yield made


#: Expressions that cannot be computed, or whose value nobody can keep.
EXPRESSIONS = {
    "a function that refuses a number": "length(`1`)",
    "a function that refuses null": "starts_with(input.nothing, 'a')",
    "a slice of step 0": "input.list[::0]",
    "everything there is, also itself": "[][][][]",
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
        runs.look()
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


# --- what no step is to blame for


class Panic(BaseException):
    """As libraries written in other languages raise it."""


def breaking(monkeypatch: pytest.MonkeyPatch, run: UUID, error: BaseException) -> None:
    """Have every look at that run raise."""
    go = macro_step.MacroStep.go

    def breaks(self: macro_step.MacroStep) -> AfterCommit:
        if self._run.job.id == run:
            raise error
        return go(self)

    monkeypatch.setattr(macro_step.MacroStep, "go", breaks)


@pytest.mark.parametrize("error", [RuntimeError("x"), MemoryError(), RecursionError(), Panic()])
def test_a_run_whose_looks_break_ends_after_some_and_the_others_go_on(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    run, honest = runs.start([echo("a"), echo("b")]), runs.start([echo("a"), echo("b", needs=["a"])])
    runs.look()
    breaking(monkeypatch, run, error)
    runs.work()
    runs.settle(honest)
    assert runs.job(honest).state == State.SUCCEEDED
    assert runs.job(run).state == State.WAITING, "it is tried again"
    for rest_s in macros.RESTS_S:
        runs.pass_time(rest_s + 1)
        runs.look()
    ended = runs.job(run)
    assert ended.state == State.FAILED
    assert type(error).__name__ in runs.error_of(run)["detail"]
    assert f"It was tried {len(macros.RESTS_S) + 1} times" in runs.error_of(run)["detail"]
    with runs.db.read() as conn:
        assert store.users_due(conn, runs.db.now()) == []


def test_a_run_that_breaks_takes_its_steps_along_and_one_good_look_forgets_the_bad_ones(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.start([echo("a"), echo("b", needs=["a"])])
    with monkeypatch.context() as broken:
        breaking(broken, run, RuntimeError("x"))
        runs.look()
        runs.pass_time(macros.RESTS_S[0] + 1)
    runs.look()
    with runs.db.read() as conn:
        assert conn.execute(sa.select(macro_runs.c.failures).where(macro_runs.c.job_id == run)).scalar() == 0
    breaking(monkeypatch, run, RuntimeError("x"))
    with runs.db.write() as conn:
        store.look_again(conn, run, runs.db.now())
    runs.look()
    for rest_s in macros.RESTS_S:
        runs.pass_time(rest_s + 1)
        runs.look()
    assert runs.job(run).state == State.FAILED
    assert [job.state for job in runs.steps_of(run)] == [State.CANCELLED]


CORRUPT: dict[str, Callable[[sa.Connection, UUID], Any]] = {
    "document": lambda conn, run: _set(conn, macro_runs, macro_runs.c.job_id, run, document="{"),
    "input": lambda conn, run: _set(conn, macro_runs, macro_runs.c.job_id, run, input="{"),
    "a list's value": lambda conn, run: _set(
        conn, macro_steps, macro_steps.c.run_id, run, state="expanded", value="{", result=None
    ),
    "a step's state": lambda conn, run: _set(conn, macro_steps, macro_steps.c.run_id, run, state="gone"),
    "a step's result": lambda conn, run: _set(conn, jobs, jobs.c.parent_id, run, result="{"),
    "a step's error": lambda conn, run: _set(conn, jobs, jobs.c.parent_id, run, state="failed", error="{"),
}


def _set(conn: sa.Connection, table: sa.Table, column: sa.Column[Any], run: UUID, **values: Any) -> None:
    conn.execute(sa.update(table).where(column == run).values(**values))


@pytest.mark.parametrize("what", CORRUPT)
def test_a_corrupt_row_ends_its_run_and_no_other(runs: Runs, what: str) -> None:
    run = runs.start([echo("a"), echo("b", needs=["a"])])
    honest = runs.start([echo("a"), echo("b", needs=["a"])])
    runs.look()
    runs.work()
    with runs.db.write() as conn:
        CORRUPT[what](conn, run)
    runs.settle(honest)
    for rest_s in (macro_step.LOOK_AT_LEAST_EVERY.total_seconds(), *macros.RESTS_S):
        runs.pass_time(rest_s + 1)
        runs.look()
    assert runs.job(run).state == State.FAILED, runs.job(run)
    assert runs.error_of(run)["detail"]


def test_what_the_database_refuses_for_a_moment_is_no_fault_of_the_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, honest = runs.start([echo("a")]), runs.start([echo("a")])
    with monkeypatch.context() as broken:
        breaking(broken, run, sa.exc.OperationalError("UPDATE", {}, Exception("deadlock detected")))
        for _ in range(3 * len(macros.RESTS_S)):
            runs.look()
            runs.work()
            runs.pass_time(macros.PUT_OFF.total_seconds() + 1)
        assert runs.job(honest).state == State.SUCCEEDED
        assert runs.job(run).state == State.WAITING
    runs.settle(run)
    assert runs.job(run).state == State.SUCCEEDED


def test_a_run_that_returned_more_than_one_may_ends_with_the_reason(runs: Runs, configured: Config) -> None:
    configured.patch({"MACRO_MAX_BYTES": 65_536})
    run = runs.start([echo("a", "x" * 40_000), echo("b", "${{ steps.a.result.text }}"), echo("c", needs=["b"])])
    runs.settle(run)
    assert "MACRO_MAX_BYTES" in runs.error_of(run)["detail"]


def test_steps_that_wait_for_each_other_in_a_circle_fail_the_run(runs: Runs) -> None:
    """A fallback that needs what waits for it."""
    broken = echo("a", "${{ abs(input.text) }}", on_error={"fallback": "b"})
    steps = [broken, echo("x", needs=["a"]), echo("b", needs=["x"])]
    run = runs.start(steps, {"text": "a"}, input={"text": {}})
    runs.settle(run)
    assert "in a circle" in runs.error_of(run)["detail"] and "x, b" in runs.error_of(run)["detail"]
