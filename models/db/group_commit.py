"""Group commit: one thread through which a process's writes go, so that all that wait share one transaction.

Nobody waits on purpose for a larger batch: while one transaction commits, the next batch gathers by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

from llmcoder.logger import get_logger
from llmcoder.vital import vital
from models.db.errors import TRANSIENT_ERRORS, may_be_of_one

Req = TypeVar("Req")
Res = TypeVar("Res")
Call = Callable[[], None]

#: So many one after the other that the database did not take are its own trouble, and not theirs.
MOST_IN_A_ROW = 3

log = get_logger(__name__)


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
        self._thread = vital(name, self._loop)

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
        calls: list[Call] = []
        try:
            results = self._results([request for request, _ in batch])
            calls = [_call(answer, result) for (_, answer), result in zip(batch, results, strict=True)]
            self._hand_over(calls)
        except Exception as error:  # all wait for this thread: whoever of them can be told is told
            log.exception("a batch could not be answered", waiting=len(batch))
            if not calls:
                _run_all([_call(answer, error) for _, answer in batch])

    def _results(self, requests: Sequence[Req]) -> Sequence[Res | BaseException]:
        try:
            return self._twice(requests)
        except TRANSIENT_ERRORS as error:
            log.warning("the database did not take a batch", waiting=len(requests), error=type(error).__name__)
            if len(requests) == 1 or not may_be_of_one(error):
                return [error] * len(requests)
        except Exception as error:  # noqa: BLE001  one bad request must not take the batch with it, nor end the thread
            if len(requests) == 1:
                return [error]
        return self._one_by_one(requests)

    def _one_by_one(self, requests: Sequence[Req]) -> Sequence[Res | BaseException]:
        """Each in a transaction of its own; what comes after several that found no database shares their fate."""
        results: list[Res | BaseException] = []
        in_a_row = 0
        for request in requests:
            result = results[-1] if in_a_row == MOST_IN_A_ROW else self._results([request])[0]
            in_a_row = min(in_a_row + 1, MOST_IN_A_ROW) if isinstance(result, TRANSIENT_ERRORS) else 0
            results.append(result)
        return results

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
