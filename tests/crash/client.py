"""The client of the crash matrix: submits over HTTP, repeats on any error, keeps what it was promised.

Each submission has an Idempotency-Key, so that repeating it is safe. Beside it a watcher follows the changes by their
revisions, as a user's browser does.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from tests.crash.automation import MACRO
from tests.crash.cluster import EMAIL, PASSWORD, Cluster, CrashError
from tests.crash.provider import Behaviour

AT_ONCE = 8
ASKS_AGAIN_S = 0.1
GIVES_UP_S = 90.0
PAGE = 200
START_MACRO = "tasks.start_macro"
#: Of 104 jobs: without effect, with one that nobody can be asked about, with one that can, with one per key, and a
#: macro of seven jobs.
MIX = {"crash.think": 40, "crash.write_blind": 20, "crash.write_checkable": 30, "crash.write_keyed": 10, START_MACRO: 4}
#: Of 100 writes, what the provider does with them; and how many are sent to a closed port first.
MANNERS = {
    Behaviour.ANSWER: 86,
    Behaviour.BUSY_ONCE: 5,
    Behaviour.DROP: 3,
    Behaviour.DROP_UNDONE: 3,
    Behaviour.STALL: 2,
    Behaviour.BUSY: 1,
}
NOWHERE_SHARE = 0.05


@dataclass(frozen=True)
class Wanted:
    """One job to submit."""

    action: str
    input: dict[str, Any]

    @property
    def manner(self) -> Behaviour:
        return Behaviour(self.input.get("do", Behaviour.ANSWER))


@dataclass(frozen=True)
class Promised:
    """One job that was answered with 202."""

    id: str
    wanted: Wanted


class Doors(Protocol):
    """Where jobs are submitted."""

    @property
    def api_urls(self) -> Sequence[str]:
        """The APIs, which are the same to every user."""


class Caller:
    """Asks one API, and after a failure the other one."""

    def __init__(self, cluster: Doors, token: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=10, headers=headers)
        self._urls = itertools.cycle(cluster.api_urls)
        self._url = next(self._urls)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The first answer that is neither silence nor a 5xx.

        Raises:
            CrashError: Nobody gave one for a long time.
        """
        deadline = time.monotonic() + GIVES_UP_S
        while time.monotonic() < deadline:
            try:
                answer = self._client.request(method, self._url + path, **more)
                if answer.status_code < 500:
                    return answer
            except httpx.TransportError:
                pass  # not known whether it was taken: asked again under the same key
            self._url = next(self._urls)
            time.sleep(ASKS_AGAIN_S)
        raise CrashError(f"{method} {path}: no answer for {GIVES_UP_S:g} s")

    def json(self, method: str, path: str, **more: Any) -> Any:
        answer = self.ask(method, path, **more)
        if not answer.is_success:
            raise CrashError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def close(self) -> None:
        self._client.close()


def log_in(cluster: Cluster, email: str = EMAIL) -> str:
    """The token of a user who is registered if need be."""
    caller = Caller(cluster)
    caller.ask("POST", "/auth/register", json={"email": email, "password": PASSWORD})
    token: str = caller.json("POST", "/auth/login", data={"username": email, "password": PASSWORD})["access_token"]
    caller.close()
    return token


def plan(jobs: int, rng: random.Random, provider: str, nowhere: str) -> list[Wanted]:
    """What is submitted, in order."""
    return [_wanted(number, rng, provider, nowhere) for number in range(jobs)]


def _wanted(number: int, rng: random.Random, provider: str, nowhere: str) -> Wanted:
    action = rng.choices([*MIX], [*MIX.values()])[0]
    if action == "crash.think":
        return Wanted(action, {"number": number, "takes_s": round(rng.uniform(0.02, 0.1), 3)})
    if action == START_MACRO:
        return Wanted(action, {"document": MACRO, "input": {"number": number, "provider": provider}})
    given = {"number": number, "provider": provider, "do": rng.choices([*MANNERS], [*MANNERS.values()])[0].value}
    if rng.random() < NOWHERE_SHARE:
        given["nowhere"] = nowhere
    return Wanted(action, given)


class Load:
    """Submits a plan at a steady rate from several threads.

    Args:
        keys: What the keys of its submissions begin with.

    Attributes:
        promised: Grows while it runs.
        problems: Whatever should not have been answered.
    """

    def __init__(
        self, cluster: Doors, token: str, wanted: Sequence[Wanted], jobs_per_s: float, keys: str = "job"
    ) -> None:
        self._keys = keys
        self.promised: list[Promised] = []
        self.problems: list[str] = []
        self.over = threading.Event()
        self._cluster = cluster
        self._token = token
        self._wanted = wanted
        self._every_s = 1 / jobs_per_s
        self._left: Iterator[tuple[int, Wanted]] = iter(enumerate(wanted))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(AT_ONCE)]

    def start(self) -> None:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        for thread in self._threads:
            thread.join()
        self.over.set()

    def _work(self) -> None:
        caller = Caller(self._cluster, self._token)
        while (taken := self._next()) is not None:
            number, wanted = taken
            time.sleep(max(0.0, self._began + number * self._every_s - time.monotonic()))
            try:
                self._submit(caller, number, wanted)
            except CrashError as error:
                self.problems.append(str(error))
        caller.close()

    def _next(self) -> tuple[int, Wanted] | None:
        with self._lock:
            return next(self._left, None)

    def _submit(self, caller: Caller, number: int, wanted: Wanted) -> None:
        body = {"action": wanted.action, "input": wanted.input}
        answer = caller.ask("POST", "/jobs", json=body, headers={"idempotency-key": f"{self._keys}-{number}"})
        if answer.status_code != 202:
            self.problems.append(f"submit: {answer.status_code} {answer.text[:200]}")
            return
        self.promised.append(Promised(answer.json()["id"], wanted))


@dataclass
class Watcher:
    """Follows what changed, revision by revision, and knows at the end how every job stands."""

    cluster: Cluster
    token: str
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    rev: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, after a last look at what changed meanwhile."""
        self._stop.set()
        self._thread.join(GIVES_UP_S)
        caller = Caller(self.cluster, self.token)
        while self._look(caller):
            pass
        caller.close()

    def _follow(self) -> None:
        caller = Caller(self.cluster, self.token)
        while not self._stop.wait(0.3):
            try:
                while self._look(caller) and not self._stop.is_set():
                    pass
            except CrashError as error:
                self.problems.append(str(error))
        caller.close()

    def _look(self, caller: Caller) -> int:
        page = caller.json("GET", "/jobs", params={"since": self.rev, "limit": PAGE})
        for job in page["items"]:
            if job["rev"] <= self.rev:
                self.problems.append(f"revision {job['rev']} came after {self.rev}")
            self.seen[job["id"]] = (job["state"], job["rev"])
        self.rev = page["rev"]
        return len(page["items"])
