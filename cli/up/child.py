"""One process as the supervisor sees it: how it starts, when it is ready, how patiently it is ended."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Child:
    """A process to keep running.

    It is handed over to the process that keeps it (`cli.up.handover`), so its callables are functions of modules, or
    `partial`s of such; and what their modules import, that process carries for as long as the engine runs.

    `ready` and `wanted` run in a thread of their own, one call at a time, so they may block; `prepare` must be quick.

    Attributes:
        name: Stands before each of its lines in the log.
        command: Program and arguments; never a secret, since `ps` shows them.
        env: Variables added to the supervisor's own.
        once: Runs to its end before the next one starts, and is not started again; exit code 0 is success.
        ready: Asked again and again after the first start; the next child starts when it says yes. None: at once.
        ready_within_s: After this long without a yes the whole start is given up.
        wanted: Asked before each start, every `wanted_every_s` until it says yes; None: always.
        prepare: Called before every start with the number of short lives that ended just before, 0 at first.
        grace_s: Time between SIGTERM and the next signal.
        quits_on_sigquit: After the grace it gets SIGQUIT and one second more (Celery drops its work at once).
        outlives: Is stopped when all the others have ended.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    ready: Callable[[], bool] | None = None
    ready_within_s: float = 60.0
    wanted: Callable[[], bool] | None = None
    wanted_every_s: float = 5.0
    prepare: Callable[[int], None] | None = None
    grace_s: float = 5.0
    quits_on_sigquit: bool = False
    outlives: bool = False


@dataclass(frozen=True)
class Backoff:
    """How long a process that ended by itself stays down before it is started again."""

    first_s: float = 0.5
    longest_s: float = 30.0
    healthy_after_s: float = 30.0

    def short_lives(self, before: int, lived_s: float) -> int:
        """Count of short lives in a row, after one that lasted `lived_s`; a healthy life starts it afresh."""
        return 1 if lived_s >= self.healthy_after_s else before + 1

    def wait_s(self, short_lives: int) -> float:
        doublings = min(short_lives - 1, 16)
        return min(self.longest_s, self.first_s * 2.0**doublings)


def in_words(exit_code: int) -> str:
    """How a process ended: `ended with exit code 1`, `was killed by SIGKILL`."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"
