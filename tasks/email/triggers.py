"""What makes new mail be sorted by the clock, where the scheduler looks for it."""

from __future__ import annotations

from tasks.email.mailbox_watch_trigger import MAILBOX_WATCHES

__all__ = ["MAILBOX_WATCHES"]
