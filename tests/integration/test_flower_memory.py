"""Flower keeps the latest tasks and no more, however many jobs there were."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.flower_memory import ended, events_to, flower_on, resident_mb, tell
from benchmarks.harness import bench, wait_for
from cli.up import flower

KEPT = 100
FEW, MANY = 6_000, 12_000  # the first fill what a burst needs while it is taken in
#: Measured: what one task takes that Flower keeps.
TASK_KB = 4.3


@pytest.mark.slow("sends Flower many thousands of events")
def test_flower_does_not_grow_with_the_jobs_that_it_hears_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_MAX_TASKS", str(KEPT))
    monkeypatch.setenv("FLOWER_PERSISTENT", "false")
    with bench("SQLite") as shared:
        own = shared.own_redis()
        with flower_on(shared, own) as (pid, client), events_to(own) as events:
            memory_mb = []
            for told in (FEW, MANY):
                for _ in range(told - FEW or FEW):
                    tell(events)
                wait_for(lambda told=told: ended(client) >= told, 300, what=f"{told} jobs")  # type: ignore[misc]
                memory_mb.append(resident_mb(pid))
            kept = client.get("/api/tasks", params={"limit": MANY}).raise_for_status().json()
    assert len(kept) <= KEPT
    assert memory_mb[1] - memory_mb[0] < (MANY - FEW) * TASK_KB / 1024 / 2, "half of what keeping them all would take"


def test_what_flower_keeps_is_little_and_goes_away(tmp_path: Path) -> None:
    kept = flower.environment(tmp_path, "127.0.0.1", 1, "secret")
    assert int(kept["FLOWER_MAX_TASKS"]) * TASK_KB / 1024 < 10
    assert int(kept["FLOWER_PURGE_OFFLINE_WORKERS"]) <= 86_400
