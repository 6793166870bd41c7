"""A wall clock that somebody sets by an hour, forward and back: for real processes, through a preloaded library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database
from tests.crash.cluster import ROOT
from tests.crash.surroundings import Clock, can_compile
from tests.integration.engine_kit import Engine, OwnRedis, environment, own_redis, set_columns, stand_in

HOUR_S = 3_600
ELAPSED = """
import sys
from datetime import timedelta
from llmcoder.context import User
from models.db.database import Database
db = Database(sys.argv[1])
began_at = db.now()
for line in sys.stdin:
    print(round(db.since_s(began_at)), round(db.since_s(began_at - timedelta(hours=2))), flush=True)
"""


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    if not can_compile():
        pytest.skip("no gcc to compile the library with")
    return Clock(tmp_path)


def test_an_hour_that_only_the_clock_shows_has_not_gone_by(clock: Clock, tmp_path: Path) -> None:
    environ = {**clock.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ELAPSED, f"sqlite:///{tmp_path / 'any.db'}"]
    with subprocess.Popen(
        command, env=environ, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:

        def ask() -> tuple[int, int]:
            assert process.stdin is not None and process.stdout is not None
            print(file=process.stdin, flush=True)
            since_begin, since_two_hours_before = process.stdout.readline().split()
            return int(since_begin), int(since_two_hours_before)

        assert ask() == (0, 2 * HOUR_S), "a clock that goes on evenly is believed"
        clock.jump_to(HOUR_S)
        assert ask() == (0, 0), "what was before the jump may be a moment ago"
        clock.jump_to(-HOUR_S)
        assert ask() == (0, 0), "and so it may after a jump back"


@pytest.fixture
def redis() -> Iterator[OwnRedis]:
    with own_redis() as own:
        yield own


def test_the_dispatcher_works_on_when_the_clock_is_set_back(
    clock: Clock, db: Database, db_url: str, redis: OwnRedis, user: User, tmp_path: Path
) -> None:
    engine = Engine(db, user, redis, tmp_path, environment(db_url, redis, tmp_path) | clock.environ)
    with closing(engine):
        clock.jump_to(HOUR_S)
        engine.start("schedules")
        for offset_s in (HOUR_S, 0):
            clock.jump_to(offset_s)
            job_id = stand_in(db, user, State.SCHEDULED).id
            set_columns(db, job_id, due_at=db.now() - timedelta(seconds=1))
            engine.until(job_id, State.QUEUED)  # whoever believed the clock would wait for the hour
