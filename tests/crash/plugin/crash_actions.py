"""Actions of the crash matrix: one of each kind that the engine treats differently when somebody dies under it.

They call `tests/crash/provider.py`, which counts what really happened, through the product's own HTTP client. Put this
folder on PYTHONPATH and they are there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from pydantic import Field, JsonValue

from llmcoder import BadInput, Context, Effect, Model, Queue, Retry, Transient, action
from llmcoder.net import Limits, Response

TIMEOUT_S = 5.0
ANSWER_WITHIN_S = 2.0  # the provider stalls for longer
SETTLE_S = 1.0
AFTER_S = 0.05
RETRY = Retry(attempts=8, first_wait_s=0.2, max_wait_s=2.0)


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


#: Results that some writer of JSON, or some store, refuses.
UNWRITABLE: dict[str, Any] = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "huge": 2**64,
    "surrogate": "\ud83d",
    "nul": "a\x00b",
    "deep": _nested(900),
    "wide": list(range(200_000)),
    "not_json": {1: {2, 3}},
}


class Thought(Model):
    number: int = Field(description="Which one; it comes back.", examples=[1])
    takes_s: float = Field(0.05, ge=0, le=10, description="How long it takes.")


class Call(Model):
    number: int = Field(description="Which one; it comes back.", examples=[1])
    provider: str = Field(description="Address of the provider.", examples=["http://127.0.0.1:8000"])
    do: str = Field("answer", description="What the provider does with it, see its Behaviour.")
    nowhere: str | None = Field(None, description="Address that refuses connections, for the first attempt.")


class Ending(Model):
    how: int = Field(signal.SIGKILL, description="The signal by which the process ends.")


class Said(Model):
    value: JsonValue = Field(description="Anything.", examples=["a word"])


class Wish(Model):
    how: str = Field(description="One of the names of what can hardly be kept, or any word.", examples=["fine"])


class Anything(Model):
    value: Any


class Done(Model):
    number: int


@action("crash.think", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY)
def think(given: Thought, ctx: Context) -> Done:
    """Have no effect and take some time."""
    ctx.wait(given.takes_s)
    return Done(number=given.number)


@action("crash.ponder", effect=Effect.DRAFT, queue=Queue.HEAVY, timeout_s=TIMEOUT_S, retry=RETRY)
def ponder(given: Thought, ctx: Context) -> Done:
    """Have no effect and take some time, in a process of its own."""
    ctx.wait(given.takes_s)
    return Done(number=given.number)


@action("crash.echo", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY)
def echo(given: Said, ctx: Context) -> Said:
    """Give back what was given."""
    return given


@action("crash.answer", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY)
def answer(given: Wish, ctx: Context) -> Anything:
    """Answer what a vendor or a model may answer, and what can hardly be kept."""
    if given.how == "progress":
        ctx.progress(0.5, UNWRITABLE["surrogate"] + UNWRITABLE["nul"])
    if given.how == "error":
        raise BadInput(UNWRITABLE["surrogate"] + UNWRITABLE["nul"])
    return Anything(value=UNWRITABLE.get(given.how, given.how))


@action("crash.write_blind", effect=Effect.WRITE, repeatable=False, timeout_s=TIMEOUT_S, retry=RETRY)
def write_blind(given: Call, ctx: Context) -> Done:
    """Have an effect that nobody can be asked about."""
    return write("blind", given, ctx)


def was_written(given: Call, marker: Mapping[str, str], ctx: Context) -> Done | None:
    answer = ctx.http.request("GET", f"{given.provider}/effects/{marker['key']}", check=ctx.check, limits=_LIMITS)
    return Done(number=given.number) if answer.status == 200 else None


@action(
    "crash.write_checkable",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=was_written,
    timeout_s=TIMEOUT_S,
    settle_s=SETTLE_S,
    retry=RETRY,
)
def write_checkable(given: Call, ctx: Context) -> Done:
    """Have an effect that the provider can be asked about."""
    return write("checkable", given, ctx)


@action("crash.write_keyed", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S, retry=RETRY)
def write_keyed(given: Call, ctx: Context) -> Done:
    """Have an effect that the provider has once per key, however often it is asked for."""
    return write("keyed", given, ctx)


@action("crash.run_out_of_memory", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY)
def run_out_of_memory(given: Thought, ctx: Context) -> Done:
    """Want more memory than there is."""
    raise MemoryError


@action("crash.end_process", effect=Effect.DRAFT, queue=Queue.HEAVY, timeout_s=TIMEOUT_S, retry=RETRY)
def end_process(given: Ending, ctx: Context) -> Done:
    """Take a pool's process along, as the kernel does with one that eats all memory."""
    os.kill(os.getpid(), given.how)
    raise AssertionError("it should have ended")


@action("crash.end_worker", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY)
def end_worker(given: Ending, ctx: Context) -> Done:
    """Take a whole worker along, with everything that runs in it."""
    os.kill(os.getpid(), given.how)
    raise AssertionError("it should have ended")


_LIMITS = Limits(connect_s=ANSWER_WITHIN_S, read_s=ANSWER_WITHIN_S, total_s=ANSWER_WITHIN_S)


def write(kind: str, given: Call, ctx: Context) -> Done:
    key = str(ctx.job_id)
    ctx.armed({"key": key})
    address = given.nowhere if given.nowhere and ctx.attempt == 1 else given.provider
    answer = ctx.http.request("POST", f"{address}/effects/{key}?kind={kind}&do={given.do}", limits=_LIMITS)
    return _done(given, answer, ctx)


def _done(given: Call, answer: Response, ctx: Context) -> Done:
    if answer.status == 503:
        raise Transient("The provider is busy; it did nothing.")
    if hasattr(ctx, "confirmed"):  # an older version, beside which this runs in a rolling upgrade, has none
        ctx.confirmed()
    ctx.wait(AFTER_S)  # as long as a fault may need to come between the effect and the end
    return Done(number=given.number)
