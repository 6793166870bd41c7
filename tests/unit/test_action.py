"""Declaring an action: what it knows, and how a wrong declaration fails."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, StringConstraints

from llmcoder import Context, DeclarationError, Effect, Model, Queue, Retry, Settings, Undo, action
from llmcoder.declare.action import SETTLE_S
from llmcoder.declare.rate import Rate


class Note(Model):
    """What to write down."""

    text: str = Field(description="The note.", examples=["milk"])
    loud: bool = Field(False, description="Whether to shout it.")


class Written(Model):
    """What was written."""

    text: str


class Nested(Model):
    """An input that no query string can carry."""

    note: Note = Field(description="The note.")


class Lax(BaseModel):
    """An input that takes anything."""

    text: str = Field(description="The note.")


class Undescribed(Model):
    """An input nobody can fill in."""

    text: str


class DemoSettings(Settings):
    """Settings of the demo."""

    title = "Demo"
    needs = ("DEMO_KEY",)

    demo_key: str | None = Field(None, description="A key.")


def write(given: Note, ctx: Context) -> Written:
    """Write a note down.

    It stays there.
    """
    return Written(text=given.text)


def test_a_declaration_knows_everything_a_door_needs():
    declared = action("demo.write_note", effect=Effect.WRITE, repeatable=False, queue=Queue.HEAVY)(write)
    assert (declared.domain, declared.verb) == ("demo", "write_note")
    assert declared.summary == "Write a note down."
    assert "It stays there." in declared.description
    assert (declared.input, declared.output, declared.queue) == (Note, Written, Queue.HEAVY)
    assert declared.example == {"text": "milk"}
    assert declared.input_schema["required"] == ["text"]


def test_a_declared_action_can_still_be_called():
    declared = action("demo.write_note", effect=Effect.DRAFT)(write)
    assert declared(Note(text="milk"), None).text == "milk"


DRAFT = action("demo.draft_note", effect=Effect.DRAFT)(write)
ERASE = action("demo.erase_note", effect=Effect.DESTROY, repeatable=True)(write)


def test_a_write_may_name_what_takes_it_back_and_whose_limits_it_keeps():
    undo = Undo(ERASE, lambda given, written: Note(text=written.text))
    declared = action(
        "demo.write_note", effect=Effect.WRITE, repeatable=True, undo=undo, provider="notes_4", rate=Rate(10, 60)
    )(write)
    assert (declared.undo, declared.provider, declared.rate) == (undo, "notes_4", Rate(10, 60))
    assert declared.undo.input(Note(text="milk"), Written(text="milk")) == Note(text="milk")


def test_what_is_not_declared_has_the_domain_for_its_provider_and_comes_from_nobody_else():
    assert (DRAFT.provider, DRAFT.rate, DRAFT.outside, DRAFT.undo) == ("demo", None, False, None)
    assert DRAFT.settle_s == SETTLE_S


class Aliased(Model):
    """An input with a field whose name is taken inside."""

    body: str = Field(alias="json", description="The body.", examples=["x"])


def send(given: Aliased, ctx: Context) -> Written:
    """Send a body."""
    return Written(text=given.body)


def test_an_example_carries_the_names_that_callers_use():
    assert action("demo.send", effect=Effect.DRAFT)(send).example == {"json": "x"}


def test_a_required_field_without_an_example_shows_that_of_its_own_model():
    def load(given: Nested, ctx: Context) -> Written:
        """Load a note."""
        return Written(text=given.note.text)

    declared = action("demo.load", effect=Effect.DRAFT)(load)
    assert declared.example == {"note": {"text": "milk"}}
    declared.input.model_validate(declared.example)


def test_looking_is_always_repeatable():
    assert action("demo.read_note", effect=Effect.READ)(write).repeatable


@pytest.mark.parametrize("effect", [Effect.WRITE, Effect.DESTROY])
def test_a_write_says_whether_it_is_repeatable(effect):
    with pytest.raises(DeclarationError, match=r"^demo\.send: a write says whether it is repeatable$"):
        action("demo.send", effect=effect)(write)


@pytest.mark.parametrize(
    ("name", "declaration", "rule"),
    [
        ("send", {}, "<domain>.<verb_object>"),
        ("Demo.send", {}, "lower case"),
        ("demo.send.now", {}, "<domain>.<verb_object>"),
        ("demo.send", {"repeatable": True}, "only a write says"),
        ("demo.send", {"reconcile": write}, "only a write has something to reconcile"),
        ("demo.send", {"timeout_s": 0}, "timeout_s is 1 to"),
        ("demo.send", {"timeout_s": 100_000}, "timeout_s is 1 to"),
        ("demo.send", {"requires": (Note,)}, "requires lists"),
        ("demo.send", {"requires": (DemoSettings(),)}, "requires lists"),
        ("demo.send", {"undo": Undo(ERASE, lambda given, written: given)}, "only a write has something to undo"),
        ("demo.send", {"provider": "Open AI"}, "a provider's name has lower-case letters"),
        ("demo.send", {"provider": "4chan"}, "a provider's name has lower-case letters"),
        ("demo.send", {"provider": "x" * 61}, "up to 60"),
        ("demo.send", {"settle_s": -0.1}, "settle_s is 0 or more"),
    ],
)
def test_a_wrong_declaration_fails_at_import_and_names_the_rule(name, declaration, rule):
    with pytest.raises(DeclarationError, match=rule) as caught:
        action(name, effect=Effect.DRAFT, **declaration)(write)
    assert str(caught.value).startswith(f"{name}: ")


def test_what_undoes_an_effect_is_a_write_itself():
    undo = Undo(DRAFT, lambda given, written: given)
    with pytest.raises(DeclarationError, match=r"^demo\.send: what undoes an effect is a write itself$"):
        action("demo.send", effect=Effect.WRITE, repeatable=True, undo=undo)(write)


def test_a_settling_time_of_nothing_is_one():
    assert action("demo.send", effect=Effect.WRITE, repeatable=True, settle_s=0)(write).settle_s == 0


def without_docstring(given: Note, ctx: Context) -> Written:
    return Written(text=given.text)


def without_full_stop(given: Note, ctx: Context) -> Written:
    """Write a note"""
    return Written(text=given.text)


def with_a_long_summary(given: Note, ctx: Context) -> Written:
    """Write a note down, and say so many words about the writing of it that they fill more than a menu's line."""
    return Written(text=given.text)


async def asynchronous(given: Note, ctx: Context) -> Written:
    """Write a note."""
    return Written(text=given.text)


def lax(given: Lax, ctx: Context) -> Written:
    """Write a note."""
    return Written(text=given.text)


def undescribed(given: Undescribed, ctx: Context) -> Written:
    """Write a note."""
    return Written(text=given.text)


def nested(given: Nested, ctx: Context) -> Written:
    """Write a note."""
    return Written(text=given.note.text)


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        (without_docstring, "first line is one sentence"),
        (without_full_stop, "ending with a full stop"),
        (with_a_long_summary, "at most 100 characters"),
        (asynchronous, "plain function"),
        (lax, "Lax forbids unknown fields"),
        (undescribed, "has a description; missing on text"),
        (nested, "READ takes query parameters.*not so note"),
    ],
)
def test_a_function_that_breaks_a_rule_is_refused(function, rule):
    with pytest.raises(DeclarationError, match=rule):
        action("demo.look", effect=Effect.READ)(function)


def no_context(given: Note) -> Written:
    """Write a note."""
    return Written(text=given.text)


def context_first(ctx: Context, given: Note) -> Written:
    """Write a note."""
    return Written(text=given.text)


def a_dict_in(given: dict, ctx: Context) -> Written:
    """Write a note."""
    return Written(text="")


def a_dict_out(given: Note, ctx: Context) -> dict:
    """Write a note."""
    return {}


def nothing_said(given, ctx):
    """Write a note."""


@pytest.mark.parametrize("function", [no_context, context_first, a_dict_in, a_dict_out, nothing_said])
def test_an_action_takes_one_model_and_the_context_and_returns_one_model(function):
    with pytest.raises(DeclarationError, match="takes one model and the context and returns one model"):
        action("demo.send", effect=Effect.DRAFT)(function)


class Query(Model):
    """Everything a query string can carry."""

    text: str | None = Field(None, description="x")
    number: int = Field(0, description="x")
    names: list[str] = Field([], description="x")
    kind: Literal["a", "b"] | None = Field(None, description="x")
    short: Annotated[str, StringConstraints(max_length=3)] | None = Field(None, description="x")


def look(given: Query, ctx: Context) -> Written:
    """Look something up."""
    return Written(text="")


def test_a_read_may_take_scalars_and_lists_of_them():
    assert action("demo.look", effect=Effect.READ)(look).effect is Effect.READ


def test_retries_wait_longer_each_time_up_to_a_limit():
    retry = Retry(first_wait_s=5, factor=2, max_wait_s=30, jitter=0)
    assert [retry.wait_s(failures, 0.5) for failures in (1, 2, 3, 4)] == [5, 10, 20, 30]


def test_chance_moves_a_wait_by_its_share_in_both_directions():
    retry = Retry(first_wait_s=10, jitter=0.2)
    assert [round(retry.wait_s(1, chance), 6) for chance in (0, 0.5, 1)] == [8, 10, 12]


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait_s": -1}, {"factor": 0.5}, {"jitter": 1.5}])
def test_a_retry_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="attempts >= 1"):
        Retry(**wrong)


# --- own records


def taken_back(given: OwnNote, ctx: Context) -> OwnNote:
    """Take it back."""
    return given


class OwnNote(Model):
    text: str = Field("", description="Some text.")


TAKES_BACK = action("demo.take_back", effect=Effect.DESTROY, repeatable=True)(taken_back)
RIGHT_OWN = {
    "effect": Effect.WRITE, "repeatable": True, "own_records": True,
    "undo": Undo(TAKES_BACK, lambda given, made: given),
}  # fmt: skip


def test_a_right_declaration_of_own_records_stands() -> None:
    assert action("demo.keep", **RIGHT_OWN)(taken_back).own_records


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"undo": None}, "can be taken back"),
        ({"effect": Effect.DESTROY}, "own_records is said of a WRITE"),
        ({"effect": Effect.DRAFT, "repeatable": None, "undo": None}, "own_records is said of a WRITE"),
        ({"outside": True}, "has no connects, requires"),
        ({"requires": (Settings,)}, "has no connects, requires"),
        ({"provider": "elsewhere"}, "has no provider"),
    ],
)
def test_a_wrong_declaration_of_own_records_names_its_rule(wrong: dict[str, Any], rule: str) -> None:
    with pytest.raises(DeclarationError, match=rule):
        action("demo.keep", **RIGHT_OWN | wrong)(taken_back)


def test_what_says_own_records_and_names_the_network_fails_at_import() -> None:
    def fetch(given: OwnNote, ctx: Context) -> OwnNote:
        """Fetch it."""
        return OwnNote(text=str(ctx.http))

    with pytest.raises(DeclarationError, match="reaches for none of"):
        action("demo.keep", **RIGHT_OWN)(fetch)
