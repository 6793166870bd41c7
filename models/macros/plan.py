"""What a run would do: the result of a run in `plan` mode, made of what was written down instead of done. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

from models.macros.document import Step
from models.macros.progress import WHOLE, Finish, Progress, Row, StepState, WantedJob
from models.macros.stored_values import read

#: Of a plan that is too long to keep, each text is cut to so many characters.
SHORT_CHARS = 200


class Planned(BaseModel):
    """One thing that a run would do, or wait for, and the plan only writes down."""

    step: str = Field(description="Of a macro within the macro, behind that one's step: `outer/inner`.")
    item: int | None = Field(description="Its place in the foreach; null for a step without one.")
    kind: Literal["effect", "wait", "unknown"] = Field(
        description="An `effect` that stays, a `wait`, or `unknown`: a read or draft of what an effect would return."
    )
    action: str | None = Field(None, description="Of an effect, or of what is unknown.")
    effect: str | None = Field(
        None, description="`write` or `destroy`; `read` or `draft` of what leaves something behind all the same."
    )
    input: JsonValue = Field(description="What the action would be given; of a wait, what is waited for.")
    asks: bool = Field(False, description="Whether a person would have to approve it.")
    reads: list[str] = Field(
        default_factory=list,
        description="Planned steps that it reads; the expressions that read them stand in `input` as they are written.",
    )
    condition: str | None = Field(None, description="Set when only the run can tell whether it happens.")
    foreach: str | None = Field(None, description="Set when only the run can tell how often it happens.")


class Failure(BaseModel):
    """What would end the run."""

    step: str
    title: str
    detail: str


class MacroPlan(BaseModel):
    """What a run with this input would do, as far as reading and drafting can tell."""

    effects: list[Planned] = Field(description="In the order of the document.")
    waits: list[Planned] = Field(description="What it would wait for.")
    unknown: list[Planned] = Field(description="Reads and drafts that only the run itself can do.")
    exact: bool = Field(description="Whether the run would have these effects, with these inputs, and no others.")
    fails: Failure | None = Field(description="Where the run would fail, if the plan met that.")
    failed_steps: list[Failure] = Field(description="Steps that failed without ending it.")
    tokens_in: int = Field(description="Prompt tokens that the drafts of this plan took.")
    tokens_out: int = Field(description="Tokens that were generated for them.")


def record(wanted: WantedJob, effect: str | None, *, asks: bool, keeps: bool = False) -> dict[str, Any]:
    """What is written down of a step that a plan does not do.

    Args:
        effect: Of its action; None for a wait.
        keeps: Whether it leaves something behind although it reads or drafts.
    """
    step = wanted.step
    stays = keeps or effect in ("write", "destroy")
    return Planned(
        step=step.id,
        item=None if wanted.item == WHOLE else wanted.item,
        kind="wait" if effect is None else "effect" if stays else "unknown",
        action=step.action,
        effect=effect if stays else None,
        input=_awaited(step, wanted.given) if effect is None else dict(wanted.given),
        asks=asks,
        reads=list(wanted.blind),
        condition=step.condition if wanted.unsure else None,
        foreach=step.foreach if wanted.unsure and wanted.item == WHOLE else None,
    ).model_dump(mode="json")


def _awaited(step: Step, given: Mapping[str, Any]) -> dict[str, Any]:
    assert step.wait_for is not None
    if step.wait_for.webhook:
        return {"webhook": True}
    said = {name: value for name, value in given.items() if value is not None}
    return said if step.wait_for.seconds is None else {"seconds": step.wait_for.seconds}


def planned(progress: Progress, finish: Finish, largest_bytes: int) -> Mapping[str, Any]:
    """The result of a run in `plan` mode.

    Args:
        largest_bytes: Of a longer one, texts are cut.
    """
    rows = [replace(row, result=read(row.result)) for row in progress.rows()]
    found = [one for row in rows if row.state is StepState.PLANNED and row.result for one in _written_down(row)]
    wrong = [row for row in rows if row.state is StepState.FAILED and row.item == WHOLE]
    failed = [_failure(row.step, row.error or {}) for row in wrong]
    fails = next((one for one in failed if one.step == progress.failed), None)
    if finish.error is not None and fails is None:
        fails = _failure("output", finish.error)
    done = [row.result for row in rows if row.job_id is not None]
    plan = MacroPlan(
        effects=[one for one in found if one.kind == "effect"],
        waits=[one for one in found if one.kind == "wait"],
        unknown=[one for one in found if one.kind == "unknown"],
        exact=fails is None and not any(one.reads or one.condition or one.foreach for one in found),
        fails=fails,
        failed_steps=[one for one in failed if one is not fails],
        tokens_in=sum(_tokens(done, "tokens_in")),
        tokens_out=sum(_tokens(done, "tokens_out")),
    )
    said: dict[str, Any] = plan.model_dump(mode="json")
    if len(plan.model_dump_json()) > largest_bytes:
        said = {name: _shortened(value) for name, value in said.items()}
    return said


def _written_down(row: Row) -> Iterator[Planned]:
    """Of one step, or item; of a macro in the macro, all that its own plan says."""
    if "effects" not in row.result:
        yield Planned.model_validate(row.result)
        return
    inner = MacroPlan.model_validate(row.result)
    place = row.step if row.item == WHOLE else f"{row.step}[{row.item}]"
    for one in (*inner.effects, *inner.waits, *inner.unknown):
        yield one.model_copy(update={"step": f"{place}/{one.step}"})


def _failure(step: str, error: Mapping[str, str]) -> Failure:
    return Failure(step=step, title=error.get("title", "It failed"), detail=error.get("detail", ""))


def _tokens(result: Any, name: str) -> Iterator[int]:
    """Of a draft's result, or of those of a foreach, wherever they stand."""
    if isinstance(result, list):
        for one in result:
            yield from _tokens(one, name)
    elif isinstance(result, Mapping):
        if isinstance(result.get(name), int):
            yield result[name]
            return
        for one in result.values():
            yield from _tokens(one, name)


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= SHORT_CHARS else f"{value[:SHORT_CHARS]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _shortened(one) for name, one in value.items()}
    return value
