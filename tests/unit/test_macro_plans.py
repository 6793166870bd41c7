"""Plans of macros without a database: what is written down, what stays unknown, and what a plan says of it."""

from __future__ import annotations

from typing import Any

from llmcoder.ids import new_id
from models.macros.document import Macro
from models.macros.plan import planned, record
from models.macros.progress import WHOLE, Finish, Progress, Row, StepState, WantedJob

LARGE = 1_000_000


def write(step_id: str, **given: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.post", "with": given}


def read(step_id: str, **given: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.echo", "with": given}


def plan(steps: list[dict[str, Any]], results: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """The plan of a macro whose `test.post` has an effect and whose `test.echo` returns what is given here."""
    macro = Macro.model_validate({"name": "test", "input": {name: {} for name in given}, "steps": steps})
    progress = Progress(macro, given, [])
    while (then := progress.next()).finish is None:
        assert then.submits, "it stands still"
        for wanted in then.submits:
            progress.settle(_settled(progress, wanted, results or {}))
    return dict(planned(progress, then.finish, LARGE))


def _settled(progress: Progress, wanted: WantedJob, results: dict[str, Any]) -> Row:
    step, item = wanted.step, wanted.item
    value = None if item == WHOLE else progress.item(step.id, item)
    if step.wait_for is not None or step.action == "test.post" or wanted.blind or wanted.unsure:
        effect = None if step.wait_for is not None else "write" if step.action == "test.post" else "draft"
        return Row(step.id, item, StepState.PLANNED, value, record(wanted, effect, asks=effect != "draft"))
    result = results.get(step.id, {"text": wanted.given.get("text")})
    if isinstance(result, str):
        error = {"type": "", "title": "It broke", "detail": result}
        return Row(step.id, item, StepState.FAILED, value, error=error, job_id=new_id())
    return Row(step.id, item, StepState.SUCCEEDED, value, result, job_id=new_id())


def test_a_plan_names_every_effect_with_its_input() -> None:
    found = plan(
        [
            read("look"),
            write("one", to="${{ steps.look.result.who }}", text="hello"),
            {**write("each", to="${{ item }}", text="no. ${{ index }}"), "foreach": "${{ input.people }}"},
            {"id": "ask", "wait_for": {"approval": "Go on with ${{ steps.look.result.who }}?"}, "needs": ["each"]},
        ],
        {"look": {"who": "ann", "tokens_in": 30, "tokens_out": 7}},
        people=["bob", "eve"],
    )
    assert [(one["step"], one["item"], one["action"], one["input"]) for one in found["effects"]] == [
        ("one", None, "test.post", {"to": "ann", "text": "hello"}),
        ("each", 0, "test.post", {"to": "bob", "text": "no. 0"}),
        ("each", 1, "test.post", {"to": "eve", "text": "no. 1"}),
    ]
    assert [one["input"] for one in found["waits"]] == [{"approval": "Go on with ann?"}]
    assert (found["exact"], found["fails"], found["unknown"]) == (True, None, [])
    assert (found["tokens_in"], found["tokens_out"]) == (30, 7)


def test_what_an_effect_would_return_stays_as_it_is_written() -> None:
    found = plan(
        [
            write("make", to="ann"),
            write("tell", to="bob", text="It is ${{ steps.make.result.post_id }}, ${{ input.name }}"),
            read("look", text="${{ steps.make.result.post_id }}"),
            write("last", to="${{ steps.look.result.text }}"),
        ],
        name="Eve",
    )
    _, tell, last = found["effects"]
    assert tell["input"]["text"] == "It is ${{ steps.make.result.post_id }}, Eve"
    assert (tell["reads"], last["reads"]) == (["make"], ["look"])
    assert [(one["step"], one["action"], one["kind"]) for one in found["unknown"]] == [("look", "test.echo", "unknown")]
    assert not found["exact"]


def test_a_condition_or_a_list_that_only_the_run_knows_is_said() -> None:
    found = plan(
        [
            write("make", to="ann"),
            {**write("maybe", to="bob"), "if": "${{ steps.make.result.post_id }}"},
            {**write("each", to="${{ item }}"), "foreach": "${{ steps.make.result.all }}"},
            {**write("never", to="eve"), "if": "${{ input.nothing }}"},
        ],
        nothing=None,
    )
    make, maybe, each = found["effects"]
    assert (make["condition"], make["foreach"]) == (None, None)
    assert maybe["condition"] == "${{ steps.make.result.post_id }}"
    assert (each["foreach"], each["item"], each["input"]) == (
        "${{ steps.make.result.all }}",
        None,
        {"to": "${{ item }}"},
    )
    assert not found["exact"]


def test_a_plan_says_where_the_run_would_fail() -> None:
    steps = [write("first", to="ann"), read("look"), write("last", to="${{ steps.look.result.who }}")]
    found = plan(steps, {"look": "There is no such page"})
    assert [one["step"] for one in found["effects"]] == ["first"]
    assert found["fails"] == {"step": "look", "title": "It broke", "detail": "There is no such page"}
    assert not found["exact"]
    steps[1]["on_error"] = "continue"
    found = plan(steps, {"look": "There is no such page"})
    assert [one["step"] for one in found["effects"]] == ["first", "last"]
    assert (found["fails"], [one["step"] for one in found["failed_steps"]]) == (None, ["look"])


def test_a_macro_in_a_macro_says_what_it_would_do() -> None:
    inner = plan([write("post", to="ann")])
    macro = Macro.model_validate({"name": "outer", "steps": [read("call")]})
    progress = Progress(macro, {}, [Row("call", WHOLE, StepState.PLANNED, result=inner, job_id=new_id())])
    found = planned(progress, Finish(result={}), LARGE)
    assert [(one["step"], one["input"]) for one in found["effects"]] == [("call/post", {"to": "ann"})]


def test_a_plan_that_is_too_long_is_shortened_and_not_lost() -> None:
    macro = Macro.model_validate({"name": "test", "steps": [write("post", to="ann", text="x" * 5_000)]})
    progress = Progress(macro, {}, [])
    (wanted,) = progress.next().submits
    progress.settle(Row("post", WHOLE, StepState.PLANNED, result=record(wanted, "write", asks=True)))
    finish = progress.next().finish
    assert finish is not None
    (effect,) = planned(progress, finish, 1_000)["effects"]
    assert effect["input"]["text"] == "x" * 200 + "… (5000 characters)"
