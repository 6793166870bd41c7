"""How the loops of a process fare: when each last did what it is there for, and what kept it from that since.

A process answers and looks well while one of its loops fails at every turn; so each says how it went, and
`/health/ready` names those that have got nothing done for a minute. Of an error only its kind is kept: its text may
hold anything.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

#: Without any success for so long, a duty is called late.
LATE_AFTER_S = 60.0


@dataclass(slots=True)
class Duty:
    """One loop.

    Attributes:
        since: When it was taken on.
        every_s: How often it should get something done; None for one that only works when it is asked to.
        succeeded_at: Monotonic, as all instants here; None before the first time.
        failing_since: The first failure after the last success.
        failures: All of them.
    """

    every_s: float | None
    since: float = 0.0
    succeeded_at: float | None = None
    failing_since: float | None = None
    failed_at: float | None = None
    error: str | None = None
    failures: int = 0

    def idle_s(self, now: float) -> float:
        """For how long it has got nothing done although it should have."""
        if self.every_s is not None:
            return now - (self.since if self.succeeded_at is None else self.succeeded_at) - self.every_s
        return 0.0 if self.failing_since is None else now - self.failing_since


class Duties:
    """The duties of one process; every thread may speak."""

    def __init__(self) -> None:
        self._duties: dict[str, Duty] = {}
        self._lock = threading.Lock()

    def add(self, name: str, every_s: float | None = None) -> None:
        with self._lock:
            self._duties.setdefault(name, Duty(every_s, time.monotonic()))

    def well(self, name: str) -> bool:
        """It did what it is there for; True when it had failed before."""
        with self._lock:
            duty = self._duties.setdefault(name, Duty(None))
            had_failed = duty.failing_since is not None
            duty.succeeded_at, duty.failing_since = time.monotonic(), None
        return had_failed

    def badly(self, name: str, error: BaseException | str) -> bool:
        """It failed; True for the first time since it went well."""
        kind = error if isinstance(error, str) else type(error).__name__
        with self._lock:
            duty = self._duties.setdefault(name, Duty(None))
            is_news = duty.failing_since is None
            duty.failed_at = time.monotonic()
            duty.failing_since = duty.failing_since or duty.failed_at
            duty.error, duty.failures = kind, duty.failures + 1
        return is_news

    def all(self) -> dict[str, Duty]:
        """Each by its name, as it stands."""
        with self._lock:
            return {name: replace(duty) for name, duty in self._duties.items()}

    def trouble(self) -> str | None:
        """Which duties are late, and why, in words; None while all is well."""
        now = time.monotonic()
        late = [
            f"{name} has got nothing done for {duty.idle_s(now):.0f} s ({duty.error or 'it hangs'})"
            for name, duty in sorted(self.all().items())
            if duty.idle_s(now) > LATE_AFTER_S
        ]
        return "; ".join(late) or None
