"""What a run does next, as a function of its document, its input and what its steps have come to so far. Pure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from llmcoder.errors import ActionError, BadInput, problem_type
from llmcoder.problems import problem_of
from models.macros.computing import Computations, Place
from models.macros.document import MOST_ITEMS, Macro, Step
from models.macros.evaluation import Postponed
from models.macros.expressions import check, evaluate, expressions_in, is_true, reads_any, value_of
from models.macros.stored_values import StoredValue, read

#: Of a step's origins: jobs, and what else is to be asked about which step.
Answer = tuple[list[UUID], "list[Question]"]
Question = tuple[Callable[[str], Answer], str]
#: The place of what is no item of a foreach; and the one of the run's output.
WHOLE = -1
OUTPUT: Place = "", WHOLE, "output"


class StepState(StrEnum):
    """What a step, or one item of it, has come to."""

    EXPANDED = "expanded"  # a foreach, whose items stand beside it
    SUBMITTED = "submitted"  # it has a job
    UNCERTAIN = "uncertain"  # its job's effect may have happened, and a person has to say whether it did
    SUCCEEDED = "succeeded"
    PLANNED = "planned"  # it was written down what it would do; its `result` is that
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def settled(self) -> bool:
        return self in (StepState.SUCCEEDED, StepState.PLANNED, StepState.FAILED, StepState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Row:
    """One step, or one item of it.

    Attributes:
        value: The item; the list, of a foreach as a whole. It may be `Kept`.
        result: Of its job; the list of all, of a foreach, and how many they will be as long as it is expanded; of a
            planned one, what it would do. It may be `Kept`.
        error: With `type`, `title` and `detail`.
    """

    step: str
    item: int
    state: StepState
    value: Any = None
    result: Any = None
    error: Mapping[str, str] | None = None
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class WantedJob:
    """A job that is wanted for a step.

    Attributes:
        given: The input of its action, or what it waits for, with all expressions computed.
        sources: Jobs whose results went into that, or decided that it is wanted.
        blind: Earlier steps that it reads and whose results are not known, since this is a plan. In `given` stand the
            expressions that read them.
        unsure: In a plan: whether its condition, or the list of its foreach, reads such a step.
    """

    step: Step
    item: int
    given: Mapping[str, Any]
    sources: tuple[UUID, ...]
    blind: tuple[str, ...] = ()
    unsure: bool = False


class RunBudgetSpent(ActionError):
    """A run, with the macros within it, has done as much as one may."""

    slug, title, status = "run-budget-spent", "The run has done as much as one may", 409


@dataclass
class Allowance:
    """What one look at a run may begin, so that it is short and its run cannot grow for ever.

    Attributes:
        steps: Steps, or items of one, that its outermost run may still begin, with all macros within it.
        most_steps: How many that were at its beginning.
        portion: Of those, so many in this look.
        tired: Whether the look has taken so long that the rest waits for the next one.
        begun: How many this look has begun.
        is_over: Set when the rest waits for the next look, whatever else there is.
    """

    steps: int
    most_steps: int
    portion: int
    tired: Callable[[], bool]
    begun: int = 0
    tries: int = 0
    is_over: bool = False

    def used_up(self) -> bool:
        """Whether the next step, or item, is for the next look; every look takes one at least."""
        self.tries += 1
        return self.is_over or self.begun >= self.portion or (self.tries > 1 and self.tired())

    def begin(self) -> None:
        """Count one step, or item.

        Raises:
            RunBudgetSpent: There is none left.
        """
        if self.begun >= self.steps:
            raise RunBudgetSpent(
                f"A run, with the macros that it starts, has at most {self.most_steps:,} steps and items "
                "(MACRO_MAX_STEPS). Does one start itself?"
            )
        self.begun += 1


def unbounded() -> Allowance:
    """What a run may do that nobody counts."""
    return Allowance(steps=sys.maxsize, most_steps=sys.maxsize, portion=sys.maxsize, tired=lambda: False)


@dataclass(frozen=True, slots=True)
class Finish:
    """The run has ended: with a result, or with an error.

    Attributes:
        result: Some of its values may be `Kept`.
        sources: Jobs whose results, or errors, went into that.
    """

    result: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None
    sources: tuple[UUID, ...] = field(default=(), compare=False)


@dataclass
class Next:
    """What is to be done now.

    Attributes:
        changed: Steps that have come to something without a job.
        submits: Jobs to submit; how each went is told with `Progress.submitted` or `Progress.settle`.
        finish: Set when nothing is left.
    """

    changed: list[Row] = field(default_factory=list)
    submits: list[WantedJob] = field(default_factory=list)
    finish: Finish | None = None


class Progress:
    """A run as it stands.

    Args:
        given: The input of the run.
        rows: What its steps have come to.
        run: What expressions read of the run itself.
        allowance: What may begin before it is looked at anew.
        computations: Where its expressions are computed.
    """

    def __init__(
        self, macro: Macro, given: Mapping[str, Any], rows: list[Row], run: Mapping[str, Any] | None = None,
        allowance: Allowance | None = None, computations: Computations | None = None,
    ) -> None:  # fmt: skip
        self._allowance = allowance or unbounded()
        self._computations = computations or Computations(postpones=False)
        self.more = False  # set when something is left for the next look
        self.macro = macro
        self._given = given
        self._run = run or {}
        self._rows = {(row.step, row.item): row for row in rows}
        self._rows_of: dict[str, dict[int, Row]] = {}
        for row in rows:
            self._rows_of.setdefault(row.step, {})[row.item] = row
        self._steering: dict[str, tuple[UUID, ...]] = {}
        self._unknown = {row.step for row in rows if row.state is StepState.PLANNED}
        self._changed: dict[tuple[str, int], Row] = {}
        self._scopes: dict[frozenset[str], dict[str, Any]] = {}
        self._fallbacks = macro.fallbacks()

    def settle(self, row: Row) -> None:
        """Take down what a step has come to."""
        self._rows[row.step, row.item] = self._changed[row.step, row.item] = row
        self._rows_of.setdefault(row.step, {})[row.item] = row
        self._steering.clear()
        if row.item == WHOLE:
            self._scopes.clear()
        if row.state is StepState.PLANNED:
            self._unknown.add(row.step)

    def rows(self) -> list[Row]:
        """What all steps and items have come to, in the order of the document."""
        order = {step.id: number for number, step in enumerate(self.macro.steps)}
        return sorted(self._rows.values(), key=lambda row: (order[row.step], row.item))

    def row(self, step: str, item: int) -> Row:
        """What a step, or an item of it, has come to."""
        return self._rows[step, item]

    def item(self, step: str, number: int) -> Any:
        """An item of a foreach."""
        return read(self._rows[step, WHOLE].value)[number]

    def next(self) -> Next:
        """What to do now. To be asked again once the jobs it wants are submitted, as long as it wants any.

        Raises:
            Postponed: An expression takes more than may be computed now.
        """
        moved = True
        submits: list[WantedJob] = []
        while moved and not submits:
            moved = False
            for step in self.macro.steps:
                moved |= self._look(step, submits)
        finish = None if submits or self.more else self._finish()
        changed, self._changed = list(self._changed.values()), {}
        return Next(changed, submits, finish)

    def is_under_way(self, step: str) -> bool:
        """Whether a step as a whole has a job that has not ended."""
        return self._state(step) is StepState.SUBMITTED

    @property
    def ended(self) -> int:
        """How many of the steps have ended."""
        return sum(self._settled(step.id) for step in self.macro.steps)

    # --- one step

    def _look(self, step: Step, submits: list[WantedJob]) -> bool:
        """Bring one step further; whether it came to something without a job."""
        row = self._rows.get((step.id, WHOLE))
        if row is None:
            return self._begin(step, submits)
        if row.state is StepState.EXPANDED:
            return self._go_through(step, row, submits)
        if row.state is StepState.UNCERTAIN and self.failed is not None:
            self.settle(replace(row, state=StepState.FAILED))  # whatever came of it, the run ends
            return True
        return False

    def _begin(self, step: Step, submits: list[WantedJob]) -> bool:
        if not self._may_begin(step) or self._puts_off():
            return False
        begun = self._allowance.begun
        try:
            if (why := self._why_skipped(step)) is not None:
                self.settle(Row(step.id, WHOLE, StepState.SKIPPED, error=why))
                return True
            return self._start(step, submits)
        except Postponed:
            self._catch_up_or_put_off(begun)
            return False
        except Exception as error:  # noqa: BLE001  whatever an expression raises is this step's failure, and nobody else's
            self.settle(Row(step.id, WHOLE, StepState.FAILED, error=problem_of(error)))
            return True

    def _puts_off(self) -> bool:
        """Whether what could begin now is for the next look."""
        used_up = self._allowance.used_up()
        self.more |= used_up
        return used_up

    def _catch_up_or_put_off(self, begun: int) -> None:
        """Of what was postponed: a look catches up with one expression, and with all that its first step needs.

        Args:
            begun: What this look had begun before.
        """
        if self._allowance.tries <= 1 or not self._computations.caught_up:
            raise Postponed
        self._allowance.begun = begun
        self._allowance.is_over = self.more = True

    def _may_begin(self, step: Step) -> bool:
        if self.failed is not None:
            return True  # to be skipped
        owners = {one.id for one in self._owners(step)}
        if not all(self._settled(name) for name in owners):
            return False
        return all(self._over(name) for name in self.macro.needs(step) - owners)  # theirs are over when this one is

    def _over(self, step: str) -> bool:
        """Whether a step has come to something, and where it failed, its fallback too."""
        fallback = self.macro.step(step).fallback
        if fallback is None or self._state(step) is not StepState.FAILED:
            return self._settled(step)
        return self._settled(fallback)

    def _why_skipped(self, step: Step) -> dict[str, str] | None:
        if self.failed is not None:
            return _because(f"The run ended when {self.failed!r} failed.")
        if step.id in self._fallbacks and not any(
            self._state(one.id) is StepState.FAILED for one in self._owners(step)
        ):
            return _because("What it stands in for did not fail.")
        if step.condition is not None and not self._reads_unknown(step.condition):
            return None if is_true(self._value(step, step.condition)) else _because("Its condition is not true.")
        skipped = sorted(name for name in self.macro.needs(step) if self._state(name) is StepState.SKIPPED)
        return _because(f"It needs {skipped[0]!r}, which was skipped.") if skipped else None

    def _start(self, step: Step, submits: list[WantedJob]) -> bool:
        self._allowance.begin()
        if step.foreach is None or self._reads_unknown(step.foreach):
            submits.append(self._submit(step, WHOLE, {}))
            return False
        items = self._value(step, step.foreach)
        if not isinstance(items, list):
            raise BadInput(f"Its foreach gives {_kind(items)} and not a list.")
        if len(items) > MOST_ITEMS:
            raise BadInput(f"Its foreach gives {len(items)} items; at most {MOST_ITEMS} are taken. Take them in parts.")
        state = StepState.EXPANDED if items else StepState.SUCCEEDED
        self.settle(Row(step.id, WHOLE, state, value=items, result=len(items) or []))
        return True

    def _go_through(self, step: Step, whole: Row, submits: list[WantedJob]) -> bool:
        """Bring a foreach further: up to so many items at once, and an end when all have one."""
        rows = [self._rows.get((step.id, number)) for number in range(_length(whole))]
        stops = self.failed is not None or any(row is not None and _stops(step, row) for row in rows)
        if stops:
            rows = [self._gave_up(row) for row in rows]
        under_way = sum(row is not None and row.state is StepState.SUBMITTED for row in rows)
        doubtful = any(row is not None and row.state is StepState.UNCERTAIN for row in rows)
        if under_way == 0 and not doubtful and (stops or all(row is not None for row in rows)):
            self.settle(self._whole(step, whole, rows))
            return True
        if stops:
            return False
        failed = False
        for number, row in enumerate(rows):
            if row is None and under_way < step.parallel:
                if self._puts_off():
                    break
                failed |= self._start_item(step, whole, number, submits)
                under_way += 1
        return failed

    def _gave_up(self, row: Row | None) -> Row | None:
        """An item that a person would have to settle, of a foreach that ends without it."""
        if row is None or row.state is not StepState.UNCERTAIN:
            return row
        failed = replace(row, state=StepState.FAILED)
        self.settle(failed)
        return failed

    def _start_item(self, step: Step, whole: Row, number: int, submits: list[WantedJob]) -> bool:
        begun = self._allowance.begun
        try:
            self._allowance.begin()
            submits.append(self._submit(step, number, {"item": self.item(step.id, number), "index": number}))
        except Postponed:
            self._catch_up_or_put_off(begun)
        except Exception as error:  # noqa: BLE001  as in `_begin`, of this item
            item = self.item(step.id, number)
            self.settle(Row(step.id, number, StepState.FAILED, item, error=problem_of(error)))
            return True
        return False

    def _whole(self, step: Step, whole: Row, rows: list[Row | None]) -> Row:
        results = StoredValue.of_list([None if row is None else row.result for row in rows])
        wrong = [row for row in rows if row is not None and _stops(step, row)]
        if wrong:
            error = dict(wrong[0].error or {})
            error["detail"] = f"Item {wrong[0].item}: {error.get('detail', 'it failed')}"
            return replace(whole, state=StepState.FAILED, result=results, error=error)
        if self.failed is not None:
            return replace(whole, state=StepState.SKIPPED, result=results)
        if any(row is not None and row.state is StepState.PLANNED for row in rows):
            return replace(whole, state=StepState.PLANNED, result=None)
        return replace(whole, state=StepState.SUCCEEDED, result=results)

    def _submit(self, step: Step, item: int, more: Mapping[str, Any]) -> WantedJob:
        template: Any = step.given
        if step.wait_for is not None:
            template = step.wait_for.model_dump(include={"approval", "until"})
        inputs = self._read_by(template)
        scope = {**self.scope(inputs), **more}
        inputs |= self._read_by(step.foreach) if step.foreach else set()
        sources = dict.fromkeys([*self._made_by(inputs), *self._steered_by(step)])
        unsure = any(self._reads_unknown(text) for text in (step.condition, step.foreach))
        # Nobody knows the items either where the list is not known; what reads one of them stays as it is written.
        of_items = step.foreach is not None and item == WHOLE
        given: Any = template if of_items else self._filled_in(template, (step.id, item, "with"), scope)
        return WantedJob(step, item, given, tuple(sources), tuple(sorted(inputs & self._unknown)), unsure)

    def _reads_unknown(self, text: str | None) -> bool:
        return text is not None and any(reads_any(one, self._unknown) for one in expressions_in(text))

    # --- what there is to read

    def scope(self, steps: Collection[str]) -> dict[str, Any]:
        """What expressions read that read these steps: results of others stay where they are kept."""
        names = frozenset(steps)
        if names not in self._scopes:
            self._scopes[names] = {"input": self._given, "steps": self._steps(names), "run": self._run}
        return self._scopes[names]

    def _steps(self, names: Collection[str]) -> dict[str, Any]:
        return {
            step.id: {
                "state": _shown(row.state),
                "result": read(self._result_of(step, row)),
                "error": row.error,
                **_each(row),
            }
            for step in self.macro.steps
            if step.id in names and (row := self._rows.get((step.id, WHOLE))) is not None
        }

    def _result_of(self, step: Step, row: Row) -> Any:
        """A failed step has the result of its fallback; what a planned one would return, nobody knows."""
        if row.state in (StepState.PLANNED, StepState.EXPANDED):
            return None
        if row.state is StepState.FAILED and step.fallback is not None:
            stand_in = self._rows.get((step.fallback, WHOLE))
            return None if stand_in is None else stand_in.result
        return row.result

    def _value(self, step: Step, text: str) -> Any:
        """Of a step's condition, or list."""
        expression = text.strip()[3:-2].strip()
        scope = self.scope(self._named(expression))
        return self._computations.value(
            (step.id, WHOLE, text), scope, lambda budget: evaluate(expression, scope, budget)
        )

    def _filled_in(self, template: Any, place: Place, scope: Mapping[str, Any]) -> Any:
        return self._computations.value(place, scope, lambda budget: value_of(template, scope, self._unknown, budget))

    def _read_by(self, template: Any) -> set[str]:
        return {name for text in expressions_in(template) for name in self._named(text)}

    def _named(self, expression: str) -> Collection[str]:
        """The steps that an expression reads."""
        found = check(expression)
        return {step.id for step in self.macro.steps} if "*" in found else found

    # --- whose words go into what

    def sources(self) -> tuple[UUID, ...]:
        """The jobs that made anything of the run."""
        return tuple(dict.fromkeys(self._made_by([step.id for step in self.macro.steps])))

    def _made_by(self, steps: Collection[str]) -> Iterator[UUID]:
        """The jobs that made what expressions read of these steps: results, errors, and that they are there at all."""
        return self._origins([(self._made, name) for name in sorted(self._with_stand_ins(steps))])

    def _steered_by(self, step: Step) -> tuple[UUID, ...]:
        """The jobs by whose words it was decided that a step runs: a condition, what was waited for, a failure.

        A step that merely comes after another is not steered by that.
        """
        if step.id not in self._steering:  # the same for all items of a foreach
            self._steering[step.id] = tuple(dict.fromkeys(self._origins([(self._own_steering, step.id)])))
        return self._steering[step.id]

    def _origins(self, first: list[Question]) -> Iterator[UUID]:
        """The jobs that answer these questions, and all that they lead to; each is asked once, whoever reads whom."""
        waiting, seen = list(first), set(first)
        while waiting:
            ask, name = waiting.pop()
            found, more = ask(name)
            yield from found
            fresh = [one for one in more if one not in seen]
            seen.update(fresh)
            waiting += fresh

    def _made(self, name: str) -> Answer:
        """A step's own jobs carry what went into them; what has none is made of what the step reads."""
        rows = [row for row in self._rows_of.get(name, {}).values() if row.state is not StepState.PLANNED]
        found = [row.job_id for row in rows if row.job_id is not None]
        has_items = any(row.item != WHOLE for row in rows)
        if found and not any(row.job_id is None and (row.item != WHOLE or not has_items) for row in rows):
            return found, []
        read = {one for text in self.macro.step(name).expressions() for one in self._named(text)}
        return found, [*((self._made, one) for one in self._with_stand_ins(read)), (self._steering_of, name)]

    def _steering_of(self, name: str) -> Answer:
        """What decided that a step ran, of which others come after it."""
        found, more = self._own_steering(name)
        waits = self.macro.step(name).wait_for
        return found, [*more, (self._made, name)] if waits is not None and waits.webhook else more

    def _own_steering(self, name: str) -> Answer:
        step = self.macro.step(name)
        texts = [step.condition] + ([step.wait_for.until] if step.wait_for is not None else [])
        read = {one for text in texts if text is not None for one in self._read_by(text)}
        owners = [one.id for one in self._owners(step)]
        before = [*self.macro.needs(step), *owners]
        made = [(self._made, one) for one in (*self._with_stand_ins(read), *owners)]
        return [], [*made, *((self._steering_of, one) for one in before)]

    def _with_stand_ins(self, steps: Collection[str]) -> set[str]:
        return {*steps, *(one.fallback for one in self.macro.steps if one.id in steps and one.fallback)}

    # --- where the run stands

    @property
    def failed(self) -> str | None:
        """The step whose failure ends the run."""
        for step in self.macro.steps:
            row = self._rows.get((step.id, WHOLE))
            if row is None or row.state is not StepState.FAILED:
                continue
            if step.on_error == "fail" or (step.fallback and self._state(step.fallback) is StepState.FAILED):
                return step.id
        return None

    def _finish(self) -> Finish | None:
        if self._any_under_way():
            return None
        if open_steps := [step.id for step in self.macro.steps if not self._settled(step.id)]:
            return Finish(error=_waits_for_itself(open_steps).as_problem(), sources=self.sources())
        if self.failed is not None:
            row = self._rows[self.failed, WHOLE]
            error = dict(row.error or {"type": "", "title": "A step failed"})
            error |= {"detail": f"Step {self.failed!r}: {error.get('detail', 'it failed')}"}
            return Finish(error=error, sources=tuple(self._made_by({self.failed})))
        read = None if self.macro.output is None else self._read_by(self.macro.output)
        sources = self.sources() if read is None else tuple(dict.fromkeys(self._made_by(read)))
        try:
            return Finish(result=self._output(), sources=sources)
        except Exception as error:  # noqa: BLE001  as in `_begin`, of the run
            return Finish(error=problem_of(error, "The output: "), sources=sources)

    def _output(self) -> dict[str, Any]:
        if self.macro.output is None:
            there = [(step, row) for step in self.macro.steps if (row := self._rows.get((step.id, WHOLE))) is not None]
            return {step.id: self._result_of(step, row) for step, row in there}  # as they are kept
        scope = self.scope(self._read_by(self.macro.output))
        output = self._filled_in(self.macro.output, OUTPUT, scope)  # at once: all of it has one budget
        assert isinstance(output, dict)
        return output

    def _any_under_way(self) -> bool:
        return any(row.state in (StepState.SUBMITTED, StepState.UNCERTAIN) for row in self._rows.values())

    @property
    def doubtful(self) -> bool:
        """Whether a person has to say what came of a step."""
        return any(row.state is StepState.UNCERTAIN for row in self._rows.values())

    def _owners(self, step: Step) -> list[Step]:
        return [one for one in self.macro.steps if one.fallback == step.id]

    def _state(self, step: str) -> StepState | None:
        row = self._rows.get((step, WHOLE))
        return None if row is None else row.state

    def _settled(self, step: str) -> bool:
        state = self._state(step)
        return state is not None and state.settled


def _stops(step: Step, row: Row) -> bool:
    """Whether a foreach begins no more items because of that one: where nothing is left to begin them with, always."""
    if row.state is not StepState.FAILED:
        return False
    return step.on_error != "continue" or (row.error or {}).get("type") == problem_type(RunBudgetSpent.slug)


def _waits_for_itself(steps: list[str]) -> BadInput:
    named = ", ".join(steps[:10])
    return BadInput(f"Steps wait for each other in a circle, such as by a fallback that needs them: {named}.")


def _each(row: Row) -> dict[str, Any]:
    """Of a foreach: each item with its result, since JMESPath cannot bring two lists together."""
    if row.value is None or row.state is StepState.EXPANDED:
        return {}
    items, results = read(row.value), read(row.result)
    if not (isinstance(items, list) and isinstance(results, list)):
        return {}
    return {"each": [{"item": item, "result": result} for item, result in zip(items, results, strict=False)]}


def _length(whole: Row) -> int:
    """How many items a foreach has; runs of an earlier version do not say so beside their list."""
    return whole.result if isinstance(whole.result, int) else len(read(whole.value))


def _shown(state: StepState) -> str:
    """A plan takes it that what it writes down would succeed."""
    return (StepState.SUCCEEDED if state is StepState.PLANNED else state).value


def _because(detail: str) -> dict[str, str]:
    return {"type": "urn:llmcoder:problem:skipped", "title": "Skipped", "detail": detail}


def _kind(value: Any) -> str:
    names = {type(None): "null", dict: "an object", str: "a text", bool: "true or false"}
    return names.get(type(value), "a number")
