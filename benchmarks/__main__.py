"""`python -m benchmarks [--quick] [--store sqlite|postgresql] [--rounds N]`: measure, and write the tables.

Only a whole run writes into README.md; a quick or partial one is for a look, and prints them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS, QUICK_ROUNDS = 7, 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory, and compare.")
    parser.add_argument("--quick", action="store_true", help="one short round of each; prints, writes nothing")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), help="one store only; prints, writes nothing")
    parser.add_argument("--rounds", type=int, help=f"rounds of the whole ({ROUNDS})")
    parser.add_argument(
        "--only",
        choices=(
            "submit",
            "batches",
            "drain",
            "latency",
            "fairness",
            "writers",
            "confluence-search",
            "schedules",
            "macros",
        ),
        help="one comparison; prints, writes nothing",
    )
    options = parser.parse_args()
    os.environ.setdefault("ENV_FILE", os.devnull)  # a benchmark's own imports must not take in somebody's .env
    figures = measured(options.quick, options.store, options.only, options.rounds)
    print(figures)
    if not (options.quick or options.store or options.only):
        from benchmarks.report import write

        write(figures)


def measured(quick: bool, store: str | None, only: str | None, rounds: int | None) -> str:
    from benchmarks import (
        batches,
        confluence_search,
        drain,
        fairness,
        latency,
        macros,
        memory,
        schedules,
        submit,
        writers,
    )
    from benchmarks.harness import bench
    from benchmarks.measure import run_interleaved
    from benchmarks.report import report

    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {line}", file=sys.stderr, flush=True)

    with bench(store) as shared:
        measurements = {
            "submit": submit.measurement(shared, seconds=1 if quick else 2),
            "batches": batches.measurement(shared, batches=2 if quick else 10),
            "drain": drain.measurement(shared, jobs=2_000 if quick else 5_000),
            "latency": latency.measurement(shared, jobs=100 if quick else 200),
            "fairness": fairness.measurement(shared, jobs=2_000 if quick else 10_000),
            "writers": writers.measurement(shared, seconds=3 if quick else 8),
            "confluence-search": confluence_search.measurement(
                shared, pages=2_000 if quick else 50_000, queries=50 if quick else 200
            ),
            "schedules": schedules.measurement(
                shared, many=2_000 if quick else 100_000, together=1_000 if quick else 10_000
            ),
            "macros": macros.measurement(shared, runs=300 if quick else 2_000),
        }
        chosen = [measurement for name, measurement in measurements.items() if only in (None, name)]
        run_interleaved(chosen, rounds, say)
        seen = None if only else (memory.footprints(), memory.starts(shared))
        return report(shared, " ".join(["python -m benchmarks", *sys.argv[1:]]), rounds, chosen, seen)


if __name__ == "__main__":
    main()
