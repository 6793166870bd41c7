"""What a macro is: a document of steps, checked as a whole before it is kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, field_validator, model_validator

from llmcoder.declare.action import Role
from llmcoder.errors import BadInput
from llmcoder.model import Model
from llmcoder.registry import Registry
from models.macros import expressions

MOST_STEPS = 200
MOST_ITEMS = 1_000
MOST_PARALLEL = 50
#: A step waits so long for somebody, where it does not say.
LONGEST_WAIT_S = 30 * 86_400
YEAR_S = 366 * 86_400

StepId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
_WHOLE = re.compile(r"\s*\$\{\{(.*?)\}\}\s*", re.DOTALL)


class InputField(Model):
    """One thing that a run is started with."""

    description: str = Field("", max_length=1_000, description="What it is.")
    required: bool = Field(True, description="Whether a run must be given it.")
    default: JsonValue = Field(None, description="What it is where a run is not given it; makes it optional.")

    @property
    def optional(self) -> bool:
        return not self.required or self.default is not None


class Fallback(Model):
    """What runs instead where a step fails."""

    fallback: StepId = Field(description="The step that runs then; its result stands for that of the failed one.")


class StepRetry(Model):
    """How often a step is tried."""

    attempts: int = Field(ge=1, le=100, description="Runs at most, the first included.")


class Wait(Model):
    """What a step waits for; exactly one."""

    approval: str | None = Field(
        None, max_length=2_000, description="A person's approval; this is what they are asked. May hold expressions."
    )
    seconds: int | None = Field(None, ge=1, le=YEAR_S, description="So many seconds.")
    until: str | None = Field(None, max_length=2_000, description="An instant, such as ${{ input.at }}.")
    webhook: Literal[True] | None = Field(
        None, description="A call from outside, to the address ${{ run.webhooks.<step> }}; its body is the result."
    )
    timeout_s: int = Field(LONGEST_WAIT_S, ge=1, le=YEAR_S, description="It fails after so many seconds.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.approval, self.seconds, self.until, self.webhook)) != 1:
            raise ValueError("give exactly one of approval, seconds, until and webhook")
        return self

    @property
    def role(self) -> Role:
        """Which action waits."""
        if self.approval is not None:
            return Role.ASK_PERSON
        return Role.AWAIT_CALL if self.webhook else Role.PASS_TIME


class Step(Model):
    """One step: an action with its input, or a wait."""

    id: StepId = Field(description="Its name in this macro, such as fetch_page.")
    action: str | None = Field(None, description="Name of the action; GET /actions lists them.")
    given: dict[str, JsonValue] = Field(
        default_factory=dict, alias="with", description="The action's input; texts may hold ${{ expressions }}."
    )
    wait_for: Wait | None = Field(None, description="What it waits for, instead of an action.")
    needs: list[StepId] = Field(
        default_factory=list, max_length=MOST_STEPS,
        description="Earlier steps that must have ended; those that its expressions read are among them anyway.",
    )  # fmt: skip
    condition: str | None = Field(
        None, alias="if", max_length=2_100, description="An expression; the step is skipped where it is not true."
    )
    foreach: str | None = Field(
        None, max_length=2_100, description="An expression for a list; the step runs for each `item`, by its `index`."
    )
    parallel: int = Field(5, ge=1, le=MOST_PARALLEL, description="Of a foreach, so many at once.")
    on_error: Literal["fail", "continue"] | Fallback = Field(
        "fail", description="What its failure means: the run fails, goes on, or a fallback step runs."
    )
    retry: StepRetry | None = Field(None, description="Instead of what the action says of itself.")
    timeout_s: int | None = Field(
        None, ge=1, le=YEAR_S, description="It is cancelled and fails so many seconds after it was submitted."
    )

    model_config = Model.model_config | {"validate_by_name": True, "serialize_by_alias": True}

    @field_validator("condition", "foreach")
    @classmethod
    def _whole_expression(cls, text: str | None) -> str | None:
        if text is not None and _WHOLE.fullmatch(text) is None:
            raise ValueError("is one expression, such as ${{ input.urls }}")
        return text

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.action is None) == (self.wait_for is None):
            raise ValueError("a step has an action or a wait_for, and not both")
        if self.wait_for is not None and self.foreach is not None:
            raise ValueError("a step that waits has no foreach")
        return self

    @property
    def fallback(self) -> str | None:
        return self.on_error.fallback if isinstance(self.on_error, Fallback) else None

    def expressions(self) -> Iterator[str]:
        """All of them, without the braces."""
        yield from expressions.expressions_in([*(text for text in self.texts() if text), self.given])

    def texts(self) -> list[str | None]:
        """What may hold expressions beside the action's input."""
        waits = self.wait_for
        return [self.condition, self.foreach, *((waits.approval, waits.until) if waits is not None else ())]


class Macro(Model):
    """A macro: named steps over one input."""

    name: str = Field(min_length=1, max_length=200, description="What you call it.", examples=["Read the news"])
    description: str = Field("", max_length=10_000, description="What it is for.")
    input: dict[StepId, InputField] = Field(
        default_factory=dict, max_length=100, description="What a run is started with, by name."
    )
    steps: list[Step] = Field(min_length=1, max_length=MOST_STEPS, description="Its steps, in order.")
    output: dict[str, JsonValue] | None = Field(
        None, description="The result of a run, with expressions; the steps' results when left out."
    )

    def step(self, step_id: str) -> Step:
        return next(step for step in self.steps if step.id == step_id)

    def awaiting(self) -> list[str]:
        """Steps that wait for a call from outside."""
        return [step.id for step in self.steps if step.wait_for is not None and step.wait_for.webhook]

    def fallbacks(self) -> frozenset[str]:
        """Steps that only run where another failed."""
        return frozenset(step.fallback for step in self.steps if step.fallback is not None)

    def needs(self, step: Step) -> frozenset[str]:
        """Steps that must have ended before it, whether it says so or reads them."""
        before = self._before(step)
        read = {name for text in step.expressions() for name in expressions.check(text)}
        return frozenset({*step.needs, *(read - {"*"}), *(before if "*" in read else ())})

    def _before(self, step: Step) -> list[str]:
        ids = [one.id for one in self.steps]
        return ids[: ids.index(step.id)]

    def input_of(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The input of a run, with what was left out.

        Raises:
            BadInput: Something is missing or unknown.
        """
        unknown = sorted(set(given) - set(self.input))
        missing = sorted(name for name, one in self.input.items() if not one.optional and name not in given)
        if unknown or missing:
            said = [f"{name}: there is no such input." for name in unknown]
            said += [f"{name}: the macro needs it." for name in missing]
            raise BadInput(" ".join(said))
        return {name: one.default for name, one in self.input.items()} | dict(given)


def check(macro: Macro, registry: Registry, elsewhere: Collection[str] = ()) -> None:
    """Refuse what cannot run, naming the step and what is wrong with it.

    Args:
        elsewhere: Actions that are not known here, and are to running processes: their steps are for those to look at.

    Raises:
        BadInput: Two steps of one name, a reference to a step that is not there or comes later, an unknown action, an
            unknown field of an action's input, an expression that cannot be read.
        NotConfigured: A step waits for something, and no installed action waits for that.
    """
    written: list[JsonValue] = [[step.given, *step.texts()] for step in macro.steps]
    expressions.refuse_too_many([*written, macro.output])
    seen: list[str] = []
    for step in macro.steps:
        if step.id in seen:
            raise BadInput(f"Two steps are called {step.id!r}.")
        try:
            _check_step(macro, step, seen, registry, elsewhere)
        except BadInput as error:
            raise BadInput(f"Step {step.id!r}: {error.detail}") from None
        seen.append(step.id)
    for text in expressions.expressions_in(macro.output or {}):
        for name in expressions.check(text) - {"*", *seen}:
            raise BadInput(f"The output reads the step {name!r}, which is not there.")


def _check_step(macro: Macro, step: Step, before: list[str], registry: Registry, elsewhere: Collection[str]) -> None:
    known = {one.id for one in macro.steps}
    for name in sorted(macro.needs(step)):
        if name == step.id:
            raise BadInput("it needs itself.")
        if name not in known:
            raise BadInput(f"it needs {name!r}, and there is no such step.")
        if name not in before:
            raise BadInput(f"it needs {name!r}, which comes later. Steps need earlier ones only; move it up.")
    if step.fallback is not None:
        _check_fallback(macro, step)
    if registry.plays(step.action, Role.AWAIT_CALL):
        raise BadInput(f"{step.action} is no step by itself; write `wait_for: {{webhook: true}}`.")
    if step.wait_for is not None:
        registry.in_role(step.wait_for.role)
    if step.action is not None and (step.action in registry or step.action not in elsewhere):
        action = registry.get(step.action) or _unknown(registry, step.action)
        fields = {one.alias or name for name, one in action.input.model_fields.items()}
        for name in sorted(set(step.given) - fields):
            raise BadInput(f"{step.action} takes no {name!r}; it takes {', '.join(sorted(fields)) or 'nothing'}.")


def _check_fallback(macro: Macro, step: Step) -> None:
    ids = [one.id for one in macro.steps]
    if step.fallback not in ids:
        raise BadInput(f"its fallback {step.fallback!r} is not there.")
    if ids.index(step.fallback) < ids.index(step.id):
        raise BadInput(f"its fallback {step.fallback!r} comes before it; move it down.")


def _unknown(registry: Registry, name: str) -> Any:
    from llmcoder.errors import NotFound

    try:
        return registry.find(name)
    except NotFound as error:
        raise BadInput(error.detail) from None
