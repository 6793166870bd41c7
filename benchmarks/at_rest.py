"""`python -m benchmarks.at_rest 3`: the memory of each process of an engine with nothing to do, medians of 3 starts."""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.memory import Footprint, footprints
from benchmarks.report import footprint_table

STARTS = 3


def main(starts: int) -> None:
    seen: dict[str, list[Footprint]] = {}
    for _ in range(starts):
        for one in footprints():
            seen.setdefault(one.name, []).append(one)
    middle = [
        Footprint(name, median(one.pss_mb for one in some), median(one.rss_mb for one in some))
        for name, some in seen.items()
    ]
    sys.stdout.write(footprint_table(middle))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STARTS)
