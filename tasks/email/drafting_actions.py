"""Have a language model write about mail: draft replies, say what a conversation is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from llmcoder import Context, Effect, Model, NotFound, Retry, action
from tasks.email.accounts import KINDS, mailbox
from tasks.email.addresses import Address
from tasks.email.drafting import ActionItem, ReplyStyle, gist, replies
from tasks.email.mailbox import Mailbox, StoredMail
from tasks.email.reading import Mail, read
from tasks.email.views import ACCOUNT, Instructions, MessageId, ModelUse, Person, person
from tasks.email.writing import Letter, build, message_id, references_of, reply_subject, reply_to

#: Local models on slow machines write for minutes.
TIMEOUT_S = 900
RETRY = Retry(attempts=4, first_wait_s=5)
MOST_VARIANTS = 5
LENGTHS = {"short": "in two to four sentences", "medium": "in one or two paragraphs", "long": "as long as it needs"}

Language = Annotated[str, StringConstraints(min_length=2, max_length=100)]


class ReplyWish(Model):
    """Which mail is to be answered, and how."""

    id: MessageId = Field(description="Id of the mail, from email.emails.", examples=["18c2f0"])
    tone: Literal["friendly", "formal", "neutral", "brisk", "apologetic"] = Field("friendly", description="How.")
    length: Literal["short", "medium", "long"] = Field("medium", description="How much.")
    language: Language | None = Field(
        None, description="In which language; that of the mail when left out.", examples=["German"]
    )
    instructions: Instructions | None = Field(
        None, description="What it is to say or leave out.", examples=["Say no to Tuesday, offer Thursday."]
    )
    variants: int = Field(1, ge=1, le=MOST_VARIANTS, description="So many texts to choose from.")
    reply_all: bool = Field(False, description="Whether everybody who got the mail gets the answer.")
    save: bool = Field(False, description="Whether the texts are kept as drafts in the mailbox.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class ReplyDraft(Model):
    """One text."""

    text: str = Field(description="The text of the reply.")
    draft_id: str | None = Field(description="Of the draft in the mailbox, where it was kept.")


class ReplyDrafts(ModelUse):
    """Texts that answer a mail; nothing was sent."""

    subject: str = Field(description="Subject of the reply.")
    to: list[Person] = Field(description="Whom it would go to.")
    cc: list[Person] = Field(description="Who would get a copy.")
    variants: list[ReplyDraft] = Field(description="The texts.")


class ThreadChoice(Model):
    """Which conversation."""

    id: MessageId = Field(description="Id of any mail in it.", examples=["18c2f0"])
    language: Language | None = Field(None, description="Of the summary; that of the mails when left out.")
    focus: Instructions | None = Field(None, description="What to look out for.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class ThreadSummary(ModelUse):
    """What a conversation is about."""

    subject: str = Field(description="Its subject.")
    mails: int = Field(description="How many mails were read.")
    summary: str = Field(description="What it is about and where it stands.")
    decisions: list[str] = Field(description="What was agreed.")
    open_questions: list[str] = Field(description="What was asked and not answered.")
    action_items: list[ActionItem] = Field(description="Who is to do what.")


@action(
    "email.draft_reply",
    effect=Effect.DRAFT,
    keeps="save",
    outside=True,
    connects=KINDS,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
)
def draft_reply(wish: ReplyWish, ctx: Context) -> ReplyDrafts:
    """Draft the reply to a mail, from its whole conversation.

    Nothing is sent. Send the text with email.send_reply, after reading it.
    """
    with mailbox(ctx) as box:
        thread = _thread(box, wish.id)
        answered = _answered(thread, wish.id)
        to, cc = reply_to(answered, box.address, to_all=wish.reply_all)
        asked = ReplyStyle(
            box.name or box.address, f"in a {wish.tone} tone", LENGTHS[wish.length], wish.language, wish.instructions
        )
        texts, written = replies([mail for _, mail in thread], asked, wish.variants, ctx)
        letters = [_letter(box, wish, answered, text) for text in texts] if wish.save else []
        thread_id = thread[-1][0].thread_id
        ids = [_kept(box, letter, number, thread_id, ctx) for number, letter in enumerate(letters, 1)]
    return ReplyDrafts(
        subject=reply_subject(answered.subject),
        to=[person(one) for one in to],
        cc=[person(one) for one in cc],
        variants=[ReplyDraft(text=text, draft_id=ids[number] if ids else None) for number, text in enumerate(texts)],
        prompt=written.prompt,
        model=written.model,
        tokens_in=written.tokens_in,
        tokens_out=written.tokens_out,
    )


@action("email.summarize_thread", effect=Effect.DRAFT, outside=True, connects=KINDS, timeout_s=TIMEOUT_S, retry=RETRY)
def summarize_thread(which: ThreadChoice, ctx: Context) -> ThreadSummary:
    """Say what a conversation is about: where it stands, what was agreed, what is open, who does what."""
    with mailbox(ctx) as box:
        thread = [mail for _, mail in _thread(box, which.id)]
    ctx.progress(0.3, f"Reading {len(thread)} mails")
    found, written = gist(thread, which.language, which.focus, ctx)
    return ThreadSummary(
        subject=thread[0].subject,
        mails=len(thread),
        **dict(found),
        prompt=written.prompt,
        model=written.model,
        tokens_in=written.tokens_in,
        tokens_out=written.tokens_out,
    )


def _thread(box: Mailbox, mail_id: str) -> list[tuple[StoredMail, Mail]]:
    found = [(one, read(one.raw, whole=one.whole)) for one in box.thread(mail_id)]
    if not found:
        raise NotFound(f"There is no mail {mail_id!r} in the mailbox.")
    return found


def _answered(thread: list[tuple[StoredMail, Mail]], mail_id: str) -> Mail:
    """The mail that was named, or where the conversation does not have it by that id, its newest."""
    return next((mail for stored, mail in thread if stored.id == mail_id), thread[-1][1])


def _letter(box: Mailbox, wish: ReplyWish, answered: Mail, text: str) -> Letter:
    to, cc = reply_to(answered, box.address, to_all=wish.reply_all)
    return Letter(
        Address(box.address, box.name),
        to,
        reply_subject(answered.subject),
        text,
        cc=cc,
        references=references_of(answered),
    )


def _kept(box: Mailbox, letter: Letter, number: int, thread_id: str | None, ctx: Context) -> str | None:
    """The id of the draft; the same one, however often the job is tried."""
    own_id = message_id(ctx.job_id, box.address, number)
    return box.save_draft(build(letter, own_id, datetime.now(UTC)), thread_id).id
