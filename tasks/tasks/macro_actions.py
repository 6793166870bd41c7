"""Start a macro, and what its steps wait with."""

from __future__ import annotations

from typing import Literal, Self

import sqlalchemy as sa
from pydantic import Field, JsonValue, model_validator

from llmcoder import BadInput, Context, Effect, Model, Retry, Role, action
from llmcoder.errors import Awaiting, Suspended
from llmcoder.registry import registry
from models.db.database import database, reading, writing
from models.jobs import known_actions
from models.macros import store
from models.macros.document import Macro, check


class MacroStart(Model):
    """Which macro, with which input."""

    macro: str | None = Field(
        None, max_length=200, description="Name or id of one of your macros.", examples=["Read the news"]
    )
    document: Macro | None = Field(None, description="The macro itself, instead of one that is kept.")
    version: int | None = Field(None, ge=1, description="Which version of it; the newest when left out.")
    input: dict[str, JsonValue] = Field(default_factory=dict, description="What the macro's `input` asks for.")
    mode: Literal["run", "plan"] = Field(
        "run",
        description="`plan` is a dry run: it reads and drafts, and lists the effects that the run would have.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.macro is None) == (self.document is None):
            raise ValueError("give `macro` or `document`, and not both")
        return self


class MacroResult(Model):
    """What a run came to: its `output`, or the result of each step by its id; of a plan, what it would do."""

    model_config = Model.model_config | {"extra": "allow"}


class PersonQuestion(Model):
    """What a person is asked."""

    question: str = Field(min_length=1, max_length=10_000, description="What is to be approved.", examples=["Send it?"])


class Nothing(Model):
    """No input."""


class Called(Model):
    """What a call from outside brought."""

    payload: JsonValue = Field(description="Its body: JSON, the fields of a form, or a text.")


class Passed(Model):
    """It may go on."""


@action(
    "tasks.start_macro",
    effect=Effect.DRAFT,
    timeout_s=60,
    retry=Retry(attempts=5, first_wait_s=1),
    role=Role.START_MACRO,
)
def start_macro(start: MacroStart, ctx: Context) -> MacroResult:
    """Run a macro.

    Each step is a job of its own, and this one waits for them. Retried, it goes on from the step that failed. Its
    result is tainted by those that its output reads.
    """
    with writing("macros") as conn:
        source = None if start.macro is None else store.named(conn, ctx.user.id, start.macro, start.version)
        macro = start.document or Macro.model_validate_json(source.document if source is not None else "{}")
        check(macro, registry(), _known_elsewhere(conn, macro, is_kept=source is not None))
        given = macro.input_of(start.input)
        store.begin(conn, ctx.job_id, ctx.user.id, macro, given, start.mode, source, database().now(), counted=True)
    raise Suspended("The steps of the macro run as jobs of their own.")


def _known_elsewhere(conn: sa.Connection, macro: Macro, *, is_kept: bool) -> frozenset[str]:
    """Actions that this process does not know, and that are no mistakes: a scheduler that knows them goes on.

    Args:
        is_kept: Whoever took the macro looked at it. Of one that was given for this run alone, running workers know.
    """
    strange = frozenset(
        step.action for step in macro.steps if step.action is not None and step.action not in registry()
    )
    if is_kept or not strange:
        return strange
    return frozenset[str]().union(*(known.by_any for known in known_actions.read(conn, database().now()).values()))


@action("tasks.ask_person", effect=Effect.WRITE, repeatable=True, timeout_s=10, role=Role.ASK_PERSON)
def ask_person(_question: PersonQuestion, ctx: Context) -> Passed:
    """Wait for a person's approval; what a macro's step waits with."""
    ctx.armed()
    return Passed()


@action("tasks.await_call", effect=Effect.READ, outside=True, timeout_s=10, role=Role.AWAIT_CALL)
def await_call(_given: Nothing, ctx: Context) -> Called:
    """Wait for a call from outside; what a macro's step waits with."""
    with reading("macros") as conn:
        if not store.is_step(conn, ctx.job_id):
            raise BadInput("Only a step of a macro waits for a call: `wait_for: {webhook: true}`.")
    raise Awaiting("The run of the macro ends it when somebody calls the step's address.")


@action("tasks.pass_time", effect=Effect.READ, timeout_s=10, role=Role.PASS_TIME)
def pass_time(_given: Nothing, _ctx: Context) -> Passed:
    """Wait until it is due; what a macro's step waits with."""
    return Passed()
