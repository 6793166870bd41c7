"""Sort mail: what kind, how urgent, whether somebody waits for an answer. Suggests labels and puts none on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from llmcoder import BadInput, Context, Effect, Model, Refused, Retry, action
from llmcoder.errors import ActionError
from llmcoder.language import PromptUse, WrongForm
from tasks.email.accounts import KINDS, mailbox, name_of
from tasks.email.drafting import Verdict, verdict
from tasks.email.mailbox import Arrivals, Mailbox, Query, StoredMail
from tasks.email.reading import Mail, read
from tasks.email.views import ACCOUNT, Instructions, Label, MessageId, Person, person

#: Local models on slow machines take a minute for a mail.
TIMEOUT_S = 1_800
RETRY = Retry(attempts=4, first_wait_s=5)
MOST_SORTED = 25
MOST_LABELS = 100
#: Where a mail is, or what became of it, and not what it is about: never suggested.
SYSTEM_LABELS = frozenset({
    "INBOX", "SENT", "DRAFT", "DRAFTS", "TRASH", "SPAM", "JUNK", "UNREAD", "CHAT", "ALL", "ARCHIVE", "ANSWERED",
})  # fmt: skip
ORDER = {"high": 0, "normal": 1, "low": 2}


class Sorting(Model):
    """Which mails are to be sorted."""

    ids: list[MessageId] | None = Field(
        None, min_length=1, max_length=MOST_SORTED, description="Their ids; the newest unread ones when left out."
    )
    label: Label | None = Field(None, description="Where the newest unread ones are; the inbox when left out.")
    limit: int = Field(10, ge=1, le=MOST_SORTED, description="At most so many of them.")
    labels: list[Label] | None = Field(
        None, max_length=MOST_LABELS, description="Labels to choose from; those of the mailbox when left out."
    )
    instructions: Instructions | None = Field(
        None, description="What matters to you.", examples=["Mails of my bank are high."]
    )
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class NewMailWish(Model):
    """From where on new mails are to be sorted."""

    cursor: str | None = Field(
        None, max_length=1_000, description="`cursor` of the look before; left out, nothing is sorted and now is noted."
    )
    label: Label | None = Field(None, description="Where they come in; the inbox when left out.")
    limit: int = Field(MOST_SORTED, ge=1, le=MOST_SORTED, description="At most so many; `more` says if there are more.")
    labels: list[Label] | None = Field(
        None, max_length=MOST_LABELS, description="Labels to choose from; those of the mailbox when left out."
    )
    instructions: Instructions | None = Field(None, description="What matters to you.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class SortedMail(Model):
    """How one mail is sorted."""

    id: str = Field(description="Id of the mail.")
    subject: str = Field(description="Its subject.")
    sender: Person | None = Field(description="From whom, as the mail says.")
    verdict: Verdict | None = Field(description="How it is sorted; null where that failed.")
    error: str | None = Field(None, description="Why it could not be sorted.")


class SortedMails(Model):
    """Sorted mails. Nothing was changed in the mailbox: email.label puts the labels on."""

    items: list[SortedMail] = Field(description="The mails, the most urgent first.")
    prompt: str | None = Field(description="Which prompt, with its version; null where no mail was sorted.")
    model: str | None = Field(description="Which model, likewise.")
    tokens_in: int | None = Field(description="Prompt tokens of all calls; null when the provider did not say.")
    tokens_out: int | None = Field(description="Generated tokens of all calls, likewise.")


class SortedArrivals(SortedMails):
    """Sorted new mails, and where to go on."""

    cursor: str = Field(description="Where the next look goes on.")
    more: bool = Field(description="Whether there are more at once.")
    gap: str | None = Field(description="Why mails may have come in that nobody looked at.")


@action("email.triage", effect=Effect.DRAFT, outside=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def triage(wanted: Sorting, ctx: Context) -> SortedMails:
    """Sort mails: what kind, how urgent, whether somebody waits for an answer, which labels would fit.

    Nothing is changed in the mailbox.
    """
    with mailbox(ctx) as box:
        desk = Desk(box.address, _offered(box, wanted.labels), wanted.instructions)
        mails = _to_sort(box, wanted)
    return SortedMails.model_validate(sort(mails, desk, ctx))


@action("email.triage_new", effect=Effect.DRAFT, outside=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def triage_new(wanted: NewMailWish, ctx: Context) -> SortedArrivals:
    """Sort what came in since an earlier look.

    A watch (POST /email/watches) has it done every few minutes and keeps the cursor.
    """
    with mailbox(ctx) as box:
        came, gap = _arrived(box, wanted, name_of(ctx, box))
        mails = _came(box, came.ids)
        offered = _offered(box, wanted.labels) if mails else []
        desk = Desk(box.address, offered, wanted.instructions)
        cursor = f"{name_of(ctx, box)} {came.cursor}"
    found = sort(mails, desk, ctx)
    return SortedArrivals.model_validate({**found, "cursor": cursor, "more": came.more, "gap": gap})


@dataclass(frozen=True)
class Desk:
    """For whom mails are sorted, by which labels and wishes."""

    reader: str
    labels: Sequence[str]
    instructions: str | None


@dataclass(frozen=True)
class UnreadableMail:
    """A mail that is there and cannot be read."""

    id: str
    why: str


def sort(mails: Sequence[StoredMail | UnreadableMail], desk: Desk, ctx: Context) -> dict[str, object]:
    """The fields of `SortedMails`. A mail that a model cannot make sense of is named and does not stop the others.

    Raises:
        BadInput: The provider refused all of several mails, so that it is not about them.
        ActionError: What the model raises else; then nothing was sorted.
    """
    items: list[SortedMail] = []
    made: list[PromptUse] = []
    refusals: list[BadInput] = []
    for number, stored in enumerate(mails):
        ctx.progress(number / len(mails), f"Sorting mail {number + 1} of {len(mails)}")
        if isinstance(stored, UnreadableMail):
            items.append(SortedMail(id=stored.id, subject="", sender=None, verdict=None, error=stored.why))
            continue
        mail = read(stored.raw, whole=stored.whole)
        try:
            found, written = verdict(mail, desk.reader, desk.labels, desk.instructions, ctx)
            made.append(written)
            items.append(_item(stored, mail, found))
        except (WrongForm, BadInput) as error:  # a mail may be written such that it comes to this
            refusals += [error] if isinstance(error, BadInput) else []
            items.append(_item(stored, mail, None, error))
    if len(refusals) == len(items) > 1:
        raise refusals[-1]
    items.sort(key=lambda one: ORDER[one.verdict.priority] if one.verdict else len(ORDER))
    total = PromptUse.sum(made)
    return {
        "items": items,
        "prompt": total and total.prompt,
        "model": total and total.model,
        "tokens_in": total and total.tokens_in,
        "tokens_out": total and total.tokens_out,
    }


def _item(stored: StoredMail, mail: Mail, found: Verdict | None, error: ActionError | None = None) -> SortedMail:
    return SortedMail(
        id=stored.id,
        subject=mail.subject,
        sender=mail.sender and person(mail.sender),
        verdict=found,
        error=error and error.detail,
    )


def _offered(box: Mailbox, labels: Sequence[str] | None) -> list[str]:
    """Labels that may be suggested: the user's choice, else what the mailbox has and says what a mail is about."""
    if labels is not None:
        return list(dict.fromkeys(labels))
    found = [one for one in box.labels() if one.upper() not in SYSTEM_LABELS and not one.startswith("CATEGORY_")]
    return found[:MOST_LABELS]


def _arrived(box: Mailbox, wanted: NewMailWish, name: str) -> tuple[Arrivals, str | None]:
    """What came in, and what nobody will have looked at."""
    before, _, place = (wanted.cursor or "").rpartition(" ")
    if wanted.cursor is None or before == name:
        found = box.arrivals(place or None, wanted.label, wanted.limit)
        return found, found.gap
    gap = f"The look before was at {before or 'another mailbox'}; this one begins with what comes in from now on."
    return box.arrivals(None, wanted.label, wanted.limit), gap


def _came(box: Mailbox, ids: Sequence[str]) -> list[StoredMail | UnreadableMail]:
    """The mails that came in, without those that are gone again, so that there is nothing to sort."""
    mails: list[StoredMail | UnreadableMail] = []
    for mail_id, mail in zip(ids, box.messages(ids), strict=True):
        if isinstance(mail, Refused):
            mails.append(UnreadableMail(mail_id, mail.detail))
        elif isinstance(mail, StoredMail):
            mails.append(mail)
    return mails


def _to_sort(box: Mailbox, wanted: Sorting) -> list[StoredMail]:
    if wanted.ids is None:
        return list(box.whole_page(Query(label=wanted.label, unread=True), None, wanted.limit).messages)
    mails: list[StoredMail] = []
    for mail in box.messages(list(dict.fromkeys(wanted.ids))):
        if not isinstance(mail, StoredMail):
            raise mail
        mails.append(mail)
    return mails
