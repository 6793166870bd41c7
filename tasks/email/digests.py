"""What a mailbox has to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

UNREAD = Part(
    "mail",
    "Unread mail",
    action="email.emails",
    given=lambda span: {"unread": True, "since": span.since.isoformat(), "limit": 10},
    pick="items[].{text: subject, detail: sender.name || sender.email}",
)
