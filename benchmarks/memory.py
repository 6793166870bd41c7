"""What the engine costs while it does nothing, and how long the API takes to its first answer."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import psutil

from benchmarks.harness import PYTHON, Bench, BenchError, free_port, running, wait_for
from cli.up.reachable import is_live
from models.db.database import Database
from models.jobs.claims import workers_seen

STARTS = 3
WORKERS = 2
SETTLED_AFTER_S = 5.0
#: Processes, by what they run: those of an engine at rest, and those that are there for a moment.
RESTING = frozenset({"redis-server", "api", "workers io", "workers heavy", "schedules", "flower"})
PASSING = frozenset({"tether", "cli.up.listeners", "models upgrade"})
#: Top-level packages that no process may load before it is asked for them.
VENDOR_SDKS = frozenset(
    {"openai", "ollama", "googleapiclient", "google", "jira", "slack_sdk", "plaid", "playwright", "trafilatura", "bs4",
     "pypdf", "atproto", "mastodon", "feedparser", "networkx", "pynput", "torch", "transformers", "peft", "datasets"}
)  # fmt: skip


@dataclass(frozen=True)
class Footprint:
    """Memory of one process; PSS counts what processes share in equal parts, so that its sum is the whole."""

    name: str
    pss_mb: float
    rss_mb: float


@dataclass(frozen=True)
class Start:
    """How a process starts.

    Attributes:
        ready_s: From its start to its first answer.
        modules: How many it imports until then.
        import_s: Spent in imports, timed by `-X importtime`, which itself makes them a little slower.
        sdks: Vendor SDKs among them.
    """

    name: str
    ready_s: float
    modules: int
    import_s: float
    sdks: list[str]


def footprints() -> list[Footprint]:
    """The memory of every process of `llmcoder up`, on a fresh data folder, when it has nothing to do."""
    folder = Path(tempfile.mkdtemp(prefix="bench-up-"))
    port = free_port()
    env = {"DATA_DIR": str(folder), "ENV_FILE": str(folder / "none"), "API_PORT": str(port)}
    env["FLOWER_PORT"] = str(free_port())
    log = folder / "up.log"
    command = [str(Path(sys.executable).with_name("llmcoder")), "up"]
    try:
        with running(command, env, log, lambda: is_live("127.0.0.1", port)) as supervisor:
            _wait_for_all(supervisor.pid, folder)
            time.sleep(SETTLED_AFTER_S)
            whole = psutil.Process(supervisor.pid)
            return [_footprint("supervisor", whole), *_children(whole)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_all(pid: int, folder: Path) -> None:
    """Also until both workers take jobs: a process that still imports is small."""

    def runs() -> bool:
        names = {_name(process) for process in psutil.Process(pid).children(recursive=True)}
        return names >= RESTING and not names & PASSING

    def take_jobs() -> bool:
        with db.read() as conn:
            return len(workers_seen(conn, db.now() - timedelta(minutes=1))) == WORKERS

    wait_for(runs, 30.0, what="the start of every process")
    with closing(Database(f"sqlite:///{folder}/llmcoder.db")) as db:
        wait_for(take_jobs, 30.0, what="workers that take jobs")


def _children(whole: psutil.Process) -> list[Footprint]:
    found = []
    for process in whole.children(recursive=True):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            found.append(_footprint(_name(process), process))
    return found


def _name(process: psutil.Process) -> str:
    """Of a Python process its module and argument, and whether it is a child of such a one."""
    try:
        words = process.cmdline()
        parent = process.parent()
        is_child = parent is not None and words == parent.cmdline()
    except psutil.NoSuchProcess:
        words = []
    if not words:
        return "ended"
    if "flower" in words:
        return "flower"
    if "-m" not in words:  # a script, or a program that shows its own title
        script = next((word for word in words if word.endswith(".py")), None)
        return Path(script).stem if script else Path(words[0].split()[0]).name
    module = words[words.index("-m") + 1 :]
    if module[:1] == ["llmcoder.process"]:
        module = module[1:]
    return " ".join(module) + (", child" if is_child else "")


def _footprint(name: str, process: psutil.Process) -> Footprint:
    sizes = {}
    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, value, *_ = line.split()
        sizes[key] = int(value) / 1024
    return Footprint(name, sizes["Pss:"], sizes["Rss:"])


def starts(bench: Bench) -> list[Start]:
    """How the API and the io worker start, on the first store."""
    with bench.engine(bench.stores[0]) as engine:
        api = _start(bench, engine.env, "api", lambda: is_live("127.0.0.1", engine.port))
        worker = _start(bench, engine.env, "workers io", engine.redis.is_consumed)
    return [api, worker]


def _start(bench: Bench, env: dict[str, str], name: str, ready: Callable[[], bool]) -> Start:
    command = ["-m", *name.split()]
    taken_s = [_time([PYTHON, *command], env, bench.log(name), ready) for _ in range(STARTS)]
    log = bench.folder / "imports.log"
    log.unlink(missing_ok=True)
    _time([PYTHON, "-X", "importtime", *command], env, log, ready)
    imports = [line.split("|") for line in log.read_text().splitlines() if line.startswith("import time:")][1:]
    names = [module.strip() for _, _, module in imports]
    spent_us = sum(int(own.removeprefix("import time:")) for own, _, _ in imports)
    sdks = sorted({module.partition(".")[0] for module in names} & VENDOR_SDKS)
    if not names:
        raise BenchError(f"{name}: -X importtime told nothing")
    return Start(name, median(taken_s), len(names), spent_us / 1e6, sdks)


def _time(command: list[str], env: dict[str, str], log: Path, ready: Callable[[], bool]) -> float:
    start = time.perf_counter()
    with running(command, env, log, ready):
        return time.perf_counter() - start
