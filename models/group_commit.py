"""Group commit: one thread through which a process's writes go, so that all that wait share one transaction.

Nobody waits on purpose for a larger batch: while one transaction commits, the next batch gathers by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

import structlog

from models.db import TRANSIENT_ERRORS

Req = TypeVar("Req")
Res = TypeVar("Res")
Call = Callable[[], None]

log = structlog.get_logger(__name__)


class Closed(RuntimeError):
    """The writer has ended; nothing that comes now is written."""


class GroupCommit(Generic[Req, Res]):
    """Batches requests into transactions.

    Args:
        name: Of the thread.
        work: Performs one batch in one transaction and returns a result per request, in order. It must be harmless
            to repeat: it is called again when the connection broke, maybe after the commit.
        limit: Requests a batch at most.
        hand_over: Runs the batch's answers where they belong, such as in an event loop; here when not given.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Req]], Sequence[Res]],
        *,
        limit: int = 256,
        hand_over: Callable[[Sequence[Call]], None] | None = None,
    ) -> None:
        self._work = work
        self._limit = limit
        self._hand_over = hand_over or _run_all
        self._waiting: SimpleQueue[tuple[Req, Callable[[Res | BaseException], None]] | None] = SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()  # nothing may come into the queue behind its end: nobody would answer it
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, request: Req, answer: Callable[[Res | BaseException], None]) -> None:
        """Add a request; `answer` gets its result, or the exception that it met, after the commit."""
        with self._closing:
            if not self._closed:
                return self._waiting.put((request, answer))
        answer(Closed("closed: the request came after the end"))

    def ask(self, request: Req, timeout_s: float | None = None) -> Res:
        """Add a request and wait for its result."""
        future: Future[Res] = Future()
        self.put(request, lambda result: _settle(future, result))
        return future.result(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Commit what waits, then end."""
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _loop(self) -> None:
        open_for_more = True
        while open_for_more:
            batch = []
            item = self._waiting.get()
            while item is not None:
                batch.append(item)
                if len(batch) >= self._limit or self._waiting.empty():
                    break
                item = self._waiting.get()
            open_for_more = item is not None
            if batch:
                self._answer(batch)

    def _answer(self, batch: Sequence[tuple[Req, Callable[[Res | BaseException], None]]]) -> None:
        results = self._results([request for request, _ in batch])
        self._hand_over([_call(answer, result) for (_, answer), result in zip(batch, results, strict=True)])

    def _results(self, requests: Sequence[Req]) -> Sequence[Res | BaseException]:
        try:
            return self._twice(requests)
        except TRANSIENT_ERRORS as error:
            log.warning("the database did not take a batch", waiting=len(requests), error=type(error).__name__)
            return [error] * len(requests)
        except Exception as error:  # noqa: BLE001  one bad request must not take the batch with it, nor end the thread
            if len(requests) == 1:
                return [error]
            return [result for request in requests for result in self._results([request])]

    def _twice(self, requests: Sequence[Req]) -> Sequence[Res]:
        try:
            return self._work(requests)
        except TRANSIENT_ERRORS:
            return self._work(requests)


def _call(answer: Callable[[Res | BaseException], None], result: Res | BaseException) -> Call:
    def call() -> None:
        try:
            answer(result)
        except Exception:  # every writer of the process goes through this thread: one broken asker must not end it
            log.exception("an answer could not be given")

    return call


def _run_all(calls: Sequence[Call]) -> None:
    for call in calls:
        call()


def _settle(future: Future[Res], result: Res | BaseException) -> None:
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
