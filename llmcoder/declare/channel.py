"""A way to reach users themselves, beside the push: a domain that has one says by which of its actions.

    CHANNEL = Channel("email", action="email.send", given=given)

Discovered in `tasks/<domain>/notify.py`. Each user chooses theirs in their preferences (`notify`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llmcoder.context import User
from llmcoder.declare.trigger import Due
from llmcoder.errors import ActionError, DeclarationError
from llmcoder.logger import get_logger

log = get_logger(__name__)
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


def over(name: str, known: Mapping[str, Channel], to: User, message: Message, of: Due) -> Due:
    """The job that tells a user something over one of the channels that they chose.

    Where that cannot be, the job says why; the user's other channels do not suffer from it.

    Args:
        known: The installed channels.
        of: Whose row it is, and its key without the channel.
    """
    due = replace(of, key=f"{of.key} {name}", to_self=True)
    channel = known.get(name)
    if channel is None:
        there = ", ".join(sorted(known)) or "none"
        return replace(
            due, action=f"{name}.notify", given={}, refusal=f"There is no channel {name!r}; there is {there}."
        )
    try:
        return replace(due, action=channel.action, given=channel.given(to, message))
    except ActionError as error:
        return replace(due, action=channel.action, given={}, refusal=error.detail)
    except Exception as error:  # a defect of the channel
        log.exception("a channel made no input of a message", channel=name)
        broke = f"The channel {name!r} broke with {type(error).__name__}."
        return replace(due, action=channel.action, given={}, refusal=broke)
