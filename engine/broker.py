"""How the engine talks to its broker: settings that survive a hung, restarted or emptied one.

Reasons, with the threads that report each fault, stand in `docs/decisions/0002-doorbells.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import kombu
    import redis

PREFIX = "llmcoder:"
QUEUES = ("io", "heavy")
EPOCH_KEY = f"{PREFIX}epoch"
#: What kombu's Redis transport keeps under our prefix, by the beginning of its name, longest first.
KEY_TYPES = (
    ("_kombu.binding_deadlines", "zset"),
    ("_kombu.binding_permanent.", "set"),
    ("_kombu.binding.", "set"),
    ("unacked_index", "zset"),
    ("unacked_mutex", "string"),
    ("unacked", "hash"),
    ("epoch", "string"),
)
#: A queue's list has others beside it, one a priority, whose names go on with this.
PRIORITY_MARK = "\x06\x16"
PUSH_CHANNEL = f"{PREFIX}push"
ANSWER_WITHIN_S = 2.0


def is_redis(url: str) -> bool:
    return url.startswith(("redis://", "rediss://", "unix://", "redis+socket://"))


def is_amqp(url: str) -> bool:
    return url.startswith(("amqp://", "amqps://", "pyamqp://"))


def redis_client(url: str, **options: Any) -> redis.Redis:
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


def queues(url: str) -> list[kombu.Queue]:
    """The queues as everybody declares them: RabbitMQ refuses who declares one of its queues in another way.

    Quorum queues, since a classic one is away as long as the node of a cluster that holds it.
    """
    from kombu import Queue

    arguments = {"x-queue-type": "quorum"} if is_amqp(url) else None
    return [Queue(name, routing_key=name, queue_arguments=arguments) for name in QUEUES]


def transport_options(url: str) -> dict[str, Any]:
    """Kombu's transport options for the broker."""
    if is_amqp(url):
        # No publisher confirms: a lost doorbell is harmless, and waiting for one has no time limit in py-amqp.
        return {"write_timeout": ANSWER_WITHIN_S}
    if not is_redis(url):
        return {}
    return {
        "global_keyprefix": PREFIX,
        "ack_emulation": False,  # a lost doorbell is harmless, and the unacked set halves a worker's speed
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": not url.startswith(("unix", "redis+socket")),
        "health_check_interval": 15,
        "max_connections": 20,
    }


def is_wrong_type(error: BaseException) -> bool:
    """Whether Redis says that a key holds another kind of value than the command is for."""
    return "WRONGTYPE" in str(error)  # of a pipeline's error it is not the first word


def mend_keys(client: redis.Redis) -> list[str]:
    """Delete what stands under our names and is of another type than all of us expect; returns those names.

    Whoever wrote there has lost it; otherwise no worker would hear anything again. Queues and bindings are declared
    anew by whoever connects, and doorbells that were lost with a key are rung again from SQL.

    Raises:
        redis.RedisError: Redis does not answer, or takes no writes.
    """
    wrong = []
    for found in client.scan_iter(match=f"{PREFIX}*", count=1_000):
        key = found.decode(errors="replace") if isinstance(found, bytes) else found
        expected = _type_of(key.removeprefix(PREFIX))
        if expected is not None and _text(client.type(found)) not in (expected, "none"):
            client.delete(found)
            wrong.append(key)
    return wrong


def _type_of(name: str) -> str | None:
    if name.partition(PRIORITY_MARK)[0] in QUEUES or name.endswith(".reply.celery.pidbox"):
        return "set" if name.startswith("_kombu.") else "list"
    return next((kind for beginning, kind in KEY_TYPES if name.startswith(beginning)), None)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def open_for_asking(connection: kombu.Connection) -> None:
    """Open a connection on which every question ends within seconds, whatever the broker does.

    kombu itself rests for two seconds before it tries again. py-amqp has a `read_timeout` and begins to read again
    whenever it runs out, but honours a time limit of the socket; Celery's event loop would not, on its connections.

    Raises:
        kombu.exceptions.OperationalError: The broker cannot be reached, or does not answer.
    """
    connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=ANSWER_WITHIN_S / 2)
    if connection.transport.driver_type == "amqp":
        connection.connection.transport.sock.settimeout(ANSWER_WITHIN_S)
