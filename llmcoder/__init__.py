"""The kernel: what an action, an error and a setting is. It imports nothing of the application."""

from llmcoder.action import Action, Effect, Marker, Queue, Retry, action
from llmcoder.context import Context, User
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
)
from llmcoder.model import Model
from llmcoder.settings import Settings

__all__ = [
    "Action", "ActionError", "BadInput", "Cancelled", "Context", "DeclarationError", "Effect", "Forbidden", "Marker",
    "Model", "NeedsReconnect", "NotConfigured", "NotFound", "Queue", "RateLimited", "Refused", "Retry", "Settings",
    "TimedOut", "Transient", "Uncertain", "User", "action",
]  # fmt: skip
