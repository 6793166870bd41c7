"""The hub's feeds against each other: what one watcher does must not reach another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import pytest
from engine_kit import OwnRedis, accept_one, own_redis, take

from api.http.database import AsyncDatabase
from api.push.feed import Feed, Message
from api.push.hub import Hub
from engine.broker import PUSH_CHANNEL
from llmcoder.context import User
from models.db.database import Database

SOON_S = 10.0


class SlowSql(AsyncDatabase):
    """Answers when it is let, and breaks as often as it is told to."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.open = asyncio.Event()
        self.asked = asyncio.Event()
        self.breaks = 0

    async def run(self, work: Callable[[], Any]) -> Any:
        self.asked.set()
        await self.open.wait()
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("a defect")
        return await super().run(work)


@asynccontextmanager
async def hub_on(db: Database, redis_url: str) -> AsyncIterator[tuple[Hub, SlowSql]]:
    sql = SlowSql(db)
    hub = Hub(sql, redis_url)
    hub.start()
    try:
        yield hub, sql
    finally:
        sql.open.set()
        await hub.close()
        sql.close()


def test_whoever_is_told_that_they_are_live_is_heard_from_then_on(db: Database, user: User) -> None:
    async def go(server: OwnRedis) -> None:
        async with hub_on(db, server.url) as (hub, sql):
            sql.open.set()
            with closing(server.client()) as client:
                for _ in range(3):
                    feed = hub.open_feed(user.id)
                    await hub.settled()
                    assert client.pubsub_numsub(PUSH_CHANNEL) == [(PUSH_CHANNEL.encode(), 1)]
                    hub.close_feed(user.id, feed)

    with own_redis() as server:  # in that of all tests, the API that they share may listen, too
        asyncio.run(go(server))


def test_without_redis_nobody_waits_for_it_to_be_live(db: Database, user: User) -> None:
    async def go() -> None:
        async with hub_on(db, "unix:///nowhere/redis.sock") as (hub, sql):
            sql.open.set()
            hub.open_feed(user.id)
            await hub.settled()
            assert hub._settled.is_set(), "it is known to be away"

    asyncio.run(go())


def joining(feed: Feed) -> asyncio.Task[None]:
    return asyncio.create_task(feed._join())  # type: ignore[arg-type]


def test_closing_a_feed_that_never_joined_leaves_the_reader_to_the_one_that_waits(
    db: Database, user: User, redis_url: str
) -> None:
    async def go() -> None:
        async with hub_on(db, redis_url) as (hub, sql):
            waits, leaves = hub.open_feed(user.id), hub.open_feed(user.id)
            joined = joining(waits)
            await sql.asked.wait()
            hub.close_feed(user.id, leaves)
            sql.open.set()
            async with asyncio.timeout(SOON_S):
                await joined
            job = accept_one(db, user)
            assert (await waits.next(SOON_S)) == Message.of_job(job)

    asyncio.run(go())


def test_a_watcher_that_gives_up_while_it_joins_leaves_the_reader_to_the_others(
    db: Database, user: User, redis_url: str
) -> None:
    async def go() -> None:
        async with hub_on(db, redis_url) as (hub, sql):
            stays, goes = hub.open_feed(user.id), hub.open_feed(user.id)
            gone, joined = joining(goes), joining(stays)
            await sql.asked.wait()
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            hub.close_feed(user.id, goes)
            sql.open.set()
            async with asyncio.timeout(SOON_S):
                await joined
            assert (await _offered(db, user, stays)) is not None

    asyncio.run(go())


def test_nobody_reads_when_all_have_gone_in_whatever_order(db: Database, user: User, redis_url: str) -> None:
    async def go() -> None:
        async with hub_on(db, redis_url) as (hub, sql):
            feeds = [hub.open_feed(user.id) for _ in range(3)]
            watched = hub._users[user.id]
            tasks = [joining(feed) for feed in feeds[:2]]
            await sql.asked.wait()
            for feed in feeds:
                hub.close_feed(user.id, feed)
                hub.close_feed(user.id, feed)  # once more does no harm
            assert watched.reader is None and hub._users == {}
            late = joining(feeds[2])  # it was closed before it joined
            sql.open.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, late, return_exceptions=True)
            assert watched.reader is None and not late.cancelled()

    asyncio.run(go())


@pytest.mark.parametrize("breaks", [1, 3])
def test_a_reader_that_breaks_reads_on(
    db: Database, user: User, redis_url: str, breaks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.push.hub.LOOK_EVERY_S", 0.01)

    async def go() -> None:
        async with hub_on(db, redis_url) as (hub, sql):
            sql.open.set()
            sql.breaks = breaks
            feed = hub.open_feed(user.id)
            async with asyncio.timeout(SOON_S):
                await feed._join()
            sql.breaks = breaks
            assert (await _offered(db, user, feed)) is not None
            assert all(not task.done() for task in hub._tasks)

    asyncio.run(go())


def test_a_job_that_cannot_be_shown_keeps_no_other_from_being_shown(
    db: Database, user: User, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Message.of_job

    def of_job(job: Any) -> Message:
        if job.id == bad.id:
            raise ValueError("cannot be shown")
        return whole(job)

    async def go() -> None:
        async with hub_on(db, redis_url) as (hub, sql):
            sql.open.set()
            feed = hub.open_feed(user.id)
            await feed._join()
            take(db, bad.id)  # it changes
            assert (await _offered(db, user, feed)) is not None

    bad = accept_one(db, user)
    monkeypatch.setattr(Message, "of_job", of_job)
    asyncio.run(go())


def test_a_request_whose_wish_breaks_keeps_no_other_waiting(db: Database, user: User, redis_url: str) -> None:
    job = accept_one(db, user)

    def broken(seen: Any) -> bool:
        if seen.attempt:
            raise ValueError("a defect")
        return False

    async def go() -> None:
        async with hub_on(db, redis_url) as (hub, sql):
            sql.open.set()
            first = asyncio.create_task(hub.wait(job, broken, 5.0))
            second = asyncio.create_task(hub.wait(job, lambda seen: seen.attempt > 0, SOON_S))
            await asyncio.sleep(0)
            take(db, job.id)
            assert (await second).attempt == 1
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    asyncio.run(go())


async def _offered(db: Database, user: User, feed: Feed) -> Message | None:
    accept_one(db, user)
    return await feed.next(SOON_S)
