"""What must hold after a run of the crash matrix, whatever died: asked of SQL, the API and the provider's file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.errors import problem_type
from llmcoder.states import Reason
from models.db.database import TRANSIENT_ERRORS, Database, safe_sqlite
from models.jobs.tables import jobs
from tests.crash.automation import Automation, passed_over, wrong_fires
from tests.crash.client import Caller, Promised, Watcher
from tests.crash.cluster import Cluster
from tests.crash.provider import SILENT

ENDED = frozenset({"succeeded", "failed", "cancelled", "uncertain"})
LOOK_S = 0.25
WRITES = "crash.write_"
DEFECT = problem_type("defect")


@dataclass
class Findings:
    """What was found.

    Attributes:
        jobs: Accepted ones.
        made: What schedules and macros made of their own.
        lost: Accepted and not there, or not at an end in time, or `succeeded` without its effect; a time at which the
            schedule should have fired and did not.
        doubled: With more than one effect; a time for which the schedule fired twice.
        misreported: `failed` or `cancelled` although it had its effect, unless it says so (`after_effect`); says so and
            had none; called a defect of its action.
        passed_over: Jobs of whose last state the webhook's receiver is not told.
        uncertain: Ended so.
        silent: Of these, the ones whose provider did not answer; the others are the fault's.
        settled: Of the uncertain ones, after asking the provider.
        problems: The same in words, and whatever else was wrong.
    """

    jobs: int = 0
    made: int = 0
    lost: int = 0
    doubled: int = 0
    misreported: int = 0
    passed_over: int = 0
    uncertain: int = 0
    silent: int = 0
    settled: int = 0
    states: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.misreported or self.passed_over or self.problems)


@dataclass(frozen=True)
class Row:
    """A job in SQL.

    Attributes:
        defect: Whether it says that its action broke.
    """

    id: str
    action: str
    state: str
    reason: str | None
    attempt: int
    rev: int
    schedule_id: UUID | None = None
    parent_id: UUID | None = None
    defect: bool = False


@dataclass(frozen=True)
class Run:
    """What a row of the matrix leaves to be looked at.

    Attributes:
        gapless: Whether the schedule must have fired at each of its times.
    """

    db: Database
    cluster: Cluster
    caller: Caller
    automation: Automation
    promised: Sequence[Promised]
    watcher: Watcher
    gapless: bool = True


def wait_until_all_ended(db: Database, within_s: float) -> bool:
    """Whether every job came to an end in time."""
    deadline = time.monotonic() + within_s
    open_jobs = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.not_in(ENDED))
    while time.monotonic() < deadline:
        try:
            with db.read() as conn:
                if conn.execute(open_jobs).scalar_one() == 0:
                    return True
        except TRANSIENT_ERRORS:
            pass  # it is just coming back
        time.sleep(LOOK_S)
    return False


def check(run: Run) -> Findings:
    """Look at everything, settle what is uncertain, look again."""
    found = Findings(jobs=len(run.promised))
    rows = read_rows(run.db)
    count = count_effects(run.cluster.effects)
    found.states = Counter(row.state for row in rows.values())
    for one in run.promised:
        if one.id not in rows:
            found.lost += 1
            found.problems.append(f"{one.wanted.action} {one.id}: is not there")
    silent = {one.id for one in run.promised if one.wanted.manner in SILENT}
    for row in rows.values():
        _judge(row, count[row.id], row.id in silent, found)
    _refuse_strangers(rows, run, found)
    _look_at_the_clock(rows, run, found)
    _settle(rows, run, count, found)
    run.watcher.stop()
    rows = read_rows(run.db)
    _compare(run.watcher, rows, found)
    _look_at_the_webhook(rows, run, found)
    if run.db.is_sqlite:
        _ask_sqlite(run.db, found)
    return found


def read_rows(db: Database) -> dict[str, Row]:
    names = ("id", "action", "state", "reason", "attempt", "rev", "schedule_id", "parent_id")
    query = sa.select(*(jobs.c[name] for name in names), jobs.c.error.contains(DEFECT))
    with db.read() as conn:
        rows = [Row(str(id_), *rest, bool(defect)) for id_, *rest, defect in conn.execute(query)]
    return {row.id: row for row in rows}


def count_effects(effects: Path) -> Counter[str]:
    """How many effects each job really had."""
    lines = effects.read_text().splitlines() if effects.exists() else []
    return Counter(line.split()[1] for line in lines)


def _judge(row: Row, effects: int, silent: bool, found: Findings) -> None:
    if row.state not in ENDED:
        found.lost += 1
        found.problems.append(f"{row}: has not ended")
        return
    if effects > 1:
        found.doubled += 1
        found.problems.append(f"{row}: {effects} effects")
    if row.defect:
        found.misreported += 1
        found.problems.append(f"{row}: called a defect")
    if not row.action.startswith(WRITES):
        return
    if row.state == "succeeded" and effects == 0:
        found.lost += 1
        found.problems.append(f"{row}: succeeded without its effect")
    said_done = (row.state, row.reason) == ("failed", Reason.AFTER_EFFECT)
    if row.state in ("failed", "cancelled") and bool(effects) != said_done:
        found.misreported += 1
        found.problems.append(f"{row}: had {effects} effects")
    if row.state == "uncertain":
        found.uncertain += 1
        found.silent += silent


def _refuse_strangers(rows: Mapping[str, Row], run: Run, found: Findings) -> None:
    """Each key is one job: none was made twice, and none that nobody was told of is left over."""
    ids = [one.id for one in run.promised]
    if len(set(ids)) != len(ids):
        found.problems.append(f"{len(ids) - len(set(ids))} keys share a job")
    own = {row.id for row in rows.values() if row.schedule_id == run.automation.schedule or str(row.parent_id) in rows}
    found.made = len(own)
    if strangers := set(rows) - set(ids) - own:
        found.problems.append(f"{len(strangers)} jobs that nobody submitted, such as {min(strangers)}")


def _look_at_the_clock(rows: Mapping[str, Row], run: Run, found: Findings) -> None:
    of_schedule = Counter(row.id for row in rows.values() if row.schedule_id is not None)
    fires = wrong_fires(run.db, run.automation, of_schedule, gapless=run.gapless)
    found.lost += len(fires.lost)
    found.doubled += len(fires.doubled)
    found.problems += [*fires.lost, *fires.doubled]


def _look_at_the_webhook(rows: Mapping[str, Row], run: Run, found: Findings) -> None:
    states = {row.id: row.state for row in rows.values() if row.state in ENDED}
    never = passed_over(run.db, run.automation, run.cluster.told, states)
    found.passed_over += len(never)
    found.problems += never


def _settle(rows: Mapping[str, Row], run: Run, count: Counter[str], found: Findings) -> None:
    """Do what a person does with an uncertain job: ask the provider, and say it."""
    for row in rows.values():
        if row.state != "uncertain":
            continue
        happened = count[row.id] > 0
        told = run.caller.json("POST", f"/jobs/{row.id}/resolve", json={"happened": happened})
        if told["state"] != ("succeeded" if happened else "failed"):
            found.problems.append(f"{row}: resolved as {told['state']}")
        else:
            found.settled += 1


def _compare(watcher: Watcher, rows: dict[str, Row], found: Findings) -> None:
    """Who read every change in order knows exactly what SQL knows."""
    found.problems += watcher.problems
    told = watcher.seen
    differing = [row for row in rows.values() if told.get(row.id) != (row.state, row.rev)]
    for row in differing[:5]:
        found.problems.append(f"the changes end with {told.get(row.id)}, and SQL says {row}")
    if left := [row for row in rows.values() if row.state == "uncertain"]:
        found.problems.append(f"{len(left)} jobs are uncertain still")


def _ask_sqlite(db: Database, found: Findings) -> None:
    dbapi: Any = safe_sqlite()
    with closing(dbapi.connect(db.url.database)) as connection:
        said = connection.execute("PRAGMA integrity_check").fetchall()
    if said != [("ok",)]:
        found.problems.append(f"integrity_check: {said[:3]}")
