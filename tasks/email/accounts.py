"""Opens the mailbox that a job is for, whichever provider it is at."""

from __future__ import annotations

from llmcoder.context import Context
from tasks.email.gmail_connection import GMAIL
from tasks.email.imap_connection import IMAP
from tasks.email.mailbox import Mailbox

KINDS = (GMAIL, IMAP)


def mailbox(ctx: Context) -> Mailbox:
    """The mailbox of the account that the job acts for; to be used in a `with`.

    Raises:
        NotConfigured, NeedsReconnect, Transient: As `Context.connection_of`.
    """
    from tasks.email.gmail import open_gmail
    from tasks.email.imap import open_imap

    found = ctx.connection_of(KINDS)
    return open_gmail(found, ctx) if found.kind is GMAIL else open_imap(found, ctx)


def name_of(ctx: Context, box: Mailbox) -> str:
    """What tells this mailbox from all others, so that a place in one is not looked for in another."""
    return f"{ctx.connection_of(KINDS).kind.provider}:{box.address}"
