"""The kinds of account that this domain acts for: mailboxes."""

from tasks.email.gmail_connection import GMAIL
from tasks.email.imap_connection import IMAP

__all__ = ["GMAIL", "IMAP"]
