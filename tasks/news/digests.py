"""What news has to say in a digest."""

from __future__ import annotations

from datetime import timedelta

from llmcoder.declare.digest import Part

#: What was too much for one digest, or was to be in one that failed, is told by the next.
LATE = timedelta(days=3)

NEWS = Part(
    "news",
    "News",
    action="news.gather_digest",
    given=lambda span: {"since": (span.since - LATE).isoformat(), "limit": 12},
    pick="items[].{text: text, detail: detail, url: url}",
)
