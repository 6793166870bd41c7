"""A user who does the usual while another one is hostile: how long each thing takes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.db.database import Database
from models.jobs.tables import jobs
from models.schedules.tables import schedule_runs
from models.webhooks.tables import webhook_deliveries
from tests.crash.automation import MACRO
from tests.crash.client import Caller
from tests.crash.cluster import Cluster, CrashError

ENDED_WITHIN_S = 120.0
JOB, MACRO_RUN, CALL = "a job, from submit to end", "a macro of seven jobs", "a webhook's call, to its job's end"
FIRE, TOLD = "the schedule, from its time to its job", "a webhook that is told, from a job's end"
WHAT = (JOB, MACRO_RUN, CALL, FIRE, TOLD)
#: With fewer, what 95 of 100 stay below is the longest.
ENOUGH = 20
EVERY_S = {JOB: 0.5, MACRO_RUN: 2.0, CALL: 1.0}


@dataclass(frozen=True)
class Times:
    """How long something took, in seconds."""

    number: int
    median_s: float
    most_s: float
    longest_s: float

    @property
    def usual_s(self) -> float:
        """What 95 of 100 stay below; the median of so few that one of them alone would decide it."""
        return self.most_s if self.number >= ENOUGH else self.median_s


def times(seconds: Sequence[float]) -> Times:
    """Of one phase; `most_s` is what 95 of 100 stay below."""
    ordered = sorted(seconds)
    if not ordered:
        return Times(0, 0.0, 0.0, 0.0)
    return Times(len(ordered), statistics.median(ordered), ordered[int(0.95 * len(ordered))], ordered[-1])


class Neighbour:
    """Works steadily from `start` to `stop`.

    Attributes:
        problems: Whatever did not end well.
    """

    def __init__(self, cluster: Cluster, token: str) -> None:
        self.problems: list[str] = []
        self._cluster = cluster
        self._token = token
        self._took: list[tuple[str, float, float]] = []
        self._stop = threading.Event()
        with closing(Caller(cluster, token)) as caller:
            self._schedule, self._webhook, self._hook = self._set_up(caller)
        does = {JOB: self._run_job, MACRO_RUN: self._run_macro, CALL: self._call}
        self._threads = [
            threading.Thread(target=self._again, args=(what, do), daemon=True) for what, do in does.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ENDED_WITHIN_S)

    def took(self, db: Database, begin: tuple[datetime, float], end: tuple[datetime, float]) -> dict[str, Times]:
        """How long everything took that began in this span.

        Args:
            begin: By the clock of SQL, and by the monotonic one.
        """
        seconds: dict[str, list[float]] = {what: [] for what in WHAT}
        for what, at, took_s in list(self._took):
            if begin[1] <= at < end[1]:
                seconds[what].append(took_s)
        with db.read() as conn:
            seconds[FIRE] = _differences(conn, self._fires(), begin[0], end[0])
            seconds[TOLD] = _differences(conn, self._tellings(), begin[0], end[0])
        return {what: times(found) for what, found in seconds.items()}

    # --- inside

    def _set_up(self, caller: Caller) -> tuple[UUID, UUID, dict[str, Any]]:
        caller.json("PUT", "/preferences", json={"policies": {"crash.*": "allow"}})
        webhook = caller.json("POST", "/webhooks", json={"name": "All", "url": f"{self._cluster.provider_url}/told"})
        given = {"number": 1, "takes_s": 0.02}
        schedule = {"name": "Each second", "action": "crash.think", "input": given, "every_s": 1, "overlap": "allow"}
        added = caller.json("POST", "/schedules", json=schedule)
        hook = {
            "name": "Calls",
            "scheme": "token",
            "action": "crash.think",
            "input": {"number": "${{ payload.number }}"},
        }
        return UUID(added["id"]), UUID(webhook["id"]), caller.json("POST", "/hooks", json=hook)

    def _again(self, what: str, do: Callable[[Caller], dict[str, Any]]) -> None:
        with closing(Caller(self._cluster, self._token)) as caller:
            while not self._stop.wait(EVERY_S[what]):
                began = time.monotonic()
                try:
                    ended = do(caller)
                except CrashError as error:
                    self.problems.append(f"{what}: {error}")
                    continue
                self._took.append((what, began, time.monotonic() - began))
                if ended["state"] != "succeeded":
                    self.problems.append(f"{what}: {ended['state']} {ended['error']}")

    def _run_job(self, caller: Caller) -> dict[str, Any]:
        return self._submit(caller, "crash.think", {"number": 1, "takes_s": 0.02})

    def _run_macro(self, caller: Caller) -> dict[str, Any]:
        given = {"number": 1, "provider": self._cluster.provider_url}
        return self._submit(caller, "tasks.start_macro", {"document": MACRO, "input": given})

    def _submit(self, caller: Caller, action: str, given: dict[str, Any]) -> dict[str, Any]:
        return until_ended(caller, caller.json("POST", "/jobs", json={"action": action, "input": given})["id"])

    def _call(self, caller: Caller) -> dict[str, Any]:
        headers = {"x-webhook-token": self._hook["secret"]}
        taken = caller.json("POST", self._hook["path"], json={"number": 1}, headers=headers)
        return until_ended(caller, taken["job_id"])

    def _fires(self) -> sa.Select[Any]:
        columns = (schedule_runs.c.fire_at, jobs.c.started_at)
        joined = schedule_runs.join(jobs, jobs.c.id == schedule_runs.c.job_id)
        return sa.select(*columns).select_from(joined).where(schedule_runs.c.schedule_id == self._schedule)

    def _tellings(self) -> sa.Select[Any]:
        columns = (jobs.c.finished_at, webhook_deliveries.c.ended_at)
        joined = webhook_deliveries.join(jobs, jobs.c.id == webhook_deliveries.c.job_id)
        return sa.select(*columns).select_from(joined).where(webhook_deliveries.c.webhook_id == self._webhook)


def _differences(conn: sa.Connection, query: sa.Select[Any], begin: datetime, end: datetime) -> list[float]:
    rows = [(one, other) for one, other in conn.execute(query) if one is not None and other is not None]
    return [max(0.0, (other - one).total_seconds()) for one, other in rows if begin <= one < end]


def until_ended(caller: Caller, job_id: str) -> dict[str, Any]:
    """The job at its end.

    Raises:
        CrashError: It does not end.
    """
    deadline = time.monotonic() + ENDED_WITHIN_S
    while time.monotonic() < deadline:
        job: dict[str, Any] = caller.json("GET", f"/jobs/{job_id}", headers={"prefer": "wait=5"})
        if job["finished_at"] is not None:
            return job
    raise CrashError(f"{job_id} did not end within {ENDED_WITHIN_S:g} s")
