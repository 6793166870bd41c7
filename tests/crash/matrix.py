"""Runs one row of the crash matrix on one store: start, load, faults, quiet, check."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from models.db.database import Database
from tests.crash.automation import set_up, stop_the_clock
from tests.crash.checker import Findings, Run, check, read_rows, wait_until_all_ended
from tests.crash.client import Caller, Load, Wanted, Watcher, log_in, plan
from tests.crash.cluster import Cluster, CrashError, remove
from tests.crash.faults import Fault
from tests.crash.injections import Scene
from tests.crash.stores import PostgresStore, SqliteStore, Store
from tests.crash.surroundings import Clock, WriteSwitch, small_disk
from tests.ports import free_port

QUIET_WITHIN_S = 120.0


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Attributes:
        injected: Faults that happened.
        left_out: Why there is no figure; None where there is one.
        folder: Logs and data, kept where something does not hold.
    """

    fault: str
    store: str
    seed: int = 0
    injected: int = 0
    seconds: float = 0.0
    findings: Findings | None = None
    left_out: str | None = None
    folder: Path | None = None


def run(fault: Fault, store: Store, seed: int, jobs: int | None = None, jobs_per_s: float | None = None) -> Outcome:
    """Run one row.

    Args:
        jobs: Instead of the row's own number.
    """
    reason = fault.not_on.get(store.name) or fault.impossible()
    if reason is not None:
        return Outcome(fault.name, store.name, left_out=reason)
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    folder.chmod(0o755)
    began = time.monotonic()
    with ExitStack() as stack:
        scene = _scene(fault, store, folder, random.Random(seed), stack)
        injected, findings = _play(fault, scene, jobs or fault.jobs, jobs_per_s or fault.jobs_per_s)
    outcome = Outcome(fault.name, store.name, seed, injected, time.monotonic() - began, findings)
    if not findings.holds:
        return replace(outcome, folder=folder)
    remove(folder)
    return outcome


def _scene(fault: Fault, store: Store, folder: Path, rng: random.Random, stack: ExitStack) -> Scene:
    disk = None
    if fault.small_disk_mb:
        disk = stack.enter_context(small_disk(folder / "disk", fault.small_disk_mb[store.name]))
    clock = Clock(folder) if fault.needs_clock else None
    switch = WriteSwitch(folder, folder / "disk") if fault.needs_switch and isinstance(store, SqliteStore) else None
    preloaded = clock or switch
    cluster = Cluster(
        store,
        folder,
        disk=disk.folder if disk is not None else None,
        proxied=fault.proxied and isinstance(store, PostgresStore),
        heavy=fault.heavy,
        environ=preloaded.environ if preloaded is not None else None,
    )
    stack.callback(cluster.close)
    if fault.planted:
        cluster.plant(fault.parts, fault.planted)
    cluster.start()
    return Scene(cluster, rng, threading.Event(), clock, disk, switch)


def _play(fault: Fault, scene: Scene, jobs: int, jobs_per_s: float) -> tuple[int, Findings]:
    cluster = scene.cluster
    token = log_in(cluster)
    wanted = plan(jobs, scene.rng, cluster.provider_url, f"http://127.0.0.1:{free_port()}")
    load = Load(cluster, token, _mixed(wanted, fault.special), jobs_per_s)
    scene.over = load.over
    with closing(cluster.database()) as db, closing(Caller(cluster, token)) as caller:
        automation = set_up(caller, cluster.provider_url)
        watcher = Watcher(cluster, token)
        watcher.start()
        load.start()
        injected = sum(fault.inject(scene))
        cluster.pull_up()
        fired_on = stop_the_clock(db, caller, automation)
        in_time = wait_until_all_ended(db, QUIET_WITHIN_S)
        injected += cluster.deaths(fault.parts) if fault.planted else 0
        injected += len(fault.special)
        run = Run(db, cluster, caller, automation, load.promised, watcher, gapless=not fault.needs_clock)
        try:
            findings = check(run)
        except CrashError as error:
            findings = Findings(jobs=len(load.promised), problems=[str(error)])
        findings.problems += load.problems
        if not fired_on:
            findings.lost += 1
            findings.problems.append("after the last fault the schedule did not fire any more")
        if not in_time:
            findings.problems.append(f"not all ended within {QUIET_WITHIN_S:g} s after the last fault")
        _expect(fault, db, findings)
    return injected, findings


def _mixed(wanted: list[Wanted], special: tuple[Wanted, ...]) -> list[Wanted]:
    """The special ones spread over the first half."""
    mixed = list(wanted)
    step = max(1, len(mixed) // (2 * len(special) or 1))
    for number, one in enumerate(special):
        mixed.insert(number * (step + 1), one)
    return mixed


def _expect(fault: Fault, db: Database, findings: Findings) -> None:
    for row in read_rows(db).values() if fault.expected else ():
        if row.state != fault.expected.get(row.action, row.state):
            findings.problems.append(f"{row}: {fault.expected[row.action]} was expected")
