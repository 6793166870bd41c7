"""What is seen of a cluster's processes from outside: their memory, their threads, and what they logged."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.crash.cluster import ROOT, Cluster, Part

#: What `plugin/sitecustomize.py` registers: for a process that works, and for one that is stuck.
STACKS, STACKS_WHEN_STUCK = signal.SIGRTMIN + 5, signal.SIGRTMIN + 6
#: Threads of an executor come and go.
_EXECUTOR = "concurrent/futures/thread.py"
DUMPED_WITHIN_S = 15.0
QUIET_S = 0.3
DUMPS = 3
NOT_PYTHON = ("redis", "database")
_STACK = re.compile(r"(?:Current thread|Thread) 0x.*?(?=\n(?:Current thread|Thread) 0x|\Z)", re.S)
_FRAME = re.compile(rf'File "{re.escape(str(ROOT))}/(?!\.venv)(?!tests)(\S+)", line \d+ in (\S+)')
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def engine_parts(cluster: Cluster) -> Iterator[Part]:
    """The parts that are ours and written in Python."""
    return (part for part in cluster.parts.values() if part.name not in (*NOT_PYTHON, "provider", "proxy"))


def peaks_mb(cluster: Cluster) -> dict[str, int]:
    """By part: the most memory (RSS) of one of its processes since `forget_peaks`, in MiB."""
    found: dict[str, int] = {}
    for part in cluster.parts.values():
        for pid in _tree(part):
            with suppress(OSError):
                peak = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
                found[part.name] = max(found.get(part.name, 0), int(peak[1]) // 1024 if peak else 0)
    return found


def forget_peaks(cluster: Cluster) -> None:
    for part in cluster.parts.values():
        for pid in _tree(part):
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the peak begins anew


def lasting_threads(cluster: Cluster) -> set[str]:
    """Our threads that are there in each of several looks, as `part file function` of where they began."""
    return set.intersection(*(_threads(cluster) for _ in range(DUMPS)))


def lost_threads(cluster: Cluster, before: set[str]) -> set[str]:
    """Of those, what is there in none of several looks."""
    return before.difference(*(_threads(cluster) for _ in range(DUMPS)))


def _threads(cluster: Cluster) -> set[str]:
    found: set[str] = set()
    for part in engine_parts(cluster):
        for stack in _STACK.findall(stacks(cluster, part)):
            if _EXECUTOR not in stack and (frames := _FRAME.findall(stack)):
                found.add(" ".join((part.name, *frames[-1])))
    return found


def stacks(cluster: Cluster, part: Part) -> str:
    """Where the threads of a part's process stand."""
    log = cluster.folder / f"{part.name}.log"
    begin = log.stat().st_size
    part.send(STACKS)
    deadline = time.monotonic() + DUMPED_WITHIN_S
    size, changed_at = begin, time.monotonic()
    while time.monotonic() < deadline and (size == begin or time.monotonic() - changed_at < QUIET_S):
        time.sleep(0.02)
        if log.stat().st_size != size:
            size, changed_at = log.stat().st_size, time.monotonic()
    with log.open(errors="replace") as lines:
        lines.seek(begin)
        return lines.read()


def tracebacks(cluster: Cluster) -> list[str]:
    """By part: how many tracebacks its log has, and the end of the last one."""
    found = []
    for part in engine_parts(cluster):
        _, *pieces = (
            (cluster.folder / f"{part.name}.log").read_text(errors="replace").split("Traceback (most recent call last)")
        )
        if pieces:
            last = [line for line in pieces[-1].splitlines() if line and not line.startswith((" ", "\t"))]
            found.append(f"{part.name}: {len(pieces)} tracebacks, the last: {(last or ['?'])[0][:300]}")
    return found


def _tree(part: Part) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [part.pid, *(child.pid for child in psutil.Process(part.pid).children(recursive=True))]
    return []
