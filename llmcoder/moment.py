"""Time that has gone by on this machine, whatever stood still meanwhile: one of its processes, or all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, on the clock that stands still while a Linux machine sleeps and on the one that goes on.

    No clock that people set takes part. A process that is frozen wakes with both of them ahead.
    """

    monotonic_s: float
    boot_s: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.clock_gettime(_BOOT))

    def gone_s(self) -> float:
        """Seconds since then, by the clock that went further."""
        return max(time.monotonic() - self.monotonic_s, time.clock_gettime(_BOOT) - self.boot_s)
