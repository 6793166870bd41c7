"""How a kind of settings is tried out: by one cheap real call, which says who we are there.

A domain declares it in `tasks/<domain>/checks.py`. One whose settings name the installation's account needs none: the
account is asked whose it is, see `ConnectionKind.fallback`.

    def who_am_i(settings: PasteSettings, caller: Caller) -> str:
        return f"Pastes, as {client.me(settings, caller)}."

    PASTES = Check(PasteSettings, who_am_i)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from llmcoder.declare.connection import Caller
from llmcoder.settings import Settings

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Check(Generic[S]):
    """The check of one kind of settings.

    Args:
        settings: The kind.
        ask: Makes the call, and says who we are there. It is given settings that miss nothing, and a caller whose
            settings of that kind are these. Raises the error tree.
    """

    settings: type[S]
    ask: Callable[[S, Caller], str]
