"""A client that is cut off again and again, and comes back with the last revision it has, ends with what SQL says.

Real processes: an API, an io worker, a scheduler, and a Redis that is killed. The cuts are drawn from a seed: at once,
in the midst of what the client missed, and while it hears what happens; most without a word, as a lost network makes
them, the others with a goodbye.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import accept, eventually, job_of, load_testkit, new_user
from push_kit import Doors, Link, doors, socket_since, stream_since

from llmcoder.context import User
from llmcoder.states import State
from models.jobs.machine import ENDED
from models.jobs.store import NewJob
from models.jobs.tables import jobs

pytestmark = pytest.mark.both_stores

load_testkit()

MOST_HEARD_AT_ONCE = 16
#: The part of the cuts without a goodbye.
ABRUPT = 0.75
#: The part of the connections that are cut early.
IMPATIENT = 0.7
#: A client that hears nothing for so long is cut all the same.
SILENCE_S = 0.1
ALL_END_WITHIN_S = 180.0
#: Of these many jobs, so many come through the API, with a doorbell and a wake-up; the others just stand in SQL.
BATCH, BY_HTTP, CANCELLED = 100, 10, 4

Open = Callable[[Doors, User, int], AbstractAsyncContextManager[Link]]


@pytest.fixture(scope="module")
def open_doors(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with doors(module_db_url, tmp_path_factory.mktemp("engine")) as opened:
        yield opened


@dataclass
class Follower:
    """What a client has heard, over all its connections.

    Attributes:
        rev: The last revision.
        heard: Of each job, its last state and the revision of that.
        cut: How often it was cut, by what it was doing.
    """

    rev: int = 0
    heard: dict[str, tuple[str, int]] = field(default_factory=dict)
    cut: Counter[str] = field(default_factory=Counter)

    def take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "live":
            assert message["rev"] == self.rev, "it is up to date, and not where it believes to be"
        if message["type"] == "job":
            assert message["rev"] > self.rev, "the order is strict, over all connections"
            self.rev = message["rev"]
            self.heard[message["job"]["id"]] = (message["job"]["state"], self.rev)

    async def listen(self, link: Link, messages: int) -> str:
        """Hear so many, or fewer if nothing comes; returns what the client was doing at the end."""
        doing = "catching up"
        for _ in range(messages):
            message = await link.hear(SILENCE_S)
            if message is None:
                break
            self.take(message)
            doing = "live" if message["type"] == "live" else doing
        return doing

    async def listen_until_live(self, link: Link) -> None:
        kind = None
        while kind != "live":
            message = await link.hear()
            assert message is not None
            self.take(message)
            kind = message["type"]


def some_jobs(user: User, chance: random.Random) -> list[NewJob]:
    """Jobs that end in several ways, one or two attempts later."""
    kinds = chance.choices(("nothing", "transient", "bad_input", "uncertain"), (85, 5, 5, 5), k=BATCH)
    return [job_of(user, **trouble(kind)) for kind in kinds]


def trouble(kind: str) -> dict[str, str]:
    if kind == "nothing":
        return {}
    return {"action": "test.make_trouble", "input": json.dumps({"kind": kind, "times": 1})}


def submit(doors: Doors, user: User, new: list[NewJob]) -> None:
    accept(doors.db, new[BY_HTTP:])
    with httpx.Client(base_url=doors.url, headers=doors.headers(user), timeout=20) as client:
        for job in new[:BY_HTTP]:
            answer = client.post("/jobs", json={"action": job.action, "input": json.loads(job.input)})
            assert answer.status_code == 202, answer.text
        for job in new[-CANCELLED:]:
            assert client.post(f"/jobs/{job.id}/cancel").status_code in (202, 409)  # 409: it has ended


@pytest.mark.slow("2,000 jobs and 200 cuts")
def test_a_socket_cut_200_times_during_2000_jobs_ends_with_what_sql_says(open_doors: Doors) -> None:
    user, chance = new_user(open_doors.db), random.Random(1)

    follower = asyncio.run(followed(open_doors, user, socket_since, chance, cuts=200, batches=20))

    assert_same_as_sql(open_doors, user, follower, 2_000)
    assert follower.cut["catching up"] and follower.cut["live"], "both kinds of cut were tried"


@pytest.mark.slow("2,000 jobs and 200 cuts, while Redis is killed")
def test_so_does_one_while_redis_is_killed_and_emptied(open_doors: Doors) -> None:
    user, chance = new_user(open_doors.db), random.Random(2)
    one_at_a_time = threading.Lock()

    def killed() -> None:
        with one_at_a_time:
            open_doors.redis.kill()
            open_doors.redis.start()

    def emptied() -> None:
        with one_at_a_time, open_doors.redis.client() as client:
            client.flushall()

    troubles = dict.fromkeys((30, 75, 120, 165), killed) | dict.fromkeys((50, 100, 150), emptied)
    follower = asyncio.run(followed(open_doors, user, socket_since, chance, cuts=200, batches=20, troubles=troubles))

    assert_same_as_sql(open_doors, user, follower, 2_000)


def test_so_does_a_stream_cut_40_times_during_300_jobs(open_doors: Doors) -> None:
    user, chance = new_user(open_doors.db), random.Random(3)

    follower = asyncio.run(followed(open_doors, user, stream_since, chance, cuts=40, batches=3))

    assert_same_as_sql(open_doors, user, follower, 300)


async def followed(
    doors: Doors,
    user: User,
    open_link: Open,
    chance: random.Random,
    *,
    cuts: int,
    batches: int,
    troubles: Mapping[int, Callable[[], None]] | None = None,
) -> Follower:
    """A client that was cut so often while jobs came and ended, and then came back once more.

    Args:
        batches: Of jobs, spread evenly over the cuts.
        troubles: What happens beside it at which cut.
    """
    follower = Follower()
    async with asyncio.TaskGroup() as beside:
        for number in range(cuts):
            if number % (cuts // batches) == 0 and number // (cuts // batches) < batches:
                beside.create_task(asyncio.to_thread(submit, doors, user, some_jobs(user, chance)))
            if troubles and number in troubles:
                beside.create_task(asyncio.to_thread(troubles[number]))
            await _until_cut(follower, open_link(doors, user, follower.rev), chance)
    await asyncio.to_thread(eventually, lambda: _all_ended(doors, user), ALL_END_WITHIN_S, "all end")
    async with open_link(doors, user, follower.rev) as link:
        await follower.listen_until_live(link)
    return follower


async def _until_cut(follower: Follower, opening: AbstractAsyncContextManager[Link], chance: random.Random) -> None:
    async with opening as link:
        patience = MOST_HEARD_AT_ONCE if chance.random() < IMPATIENT else 10 * MOST_HEARD_AT_ONCE
        follower.cut[await follower.listen(link, chance.randrange(patience))] += 1
        if chance.random() < ABRUPT:
            link.tear()


def _all_ended(doors: Doors, user: User) -> bool:
    wanted = sa.select(sa.func.count()).where(jobs.c.user_id == user.id, jobs.c.state.not_in(ENDED))
    with doors.db.read() as conn:
        return conn.execute(wanted).scalar_one() == 0


def assert_same_as_sql(doors: Doors, user: User, follower: Follower, number: int) -> None:
    with doors.db.read() as conn:
        rows = conn.execute(sa.select(jobs.c.id, jobs.c.state, jobs.c.rev).where(jobs.c.user_id == user.id)).all()
    assert len(rows) == number
    assert follower.heard == {str(row.id): (row.state, row.rev) for row in rows}
    assert {State(state) for state, _ in follower.heard.values()} <= ENDED
    assert {row.state for row in rows} >= {"succeeded", "failed"}
