"""The kernel: what an action, an error and a setting is. It imports nothing of the application.

What a domain needs is had from here; each name's module loads when the name is first asked for, since the command line
and the supervisor need few of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmcoder.connection import Connection
    from llmcoder.context import Context, User
    from llmcoder.declare.action import Action, Effect, Marker, Queue, Retry, Role, Undo, action
    from llmcoder.declare.connection import Caller, ConnectionKind, GetSettings, Grant, OAuth, OAuthClient
    from llmcoder.declare.rate import Rate
    from llmcoder.errors import (
        ActionError,
        BadInput,
        Cancelled,
        DeclarationError,
        Forbidden,
        NeedsReconnect,
        NotConfigured,
        NotFound,
        RateLimited,
        Refused,
        TimedOut,
        Transient,
        Uncertain,
        Unreadable,
    )
    from llmcoder.file import FileRef, StoredFile
    from llmcoder.model import Model
    from llmcoder.settings import Settings

_HOMES = {
    "llmcoder.connection": "Connection",
    "llmcoder.context": "Context User",
    "llmcoder.declare.action": "Action Effect Marker Queue Retry Role Undo action",
    "llmcoder.declare.connection": "Caller ConnectionKind GetSettings Grant OAuth OAuthClient",
    "llmcoder.declare.rate": "Rate",
    "llmcoder.errors": "ActionError BadInput Cancelled DeclarationError Forbidden NeedsReconnect NotConfigured "
    "NotFound RateLimited Refused TimedOut Transient Uncertain Unreadable",
    "llmcoder.file": "FileRef StoredFile",
    "llmcoder.model": "Model",
    "llmcoder.settings": "Settings",
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Action", "ActionError", "BadInput", "Caller", "Cancelled", "Connection", "ConnectionKind", "Context",
    "DeclarationError", "Effect", "FileRef", "Forbidden", "GetSettings", "Grant", "Marker", "Model", "NeedsReconnect",
    "NotConfigured", "NotFound", "OAuth", "OAuthClient", "Queue", "Rate", "RateLimited", "Refused", "Retry", "Role",
    "Settings", "StoredFile", "TimedOut", "Transient", "Uncertain", "Undo", "Unreadable", "User", "action",
]  # fmt: skip
