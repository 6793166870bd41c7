"""`llmcoder up` plans and becomes the process that stays: what that one has loaded, what goes along, what it asks."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from cli.up import preflight
from cli.up.listeners import COMMAND, Wanted
from cli.up.plan import plan
from cli.up.reachable import is_live
from llmcoder.config import Config
from llmcoder.settings import EngineSettings
from llmcoder.stamp import YOUNG_S
from llmcoder.startup import UpError
from tests.integration.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120.0
SECRET = "canary-of-the-plan"

#: Of ours, what the process that stays may hold; whatever else somebody's import brings is paid for until the stop.
LIGHT = re.compile(
    r"llmcoder(\.(process|stamp|startup))?|"
    r"cli(\.up(\.(child|flower|guard|handover|listeners|log|process|reachable|redis|supervise|supervisor))?)?"
)
LOADS = """
import pickle, sys
before = set(sys.modules)
from llmcoder.process import find_application
find_application()
import cli.up.supervise
pickle.load(open(sys.argv[1], "rb"))
print("\\n".join(set(sys.modules) - before))
"""

#: Becomes the supervisor of one process that sleeps, after a signal if one is named.
BECOMES = """
import os, signal, sys
from pathlib import Path
from llmcoder.process import find_application
find_application()
from cli.up import preflight
from cli.up.child import Child
from cli.up.handover import Plan, become_supervisor
from cli.up.supervisor import STOPS

folder, secret = Path(sys.argv[1]), sys.stdin.read()
sleeps = "import time; print('up', flush=True); time.sleep(600)"
child = Child("one", [sys.executable, "-c", sleeps], env={"FOR_THE_CHILD": secret})
plan = Plan((child,), f"all started with {secret}", folder / "log")
lock_fd = preflight.take_lock(folder)
if len(sys.argv) > 2:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    os.kill(os.getpid(), int(sys.argv[2]))
become_supervisor(plan, folder, lock_fd)
"""


@pytest.fixture
def becoming(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", BECOMES, str(tmp_path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdin is not None
        process.stdin.write(SECRET)
        process.stdin.close()
        process.stdin = None
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=DEADLINE_S)


def said(folder: Path) -> str:
    file = folder / "log"
    return file.read_text() if file.exists() else ""


def test_the_process_that_stays_has_loaded_the_standard_library_and_little_of_ours(tmp_path: Path) -> None:
    """It was 48 MB: the settings, the command line and, to know whether anybody listens, every domain."""
    own = Config.open({"DATA_DIR": str(tmp_path / "data"), "API_PORT": "0", "FLOWER_PORT": "0"}, cwd=tmp_path)
    planned = plan(own.get(EngineSettings))
    assert {child.name for child in planned.children} >= {"redis", "api", "worker-io", "listeners", "flower"}
    (tmp_path / "plan").write_bytes(pickle.dumps(planned))

    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(tmp_path / "plan")], cwd=ROOT, capture_output=True, text=True, check=True
    )

    loaded = done.stdout.split()
    assert {"cli.up.supervise", "cli.up.redis", "cli.up.flower", "cli.up.listeners"} <= set(loaded)
    foreign = {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names}
    assert [name for name in sorted(foreign) if not LIGHT.fullmatch(name)] == []
    assert not {"http", "email", "multiprocessing"} & {name.partition(".")[0] for name in loaded}


def test_it_is_the_same_process_with_the_same_lock_and_nothing_of_the_plan_is_shown_to_others(
    becoming: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = becoming()
    eventually(lambda: "one | up" in said(tmp_path))

    [now] = {tuple(psutil.Process(process.pid).cmdline())}
    assert "cli.up.supervise" in now
    assert SECRET not in " ".join(now)
    assert SECRET not in json.dumps(psutil.Process(process.pid).environ())
    assert SECRET not in "".join(path.read_text(errors="replace") for path in tmp_path.iterdir() if path.is_file())
    with pytest.raises(UpError, match=rf"already runs .* \(pid {process.pid}\)"):
        preflight.take_lock(tmp_path)
    [child] = [one for one in psutil.Process(process.pid).children() if "guard.py" not in " ".join(one.cmdline())]
    assert child.environ()["FOR_THE_CHILD"] == SECRET
    assert not any("up.lock" in str(link.readlink()) for link in Path(f"/proc/{child.pid}/fd").iterdir())

    process.terminate()
    shown, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert f"all started with {SECRET}" in shown
    os.close(preflight.take_lock(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_that_comes_while_it_becomes_the_supervisor_is_a_stop_like_any_other(
    becoming: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = becoming(str(int(number)))

    shown, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 0
    assert f"{number.name}: stopping" in said(tmp_path)
    assert "all started" not in shown


def test_what_it_starts_holds_back_no_signal(becoming: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = becoming()
    eventually(lambda: "one | up" in said(tmp_path))
    below = psutil.Process(process.pid).children()
    assert len(below) == 2, "the guard and the one process"
    for one in below:
        status = Path(f"/proc/{one.pid}/status").read_text()
        assert re.search(r"^SigBlk:\s*0+$", status, re.MULTILINE), one.cmdline()


# ---- whether anybody listens


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Path, Wanted, Callable[[], int]]:
    """A settings file, the question, and how often it was asked; the answer is whether the file says `listen`."""
    file, count = tmp_path / "config.json", tmp_path / "count"
    answers = (
        "import sys; from pathlib import Path; file, count = map(Path, sys.argv[1:]);"
        "count.open('a').write('.'); print('yes' if file.exists() and 'listen' in file.read_text() else 'no')"
    )
    wanted = Wanted(file, [sys.executable, "-c", answers, str(file), str(count)])
    return file, wanted, lambda: len(count.read_text()) if count.exists() else 0


def long_ago(file: Path) -> None:
    at = time.time() - YOUNG_S - 10
    os.utime(file, (at, at))


def test_whether_anybody_listens_is_asked_again_only_when_the_settings_file_has_changed(
    asked: tuple[Path, Wanted, Callable[[], int]],
) -> None:
    file, wanted, times = asked
    assert [wanted(), wanted(), wanted()] == [False] * 3
    assert times() == 1
    file.write_text("nothing")
    long_ago(file)
    assert [wanted(), wanted()] == [False] * 2
    assert times() == 2
    file.write_text("listen")
    assert wanted()
    long_ago(file)
    assert [wanted(), wanted()] == [True] * 2
    assert times() == 4, "once while a later write might still carry the same stamp, and once after"


def test_a_question_that_failed_is_asked_again_and_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    fails = f"import pathlib, sys; sys.exit('no room') if pathlib.Path({str(broken)!r}).exists() else print('yes')"
    wanted = Wanted(tmp_path / "config.json", [sys.executable, "-c", fails])
    with pytest.raises(OSError, match="exit code 1: no room"):
        wanted()
    broken.unlink()
    assert wanted()


def test_a_listener_whose_setting_stands_in_the_file_is_wanted_and_a_broken_file_wants_none(tmp_path: Path) -> None:
    def answer() -> str:
        done = subprocess.run(
            COMMAND, env={**os.environ, "DATA_DIR": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert answer() == "no"
    (tmp_path / "config.json").write_text('{"SLACK_APP_TOKEN": "xapp-1", "SLACK_BOT_TOKEN": "xoxb-1"}')
    assert answer() == "yes"
    (tmp_path / "config.json").write_text("{")
    assert answer() == "no"
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"], "asking makes nothing"


# ---- whether the API answers


@pytest.mark.parametrize(("status", "live"), [(200, True), (503, False), (404, False)])
def test_only_an_answer_that_says_all_is_well_is_alive(status: int, live: bool) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health/live" else 418)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        port = server.server_address[1]
        assert is_live("127.0.0.1", port) is live
        assert is_live("0.0.0.0", port) is live, "who listens everywhere is reached on loopback"
        server.shutdown()
        thread.join()
    assert not is_live("127.0.0.1", port)
