"""What the engine itself has to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

TROUBLES = Part(
    "troubles",
    "Jobs that failed or wait for you",
    action="tasks.list_troubles",
    given=lambda span: {"since": span.since.isoformat()},
    pick="items[].{text: action, detail: why}",
)
UPCOMING = Part(
    "upcoming",
    "Scheduled",
    action="tasks.list_upcoming",
    given=lambda span: {"until": span.until.isoformat()},
    pick="items[].{text: name, detail: fire_at}",
)
