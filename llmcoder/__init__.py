"""The kernel: what an action, an error and a setting is. It imports nothing of the application."""

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
)
from llmcoder.file import FileRef, StoredFile
from llmcoder.model import Model
from llmcoder.settings import Settings

__all__ = [
    "Action", "ActionError", "BadInput", "Caller", "Cancelled", "Connection", "ConnectionKind", "Context",
    "DeclarationError", "Effect", "FileRef", "Forbidden", "GetSettings", "Grant", "Marker", "Model", "NeedsReconnect",
    "NotConfigured", "NotFound", "OAuth", "OAuthClient", "Queue", "Rate", "RateLimited", "Refused", "Retry", "Role",
    "Settings", "StoredFile", "TimedOut", "Transient", "Uncertain", "Undo", "User", "action",
]  # fmt: skip
