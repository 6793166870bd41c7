"""What the machine is doing at an instant; the only file that reads it from the operating system."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MachineLoad:
    """One look at the machine.

    Attributes:
        load_1m: Runnable processes, averaged over the last minute.
        busy_s: Seconds that all processors together worked since the machine started.
        idle_s: Seconds that they did not.
        memory_fraction: Share of memory that is in use, 0 to 1.
    """

    load_1m: float
    busy_s: float
    idle_s: float
    memory_fraction: float


def read() -> MachineLoad:
    """Look at the machine now."""
    import psutil  # loaded when used: loading the registry must stay cheap

    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    return MachineLoad(
        load_1m=psutil.getloadavg()[0],
        busy_s=sum(times) - idle_s - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0),
        idle_s=idle_s,
        memory_fraction=psutil.virtual_memory().percent / 100,
    )


def busy_fraction(before: MachineLoad, after: MachineLoad) -> float:
    """Share of the processors' time between two readings that was worked, 0 to 1."""
    busy_s = after.busy_s - before.busy_s
    idle_s = after.idle_s - before.idle_s
    return min(max(busy_s / (busy_s + idle_s), 0.0), 1.0) if busy_s + idle_s > 0 else 0.0
