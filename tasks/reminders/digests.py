"""What reminders have to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

REMINDERS = Part(
    "reminders",
    "Reminders",
    action="reminders.list",
    given=lambda span: {"which": "coming", "until": span.until.isoformat(), "limit": 50},
    pick="items[].{text: text, detail: next_at}",
)
