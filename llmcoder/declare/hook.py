"""An address of a domain's own at which a provider calls us: `POST /<domain>/<name>`, without a token of ours.

    COMMANDS = Hook("slack/commands", title="Slash commands", answer=answer)

Discovered in `tasks/<domain>/hooks.py`. Anybody can call it, so `answer` first proves who calls, by the provider's
signature over the raw body; what it accepts goes through the door like everything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from llmcoder.declare.door import Door
from llmcoder.errors import DeclarationError

_PATH = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Call:
    """What came in.

    Attributes:
        headers: By name in lower case; of one that came twice the first.
        body: As it came; signatures are made over it.
    """

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Hook:
    """One such address.

    Args:
        path: `<domain>/<name>`, for ever.
        title: One sentence for the API's document.
        answer: Runs in a thread. An `ActionError` becomes a problem document of its status, `Forbidden` where the
            signature is wrong.
        most_bytes: Of a body; more is refused unread.

    Raises:
        DeclarationError: The declaration breaks a rule; at import, naming the rule.
    """

    path: str
    title: str
    answer: Callable[[Call, Door], Reply]
    most_bytes: int = 1024 * 1024

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise DeclarationError(f"{self.path}: an inbound webhook's path is <domain>/<name> in lower case")
        if not self.title:
            raise DeclarationError(f"{self.path}: an inbound webhook has a title")

    @property
    def domain(self) -> str:
        return self.path.partition("/")[0]
