"""What connections that are not requests may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SocketLimits:
    """What one connection may cost.

    Attributes:
        connect_s: Look-up and connection, over all addresses of the name; and the TLS handshake again.
        idle_s: The longest silence of both sides together; longer than the protocol's own pings are apart.
        total_bytes: Both directions together; None for a listener that stays connected for weeks.
    """

    connect_s: float = 10
    idle_s: float = 300
    total_bytes: int | None = 256 * 1024 * 1024


@dataclass(frozen=True)
class ProxyLimits:
    """What a browser may cost.

    Attributes:
        connections: At the same time; a browser opens up to 32 for pages and 32 for WebSockets.
        head_bytes: The head of a request.
        head_s: Until it is there; browsers open connections in advance.
        connect_s: Look-up and connection, over all addresses of the name.
        idle_s: The longest silence of a connection.
        total_bytes: Of all connections together, in both directions.
    """

    connections: int = 128
    head_bytes: int = 64 * 1024
    head_s: float = 30
    connect_s: float = 10
    idle_s: float = 300
    total_bytes: int = 1024 * 1024 * 1024
