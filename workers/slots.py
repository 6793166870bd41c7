"""The io pool: slot threads, and the pull that keeps them busy.

A doorbell waits in its Celery thread for a free slot, then claims the job whose turn it is. As soon as the queue holds
more due jobs than there are free slots, doorbells stand back and the pull claims whole batches straight from SQL, in
order; a claim in a batch costs a tenth of a Celery message. A slot whose action does not come back is written off and
replaced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from uuid import UUID

from engine.duties import Duties
from llmcoder.logger import get_logger
from llmcoder.timing import TIMING
from llmcoder.vital import vital
from llmcoder.wakeup import Wakeup
from models.db.database import TRANSIENT_ERRORS
from models.jobs.claims import Claimed
from workers.attempt import Attempt
from workers.ledger import Ledger

log = get_logger(__name__)

REST_AFTER_FAILURE_S = 0.5
PULL = "pull"
SHORT_RUN_S = 0.05
READY_JOBS = 64  # claimed ahead of free slots while jobs are short, so that slots need not wait for a commit


class Slots:
    """Runs attempts in a fixed number of threads.

    Args:
        size: Jobs that run at once.
        ledger: Where jobs are claimed.
        run: Runs one attempt to its written ending; must not raise.
        admit: Makes an attempt of a claimed job and registers it with the watch.
        duties: Where the pull says how it goes.
    """

    def __init__(
        self,
        size: int,
        ledger: Ledger,
        run: Callable[[Attempt], None],
        admit: Callable[..., Attempt],
        duties: Duties | None = None,
    ) -> None:
        self.size = size
        self._duties = duties or Duties()
        self._duties.add(PULL, TIMING.idle_look_s)
        self.written_off = 0
        self._ledger = ledger
        self._run = run
        self._admit = admit
        self._ready: SimpleQueue[Attempt | None] = SimpleQueue()
        self._open = 0  # claimed and not ended, written-off ones not counted
        self._changed = threading.Condition()
        self._poked = Wakeup()
        self._saturated = False
        self._stopping = False
        self._run_s = SHORT_RUN_S
        self._pull_thread = vital("pull", self._pull_loop)

    def start(self) -> None:
        for number in range(self.size):
            self._add_slot(number)
        self._pull_thread.start()

    def offer(self, job_id: UUID) -> None:
        """A doorbell: claim a job once a slot is free. Returns when one runs, or none is this process's to run."""
        while not self._stopping:
            if self._saturated:
                self._poked.set()
                with self._changed:
                    self._changed.wait_for(lambda: not self._saturated or self._stopping, TIMING.stand_back_s)
            if self._reserve(wait_s=TIMING.stand_back_s):
                return self._claim(job_id)

    def write_off(self, attempt: Attempt) -> bool:
        """Give a new thread the slot of an attempt that does not come back; False when it just came back."""
        if not attempt.free_slot():
            return False
        self.written_off += 1
        self._add_slot(self.size + self.written_off)
        self._ended()
        return True

    def stop_taking(self) -> None:
        """Claim nothing more; doorbells that wait for a slot return. For a signal's handler, too."""
        self._stopping = True
        self._poked.set()
        with self._changed:
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Claim nothing more and wait until everything that runs has ended; False when the time ran out."""
        self.stop_taking()
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, timeout_s)

    @property
    def busy(self) -> int:
        return self._open

    def _add_slot(self, number: int) -> None:
        vital(f"slot-{number}", self._slot_loop).start()

    def _slot_loop(self) -> None:
        while True:
            attempt = self._ready.get()
            if attempt is None:
                return
            try:
                attempt.start()
                self._run(attempt)
            except Exception:  # the watch lets the job go; the slot is for the next one
                log.exception("a slot's attempt broke", job=str(attempt.claimed.id))
            self._run_s += 0.1 * (attempt.ran_s - self._run_s)
            if not attempt.free_slot():
                return  # this slot was written off meanwhile, and another thread has its place
            self._ended()

    def _ended(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()
        self._poked.set()

    def _reserve(self, wait_s: float) -> bool:
        with self._changed:
            free = self._changed.wait_for(lambda: self._open < self.size and not self._saturated, wait_s)
            if not free or self._stopping:
                return False
            self._open += 1
            return True

    def _give_back(self, number: int) -> None:
        with self._changed:
            self._open -= number
            self._changed.notify_all()

    def _claim(self, job_id: UUID) -> None:
        claimed = []
        try:
            # whose turn it is, whatever the doorbell names: many of one user's may come before another's first;
            # the named one where the next may not run yet, for its provider's rate or for the workers that it cost
            claimed = self._ledger.claim_next(1) or self._ledger.claim(job_id)
        except TRANSIENT_ERRORS:
            return  # the row is still queued, and the dispatcher rings again
        finally:
            if not claimed:
                self._give_back(1)
        self._begin(claimed)

    def _begin(self, claimed: Sequence[Claimed]) -> None:
        for job in claimed:
            try:
                self._ready.put(self._admit(job))
            except Exception:  # neither its slot nor the others of its batch are lost; the watch lets the job go
                log.exception("a claimed job could not be begun", job=str(job.id))
                self._give_back(1)

    def _pull_loop(self) -> None:
        while not self._stopping:
            self._poked.wait(TIMING.idle_look_s)
            try:
                while not self._stopping and self._pull():
                    pass
            except TRANSIENT_ERRORS as error:
                log.warning("cannot look for due jobs", error=type(error).__name__)
                self._duties.badly(PULL, error)
                time.sleep(REST_AFTER_FAILURE_S)
            except Exception as error:  # without this thread no queue moves at saturation, so it outlives a defect
                log.exception("the look for due jobs broke")
                self._duties.badly(PULL, error)
                time.sleep(REST_AFTER_FAILURE_S)
            else:
                self._duties.well(PULL)

    def _pull(self) -> bool:
        """Claim a batch; True when there may be more."""
        wanted = self._reserve_batch()
        if wanted == 0:
            return False
        claimed = []
        try:
            claimed = self._ledger.claim_next(wanted)
        finally:
            self._give_back(wanted - len(claimed))
            self._set_saturated(len(claimed) == wanted)
        self._begin(claimed)
        return self._saturated

    def _reserve_batch(self) -> int:
        ahead = READY_JOBS if self._run_s < SHORT_RUN_S else 0
        with self._changed:
            room = self.size + ahead - self._open
            worth_it = room >= max(1, (self.size + ahead) // 4) or self._open < self.size
            wanted = room if worth_it and not self._stopping else 0
            self._open += wanted
            return wanted

    def _set_saturated(self, saturated: bool) -> None:
        with self._changed:
            self._saturated = saturated
            self._changed.notify_all()
