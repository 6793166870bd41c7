"""`python -m benchmarks.api_start [STARTS]`: how long the API takes to its first answer, beside an empty application.

Started in turn: ours as `llmcoder up` starts it, and `peers/empty_fastapi.py`, which has FastAPI, uvicorn, SQLAlchemy
and pydantic loaded and one route.
"""

from __future__ import annotations

import sys
import time
from dataclasses import astuple, dataclass
from statistics import median

import psutil

from benchmarks.harness import PYTHON, Bench, Engine, bench, free_port, running
from cli.up.reachable import is_live

STARTS = 7


@dataclass(frozen=True)
class Start:
    """One start: to its first 200, in seconds of the wall's clock and of the processor's, and its memory then."""

    wall_s: float
    cpu_s: float
    pss_mb: float


def main(starts: int) -> None:
    with bench("sqlite") as shared:
        own = shared.own_redis()
        engine = Engine(shared.folder / "data", own, shared.stores[0].fresh(), free_port())
        ours: list[Start] = []
        empty: list[Start] = []
        for _ in range(starts + 1):
            ours.append(_start(shared, [PYTHON, "-m", "llmcoder.process", "api"], engine.env, engine.port))
            port = free_port()
            empty.append(_start(shared, [PYTHON, "-m", "benchmarks.peers.empty_fastapi", str(port)], {}, port))
    rows = {"ours": ours[1:], "empty": empty[1:]}  # the first start of each may have compiled what the next ones load
    sys.stdout.write("| | wall, s | CPU, s | PSS, MB |\n|---|---:|---:|---:|\n")
    for name, some in rows.items():
        wall_s, cpu_s, pss_mb = (median(column) for column in zip(*map(astuple, some), strict=True))
        sys.stdout.write(f"| {name} | {wall_s:.2f} | {cpu_s:.2f} | {pss_mb:.0f} |\n")
    pairs = [(astuple(one), astuple(other)) for one, other in zip(rows["ours"], rows["empty"], strict=True)]
    wall, cpu, pss = (median(one[at] / other[at] for one, other in pairs) for at in range(3))
    sys.stdout.write(f"| ratio | {wall:.2f} | {cpu:.2f} | {pss:.2f} |\n")


def _start(shared: Bench, command: list[str], env: dict[str, str], port: int) -> Start:
    begun = time.perf_counter()
    log = shared.log(f"start-{port}")
    usual = {**env, "PYTHONDONTWRITEBYTECODE": ""}
    with running(command, usual, log, lambda: is_live("127.0.0.1", port)) as process:
        wall_s = time.perf_counter() - begun
        seen = psutil.Process(process.pid)
        times = seen.cpu_times()
        return Start(wall_s, times.user + times.system, float(seen.memory_full_info().pss) / 2**20)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STARTS)
