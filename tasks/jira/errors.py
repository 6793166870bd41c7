"""What JIRA's refusals mean for us, as far as it refuses in its own way.

Both kinds of site complain as `{"errorMessages": [...], "errors": {"field": "why"}}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmcoder.errors import ActionError, BadInput, Refused
from tasks.atlassian.errors import Refusals


class IssueConflict(Refused):
    """Somebody has changed the issue meanwhile."""


def _of_input(status: int, said: str, site: str) -> ActionError:
    if status == 409:
        return IssueConflict(f"{site} is changing this already, or it has changed meanwhile: {said}")
    return BadInput(f"JIRA does not take this: {said}")


def _complaint(told: Mapping[str, Any]) -> str:
    return "; ".join(_said(told))


def _said(told: Mapping[str, Any]) -> Iterator[str]:
    messages, fields = told.get("errorMessages"), told.get("errors")
    if isinstance(messages, list):
        yield from (one for one in messages if isinstance(one, str) and one)
    if isinstance(fields, dict):
        yield from (f"{name}: {why}" for name, why in fields.items() if isinstance(why, str))
    for name in ("errorMessage", "message", "error_description"):
        if isinstance(one := told.get(name), str) and one:
            yield one


REFUSALS = Refusals(_complaint, _of_input, longest_reason=600)
