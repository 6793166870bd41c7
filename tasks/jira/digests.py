"""What JIRA has to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

MINE = Part(
    "issues",
    "JIRA issues of yours",
    action="jira.issues",
    given=lambda _span: {"limit": 20},
    pick="issues[].{text: join(' ', [key, summary]), detail: status, url: url}",
)
