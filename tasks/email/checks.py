"""Whose mailbox the installation's behind IMAP is; Gmail's is asked as any account is."""

from __future__ import annotations

from llmcoder.declare.check import Check
from llmcoder.declare.connection import Caller
from tasks.email.imap_account import own_account
from tasks.email.imap_connection import who_am_i
from tasks.email.settings import ImapSettings


def whose_mailbox(_settings: ImapSettings, caller: Caller) -> str:
    """Sign in to both servers; no mail is sent.

    Raises:
        NotConfigured: The settings do not make an account.
        ActionError: A server refuses, or could not be asked.
    """
    own = own_account(caller.settings)
    assert own is not None  # nothing is missing, or nobody would ask
    return f"{own.imap_host} and {own.smtp_host}, as {who_am_i(own, caller)}."


IMAP = Check(ImapSettings, whose_mailbox)
