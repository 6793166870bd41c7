"""`python -m benchmarks.domains [STARTS]`: what 20 more domains cost processes that do nothing, and the first submit.

Two trees of the application are compared: as it is, and with 20 domains more, each with 10 actions of an input and an
output model of their own, a collection, a trigger and settings. Every process of both is started in turn; what it has
for itself (USS) is read when it is at rest. Then a job is submitted to a domain that nothing has loaded, while somebody
else asks for `/health/live` without a pause: the longest of those answers is how long the API's loop stood still.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from benchmarks.harness import PYTHON, ROOT, Bench, BenchError, Engine, RedisDatabase, bench, free_port, running
from cli.up.reachable import is_live
from engine.broker import EPOCH_KEY

DOMAINS, ACTIONS = 20, 10
STARTS = 3
SETTLED_AFTER_S = 4.0
PACKAGES = ("llmcoder", "models", "engine", "tasks", "workers", "schedules", "api", "cli")
PASSWORD = "a benchmark's own password"

SETTINGS = '''
from pydantic import Field
from llmcoder import Settings

class {Name}Settings(Settings):
    """How {name} is reached."""
    title = "{Name}"
    needs = ("{NAME}_URL",)
    {name}_url: str | None = Field(None, description="Its address.")
    {name}_key: str | None = Field(None, description="Its key.")
'''

ACTION = '''
class {Model}(Model):
    """What to do."""
    title: str = Field(description="What it is called.", examples=["milk"], max_length=200)
    count: int = Field(1, description="How many.", ge=0, le=1000)
    ratio: float | None = Field(None, description="Of the whole.")
    tags: list[str] = Field(default_factory=list, description="What it is about.")
    due: datetime | None = Field(None, description="Until when.")

class {Model}Done(Model):
    """What was done."""
    id: str
    title: str
    count: int
    tags: list[str]

@action("{name}.{verb}", effect=Effect.DRAFT, requires=() if {number} else ({Name}Settings,))
def {verb}(given: {Model}, ctx: Context) -> {Model}Done:
    """Do number {number}."""
    return {Model}Done(id="1", title=given.title, count=given.count, tags=given.tags)
'''

COLLECTION = '''
from uuid import UUID
from pydantic import Field
from llmcoder import Model
from llmcoder.declare.collection import Collection, Store
from tasks.{name} import actions

class New(Model):
    """A record to keep."""
    text: str = Field(description="What it says.")

class Change(Model):
    """What to change."""
    text: str | None = Field(None, description="What it says.")

class Item(Model):
    """A record."""
    id: UUID = Field(description="Its id.")
    text: str = Field(description="What it says.")

class Nothing(Store[New, Change, Item]):
    def page(self, *_): raise NotImplementedError
    def get(self, *_): return None
    def add(self, *_): raise NotImplementedError
    def change(self, *_): return None
    def remove(self, *_): return False

records = Collection("{name}/records", title="Records", new=New, change=Change, item=Item, store=Nothing())
'''

TRIGGER = """
from llmcoder.declare.trigger import Trigger

RECORDS = Trigger(
    "{name}.records", any_due=lambda conn, now: False, take=lambda conn, now, limit: [],
    refused=lambda conn, due, why, now: None,
)
"""


def main(starts: int) -> None:
    with bench("sqlite") as shared:
        plain, more = tree(shared.folder / "plain", 0), tree(shared.folder / "more", DOMAINS)
        seen: dict[str, list[tuple[float, float]]] = {}
        for _ in range(starts):
            for name in ("api", "workers io", "workers heavy", "schedules"):
                before, after = (own_mb(shared, where, name) for where in (plain, more))
                seen.setdefault(name, []).append((before, after))
        out = sys.stdout.write
        out(f"| process | own memory, MB | with {DOMAINS} domains more | more |\n|---|---:|---:|---:|\n")
        for name, pairs in seen.items():
            before, after = (median(values) for values in zip(*pairs, strict=True))
            out(f"| {name} | {before:.1f} | {after:.1f} | {after - before:.1f} |\n")
        at_rest_s, loading_s, submit_s = first_submit(shared, more)
        out(
            f"\nThe first submit to a domain took {submit_s * 1000:.0f} ms; meanwhile the longest answer to somebody "
            f"else took {loading_s * 1000:.0f} ms, and {at_rest_s * 1000:.0f} ms in two seconds before.\n"
        )


def tree(folder: Path, domains: int) -> Path:
    """A copy of the application with so many domains more."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for number in range(domains):
        name = f"synthetic{number:02}"
        words = {"name": name, "Name": name.capitalize(), "NAME": name.upper()}
        own = folder / "tasks" / name
        own.mkdir()
        (own / "__init__.py").write_text('"""A domain of a benchmark."""\n')
        (own / "settings.py").write_text(SETTINGS.format(**words))
        actions = "from datetime import datetime\nfrom pydantic import Field\n"
        actions += "from llmcoder import Context, Effect, Model, action\n"
        actions += "from tasks.{name}.settings import {Name}Settings\n".format(**words)
        for at in range(ACTIONS):
            actions += ACTION.format(**words, Model=f"{words['Name']}Input{at}", verb=f"do_{at}", number=at)
        (own / "actions.py").write_text(actions)
        (own / "collections.py").write_text(COLLECTION.format(**words))
        (own / "triggers.py").write_text(TRIGGER.format(**words))
    return folder


def own_mb(shared: Bench, where: Path, name: str) -> float:
    """What a process at rest has for itself, the second time that it is started there."""
    own = shared.own_redis()
    engine = Engine(shared.folder / f"data-{own.number}", own, shared.stores[0].fresh(), free_port())
    env = {**engine.env, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": ""}
    ready = {
        "api": lambda: is_live("127.0.0.1", engine.port),
        "schedules": lambda: bool(own.client.exists(EPOCH_KEY)),
    }
    command = [PYTHON, "-m", "llmcoder.process", *name.split()]
    for last in (False, True):
        own.client.delete(EPOCH_KEY)
        is_ready = ready.get(name, own.is_consumed)
        with running(command, env, shared.log(f"{name}-{own.number}"), is_ready, cwd=where) as process:
            if last:
                time.sleep(SETTLED_AFTER_S)
                _must_be_from(process.pid, where)
                return float(psutil.Process(process.pid).memory_full_info().uss) / 2**20
    raise AssertionError


def _must_be_from(pid: int, where: Path) -> None:
    if Path(psutil.Process(pid).cwd()) != where:
        raise BenchError(f"process {pid} does not run in {where}")


def first_submit(shared: Bench, where: Path) -> tuple[float, float, float]:
    """The longest of others' answers before and during the first submit to a domain, and that submit, in seconds."""
    own: RedisDatabase = shared.own_redis()
    engine = Engine(shared.folder / f"data-{own.number}", own, shared.stores[0].fresh(), free_port())
    env = {**engine.env, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": ""}
    ready = lambda: is_live("127.0.0.1", engine.port)  # noqa: E731
    command = [PYTHON, "-m", "llmcoder.process", "api"]
    with running(command, env, shared.log("first"), ready, cwd=where), httpx.Client(timeout=60) as client:
        base = f"http://127.0.0.1:{engine.port}"
        _login(client, base)
        longest_s = [0.0, 0.0]
        phase, over = 0, threading.Event()

        def ask_on() -> None:
            with httpx.Client(timeout=60) as other:
                while not over.is_set():
                    begun = time.perf_counter()
                    other.get(f"{base}/health/live")
                    longest_s[phase] = max(longest_s[phase], time.perf_counter() - begun)

        asking = threading.Thread(target=ask_on)
        asking.start()
        time.sleep(2)
        phase = 1
        begun = time.perf_counter()
        answer = client.post(f"{base}/synthetic07/do_3", json={"title": "milk"})
        submit_s = time.perf_counter() - begun
        over.set()
        asking.join()
        if answer.status_code != 202:
            raise BenchError(f"{answer.status_code}: {answer.text}")
        return longest_s[0], longest_s[1], submit_s


def _login(client: httpx.Client, base: str) -> None:
    account: dict[str, Any] = {"email": "bench@example.org", "password": PASSWORD}
    made = client.post(f"{base}/auth/register", json=account)
    if made.status_code != 201:
        raise BenchError(made.text)
    form = {"username": account["email"], "password": PASSWORD}
    token = json.loads(client.post(f"{base}/auth/login", data=form).text)["access_token"]
    client.headers["authorization"] = f"Bearer {token}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STARTS)
