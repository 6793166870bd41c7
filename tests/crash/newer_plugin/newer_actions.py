"""What only the newer processes of a rolling upgrade know: one action of each kind, on both queues."""

from __future__ import annotations

from crash_actions import RETRY, SETTLE_S, TIMEOUT_S, Call, Done, Thought, was_written, write

from llmcoder import Context, Effect, Queue, action


@action("crash.think_anew", effect=Effect.DRAFT, timeout_s=TIMEOUT_S, retry=RETRY)
def think_anew(given: Thought, ctx: Context) -> Done:
    """Have no effect and take some time."""
    ctx.wait(given.takes_s)
    return Done(number=given.number)


@action("crash.ponder_anew", effect=Effect.DRAFT, queue=Queue.HEAVY, timeout_s=TIMEOUT_S, retry=RETRY)
def ponder_anew(given: Thought, ctx: Context) -> Done:
    """Have no effect and take some time, in a process of its own."""
    ctx.wait(given.takes_s)
    return Done(number=given.number)


@action(
    "crash.write_anew",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=was_written,
    timeout_s=TIMEOUT_S,
    settle_s=SETTLE_S,
    retry=RETRY,
)
def write_anew(given: Call, ctx: Context) -> Done:
    """Have an effect that the provider can be asked about."""
    return write("anew", given, ctx)
