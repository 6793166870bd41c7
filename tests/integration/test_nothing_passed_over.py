"""Who reads what changed, and how far that is, in several statements: what is committed between two of them is told.

A change of another process is committed after the first statement, after the second, and so on, until there are no
more; on PostgreSQL, where each statement sees what is committed by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa
from engine_kit import accept_one, move, take

from api.http.database import AsyncDatabase
from api.push.feed import Message
from api.push.hub import Hub
from engine import outbound_webhooks as rules
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database
from models.jobs.store import changes
from models.jobs.tables import jobs
from models.webhooks import outbound as webhooks
from models.webhooks.tables import webhook_deliveries

pytestmark = [pytest.mark.both_stores, pytest.mark.parametrize("db_url", ["postgresql"], indirect=True)]
MOST_STATEMENTS = 20
#: Nobody listens there: the push works without Redis, by the second.
NO_REDIS = "redis://127.0.0.1:1/0"


@contextmanager
def after_statement(db: Database, number: int, then: Callable[[], object]) -> Iterator[list[str]]:
    """Do something when that many statements of the database were executed; gives those that were."""
    executed: list[str] = []

    def count(_conn: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        executed.append(statement)
        if len(executed) == number:
            then()

    for engine in (db._durable, db._relaxed, db._reading):
        sa.event.listen(engine, "after_cursor_execute", count)
    try:
        yield executed
    finally:
        for engine in (db._durable, db._relaxed, db._reading):
            sa.event.remove(engine, "after_cursor_execute", count)


class Outsider:
    """Another process, which ends jobs."""

    def __init__(self, db: Database, user: User) -> None:
        self._db = db
        self._user = user
        self.ended: list[UUID] = []

    def end_one(self) -> None:
        job = accept_one(self._db, self._user)
        take(self._db, job.id)
        move(self._db, job.id, State.SUCCEEDED)
        self.ended.append(job.id)

    def end_one_and_forget_it(self) -> None:
        """A revision that no job has any more, so that its reader finds nothing."""
        job = accept_one(self._db, self._user)
        move(self._db, job.id, State.CANCELLED)
        with self._db.write() as conn:
            conn.execute(sa.delete(jobs).where(jobs.c.id == job.id))


@pytest.fixture
def outsider(db: Database, user: User) -> Iterator[Outsider]:
    with closing(Database(db.url.render_as_string(hide_password=False))) as other:
        yield Outsider(other, user)


def assert_all_are_told(
    db: Database, outsider: Outsider, read: Callable[[], object], told: Callable[[], object]
) -> None:
    """Read with a change after each statement in turn, and once more without: each change was told."""
    statements = MOST_STATEMENTS
    for number in range(1, MOST_STATEMENTS):
        if number > statements:
            break
        outsider.end_one_and_forget_it()
        with after_statement(db, number, outsider.end_one) as executed:
            read()
        statements = len(executed)
        read()
        missing = set(outsider.ended) - set(told())
        assert not missing, f"passed over what was committed after: {executed[number - 1]}"
    assert 1 < statements < MOST_STATEMENTS
    assert len(outsider.ended) >= statements, "a change came after every statement"


def test_a_webhook_hears_of_what_is_committed_while_its_messages_are_made(
    db: Database, user: User, outsider: Outsider, configured: Config
) -> None:
    wanted = {
        "name": "x", "url": "https://example.org/", "events": '["job.succeeded"]', "actions": "*",
        "with_result": False, "enabled": True,
    }  # fmt: skip
    with use(configured), db.write() as conn:
        rules.add(conn, user.id, wanted, None, db.now())

    def make() -> None:
        with db.write() as conn:
            webhooks.make_messages(conn, db.now(), 10, 10)

    def told() -> list[UUID]:
        with db.read() as conn:
            return list(conn.execute(sa.select(webhook_deliveries.c.job_id)).scalars())

    db.now()  # the clock has been asked by now
    assert_all_are_told(db, outsider, make, told)


def test_a_client_that_asks_for_changes_gets_what_is_committed_meanwhile(
    db: Database, user: User, outsider: Outsider
) -> None:
    seen: list[UUID] = []
    rev = 0

    def ask() -> None:
        nonlocal rev
        with db.read() as conn:
            found = changes(conn, user.id, rev, 10)
        seen.extend(job.id for job in found.jobs)
        rev = found.rev

    assert_all_are_told(db, outsider, ask, lambda: seen)


def test_a_client_from_another_database_goes_on_from_where_this_one_is(
    db: Database, user: User, outsider: Outsider
) -> None:
    for number in (1, 2):
        with after_statement(db, number, outsider.end_one), db.read() as conn:
            rev = changes(conn, user.id, 10**9, 10).rev
        with db.read() as conn:
            assert outsider.ended[-1] in [job.id for job in changes(conn, user.id, rev, 10).jobs]


def test_a_watcher_is_pushed_what_is_committed_while_it_catches_up(
    db: Database, user: User, outsider: Outsider
) -> None:
    watcher = PushWatcher(db, user)

    def watch() -> None:
        watcher.watch(watcher.rev, lambda: outsider.ended)

    assert_all_are_told(db, outsider, watch, lambda: watcher.seen)


def test_a_watcher_that_begins_at_the_present_is_pushed_everything_later_than_that(
    db: Database, user: User, outsider: Outsider
) -> None:
    for number in range(1, 4):
        watcher = PushWatcher(db, user)
        with after_statement(db, number, outsider.end_one):
            watcher.watch(None, partial(end_one_more, db, outsider, watcher))
        assert len(outsider.ended) == 2 * number, "something was committed meanwhile"


def end_one_more(db: Database, outsider: Outsider, watcher: PushWatcher) -> list[UUID]:
    """Gives all that ended after the present of the watcher."""
    outsider.end_one()
    with db.read() as conn:
        later = sa.select(jobs.c.id).where(jobs.c.id.in_(outsider.ended), jobs.c.rev > watcher.began_at)
        return list(conn.execute(later).scalars())


class PushWatcher:
    """A client of the push that remembers how far it has come."""

    def __init__(self, db: Database, user: User) -> None:
        self._db = db
        self._user = user
        self.seen: list[UUID] = []
        self.rev = 0
        self.began_at = 0

    def watch(self, since: int | None, wanted: Callable[[], list[UUID]]) -> None:
        """Connect, ask when live what it should see, and stay until it has seen it."""
        asyncio.run(self._watch(since, wanted))

    async def _watch(self, since: int | None, wanted: Callable[[], list[UUID]]) -> None:
        sql = AsyncDatabase(self._db)
        hub = Hub(sql, NO_REDIS)
        hub.start()
        feed = hub.open_feed(self._user.id)
        try:
            async for message in feed.history(since):
                self._take(message)
            self.began_at = self.rev
            missing = set(wanted())
            while not missing <= set(self.seen):
                following = await feed.next(20)
                assert following is not None, "nothing came"
                self._take(following)
        finally:
            hub.close_feed(self._user.id, feed)
            await hub.close()
            sql.close()

    def _take(self, message: Message) -> None:
        said = orjson.loads(message.body)
        self.rev = said["rev"]
        if said["type"] == "job":
            self.seen.append(UUID(said["job"]["id"]))
