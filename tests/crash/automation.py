"""What a user has running by itself beside the jobs of the crash matrix: a schedule, macros, a webhook that is told.

Each fire time of the schedule has one run and one job; each run of a macro ends; and how every job stands in the end
was told to the webhook's receiver, or is about to be.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from models.accounts.tables import revisions
from models.db.database import TRANSIENT_ERRORS, Database
from models.schedules.tables import schedule_runs
from models.webhooks.tables import webhook_deliveries, webhooks

if TYPE_CHECKING:
    from tests.crash.client import Caller

EVERY_S = 2
CAUGHT_UP_WITHIN_S = 120
TOLD_WITHIN_S = 60.0
FIRES_WITHIN_S = 60.0
LOOK_S = 0.25
DELIVERED = "delivered"
EVENTS = ("job.succeeded", "job.failed", "job.cancelled", "job.uncertain")

#: One of each kind, and a `foreach`; whatever becomes of a step, the run goes on.
MACRO: dict[str, Any] = {
    "name": "Crash",
    "input": {"number": {}, "provider": {}},
    "steps": [
        {
            "id": "think", "action": "crash.think", "foreach": "${{ [`1`, `2`, `3`] }}", "parallel": 2,
            "with": {"number": "${{ item }}", "takes_s": 0.05}, "on_error": "continue",
        },
        {
            "id": "check", "action": "crash.write_checkable", "needs": ["think"], "on_error": "continue",
            "with": {"number": "${{ input.number }}", "provider": "${{ input.provider }}"},
        },
        {
            "id": "blind", "action": "crash.write_blind", "needs": ["check"], "on_error": "continue",
            "with": {"number": "${{ input.number }}", "provider": "${{ input.provider }}"},
        },
        {"id": "last", "action": "crash.think", "needs": ["blind"], "with": {"number": "${{ input.number }}"}},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Automation:
    """The user's schedule and webhook."""

    schedule: UUID
    webhook: UUID


@dataclass(frozen=True)
class WrongFires:
    """Fire times of a schedule that were left out, and jobs beyond the one of each, in words."""

    lost: list[str]
    doubled: list[str]


def set_up(caller: Caller, provider: str) -> Automation:
    """Add them; writes of macros and schedules ask nobody."""
    caller.json("PUT", "/preferences", json={"policies": {"crash.*": "allow"}})
    webhook = caller.json("POST", "/webhooks", json={"name": "All", "url": f"{provider}/told", "events": EVENTS})
    given = {"number": 1, "provider": provider}
    schedule = {
        "name": "Every", "action": "crash.write_checkable", "input": given, "every_s": EVERY_S, "overlap": "allow",
        "catch_up": "all", "catch_up_within_s": CAUGHT_UP_WITHIN_S, "pause_after_failures": 0,
    }  # fmt: skip
    added = caller.json("POST", "/schedules", json=schedule)
    return Automation(UUID(added["id"]), UUID(webhook["id"]))


def stop_the_clock(db: Database, caller: Caller, automation: Automation) -> bool:
    """Whether the schedule fired on after all faults; then it fires no more.

    Schedulers that were killed young, one after the other, may not even have begun before.
    """
    runs = sa.select(sa.func.count()).where(schedule_runs.c.schedule_id == automation.schedule)
    deadline = time.monotonic() + FIRES_WITHIN_S
    before: int | None = None
    fired = False
    while not fired and time.monotonic() < deadline:
        with suppress(*TRANSIENT_ERRORS), db.read() as conn:
            number = conn.execute(runs).scalar_one()
            before = number if before is None else before
            fired = number > before
        time.sleep(LOOK_S)
    caller.json("POST", f"/schedules/{automation.schedule}/pause", json={"note": "The crash matrix ends."})
    return fired


def wrong_fires(db: Database, automation: Automation, of_schedule: Counter[str], *, gapless: bool) -> WrongFires:
    """Fire times that have no run or no job, or more than one.

    Args:
        of_schedule: The ids of the schedule's jobs, counted.
        gapless: Whether there must be a run for every time from the first to the last.
    """
    columns = (schedule_runs.c.fire_at, schedule_runs.c.outcome, schedule_runs.c.job_id)
    query = sa.select(*columns).where(schedule_runs.c.schedule_id == automation.schedule)
    with db.read() as conn:
        runs = conn.execute(query.order_by(schedule_runs.c.fire_at)).all()
    fired = Counter(str(run.job_id) for run in runs if run.job_id is not None)
    lost = [] if runs else ["the schedule never fired"]
    lost += [f"the job {one} of a fire time is not there" for one in fired - of_schedule]
    if gapless:
        lost += [f"{run.fire_at} of the schedule: {run.outcome}" for run in runs if run.outcome != "submitted"]
        lost += _gaps([run.fire_at for run in runs])
    return WrongFires(lost, [f"job {one} of the schedule has no fire time of its own" for one in of_schedule - fired])


def _gaps(fires: Sequence[datetime]) -> list[str]:
    step = timedelta(seconds=EVERY_S)
    return [f"from {one} to {other} the schedule did not fire" for one, other in pairwise(fires) if other - one != step]


def passed_over(db: Database, automation: Automation, told: Path, states: Mapping[str, str]) -> list[str]:
    """Jobs of whose last state the webhook's receiver was not told, and will not be.

    Args:
        told: The provider's file of what was delivered.
        states: Of every job, by its id.
    """
    if not _has_caught_up(db, automation):
        return [f"the webhook did not come up to the newest change within {TOLD_WITHIN_S:g} s"]
    own = webhook_deliveries.c
    with db.read() as conn:
        rows = conn.execute(sa.select(own.id, own.event, own.job_id, own.state)).all()
    # Read after the rows: what they call delivered was received before, and more may have been since.
    received = {tuple(line.split()) for line in told.read_text().splitlines()} if told.exists() else set()
    made = {(str(row.job_id), row.event) for row in rows}
    delivered = {(str(row.id), row.event, str(row.job_id)) for row in rows if row.state == DELIVERED}
    never = [f"{one} {state}: never told" for one, state in states.items() if (one, f"job.{state}") not in made]
    never += [f"{' '.join(one)}: delivered, and nobody received it" for one in delivered - received]
    return never + [f"message {row.id}: {row.state}" for row in rows if row.state == "failed"]


def _has_caught_up(db: Database, automation: Automation) -> bool:
    behind = sa.select(webhooks.c.id).where(
        webhooks.c.id == automation.webhook, webhooks.c.user_id == revisions.c.user_id, webhooks.c.rev < revisions.c.rev
    )
    deadline = time.monotonic() + TOLD_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with db.read() as conn:
                if conn.execute(behind).first() is None:
                    return True
        except TRANSIENT_ERRORS:
            pass  # it is just coming back
        time.sleep(LOOK_S)
    return False
