"""Celery's own task events, sent for every job however it was claimed, so that Flower shows all by action name.

Celery's tracer would report doorbells (some of which are stale) and know nothing of pulled jobs, so it is kept silent
and this is the one place that speaks. An event carries the action's name, ids and times: never an input, a result or
the text of an error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from celery.utils.time import utcoffset

from llmcoder import strict_json
from llmcoder.logger import get_logger
from llmcoder.states import State
from llmcoder.vital import vital
from models.jobs.claims import Claimed

if TYPE_CHECKING:
    from celery import Celery

log = get_logger(__name__)

WAITING_LIMIT = 20_000
BATCH = 2_000
#: Nobody waits for an event, and a message for a few of them costs as much as one for a thousand.
GATHER_S = 0.05
REST_AFTER_FAILURE_S = 2.0
_ENDINGS = {
    State.SUCCEEDED: "task-succeeded",
    State.FAILED: "task-failed",
    State.UNCERTAIN: "task-failed",
    State.CANCELLED: "task-revoked",
}

#: When, which job, how it ended (None: it was claimed), how long it ran.
_Happened = tuple[float, Claimed, State | None, float]
_Told = tuple[str, dict[str, Any]]


class Events:
    """Sends task events in batches, off the jobs' path; drops them while the broker is away.

    Args:
        hostname: The worker's name as Flower shows it.
    """

    def __init__(self, app: Celery, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._waiting: SimpleQueue[_Happened | None] = SimpleQueue()
        self._dispatcher: Any = None
        self._faults: tuple[type[Exception], ...] = (OSError,)
        self._thread = vital("events", self._loop)

    def start(self) -> None:
        self._thread.start()

    def claimed(self, job: Claimed) -> None:
        self._put((time.time(), job, None, 0.0))

    def ended(self, job: Claimed, state: State, ran_s: float) -> None:
        self._put((time.time(), job, state, ran_s))

    def close(self, timeout_s: float = 2.0) -> None:
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _put(self, what: _Happened) -> None:
        if self._waiting.qsize() < WAITING_LIMIT:  # Flower is a view; the jobs table keeps the history
            self._waiting.put(what)

    def _loop(self) -> None:
        going = True
        while going:
            batch = [self._waiting.get()]
            time.sleep(GATHER_S)
            while batch[-1] is not None and len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            going = None not in batch
            if happened := [item for item in batch if item is not None]:
                self._send(happened)

    def _send(self, batch: Sequence[_Happened]) -> None:
        try:
            dispatcher = self._connected()
            sender = {"hostname": self._hostname, "pid": dispatcher.pid, "utcoffset": utcoffset()}
            events = [
                {"type": kind, "timestamp": at, "clock": dispatcher.clock.forward(), **sender, **about}
                for at, job, state, ran_s in batch
                for kind, about in (_begun(job) if state is None else _ended(job, state, ran_s))
            ]
            # what `dispatcher.send` and `flush` do, but for one thing: a batch is written as JSON at once
            dispatcher.producer.publish(
                strict_json.write(events),
                content_type="application/json",
                content_encoding="utf-8",
                routing_key="task.multi",
                exchange=dispatcher.exchange.name,
                declare=[dispatcher.exchange],
                headers=dispatcher.headers,
                delivery_mode=dispatcher.delivery_mode,
                retry=False,
            )
        except self._faults as error:
            log.debug("task events were dropped", events=len(batch), error=type(error).__name__)
            self._start_over()
        except Exception:  # Flower is a view: it costs no job anything, and this thread goes on
            log.exception("task events were dropped", events=len(batch))
            self._start_over()

    def _connected(self) -> Any:
        if self._dispatcher is None:
            connection = self._app.connection_for_write()
            self._faults = (OSError, *connection.connection_errors, *connection.channel_errors)
            self._dispatcher = self._app.events.Dispatcher(
                connection, hostname=self._hostname, buffer_while_offline=False
            )
        return self._dispatcher

    def _start_over(self) -> None:
        """Connect anew for the next batch, after a while."""
        if self._dispatcher is not None:
            connection = self._dispatcher.connection
            self._dispatcher = None
            try:
                connection.close()
            except Exception as error:  # noqa: BLE001  it is broken, that is why it is closed
                log.debug("a broken connection could not be closed", error=type(error).__name__)
        time.sleep(REST_AFTER_FAILURE_S)


def _begun(job: Claimed) -> list[_Told]:
    uuid = str(job.id)
    received = {
        "uuid": uuid, "name": job.action, "args": "", "kwargs": "", "retries": job.attempt - 1,
        "eta": None, "expires": None, "root_id": uuid, "parent_id": None,
    }  # fmt: skip
    return [("task-received", received), ("task-started", {"uuid": uuid})]


def _ended(job: Claimed, state: State, ran_s: float) -> list[_Told]:
    about: dict[str, Any] = {"uuid": str(job.id)}
    match state:
        case State.SUCCEEDED:
            about |= {"result": "", "runtime": ran_s}
        case State.CANCELLED:
            about |= {"terminated": True, "signum": None, "expired": False}
        case _:
            about |= {"exception": state.value, "traceback": ""}
    return [(_ENDINGS.get(state, "task-retried"), about)]
