"""A process knows of every action and loads the domain that declares it with its first job."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path

import httpx
import pytest
from engine_kit import PLUGIN, ROOT, Engine, accept_one, engine_on, now_of, take
from served import serving

from engine.doorbells import connect_bell
from engine.outbox import Outbox
from llmcoder import manifest
from llmcoder.context import User
from llmcoder.manifest import ActionFacts, Manifest
from llmcoder.registry import Registry, discover, registry
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.db.database import Database
from schedules.dispatcher import Dispatcher

GROUP = "llmcoder.actions"


# --- what is kept


def test_a_manifest_reads_as_it_was_written() -> None:
    whole = Registry(discover())
    facts = tuple(ActionFacts.of(one, one.function.__module__) for one in whole.values())
    made = Manifest(facts, whole.collection_paths(), whole.hook_paths(), ("llmcoder.settings:EngineSettings",))
    assert Manifest.read(made.write()) == made
    assert {one.name for one in facts if one.accounts} and {one.name for one in facts if one.rates}


def test_it_says_what_the_actions_say() -> None:
    lazy, whole = Registry([], kept()), Registry(discover())
    assert lazy.facts == {name: ActionFacts.of(one, lazy.facts[name].source) for name, one in whole.items()}
    assert lazy.outside == whole.outside
    assert lazy.rates == whole.rates
    assert lazy.collection_paths() == whole.collection_paths()
    assert lazy.hook_paths() == whole.hook_paths()
    assert set(lazy.settings()) == set(whole.settings())
    assert lazy.connecting() == whole.connecting()
    assert dict(lazy) == dict(whole), "each name loads the action itself"


def kept() -> Manifest:
    """The one that this process would be given."""
    from llmcoder.registry import _manifest_of, _sources

    sources = dict(_sources())
    return _manifest_of(Registry(one for actions in sources.values() for one in actions), sources)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of somebody's that is on the path."""
    (tmp_path / "somebodys_actions.py").write_text("PLACE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "somebodys_actions.py"
    sys.modules.pop("somebodys_actions", None)


def test_the_stamp_changes_with_a_source_and_with_what_is_installed(plugin: Path) -> None:
    point = EntryPoint("somebodys", "somebodys_actions", GROUP)
    before = manifest.stamp_of([point])
    assert before == manifest.stamp_of([point]) is not None
    assert before != manifest.stamp_of([])
    assert before != manifest.stamp_of([EntryPoint("somebodys", "somebodys_actions:PLACE", GROUP)])
    plugin.write_text("PLACE = 12\n")
    assert before != manifest.stamp_of([point])


def test_a_manifest_that_was_cut_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_folders", lambda: iter([tmp_path]))
    made = kept()
    manifest.keep("a", made)
    assert manifest.load("a") == made
    path = next(tmp_path.iterdir())
    whole = path.read_text()
    for text in ("", whole[: len(whole) // 2], "{}", "[]", '{"actions": [{}]}', '{"actions": [], "more": []}'):
        path.write_text(text)
        assert manifest.load("a") is None, text


def test_it_is_kept_where_that_can_be_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(manifest, "_folders", lambda: iter([tmp_path / "file", tmp_path / "cache" / "llmcoder"]))
    manifest.keep("a", Manifest())
    assert manifest.load("a") == Manifest()
    monkeypatch.setattr(manifest, "_folders", lambda: iter([tmp_path / "file"]))
    manifest.keep("b", Manifest())
    assert manifest.load("b") is None


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_folders", lambda: iter([tmp_path]))
    for number in range(manifest.KEPT + 5):
        manifest.keep(str(number), Manifest())
    assert len(list(tmp_path.iterdir())) == manifest.KEPT
    assert manifest.load(str(manifest.KEPT + 4)) == Manifest()


# --- what is loaded


@pytest.mark.parametrize("module", ["workers.app", "api.app", "schedules.__main__"])
def test_a_process_loads_no_action_before_somebody_asks_for_one(module: str, tmp_path: Path) -> None:
    program = (
        "import importlib, json, sys\n"
        f"importlib.import_module({module!r})\n"
        "from llmcoder.registry import registry\n"
        "known = registry()\n"
        "known.settings(), known.rates, known.outside, known.connecting()\n"
        + ("from api.app import create_app; create_app()\n" if module == "api.app" else "")
        + "loaded = lambda: sorted(n for n in sys.modules if n.startswith('tasks.') and n.endswith('.actions'))\n"
        "before = loaded(); known['general.add_note']\n"
        "assert 'rich' not in sys.modules, 'nobody draws here'\n"
        "print(json.dumps([before, loaded()]))\n"
    )
    env = {"DATA_DIR": str(tmp_path / "data"), "ENV_FILE": str(tmp_path / "none"), "REDIS_URL": "redis://127.0.0.1:1/0"}
    registry()  # so that there is a manifest
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], ["tasks.general.actions"]]


LISTS = {
    "the command": "import sys; sys.argv = ['llmcoder', 'actions']\n"
    "from cli.main import app; app(standalone_mode=False)\n",
    "a command in Slack": "from types import SimpleNamespace\n"
    "from engine.local_door import EngineDoor\n"
    "from llmcoder.registry import registry\n"
    "from tasks.slack.commands import _actions\n"
    "door = EngineDoor(None, None, registry(), None)\n"
    "print(_actions('general', SimpleNamespace(id=None), door))\n",
}


@pytest.mark.parametrize("program", LISTS.values(), ids=LISTS)
def test_who_lists_actions_loads_none(program: str, tmp_path: Path) -> None:
    """To load all took a second and more on a busy machine, and Slack waits for three."""
    seen = "import sys; print([n for n in sys.modules if n.startswith('tasks.') and n.endswith('.actions')])\n"
    env = {"DATA_DIR": str(tmp_path / "data"), "ENV_FILE": str(tmp_path / "none"), "COLUMNS": "200"}
    registry()  # so that there is a manifest
    done = subprocess.run(
        [sys.executable, "-c", program + seen], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    *listed, loaded = done.stdout.splitlines()
    assert "general.add_note" in "".join(listed)
    assert loaded == "[]"


def test_a_domains_doors_are_there_before_it_is_loaded(db: Database, redis_url: str, tmp_path: Path) -> None:
    with serving(db, redis_url, tmp_path, known=Registry([], kept())) as served:
        loaded = served.app.state.services.registry.loaded
        assert loaded("general.add_note") is None
        assert httpx.options(f"{served.url}/general/notes").headers["allow"] == "GET, POST, HEAD, OPTIONS"
        assert httpx.put(f"{served.url}/general/todos").headers["allow"] == "GET, POST, HEAD, OPTIONS"
        assert httpx.get(f"{served.url}/general/nothing").status_code == 404
        assert httpx.post(f"{served.url}/general/add_note", json={}).status_code == 401
        assert httpx.put(f"{served.url}/general/add_note").headers["allow"] == "POST, OPTIONS"
        assert loaded("general.add_note") is None, "whoever proves nothing has nothing loaded"


def test_the_api_answers_others_while_it_loads_a_domain(
    db: Database, redis_url: str, user: User, tmp_path: Path
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow(Registry):
        def _load(self, source: str) -> None:
            begun.set()
            assert may_end.wait(60)
            super()._load(source)

    with (
        serving(db, redis_url, tmp_path, known=Slow([], kept())) as served,
        served.client(user) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        submitted = threads.submit(client.post, "/general/add_note", json={"text": "milk"})
        assert begun.wait(60)
        assert httpx.get(f"{served.url}/health/live", timeout=60).status_code == 200
        assert not submitted.done()
        may_end.set()
        assert submitted.result().status_code == 202


# --- what cannot be loaded


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path) as engine:
        yield engine


def test_a_job_whose_package_cannot_be_imported_fails_with_the_reason_and_the_worker_goes_on(engine: Engine) -> None:
    ask = [sys.executable, "-c", "from llmcoder.registry import registry; registry()"]
    env = {**engine.environ, "PYTHONPATH": str(PLUGIN)}
    subprocess.run(ask, cwd=ROOT, env=env, check=True, timeout=120)
    engine.start_worker(TESTKIT_FRAGILE="1")
    known = Registry(discover())
    broken = engine.submit(known["test.handle_with_care"])
    fine = engine.submit(known["test.do_nothing"])
    assert engine.until(fine, State.SUCCEEDED).error is None
    error = json.loads(engine.until(broken, State.FAILED).error or "{}")
    assert "What declares 'test.handle_with_care' cannot be loaded" in error["detail"]
    assert "libfragile.so.1" in error["detail"]


@pytest.mark.parametrize("statement", ["raise SystemExit(3)", "import sys; sys.exit('no')", "raise ImportError('no')"])
def test_a_package_that_ends_the_process_which_loads_it_ends_none(plugin: Path, statement: str) -> None:
    fact = ActionFacts.of(next(iter(discover())), "somebodys_actions")
    plugin.write_text(f"{statement}\n")
    with pytest.raises(ImportError):
        Registry([], Manifest((fact,))).find(fact.name)


def test_a_lost_job_whose_package_cannot_be_imported_here_is_rescued(
    db: Database, user: User, redis_url: str, plugin: Path
) -> None:
    plugin.write_text("raise ImportError('no')\n")
    fact = ActionFacts.of(Registry(discover())["test.do_nothing"], "somebodys_actions")
    job = accept_one(db, user)
    take(db, job.id, lease_s=-1.0)
    outbox = Outbox(redis_url, redis_url, window=100)
    settings = EngineSettings(broker_url=redis_url, redis_url=redis_url)
    known = Registry([], Manifest((fact,)))
    assert Dispatcher(db, connect_bell(redis_url), outbox, settings, known).rescue() == 1
    assert now_of(db, user, job.id).state == State.QUEUED
