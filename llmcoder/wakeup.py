"""What one thread waits for and others say, also from a signal's handler.

`threading.Event` is none for a handler: it comes amid anything, such as the `set` or the `wait` of the same thread, and
waits for ever for the lock that this one holds beneath it. A process that was told to end twice at once stood still.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Wakeup:
    """Of all that Python has for threads, only a `SimpleQueue` takes what comes amid itself."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        if self._calls.empty():  # else whoever waits is about to look; however often it is said, it takes no room
            self._calls.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it was said since the last wait, or is within that time; for one thread."""
        try:
            self._calls.get(timeout=timeout_s)
        except Empty:
            return False
        for _ in range(self._calls.qsize()):
            self._calls.get_nowait()
        return True
