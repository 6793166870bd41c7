"""What a domain has to say in a user's digest, so that the digest need know no domain.

    TODOS = Part("todos", "To-dos due", action="general.list_todos", given=given, pick="items[].{text: title}")

Discovered in `tasks/<domain>/digests.py`. Each part is gathered by a job of its own action.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from llmcoder.errors import DeclarationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Span:
    """What time a digest is about.

    Attributes:
        since: What happened from then on.
        until: What comes until then.
    """

    since: datetime
    now: datetime
    until: datetime
    zone: ZoneInfo


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a digest.

    Args:
        name: As users choose it, for ever.
        title: Its heading.
        action: What gathers it; a read.
        given: Its input.
        pick: JMESPath over its result, for a list of `{text, detail, url}`, the last two if there are any. One that has
            `sums_up: true` says how many there are, so that the heading need not.
        confirm: Of rows that were gathered those that the digest may still tell: called with its user, its run and the
            rows, right before it is written, which may be days after the gathering where somebody retries it.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    name: str
    title: str
    action: str
    given: Callable[[Span], Mapping[str, Any]]
    pick: str
    confirm: Callable[[UUID, UUID, list[Any]], list[Any]] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DeclarationError(f"{self.name}: a part's name is one word in lower case")
        if not self.title:
            raise DeclarationError(f"{self.name}: a part has a title")
