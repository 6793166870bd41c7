"""The table of the crash matrix, for a terminal and for docs/crash-matrix.md."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.crash.automation import EVERY_S
from tests.crash.cluster import IO_SLOTS, LEASE_S, ROOT
from tests.crash.faults import FAULTS
from tests.crash.matrix import Outcome
from tests.crash.stores import Store

HEAD = (
    "| fault | store | jobs | faults | lost | doubled | misreported | passed over | made | uncertain: by fault + by "
    "silence | settled | s | seed |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def line(outcome: Outcome) -> str:
    """One row of the table."""
    found = outcome.findings
    if found is None:
        return f"| {outcome.fault} | {outcome.store} | n/a: {outcome.left_out} | | | | | | | | | | |"
    uncertain = f"{found.uncertain - found.silent} + {found.silent}"
    cells = [outcome.fault, outcome.store, found.jobs, outcome.injected, found.lost, found.doubled, found.misreported]
    cells += [found.passed_over, found.made, uncertain, found.settled, f"{outcome.seconds:.0f}", outcome.seed]
    return _row(cells)


def problems(outcome: Outcome) -> list[str]:
    """What does not hold, in words."""
    if outcome.findings is None or outcome.findings.holds:
        return []
    return [*outcome.findings.problems[:20], f"logs and data: {outcome.folder}"]


def totals(outcomes: Sequence[Outcome], store: str) -> str:
    """The sum of a store's rows, as a row."""
    found = [one.findings for one in outcomes if one.store == store and one.findings is not None]
    injected = sum(one.injected for one in outcomes if one.store == store)
    seconds = sum(one.seconds for one in outcomes if one.store == store)
    silent = sum(one.silent for one in found)
    counts = [
        sum(getattr(one, name) for one in found)
        for name in ("jobs", "lost", "doubled", "misreported", "passed_over", "made")
    ]
    uncertain = f"{sum(one.uncertain for one in found) - silent} + {silent}"
    cells = ["**all**", store, counts[0], injected, *counts[1:], uncertain, sum(one.settled for one in found)]
    return _row([*cells, f"{seconds:.0f}", ""])


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def page(outcomes: Sequence[Outcome], stores: Sequence[Store]) -> str:
    """The whole page."""
    lines = [HEAD, *(line(one) for one in outcomes), *(totals(outcomes, store.name) for store in stores)]
    words = [f"- {one.fault} on {one.store}: {problem}" for one in outcomes for problem in problems(one)]
    rows = [f"| {fault.name} | {fault.does} | {fault.uncertain} |" for fault in FAULTS]
    versions = ", ".join(f"{store.name} {store.version}" for store in stores)
    return _PAGE.format(
        table="\n".join(lines),
        words="\n".join(["", "What does not hold:", "", *words, ""]) if words else "",
        rows="\n".join(rows),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}",
        versions=versions,
        commit=_commit(),
        lease_s=LEASE_S,
        io_slots=IO_SLOTS,
        every_s=EVERY_S,
    )


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


_PAGE = """# Crash matrix

Written by `make crash` on {date}, at commit {commit}, on {machine}, {versions}. Do not edit it.

Each row starts the real processes (two APIs, two io workers of {io_slots} slots with a lease of {lease_s} s, two
schedulers, a Redis that keeps nothing, the database, a supervisor that starts again what dies) and submits jobs over
HTTP while the fault happens again and again. Clients repeat what failed under the same `Idempotency-Key`. Of 100 jobs
40 have no effect, 20 have one that nobody can be asked about (blind), 30 one that the provider can be asked about
(checkable), 10 one that the provider has once per key (keyed). The provider is a process of its own that appends a
line to a file for every effect it really had, before it answers anybody; of 100 writes it is busy for 6, does 3 and
breaks off without a word, breaks off before it did anything in 3, and says nothing for too long in 2. Beside these the
user has macros (4 for each 100 jobs, of seven jobs each, with writes that are asked about and blind ones), a schedule
that writes every {every_s} s, and a webhook that hears of every job's end, whose receiver keeps what it was told.

- **lost**: accepted with a 202 and not there, or not at an end in time, or `succeeded` without its effect; a run of a
  macro that does not end; a time at which the schedule did not fire.
- **doubled**: more than one effect in the provider's file; a time at which the schedule fired twice.
- **misreported**: `failed` or `cancelled`, and yet it had its effect, unless it says so (`after_effect`), or says so
  and had none; called a defect of its action.
- **passed over**: a job of whose last state the webhook's receiver was not told, and is not about to be.
- **made**: jobs of the macros and of the schedule. They are held to the same.
- **uncertain**: ended so, because of the fault or because the provider was silent. **settled**: of these, how many were
  then resolved by asking the provider's file and `POST /jobs/{{id}}/resolve`.

Checked too: no job that nobody submitted, no revision that the changes (`GET /jobs?since=`) skipped, and SQLite's
`integrity_check`.

{table}
{words}
One seed gives the mix and the times of a row again; what the scheduler of the machine does in between is its own.
`make crash ARGS="--store sqlite --fault 'broker killed' --seed 7"` runs one row.

| fault | what is done | what may be `uncertain` |
|---|---|---|
{rows}

Zeros are no proof: where n faults lost and doubled nothing, the rate of failures per fault is below 3/n with 95 %
confidence.
"""
