"""Two actions on a mailbox at Gmail, as small as can be: what is tested is the account and the provider under them."""

from __future__ import annotations

from email.message import EmailMessage

from pydantic import Field

from llmcoder import Context, Effect, Marker, Model, Retry, action
from tasks.email.gmail import open_gmail
from tasks.email.gmail_connection import GMAIL
from tasks.email.mailbox import Query

QUICK = Retry(attempts=3, first_wait_s=0.1, jitter=0)


class Nothing(Model):
    """No input."""


class Count(Model):
    """How many letters there are."""

    letters: int


class Note(Model):
    """What to send."""

    text: str = Field(description="What to write.", examples=["hello"])


class Gone(Model):
    """Under which Message-ID it went out."""

    message_id: str


@action("test.count_gmail", effect=Effect.DRAFT, connects=GMAIL, retry=QUICK)
def count_gmail(_given: Nothing, ctx: Context) -> Count:
    """Count the letters in a mailbox."""
    with open_gmail(ctx.connection(GMAIL), ctx) as box:
        return Count(letters=len(box.page(Query(), None, 10).messages))


def find_note(_given: Note, marker: Marker, ctx: Context) -> Gone | None:
    with open_gmail(ctx.connection(GMAIL), ctx) as box:
        found = box.find_sent(marker["message_id"])
    return None if found is None else Gone(message_id=found.message_id)


@action("test.send_gmail", effect=Effect.WRITE, repeatable=False, reconcile=find_note, connects=GMAIL, retry=QUICK)
def send_gmail(note: Note, ctx: Context) -> Gone:
    """Send a note through Gmail."""
    message = EmailMessage()
    message["To"], message["Subject"], message["Message-ID"] = "dora@example.org", "Note", f"<{ctx.job_id}@llmcoder>"
    message.set_content(note.text)
    with open_gmail(ctx.connection(GMAIL), ctx) as box:
        ctx.armed({"message_id": message["Message-ID"]})
        return Gone(message_id=box.send(message, ["dora@example.org"], None).message_id)
