"""Thirty days of recorded prices, with a worker that is killed ten times: as many alerts as drops, with their evidence.

Real processes: the scheduler fires the watch's schedule each day, workers look, and the scheduler tells. The worker
dies before it has looked, after the quote was kept and before the job has ended, and after the job has ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from travel_kit import recorded_file

from models.jobs.tables import jobs
from models.schedules.tables import schedules
from tasks.travel.tables import price_alerts, price_quotes, price_watches
from tasks.travel.watch_actions import watch_price

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import TIRELESS_S, Engine, engine_on, eventually

pytestmark = pytest.mark.both_stores

BELOW = 9_000
#: A month in which the price falls under the threshold seven times, once by a cent, and stays there for a while.
PRICES = [
    9_500, 9_100, 9_000, 8_999, 8_700, 8_700, 9_300, 8_900, 9_000, 8_500, 8_400, 8_300, 8_999, 9_001, 9_900, 10_400,
    8_100, 9_900, 9_950, 9_700, 9_100, 8_950, 8_950, 9_050, 9_000, 8_000, 7_900, 9_500, 9_100, 8_800,
]  # fmt: skip
#: Where the worker dies, by day. At the second point the quote and the alert are committed, and the job is not over.
KILLS = {
    1: "worker.after_claim", 3: "worker.after_effect", 4: "worker.after_finish", 7: "worker.after_effect",
    9: "worker.after_claim", 12: "worker.after_finish", 16: "worker.after_effect", 21: "worker.after_effect",
    25: "worker.after_claim", 29: "worker.after_effect",
}  # fmt: skip


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    return recorded_file(tmp_path / "prices.json", PRICES[:1])


@pytest.fixture
def engine(prices: Path, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path, TRAVEL_RECORDED_FILE=str(prices)) as made:
        yield made


@pytest.mark.slow("kills ten workers and waits for their leases")
def test_thirty_days_and_ten_killed_workers_give_as_many_alerts_as_drops(engine: Engine, prices: Path) -> None:
    drops = [at for at, cents in enumerate(PRICES) if cents < BELOW and (at == 0 or PRICES[at - 1] >= BELOW)]
    assert (len(PRICES), len(KILLS), len(drops)) == (30, 10, 7)
    depart_on = (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
    worker = engine.start_worker()
    kept = engine.submit(
        watch_price, **{"from": "Berlin", "to": "London", "depart_on": depart_on, "below": "90.00 EUR"}
    )
    eventually(lambda: len(rows(engine, price_quotes)) == 1, TIRELESS_S, "the first look is made at once")

    killed = 0
    for day in range(1, len(PRICES)):
        all_over(engine)
        recorded_file(prices, PRICES[day : day + 1])
        dies = KILLS.get(day)
        if dies is not None:
            worker.terminate()
            worker.wait(120)
            worker = engine.start_worker(LLMCODER_FAULTS=f"{dies}=kill")
        fire(engine, kept)
        if dies is not None:
            assert worker.wait(120) == -9, f"day {day}: the worker dies at {dies}"
            killed += 1
            worker = engine.start_worker()
        eventually(lambda day=day: len(rows(engine, price_quotes)) == day + 1, TIRELESS_S, f"the look of day {day}")
    all_over(engine)
    eventually(lambda: all(one.told_at for one in rows(engine, price_alerts)), TIRELESS_S, "all is told")
    all_over(engine)

    assert killed == 10
    assert [one.price_minor for one in rows(engine, price_quotes)] == PRICES
    told = [json.loads(one.input) for one in jobs_of(engine, "travel.tell_price_drop")]
    assert len(told) == len(rows(engine, price_alerts)) == len(drops)
    for number, (at, evidence) in enumerate(zip(drops, told, strict=True), 1):
        assert evidence["number"] == number
        assert evidence["price"]["amount"] == f"{PRICES[at] / 100:.2f}"
        assert evidence["price_before"]["amount"] == f"{PRICES[at - 1] / 100:.2f}"
        assert (evidence["source"], evidence["recorded"]) == ("recorded", True)
    (watch,) = rows(engine, price_watches)
    assert (watch.drops, watch.is_below, watch.lowest_minor) == (len(drops), True, min(PRICES))


def rows(engine: Engine, table: sa.Table) -> list[Any]:
    with engine.db.read() as conn:
        return list(conn.execute(sa.select(table).order_by(table.c.id)))


def jobs_of(engine: Engine, action: str) -> list[Any]:
    with engine.db.read() as conn:
        return list(conn.execute(sa.select(jobs).where(jobs.c.action == action).order_by(jobs.c.id)))


def fire(engine: Engine, watch_id: Any) -> None:
    """A day goes by: the next time of the watch's schedule is now."""
    with engine.db.write() as conn:
        conn.execute(sa.update(schedules).where(schedules.c.id == watch_id).values(next_fire_at=engine.db.now()))


def all_over(engine: Engine) -> None:
    """No look is under way: the next fire time would be passed over."""
    over = ("succeeded", "failed", "cancelled")

    def ended() -> bool:
        return all(one.state in over for one in jobs_of(engine, "travel.check_price"))

    eventually(ended, TIRELESS_S, "the look has ended")
