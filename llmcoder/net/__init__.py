"""How the engine reaches the outside: one guarded HTTP client. Importing this loads no HTTP library yet."""

from llmcoder.net.client import GuardedClient, Limits, Response, guarded_transport, verifying_context
from llmcoder.net.guard import AllowList

__all__ = ["AllowList", "GuardedClient", "Limits", "Response", "guarded_transport", "verifying_context"]
