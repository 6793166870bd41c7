"""`make fuzz`: one user sends 10,000 hostile things to a running engine while another one does the usual.

Macros, templates of webhooks with calls, and JSON values, by chance and by a seed. Afterwards: how long the other
user's jobs, macros, schedules and webhooks took before and meanwhile, and the peak of each process's memory. It holds
if every accepted job came to an end, no answer was a 5xx but 503, no process and no thread of ours was lost, no log has
a traceback, and the other user noticed nothing.
`ARGS="--cases 500 --seed 7 --store postgresql"` is a short one; `--write` keeps the table in docs/fuzz.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from models.accounts.tables import users
from models.db.database import Database
from models.jobs.tables import jobs
from tests.crash.checker import ENDED
from tests.crash.client import Caller, log_in
from tests.crash.cluster import EMAIL, ROOT, Cluster, remove
from tests.crash.hostile import JSON, KEPT_MACRO, SELF_STARTING, WEBHOOK, WIRE, Case, Hostile
from tests.crash.neighbour import Neighbour, Times
from tests.crash.processes import forget_peaks, lasting_threads, lost_threads, peaks_mb, tracebacks
from tests.crash.stores import STORES, Store

PAGE = ROOT / "docs" / "fuzz.md"
CASES, CASES_PER_S, AT_ONCE = 10_000, 40.0, 4
QUIET_S = 30.0
ANSWERED_WITHIN_S = 30.0
ENDED_WITHIN_S = 600.0
#: What the other user may notice at most, in 95 of 100 cases; without a bound on turns and values it was minutes.
USUAL_WITHIN_S = 5.0
#: Of any process; without a bound on values they took up to 21 GB.
MOST_MB = 700
WIRE_ANSWERS_WITHIN_S = 0.3
MOST_HALF_SENT = 100
CLOSED = 0
HOSTILE_EMAIL = "fuzz@example.org"


@dataclass
class Answers:
    """What the engine said to one kind of case."""

    statuses: Counter[int] = field(default_factory=Counter)
    longest_s: float = 0.0


@dataclass
class Report:
    """What was seen.

    Attributes:
        before, during: The other user's times, by what is done.
        peaks: By process: the peak of its memory before and meanwhile, in MiB.
        states: Of the hostile user's jobs.
    """

    store: str
    seed: int
    cases: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Answers] = field(default_factory=dict)
    before: dict[str, Times] = field(default_factory=dict)
    during: dict[str, Times] = field(default_factory=dict)
    peaks: dict[str, tuple[int, int]] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.problems


def fuzz(store: Store, cases: int, seed: int, *, quiet_s: float = QUIET_S) -> tuple[Report, Path]:
    """Run it; returns what was seen, and the folder with the logs, which stays where something did not hold."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.chmod(0o755)
    report = Report(store.name, seed)
    with closing(Cluster(store, folder, copies=1)) as cluster:
        cluster.start()
        with closing(cluster.database()) as db:
            _Fuzz(cluster, db, report).run(cases, quiet_s)
    if report.holds:
        remove(folder)
    return report, folder


class _Fuzz:
    def __init__(self, cluster: Cluster, db: Database, report: Report) -> None:
        self._cluster, self._db, self._report = cluster, db, report
        self._lock = threading.Lock()
        self._half_sent: deque[socket.socket] = deque(maxlen=MOST_HALF_SENT)  # who falls out is closed

    def run(self, cases: int, quiet_s: float) -> None:
        token = log_in(self._cluster, HOSTILE_EMAIL)
        self._keep_self_starting(token)
        neighbour = Neighbour(self._cluster, log_in(self._cluster, EMAIL))
        neighbour.start()
        time.sleep(quiet_s / 3)  # everything is loaded and connected
        threads = lasting_threads(self._cluster)
        forget_peaks(self._cluster)
        began = self._now()
        time.sleep(quiet_s)
        attacked, peaks = self._now(), peaks_mb(self._cluster)
        forget_peaks(self._cluster)
        self._attack(token, cases)
        in_time = self._wait_until_ended()
        ended = self._now()
        neighbour.stop()
        report = self._report
        report.seconds = ended[1] - attacked[1]
        report.before = neighbour.took(self._db, began, attacked)
        report.during = neighbour.took(self._db, attacked, ended)
        report.peaks = {name: (peaks.get(name, 0), peak) for name, peak in peaks_mb(self._cluster).items()}
        report.problems += neighbour.problems[:20]
        self._judge(threads, in_time)

    def _now(self) -> tuple[datetime, float]:
        return self._db.now(), time.monotonic()

    def _keep_self_starting(self, token: str) -> None:
        step = {
            "id": "again", "action": "tasks.start_macro", "foreach": "${{ `[1, 2, 3, 4, 5, 6, 7, 8]` }}",
            "with": {"macro": SELF_STARTING}, "on_error": "continue",
        }  # fmt: skip
        with closing(Caller(self._cluster, token)) as caller:
            caller.json("POST", "/macros", json={"name": SELF_STARTING, "steps": [step]})

    # --- the attack

    def _attack(self, token: str, cases: int) -> None:
        """At a steady rate, so that it is what is sent that hurts and not how much."""
        hostile = Hostile(self._report.seed)
        left = iter([(number, hostile.case()) for number in range(cases)])
        began = time.monotonic()
        threads = [threading.Thread(target=self._send, args=(token, left, began), daemon=True) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, token: str, left: Any, began: float) -> None:
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=self._cluster.api_urls[0], headers=headers, timeout=ANSWERED_WITHIN_S) as client:
            while (taken := self._next(left)) is not None:
                number, case = taken
                time.sleep(max(0.0, began + number / CASES_PER_S - time.monotonic()))
                with self._lock:
                    self._report.cases[case.kind] += 1
                self._try(client, case)

    def _next(self, left: Any) -> tuple[int, Case] | None:
        with self._lock:
            taken: tuple[int, Case] | None = next(left, None)
            return taken

    def _try(self, client: httpx.Client, case: Case) -> None:
        if case.kind == KEPT_MACRO:
            kept = self._ask(client, case.kind, "POST", "/macros", case.body, case.content_type)
            if kept is not None and kept.status_code == 201:
                given = json.dumps({"action": "tasks.start_macro", "input": {"macro": kept.json()["name"]}})
                self._ask(client, case.kind, "POST", "/jobs", given)
                self._ask(client, case.kind, "DELETE", f"/macros/{kept.json()['id']}", "")
        elif case.kind == WEBHOOK:
            made = self._ask(client, case.kind, "POST", "/hooks", case.body)
            if made is not None and made.status_code == 201:
                for body, content_type in case.calls:
                    token = {"x-webhook-token": made.json()["secret"]}
                    self._ask(client, case.kind, "POST", made.json()["path"], body, content_type, **token)
                self._ask(client, case.kind, "DELETE", f"/hooks/{made.json()['id']}", "")
        elif case.kind == WIRE:
            self._write_bytes(case)
        else:
            self._ask(client, case.kind, "POST", "/jobs", case.body)

    def _ask(
        self,
        client: httpx.Client,
        kind: str,
        method: str,
        path: str,
        body: str,
        content_type: str = JSON,
        **headers: str,
    ) -> httpx.Response | None:
        began = time.monotonic()
        content = body.encode("utf-8", "surrogatepass")
        try:
            answer = client.request(method, path, content=content, headers={"content-type": content_type, **headers})
        except httpx.TransportError as error:
            self._problem(f"{kind}: {method} {path}: {type(error).__name__}: {body[:500]}")
            return None
        with self._lock:
            answers = self._report.answers.setdefault(kind, Answers())
            answers.statuses[answer.status_code] += 1
            answers.longest_s = max(answers.longest_s, time.monotonic() - began)
        if answer.status_code >= 500 and answer.status_code != 503:
            self._problem(f"{kind}: {method} {path}: {answer.status_code} {answer.text[:200]}: {body[:500]}")
        elif answer.status_code >= 400 and "problem+json" not in answer.headers.get("content-type", ""):
            self._problem(f"{kind}: {method} {path}: {answer.status_code} is no problem document: {body[:500]}")
        return answer

    def _write_bytes(self, case: Case) -> None:
        """On a connection of its own, which stays open where the engine waits for more."""
        connection = socket.create_connection(("127.0.0.1", self._cluster.ports[0]), timeout=WIRE_ANSWERS_WITHIN_S)
        try:
            connection.sendall(case.body.encode("latin-1"))
            status = connection.recv(65_536).partition(b" ")[2][:3]
        except TimeoutError:
            self._half_sent.append(connection)
            return
        except OSError:
            status = b""  # it was closed in the middle of what nobody wants to read
        connection.close()
        if status.startswith(b"5") and status != b"503":
            self._problem(f"{case.kind}: {status!r}: {case.body[:200]!r}")
        with self._lock:
            answers = self._report.answers.setdefault(case.kind, Answers())
            answers.statuses[int(status) if status.isdigit() else CLOSED] += 1

    def _problem(self, text: str) -> None:
        with self._lock:
            self._report.problems.append(text)

    # --- afterwards

    def _hostile(self) -> sa.ColumnElement[bool]:
        return jobs.c.user_id == sa.select(users.c.id).where(users.c.email == HOSTILE_EMAIL).scalar_subquery()

    def _wait_until_ended(self) -> bool:
        deadline = time.monotonic() + ENDED_WITHIN_S
        open_jobs = sa.select(sa.func.count()).where(self._hostile(), jobs.c.state.not_in(ENDED))
        while time.monotonic() < deadline:
            with self._db.read() as conn:
                if conn.execute(open_jobs).scalar_one() == 0:
                    return True
            time.sleep(0.5)
        return False

    def _judge(self, threads: set[str], in_time: bool) -> None:
        report = self._report
        of_state = sa.select(jobs.c.state, sa.func.count()).where(self._hostile()).group_by(jobs.c.state)
        with self._db.read() as conn:
            rows: list[Any] = conn.execute(of_state).all()
            left = sa.select(jobs.c.id, jobs.c.action, jobs.c.state, jobs.c.reason, jobs.c.parent_id)
            still = conn.execute(left.where(self._hostile(), jobs.c.state.not_in(ENDED)).limit(5)).all()
        report.states = Counter(dict(rows))
        if not in_time:
            report.problems.append(f"jobs without an end after {ENDED_WITHIN_S:g} s, such as {still}")
        report.problems += [f"{part.name} died: {dict(part.deaths)}" for part in self._cluster.named("") if part.deaths]
        report.problems += [] if threads else ["no thread was seen before, so none can be missed"]
        report.problems += [f"a thread is gone: {one}" for one in sorted(lost_threads(self._cluster, threads))]
        ready = httpx.get(f"{self._cluster.api_urls[0]}/health/ready", timeout=ANSWERED_WITHIN_S)
        if ready.status_code != 200:
            report.problems.append(f"not ready afterwards: {ready.text[:500]}")
        report.problems += tracebacks(self._cluster)
        report.problems += [f"{name} took {most} MB" for name, (_, most) in report.peaks.items() if most > MOST_MB]
        for what, took in report.during.items():
            if not took.number:
                report.problems.append(f"{what}: never happened meanwhile")
            elif took.usual_s > USUAL_WITHIN_S:
                report.problems.append(f"{what}: usually {took.usual_s:.1f} s, of {took.number}")


# --- the table


def table(report: Report) -> str:
    """What was seen, for a terminal and for docs/fuzz.md."""
    lines = ["| the other user | before: median, 95 %, longest (s) | meanwhile | number |", "|---|--:|--:|--:|"]
    for what, now in report.during.items():
        lines.append(f"| {what} | {_three(report.before[what])} | {_three(now)} | {now.number} |")
    lines += ["", "| process | peak before (MB) | meanwhile |", "|---|--:|--:|"]
    lines += [f"| {name} | {before} | {most} |" for name, (before, most) in sorted(report.peaks.items())]
    lines += ["", "| sent | cases | answers | longest (s) |", "|---|--:|---|--:|"]
    for kind, answers in sorted(report.answers.items()):
        counts = ", ".join(f"{status or 'closed'}: {number:,}" for status, number in sorted(answers.statuses.items()))
        lines.append(f"| {kind} | {report.cases[kind]:,} | {counts} | {answers.longest_s:.2f} |")
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(report.states.items()))
    return "\n".join(
        [*lines, "", f"Its {report.states.total():,} jobs: {states}. {report.seconds:.0f} s, seed {report.seed}.", ""]
    )


def _three(took: Times) -> str:
    return f"{took.median_s:.2f}, {took.most_s:.2f}, {took.longest_s:.2f}"


def page(reports: list[Report]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    parts = "\n".join(f"## {report.store}\n\n{table(report)}" for report in reports)
    total = sum(reports[0].cases.values())
    return _PAGE.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}", machine=machine, parts=parts, cases=f"{total:,}", rate=f"{CASES_PER_S:g}"
    )


_PAGE = """# Fuzz

Written by `make fuzz ARGS=--write` on {date}, on {machine}. Do not edit it.

One user sends {cases} hostile things, {rate} a second, to an engine of one API, one io worker and one scheduler:
macros, macros in YAML, templates of webhooks with three calls each, JSON values, and heads and bodies that are no HTTP,
too large or never end; expressions that fail or double what they read, numbers that are none, half surrogates, NUL,
20,000 levels, macros that start themselves, results that no writer of JSON takes. Another user's jobs, macros, schedule
and webhooks are timed before and meanwhile. Every job of the first came to an end, no answer was a 5xx but 503, no
process and no thread of ours was lost, and no log has a traceback.

{parts}"""


def main() -> int:
    asked = _arguments()
    reports = []
    with tempfile.TemporaryDirectory(prefix="crash-stores-") as folder:
        for name in [asked.store] if asked.store else STORES:
            report, logs = fuzz(STORES[name](Path(folder)), asked.cases, asked.seed)
            reports.append(report)
            sys.stdout.write(f"{report.store}\n\n{table(report)}\n")
            sys.stdout.write(
                "".join(
                    f"{problem}\n" for problem in [*report.problems[:60], *([f"logs: {logs}"] * (not report.holds))]
                )
            )
            sys.stdout.flush()
    held = all(report.holds for report in reports)
    if asked.write and held:
        PAGE.write_text(page(reports))
    return 0 if held else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--store", choices=[*STORES], help="one of them instead of both")
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--write", action="store_true", help="keep the table in docs/fuzz.md, where everything held")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
