"""`make soak`: the heavy pool replaces its child after every job for 40 minutes, and must never stand still.

While jobs are due, one has to end every few seconds. Where none does, the stacks of the worker's processes go to its
log, with how the jobs stand and what the broker holds, and the soak ends with a failure.
`ARGS="--minutes 2 --store postgresql"` is a short one; `--write` keeps what was seen in docs/soak.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import redis
import sqlalchemy as sa

from engine.broker import PREFIX, QUEUES
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs.tables import jobs
from tests.crash.checker import ENDED
from tests.crash.client import Caller, log_in
from tests.crash.cluster import ROOT, Cluster, remove
from tests.crash.processes import STACKS_WHEN_STUCK
from tests.crash.stores import STORES, Store

PAGE = ROOT / "docs" / "soak.md"
MINUTES = 40.0
ALWAYS_DUE = 6
TAKES_S = 0.2
LOOK_S = 0.1
#: A child is replaced in about a second; the dispatcher rings again after 15 s for a doorbell that was lost.
STALLED_AFTER_S = 12.0
#: How long the queue is then watched to see whether it moves on by itself.
GIVEN_UP_AFTER_S = 180.0


@dataclass
class Stall:
    """A time in which jobs were due and none ended."""

    at_s: float
    lasted_s: float
    evidence: str


@dataclass
class Soak:
    """What was seen.

    Attributes:
        gaps_s: Between one ending and the next, while jobs were due.
        processes: Children that were seen, by their ids.
    """

    ended: int = 0
    failed: int = 0
    gaps_s: list[float] = field(default_factory=list)
    processes: set[int] = field(default_factory=set)
    stalls: list[Stall] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return self.ended > 0 and not self.stalls and not self.failed


def soak(store: Store, minutes: float) -> tuple[Soak, Path]:
    """Run it; returns what was seen, and the folder with the logs, which stays where something did not hold."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    folder.chmod(0o755)
    with (
        short_lived_cluster(store, folder) as cluster,
        closing(cluster.database()) as db,
        closing(Caller(cluster, log_in(cluster))) as caller,
    ):
        seen = _Watch(cluster, db, caller).run(minutes * 60)
    if seen.holds:
        remove(folder)
    return seen, folder


@contextmanager
def short_lived_cluster(store: Store, folder: Path) -> Iterator[Cluster]:
    """One API, one scheduler and a heavy worker whose child is replaced after every job."""
    cluster = Cluster(store, folder, heavy=True, copies=1)
    del cluster.parts["io-1"]
    cluster.parts["heavy"].command = (sys.executable, "-m", "tests.crash.short_lived")
    with closing(cluster):
        cluster.start()
        yield cluster


class _Watch:
    def __init__(self, cluster: Cluster, db: Database, caller: Caller) -> None:
        self._cluster, self._db, self._caller = cluster, db, caller
        self._seen = Soak()
        self._submitted = 0

    def run(self, for_s: float) -> Soak:
        began = moved_at = time.monotonic()
        evidence = ""
        while (now := time.monotonic()) < began + for_s or (evidence and now < moved_at + GIVEN_UP_AFTER_S):
            ended = self._look()
            if ended > self._seen.ended:
                self._seen.gaps_s.append(now - moved_at)
                if evidence:
                    self._seen.stalls.append(Stall(moved_at - began, now - moved_at, evidence))
                    evidence = ""
                self._seen.ended, moved_at = ended, now
            elif now - moved_at > GIVEN_UP_AFTER_S:
                break
            elif now - moved_at > STALLED_AFTER_S and not evidence:
                evidence = self._gather(now - began)
            time.sleep(LOOK_S)
        if evidence:
            self._seen.stalls.append(Stall(moved_at - began, time.monotonic() - moved_at, evidence))
        return self._seen

    def _look(self) -> int:
        """Keep jobs due; returns how many have ended."""
        try:
            with self._db.read() as conn:
                states: list[Any] = conn.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
        except TRANSIENT_ERRORS:
            return self._seen.ended
        count = dict(states)
        ended = sum(number for state, number in count.items() if state in ENDED)
        self._seen.failed = ended - count.get("succeeded", 0)
        self._seen.processes |= {child.pid for child in self._children()}
        for _ in range(ALWAYS_DUE - (sum(count.values()) - ended)):
            self._submitted += 1
            given = {"number": self._submitted, "takes_s": TAKES_S}
            self._caller.json("POST", "/jobs", json={"action": "crash.ponder", "input": given})
        return ended

    def _children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._cluster.parts["heavy"].pid).children(recursive=True)
        return []

    def _gather(self, at_s: float) -> str:
        """How everything stands, and the stacks into the log."""
        lines = [f"nothing ended for {STALLED_AFTER_S:g} s at {at_s:.0f} s"]
        for process in (psutil.Process(self._cluster.parts["heavy"].pid), *self._children()):
            with suppress(psutil.NoSuchProcess):
                lines.append(f"process {process.pid} of {process.ppid()}: {process.status()}, {process.cpu_times()}")
                process.send_signal(STACKS_WHEN_STUCK)
        columns = (jobs.c.id, jobs.c.state, jobs.c.reason, jobs.c.attempt, jobs.c.worker, jobs.c.rung_at)
        with self._db.read() as conn:
            rows = conn.execute(sa.select(*columns).where(jobs.c.state.not_in(ENDED))).all()
        lines += [str(tuple(map(str, row))) for row in rows]
        with redis.Redis.from_url(self._cluster.redis_url) as client:
            lines += [f"{PREFIX}{name} has {client.llen(PREFIX + name)} doorbells" for name in QUEUES]
        return "\n    ".join(lines)


def main() -> int:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="crash-stores-") as folder:
        seen, logs = soak(STORES[asked.store](Path(folder)), asked.minutes)
    sys.stdout.write(told(seen, asked.store))
    if not seen.holds:
        sys.stdout.write(f"logs and data: {logs}\n")
    elif asked.write:
        PAGE.write_text(page(seen, asked.store, asked.minutes))
    return 0 if seen.holds else 1


def page(seen: Soak, store: str, minutes: float) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    return _PAGE.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine, minutes=minutes, text=told(seen, store), due=ALWAYS_DUE,
        takes=TAKES_S, stalled=STALLED_AFTER_S,
    )  # fmt: skip


_PAGE = """# Soak

Written by `make soak ARGS=--write` on {date}, on {machine}. Do not edit it.

For {minutes:g} minutes {due} jobs of {takes:g} s are always due in the heavy queue, whose pool replaces its child after
every one of them. While jobs are due, one has to end every {stalled:g} s at the latest; each has to succeed.

{text}"""


def told(seen: Soak, store: str) -> str:
    """What was seen, in words."""
    gaps = sorted(seen.gaps_s) or [0.0]
    words = (
        f"{store}: {seen.ended} jobs, {len(seen.processes)} children seen, {seen.failed} jobs did not succeed; "
        f"from one ending to the next {statistics.median(gaps):.2f} s (median), "
        f"{gaps[int(len(gaps) * 0.99)]:.2f} s (99 %), {gaps[-1]:.2f} s (longest); {len(seen.stalls)} stalls\n"
    )
    return words + "".join(
        f"stalled at {one.at_s:.0f} s for {one.lasted_s:.0f} s: {one.evidence}\n" for one in seen.stalls
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--store", choices=[*STORES], default="sqlite")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--write", action="store_true", help="keep what was seen in docs/soak.md, where it holds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
