"""What a worker process is made of: database, ledger, outbox, events, watch and, for io, the slots."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from engine import metrics
from engine.account_access import StoredConnection
from engine.accounts import Accounts
from engine.duties import Duties
from engine.outbox import Outbox
from engine.verdict import MAX_LOSSES
from llmcoder import strict_json
from llmcoder.config import config
from llmcoder.declare.action import Queue
from llmcoder.logger import get_logger
from llmcoder.moment import Moment
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from llmcoder.states import Reason, State
from llmcoder.timing import TIMING
from llmcoder.vital import vital
from llmcoder.wakeup import Wakeup
from models.db.database import TRANSIENT_ERRORS, Database
from models.db.group_commit import Closed
from models.jobs import rates
from models.jobs.claims import Claimed
from models.jobs.machine import Move
from workers.attempt import Attempt, End
from workers.context import JobContext
from workers.events import Events
from workers.execute import Ending, execute, given_back, not_loaded, past_deadline
from workers.ledger import Answer, Ledger
from workers.slots import Slots
from workers.unwritable import bare
from workers.watch import Watch

if TYPE_CHECKING:
    from celery import Celery

log = get_logger(__name__)

EXIT_REPLACE_ME = 75
#: An ending that the database keeps refusing while it takes others, one try a second, is refused for what it holds.
MOST_TRIES = 60


@dataclass(frozen=True, slots=True)
class Unwritten:
    """An ending that is not in SQL yet.

    Attributes:
        since: Monotonic; when it was first handed in.
        is_bare: Its own words were left out already.
    """

    attempt: Attempt
    move: Move
    since: float
    tries: int = 0
    is_bare: bool = False


class Runtime:
    """One process that runs jobs.

    Args:
        queue: Which jobs.
        beats: Whether it writes the heartbeat row of its own name.
    """

    def __init__(self, app: Celery, queue: Queue, *, beats: bool) -> None:
        settings = config().get(EngineSettings)
        self.queue = queue.value
        self.name = f"{queue.value}@{socket.gethostname()}:{os.getpid()}:{time.time_ns() // 1_000_000 % 10**9}"
        self.lease_s = float(settings.lease_s)
        self.slots_count = settings.io_slots if queue is Queue.IO else 1
        self.known = frozenset(registry())
        self.claimed_at: datetime | None = None
        self._max_result_bytes = settings.max_result_bytes
        self.db = Database(settings.database_url)
        self.outbox = Outbox(settings.broker_url, settings.redis_url, settings.doorbell_window)
        self.accounts = Accounts(self.db, self.outbox, registry())
        self.duties = Duties()
        self.ledger = Ledger(
            self.db, self.outbox, self.name, self.queue, self.lease_s, registry().rates, self._runs_suspect, self.known
        )
        self.events = Events(app, f"{queue.value}@{socket.gethostname()}")
        self.watch = Watch(self.db, self, beats=beats)
        self.slots: Slots | None = None
        if queue is Queue.IO:
            self.slots = Slots(self.slots_count, self.ledger, self.run, self.admit, self.duties)
        self._running: dict[tuple[UUID, int], Attempt] = {}
        self._unwritten: list[Unwritten] = []
        self._written_at = float("-inf")
        self._leaving = False
        self._in_pool = not beats
        self._told_to_end = Wakeup()
        self._lock = threading.Lock()

    def start(self) -> None:
        self.outbox.start()
        self.ledger.start()
        self.events.start()
        self.watch.start()
        if self.slots is not None:
            self.slots.start()
        if self._in_pool:
            vital("give-back", self._give_back_when_told).start()

    def stop(self) -> None:
        """Finish what runs, within a few seconds; give back the rest, so that no job waits for its lease to run out."""
        if self.slots is not None and not self.slots.drain(TIMING.drain_s):
            log.warning("stopping with jobs under way; they are given back", jobs=self.slots.busy)
        self._give_back_rest()
        self.watch.close()
        self.ledger.close()
        self.outbox.close()
        self.events.close()
        self.db.close()

    def finish_or_give_back(self) -> None:
        """In a pool's child whose worker stops: let the job end within a few seconds, or give it back and end.

        For a signal handler, which may come amid anything, itself included: it starts no thread and takes no lock.
        """
        self._told_to_end.set()

    def _give_back_when_told(self) -> None:
        """Looks again and again: a job may be claimed by then, and not yet be known to run."""
        self._told_to_end.wait()
        deadline = time.monotonic() + TIMING.drain_s
        while time.monotonic() < deadline or not self.running():
            time.sleep(0.05)
        log.warning("stopping with a job under way; it is given back")
        self._give_back_rest()
        self.ledger.close()
        self.outbox.close(1.0)
        os._exit(0)

    # --- running

    def admit(self, claimed: Claimed) -> Attempt:
        """Register a claimed job with the watch."""
        # not loaded here: that may take long, and whoever admits has others to admit
        facts = registry().facts.get(claimed.action)
        timeout_s = None if facts is None else facts.timeout_s
        attempt = Attempt(claimed, registry().loaded(claimed.action), timeout_s)
        admitted = Moment.now()
        since_claim_s = max(0.0, (self.db.now() - claimed.started_at).total_seconds())  # the clock may be set back
        attempt.hold(admitted, self.lease_s - since_claim_s)
        with self._lock:
            self._running[claimed.id, claimed.attempt] = attempt
        self.claimed_at = claimed.started_at
        self.events.claimed(claimed)
        waited = claimed.started_at - max(claimed.due_at, claimed.created_at)
        metrics.started(claimed.action, max(0.0, waited.total_seconds()))
        return attempt

    def run(self, attempt: Attempt) -> None:
        """Run an attempt and hand its ending to the ledger; whoever settles it first writes it."""
        try:
            ending = self._execute(attempt)
            if not attempt.settle():
                return
            if ending is None:
                self._forget(attempt)
            else:
                self._end_soon(attempt, ending)
        except Exception:
            # a defect of ours: the watch lets the job go, and the dispatcher decides about it as about a dead worker's
            log.exception("an attempt could not be ended", job=str(attempt.claimed.id))
            self._forget(attempt)

    def _execute(self, attempt: Attempt) -> Ending | None:
        """How the attempt ended; None when that is not for us to say.

        A lost attempt was made to end by us, so what it raised says nothing about its job: should the row still be
        ours, the watch lets it go and the dispatcher decides. What it achieved all the same is written, if SQL agrees.
        """
        if attempt.lost:
            return None
        try:
            attempt.action = registry().get(attempt.claimed.action)
        except Exception as error:  # another package's code, which runs while it is imported
            log.exception("an action cannot be loaded", action=attempt.claimed.action)
            return not_loaded(attempt, error)
        ctx = JobContext(attempt, self.ledger, self.outbox, self._pause, self.db)
        try:
            ending = execute(attempt, ctx, self.db, self._max_result_bytes)
        finally:
            ctx.close()
        if ending.move.reason is Reason.RECONNECT and (refused := ctx.refused()) is not None:
            self._declare_broken(refused, str(ending.move.values["error"]))
        achieved = ending.move.to is State.SUCCEEDED
        return ending if achieved or not attempt.lost else None

    def run_here(self, job_id: UUID) -> None:
        """Claim a job and run it in this thread, to its written ending; for the heavy pool."""
        for claimed in self.ledger.claim(job_id):
            attempt = self.admit(claimed)
            attempt.start()
            self.run(attempt)
            self._wait_until_written(attempt)

    def _end_soon(self, attempt: Attempt, ending: Ending) -> None:
        if ending.limited is not None:
            self._pause(*ending.limited)
        self._write(attempt, ending.move)

    def _write(self, attempt: Attempt, move: Move) -> None:
        self._hand_in(Unwritten(attempt, move, time.monotonic()))

    def _hand_in(self, ending: Unwritten) -> None:
        self.ledger.end_soon(ending.move, lambda answer: self._written(ending, answer))

    def _written(self, ending: Unwritten, answer: Answer | BaseException) -> None:
        attempt, move = ending.attempt, ending.move
        if isinstance(answer, BaseException):
            self._not_written(ending, answer)
            return
        self._written_at = time.monotonic()
        self._forget(attempt)
        if answer is True:
            self.events.ended(attempt.claimed, move.to, attempt.ran_s)
            metrics.ended(attempt.claimed.action, move.to.value, attempt.ran_s)
        else:
            log.info(
                "an attempt had lost its job; its ending was not written", job=str(move.job_id), attempt=move.attempt
            )

    def _not_written(self, ending: Unwritten, error: BaseException) -> None:
        """Keep it while the database is away. One that will never be taken ends the job without its own words."""
        job = str(ending.move.job_id)
        passes = isinstance(error, (*TRANSIENT_ERRORS, Closed))
        if passes and not (ending.tries >= MOST_TRIES and self._written_at > ending.since):
            log.warning("an ending is kept until the database takes it", job=job, error=type(error).__name__)
            with self._lock:
                self._unwritten.append(replace(ending, tries=ending.tries + 1))
        elif not ending.is_bare:
            log.error("an ending cannot be written; the job ends without it", job=job, kind=type(error).__name__)
            move = bare(ending.attempt, ending.move, error)
            self._hand_in(Unwritten(ending.attempt, move, time.monotonic(), is_bare=True))
        else:
            log.error("no ending can be written; the job is released", job=job, kind=type(error).__name__)
            self._forget(ending.attempt)  # the watch lets it go, and the dispatcher decides as about a dead worker's

    def _wait_until_written(self, attempt: Attempt) -> None:
        key = (attempt.claimed.id, attempt.claimed.attempt)
        while key in self._running and not attempt.lost:
            time.sleep(0.002)

    def _forget(self, attempt: Attempt) -> None:
        with self._lock:
            self._running.pop((attempt.claimed.id, attempt.claimed.attempt), None)

    def _pause(self, provider: str, account: str, until: datetime) -> None:
        """Have every worker wait for a provider."""
        try:
            with self.db.write(durable=False) as conn:
                rates.block(conn, (provider, account), until)
        except Exception as error:  # noqa: BLE001  a job that was refused waits all the same, whatever it named
            log.warning("a rate limit could not be shared", provider=provider[:60], error=type(error).__name__)

    def _declare_broken(self, connection: StoredConnection[Any], error: str) -> None:
        """Before the attempt's own ending: what waits for a reconnect while its account works is let go again."""
        try:
            self.accounts.broken(
                connection.stored.id, connection.version, str(strict_json.read_lenient(error)["detail"])
            )
        except Exception as failed:  # noqa: BLE001  the attempt's own ending says it too, and must be written
            log.warning("a broken account could not be written down", error=type(failed).__name__)

    def _runs_suspect(self) -> bool:
        return any(attempt.claimed.losses >= MAX_LOSSES - 1 for attempt in self.running())

    # --- what the watch asks for

    def trouble(self) -> str | None:
        return self.duties.trouble()

    def running(self) -> list[Attempt]:
        with self._lock:
            return list(self._running.values())

    def overdue(self, attempt: Attempt) -> None:
        """End an attempt that does not end itself: by its verdict in SQL, and by its thread's or process's loss."""
        now = self.db.now()
        if not attempt.settle():
            return  # it just ended by itself, or its ending waits for the database
        if attempt.lost:
            self._forget(attempt)
        else:
            self._write(attempt, past_deadline(attempt, now))
        if self.slots is None:
            self._end_process(attempt)
        elif self.slots.write_off(attempt):
            log.warning("an action did not end; its slot is written off", job=str(attempt.claimed.id))
            if attempt.armed and attempt.action is not None and not attempt.action.repeatable:
                self.leave("an action that did not end may still have its effect")  # only its process's end stops it
            self._replace_if_worn()

    def write_again(self) -> None:
        with self._lock:
            waiting, self._unwritten = self._unwritten, []
        for ending in waiting:
            self._hand_in(ending)  # also of a lost attempt: SQL knows whether it is lost

    def _end_process(self, attempt: Attempt) -> None:
        """The heavy pool's way: the process goes, Celery makes a new one."""
        deadline = time.monotonic() + 2.0
        while attempt in self.running() and time.monotonic() < deadline:
            time.sleep(0.01)
        log.warning("an action did not end; its process is ended", job=str(attempt.claimed.id))
        self.outbox.close(1.0)
        os.kill(os.getpid(), 9)

    def _replace_if_worn(self) -> None:
        assert self.slots is not None
        if self.slots.written_off * 2 >= self.slots.size:
            self.leave("too many slots are lost")

    def leave(self, why: str) -> None:
        """Finish or give back what runs, then end the process; whoever keeps it starts it anew."""
        if self._leaving:
            return
        self._leaving = True
        log.error("this worker leaves and is replaced", why=why)
        vital("leave", self._leave).start()

    def _leave(self) -> None:
        try:
            self.stop()
        finally:
            os._exit(EXIT_REPLACE_ME)

    def _give_back_rest(self) -> None:
        now = self.db.now()
        for attempt in self.running():
            if attempt.settle():
                attempt.ask_to_end(End.LOST)
                self._write(attempt, given_back(attempt, now))
