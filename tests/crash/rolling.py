"""`python -m tests.crash.rolling`: processes of two versions side by side on PostgreSQL, under load and kill -9.

Two APIs, io workers, heavy workers and schedulers begin as the older ones on a database that the newer has migrated.
One after the other is killed and replaced by a newer one, and then all but two by older ones again, with further kills
in between. Nothing may be lost, doubled or misreported.

There are two kinds of older processes. Those that lack a package prove the rule that nobody touches what it does not
know: they are replaced in any order, and what only the newer ones know is submitted as soon as one API does. Those of
an older commit prove that its code runs on the newest schema, in the order that docs/operations.md gives.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.crash.automation import set_up, stop_the_clock
from tests.crash.checker import Findings, Run, check, read_rows, wait_until_all_ended
from tests.crash.client import START_MACRO, Caller, Load, Promised, Wanted, Watcher, log_in, plan
from tests.crash.cluster import HERE, ROOT, Cluster, remove
from tests.crash.stores import PostgresStore
from tests.ports import free_port

OLDEST = "d6e9047"
JOBS, JOBS_PER_S = 1_200, 20.0
NEW_JOBS = 120
QUIET_WITHIN_S = 180.0
READY_WITHIN_S = 90.0
STEP_S = 2.0
#: As docs/operations.md says it: who accepts what is new comes last.
IN_ORDER = ("scheduler-1", "scheduler-2", "io-1", "io-2", "heavy", "heavy-2", "api-1", "api-2")
NEW_MACRO = {
    "name": "New",
    "steps": [{"id": "new", "action": "crash.think_anew", "with": {"number": 1, "takes_s": 0.05}}],
}


@dataclass(frozen=True)
class Side:
    """Processes of one version.

    Attributes:
        packages: Folders of further packages that are installed there.
    """

    name: str
    python: str
    root: Path
    packages: tuple[Path, ...]

    def environ(self) -> Mapping[str, str]:
        return {"PYTHONPATH": ":".join(map(str, (self.root, *self.packages)))}


NEWER = Side("newer", sys.executable, ROOT, (HERE / "plugin", HERE / "newer_plugin"))
WITHOUT_PACKAGE = Side("without the package", sys.executable, ROOT, (HERE / "plugin",))


@dataclass(frozen=True)
class OneDoor:
    """The one API that is new already."""

    api_urls: tuple[str, ...]


@contextmanager
def of_commit(commit: str, python: str | None) -> Iterator[Side]:
    """A checkout of a commit, with what its lock file names installed.

    Args:
        python: Has all of it already.
    """
    with tempfile.TemporaryDirectory(prefix="rolling-") as folder:
        root = Path(folder) / "checkout"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(root), commit], check=True)
        try:
            yield Side(commit, python or _installed(root), root, (HERE / "plugin",))
        finally:
            subprocess.run([*git, "remove", "--force", str(root)], check=True)


def _installed(root: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", str(root / ".venv")], check=True)
    python = str(root / ".venv" / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, "-r", str(root / "requirements.lock")], check=True)
    return python


class Upgrade:
    """One run.

    Args:
        old: With what it begins.
        in_order: Whether the parts are replaced as the documentation says, or in any order.

    Attributes:
        when_new: Called once the first API is a newer one.
    """

    def __init__(self, cluster: Cluster, old: Side, rng: random.Random, *, in_order: bool) -> None:
        self.cluster = cluster
        self.old = old
        self.kills = 0
        self.when_new: Callable[[], None] = lambda: None
        self._rng = rng
        self._in_order = in_order
        for name in self._parts():
            self._put(name, old)

    def forward(self) -> None:
        """Replace all by newer ones."""
        for name in self._parts():
            self._kill_some()
            self._put(name, NEWER)
            if name == "api-1":
                self._wait_for_api(0)
                self.when_new()

    def back(self) -> None:
        """Replace all by older ones again."""
        for name in reversed(self._parts()):
            self._kill_some()
            self._put(name, self.old)

    def finish(self) -> None:
        """One newer process of each kind, for what only these know."""
        for name in ("scheduler-1", "io-1", "heavy"):
            self._put(name, NEWER)

    def _parts(self) -> list[str]:
        names = [*IN_ORDER]
        if not self._in_order:
            self._rng.shuffle(names)
        return names

    def _put(self, name: str, side: Side) -> None:
        command = [side.python, *self.cluster.parts[name].command[1:]]
        self.cluster.replace(name, command, side.root, side.environ())

    def _kill_some(self) -> None:
        for name in self._rng.sample(self._parts(), 2):
            time.sleep(self._rng.uniform(0.2, STEP_S))
            self.kills += self.cluster.kill(name, signal.SIGKILL)

    def _wait_for_api(self, number: int) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        caller = Caller(OneDoor((self.cluster.api_urls[number],)))
        with closing(caller):
            while caller.ask("GET", "/health/live").status_code != 200:
                if time.monotonic() > deadline:
                    raise RuntimeError("the newer API did not start")


def run(
    store: PostgresStore, old: Side, seed: int, *, jobs: int = JOBS, new_jobs: int = NEW_JOBS
) -> tuple[int, Findings]:
    """One upgrade and its way back; returns how many processes were killed, and what was found.

    Args:
        new_jobs: Of actions that only the newer processes know; none for an older commit, which would end them.
    """
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    folder.chmod(0o755)
    with closing(Cluster(store, folder, heavy=2)) as cluster:
        upgrade = Upgrade(cluster, old, rng, in_order=not new_jobs)
        cluster.start()
        found = _play(cluster, upgrade, rng, jobs, new_jobs)
    if found.holds:
        remove(folder)
    else:
        found.problems.append(f"logs and data: {folder}")
    return upgrade.kills, found


def _play(cluster: Cluster, upgrade: Upgrade, rng: random.Random, jobs: int, new_jobs: int) -> Findings:
    token, provider = log_in(cluster), cluster.provider_url
    load = Load(cluster, token, plan(jobs, rng, provider, f"http://127.0.0.1:{free_port()}"), JOBS_PER_S)
    door = OneDoor(tuple(cluster.api_urls[:1]))
    new = Load(door, token, _only_new(new_jobs, provider), JOBS_PER_S, keys="new")
    with closing(cluster.database()) as db, closing(Caller(cluster, token)) as caller:
        automation = set_up(caller, provider)
        watcher = Watcher(cluster, token)
        watcher.start()
        load.start()
        if new_jobs:
            upgrade.when_new = partial(_begin, door, token, new)
        upgrade.forward()
        if new_jobs:
            new.over.wait(QUIET_WITHIN_S)
        upgrade.back()
        load.over.wait(QUIET_WITHIN_S)
        if new_jobs:
            upgrade.finish()
        fires = stop_the_clock(db, caller, automation)
        in_time = wait_until_all_ended(db, QUIET_WITHIN_S)
        promised = [*load.promised, *new.promised]
        found = check(Run(db, cluster, caller, automation, promised, watcher))
        found.problems += [*load.problems, *new.problems]
        found.problems += [] if fires else ["the schedule did not fire any more"]
        found.problems += [] if in_time else [f"not all ended within {QUIET_WITHIN_S:g} s"]
        states = {row.id: row.state for row in read_rows(db).values()}
        found.problems += _not_done(new.promised, states)
        if len(promised) != jobs + new_jobs:
            found.problems.append(f"{len(promised)} jobs were accepted of {jobs + new_jobs}")
    return found


def _begin(door: OneDoor, token: str, new: Load) -> None:
    """Have the newer API take what only it knows."""
    with closing(Caller(door, token)) as caller:
        caller.json("POST", "/macros", json=NEW_MACRO)
    new.start()


def _only_new(number: int, provider: str) -> list[Wanted]:
    """In turn: without effect on each queue, with an effect, and as the step of a macro."""
    thought = {"number": 1, "takes_s": 0.05}
    kinds = [
        Wanted("crash.think_anew", thought),
        Wanted("crash.ponder_anew", thought),
        Wanted("crash.write_anew", {"number": 1, "provider": provider}),
        Wanted(START_MACRO, {"macro": NEW_MACRO["name"]}),
    ]
    return [kinds[n % len(kinds)] for n in range(number)]


def _not_done(new: Sequence[Promised], states: Mapping[str, str]) -> list[str]:
    """What only newer processes know was done by these, and not ended by others."""
    failed = [one for one in new if states.get(one.id) != "succeeded"]
    return [f"{one.wanted.action} {one.id}: {states.get(one.id)}" for one in failed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commit", default=OLDEST, help="the older version; `none` for the package alone")
    parser.add_argument("--python", help="has all that the commit needs, instead of installing it")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--jobs", type=int, default=JOBS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crash-stores-") as folder:
        store = PostgresStore(Path(folder))
        holds = _report(WITHOUT_PACKAGE, asked.seed, run(store, WITHOUT_PACKAGE, asked.seed, jobs=asked.jobs))
        if asked.commit != "none":
            with of_commit(asked.commit, asked.python) as old:
                holds &= _report(old, asked.seed, run(store, old, asked.seed, jobs=asked.jobs, new_jobs=0))
    return 0 if holds else 1


def _report(old: Side, seed: int, outcome: tuple[int, Findings]) -> bool:
    kills, found = outcome
    sys.stdout.write(
        f"{old.name} (seed {seed}): {found.jobs} jobs and {found.made} made, {kills} kills, {found.lost} lost, "
        f"{found.doubled} doubled, {found.misreported} misreported, {found.passed_over} passed over, "
        f"{found.uncertain} uncertain of which {found.settled} settled; {dict(found.states)}\n"
    )
    for problem in found.problems[:20]:
        sys.stdout.write(f"    {problem}\n")
    sys.stdout.flush()
    return found.holds


if __name__ == "__main__":
    raise SystemExit(main())
