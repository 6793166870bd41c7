"""One running attempt, as the threads of a worker process share it: the one that runs and the one that watches."""

from __future__ import annotations

import threading
import time
from enum import StrEnum

from llmcoder.errors import ActionError, Cancelled, TimedOut
from llmcoder.moment import Moment
from llmcoder.provenance import Trail
from llmcoder.registry import AnyAction
from models.jobs.claims import Claimed


class End(StrEnum):
    """Why an attempt should end before its action returns."""

    CANCELLED = "cancelled"  # somebody asked for it
    TIMED_OUT = "timed_out"  # past its deadline
    LOST = "lost"  # the lease is another's by now; nothing of this attempt counts any more


class Attempt:
    """The shared state of one attempt.

    Args:
        claimed: The job as it was claimed.
        action: Its action; None when no installed package declares it, and until the thread that runs it has loaded it.
        timeout_s: How long it may take; as the action says when not given.
    """

    def __init__(self, claimed: Claimed, action: AnyAction | None, timeout_s: float | None = None) -> None:
        self.claimed = claimed
        self.action = action
        self._timeout_s = timeout_s
        self.armed = claimed.armed_at is not None
        self.confirmed = False  # what this attempt has armed has happened, as the provider's answer says
        self.trail = Trail(claimed.id, claimed.taint)
        self.started_at: float | None = None  # monotonic; None while it waits for a slot
        self.lease: tuple[Moment, float] | None = None  # since when, for how many seconds; then it may be another's
        self.in_doubt = False  # an earlier attempt may have had the effect, and it is repeated all the same
        self.settled = False  # its ending was written, by whoever came first
        self._started: Moment | None = None
        self._ending = threading.Event()
        self._end: End | None = None
        self._lock = threading.Lock()
        self._progress: tuple[float, str] | None = None
        self._showed = False
        self._has_slot = True

    @property
    def timeout_s(self) -> float:
        if self._timeout_s is not None:
            return self._timeout_s
        return self.action.timeout_s if self.action is not None else 1.0

    @property
    def ran_s(self) -> float:
        return 0.0 if self.started_at is None else time.monotonic() - self.started_at

    @property
    def remaining_s(self) -> float:
        return self.timeout_s - self.ran_s

    @property
    def end(self) -> End | None:
        return self._end

    @property
    def lost(self) -> bool:
        return self._end is End.LOST

    def start(self) -> None:
        self._started = Moment.now()
        self.started_at = self._started.monotonic_s

    def hold(self, since: Moment, lease_s: float) -> None:
        """The lease lasts so long.

        Args:
            since: Taken before the clock by which the lease was written, so that we never believe in it for longer.
        """
        self.lease = (since, lease_s)

    def may_send(self) -> bool:
        """Whether a request of this attempt may go out now: cheap, so that it is asked right before each piece.

        No longer than others wait before they believe that it sent nothing: neither past the lease nor past the
        deadline, on whichever clock went further, whatever it was asked to end for.
        """
        in_lease = self.lease is None or self.lease[0].gone_s() < self.lease[1]
        in_time = self._started is None or self._started.gone_s() < self.timeout_s
        return in_lease and in_time and not self.lost

    def ask_to_end(self, why: End) -> None:
        """Make the action's next look at its context raise; the first reason counts, unless the job is lost."""
        with self._lock:
            self._end = why if why is End.LOST else self._end or why
        self._ending.set()

    def should_end(self) -> bool:
        if self.lease is not None and time.monotonic() > self.lease[0].monotonic_s + self.lease[1]:
            self.ask_to_end(End.LOST)  # this process was frozen, or cut off from the database
        if self._end is None and self.started_at is not None and self.remaining_s <= 0:
            self.ask_to_end(End.TIMED_OUT)
        return self._end is not None

    def wait(self, seconds: float) -> None:
        """Sleep, but not past the deadline or a request to end."""
        self._ending.wait(min(seconds, max(self.remaining_s, 0.0)))

    def error(self) -> ActionError:
        """What the action gets to see when it should end."""
        if self._end is End.TIMED_OUT:
            return TimedOut(f"The attempt took longer than {self.timeout_s:g} s and was ended.")
        if self._end is End.LOST:
            return Cancelled("This attempt lost its job to another one.")
        return Cancelled("The job was cancelled.")

    def settle(self) -> bool:
        """Claim the right to write this attempt's ending; True for the first who asks."""
        with self._lock:
            first, self.settled = not self.settled, True
        return first

    def free_slot(self) -> bool:
        """Give up the slot; True for the first who asks, its thread or who writes it off."""
        with self._lock:
            first, self._has_slot = self._has_slot, False
        return first

    def show(self, fraction: float, message: str) -> None:
        with self._lock:
            self._progress = (fraction, message)
            self._showed = True

    @property
    def showed_progress(self) -> bool:
        return self._showed

    def take_progress(self) -> tuple[float, str] | None:
        """The newest progress not yet taken."""
        with self._lock:
            newest, self._progress = self._progress, None
        return newest
