"""What news has to say in a digest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from llmcoder.declare.digest import Part

#: What was too much for one digest, or was to be in one that failed, is told by the next.
LATE = timedelta(days=3)


def confirm(user_id: UUID, run_id: UUID, rows: list[Any]) -> list[Any]:
    """The lines whose stories no other digest has told meanwhile."""
    from tasks.news.telling import confirm as confirmed

    return confirmed(user_id, run_id, rows)


NEWS = Part(
    "news",
    "News",
    action="news.gather_digest",
    given=lambda span: {"since": (span.since - LATE).isoformat(), "limit": 12},
    pick="items[].{text: text, detail: detail, url: url, article_id: article_id}",
    confirm=confirm,
)
