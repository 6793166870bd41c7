"""The index as a job of a real worker: killed three times, limited in the middle, and run again."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from confluence_server import EMAIL, TOKEN, Confluence, confluence_on_loopback

from llmcoder.states import State
from models.jobs.store import Job
from models.jobs.tables import jobs
from tasks.confluence.index_actions import index
from tasks.confluence.indexing import BATCH_PAGES
from tasks.confluence.tables import pages

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

from engine_kit import Engine, engine_on, eventually  # noqa: E402

PAGES, KILLS = 2_000, 3


@pytest.fixture
def confluence() -> Iterator[Confluence]:
    with confluence_on_loopback() as running:
        yield running


@pytest.fixture
def engine(confluence: Confluence, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    account = {"CONFLUENCE_URL": confluence.url, "CONFLUENCE_EMAIL": EMAIL, "CONFLUENCE_API_TOKEN": TOKEN}
    with engine_on(Engine, db_url, tmp_path, **account) as made:
        yield made


def kept(engine: Engine) -> list[str]:
    with engine.db.read() as conn:
        return sorted(conn.execute(sa.select(pages.c.page_id)).scalars())


def current(confluence: Confluence) -> list[str]:
    return sorted(page.id for page in confluence.pages.values() if page.status == "current")


def result_of(job: Job) -> dict[str, Any]:
    assert job.state == State.SUCCEEDED, job.error
    found: dict[str, Any] = json.loads(job.result or "")
    return found


def kill_three_times(engine: Engine, confluence: Confluence, job_id: UUID) -> None:
    """Kill the worker each time another quarter of the pages is fetched, and it has said that it came further.

    One that dies before it can say so counts as one that gained nothing, and three of those are the job's end.
    """
    for kill in range(1, KILLS + 1):
        confluence.holds_after = kill * PAGES // (KILLS + 1)
        worker = engine.start_worker()
        eventually(lambda kill=kill: furthest(engine, job_id) > (kill - 0.5) / (KILLS + 1))
        worker.send_signal(signal.SIGKILL)
        worker.wait(120)
        assert not engine.job(job_id).ended
    confluence.holds_after = math.inf


def furthest(engine: Engine, job_id: UUID) -> float:
    with engine.db.read() as conn:
        return conn.execute(sa.select(jobs.c.furthest).where(jobs.c.id == job_id)).scalar() or 0.0


@pytest.mark.slow("2,000 pages, and three workers are killed")
def test_two_thousand_pages_are_indexed_by_a_worker_that_is_killed_three_times(
    engine: Engine, confluence: Confluence
) -> None:
    ids = confluence.fill("OPS", PAGES)
    job_id = engine.submit(index, spaces=["OPS"])
    kill_three_times(engine, confluence, job_id)
    engine.start_worker()
    done = result_of(engine.until(job_id, State.SUCCEEDED, State.FAILED))
    assert kept(engine) == sorted(ids)
    assert (done["seen"], done["fetched"], done["removed"], done["failed"]) == (PAGES, PAGES, 0, 0)
    twice = sum(times - 1 for times in confluence.fetched.values())
    assert twice <= KILLS * BATCH_PAGES, "at most the batch in hand is fetched again"

    confluence.fetched.clear()
    for page_id in ids[:10]:
        confluence.edit(page_id, "<p>edited</p>")
    new = [confluence.add("OPS", f"New {number}").id for number in range(3)]
    for page_id in ids[-2:]:
        confluence.remove(page_id)
    again = engine.submit(index, spaces=["OPS"])
    done = result_of(engine.until(again, State.SUCCEEDED, State.FAILED))
    assert Counter(confluence.fetched) == Counter([*ids[:10], *new])
    names = ("seen", "fetched", "unchanged", "removed", "failed")
    assert [done[name] for name in names] == [PAGES + 1, 13, PAGES - 12, 2, 0]
    assert kept(engine) == current(confluence)


def test_a_limit_in_the_middle_makes_the_job_wait_and_costs_no_attempt(engine: Engine, confluence: Confluence) -> None:
    ids = confluence.fill("OPS", 3 * BATCH_PAGES)
    engine.start_worker()
    confluence.next("GET /pages", "refuse", 429, retry_after="1")
    job_id = engine.submit(index)
    job = engine.until(job_id, State.SUCCEEDED, State.FAILED)
    done = result_of(job)
    assert (job.attempt, job.max_attempts) == (2, index.retry.attempts + 1)
    assert (done["fetched"], kept(engine)) == (len(ids), sorted(ids))
    assert set(confluence.fetched.values()) == {1}
