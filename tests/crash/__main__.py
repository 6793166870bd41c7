"""`make crash`: every fault on every store, with thousands of jobs. Prints the table and writes docs/crash-matrix.md.

The stores run side by side, which takes about a quarter of an hour.
`ARGS="--store sqlite --fault 'broker killed' --seed 7"` runs one row and writes nothing.
"""

from __future__ import annotations

import argparse
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
        seed = asked.seed if asked.seed is not None else secrets.randbelow(10**6)
        outcome = run(fault, store, seed, asked.jobs)
        outcomes.append(outcome)
        say("\n    ".join([report.line(outcome), *report.problems(outcome)]))
    return outcomes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--store", choices=[*STORES])
    parser.add_argument("--fault", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--seed", type=int, help="of the mix and of the times of the faults")
    parser.add_argument("--jobs", type=int, help="instead of each row's own number")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
