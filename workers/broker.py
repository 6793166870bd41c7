"""How the engine talks to its broker: settings that survive a hung, restarted or emptied one.

Reasons, with the threads that report each fault, stand in `docs/decisions/0002-doorbells.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis

PREFIX = "llmcoder:"
QUEUES = ("io", "heavy")
EPOCH_KEY = f"{PREFIX}epoch"
PUSH_CHANNEL = f"{PREFIX}push"
ANSWER_WITHIN_S = 2.0


def is_redis(url: str) -> bool:
    return url.startswith(("redis://", "rediss://", "unix://", "redis+socket://"))


def redis_client(url: str, **options: Any) -> redis.Redis[Any]:
    """A client that gives up on a hung server and never repeats a command on its own (a repeated LPUSH rings twice)."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    settings: dict[str, Any] = {
        "socket_timeout": ANSWER_WITHIN_S,
        "socket_connect_timeout": ANSWER_WITHIN_S,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    return redis.Redis.from_url(for_redis_py(url), **(settings | options))


def for_redis_py(url: str) -> str:
    """The URL as redis-py writes a unix socket."""
    return url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")


def for_kombu(url: str) -> str:
    """The URL as kombu writes a unix socket."""
    if not url.startswith("unix://"):
        return url
    return url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")


def transport_options(url: str) -> dict[str, Any]:
    """Kombu's transport options for the broker."""
    if not is_redis(url):
        return {"confirm_publish": True} if url.startswith(("amqp", "pyamqp")) else {}
    return {
        "global_keyprefix": PREFIX,
        "ack_emulation": False,  # a lost doorbell is harmless, and the unacked set halves a worker's speed
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": not url.startswith(("unix", "redis+socket")),
        "health_check_interval": 15,
        "max_connections": 20,
    }
