"""What an action is: one typed function with its declaration, from which every door is made.

A declaration that breaks a rule fails at import with a `DeclarationError` that names the action and the rule.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from llmcoder.context import Context
from llmcoder.declare.connection import ConnectionKind
from llmcoder.declare.rate import Rate
from llmcoder.errors import DeclarationError
from llmcoder.file import takes_files
from llmcoder.settings import Settings

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)

#: What `reconcile` needs to find an armed effect again: a Message-ID, a comment property, an idempotency key.
Marker = Mapping[str, str]

NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
PROVIDER = re.compile(r"[a-z][a-z0-9_]{0,59}")
SUMMARY_LIMIT = 100
MAX_TIMEOUT_S = 24 * 3600
#: The input field that names one of the user's accounts.
ACCOUNT = "account"
#: What of the context leads out of this engine.
REACHING = frozenset({"http", "connection", "connection_of", "use"})
#: A provider may go on with a request long after its caller gave up.
SETTLE_S = 60.0


class Effect(StrEnum):
    """What running an action does to the world."""

    READ = "read"  # looks, changes nothing
    DRAFT = "draft"  # produces text or data for a person to judge; may cost money
    WRITE = "write"  # changes the outside world, additively
    DESTROY = "destroy"  # removes or overwrites

    @property
    def writes(self) -> bool:
        return self in (Effect.WRITE, Effect.DESTROY)


class Queue(StrEnum):
    """Which pool of workers runs an action."""

    IO = "io"  # threads: calls to other services
    HEAVY = "heavy"  # a process of its own, one at a time, killable: browser, local models, training


class Role(StrEnum):
    """What the engine needs an action for. Each is played by one action at most, whichever domain declares it."""

    START_MACRO = "start-macro"  # begins a run of a macro, and waits for its steps
    ASK_PERSON = "ask-person"  # a step that waits for a person's approval; its input has `question`
    PASS_TIME = "pass-time"  # a step that waits until it is due
    AWAIT_CALL = "await-call"  # a step that waits for a call from outside


@dataclass(frozen=True)
class Retry:
    """When a `Transient` failure is tried again.

    Args:
        attempts: Runs in all, the first included; 1 never retries.
        first_wait_s: Seconds before the second attempt.
        factor: Each further wait is this many times the one before.
        max_wait_s: No wait is longer.
        jitter: Share of the wait (0 to 1) that chance may add or take away, so that retries do not march in step.
    """

    attempts: int = 3
    first_wait_s: float = 5.0
    factor: float = 2.0
    max_wait_s: float = 900.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_wait_s < 0 or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise ValueError(f"{self}: attempts >= 1, first_wait_s >= 0, factor >= 1 and 0 <= jitter <= 1 must hold")

    def wait_s(self, failures: int, chance: float) -> float:
        """Seconds to wait after the given number of failures.

        Args:
            failures: Failed attempts so far, 1 or more.
            chance: A random number from 0 to 1; passed in so that the decision stays a pure function.
        """
        wait = min(self.first_wait_s * self.factor ** (failures - 1), self.max_wait_s)
        return wait * (1 + self.jitter * (2 * chance - 1))


@dataclass(frozen=True)
class Undo:
    """How an effect is taken back.

    Args:
        action: A write that does it.
        input: Makes that action's input from what was given and what came back.
    """

    action: Action[Any, Any]
    input: Callable[[Any, Any], BaseModel]


@dataclass(frozen=True)
class Action(Generic[In, Out]):
    """One action: its function and everything a door needs to know about it."""

    name: str
    function: Callable[[In, Context], Out]
    input: type[In]
    output: type[Out]
    effect: Effect
    repeatable: bool
    reconcile: Callable[[In, Marker, Context], Out | None] | None
    queue: Queue
    timeout_s: float
    retry: Retry
    requires: tuple[type[Settings], ...]
    outside: bool = False
    own_records: bool = False
    undo: Undo | None = None
    provider: str = ""
    rate: Rate | None = None
    settle_s: float = SETTLE_S
    connects: tuple[ConnectionKind[Any], ...] = ()
    keeps: bool | str = False
    administrators_only: bool = False
    role: Role | None = None

    def __call__(self, given: In, ctx: Context) -> Out:
        return self.function(given, ctx)

    def leaves_something(self, given: Mapping[str, Any]) -> bool:
        """Whether a run with this input changes what others meet; one that is not known yet may say so."""
        if isinstance(self.keeps, bool):
            return self.effect.writes or self.keeps
        return bool(given.get(self.keeps, self.input.model_fields[self.keeps].default))

    @property
    def domain(self) -> str:
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        return self.name.partition(".")[2]

    @property
    def providers(self) -> tuple[str, ...]:
        """Whose limits a job of it may keep: that of the account which is chosen for the job, where it needs one."""
        return tuple(kind.provider for kind in self.connects) or (self.provider,)

    @property
    def summary(self) -> str:
        """First line of the docstring: the action's entry in a menu."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def description(self) -> str:
        return inspect.getdoc(self.function) or ""

    def build(self) -> None:
        """Make what reads the input. That takes milliseconds, so an event loop has it done in a thread."""
        self.input.model_rebuild()
        _ = self.input_schema

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        return self.input.model_json_schema()

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        return self.output.model_json_schema(mode="serialization")

    @cached_property
    def takes_files(self) -> bool:
        """Whether its input has a place for a file that was uploaded or attached."""
        return takes_files(self.input_schema)

    @cached_property
    def example(self) -> dict[str, Any]:
        """An input made of the fields' own examples; fields with a default and no example are left out."""
        return _example_of(self.input)


def _example_of(model: type[BaseModel]) -> dict[str, Any]:
    """A required field that has no example, and is a model itself, shows that model's."""
    example: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if field.examples:
            example[field.alias or name] = field.examples[0]
        elif field.is_required() and isinstance(kind, type) and issubclass(kind, BaseModel):
            example[field.alias or name] = _example_of(kind)
    return example


def action(
    name: str,
    *,
    effect: Effect,
    repeatable: bool | None = None,
    reconcile: Callable[[Any, Marker, Context], Any] | None = None,
    queue: Queue = Queue.IO,
    timeout_s: float = 60.0,
    retry: Retry | None = None,
    requires: tuple[type[Settings], ...] = (),
    outside: bool = False,
    own_records: bool = False,
    undo: Undo | None = None,
    provider: str = "",
    rate: Rate | None = None,
    settle_s: float = SETTLE_S,
    connects: ConnectionKind[Any] | tuple[ConnectionKind[Any], ...] = (),
    keeps: bool | str = False,
    administrators_only: bool = False,
    role: Role | None = None,
) -> Callable[[Callable[[In, Context], Out]], Action[In, Out]]:
    """Declare a function as an action.

    Args:
        name: `<domain>.<verb_object>`, for ever: it is the route, the Celery task, the tool and the history.
        effect: What running it does to the world.
        repeatable: Whether doing it twice is the same as doing it once. A write must say it; there is no default.
        reconcile: For a write: given input, marker and context, returns the output if the effect is found to have
            happened, None if it surely did not; raises `Uncertain` when nobody can tell.
        queue: The pool that runs it.
        timeout_s: Seconds one attempt may take, 1 to 86,400; clients inside must give up earlier.
        retry: When a `Transient` failure is tried again; three attempts when not given.
        requires: Settings that must be filled in before it can run.
        outside: Whether the result holds untrusted content (a mail, a page, a document). Inputs made of it are
            tainted, and no write runs on a tainted input before a person approved it.
        own_records: Whether this WRITE changes nothing but its user's own records in this engine. The user's macros and
            schedules do that without asking, unless its input is tainted. It needs an `undo`, and neither accounts,
            settings nor the network: the context refuses them.
        undo: How the effect can be taken back.
        provider: Whose limits it keeps, with all other actions that name the same; the domain when not given.
        rate: How often that provider may be called per account; all actions of a provider that declare one agree. One
            that connects several kinds leaves it to them: `ConnectionKind(rate=…)`.
        settle_s: When `reconcile` finds nothing, it is believed only so many seconds after the deadline of the attempt
            that armed the effect; until then it is asked again, since a provider may be slow. 0 or more.
        connects: The kind of account it acts for: the user's own, or that of the installation; `ctx.connection(KIND)`
            has it. Of several kinds, the account that is chosen decides; `ctx.connection_of((ONE, OTHER))` has it, and
            its `kind` tells. An input field `account: str | None` lets the caller name one of several.
        keeps: Whether a READ or DRAFT leaves something behind that people or later jobs meet, such as a draft in a
            mailbox, an index, a message or a file that it attaches: a plan writes it down instead of doing it. The name
            of a yes-or-no field where the caller decides.
        administrators_only: Whether only an administrator may have it run. Every door hides it from others and refuses
            it with 403, an agent's token too, and the audit log names who ran it and who was refused.
        role: What the engine needs it for, such as waiting for a person; the engine finds it by that, not by its name.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    def declare(function: Callable[[In, Context], Out]) -> Action[In, Out]:
        given, result = _signature(name, function)
        kinds = connects if isinstance(connects, tuple) else (connects,)
        declared = Action(
            name=name,
            function=function,
            input=given,
            output=result,
            effect=effect,
            repeatable=not effect.writes if repeatable is None else repeatable,
            reconcile=reconcile,
            queue=queue,
            timeout_s=timeout_s,
            retry=retry or Retry(),
            requires=requires,
            outside=outside,
            own_records=own_records,
            undo=undo,
            provider=provider or (kinds[0].provider if kinds else name.partition(".")[0]),
            rate=rate,
            settle_s=settle_s,
            connects=kinds,
            keeps=keeps,
            administrators_only=administrators_only,
            role=role,
        )
        _check(declared, said_repeatable=repeatable is not None)
        return declared

    return declare


def _signature(name: str, function: Callable[..., Any]) -> tuple[type[Any], type[Any]]:
    """The input and output models of `(input, ctx: Context) -> output`."""
    rule = "takes one model and the context and returns one model: def verb_object(given: Model, ctx: Context) -> Model"
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    kinds = [hints.get(parameter) for parameter in parameters]
    result = hints.get("return")
    if len(kinds) != 2 or kinds[1] is not Context or not _is_model(kinds[0]) or not _is_model(result):
        raise DeclarationError(f"{name}: an action {rule}")
    return typing.cast("type[Any]", kinds[0]), typing.cast("type[Any]", result)


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _check(declared: Action[Any, Any], *, said_repeatable: bool) -> None:
    for broken, rule in _rules(declared, said_repeatable):
        if broken:
            raise DeclarationError(f"{declared.name}: {rule}")


def _rules(a: Action[Any, Any], said_repeatable: bool) -> list[tuple[bool, str]]:
    """Every rule of a declaration, each with whether this one breaks it."""
    fields = a.input.model_fields
    undescribed = [name for name, field in fields.items() if not field.description]
    nested = [name for name, field in fields.items() if not fits_query(field.annotation)]
    return [
        (not NAME.fullmatch(a.name), "a name is <domain>.<verb_object> in lower case, such as jira.add_comment"),
        (inspect.iscoroutinefunction(a.function), "an action is a plain function; workers run it in a thread"),
        (not a.summary.endswith("."), "the docstring's first line is one sentence for a menu, ending with a full stop"),
        (len(a.summary) > SUMMARY_LIMIT, f"the docstring's first line has at most {SUMMARY_LIMIT} characters"),
        (a.effect.writes and not said_repeatable, "a write says whether it is repeatable"),
        (not a.effect.writes and said_repeatable, "only a write says whether it is repeatable; others always are"),
        (bool(a.keeps) and a.effect.writes, "keeps is said of a READ or DRAFT; a write always leaves something"),
        (
            isinstance(a.keeps, str) and (a.keeps not in fields or fields[a.keeps].annotation is not bool),
            f"keeps is yes, no, or a field of its input that is a bool; not {a.keeps!r}",
        ),
        (a.reconcile is not None and not a.effect.writes, "only a write has something to reconcile"),
        (a.input.model_config.get("extra") != "forbid", f"{a.input.__name__} forbids unknown fields: extra=forbid"),
        (bool(undescribed), f"every input field has a description; missing on {', '.join(undescribed)}"),
        (
            a.role is Role.ASK_PERSON and ("question" not in fields or not a.effect.writes),
            "what asks a person is a write, since those wait for approval, and its input has a field question",
        ),
        (
            a.effect is Effect.READ and bool(nested),
            f"a READ takes query parameters, so its fields are scalars or lists of them; not so {', '.join(nested)}",
        ),
        (not 1 <= a.timeout_s <= MAX_TIMEOUT_S, f"timeout_s is 1 to {MAX_TIMEOUT_S} seconds"),
        (not all(_is_settings(kind) for kind in a.requires), "requires lists kinds of settings"),
        (a.undo is not None and not a.effect.writes, "only a write has something to undo"),
        (a.undo is not None and not a.undo.action.effect.writes, "what undoes an effect is a write itself"),
        (
            a.undo is not None and a.undo.action.administrators_only and not a.administrators_only,
            "whoever may have an effect may take it back: undo names an action that is for administrators only",
        ),
        (a.own_records and a.effect is not Effect.WRITE, "own_records is said of a WRITE; nothing else asks for it"),
        (a.own_records and a.undo is None, "what changes own records unasked can be taken back: undo=Undo(...)"),
        (
            a.own_records and bool(a.connects or a.requires or a.rate or a.outside or a.reconcile),
            "what touches nothing but own records has no connects, requires, rate, outside or reconcile",
        ),
        (a.own_records and a.provider != a.domain, "what touches nothing but own records has no provider"),
        (
            a.own_records and _reaches_out(a.function),
            f"what touches nothing but own records reaches for none of {', '.join(sorted(REACHING))} of its context",
        ),
        (
            a.own_records and a.undo is not None and bool(a.undo.action.connects or a.undo.action.requires),
            "what takes a change of own records back needs no account and no settings either",
        ),
        (not PROVIDER.fullmatch(a.provider), "a provider's name has lower-case letters, digits and _, up to 60"),
        (a.settle_s < 0, "settle_s is 0 or more seconds"),
        (
            a.provider != a.providers[0],
            "an action that connects keeps the limits of its accounts, so its provider is theirs",
        ),
        (len(set(a.providers)) < len(a.connects), "the kinds of account that an action connects differ"),
        (
            a.rate is not None and len(a.connects) > 1,
            "an action that connects several kinds of account leaves the rate to them: ConnectionKind(rate=...)",
        ),
        (
            bool(a.connects) and ACCOUNT in fields and not _is_optional_text(fields[ACCOUNT]),
            "the field account of an action that connects is `account: str | None`, None when left out",
        ),
    ]


def _reaches_out(function: Callable[..., Any]) -> bool:
    """What the function itself names; what it calls is refused by the context when it runs."""
    return not REACHING.isdisjoint(inspect.unwrap(function).__code__.co_names)


def _is_optional_text(field: FieldInfo) -> bool:
    return set(typing.get_args(field.annotation)) == {str, type(None)} and field.default is None


def _is_settings(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Settings)


def fits_query(annotation: Any) -> bool:
    """Whether values of the type can stand in a query string."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, list, typing.Annotated):
        parts = [kind for kind in typing.get_args(annotation) if isinstance(kind, type | types.GenericAlias)]
        return all(fits_query(kind) for kind in parts)
    if origin is typing.Literal:
        return True
    return isinstance(annotation, type) and not issubclass(annotation, BaseModel | dict | set | tuple)
