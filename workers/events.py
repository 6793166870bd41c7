"""Celery's own task events, sent for every job however it was claimed, so that Flower shows all by action name.

Celery's tracer would report doorbells (some of which are stale) and know nothing of pulled jobs, so it is kept silent
and this is the one place that speaks. An event carries the action's name, ids and times: never an input, a result or
the text of an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any

import structlog

from models.claims import Claimed
from models.machine import State

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

WAITING_LIMIT = 20_000
REST_AFTER_FAILURE_S = 2.0
_ENDINGS = {
    State.SUCCEEDED: "task-succeeded",
    State.FAILED: "task-failed",
    State.UNCERTAIN: "task-failed",
    State.CANCELLED: "task-revoked",
}


class Events:
    """Sends task events in batches, off the jobs' path; drops them while the broker is away.

    Args:
        hostname: The worker's name as Flower shows it.
    """

    def __init__(self, app: Celery, hostname: str) -> None:
        self._app = app
        self._hostname = hostname
        self._waiting: Queue[tuple[str, dict[str, Any]] | None] = Queue(WAITING_LIMIT)
        self._dispatcher: Any = None
        self._faults: tuple[type[Exception], ...] = (OSError,)
        self._thread = threading.Thread(target=self._loop, name="events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def claimed(self, job: Claimed) -> None:
        about = {"uuid": str(job.id), "name": job.action, "args": "", "kwargs": "", "retries": job.attempt - 1}
        self._put("task-received", about | {"eta": None, "expires": None, "root_id": str(job.id), "parent_id": None})
        self._put("task-started", {"uuid": str(job.id)})

    def ended(self, job: Claimed, state: State, ran_s: float) -> None:
        about: dict[str, Any] = {"uuid": str(job.id)}
        match state:
            case State.SUCCEEDED:
                about |= {"result": "", "runtime": ran_s}
            case State.FAILED | State.UNCERTAIN:
                about |= {"exception": state.value, "traceback": ""}
            case State.CANCELLED:
                about |= {"terminated": True, "signum": None, "expired": False}
            case _:
                about |= {"exception": state.value, "traceback": ""}
        self._put(_ENDINGS.get(state, "task-retried"), about)

    def close(self, timeout_s: float = 2.0) -> None:
        try:
            self._waiting.put_nowait(None)
        except Full:
            return
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _put(self, kind: str, about: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait((kind, about | {"timestamp": time.time()}))
        except Full:
            return  # Flower is a view; the jobs table keeps the history

    def _loop(self) -> None:
        going = True
        while going:
            batch = [self._waiting.get()]
            while batch[-1] is not None and len(batch) < 1_000:
                try:
                    batch.append(self._waiting.get_nowait())
                except Empty:
                    break
            going = None not in batch
            self._send([item for item in batch if item is not None])

    def _send(self, batch: Sequence[tuple[str, dict[str, Any]]]) -> None:
        try:
            dispatcher = self._connected()
            for kind, about in batch:
                dispatcher.send(kind, **about)
            dispatcher.flush(errors=False)
        except self._faults as error:
            log.debug("task events were dropped", events=len(batch), error=type(error).__name__)
            self._disconnect()
            time.sleep(REST_AFTER_FAILURE_S)

    def _connected(self) -> Any:
        if self._dispatcher is None:
            connection = self._app.connection_for_write()
            self._faults = (OSError, *connection.connection_errors, *connection.channel_errors)
            self._dispatcher = self._app.events.Dispatcher(
                connection,
                hostname=self._hostname,
                buffer_group={"task"},
                buffer_limit=WAITING_LIMIT,
                buffer_while_offline=False,
            )
        return self._dispatcher

    def _disconnect(self) -> None:
        if self._dispatcher is not None:
            connection = self._dispatcher.connection
            self._dispatcher = None
            with suppress(*self._faults):
                connection.close()
