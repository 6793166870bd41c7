"""The kinds of account that this domain acts for: mailboxes."""

from tasks.email.gmail_connection import GMAIL

__all__ = ["GMAIL"]
