"""A mailbox behind IMAP and SMTP as an account: what is typed in, and the one of the installation.

Which servers the common providers have, and where their app passwords are made, stands in `docs/email.md`.
"""

from __future__ import annotations

from llmcoder.declare.connection import Caller, ConnectionKind
from tasks.email.imap_account import ImapAccount, own_account
from tasks.email.settings import ImapSettings

PROVIDER = "imap"


def who_am_i(account: ImapAccount, caller: Caller) -> str:
    """The address of the mailbox, once both servers have taken user and password."""
    from tasks.email.imap_client import ImapSession  # loads the client library
    from tasks.email.smtp import SmtpSubmission

    ImapSession(account, caller).close()
    SmtpSubmission(account, caller).close()
    return account.address


IMAP: ConnectionKind[ImapAccount] = ConnectionKind(
    PROVIDER,
    title="IMAP",
    credentials=ImapAccount,
    identify=who_am_i,
    fallback=own_account,
    settings=(ImapSettings,),
)
