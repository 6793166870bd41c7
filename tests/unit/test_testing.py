"""`llmcoder.testing`: what it lets a test see, and what it refuses to let pass."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr, ValidationError

from llmcoder import Cancelled, ConnectionKind, Context, Effect, Model, NotConfigured, Settings, action
from llmcoder.testing import FakeContext, run_action


class DemoSettings(Settings):
    """Settings of the demo."""

    title = "Demo"
    needs = ("DEMO_KEY",)

    demo_key: str | None = Field(None, description="A key.")


class Note(Model):
    """What to write down."""

    text: str = Field(description="The note.")


class Other(Model):
    """Something else."""


@action("demo.draft_note", effect=Effect.DRAFT)
def draft(given: Note, ctx: Context) -> Note:
    """Draft a note."""
    ctx.progress(0.5, "half")
    ctx.log("a line", number=1)
    ctx.emit_token("mi")
    ctx.emit_token("lk")
    return Note(text=f"{given.text} for {ctx.user.email}")


@action("demo.send_note", effect=Effect.WRITE, repeatable=False)
def send(given: Note, ctx: Context) -> Note:
    """Send a note."""
    if given.text != "unarmed":
        ctx.armed({"key": str(ctx.job_id)})
    return given


@action("demo.put_note", effect=Effect.WRITE, repeatable=True)
def put(given: Note, ctx: Context) -> Note:
    """Put a note where it belongs."""
    return given


@action("demo.keyed_note", effect=Effect.DRAFT, requires=(DemoSettings,))
def keyed(given: Note, ctx: Context) -> Note:
    """Draft a note with a key."""
    return Note(text=ctx.settings(DemoSettings).demo_key or "")


@action("demo.lie", effect=Effect.DRAFT)
def lie(given: Note, ctx: Context) -> Note:
    """Return something else than declared."""
    return Other()  # type: ignore[return-value]


def test_a_run_shows_everything_the_action_did():
    run = run_action(draft, {"text": "milk"})
    assert run.result == Note(text="milk for someone@example.org")
    assert (run.progress, run.log, run.tokens, run.markers) == ([(0.5, "half")], ["a line"], ["mi", "lk"], [])


def test_the_input_is_validated_as_at_the_door():
    with pytest.raises(ValidationError):
        run_action(draft, {"text": "milk", "colour": "red"})
    assert run_action(draft, Note(text="milk")).result.text.startswith("milk")


def test_a_missing_setting_is_named():
    with pytest.raises(NotConfigured, match=r"demo\.keyed_note needs DEMO_KEY"):
        run_action(keyed, {"text": "x"})


def test_settings_are_given_by_value():
    assert run_action(keyed, {"text": "x"}, FakeContext([DemoSettings(demo_key="k")])).result.text == "k"


@pytest.mark.parametrize("looks", [0, 1, 2, 3])
def test_a_cancellation_takes_hold_at_the_next_look(looks):
    context = FakeContext(cancel_after=looks)
    with pytest.raises(Cancelled):
        run_action(draft, {"text": "milk"}, context)
    assert len(context.progress_seen) + len(context.log_seen) + len(context.tokens) == looks


def test_a_cancelled_job_is_not_armed_any_more():
    context = FakeContext(cancel_after=0)
    with pytest.raises(Cancelled):
        run_action(send, {"text": "milk"}, context)
    assert context.markers == []


def test_waiting_takes_no_time_and_notices_a_cancellation():
    FakeContext().wait(3600)
    with pytest.raises(Cancelled):
        FakeContext(cancel_after=0).wait(3600)


def test_a_write_that_is_not_repeatable_must_arm():
    assert run_action(send, {"text": "milk"}).markers[0].keys() == {"key"}
    with pytest.raises(AssertionError, match=r"demo\.send_note: a write that is not repeatable"):
        run_action(send, {"text": "unarmed"})


def test_a_repeatable_write_need_not_arm():
    assert run_action(put, {"text": "milk"}).markers == []


def test_a_result_of_another_type_is_a_broken_declaration():
    with pytest.raises(AssertionError, match=r"demo\.lie returned Other, not Note"):
        run_action(lie, {"text": "x"})


def test_a_service_can_be_given_and_else_comes_from_the_registry():
    class Clock:
        pass

    clock = Clock()
    assert FakeContext(services=[clock]).use(Clock) is clock
    with pytest.raises(NotConfigured, match="Clock"):
        FakeContext().use(Clock)


class Key(Model):
    """What proves an account."""

    key: SecretStr = Field(description="The key.")


def kind(provider, fallback=None):
    return ConnectionKind(
        provider,
        title=provider,
        credentials=Key,
        identify=lambda *_: provider,
        fallback=fallback and (lambda _: fallback),
    )


def test_of_several_kinds_the_account_that_was_given_counts_then_the_one_of_the_installation():
    key = Key(key=SecretStr("x"))
    one, other, shared = kind("one"), kind("other"), kind("shared", key)
    assert FakeContext(connections={other: key}).connection_of((one, other)).kind is other
    assert FakeContext(connections={other: key, one: key}).connection_of((one, other)).kind is other
    own = FakeContext().connection_of((one, shared))
    assert (own.kind, own.account) == (shared, "")
    with pytest.raises(NotConfigured, match="no one or other account"):
        FakeContext().connection_of((one, other))


def test_the_deadline_counts_down():
    assert 0 < FakeContext(timeout_s=5).remaining_s <= 5
    assert FakeContext(timeout_s=-1).remaining_s < 0
