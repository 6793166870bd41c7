"""Whose evaluation is next: each user has one at a time, however many calls come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from api.http.evaluations import MOST_WAITING, THREADS, Evaluations
from llmcoder.errors import Busy
from llmcoder.ids import new_id

LONG_S = 30


@pytest.fixture
def evaluations() -> Iterator[Evaluations]:
    made = Evaluations()
    yield made
    made.close()


def test_a_user_with_a_hundred_calls_leaves_a_thread_to_the_next(evaluations: Evaluations) -> None:
    busy, free = new_id(), new_id()
    go = threading.Event()

    async def play() -> None:
        waiting = [asyncio.ensure_future(evaluations.run(busy, lambda: go.wait(LONG_S))) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(evaluations.run(free, lambda: "done"), LONG_S) == "done"
        with pytest.raises(Busy):
            await evaluations.run(busy, lambda: "one too many")
        go.set()
        assert all(await asyncio.gather(*waiting))

    assert THREADS > 1
    asyncio.run(play())


def test_what_one_raises_reaches_its_caller_and_stops_nobody_else(evaluations: Evaluations) -> None:
    user = new_id()

    def fail() -> None:
        raise ValueError("no")

    async def play() -> None:
        with pytest.raises(ValueError, match="no"):
            await evaluations.run(user, fail)
        assert await evaluations.run(user, lambda: 1) == 1
        assert evaluations._lines == {}, "nobody who has gone is remembered"

    asyncio.run(play())
