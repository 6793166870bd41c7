"""The configuration on a real disk, among real processes: first start, hand edits, patches at once, and accidents."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from llmcoder.config import Config, config, use
from llmcoder.config_file import ConfigError, exclusive
from llmcoder.errors import BadInput, Refused
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings, ReservedSettings, Settings
from tests.integration.waiting import eventually

CANARY = "canary-51c9"
NOBODY = 65534


class Shop(Settings):
    title = "Shop"
    needs = ("SHOP_TOKEN",)

    shop_token: SecretStr | None = None
    shop_pages: int = 3


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder a process is started in; the data folder is `data` below it."""
    return tmp_path


def written(desk: Path, text: str, name: str = "data/config.json") -> Path:
    path = desk / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def swapped(desk: Path, text: str) -> None:
    """At once, as editors save: between emptying a file and filling it, somebody may look."""
    written(desk, text, "data/config.new").replace(desk / "data/config.json")


def stored(desk: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((desk / "data/config.json").read_text(encoding="utf-8"))
    return found


def python(desk: Path, code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        cwd=desk,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


# --- First start ---------------------------------------------------------------------------------------------------


def test_without_any_file_the_defaults_are_in_force_and_the_folder_is_ours_alone(desk: Path) -> None:
    opened = Config.open({}, desk)
    assert opened.get(EngineSettings).api_port == 5000
    assert opened.get(EngineSettings).data_dir == desk / "data"
    assert stat.S_IMODE((desk / "data").stat().st_mode) == 0o700
    assert not opened.path.exists()


def test_env_becomes_config_json_and_is_deleted(desk: Path) -> None:
    text = f"""
        # the shop
        export SHOP_TOKEN='{CANARY} # not a comment'
        API_PORT=5001   # a comment
        JIRA_API_TOKEN="a=b\\nc"
        HF_TOKEN=
        SLACK_BOT_TOKEN=${{HOME}}
        MY_OWN=kept
    """
    written(desk, textwrap.dedent(text), ".env")
    opened = Config.open({}, desk)
    assert not (desk / ".env").exists()
    assert stored(desk) == {
        "API_PORT": "5001",
        "JIRA_API_TOKEN": "a=b\nc",
        "MY_OWN": "kept",
        "SHOP_TOKEN": f"{CANARY} # not a comment",
        "SLACK_BOT_TOKEN": "${HOME}",
    }
    assert list(stored(desk)) == sorted(stored(desk))
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600
    assert opened.get(EngineSettings).api_port == 5001
    assert Config.open({}, desk).get(Shop) == opened.get(Shop) != Shop()


def test_env_file_and_data_dir_are_found_where_the_environment_says(desk: Path) -> None:
    written(desk, "API_PORT=5001", "elsewhere.env")
    opened = Config.open({"ENV_FILE": "elsewhere.env", "DATA_DIR": "deep/er/store"}, desk)
    assert opened.path == desk / "deep/er/store/config.json"
    assert opened.get(EngineSettings).api_port == 5001
    assert not (desk / "elsewhere.env").exists()


def test_a_folder_named_env_is_somebody_elses(desk: Path) -> None:
    (desk / ".env").mkdir()
    assert Config.open({}, desk).get(EngineSettings).api_port == 5000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"A=1\n\n\n{CANARY} is not a setting\nB=2", 4),
        (f"A=1\nB\n#{CANARY}", 2),
        (f"A=1\nB-C={CANARY}", 2),
        (f'A="{CANARY}\nB=2', 1),
        (f"A=1\r\n\r\n={CANARY}\r\n", 3),
    ],
)
def test_a_broken_env_is_refused_by_line_and_nothing_is_written(desk: Path, text: str, line: int) -> None:
    env_file = written(desk, text, ".env")
    with pytest.raises(ConfigError, match=rf"\.env, line {line}: not NAME=VALUE") as refusal:
        Config.open({}, desk)
    assert CANARY not in refusal.value.detail
    assert env_file.read_bytes().decode() == text
    assert not (desk / "data/config.json").exists()


def test_an_env_that_is_not_utf8_is_refused_by_line(desk: Path) -> None:
    (desk / ".env").write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(ConfigError, match=r"line 2: not UTF-8"):
        Config.open({}, desk)


def test_an_env_with_a_value_that_cannot_be_used_is_refused_by_name(desk: Path) -> None:
    env_file = written(desk, f"HF_TOKEN={CANARY}\nAPI_PORT={CANARY}", ".env")
    with pytest.raises(ConfigError, match=r"API_PORT \(.*\.env\): Input should be a valid integer") as refusal:
        Config.open({}, desk)
    assert CANARY not in refusal.value.detail
    assert env_file.exists()
    assert not (desk / "data/config.json").exists()


def test_data_dir_in_env_is_refused_unless_it_says_what_the_environment_says(desk: Path) -> None:
    env_file = written(desk, "DATA_DIR=./store\nAPI_PORT=5001", ".env")
    with pytest.raises(ConfigError, match=r"DATA_DIR .* set an environment variable"):
        Config.open({}, desk)
    assert env_file.exists()
    opened = Config.open({"DATA_DIR": str(desk / "store")}, desk)
    assert json.loads(opened.path.read_text()) == {"API_PORT": "5001"}


def test_if_both_exist_config_json_wins_and_env_is_left_with_a_warning(
    desk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(desk, '{"API_PORT": 5001}')
    env_file = written(desk, f"API_PORT={CANARY}", ".env")
    assert Config.open({}, desk).get(EngineSettings).api_port == 5001
    assert env_file.exists()
    assert "is ignored" in caplog.text
    assert CANARY not in caplog.text


def test_names_nobody_reads_are_warned_of_once_all_kinds_are_known(
    desk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(desk, "SHOP_TOKEN=t\nSHOP_PAGE=4", ".env")
    opened = Config.open({}, desk)
    assert "nothing here reads" not in caplog.text
    opened.register(Shop)
    opened.register(Shop)
    assert caplog.text.count("nothing here reads 'SHOP_PAGE'. Did you mean SHOP_PAGES?") == 1
    assert "SHOP_TOKEN" not in caplog.text
    assert stored(desk)["SHOP_PAGE"] == "4"


# Kills the process at the n-th thing the interpreter does to a file, so that no step of the import is left out.
DIES_AT_STEP = """
    import os, sys
    from pathlib import Path
    import dotenv.parser
    from llmcoder.config import Config

    left = int(sys.argv[1])

    def count(event, args):
        global left
        if event in ("open", "os.rename", "os.remove", "fcntl.flock", "os.chmod"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)

    sys.addaudithook(count)
    Config.open({}, Path.cwd())
"""


def test_a_process_killed_at_any_step_of_the_import_loses_nothing(desk: Path) -> None:
    values = {"SHOP_TOKEN": CANARY, "API_PORT": "5001"}
    env_was_left = []
    for step in range(1, 60):
        place = desk / str(step)
        place.mkdir()
        written(place, "\n".join(f"{name}={value}" for name, value in values.items()), ".env")
        code, _, err = ended(python(place, DIES_AT_STEP, str(step)))
        if code == 0:
            break
        assert code == -9, err
        env_was_left.append((place / ".env").exists())
        assert env_was_left[-1] or stored(place) == values
        Config.open({}, place)
        assert stored(place) == values
        assert stat.S_IMODE((place / "data/config.json").stat().st_mode) == 0o600
    assert code == 0, "the import takes more steps than this test allows for"
    assert env_was_left.count(True) >= 5
    assert env_was_left.count(False) >= 1


WATCHED_IMPORT = """
    import os, sys
    from pathlib import Path
    import dotenv.parser
    from llmcoder.config import Config

    seen = []

    def watch(event, args):
        if event == "open" and str(args[0]).endswith("config.json") or event in ("os.rename", "os.remove"):
            seen.append(event.removeprefix("os.") + " " + Path(os.fsdecode(args[0])).name)

    def watched_fsync(descriptor, real=os.fsync):
        seen.append("fsync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real(descriptor)

    os.fsync = watched_fsync
    sys.addaudithook(watch)
    Config.open({}, Path.cwd())
    print(*seen[1:], sep="\\n")
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to name an open file")
def test_the_import_is_on_the_disk_and_read_back_before_env_goes(desk: Path) -> None:
    written(desk, "API_PORT=5001", ".env")
    code, out, err = ended(python(desk, WATCHED_IMPORT))
    assert code == 0, err
    assert out.splitlines()[:5] == [
        "fsync config.json.tmp",
        "rename config.json.tmp",
        "fsync data",
        "open config.json",
        "remove .env",
    ]


def test_processes_that_start_at_once_take_env_in_once(desk: Path) -> None:
    written(desk, "API_PORT=5001", ".env")
    code = """
        from pathlib import Path
        from llmcoder.config import Config
        from llmcoder.settings import EngineSettings
        print(Config.open({}, Path.cwd()).get(EngineSettings).api_port)
    """
    done = [ended(one) for one in [python(desk, code) for _ in range(4)]]
    assert [one[:2] for one in done] == [(0, "5001\n")] * 4
    assert [said.count("became") for *_, said in done].count(1) == 1, "the one that did it says so"
    assert sum(len(said.splitlines()) for *_, said in done) == 1


# --- A disk that will not do ---------------------------------------------------------------------------------------

OPENS_AS_NOBODY = """
    import os, sys
    from pathlib import Path
    import dotenv.parser, tempfile
    from llmcoder.config import Config
    from llmcoder.config_file import ConfigError

    if os.geteuid() == 0:
        os.seteuid(65534)  # root writes to read-only folders
    try:
        Config.open({"DATA_DIR": sys.argv[1]}, Path("/"))
    except ConfigError as error:
        print(error.detail)
"""


@pytest.fixture
def public(desk: Path) -> Iterator[Path]:
    """A folder below which other users may walk, as pytest's own may not be."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_read_only_data_folder_is_named_with_a_remedy(public: Path) -> None:
    folder = public / "data"
    folder.mkdir(mode=0o555)
    code, out, err = ended(python(public, OPENS_AS_NOBODY, str(folder)))
    assert code == 0, err
    assert f"{folder} cannot be used: Permission denied." in out
    assert "set DATA_DIR" in out


def test_env_stays_when_the_data_folder_cannot_take_it(desk: Path) -> None:
    env_file = written(desk, "API_PORT=5001", ".env")
    (desk / "data").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match=r"data cannot be used: File exists\. DATA_DIR must name a folder"):
        Config.open({}, desk)
    assert env_file.exists()


def test_a_full_disk_is_named_and_leaves_the_old_values(desk: Path) -> None:
    code = """
        import resource
        from pathlib import Path
        from llmcoder.config import Config
        from llmcoder.config_file import ConfigError

        opened = Config.open({}, Path.cwd())
        opened.patch({"HF_TOKEN": "old"})
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
        for attempt in (lambda: opened.patch({"HF_TOKEN": "x" * 500}), lambda: Config.open({}, Path.cwd())):
            try:
                attempt()
            except ConfigError as error:
                print(error.detail)
    """
    code_, out, err = ended(python(desk, code))
    assert code_ == 0, err
    assert out.count(f"{desk / 'data'} cannot be used: File too large. Free some space") == 2
    assert stored(desk) == {"HF_TOKEN": "old"}
    assert not (desk / "data/config.json.tmp").exists()


# --- In force ------------------------------------------------------------------------------------------------------


def test_a_real_environment_variable_wins_over_the_file_unless_empty(desk: Path) -> None:
    written(desk, '{"API_PORT": 5001, "IO_SLOTS": 4}')
    engine = Config.open({"API_PORT": "5002", "IO_SLOTS": ""}, desk).get(EngineSettings)
    assert (engine.api_port, engine.io_slots) == (5002, 4)


def test_an_environment_variable_that_cannot_be_used_is_named_as_such(desk: Path) -> None:
    with pytest.raises(ConfigError, match=r"API_PORT \(environment variable\): .*integer") as refusal:
        Config.open({"API_PORT": CANARY}, desk)
    assert CANARY not in refusal.value.detail


def test_the_same_object_is_given_until_a_value_changes(desk: Path) -> None:
    opened = Config.open({}, desk)
    first, version = opened.get(Shop), opened.version
    assert opened.get(Shop) is first
    opened.patch({"SHOP_PAGES": 9})
    assert opened.get(Shop).shop_pages == 9
    assert opened.version == version + 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f'{{\n  "HF_TOKEN": "{CANARY}",\n  "API_PORT" 1\n}}', "line 3, column 14"),
        ("", "line 1, column 1"),
        (f'["{CANARY}"]', "one object"),
        ("[" * 100_000, "nested too deeply"),
        (f'{{"HF_TOKEN": "{CANARY}", "HF_TOKEN": "b"}}', "HF_TOKEN stands there twice"),
    ],
)
def test_a_config_json_that_is_not_json_stops_the_start_and_says_where(desk: Path, text: str, where: str) -> None:
    path = written(desk, text)
    with pytest.raises(ConfigError, match=where) as refusal:
        Config.open({}, desk)
    assert str(path) in refusal.value.detail
    assert CANARY not in f"{refusal.value!r}"
    assert path.read_text() == text


def test_a_value_that_cannot_be_used_stops_the_start_and_is_named(desk: Path) -> None:
    written(desk, '{"API_PORT": "high"}')
    with pytest.raises(ConfigError, match=r"API_PORT \(.*config\.json\)"):
        Config.open({}, desk)


def test_a_file_others_may_read_is_shut(desk: Path) -> None:
    path = written(desk, '{"API_PORT": 5001}')
    path.chmod(0o644)
    Config.open({}, desk)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- Hand edits ----------------------------------------------------------------------------------------------------

FOLLOWS = """
    import time
    from pathlib import Path
    from llmcoder.config import Config
    from llmcoder.settings import EngineSettings

    opened, shown = Config.open({}, Path.cwd()), None
    while True:
        port = opened.get(EngineSettings).api_port
        if port != shown:
            print(port, flush=True)
            shown = port
        time.sleep(0.05)
"""


def test_a_hand_edit_and_a_patch_reach_another_process_within_two_seconds(desk: Path) -> None:
    written(desk, '{"API_PORT": 5001}')
    follower = python(desk, FOLLOWS)
    try:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "5001\n"
        for port, change in (
            (5002, lambda: written(desk, '{"API_PORT": 5002}')),  # same length, same inode
            (5003, lambda: Config.open({}, desk).patch({"API_PORT": 5003})),
        ):
            started = time.monotonic()
            change()
            assert follower.stdout.readline() == f"{port}\n"
            assert time.monotonic() - started < 10  # two seconds, and a busy machine
    finally:
        follower.kill()
        follower.communicate()


def test_a_broken_hand_edit_is_refused_once_and_the_last_good_values_stay(
    desk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(desk, '{"API_PORT": 5001}')
    opened = Config.open({}, desk)
    for broken in (f'{{"API_PORT": 5002, "HF_TOKEN": "{CANARY}"', f'{{"API_PORT": "{CANARY}", "IO_SLOTS": 2}}'):
        caplog.clear()
        swapped(desk, broken)
        eventually(lambda: opened.problems is not None and len(caplog.records) == 1)
        engine = opened.get(EngineSettings)
        assert (engine.api_port, engine.io_slots) == (5001, 16)
        assert CANARY not in f"{opened.problems} {caplog.text}"
    written(desk, '{"API_PORT": 5003}')
    eventually(lambda: opened.problems is None)
    assert opened.get(EngineSettings).api_port == 5003
    path.unlink()
    eventually(lambda: "is gone" in (opened.problems or ""))
    assert opened.get(EngineSettings).api_port == 5003
    assert opened.patch({"IO_SLOTS": 2}) == ["IO_SLOTS"]
    assert stored(desk) == {"API_PORT": 5003, "IO_SLOTS": 2}


def test_an_edit_in_the_same_tick_of_the_file_systems_clock_is_seen(desk: Path) -> None:
    path = written(desk, '{"API_PORT": 5001}')
    opened = Config.open({}, desk)
    before = path.stat()
    path.write_text('{"API_PORT": 5002}')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    eventually(lambda: opened.get(EngineSettings).api_port == 5002)


def test_a_refused_edit_is_logged_once_however_often_it_is_seen(desk: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(desk, "{}")
    opened = Config.open({}, desk)
    written(desk, "{")
    eventually(lambda: opened.problems)
    looked_until = time.monotonic() + 1.2  # two more looks, as the file is young
    eventually(lambda: opened.version and time.monotonic() > looked_until)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# --- Patches -------------------------------------------------------------------------------------------------------


def test_a_patch_says_what_changed_and_none_takes_a_value_away(desk: Path) -> None:
    opened = Config.open({}, desk)
    opened.register(Shop)
    assert opened.patch({"SHOP_TOKEN": "t", "SHOP_PAGES": 4, "HF_TOKEN": None}) == ["SHOP_PAGES", "SHOP_TOKEN"]
    assert opened.patch({"SHOP_TOKEN": "t", "SHOP_PAGES": ""}) == ["SHOP_PAGES"]
    assert stored(desk) == {"SHOP_TOKEN": "t"}
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600
    assert opened.get(Shop).shop_pages == 3


def test_a_patch_is_taken_whole_or_not_at_all(desk: Path) -> None:
    opened = Config.open({}, desk)
    opened.register(Shop)
    opened.patch({"SHOP_PAGES": 4})
    with pytest.raises(BadInput, match=r"API_PORT .*integer") as refusal:
        opened.patch({"SHOP_PAGES": 5, "API_PORT": CANARY, "SHOP_TOKEN": CANARY})
    assert CANARY not in refusal.value.detail
    assert stored(desk) == {"SHOP_PAGES": 4}


def test_an_unknown_name_is_refused_with_the_nearest_but_may_be_taken_away(desk: Path) -> None:
    written(desk, '{"OLD_NAME": "x"}')
    opened = Config.open({}, desk)
    with pytest.raises(BadInput, match=r"no setting 'API_PROT'\. Did you mean API_PORT\?"):
        opened.patch({"API_PROT": 1})
    assert opened.patch({"OLD_NAME": None}) == ["OLD_NAME"]


def test_what_the_environment_fixes_cannot_be_patched(desk: Path) -> None:
    opened = Config.open({"API_PORT": "5002"}, desk)
    with pytest.raises(BadInput, match="API_PORT is fixed by an environment variable"):
        opened.patch({"API_PORT": 5003})
    with pytest.raises(BadInput, match=r"DATA_DIR .*says where config.json is"):
        opened.patch({"DATA_DIR": "/elsewhere"})


def test_a_patch_does_not_overwrite_a_file_somebody_is_editing_into_trouble(desk: Path) -> None:
    opened = Config.open({}, desk)
    written(desk, '{"API_PORT": 5001,}')
    with pytest.raises(Refused, match=r"Nothing was changed\. .*\(line 1, column 19"):
        opened.patch({"IO_SLOTS": 2})
    assert (desk / "data/config.json").read_text() == '{"API_PORT": 5001,}'


PATCHES_ITS_OWN = """
    import sys
    from pathlib import Path
    from pydantic import create_model
    from llmcoder.config import Config
    from llmcoder.settings import Settings

    Settings.title = "Many"
    Many = create_model("Many", __base__=Settings, **{f"m_{w}_{n}": (int, 0) for w in range(8) for n in range(10)})
    opened = Config.open({}, Path.cwd())
    opened.register(Many)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(10):
        opened.patch({f"M_{sys.argv[1]}_{n}": n + 1})
"""


def test_eight_processes_that_patch_at_once_lose_nothing(desk: Path) -> None:
    writers = [python(desk, PATCHES_ITS_OWN, str(number)) for number in range(8)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [ended(writer)[::2] for writer in writers] == [(0, "")] * 8
    assert stored(desk) == {f"M_{w}_{n}": n + 1 for w in range(8) for n in range(10)}


def test_a_lock_whose_holder_was_killed_is_free(desk: Path) -> None:
    opened = Config.open({}, desk)
    code = """
        import sys
        from pathlib import Path
        from llmcoder.config_file import exclusive
        with exclusive(Path("data/config.json")):
            print("held", flush=True)
            sys.stdin.readline()
    """
    holder = python(desk, code)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    assert opened.patch({"API_PORT": 5001}) == ["API_PORT"]


# --- Views ---------------------------------------------------------------------------------------------------------


def test_describe_shows_where_a_value_comes_from_and_never_a_secret(desk: Path) -> None:
    written(desk, json.dumps({"SHOP_TOKEN": CANARY, "IO_SLOTS": 4, "DATABASE_URL": f"postgresql://u:{CANARY}@h/d"}))
    opened = Config.open({"API_PORT": "5002", "REDIS_URL": f"redis://:{CANARY}@h"}, desk)
    opened.register(Shop)
    views = {view.name: view for view in opened.describe()}
    assert CANARY not in repr(list(views.values()))
    assert CANARY not in f"{opened!r} {vars(opened)['_loaded']!r} {opened.get(Shop)!r} {opened.get(EngineSettings)!r}"
    told = {name: (view.set, view.secret, view.source, view.value) for name, view in views.items()}
    assert told["SHOP_TOKEN"] == (True, True, "file", None)
    assert told["DATABASE_URL"] == (True, True, "file", None)
    assert told["REDIS_URL"] == (True, True, "environment", None)
    assert told["API_PORT"] == (True, False, "environment", 5002)
    assert told["IO_SLOTS"] == (True, False, "file", 4)
    assert told["FETCH_ALLOW"] == (False, False, "default", [])
    assert told["HF_TOKEN"] == (False, True, "default", None)
    assert views["SHOP_PAGES"].title == "Shop"


def test_a_domain_that_declares_a_reserved_name_speaks_for_it(desk: Path) -> None:
    class Jira(Settings):
        title = "JIRA"
        jira_server_url: str = "https://jira.example"

    opened = Config.open({}, desk)
    opened.register(Jira)
    (view,) = [view for view in opened.describe() if view.name == "JIRA_SERVER_URL"]
    assert (view.title, view.value) == ("JIRA", "https://jira.example")


def test_the_process_has_one_configuration_and_a_test_may_lend_it_another(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(desk / "own"))
    monkeypatch.chdir(desk)
    lent = Config.open({}, desk)
    with use(lent):
        assert config() is lent
        with use(Config.open({"DATA_DIR": "other"}, desk)) as inner:
            assert config() is inner
        assert config() is lent


def test_the_lock_file_is_ours_alone(desk: Path) -> None:
    opened = Config.open({}, desk)
    with exclusive(opened.path):
        assert stat.S_IMODE((desk / "data/config.json.lock").stat().st_mode) == 0o600


def test_every_name_in_the_example_is_known_or_belongs_to_a_domain() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ").partition("=") for line in text.splitlines()]
    named = {name for name, equals, _ in lines if equals and name.isupper() and " " not in name}
    known = {*EngineSettings.names(), *ReservedSettings.names()} - {"DATA_DIR"}
    assert known <= named
    assert named - known <= {name for kind in registry().settings() for name in kind.names()}
