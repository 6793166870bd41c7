"""Look at mail: lists, single messages, searches, labels. Nothing is marked as read by it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from pydantic import Field, StringConstraints

from llmcoder import Context, Effect, Model, NotFound, Retry, action
from llmcoder.instants import WrittenInstant
from llmcoder.settings import EngineSettings
from tasks.email.accounts import KINDS, mailbox
from tasks.email.mailbox import Mailbox, Query, StoredMail
from tasks.email.views import ACCOUNT, LISTED_CHARS, Label, MailHead, MailView, MessageId, fitted, head, whole

RETRY = Retry(attempts=4, first_wait_s=5)
TIMEOUT_S = 120
MOST_WITH_BODIES, MOST_HEADS = 25, 100
#: Mails that are fetched whole for the first words of a list.
MOST_READ_FOR_SNIPPETS, LARGEST_READ_FOR_SNIPPET_BYTES = 10, 2_000_000

Words = Annotated[str, StringConstraints(max_length=1_000)]


class MailSelection(Model):
    """Which mails."""

    label: Label | None = Field(
        None, description="A Gmail label or an IMAP folder; the inbox when left out.", examples=["INBOX"]
    )
    unread: bool | None = Field(None, description="Only unread ones, or only read ones.")
    sender: str | None = Field(None, max_length=255, description="Part of the sender's address or name.")
    since: WrittenInstant | None = Field(None, description="Received at this instant or later.")
    cursor: str | None = Field(None, max_length=1_000, description="`next` of the page before.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)

    def asked(self, words: str) -> Query:
        return Query(words=words, label=self.label, unread=self.unread, sender=self.sender, since=self.since)


class MailQuery(MailSelection):
    """Which mails, whole."""

    query: Words = Field("", description="Words that occur in them; on Gmail its search language.")
    limit: int = Field(10, ge=1, le=MOST_WITH_BODIES, description="Most mails to return.")


class MailSearch(MailSelection):
    """What to look for."""

    query: Words = Field(
        min_length=1, description="Words that occur in them; on Gmail its search language.", examples=["invoice"]
    )
    limit: int = Field(25, ge=1, le=MOST_HEADS, description="Most mails to return.")


class MailPage(Model):
    """Mails, newest first."""

    items: list[MailView] = Field(description=f"The mails; texts are cut at {LISTED_CHARS} characters.")
    next: str | None = Field(description="`cursor` of the page after this one; null on the last page.")
    about: int | None = Field(description="About how many there are in all, where the provider says so.")


class HeadPage(Model):
    """What was found, newest first."""

    items: list[MailHead] = Field(description="The mails, without their bodies.")
    next: str | None = Field(description="`cursor` of the page after this one; null on the last page.")
    about: int | None = Field(description="About how many there are in all, where the provider says so.")


class MailChoice(Model):
    """Which mail."""

    id: MessageId = Field(description="Its id, from email.emails or email.search.", examples=["18c2f0"])
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class AccountChoice(Model):
    """Which mailbox."""

    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class LabelList(Model):
    """Names of labels or folders."""

    labels: list[str] = Field(description="Their names.")


@action("email.emails", effect=Effect.READ, outside=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def emails(wanted: MailQuery, ctx: Context) -> MailPage:
    """List mails with their texts.

    Nothing is marked as read. To find mails without reading them use email.search; for one mail, email.message.
    """
    with mailbox(ctx) as box:
        found = box.whole_page(wanted.asked(wanted.query), wanted.cursor, wanted.limit)
        items = []
        for number, stored in enumerate(found.messages):
            ctx.progress(number / found.count, f"Reading mail {number + 1} of {found.count}")
            items.append(fitted(whole(stored, LISTED_CHARS), _room_bytes(ctx) // found.count))
    return MailPage(items=items, next=found.next, about=found.about)


@action("email.search", effect=Effect.READ, outside=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def search(wanted: MailSearch, ctx: Context) -> HeadPage:
    """Find mails by words, without their bodies."""
    with mailbox(ctx) as box:
        found = box.page(wanted.asked(wanted.query), wanted.cursor, wanted.limit)
        items = _heads(box, found.messages)
    return HeadPage(items=items, next=found.next, about=found.about)


@action("email.message", effect=Effect.READ, outside=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def message(which: MailChoice, ctx: Context) -> MailView:
    """Read one mail whole.

    It is not marked as read.
    """
    with mailbox(ctx) as box:
        return fitted(whole(box.message(which.id)), _room_bytes(ctx))


@action("email.labels", effect=Effect.READ, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def labels(_which: AccountChoice, ctx: Context) -> LabelList:
    """List the labels, or the folders, of a mailbox."""
    with mailbox(ctx) as box:
        return LabelList(labels=box.labels())


def _heads(box: Mailbox, messages: Sequence[StoredMail]) -> list[MailHead]:
    """Listed mails; of some that begin with styles or a file nothing to read came along, and they are read whole."""
    heads: list[MailHead] = []
    left = MOST_READ_FOR_SNIPPETS
    for stored in messages:
        listed = head(stored)
        by_us = stored.snippet is None and not stored.whole and stored.size_bytes <= LARGEST_READ_FOR_SNIPPET_BYTES
        if left and by_us and not listed.snippet:
            left -= 1
            with suppress(NotFound):  # it was deleted meanwhile
                listed = listed.model_copy(update={"snippet": head(box.message(stored.id)).snippet})
        heads.append(listed)
    return heads


def _room_bytes(ctx: Context) -> int:
    """For the mails of a result, beside what is round them."""
    return ctx.settings(EngineSettings).max_result_bytes * 9 // 10
