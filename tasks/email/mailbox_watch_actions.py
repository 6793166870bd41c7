"""Watches as actions: what an agent wants of them, or a policy holds back, waits for a person like any write."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, NotFound, Undo, action
from tasks.email.mailbox_watch import WATCHES, NewWatch, Watch, WatchChange

TIMEOUT_S = 15.0
AN_ID = "01937b2e-7c00-7000-8000-000000000001"


class WatchChoice(Model):
    """Which watch is meant."""

    watch_id: UUID = Field(description="The watch's id.", examples=[AN_ID])


class ChangedWatch(WatchChange):
    """Which watch, and what to change of it; a field left out stays as it is."""

    watch_id: UUID = Field(description="The watch's id.", examples=[AN_ID])


class RemovedWatch(Model):
    """A watch that is gone."""

    removed: Watch | None = Field(description="The watch as it was; null when it was gone already.")


@action("email.remove_watch", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove_watch(which: WatchChoice, ctx: Context) -> RemovedWatch:
    """Watch a mailbox no longer.

    One that is gone already is no error. To pause it, use email.change_watch.
    """
    return RemovedWatch(removed=WATCHES.take(ctx.user.id, which.watch_id))


@action(
    "email.add_watch",
    effect=Effect.WRITE,
    repeatable=True,
    undo=Undo(remove_watch, lambda new, watch: WatchChoice(watch_id=watch.id)),
    timeout_s=TIMEOUT_S,
)
def add_watch(new: NewWatch, ctx: Context) -> Watch:
    """Have new mail sorted as it comes in.

    From then on the clock looks into the mailbox, so this is more than a record: a macro's or a schedule's waits.
    """
    return WATCHES.add(ctx.user.id, new, ctx.job_id)


@action("email.change_watch", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def change_watch(change: ChangedWatch, ctx: Context) -> Watch:
    """Change where or how a watch looks, or pause it.

    A field left out stays as it is.
    """
    given = {name: getattr(change, name) for name in change.model_fields_set - {"watch_id"}}
    watch = WATCHES.change(ctx.user.id, change.watch_id, WatchChange(**given))
    if watch is None:
        raise NotFound(f"You have no watch {change.watch_id}; it may have been removed.")
    return watch
