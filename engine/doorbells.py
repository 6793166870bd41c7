"""Doorbells: Celery messages that say "look at job X" and carry nothing else.

Losing one, doubling one or delivering it late is harmless, since SQL holds the truth. On Redis a doorbell is a prepared
protocol-2 envelope pushed in a pipeline (114,000/s against 1,460/s for `Task.delay()`); any other broker gets it
through kombu's producer.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import redis

from engine.broker import (
    ANSWER_WITHIN_S,
    PREFIX,
    QUEUES,
    for_kombu,
    is_redis,
    is_wrong_type,
    mend_keys,
    open_for_asking,
    queues,
    redis_client,
    transport_options,
)
from llmcoder.declare.action import Queue
from llmcoder.errors import Transient
from llmcoder.logger import get_logger

REST_AFTER_FAILURE_S = 1.0
LOOK_AGAIN_S = 0.1
MOST_HEAVY_DOORBELLS = 16

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ring:
    """One doorbell."""

    job_id: UUID
    attempt: int
    action: str
    queue: str


class Bell(ABC):
    """Rings for jobs at the broker, and knows how many doorbells are out."""

    @abstractmethod
    def ring(self, rings: Sequence[Ring]) -> None:
        """Send doorbells.

        Raises:
            Transient: The broker did not take them, or not all; ring again later.
        """

    @abstractmethod
    def out(self, queue: str) -> int:
        """Doorbells that nobody took yet.

        Raises:
            Transient: The broker did not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the connection back."""


class RedisBell(Bell):
    """Prepared envelopes on Redis lists, as kombu's Redis transport reads them."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _redis(self) -> redis.Redis:
        """Made by the thread that rings first: to load redis-py takes longer than to start an engine may."""
        return redis_client(self._url)

    def ring(self, rings: Sequence[Ring]) -> None:
        pipe = self._redis.pipeline(transaction=False)
        for ring in rings:
            pipe.lpush(PREFIX + ring.queue, envelope(ring))
        with self._mapped("The broker did not take the doorbells."):
            pipe.execute()

    def out(self, queue: str) -> int:
        with self._mapped("The broker did not answer."):
            return int(self._redis.llen(PREFIX + queue))

    def close(self) -> None:
        if "_redis" in vars(self):
            self._redis.close()

    @contextmanager
    def _mapped(self, detail: str) -> Iterator[None]:
        """Whatever Redis refuses, as one that passes; a key of a wrong type is mended, for the next time."""
        import redis

        try:
            yield
        except redis.RedisError as error:
            if is_wrong_type(error):
                self._mend()
            raise Transient(f"{detail} It says: {_kind(error)}.") from error

    def _mend(self) -> None:
        import redis

        try:
            keys = mend_keys(self._redis)
        except redis.RedisError as error:
            log.warning("keys of a wrong type stand in the broker and cannot be deleted", error=_kind(error))
        else:
            log.warning("keys of a wrong type stood in the broker; they are made anew", keys=keys)


class KombuBell(Bell):
    """Any other broker, through kombu: one connection and one channel, kept until they break."""

    def __init__(self, url: str) -> None:
        from kombu import Connection
        from kombu.exceptions import OperationalError

        self._connection = Connection(
            for_kombu(url), connect_timeout=ANSWER_WITHIN_S, transport_options=transport_options(url)
        )
        self._queues = {queue.name: queue for queue in queues(url)}
        self._channel: Any = None
        transport = self._connection.transport
        self._faults = (*transport.connection_errors, *transport.channel_errors, OperationalError, OSError)

    def ring(self, rings: Sequence[Ring]) -> None:
        kept = self._channel is not None
        try:
            self._ring(rings)
        except Transient as error:
            if not kept or isinstance(error.__cause__, TimeoutError):
                raise
            self._ring(rings)  # a connection that was kept breaks when the broker is started anew; it may be back

    def out(self, queue: str) -> int:
        # Never tried again: the dispatcher must hear that the connection broke, since doorbells may be lost.
        with self._mapped("The broker did not answer."):
            return self._depth(self._opened(), queue)

    def close(self) -> None:
        self._channel = None
        self._connection.collect()  # `close` would wait for the goodbye of a broker that may hang

    def _ring(self, rings: Sequence[Ring]) -> None:
        from kombu import Producer

        with self._mapped("The broker did not take the doorbells."):
            channel = self._opened()
            producer = Producer(channel, serializer="json", auto_declare=False)
            for ring in rings:
                producer.publish(
                    _body(ring), headers=_headers(ring), routing_key=ring.queue, exchange="",
                    correlation_id=str(ring.job_id), retry=False,
                )  # fmt: skip
            # A channel works in order, so that one answer says that all were taken.
            for queue in {ring.queue for ring in rings}:
                self._depth(channel, queue)

    def _depth(self, channel: Any, queue: str) -> int:
        """Declares the queue too, since somebody may have deleted it."""
        return int(self._queues[queue].bind(channel).queue_declare().message_count)

    def _opened(self) -> Any:
        if self._channel is None or not self._connection.connected:
            open_for_asking(self._connection)
            channel = self._connection.channel()
            for queue in self._queues:
                self._depth(channel, queue)  # a message to a queue that is not there yet is gone
            self._channel = channel
        return self._channel

    @contextmanager
    def _mapped(self, detail: str) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            self.close()
            raise Transient(detail) from error


def _kind(error: Exception) -> str:
    """Redis's own word for it where redis-py has no class, else that; never the text, which may quote a command."""
    return next((word for word in ("WRONGTYPE", "MISCONF", "NOREPLICAS") if word in str(error)), type(error).__name__)


def connect_bell(broker_url: str) -> Bell:
    """The bell for a broker."""
    return RedisBell(broker_url) if is_redis(broker_url) else KombuBell(broker_url)


def window_of(queue: str, size: int) -> int:
    """How many doorbells of a queue may be out.

    A worker of the io queue that has no free slot looks into SQL for whose turn it is. One of the heavy queue takes the
    broker's order, so few doorbells are out, and the dispatcher rings the next ones in turn.
    """
    return min(size, MOST_HEAVY_DOORBELLS) if queue == Queue.HEAVY else size


class DoorbellWindow:
    """Keeps the number of doorbells that are out within a bound, from one process's point of view.

    It need not be exact: the dispatcher tops up what is missing, and a doorbell too many is dropped.

    Args:
        bell: Asked at most ten times a second a queue.
        size: Doorbells a queue at most.
    """

    def __init__(self, bell: Bell, size: int) -> None:
        self._bell = bell
        self._room = {queue: window_of(queue, size) for queue in QUEUES}  # never grows: two threads go through it
        self._size = dict(self._room)
        self._looked_at: dict[str, float] = {}
        self._rest_until = 0.0

    def take(self, queue: str) -> bool:
        """Reserve one doorbell; False while the window is full or the broker is away."""
        if time.monotonic() < self._rest_until or self._room[queue] <= 0:
            return False
        self._room[queue] -= 1
        return True

    def look(self) -> None:
        """Ask the broker how much room there is; off the request path."""
        now = time.monotonic()
        for queue, room in self._room.items():
            if (
                room <= self._size[queue] // 2
                and now - self._looked_at.get(queue, 0.0) > LOOK_AGAIN_S
                and now > self._rest_until
            ):
                self._looked_at[queue] = now
                self._room[queue] = self._size[queue] - self._bell.out(queue)

    def failed(self) -> None:
        """The broker is away: stop trying for a moment; the dispatcher rings later."""
        self._rest_until = time.monotonic() + REST_AFTER_FAILURE_S


def envelope(ring: Ring) -> bytes:
    """The message as it stands in Redis, for kombu's virtual transport."""
    job = str(ring.job_id)
    body = b64encode(f'[["{job}",{ring.attempt}],{{}},{_EMBED}]'.encode()).decode()
    return _template(ring.action, ring.queue).replace("\0ID", job).replace("\0BODY", body).encode()


_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'


@cache
def _template(action: str, queue: str) -> str:
    import json

    message = {
        "body": "\0BODY",
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": _named_headers("\0ID", action),
        "properties": {
            "correlation_id": "\0ID",
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "\0ID",
        },
    }
    return json.dumps(message).replace("\\u0000", "\0")


def _headers(ring: Ring) -> dict[str, Any]:
    return _named_headers(str(ring.job_id), ring.action)


def _named_headers(job: str, action: str) -> dict[str, Any]:
    return {
        "lang": "py", "task": action, "id": job, "root_id": job, "parent_id": None, "group": None, "shadow": None,
        "eta": None, "expires": None, "retries": 0, "timelimit": [None, None], "argsrepr": "", "kwargsrepr": "",
        "origin": "llmcoder", "ignore_result": True,
    }  # fmt: skip


def _body(ring: Ring) -> list[Any]:
    return [[str(ring.job_id), ring.attempt], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
