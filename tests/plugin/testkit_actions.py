"""Actions for tests and benchmarks, added as any third-party package adds its own: through the entry-point group.

Put this folder on PYTHONPATH and they are there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from llmcoder import (
    BadInput,
    Context,
    Effect,
    Model,
    NeedsReconnect,
    Queue,
    RateLimited,
    Retry,
    Transient,
    Uncertain,
    Undo,
    action,
)

QUICK = Retry(attempts=3, first_wait_s=0.1, jitter=0)


class Nothing(Model):
    """No input."""


class Done(Model):
    """What a test action did."""

    text: str = ""


class Text(Model):
    text: str = Field("", description="Any text; it comes back.", examples=["hello"])


class Nap(Model):
    seconds: float = Field(description="How long it takes.", examples=[0.1])
    deaf: bool = Field(False, description="Whether it ignores a request to end.")


class Work(Model):
    seconds: float = Field(ge=0, le=1, description="How long it takes.", examples=[0.005])


class Trouble(Model):
    kind: Literal["bad_input", "transient", "rate_limited", "uncertain", "reconnect", "bug", "memory", "exit"] = Field(
        description="Which error it raises.", examples=["transient"]
    )
    times: int = Field(1_000, description="On how many attempts; afterwards it succeeds.")


class Line(Model):
    path: str = Field(description="File that gets one line: the effect.", examples=["/tmp/effects"])
    then: Literal["return", "uncertain", "bug", "kill", "nap"] = Field("return", description="What follows the effect.")
    before: Literal["go", "kill", "nap"] = Field("go", description="What happens after arming and before the effect.")
    seconds: float = Field(0.0, description="Length of a nap.")


@action("test.do_nothing", effect=Effect.DRAFT)
def do_nothing(given: Nothing, ctx: Context) -> Done:
    """Do nothing at all."""
    return Done()


@action("test.echo", effect=Effect.DRAFT)
def echo(given: Text, ctx: Context) -> Done:
    """Give the text back."""
    return Done(text=given.text)


@action("test.take_nap", effect=Effect.DRAFT, timeout_s=3, retry=Retry(attempts=1))
def take_nap(given: Nap, ctx: Context) -> Done:
    """Take some time, with progress."""
    return _nap(given, ctx)


@action("test.work_briefly", effect=Effect.DRAFT)
def work_briefly(given: Work, ctx: Context) -> Done:
    """Take a little time, to the millisecond and without progress."""
    time.sleep(given.seconds)
    return Done()


@action("test.take_heavy_nap", effect=Effect.DRAFT, queue=Queue.HEAVY, timeout_s=30)
def take_heavy_nap(given: Nap, ctx: Context) -> Done:
    """Take some time in a process of its own."""
    return _nap(given, ctx)


@action("test.make_trouble", effect=Effect.DRAFT, retry=QUICK)
def make_trouble(given: Trouble, ctx: Context) -> Done:
    """Raise an error on purpose."""
    if ctx.attempt > given.times:
        return Done(text=f"attempt {ctx.attempt}")
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    errors: dict[str, BaseException] = {
        "bad_input": BadInput("it will not do"),
        "transient": Transient("not now"),
        "rate_limited": RateLimited("slow down", soon, provider=f"test-{ctx.job_id}"),
        "uncertain": Uncertain("no answer"),
        "reconnect": NeedsReconnect("connect again"),
        "bug": ValueError("canary-in-a-bug"),
        "memory": MemoryError(),
        "exit": SystemExit(3),
    }
    raise errors[given.kind]


@action("test.write_line", effect=Effect.WRITE, repeatable=False, retry=QUICK)
def write_line(given: Line, ctx: Context) -> Done:
    """Have an effect that can be counted and not be asked about."""
    return _effect(given, ctx)


def _was_written(given: Line, marker: Mapping[str, str], ctx: Context) -> Done | None:
    path = Path(given.path)
    return Done(text="found") if path.exists() and marker["line"] in path.read_text().splitlines() else None


@action(
    "test.write_findable_line",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=_was_written,
    retry=QUICK,
    timeout_s=5,
    settle_s=0.5,
)
def write_findable_line(given: Line, ctx: Context) -> Done:
    """Have an effect that can be asked about."""
    return _effect(given, ctx)


@action("test.fetch_mail", effect=Effect.READ, outside=True)
def fetch_mail(given: Text, ctx: Context) -> Done:
    """Bring in what somebody else wrote."""
    return Done(text=given.text)


class Refusal(Model):
    text: str = Field(description="What the error says.", examples=["no"])
    calls_out: bool = Field(True, description="Whether somebody else said so.")


@action("test.fail_with", effect=Effect.READ)
def fail_with(given: Refusal, ctx: Context) -> Done:
    """Fail with words of whoever was called."""
    if given.calls_out:
        assert ctx.http is not None
    raise BadInput(given.text)


class Post(Model):
    to: str = Field(description="Who gets it.", examples=["bert"])
    text: str = Field(description="What they get.", examples=["hello"])


class Posted(Model):
    post_id: str


class PostChoice(Model):
    post_id: str = Field(description="Which post.", examples=["1"])


@action("test.retract_post", effect=Effect.DESTROY, repeatable=True)
def retract_post(given: PostChoice, ctx: Context) -> Done:
    """Take a post back."""
    return Done(text=given.post_id)


@action(
    "test.post",
    effect=Effect.WRITE,
    repeatable=True,
    undo=Undo(retract_post, lambda given, posted: PostChoice(post_id=posted.post_id)),
)
def post(given: Post, ctx: Context) -> Posted:
    """Post something, which can be taken back."""
    return Posted(post_id=f"{given.to}-{ctx.job_id}")


@action("test.look_inside", effect=Effect.READ, administrators_only=True)
def look_inside(given: Text, ctx: Context) -> Done:
    """See what only administrators see."""
    return Done(text=given.text)


@action("test.turn_back", effect=Effect.DESTROY, repeatable=True, administrators_only=True)
def turn_back(given: PostChoice, ctx: Context) -> Done:
    """Take back what an administrator did."""
    return Done(text=given.post_id)


@action(
    "test.turn_wheel",
    effect=Effect.WRITE,
    repeatable=True,
    administrators_only=True,
    undo=Undo(turn_back, lambda given, posted: PostChoice(post_id=posted.post_id)),
)
def turn_wheel(given: Post, ctx: Context) -> Posted:
    """Do what only administrators may do."""
    return Posted(post_id=given.to)


class Left(Model):
    path: str = Field(description="File that gets the ports, one a line.", examples=["/tmp/ports"])
    seconds: float = Field(0.0, description="How long it takes, deaf to a request to end.")


@action("test.leave_open", effect=Effect.DRAFT, queue=Queue.HEAVY, timeout_s=60)
def leave_open(given: Left, ctx: Context) -> Done:
    """Leave a proxy running and a connection open."""
    proxy = ctx.net.proxy()
    kept.append(ctx.net.allowing("127.0.0.1").connect("127.0.0.1", proxy.port))
    with Path(given.path).open("a") as ports:
        ports.write(f"{proxy.port}\n")
    time.sleep(given.seconds)
    return Done()


kept: list[object] = []


def _nap(given: Nap, ctx: Context) -> Done:
    until = time.monotonic() + given.seconds
    while time.monotonic() < until:
        if given.deaf:
            time.sleep(0.05)
        else:
            ctx.progress(1 - (until - time.monotonic()) / given.seconds, "napping")
            ctx.wait(0.05)
    return Done()


def _effect(given: Line, ctx: Context) -> Done:
    line = str(ctx.job_id)
    ctx.armed({"line": line})
    _maybe(given.before, given, ctx)
    with Path(given.path).open("a") as effects:
        effects.write(line + "\n")
    _maybe(given.then, given, ctx)
    return Done(text="written")


def _maybe(what: str, given: Line, ctx: Context) -> None:
    if what == "kill" and ctx.attempt == 1:
        os.kill(os.getpid(), 9)
    if what == "nap":
        Path(f"{given.path}.{ctx.job_id}.asleep").touch()
        time.sleep(given.seconds)
    if what == "uncertain" and ctx.attempt == 1:
        raise Uncertain("the connection broke after sending")
    if what == "bug":
        raise RuntimeError("broke after the effect")
