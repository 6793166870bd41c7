"""`make crash`: every fault on every store, with thousands of jobs. Prints the table and writes docs/crash-matrix.md.

Takes about ten minutes a store. `ARGS="--store sqlite --fault 'broker killed' --seed 7"` runs one row and writes
nothing.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.crash import report
from tests.crash.cluster import ROOT
from tests.crash.faults import FAULTS, Fault
from tests.crash.matrix import Outcome, run
from tests.crash.stores import PostgresStore, SqliteStore, Store

STORES: dict[str, type[SqliteStore] | type[PostgresStore]] = {"sqlite": SqliteStore, "postgresql": PostgresStore}
PAGE = ROOT / "docs" / "crash-matrix.md"


def main() -> int:
    asked = _arguments()
    faults = [fault for fault in FAULTS if asked.fault in (None, fault.name)]
    kinds = [kind for name, kind in STORES.items() if asked.store in (None, name)]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="crash-stores-") as folder:
        stores = [kind(Path(folder)) for kind in kinds]
        say(report.HEAD)
        for outcome in _run_all(faults, stores, asked):
            outcomes.append(outcome)
            say(report.line(outcome))
            for problem in report.problems(outcome):
                say(f"    {problem}")
    whole = asked.fault is None and asked.store is None and asked.jobs is None
    if whole:
        PAGE.write_text(report.page(outcomes, stores))
    return 0 if all(outcome.findings is None or outcome.findings.holds for outcome in outcomes) else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _run_all(faults: list[Fault], stores: list[Store], asked: argparse.Namespace) -> Iterator[Outcome]:
    for store in stores:
        for fault in faults:
            seed = asked.seed if asked.seed is not None else secrets.randbelow(10**6)
            yield run(fault, store, seed, asked.jobs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash")
    parser.add_argument("--store", choices=[*STORES])
    parser.add_argument("--fault", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--seed", type=int, help="of the mix and of the times of the faults")
    parser.add_argument("--jobs", type=int, help="instead of each row's own number")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
