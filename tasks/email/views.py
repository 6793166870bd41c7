"""How mails are given to people and machines: the models that the actions of this domain share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from llmcoder import Model
from tasks.email import reading
from tasks.email.addresses import Address
from tasks.email.letters import clean
from tasks.email.mailbox import StoredMail

#: A list is a message, not an archive: each mail's text is cut there, `email.message` has all of it.
LISTED_CHARS = 5_000
#: Where there is no room for all of them.
SHOWN_PEOPLE, SHOWN_FILES, SUBJECT_CHARS = 20, 20, 300

MessageId = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Instructions = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
ACCOUNT = "Which of your mailboxes; the one you connected first when left out."


class Person(Model):
    """Somebody's address."""

    email: str = Field(description="The address.")
    name: str = Field("", description="The name beside it; anybody can write any.")


class AttachmentView(Model):
    """A file of a mail."""

    name: str = Field(description="Its name, as the sender says.")
    media_type: str = Field(description="Its type, as the sender says.")
    size_bytes: int = Field(description="About how large it is.")
    cid: str | None = Field(None, description="By which the HTML shows it.")


class ModelUse(Model):
    """Who wrote it."""

    prompt: str = Field(description="Which prompt, with its version.")
    model: str = Field(description="Which model.")
    tokens_in: int | None = Field(description="Prompt tokens of all calls; null when the provider did not say.")
    tokens_out: int | None = Field(description="Generated tokens of all calls, likewise.")


class MailHead(Model):
    """A mail without its body."""

    id: str = Field(description="Its id in the mailbox, for other actions.")
    thread_id: str | None = Field(description="Of its conversation, where the provider knows one.")
    subject: str = Field(description="Subject, decoded.")
    sender: Person | None = Field(description="From whom, as the mail says.")
    to: list[Person] = Field(description=f"To whom; in searches the first {SHOWN_PEOPLE}.")
    cc: list[Person] = Field(description=f"Who got a copy; in searches the first {SHOWN_PEOPLE}.")
    sent_at: datetime | None = Field(description="When it was sent, as the mail says.")
    received_at: datetime = Field(description="When the mailbox got it.")
    unread: bool = Field(description="Whether nobody has opened it.")
    labels: list[str] = Field(description="Gmail's labels; elsewhere the folder and keywords.")
    snippet: str = Field(description="How it begins.")
    size_bytes: int = Field(description="Of the whole mail.")


class MailView(MailHead):
    """A mail."""

    message_id: str = Field(description="Its Message-ID, by which other programs know it.")
    text: str = Field(description="What it says, as text.")
    html: str | None = Field(description="Its HTML, safe to show: no scripts, no styles, nothing is fetched.")
    attachments: list[AttachmentView] = Field(description="Its files, without their content.")
    truncated: bool = Field(description="Whether more stands in it than is shown here.")


def head(stored: StoredMail) -> MailHead:
    """A listed mail."""
    found = _head(stored, reading.read(stored.raw, whole=stored.whole))
    shorter = {
        "subject": found["subject"][:SUBJECT_CHARS],
        **{name: found[name][:SHOWN_PEOPLE] for name in ("to", "cc")},
    }
    return MailHead(**{**found, **shorter})


def whole(stored: StoredMail, longest_chars: int | None = None) -> MailView:
    """A mail with its body.

    Args:
        longest_chars: Of the text; the HTML is left out where it is longer than four times that.
    """
    mail = reading.read(stored.raw, whole=stored.whole)
    text, html = mail.text, mail.html
    if longest_chars is not None:
        text = text[:longest_chars]
        html = html if html is None or len(html) <= 4 * longest_chars else None
    cut = len(text) < len(mail.text) or (html is None and mail.html is not None)
    return MailView(
        **_head(stored, mail),
        message_id=mail.message_id,
        text=text,
        html=html,
        attachments=[
            AttachmentView(name=one.name, media_type=one.media_type, size_bytes=one.size_bytes, cid=one.cid)
            for one in mail.attachments
        ],
        truncated=mail.truncated or cut or not stored.whole,
    )


def fitted(view: MailView, most_bytes: int) -> MailView:
    """The mail cut to so many bytes of JSON: a result has a limit, and many letters take several bytes each."""
    fewer = {"to": view.to[:SHOWN_PEOPLE], "cc": view.cc[:SHOWN_PEOPLE], "attachments": view.attachments[:SHOWN_FILES]}
    for change in (
        {},
        {"html": None},
        {"html": None, **fewer},
        {"html": None, **fewer, "text": view.text[: most_bytes // 8]},
    ):
        cut = view.model_copy(update={**change, "truncated": True}) if change else view
        if len(cut.model_dump_json().encode()) <= most_bytes:
            break
    return cut


def _head(stored: StoredMail, mail: reading.Mail) -> dict[str, Any]:
    return {
        "id": stored.id,
        "thread_id": stored.thread_id,
        "subject": mail.subject,
        "sender": None if mail.sender is None else person(mail.sender),
        "to": [person(one) for one in mail.to],
        "cc": [person(one) for one in mail.cc],
        "sent_at": mail.sent_at,
        "received_at": stored.received_at,
        "unread": stored.unread,
        "labels": list(stored.labels),
        "snippet": reading.snippet_of(clean(stored.snippet)) if stored.snippet else mail.snippet,
        "size_bytes": stored.size_bytes,
    }


def person(one: Address) -> Person:
    return Person(email=one.email, name=one.name)
