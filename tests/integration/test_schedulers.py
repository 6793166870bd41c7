"""Real schedulers, killed and started again: each fire time of a schedule of seconds becomes one job.

Twenty seconds here; SCHEDULERS_FOR_S=600 makes it the long one.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from engine_kit import Engine, engine_on, eventually

from llmcoder.ids import new_id
from models.jobs.tables import jobs
from models.schedules import store as schedules
from models.schedules.store import Schedule
from models.schedules.tables import schedule_runs

pytestmark = pytest.mark.both_stores

LASTS_S = int(os.environ.get("SCHEDULERS_FOR_S", "20"))
KILL_EVERY_S = 20 if LASTS_S > 100 else 4


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path) as running:
        yield running


@pytest.mark.slow("a schedule fires each second, and a scheduler is killed meanwhile")
@pytest.mark.timeout(LASTS_S + 120)
def test_two_schedulers_of_which_one_is_killed_again_and_again_fire_each_second_once(engine: Engine) -> None:
    one = of_seconds(engine, LASTS_S)
    ends = time.monotonic() + LASTS_S + 2
    while time.monotonic() < ends:
        other = engine.start("schedules")
        time.sleep(max(0.0, min(KILL_EVERY_S, ends - time.monotonic())))  # the time that passes is what is tested
        other.kill()
        other.wait(120)
    eventually(lambda: fire_times(engine, one)[-1:] == [one.ends_at], 60, "the last fire time")

    seconds = fire_times(engine, one)
    assert len(seconds) == LASTS_S
    assert {later - sooner for sooner, later in itertools.pairwise(seconds)} == {timedelta(seconds=1)}
    with engine.db.read() as conn:
        made = conn.execute(sa.select(sa.func.count()).where(jobs.c.schedule_id == one.id)).scalar_one()
    assert made == LASTS_S


def of_seconds(engine: Engine, number: int) -> Schedule:
    """A schedule that fires each second, so many times from soon on."""
    now = engine.db.now()
    begins = now.replace(microsecond=0) + timedelta(seconds=5)
    one = Schedule(
        id=new_id(), user_id=engine.user.id, name="each second", action="test.do_nothing", input="{}",
        cron="* * * * * *", every_s=None, at=None, timezone="UTC", jitter_s=0, starts_at=begins,
        ends_at=begins + timedelta(seconds=number - 1),
        catch_up="all", catch_up_within_s=600, overlap="allow", pause_after_failures=0, enabled=True, note=None,
        resumed_at=now, next_fire_at=begins, version=1, created_at=now, updated_at=now,
    )  # fmt: skip
    with engine.db.write() as conn:
        schedules.add(conn, one)
    return one


def fire_times(engine: Engine, one: Schedule) -> list[object]:
    with engine.db.read() as conn:
        wanted = sa.select(schedule_runs.c.fire_at).where(schedule_runs.c.schedule_id == one.id)
        return list(conn.execute(wanted.order_by(schedule_runs.c.fire_at)).scalars())
