"""The actions of this domain, where the registry looks for them."""

from tasks.email.drafting_actions import draft_reply, summarize_thread
from tasks.email.mailbox_watch_actions import add_watch, change_watch, remove_watch
from tasks.email.reading_actions import emails, labels, message, search
from tasks.email.sending_actions import send, send_reply
from tasks.email.sorting_actions import archive, label, unarchive, unlabel
from tasks.email.triage_actions import triage, triage_new

__all__ = [
    "add_watch", "archive", "change_watch", "draft_reply", "emails", "label", "labels", "message", "remove_watch",
    "search", "send", "send_reply", "summarize_thread", "triage", "triage_new", "unarchive", "unlabel",
]  # fmt: skip
