"""Send mail. Each mail is known by a Message-ID made of its job's id, by which `reconcile` looks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from llmcoder import BadInput, Context, Effect, Marker, Model, Retry, Uncertain, action
from tasks.email.accounts import KINDS, mailbox
from tasks.email.addresses import Address
from tasks.email.mailbox import Mailbox, Sent
from tasks.email.reading import Mail, read
from tasks.email.views import ACCOUNT, MessageId
from tasks.email.writing import File, Letter, build, file_of, message_id, parsed, references_of, reply_subject, reply_to

TIMEOUT_S = 180
RETRY = Retry(attempts=4, first_wait_s=10)
#: A provider's index may lag behind what it has sent.
SETTLE_S = 120
MOST_RECIPIENTS = 100

Recipient = Annotated[str, StringConstraints(min_length=3, max_length=400)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500_000, strip_whitespace=False)]
Html = Annotated[str, StringConstraints(min_length=1, max_length=500_000, strip_whitespace=False)]


class FileToSend(Model):
    """A file to send along."""

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\r\n\x00/\\]+$", description="Its name.")
    media_type: str = Field(
        "application/octet-stream", pattern=r"^[\w.+-]{1,60}/[\w.+-]{1,80}$", description="Its type.",
        examples=["application/pdf"],
    )  # fmt: skip
    content_base64: str = Field(description="Its content. An input as a whole has a limit, MAX_INPUT_BYTES.")
    cid: str | None = Field(
        None, pattern=r"^[\w.@-]{1,100}$", description="Shown where the HTML says cid:…, instead of attached."
    )


class MailBody(Model):
    """What a mail says."""

    text: Text = Field(description="The text.", examples=["See you on Monday."])
    html: Html | None = Field(None, description="The same as HTML, for programs that show it.")
    files: list[FileToSend] = Field(default_factory=list, max_length=20, description="Files to send along.")

    def sent_files(self) -> list[File]:
        return [file_of(one.name, one.media_type, one.content_base64, one.cid) for one in self.files]


class NewMail(MailBody):
    """A mail."""

    to: list[Recipient] = Field(
        min_length=1, max_length=MOST_RECIPIENTS, description="To whom.", examples=[["Ann <ann@example.org>"]]
    )
    cc: list[Recipient] = Field(default_factory=list, max_length=MOST_RECIPIENTS, description="Who gets a copy.")
    bcc: list[Recipient] = Field(
        default_factory=list, max_length=MOST_RECIPIENTS, description="Who gets a copy that the others do not see."
    )
    subject: str = Field(max_length=900, pattern=r"^[^\r\n\x00]*$", description="Subject.", examples=["Our meeting"])
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        for one in (*self.to, *self.cc, *self.bcc):
            _address(one)
        return self


class Reply(Model):
    """An answer to a mail: a text, or a draft that is in the mailbox."""

    id: MessageId = Field(description="Id of the mail that is answered.", examples=["18c2f0"])
    text: Text | None = Field(
        None, description="The text; give this or `draft_id`.", examples=["Thank you, Monday suits me."]
    )
    html: Html | None = Field(None, description="The same as HTML.")
    files: list[FileToSend] = Field(default_factory=list, max_length=20, description="Files to send along.")
    draft_id: MessageId | None = Field(None, description="Id of a draft in the mailbox, to be sent as it is there.")
    reply_all: bool = Field(False, description="Whether everybody who got the mail gets the answer.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.text is None) == (self.draft_id is None):
            raise ValueError("give `text` or `draft_id`, and not both")
        if self.draft_id is not None and (self.html or self.files):
            raise ValueError("a draft is sent as it is: no `html` and no `files` beside it")
        return self


class SentMail(Model):
    """A mail that was sent."""

    message_id: str = Field(description="Its Message-ID.")
    id: str | None = Field(description="Its id in the mailbox, where a copy is kept.")
    thread_id: str | None = Field(description="Of its conversation, where the provider knows one.")
    recipients: list[str] = Field(description="Whom it went to.")
    note: str | None = Field(description="What you should know besides.")


def _address(text: str) -> Address:
    try:
        return parsed(text)
    except BadInput as error:
        raise ValueError(error.detail) from None


def find_mail(_given: NewMail | Reply, marker: Marker, ctx: Context) -> SentMail | None:
    """Whether an attempt that nobody heard of again sent it.

    Raises:
        Uncertain: The draft that was to be sent is gone, and the mail is not found.
    """
    with mailbox(ctx) as box:
        found = box.find_sent(marker["message_id"])
        if found is None and (draft := marker.get("draft_id")) and box.has_draft(draft) is False:
            raise Uncertain(
                "The draft is a draft no more, and what was sent does not show it: look whether it went out."
            )
    return None if found is None else _sent(found, marker.get("recipients", "").split())


@action(
    "email.send",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_mail,
    connects=KINDS,
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
)
def send(mail: NewMail, ctx: Context) -> SentMail:
    """Send a new mail.

    To answer one use email.send_reply, which keeps the conversation together.
    """
    with mailbox(ctx) as box:
        letter = Letter(
            Address(box.address, box.name),
            [parsed(one) for one in mail.to],
            mail.subject,
            mail.text,
            cc=[parsed(one) for one in mail.cc],
            bcc=[parsed(one) for one in mail.bcc],
            html=mail.html,
            files=mail.sent_files(),
        )
        return _send(box, letter, None, ctx)


@action(
    "email.send_reply",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_mail,
    connects=KINDS,
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
)
def send_reply(reply: Reply, ctx: Context) -> SentMail:
    """Answer a mail, in its conversation: with a text, or with a draft that is in the mailbox."""
    with mailbox(ctx) as box:
        if reply.draft_id is not None:  # it holds all that is sent
            return _send_draft(box, reply.draft_id, ctx)
        stored = box.message(reply.id)
        original = read(stored.raw)
        return _send(box, _answer(reply, original, box), stored.thread_id, ctx)


def _answer(reply: Reply, original: Mail, box: Mailbox) -> Letter:
    to, cc = reply_to(original, box.address, to_all=reply.reply_all)
    if not to:
        raise BadInput("The mail does not say from whom it is, so nobody can be answered. Use email.send.")
    return Letter(
        Address(box.address, box.name),
        to,
        reply_subject(original.subject),
        reply.text or "",
        cc=cc,
        html=reply.html,
        files=[file_of(one.name, one.media_type, one.content_base64, one.cid) for one in reply.files],
        references=references_of(original),
    )


def _send(box: Mailbox, letter: Letter, thread_id: str | None, ctx: Context) -> SentMail:
    own = message_id(ctx.job_id, box.address)
    message = build(letter, own, datetime.now(UTC))
    ctx.armed({"message_id": own, "recipients": " ".join(letter.recipients)})
    return _sent(box.send(message, letter.recipients, thread_id), letter.recipients)


def _send_draft(box: Mailbox, draft_id: str, ctx: Context) -> SentMail:
    draft = read(box.draft(draft_id).raw)
    if not draft.message_id:
        raise BadInput("The draft has no Message-ID, so nobody could tell afterwards whether it was sent.")
    recipients = list(dict.fromkeys(one.email for one in (*draft.to, *draft.cc, *draft.bcc)))
    if not recipients:
        raise BadInput("The draft is addressed to nobody.")
    ctx.armed({"message_id": draft.message_id, "draft_id": draft_id, "recipients": " ".join(recipients)})
    return _sent(box.send_draft(draft_id, recipients), recipients)


def _sent(found: Sent, recipients: list[str]) -> SentMail:
    return SentMail(
        message_id=found.message_id, id=found.id, thread_id=found.thread_id, recipients=recipients, note=found.note
    )
