"""Macros without a database: expressions, documents, and what a run does next."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from llmcoder import BadInput, NotConfigured
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from models.macros import expressions
from models.macros.document import Macro, check
from models.macros.progress import WHOLE, Finish, Progress, Row, StepState
from models.macros.stored_values import read

SCOPE = {
    "input": {"name": "Ann", "urls": ["a", "b"]},
    "steps": {"fetch": {"result": {"text": "hello", "size": 3, "items": [{"id": 1}, {"id": 2}]}, "state": "succeeded"}},
}


@pytest.fixture(scope="module")
def known() -> Registry:
    return Registry(discover())


# --- expressions


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("${{ input.name }}", "Ann"),
        ("Dear ${{ input.name }}, ${{ steps.fetch.result.size }} pages", "Dear Ann, 3 pages"),
        ("${{ input.urls }}", ["a", "b"]),
        ("${{ steps.fetch.result.items[].id }}", [1, 2]),
        ("${{ steps.fetch.result.items[?id > `1`] | [0].id }}", 2),
        ("${{ input.nothing }}", None),
        ("x${{ input.nothing }}y", "xy"),
        ("${{ input.urls }}!", '["a", "b"]!'),
        ({"a": ["${{ input.name }}", 1, None]}, {"a": ["Ann", 1, None]}),
        ("${{ {n: input.name, all: steps.fetch.result.items[*].id} }}", {"n": "Ann", "all": [1, 2]}),
    ],
)
def test_a_template_has_its_values_in_their_places(template: Any, value: Any) -> None:
    assert expressions.value_of(template, SCOPE) == value


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("steps.fetch.result.text", {"fetch"}),
        ("steps.a.result || steps.b.result", {"a", "b"}),
        ("join(', ', steps.a.result[].name)", {"a"}),
        ("input.name", set()),
        ("steps", {"*"}),
        ("values(steps)", {"*"}),
        ("steps.*.result", {"*"}),
        ("steps.a.result[?id == steps.b.result]", {"a"}),  # inside a filter, names are those of the items
        ("{x: steps.a.result, y: input.z}", {"a"}),
    ],
)
def test_an_expression_says_which_steps_it_reads(text: str, read: set[str]) -> None:
    assert expressions.check(text) == read


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("steps.", "is no JMESPath expression"),
        ("__import__('os')", "JMESPath has no function '__import__'"),
        ("secrets.token", "there is no 'secrets'; an expression begins with input, steps, item, index or run"),
        ("a" * 10_000_000, "at most 2000 characters"),
        ("[" * 1_900, "is no JMESPath expression"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        expressions.check(text)


def test_a_value_is_never_an_expression_itself() -> None:
    scope = {"input": {"evil": "${{ steps.secret.result }}"}, "steps": {"secret": {"result": "canary"}}}
    assert expressions.value_of("${{ input.evil }}", scope) == "${{ steps.secret.result }}"
    assert expressions.value_of("x ${{ input.evil }}", scope) == "x ${{ steps.secret.result }}"


# --- documents


def macro(*steps: dict[str, Any], **more: Any) -> Macro:
    return Macro.model_validate({"name": "test", "steps": steps, **more})


def echo(step_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.echo", "with": {"text": text}, **more}


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([echo("a"), echo("a")], "Two steps are called 'a'"),
        ([echo("a", needs=["b"]), echo("b")], "Step 'a': it needs 'b', which comes later"),
        ([echo("a", needs=["b"]), echo("b", needs=["a"])], "comes later"),  # a circle
        ([echo("a", "${{ steps.b.result }}"), echo("b")], "Step 'a': it needs 'b', which comes later"),
        ([echo("a", needs=["a"])], "Step 'a': it needs itself"),
        ([echo("a", "${{ steps.x.result }}")], "Step 'a': it needs 'x', and there is no such step"),
        ([echo("a", "${{ steps..x }}")], "Step 'a': .* is no JMESPath expression"),
        ([{"id": "a", "action": "test.ecco"}], "Step 'a': There is no action 'test.ecco'. Did you mean test.echo"),
        (
            [{"id": "a", "action": "test.echo", "with": {"txet": 1}}],
            "Step 'a': test.echo takes no 'txet'; it takes text",
        ),
        ([echo("a", on_error={"fallback": "b"})], "Step 'a': its fallback 'b' is not there"),
        ([echo("b"), echo("a", on_error={"fallback": "b"})], "its fallback 'b' comes before it"),
    ],
)
def test_a_document_that_cannot_run_is_refused_naming_the_step(
    known: Registry, steps: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        check(macro(*steps), known)


@pytest.mark.parametrize(
    ("wait", "role"),
    [({"approval": "?"}, "ask-person"), ({"seconds": 1}, "pass-time"), ({"webhook": True}, "await-call")],
)
def test_a_wait_is_refused_where_no_installed_action_waits_for_that(
    known: Registry, wait: dict[str, Any], role: str
) -> None:
    waits = macro({"id": "a", "wait_for": wait})
    check(waits, known)
    without = Registry(action for action in known.values() if action.role is None)
    with pytest.raises(NotConfigured, match=f"the role {role}"):
        check(waits, without)


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a"},
        {"id": "a", "action": "test.echo", "wait_for": {"seconds": 1}},
        {"id": "a", "wait_for": {"seconds": 1, "approval": "?"}},
        {"id": "A b", "action": "test.echo"},
        {"id": "a", "action": "test.echo", "if": "input.x"},
        {"id": "a", "action": "test.echo", "parallel": 1_000},
        {"id": "a", "action": "test.echo", "unknown": 1},
    ],
)
def test_a_step_of_the_wrong_form_is_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        macro(step)


def test_a_run_is_given_what_the_macro_asks_for() -> None:
    wanted = macro(echo("a"), input={"url": {}, "count": {"default": 3}})
    assert wanted.input_of({"url": "x"}) == {"url": "x", "count": 3}
    with pytest.raises(BadInput, match=r"x: there is no such input\. url: the macro needs it"):
        wanted.input_of({"x": 1})


# --- what a run does next


class Played:
    """A run whose jobs the test ends as it likes."""

    def __init__(self, wanted: Macro, **given: Any) -> None:
        self.macro = wanted
        self.rows: dict[tuple[str, int], Row] = {}
        self.given = given
        self.inputs: dict[tuple[str, int], Any] = {}
        self.sources: dict[tuple[str, int], tuple[UUID, ...]] = {}
        self.most_at_once = 0

    def go(self) -> Finish | None:
        """Submit all that may be; the steps that are under way by then have jobs."""
        progress = Progress(self.macro, self.given, list(self.rows.values()))
        while True:
            then = progress.next()
            self.rows |= {(row.step, row.item): row for row in then.changed}
            if not then.submits:
                self.most_at_once = max(self.most_at_once, len(self.under_way))
                return then.finish
            for one in then.submits:
                row = Row(one.step.id, one.item, StepState.SUBMITTED, job_id=new_id())
                self.inputs[one.step.id, one.item] = one.given
                self.sources[one.step.id, one.item] = one.sources
                progress.settle(row)

    @property
    def under_way(self) -> list[tuple[str, int]]:
        return [place for place, row in self.rows.items() if row.state is StepState.SUBMITTED]

    def end(self, step: str, item: int = WHOLE, *, result: Any = None, failed: bool = False) -> None:
        state = StepState.FAILED if failed else StepState.SUCCEEDED
        error = {"type": "t", "title": "T", "detail": "it broke"} if failed else None
        self.rows[step, item] = Row(step, item, state, result=result, error=error, job_id=self.rows[step, item].job_id)

    def state(self, step: str) -> str:
        return self.rows[step, WHOLE].state.value


def test_steps_without_needs_begin_at_once_and_others_after_what_they_read() -> None:
    run = Played(macro(echo("a"), echo("b"), echo("c", "${{ steps.a.result.text }}"), echo("d", needs=["b"])))
    assert run.go() is None
    assert run.under_way == [("a", WHOLE), ("b", WHOLE)]
    run.end("a", result={"text": "x"})
    run.go()
    assert ("c", WHOLE) in run.under_way and ("d", WHOLE) not in run.under_way
    assert run.inputs["c", WHOLE] == {"text": "x"}
    assert run.sources["c", WHOLE] == (run.rows["a", WHOLE].job_id,)
    run.end("b"), run.end("c", result={"text": "y"})
    run.go()
    run.end("d")
    assert run.go() == Finish(result={"a": {"text": "x"}, "b": None, "c": {"text": "y"}, "d": None})


def test_the_output_is_what_the_document_says() -> None:
    run = Played(macro(echo("a"), output={"said": "${{ steps.a.result.text }}", "by": "${{ input.me }}"}), me="Ann")
    run.go()
    run.end("a", result={"text": "x"})
    assert run.go() == Finish(result={"said": "x", "by": "Ann"})


def test_all_of_an_output_has_one_budget() -> None:
    heavy = "${{ input.numbers[*].[@] }}"
    names = {f"n{number}": heavy for number in range(10)}
    for output, fits in (({"n": heavy}, True), (names, False)):
        run = Played(macro(echo("a"), output=output), numbers=list(range(20_000)))
        run.go()
        run.end("a")
        finish = run.go()
        assert finish is not None
        assert (finish.error is None) is fits, finish.error
        assert fits or "too much work" in (finish.error or {})["detail"]


def test_a_step_whose_condition_is_not_true_is_skipped_and_so_is_what_needs_it() -> None:
    run = Played(
        macro(
            echo("a", **{"if": "${{ input.go }}"}),
            echo("b", "${{ steps.a.result.text }}"),
            echo("c", needs=["a"], **{"if": "${{ steps.a.state == 'skipped' }}"}),
        ),
        go=False,
    )
    run.go()
    assert (run.state("a"), run.state("b")) == ("skipped", "skipped")
    assert run.under_way == [("c", WHOLE)]


def test_a_failure_ends_the_run_once_what_is_under_way_has_ended() -> None:
    run = Played(macro(echo("a"), echo("b"), echo("c", needs=["a"])))
    run.go()
    run.end("a", failed=True)
    assert run.go() is None
    assert run.state("c") == "skipped"
    run.end("b")
    finish = run.go()
    assert finish is not None and finish.error is not None
    assert finish.error["detail"] == "Step 'a': it broke"


def test_a_step_that_may_fail_stands_for_null() -> None:
    run = Played(macro(echo("a", on_error="continue"), echo("b", "got ${{ steps.a.result.text }}")))
    run.go()
    run.end("a", failed=True)
    run.go()
    assert run.inputs["b", WHOLE] == {"text": "got "}
    run.end("b")
    assert run.go() == Finish(result={"a": None, "b": None})


def test_a_fallback_runs_only_where_its_step_failed_and_stands_for_it() -> None:
    def wanted() -> Played:
        steps = echo("a", on_error={"fallback": "plan_b"}), echo("plan_b"), echo("c", "${{ steps.a.result.text }}")
        return Played(macro(*steps))

    well = wanted()
    well.go()
    assert well.under_way == [("a", WHOLE)]
    well.end("a", result={"text": "first"})
    well.go()
    assert well.state("plan_b") == "skipped" and well.inputs["c", WHOLE] == {"text": "first"}

    badly = wanted()
    badly.go()
    badly.end("a", failed=True)
    badly.go()
    assert ("plan_b", WHOLE) in badly.under_way
    badly.end("plan_b", result={"text": "second"})
    badly.go()
    assert badly.inputs["c", WHOLE] == {"text": "second"}


def test_a_foreach_runs_so_many_at_once_and_gives_all_results_in_order() -> None:
    run = Played(
        macro(
            echo("a", "${{ item }}-${{ index }}", foreach="${{ input.items }}", parallel=3),
            echo("b", "${{ steps.a.result }}"),
        ),
        items=list("abcdefghij"),
    )
    run.go()
    while run.under_way and ("b", WHOLE) not in run.under_way:
        step, item = run.under_way[0]
        run.end(step, item, result={"n": item})
        run.go()
    assert run.most_at_once == 3
    assert run.inputs["a", 4] == {"text": "e-4"}
    assert read(run.rows["a", WHOLE].result) == [{"n": n} for n in range(10)]
    assert len(run.sources["b", WHOLE]) == 10


def test_each_item_of_a_foreach_is_read_beside_its_result() -> None:
    run = Played(
        macro(echo("a", foreach="${{ input.items }}"), echo("b", "${{ steps.a.each[].join('', [item, result.n]) }}")),
        items=["x", "y"],
    )
    run.go()
    run.end("a", 0, result={"n": "1"})
    run.end("a", 1, result={"n": "2"})
    run.go()
    assert run.inputs["b", WHOLE] == {"text": ["x1", "y2"]}


def test_an_empty_list_is_done_at_once_and_what_is_no_list_fails() -> None:
    run = Played(macro(echo("a", foreach="${{ input.items }}")), items=[])
    assert run.go() == Finish(result={"a": []})
    for items, why in (({"a": 1}, "an object and not a list"), ([0] * 1_000_000, "1000000 items; at most 1000")):
        finish = Played(macro(echo("a", foreach="${{ input.items }}")), items=items).go()
        assert finish is not None and finish.error is not None and why in finish.error["detail"]


@pytest.mark.parametrize("on_error", ["fail", "continue"])
def test_an_item_that_fails_ends_the_foreach_or_stands_for_null(on_error: str) -> None:
    run = Played(macro(echo("a", foreach="${{ input.items }}", parallel=1, on_error=on_error)), items=[1, 2, 3])
    run.go()
    run.end("a", 0, failed=True)
    finish = run.go()
    if on_error == "fail":
        assert finish is not None and finish.error is not None
        assert finish.error["detail"] == "Step 'a': Item 0: it broke"
        assert len([place for place in run.rows if place[1] >= 0]) == 1
        return
    for item in (1, 2):
        run.end("a", item, result=item)
        finish = run.go()
    assert finish == Finish(result={"a": [None, 1, 2]})
