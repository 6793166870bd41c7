"""What Confluence's refusals mean for us, as far as it refuses in its own way.

Cloud v2 complains as `{"errors": [{"status", "code", "title", "detail"}]}`, Data Center and Cloud v1 as
`{"statusCode", "message"}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llmcoder.errors import ActionError, BadInput, Refused
from tasks.atlassian.errors import Refusals

_TITLE_TAKEN = re.compile(r"page with this title already exists|page already exists with the (same )?title", re.I)
_NOT_NEXT_VERSION = re.compile(r"version must be incremented|current version is|stale|conflict", re.I)


class TitleTaken(Refused):
    """The space has a page of that title."""


class PageConflict(Refused):
    """Somebody has edited the page meanwhile."""


def _of_input(status: int, said: str, _site: str) -> ActionError:
    if _TITLE_TAKEN.search(said):
        return TitleTaken(f"Confluence has a page of that title in this space: {said}")
    if status == 409 or _NOT_NEXT_VERSION.search(said):
        return PageConflict(f"The page has changed meanwhile: {said}")
    return BadInput(f"Confluence does not take this: {said}")


def _complaint(told: Mapping[str, Any]) -> str:
    errors = told.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    said = [first.get("title"), first.get("detail")] if first else [told.get("message") or told.get("error")]
    return ": ".join(one for one in said if isinstance(one, str) and one)


REFUSALS = Refusals(_complaint, _of_input)
