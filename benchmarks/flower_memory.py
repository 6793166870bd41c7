"""`python -m benchmarks.flower_memory [JOBS]`: how much memory Flower takes while the events of many jobs reach it.

A real Flower as `llmcoder up` starts it, a real Redis, and the events of a worker process at full speed, each job
received, started and ended. What is written first is Flower's memory before any of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from celery import Celery

from benchmarks.harness import Bench, RedisDatabase, bench, free_port, running, wait_for
from cli.up import flower
from cli.up.reachable import listens
from engine.broker import for_kombu, transport_options
from llmcoder.ids import new_id
from llmcoder.states import State
from models.jobs.claims import Claimed
from workers.events import WAITING_LIMIT, Events

JOBS = 100_000
STEPS = 10
ACTIONS = 70
PASSWORD = "a benchmark's password"
TOLD_WITHIN_S = 600.0


def main(jobs: int) -> None:
    with bench("SQLite") as shared:
        for told, memory_mb in growth(shared, jobs):
            sys.stdout.write(f"{told:>9,} jobs  {memory_mb:7.1f} MB\n")
            sys.stdout.flush()


def growth(shared: Bench, jobs: int) -> Iterator[tuple[int, float]]:
    """Jobs of which Flower has heard, and the MB that it has resident."""
    own = shared.own_redis()
    with flower_on(shared, own) as (pid, client), events_to(own) as events:
        yield 0, resident_mb(pid)
        for step in range(1, STEPS + 1):
            for _ in range(jobs // STEPS):
                tell(events)
            told = step * (jobs // STEPS)
            wait_for(lambda told=told: ended(client) >= told, TOLD_WITHIN_S, what=f"{told:,} jobs in Flower")  # type: ignore[misc]
            yield told, resident_mb(pid)


@contextmanager
def flower_on(shared: Bench, own: RedisDatabase) -> Iterator[tuple[int, httpx.Client]]:
    """A Flower that is ready, by its pid, and who may ask it."""
    port = free_port()
    data_dir = shared.folder / f"flower-{own.number}"
    data_dir.mkdir()
    flower.make_folder(data_dir)
    env = {
        **flower.environment(data_dir, "127.0.0.1", port, PASSWORD),
        "DATA_DIR": str(data_dir), "BROKER_URL": own.broker_url, "REDIS_URL": own.url,
    }  # fmt: skip
    child = flower.child(data_dir, "127.0.0.1", port, PASSWORD)
    log = shared.log("flower")
    with (
        running([*child.command], env, log, lambda: listens("127.0.0.1", port)) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(flower.USER, PASSWORD), timeout=120) as client,
    ):
        channel = "*/celeryev/*"
        wait_for(lambda: own.client.pubsub_numpat() > 0, 60, what=f"Flower listens at {channel}")
        yield process.pid, client


@contextmanager
def events_to(own: RedisDatabase) -> Iterator[Events]:
    """The events of a worker process."""
    app = Celery("sender", broker=for_kombu(own.broker_url))
    app.conf.broker_transport_options = transport_options(own.broker_url)
    events = Events(app, "io@benchmark")
    events.start()
    try:
        yield events
    finally:
        events.close()


def tell(events: Events) -> None:
    """One job's life; slower than the sender drops at, so that every one of them comes."""
    while events._waiting.qsize() > WAITING_LIMIT // 2:
        time.sleep(0.005)
    now = datetime.now(UTC)
    number = int(time.monotonic() * 1e6) % ACTIONS
    about: dict[str, Any] = dict.fromkeys(Claimed.__slots__)
    job = Claimed(**about | {"id": new_id(), "action": f"domain.action_{number}", "attempt": 1, "started_at": now})
    events.claimed(job)
    events.ended(job, State.SUCCEEDED, 0.01)


def ended(client: httpx.Client) -> int:
    """Of how many ends Flower has heard."""
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    counts = [line for line in lines if line.startswith("flower_events_total{") and 'type="task-succeeded"' in line]
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in counts))


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS)
