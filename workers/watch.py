"""The watch of a worker process: renews leases, carries cancellations in, ends what runs past its deadline.

One thread, one look a second. Whatever SQL says wins: an attempt that no longer owns its job is told so and fenced off.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol
from uuid import UUID

from engine import metrics
from llmcoder.logger import get_logger
from llmcoder.moment import Moment
from llmcoder.timing import TIMING
from llmcoder.vital import vital
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs.claims import beat, is_neglected, leave, let_go, renew, show_progress, still_mine
from workers.attempt import Attempt, End

log = get_logger(__name__)

NEGLECT_S = 60.0  # jobs due for that long, with slots free, during that long: this worker consumes nothing


# A pool's child that is forked in the middle of a look would inherit SQLite's own locks, held by a thread it does not
# have, and hang at its first query.
_looking = threading.Lock()
os.register_at_fork(before=_looking.acquire, after_in_parent=_looking.release, after_in_child=_looking.release)


class WatchedProcess(Protocol):
    """What the watch needs of its process."""

    name: str
    queue: str
    lease_s: float
    slots_count: int
    known: frozenset[str]

    def running(self) -> list[Attempt]:
        """Every attempt whose ending is not written yet."""

    def overdue(self, attempt: Attempt) -> None:
        """The attempt was asked to end, had its grace, and still runs."""

    def write_again(self) -> None:
        """Try again to write endings that the database did not take."""

    def leave(self, why: str) -> None:
        """End the process, for whoever keeps it to start it anew."""

    def trouble(self) -> str | None:
        """Which of its loops get nothing done, and why."""

    @property
    def claimed_at(self) -> datetime | None:
        """When the process last claimed a job."""


class Watch:
    """Watches over one worker process.

    Args:
        beats: Whether it writes the process's heartbeat row; a pool's child leaves that to its parent.
    """

    def __init__(self, db: Database, process: WatchedProcess, *, beats: bool) -> None:
        self._db = db
        self._process = process
        self._beats = beats
        self._strangers: set[UUID] = set()
        self._asked_at: dict[tuple[UUID, int], float] = {}
        self._renewed_at = time.monotonic()
        self._beat_at = float("-inf")
        self._looked_for_neglect_at = float("-inf")
        self._neglected_since: float | None = None
        self._stop = threading.Event()
        self._thread = vital("watch", self._loop)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        try:
            metrics.flush(self._db, now=True)
            if self._beats:
                with self._db.write(durable=False) as conn:
                    leave(conn, self._process.name)
        except TRANSIENT_ERRORS as error:
            log.warning("left without saying so; the heartbeat row grows old", error=type(error).__name__)

    def _loop(self) -> None:
        while True:
            try:
                with _looking:
                    self.look()
            except TRANSIENT_ERRORS as error:
                log.warning("cannot renew leases", error=type(error).__name__)
                self._fence_if_too_late()
            except Exception:  # without this thread nothing is renewed or ended on time, so it outlives a defect
                log.exception("a look of the watch broke")
                self._fence_if_too_late()
            if self._stop.wait(TIMING.look_s):
                return

    def look(self) -> None:
        """One round."""
        running = self._process.running()
        looked = Moment.now()  # before the leases' clock is asked: a freeze in between must not add to them
        now = self._db.now()
        self._write(running, looked, now)
        with self._db.read() as conn:
            mine = still_mine(conn, self._process.name)
        self._carry_in(running, mine)
        steps: list[Callable[[], None]] = [
            lambda: self._release_strangers(running, mine, now),
            lambda: self._end_overdue(running),
            self._process.write_again,
            lambda: metrics.flush(self._db),
        ]
        if self._beats and not self._stop.is_set():
            steps.append(lambda: self._notice_neglect(now))
        for step in steps:
            self._do(step)

    def _do(self, step: Callable[[], None]) -> None:
        """One step of a look, which must not keep the others from being done."""
        try:
            step()
        except TRANSIENT_ERRORS as error:
            log.warning("a step of the watch found no database", error=type(error).__name__)
        except Exception:
            log.exception("a step of the watch broke")

    def _write(self, running: list[Attempt], looked: Moment, now: datetime) -> None:
        seen = [(one.claimed.id, one.claimed.attempt, *shown) for one in running if (shown := one.take_progress())]
        looked_at = looked.monotonic_s
        if not running:
            self._renewed_at = looked_at  # what is claimed from here on has a fresh lease
        renewing = running and looked_at - self._renewed_at > self._process.lease_s / 4
        beating = self._beats and looked_at - self._beat_at > TIMING.beat_s
        if not (seen or renewing or beating):
            return
        try:
            renewed = self._write_down(seen, now, renewing=bool(renewing), beating=beating)
        except TRANSIENT_ERRORS:
            raise
        except Exception:  # one job's progress must not cost all others their leases
            log.exception("progress could not be shown; it is dropped")
            renewed = self._write_down([], now, renewing=bool(renewing), beating=beating)
        if renewing:
            self._renewed_at = looked_at
            for attempt in running:  # those that SQL says are ours still: of another it would be a fresh lease on air
                if renewed.get(attempt.claimed.id) == attempt.claimed.attempt:
                    attempt.hold(looked, self._process.lease_s)
        if beating:
            self._beat_at = looked_at

    def _write_down(
        self, seen: list[tuple[UUID, int, float, str]], now: datetime, *, renewing: bool, beating: bool
    ) -> Mapping[UUID, int]:
        """All of it in one transaction; returns the attempts whose leases were renewed."""
        renewed: Mapping[UUID, int] = {}
        with self._db.write(durable=False) as conn:
            if renewing:
                renewed = renew(conn, self._process.name, self._process.lease_s, now)
            show_progress(conn, seen)
            if beating:
                beat(conn, self._about(), now, self._process.known)
        return renewed

    def _about(self) -> dict[str, object]:
        process = self._process
        about: dict[str, object] = {"name": process.name, "queue": process.queue, "pid": os.getpid()}
        about |= {"slots": process.slots_count, "claimed_at": process.claimed_at}
        return about | {"trouble": process.trouble()}

    def _carry_in(self, running: list[Attempt], mine: Mapping[UUID, tuple[int, bool]]) -> None:
        for attempt in running:
            owned, cancelled = mine.get(attempt.claimed.id, (None, False))
            if owned != attempt.claimed.attempt:
                attempt.ask_to_end(End.LOST)
            elif cancelled:
                attempt.ask_to_end(End.CANCELLED)
            else:
                attempt.should_end()  # notices the deadline

    def _release_strangers(self, running: list[Attempt], mine: Mapping[UUID, tuple[int, bool]], now: datetime) -> None:
        """Let go of what SQL says is ours and we know nothing of: a claim whose commit's answer was lost.

        The dispatcher decides about it as about any expired lease, since it may be armed.
        """
        strangers = set(mine) - {attempt.claimed.id for attempt in running}
        forgotten = strangers & self._strangers
        self._strangers = strangers
        if forgotten:
            with self._db.write(durable=False) as conn:
                let_go(conn, self._process.name, sorted(forgotten), now)

    def _end_overdue(self, running: list[Attempt]) -> None:
        asked: dict[tuple[UUID, int], float] = {}
        for attempt in running:
            if attempt.end is None or attempt.started_at is None:
                continue
            key = (attempt.claimed.id, attempt.claimed.attempt)
            asked[key] = self._asked_at.get(key, time.monotonic())
            if time.monotonic() - asked[key] > TIMING.grace_s:
                self._do(partial(self._process.overdue, attempt))
        self._asked_at = asked

    def _notice_neglect(self, now: datetime) -> None:
        if time.monotonic() - self._looked_for_neglect_at < TIMING.beat_s:
            return
        self._looked_for_neglect_at = time.monotonic()
        with self._db.read() as conn:
            due_before = now - timedelta(seconds=NEGLECT_S)
            neglected = is_neglected(conn, self._process.queue, self._process.known, due_before, now)
        if not neglected:
            self._neglected_since = None
        elif self._neglected_since is None:
            self._neglected_since = time.monotonic()
        elif time.monotonic() - self._neglected_since > NEGLECT_S:
            self._process.leave("jobs are due and slots are free, and yet nothing is claimed")

    def _fence_if_too_late(self) -> None:
        """Leases that could not be renewed in time are another's by now, whatever SQL would say."""
        if time.monotonic() - self._renewed_at > self._process.lease_s * 0.75:
            for attempt in self._process.running():
                attempt.ask_to_end(End.LOST)
