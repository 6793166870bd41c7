"""The supervisor with stand-in processes: real processes, real signals, a real Redis."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import redis as redis_py
from kombu import Connection

from cli.up import flower, preflight, redis
from cli.up.child import Backoff
from cli.up.log import Log
from llmcoder import startup
from llmcoder.startup import UpError
from tests.integration.waiting import eventually

T = TypeVar("T")

DEADLINE_S = 120.0
#: Longer than any stop takes on a busy machine, and shorter than the grace that such a test must not wait for.
AT_ONCE_S = 30.0
LONG_GRACE_S = 60.0

# Supervises what its second argument lists: the arguments of a Child, which is wanted (where that is an argument) when
# a file NAME.wanted lies in the folder, or "redis" for the embedded one.
RUNNER = """
import asyncio, json, os, sys
from pathlib import Path
from cli.up import preflight, redis
from cli.up.child import Child
from llmcoder import startup
from llmcoder.startup import UpError
from cli.up.guard import Guard
from cli.up.log import Log
from cli.up.supervisor import Supervisor

def child_of(folder, spec):
    if spec == "redis":
        return redis.child(redis.embedded_in(folder))
    if spec.pop("wanted", False):
        spec["wanted"] = (folder / f"{spec['name']}.wanted").exists
    return Child(**spec)

async def main(folder, specs):
    lock_fd = preflight.take_lock(folder)
    children = [child_of(folder, spec) for spec in specs]
    log = Log(folder / "log", [child.name for child in children])
    guard = Guard(lock_fd)
    try:
        await Supervisor(children, log, guard).run(started=lambda: log.say("all started"))
    except UpError as error:
        sys.exit(str(error))
    finally:
        guard.dismiss()

asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
"""

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
IGNORES_ALL = f"import signal; signal.signal(signal.SIGQUIT, signal.SIG_IGN); {IGNORES_SIGTERM}"
HAS_CHILDREN = f"""
import subprocess, sys
for _ in range(2):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
{SLEEPS}
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


class Running:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, *children: dict[str, Any] | str, under: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*under, *python(RUNNER), str(folder), json.dumps(children)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def log(self) -> str:
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    def wait_for_line(self, pattern: str, times: int = 1) -> None:
        eventually(lambda: len(re.findall(pattern, self.log())) >= times)

    def offspring(self) -> list[psutil.Process]:
        """Everything below it but its guard."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in below if "guard.py" not in " ".join(process.cmdline())]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to stop; how long it took."""
        asked = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(DEADLINE_S)
        return time.monotonic() - asked


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*children: dict[str, Any] | str, under: tuple[str, ...] = ()) -> Running:
        started.append(Running(tmp_path, *children, under=under))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.stop()
        if running.process.stderr:
            running.process.stderr.close()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_killed_process_is_started_again_and_the_log_says_so(supervise: Callable[..., Running]) -> None:
    running = supervise({"name": "worker", "command": python(SLEEPS)})
    running.wait_for_line("all started")
    [first] = running.offspring()

    first.kill()

    running.wait_for_line(r"worker was killed by SIGKILL; starting it again in 0\.5 s")
    [second] = eventually(running.offspring)
    assert second.pid != first.pid


def test_a_process_that_ends_by_itself_with_success_is_started_again_too(supervise: Callable[..., Running]) -> None:
    running = supervise({"name": "worker", "command": python("pass")})

    running.wait_for_line(r"worker ended with exit code 0; starting it again in 0\.5 s")
    running.wait_for_line(r"worker ended with exit code 0; starting it again in 1 s")


def test_the_wait_doubles_up_to_half_a_minute_and_a_healthy_life_starts_it_afresh() -> None:
    backoff = Backoff()
    waits, short_lives = [], 0
    for _ in range(8):
        short_lives = backoff.short_lives(short_lives, lived_s=0.1)
        waits.append(backoff.wait_s(short_lives))
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait_s(backoff.short_lives(short_lives, lived_s=31)) == 0.5


def test_what_a_dead_process_left_in_its_group_is_killed_before_the_next_one_starts(
    supervise: Callable[..., Running],
) -> None:
    running = supervise({"name": "heavy", "command": python(HAS_CHILDREN)})
    running.wait_for_line(r"heavy +\| up")
    before = running.offspring()
    assert len(before) == 3

    leader = next(process for process in before if process.ppid() == running.process.pid)
    leader.kill()

    eventually(lambda: gone(before))
    running.wait_for_line(r"heavy +\| up", times=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_takes_all_processes_along_and_ends_with_success(
    supervise: Callable[..., Running], number: signal.Signals
) -> None:
    running = supervise(
        {"name": "one", "command": python(SLEEPS), "grace_s": LONG_GRACE_S},
        {"name": "heavy", "command": python(HAS_CHILDREN), "grace_s": LONG_GRACE_S},
    )
    running.wait_for_line(r"\| up", times=2)
    offspring = running.offspring()

    took_s = running.stop(number)

    assert running.process.returncode == 0
    assert took_s < AT_ONCE_S
    assert gone(offspring)


def test_under_nohup_a_closed_terminal_stops_nothing_and_sigterm_everything(supervise: Callable[..., Running]) -> None:
    running = supervise({"name": "one", "command": python(SLEEPS), "grace_s": LONG_GRACE_S}, under=("nohup",))
    running.wait_for_line(r"one +\| up")
    offspring = running.offspring()

    running.process.send_signal(signal.SIGHUP)
    for process in offspring:
        process.send_signal(signal.SIGHUP)
    assert running.stop() < AT_ONCE_S  # a stop by SIGHUP would have been said before

    assert running.process.returncode == 0
    assert "SIGTERM: stopping" in running.log()
    assert "SIGHUP" not in running.log()
    assert gone(offspring)


def test_a_stop_ends_although_processes_ignore_every_request(
    supervise: Callable[..., Running],
) -> None:
    running = supervise(
        {"name": "redis", "command": python(IGNORES_ALL), "outlives": True, "grace_s": 1},
        {"name": "worker", "command": python(IGNORES_ALL), "grace_s": 6.5, "quits_on_sigquit": True},
    )
    running.wait_for_line(r"\| up", times=2)
    offspring = running.offspring()

    assert running.stop() < AT_ONCE_S
    assert gone(offspring)


def test_a_worker_that_ignores_sigterm_is_told_to_quit(supervise: Callable[..., Running]) -> None:
    on_quit = "import signal, sys; signal.signal(signal.SIGQUIT, lambda *_: (print('quit', flush=True), sys.exit()));"
    running = supervise(
        {"name": "worker", "command": python(on_quit + IGNORES_SIGTERM), "grace_s": 0.5, "quits_on_sigquit": True}
    )
    running.wait_for_line(r"\| up")

    running.stop()

    assert "worker | quit" in running.log()


def test_redis_is_stopped_after_all_that_need_it(supervise: Callable[..., Running]) -> None:
    says_when_told = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (print('told', flush=True), {wait}sys.exit()));"
        + SLEEPS
    )
    running = supervise(
        {"name": "redis", "command": python(says_when_told.format(wait="")), "outlives": True},
        {
            "name": "worker",
            "command": python(says_when_told.format(wait="time.sleep(0.5), print('done', flush=True), ")),
        },
    )
    running.wait_for_line(r"\| up", times=2)

    running.stop()

    said = re.findall(r"(\w+) +\| (told|done)", running.log())
    assert said == [("worker", "told"), ("worker", "done"), ("redis", "told")]


def test_asking_twice_kills_what_is_left(supervise: Callable[..., Running]) -> None:
    running = supervise({"name": "worker", "command": python(IGNORES_SIGTERM), "grace_s": LONG_GRACE_S})
    running.wait_for_line(r"\| up")
    running.process.send_signal(signal.SIGINT)
    running.wait_for_line("SIGINT: stopping")

    assert running.stop(signal.SIGINT) < AT_ONCE_S


def test_a_supervisor_killed_outright_leaves_no_orphan_and_frees_its_folder(
    supervise: Callable[..., Running], tmp_path: Path
) -> None:
    running = supervise(
        {"name": "one", "command": python(IGNORES_SIGTERM)}, {"name": "heavy", "command": python(HAS_CHILDREN)}
    )
    running.wait_for_line(r"\| up", times=2)
    offspring = running.offspring()
    assert len(offspring) == 4

    running.process.kill()

    eventually(lambda: gone(offspring))
    running.process.wait()
    os.close(preflight.take_lock(tmp_path))


def test_the_tether_holds_when_the_guard_was_killed_first(supervise: Callable[..., Running]) -> None:
    running = supervise({"name": "one", "command": python(IGNORES_SIGTERM)})
    running.wait_for_line(r"\| up")
    offspring = running.offspring()
    [guard] = [p for p in psutil.Process(running.process.pid).children() if "guard.py" in " ".join(p.cmdline())]
    guard.kill()

    running.process.kill()

    eventually(lambda: gone(offspring))


def test_a_second_start_in_one_folder_is_refused_and_names_the_first(
    supervise: Callable[..., Running], tmp_path: Path
) -> None:
    running = supervise({"name": "one", "command": python(SLEEPS)})
    running.wait_for_line("all started")

    with pytest.raises(UpError, match=rf"already runs in {re.escape(str(tmp_path))} \(pid {running.process.pid}\)"):
        preflight.take_lock(tmp_path)


def test_a_process_that_nobody_wants_yet_is_started_once_somebody_does(
    supervise: Callable[..., Running], tmp_path: Path
) -> None:
    idle = {"name": "idle", "command": python(SLEEPS), "wanted_every_s": 0.1, "wanted": True}
    running = supervise(idle, {"name": "worker", "command": python(SLEEPS)})
    running.wait_for_line("all started")
    running.wait_for_line(r"worker \| up")
    assert "idle started" not in running.log()

    (tmp_path / "idle.wanted").touch()
    running.wait_for_line(r"idle +\| up")


def test_a_process_that_does_not_stay_up_at_the_start_ends_the_start(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from cli.up.child import Backoff, Child
from cli.up.guard import Guard
from cli.up.log import Log
from cli.up.supervisor import Supervisor
async def main():
    broken = Child("api", [sys.executable, "-c", "raise SystemExit('no module')"], ready=lambda: False)
    never = Child("never", [sys.executable, "-c", ""])
    await Supervisor([broken, never], Log(Path(sys.argv[1]), ["api"]), Guard(None), Backoff(0.01)).run(lambda: None)
asyncio.run(main())
"""
    done = subprocess.run([*python(code), str(tmp_path / "log")], capture_output=True, text=True, timeout=DEADLINE_S)
    assert "UpError: api does not stay up; its lines above say why" in done.stderr
    assert "api | no module" in (tmp_path / "log").read_text()
    assert "never" not in done.stdout


def test_a_migration_runs_to_its_end_first_and_its_failure_ends_the_start(supervise: Callable[..., Running]) -> None:
    running = supervise(
        {"name": "migrate", "command": python("import time; time.sleep(0.3); print('migrated')"), "once": True},
        {"name": "broken", "command": python("raise SystemExit(3)"), "once": True},
        {"name": "api", "command": python(SLEEPS)},
    )
    assert running.process.wait(DEADLINE_S) == 1
    assert running.process.stderr
    assert "broken ended with exit code 3" in running.process.stderr.read()
    assert "migrate | migrated" in running.log()
    assert re.search(r"api +\|", running.log()) is None


def test_a_stop_during_the_start_ends_it_there(supervise: Callable[..., Running]) -> None:
    running = supervise({"name": "migrate", "command": python(SLEEPS), "once": True, "grace_s": LONG_GRACE_S})
    running.wait_for_line(r"migrate \| up")
    offspring = running.offspring()

    assert running.stop() < AT_ONCE_S
    assert running.process.returncode == 0
    assert gone(offspring)
    assert "all started" not in running.log()


def test_a_port_in_use_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UpError, match=rf"port {port} on 127\.0\.0\.1 is in use .* set API_PORT"):
            startup.free_port("127.0.0.1", port, "API_PORT")
    assert startup.free_port("127.0.0.1", 0, "API_PORT") > 0


def test_a_host_that_is_not_here_is_named() -> None:
    with pytest.raises(UpError, match=r"cannot listen on 192\.0\.2\.1 .*change API_PORT"):
        startup.free_port("192.0.2.1", 5000, "API_PORT")


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "data", Path("/proc/data")):
        with pytest.raises(UpError, match=rf"the data folder {folder} cannot be written .*DATA_DIR"):
            preflight.usable_folder(folder)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpError, match=r"the disk of the data folder .* is full"):
        preflight.usable_folder(tmp_path, least_free_bytes=1 << 62)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    with io.TextIOWrapper(Path("/dev/full").open("wb", buffering=0), write_through=True) as terminal:
        log = Log(Path("/dev/full"), ["api"], terminal=terminal)
        log.line("api", "lost")
        log.line("api", "lost too")
        log.close()


def test_a_line_cannot_drive_the_readers_terminal(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", ["api"])
    log.line("api", "before \x1b]0;title\x07 after\r\n")
    log.close()
    assert "before \N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER} after\n" in (tmp_path / "log").read_text()


# ---- the embedded Redis


@pytest.fixture
def embedded(tmp_path: Path) -> redis.Embedded:
    return redis.embedded_in(tmp_path)


def test_redis_py_and_kombu_reach_the_embedded_redis_by_their_own_addresses(
    embedded: redis.Embedded, supervise: Callable[..., Running]
) -> None:
    supervise("redis").wait_for_line("all started")
    with redis_py.Redis.from_url(embedded.redis_url) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("port") == {"port": "0"}
    with Connection(embedded.broker_url) as connection:
        queue = connection.SimpleQueue("bell")
        queue.put({"job": 1})
        assert queue.get(timeout=DEADLINE_S).payload == {"job": 1}
        queue.close()
    assert embedded.socket.stat().st_mode & 0o777 == 0o700


def test_the_embedded_redis_comes_back_empty_after_it_was_killed_and_its_data_removed(
    embedded: redis.Embedded, supervise: Callable[..., Running]
) -> None:
    running = supervise("redis")
    running.wait_for_line("all started")
    [server] = running.offspring()
    with redis_py.Redis.from_url(embedded.redis_url) as client:
        client.set("kept", "1")

    shutil.rmtree(embedded.folder)
    server.kill()

    running.wait_for_line("redis was killed by SIGKILL")
    eventually(lambda: redis.answers(embedded.socket))
    with redis_py.Redis.from_url(embedded.redis_url) as client:
        assert client.get("kept") is None
        assert client.set("new", "1")


def test_addresses_are_quoted_for_folders_with_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "my data 100%"
    folder.mkdir()
    embedded = redis.embedded_in(folder)
    redis.prepare(embedded, 0)
    server = subprocess.Popen(redis.command(embedded), stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: redis.answers(embedded.socket))
        with redis_py.Redis.from_url(embedded.redis_url) as client:
            assert client.ping()
        with Connection(embedded.broker_url) as connection:
            connection.ensure_connection(max_retries=1)
    finally:
        server.terminate()
        server.wait(DEADLINE_S)


def test_unreadable_redis_data_are_put_aside_after_two_failed_starts(
    embedded: redis.Embedded, supervise: Callable[..., Running]
) -> None:
    redis.prepare(embedded, 0)
    # both places: Redis 7 has a folder for it
    (embedded.folder / "appendonly.aof").write_bytes(b"no such format")
    (embedded.folder / "appendonlydir").mkdir()
    (embedded.folder / "appendonlydir" / "appendonly.aof.manifest").write_bytes(b"no such format")

    supervise("redis").wait_for_line("all started")

    assert redis.answers(embedded.socket)
    assert list(embedded.folder.parent.glob("redis.unreadable-*/appendonly.aof"))


def test_a_long_data_folder_gets_its_socket_in_a_short_and_private_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tmp_path / "run"
    short.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    folder = tmp_path / ("x" * 90)
    folder.mkdir()

    found = redis.embedded_in(folder)
    redis.prepare(found, 0)

    assert found == redis.embedded_in(folder)
    assert short in found.socket.parents
    assert found.folder.parent == folder
    assert found.socket.parent.stat().st_mode & 0o777 == 0o700


def test_no_redis_at_all_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(redis.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UpError, match=r"install redis-server or valkey-server.*REDIS_URL"):
        redis.server()


# ---- Flower's password


def test_flowers_password_is_made_once_kept_private_and_not_shown_by_ps(tmp_path: Path) -> None:
    password, is_new = flower.password_in(tmp_path)
    assert is_new
    assert flower.password_in(tmp_path) == (password, False)
    assert (tmp_path / "flower_password").stat().st_mode & 0o777 == 0o600
    child = flower.child(tmp_path, "127.0.0.1", 5555, password)
    assert not any(password in word for word in child.command)
    assert child.env["FLOWER_BASIC_AUTH"] == f"admin:{password}"
    assert child.env["FLOWER_READ_ONLY"] == "true"
