"""What must hold after a run of the crash matrix, whatever died: asked of SQL, the API and the provider's file."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from models.db import TRANSIENT_ERRORS, Database, safe_sqlite
from models.tables import jobs
from tests.crash.client import Caller, Promised, Watcher
from tests.crash.provider import SILENT

ENDED = frozenset({"succeeded", "failed", "cancelled", "uncertain"})
LOOK_S = 0.25
WRITES = "crash.write_"


@dataclass
class Findings:
    """What was found.

    Attributes:
        jobs: Accepted ones.
        lost: Accepted and not there, or not at an end in time, or `succeeded` without its effect.
        doubled: With more than one effect.
        misreported: `failed` or `cancelled` although it had its effect.
        uncertain: Ended so.
        silent: Of these, the ones whose provider did not answer; the others are the fault's.
        settled: Of the uncertain ones, after asking the provider.
        problems: The same in words, and whatever else was wrong.
    """

    jobs: int = 0
    lost: int = 0
    doubled: int = 0
    misreported: int = 0
    uncertain: int = 0
    silent: int = 0
    settled: int = 0
    states: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.misreported or self.problems)


@dataclass(frozen=True)
class Row:
    """A job in SQL."""

    id: str
    action: str
    state: str
    reason: str | None
    attempt: int
    rev: int


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


def check(db: Database, effects: Path, caller: Caller, promised: Sequence[Promised], watcher: Watcher) -> Findings:
    """Look at everything, settle what is uncertain, look again."""
    found = Findings(jobs=len(promised))
    rows = read_rows(db)
    count = count_effects(effects)
    found.states = Counter(row.state for row in rows.values())
    for one in promised:
        _judge(one, rows.get(one.id), count[one.id], found)
    _refuse_strangers(rows, promised, found)
    _settle([row for row in rows.values() if row.state == "uncertain"], count, caller, found)
    watcher.stop()
    _compare(watcher, read_rows(db), found)
    if db.is_sqlite:
        _ask_sqlite(db, found)
    return found


def read_rows(db: Database) -> dict[str, Row]:
    query = sa.select(jobs.c.id, jobs.c.action, jobs.c.state, jobs.c.reason, jobs.c.attempt, jobs.c.rev)
    with db.read() as conn:
        rows = [Row(str(id_), *rest) for id_, *rest in conn.execute(query)]
    return {row.id: row for row in rows}


def count_effects(effects: Path) -> Counter[str]:
    """How many effects each job really had."""
    lines = effects.read_text().splitlines() if effects.exists() else []
    return Counter(line.split()[1] for line in lines)


def _judge(one: Promised, row: Row | None, effects: int, found: Findings) -> None:
    if row is None or row.state not in ENDED:
        found.lost += 1
        found.problems.append(f"{one.wanted.action} {one.id}: {row or 'is not there'}")
        return
    if effects > 1:
        found.doubled += 1
        found.problems.append(f"{row}: {effects} effects")
    if not row.action.startswith(WRITES):
        return
    if row.state == "succeeded" and effects == 0:
        found.lost += 1
        found.problems.append(f"{row}: succeeded without its effect")
    if row.state in ("failed", "cancelled") and effects:
        found.misreported += 1
        found.problems.append(f"{row}: had its effect")
    if row.state == "uncertain":
        found.uncertain += 1
        found.silent += one.wanted.manner in SILENT


def _refuse_strangers(rows: Collection[str], promised: Sequence[Promised], found: Findings) -> None:
    """Each key is one job: none was made twice, and none that nobody was told of is left over."""
    ids = [one.id for one in promised]
    if len(set(ids)) != len(ids):
        found.problems.append(f"{len(ids) - len(set(ids))} keys share a job")
    if strangers := set(rows) - set(ids):
        found.problems.append(f"{len(strangers)} jobs that nobody submitted, such as {min(strangers)}")


def _settle(uncertain: Sequence[Row], count: Counter[str], caller: Caller, found: Findings) -> None:
    """Do what a person does with an uncertain job: ask the provider, and say it."""
    for row in uncertain:
        happened = count[row.id] > 0
        told = caller.json("POST", f"/jobs/{row.id}/resolve", json={"happened": happened})
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
