"""What to-dos have to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

TODOS = Part(
    "todos",
    "To-dos due",
    action="general.list_todos",
    given=lambda span: {"done": False, "due_before": span.until.isoformat(), "limit": 50},
    pick="items[].{text: title, detail: due_at}",
)
