"""Put labels on mail and take them off, and put mail away. Both can be taken back."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from llmcoder import Context, Effect, Model, Retry, Undo, action
from tasks.email.accounts import KINDS, mailbox
from tasks.email.mailbox import INBOX
from tasks.email.views import ACCOUNT, Label, MessageId

TIMEOUT_S = 60
RETRY = Retry(attempts=4, first_wait_s=5)
MOST_MAILS = 500


class LabelChange(Model):
    """Which labels of which mails change."""

    ids: list[MessageId] = Field(
        min_length=1, max_length=MOST_MAILS, description="Ids of the mails.", examples=[["18c2f0"]]
    )
    add: list[Label] = Field(
        default_factory=list, max_length=50,
        description="Labels to put on; keywords on IMAP. UNREAD and STARRED are of them.", examples=[["STARRED"]],
    )  # fmt: skip
    remove: list[Label] = Field(default_factory=list, max_length=50, description="Labels to take off.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.add and not self.remove:
            raise ValueError("say which labels to add or to remove")
        if both := set(self.add) & set(self.remove):
            raise ValueError(f"{sorted(both)[0]!r} cannot be added and removed at once")
        return self


class Labelled(Model):
    """Labels were changed."""

    ids: list[str] = Field(description="Ids of the mails.")


class MailsToArchive(Model):
    """Which mails to put away."""

    ids: list[MessageId] = Field(
        min_length=1, max_length=MOST_MAILS, description="Ids of the mails.", examples=[["18c2f0"]]
    )
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class Archived(Model):
    """Mails that are in the inbox no more."""

    ids: list[str] = Field(description="Their ids now: elsewhere than on Gmail, an id names the folder too.")


def _back(change: LabelChange, _done: Labelled) -> LabelChange:
    return LabelChange(ids=change.ids, add=change.remove, remove=change.add, account=change.account)


@action("email.unlabel", effect=Effect.WRITE, repeatable=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def unlabel(change: LabelChange, ctx: Context) -> Labelled:
    """Change labels back; what undoes email.label."""
    return _relabelled(change, ctx)


@action(
    "email.label",
    effect=Effect.WRITE,
    repeatable=True,
    connects=KINDS,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    undo=Undo(unlabel, _back),
)
def label(change: LabelChange, ctx: Context) -> Labelled:
    """Put labels on mails and take others off; marking as read is removing UNREAD."""
    return _relabelled(change, ctx)


def _relabelled(change: LabelChange, ctx: Context) -> Labelled:
    with mailbox(ctx) as box:
        ctx.armed()
        box.relabel(change.ids, change.add, change.remove)
    return Labelled(ids=change.ids)


@action("email.unarchive", effect=Effect.WRITE, repeatable=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def unarchive(which: MailsToArchive, ctx: Context) -> Labelled:
    """Put mails back into the inbox; what undoes email.archive."""
    with mailbox(ctx) as box:
        ctx.armed()
        box.relabel(which.ids, [INBOX], [])
    return Labelled(ids=which.ids)


def _into_inbox(given: MailsToArchive, done: Archived) -> MailsToArchive:
    return MailsToArchive(ids=done.ids, account=given.account)


@action(
    "email.archive",
    effect=Effect.WRITE,
    repeatable=True,
    connects=KINDS,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    undo=Undo(unarchive, _into_inbox),
)
def archive(which: MailsToArchive, ctx: Context) -> Archived:
    """Take mails out of the inbox without deleting them."""
    with mailbox(ctx) as box:
        ctx.armed()
        return Archived(ids=box.archive(which.ids))
