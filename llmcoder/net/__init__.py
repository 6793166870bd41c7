"""How the engine reaches the outside: one guard, as HTTP client, as sockets and as a proxy. Loads no library yet."""

from llmcoder.net.client import GuardedClient, Limits, Response, guarded_transport
from llmcoder.net.guard import AllowList, BlockedAddress
from llmcoder.net.limits import ProxyLimits, SocketLimits
from llmcoder.net.network import CheckedSocket, Network
from llmcoder.net.trust import verifying_context

__all__ = [
    "AllowList",
    "BlockedAddress",
    "CheckedSocket",
    "GuardedClient",
    "Limits",
    "Network",
    "ProxyLimits",
    "Response",
    "SocketLimits",
    "guarded_transport",
    "verifying_context",
]
