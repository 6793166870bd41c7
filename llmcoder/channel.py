"""A way to reach users themselves, beside the push: a domain that has one says by which of its actions.

    CHANNEL = Channel("email", action="email.send", given=given)

Discovered in `tasks/<domain>/notify.py`. Each user chooses theirs in their preferences (`notify`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llmcoder.context import User
from llmcoder.errors import DeclarationError

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Message:
    """What a user is to be told.

    Attributes:
        text: Plain text; Markdown where the channel shows it.
        html: The same as HTML, where somebody wrote it.
    """

    title: str
    text: str
    html: str | None = None


@dataclass(frozen=True, eq=False)
class Channel:
    """One such way.

    Args:
        name: As users choose it, for ever.
        action: What sends; a write, armed and found again as every other.
        given: Its input. It goes to the user and to nobody else: that is why it needs no approval.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    name: str
    action: str
    given: Callable[[User, Message], Mapping[str, Any]]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DeclarationError(f"{self.name}: a channel's name is one word in lower case")
