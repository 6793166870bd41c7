"""A feed whose watcher is too slow: what was left out is what comes first when the watcher comes back."""

from __future__ import annotations

import asyncio

import pytest

from api.push import feed as feeds
from api.push.feed import Feed, Message, Overrun
from llmcoder.ids import new_id


async def nothing(*_: object) -> list[object]:
    return []


def test_after_one_was_left_out_none_is_given_although_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_WAITING", 2)

    async def watch() -> list[int | None]:
        feed = Feed(new_id(), nothing, nothing, nothing)  # type: ignore[arg-type]
        for rev in (1, 2, 3):  # the third has no room
            feed.offer(Message("job", b"{}", rev))
        seen = [(await feed.next(1)).rev]  # type: ignore[union-attr]
        feed.offer(Message("job", b"{}", 4))
        with pytest.raises(Overrun):
            while True:
                seen.append((await feed.next(1)).rev)  # type: ignore[union-attr]
        return seen

    assert asyncio.run(watch()) == [1, 2]
