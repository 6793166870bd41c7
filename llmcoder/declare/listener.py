"""A connection that a domain keeps open to hear what happens elsewhere: declared here, run by the listeners' process.

    SOCKET = Listener("slack", title="Slack", settings=SlackSettings, configured=lambda own: ..., run=listen)

Discovered in `tasks/<domain>/listeners.py`. It hears and submits; the work is done by jobs.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from llmcoder.declare.door import Door
from llmcoder.errors import DeclarationError
from llmcoder.settings import Settings

if TYPE_CHECKING:
    from llmcoder.net import Network

L = TypeVar("L", bound=Settings)

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Listening(Door):
    """The engine as one running listener sees it."""

    @property
    @abstractmethod
    def net(self) -> Network:
        """Guarded connections for protocols other than HTTP; what is open when `run` ends is closed."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether it should end: the process stops, or its settings changed (then it is run again)."""

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Sleep, but not past the moment in which it should end; whether it should."""

    @abstractmethod
    def hears(self) -> None:
        """Say that the connection stands; called at least every few seconds while it does. Operators see since when."""


@dataclass(frozen=True, eq=False)
class Listener(Generic[L]):
    """One listener, and everything its process needs to know.

    Args:
        name: Its name for ever, mostly the domain's.
        title: What operators read.
        settings: What it reads; a change runs it anew.
        configured: Whether these settings are enough to run it.
        run: Listens until `ended`. Returning or raising before that has it run again after a growing pause; an
            `ActionError` is told to operators as it is, anything else is a defect and logged as one.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    name: str
    title: str
    settings: type[L]
    configured: Callable[[L], bool]
    run: Callable[[Listening], None]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DeclarationError(f"{self.name}: a listener's name has lower-case letters, digits and _")
        if not self.title:
            raise DeclarationError(f"{self.name}: a listener has a title")
