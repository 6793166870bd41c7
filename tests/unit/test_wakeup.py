"""A handler of a signal comes amid anything, itself included."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from llmcoder.wakeup import Wakeup

STUCK_AFTER_S = 20.0


def interrupted_by(handler: Callable[[], object], work: Callable[[], object]) -> None:
    """Do the work, with the handler called before each of its lines, as a signal may have it."""

    def trace(_frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            handler()  # Python traces nothing of what a trace calls
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def ends(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(STUCK_AFTER_S)
    return not thread.is_alive()


WORK: dict[str, Callable[[Wakeup], object]] = {
    "set": Wakeup.set,
    "wait": Wakeup.wait,
    "a wait for no time": lambda wakeup: wakeup.wait(0.0),
}


@pytest.mark.parametrize("work", WORK)
def test_a_handler_may_come_amid_it(work: str) -> None:
    wakeup = Wakeup()
    assert ends(lambda: interrupted_by(wakeup.set, lambda: WORK[work](wakeup)))


def test_what_was_said_before_is_heard_once() -> None:
    wakeup = Wakeup()
    assert not wakeup.wait(0.0)
    for _ in range(3):
        wakeup.set()
    assert wakeup.wait()
    assert not wakeup.wait(0.01)


def test_whoever_waits_is_woken() -> None:
    wakeup = Wakeup()
    heard: list[bool] = []
    waiting = threading.Thread(target=lambda: heard.append(wakeup.wait(STUCK_AFTER_S)), daemon=True)
    waiting.start()
    wakeup.set()
    waiting.join(STUCK_AFTER_S)
    assert heard == [True]


def test_what_is_said_again_and_again_before_anybody_looks_takes_no_room() -> None:
    wakeup = Wakeup()
    for _ in range(1_000):
        wakeup.set()
    assert wakeup._calls.qsize() == 1
    assert wakeup.wait(0)
    assert not wakeup.wait(0)
