"""The figures as tables, put between two markers of `README.md`; everything else there is written by hand."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.harness import Bench
from benchmarks.measure import Column, Measurement
from benchmarks.memory import Footprint, Start

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
PACKAGES = (
    "celery",
    "kombu",
    "redis",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "sqlalchemy",
    "psycopg",
    "pydantic",
)


def write(figures: str) -> None:
    """Put the figures between the markers of the README.

    Raises:
        ValueError: The markers are not there.
    """
    text = README.read_text()
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    README.write_text(f"{before}{BEGIN}\n\n{figures}\n{after}")


def report(
    bench: Bench,
    command: str,
    rounds: int,
    measurements: Sequence[Measurement],
    memory: tuple[Sequence[Footprint], Sequence[Start]] | None,
) -> str:
    parts = [_machine(bench, command, rounds), *(_section(measurement) for measurement in measurements)]
    return "\n".join(parts if memory is None else [*parts, _memory(*memory)])


def _machine(bench: Bench, command: str, rounds: int) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    stores = ", ".join(f"{store.name} {store.version}" for store in bench.stores)
    server = bench.own_redis().client.info("server")["redis_version"]
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"`{command}`, {datetime.now(UTC):%d %B %Y %H:%M} UTC, {rounds} rounds; medians.\n\n"
        f"{os.cpu_count()} cores ({_processor()}), {memory_gb:.0f} GB, Linux {platform.release()}; "
        f"a 4 KB write with fsync takes {_fsync_ms(bench.folder):.2f} ms. "
        f"Python {platform.python_version()}, Redis {server} on a unix socket without persistence, {stores}; "
        f"{versions}.\n"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _fsync_ms(folder: Path) -> float:
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - start) * 1000)
    return median(taken)


def _section(measurement: Measurement) -> str:
    heads = ["", *(column.title for column in measurement.columns), f"× {measurement.baseline} (each round)"]
    rows = [_row(measurement, contestant.name) for contestant in measurement.contestants]
    return f"### {measurement.title}\n\n{measurement.how}\n\n{_table(heads, rows)}"


def _row(measurement: Measurement, name: str) -> list[str]:
    cells = [_cell(measurement.middle(name, column.key), column) for column in measurement.columns]
    if name == measurement.baseline:
        return [name, *cells, "1"]
    ratios = measurement.ratios(name)
    return [name, *cells, f"**{_ratio(median(ratios))}** ({', '.join(map(_ratio, ratios))})"]


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _cell(value: float | None, column: Column) -> str:
    return "" if value is None else f"{value:,.{column.digits}f}"


def _memory(footprints: Sequence[Footprint], starts: Sequence[Start]) -> str:
    started = [
        [
            f"`python -m {one.name}`",
            f"{one.ready_s:.2f}",
            f"{one.modules:,}",
            f"{one.import_s:.2f}",
            ", ".join(one.sdks) or "none",
        ]
        for one in starts
    ]
    return (
        "### Memory and start\n\n"
        "`llmcoder up` with nothing to do, from `/proc/PID/smaps_rollup` (PSS counts shared pages in equal parts).\n\n"
        + footprint_table(footprints)
        + "\nFrom its start to its first answer (the API) or to waiting for messages (the worker); imports by "
        "`python -X importtime`, which lists every module loaded by then.\n\n"
        + _table(["", "ready after s", "modules", "in imports s", "vendor SDKs among them"], started)
    )


def footprint_table(footprints: Sequence[Footprint]) -> str:
    """Every process, their sum, and the sum without the one that an operator may do without."""
    rows = [[one.name, f"{one.pss_mb:.0f}", f"{one.rss_mb:.0f}"] for one in footprints]
    rows.append(["all", f"{sum(one.pss_mb for one in footprints):.0f}", ""])
    rows.append(["without Flower", f"{sum(one.pss_mb for one in footprints if one.name != 'flower'):.0f}", ""])
    return _table(["process", "PSS MB", "RSS MB"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
