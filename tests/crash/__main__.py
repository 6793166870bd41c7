"""`make crash`: every fault on every store, with thousands of jobs. Prints the table and writes docs/crash-matrix.md.

The stores run side by side, which takes about a quarter of an hour.
`ARGS="--store sqlite --fault 'broker killed' --seed 7"` runs one row and writes nothing.
"""

from __future__ import annotations

import argparse
import pickle
import secrets
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.crash import report
from tests.crash.cluster import ROOT
from tests.crash.faults import FAULTS, Fault
from tests.crash.matrix import Outcome, run
from tests.crash.stores import STORES, Store

PAGE = ROOT / "docs" / "crash-matrix.md"
#: Rows that were run at length and held, for a run that goes on.
DONE = ROOT / "build" / "crash-rows"


def main() -> int:
    asked = _arguments()
    faults = [fault for fault in FAULTS if asked.fault in (None, fault.name)]
    kinds = [kind for name, kind in STORES.items() if asked.store in (None, name)]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="crash-stores-") as folder:
        stores = [kind(Path(folder)) for kind in kinds]
        say(report.HEAD)
        with ThreadPoolExecutor(len(stores)) as side_by_side:
            for of_store in side_by_side.map(partial(_run_all, faults, asked), stores):
                outcomes += of_store
    whole = asked.fault is None and asked.store is None and asked.jobs is None
    if whole:
        PAGE.write_text(report.page(outcomes, stores))
    return 0 if all(outcome.findings is None or outcome.findings.holds for outcome in outcomes) else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _run_all(faults: list[Fault], asked: argparse.Namespace, store: Store) -> list[Outcome]:
    outcomes = []
    for fault in faults:
        done = _done(fault, store) if asked.go_on else None
        outcome = done or _run_one(fault, asked, store)
        outcomes.append(outcome)
        say("\n    ".join([report.line(outcome), *report.problems(outcome)]))
    return outcomes


def _run_one(fault: Fault, asked: argparse.Namespace, store: Store) -> Outcome:
    seed = asked.seed if asked.seed is not None else secrets.randbelow(10**6)
    outcome = run(fault, store, seed, asked.jobs)
    if asked.jobs is None and (outcome.findings is None or outcome.findings.holds):
        DONE.mkdir(parents=True, exist_ok=True)
        _file_of(fault, store).write_bytes(pickle.dumps(outcome))
    return outcome


def _done(fault: Fault, store: Store) -> Outcome | None:
    """The row of a long run that was broken off; one that did not hold is run again."""
    file = _file_of(fault, store)
    outcome: Outcome | None = pickle.loads(file.read_bytes()) if file.exists() else None
    return outcome


def _file_of(fault: Fault, store: Store) -> Path:
    return DONE / f"{store.name} {fault.name}.pickle"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--store", choices=[*STORES])
    parser.add_argument("--fault", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--seed", type=int, help="of the mix and of the times of the faults")
    parser.add_argument("--go-on", action="store_true", help="after one that was broken off: run what is left")
    parser.add_argument("--jobs", type=int, help="instead of each row's own number")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
