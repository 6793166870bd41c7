"""Kombu's Redis transport, deaf to everything that is no doorbell.

Whoever can write to Redis can write anything. Kombu itself ends the worker over a message that is not JSON, and unpacks
a compressed one however large it becomes; Celery takes delays, time limits and callbacks from whoever wrote them. So no
message is passed on as it came: the action, the job and the attempt are read from it, and a new doorbell is made of
these. Of what is broadcast only questions are heard, see `only_questions`.
"""

from __future__ import annotations

from base64 import b64decode
from queue import Empty
from typing import Any
from uuid import UUID

from celery.worker.control import Panel
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as original

from engine.broker import QUEUES
from engine.doorbells import Ring, envelope
from llmcoder import strict_json
from llmcoder.declare.action import NAME
from llmcoder.logger import get_logger
from llmcoder.registry import registry

LONGEST_BODY_CHARS = 1_000
MOST_ATTEMPTS = 2**31
#: What Flower and `celery inspect` ask; `heartbeat` is what Flower calls out when it begins to listen. Shutting down,
#: taking from other queues and the like are not among it.
QUESTIONS = frozenset(
    {
        "ping", "stats", "conf", "active", "active_queues", "registered", "reserved", "revoked", "scheduled",
        "query_task", "heartbeat",
    }
)  # fmt: skip

log = get_logger(__name__)


def install() -> None:
    """Let kombu take this transport for every address of a Redis, in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"


def only_questions() -> None:
    """Forget the remote commands by which anybody who can publish would rule the workers of this process."""
    for name in set(Panel.data) - QUESTIONS:
        del Panel.data[name]


class Channel(original.Channel):  # type: ignore[misc]
    """Drops what is not even JSON."""

    def _brpop_read(self, **options: Any) -> Any:
        return self._dropping(super()._brpop_read, **options)

    def _receive_one(self, connection: Any) -> Any:
        return self._dropping(super()._receive_one, connection)

    def _dropping(self, read: Any, *args: Any, **options: Any) -> Any:
        try:
            return read(*args, **options)
        except (Empty, *self.connection_errors, *self.connection.channel_errors):
            raise
        except Exception as error:  # noqa: BLE001  a stranger's message may raise anything, and must not end the worker
            return _drop(error)


class Transport(original.Transport):  # type: ignore[misc]
    """Delivers doorbells, and of what is broadcast what has the form of a message."""

    Channel = Channel

    def _deliver(self, message: dict[str, Any], queue: str) -> None:
        try:
            made = doorbell(message, queue) if queue in QUEUES else broadcast(message)
        except Exception as error:  # noqa: BLE001  as above; kombu takes a KeyError for a lost connection besides
            _drop(error)
        else:
            super()._deliver(made, queue)


class UnknownName(Exception):
    """A doorbell of an action that only other workers know; it is rung again until one of these gets it."""


def _drop(error: Exception) -> bool:
    """Say so without quoting it; true, since something was taken."""
    say = log.debug if isinstance(error, UnknownName) else log.warning
    say("no doorbell; it was dropped", kind=type(error).__name__)
    return True


def doorbell(message: dict[str, Any], queue: str) -> dict[str, Any]:
    """A new doorbell, of what a message of this queue says.

    Raises:
        Exception: It is no doorbell; which kind depends on what it is instead.
    """
    name, body = message["headers"]["task"], message["body"]
    if NAME.fullmatch(name) and name not in registry():
        raise UnknownName
    if registry().facts[name].queue != queue or len(body) > LONGEST_BODY_CHARS:
        raise ValueError("no action of this queue, or more than an id and a number")
    (job_id, attempt), *_ = strict_json.read(b64decode(body))
    if not (isinstance(attempt, int) and 0 <= attempt < MOST_ATTEMPTS):
        raise ValueError("no attempt")
    made: dict[str, Any] = strict_json.read(envelope(Ring(UUID(job_id), attempt, name, queue)))
    return made


def broadcast(message: dict[str, Any]) -> dict[str, Any]:
    """A question or an event as it came, with the form on which kombu relies.

    Raises:
        Exception: It has another form, or would be unpacked.
    """
    headers, properties = message["headers"], message["properties"]
    b64decode(message["body"], validate=True)
    if "compression" in headers or not isinstance(properties["delivery_tag"], str):
        raise ValueError("no message")
    return {**message, "headers": {**headers}, "properties": {**properties, "body_encoding": "base64"}}
