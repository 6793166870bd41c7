"""Asks a trigger in a thread of its own, for a limited time: what a domain's code does must hold up nobody else.

One that does not come back is abandoned: what it holds in the database is let go, nothing of it is kept, and another
thread asks in its place. Of one that hangs each time no more threads are made than a few.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

from engine.duties import Duties
from llmcoder.logger import get_logger
from llmcoder.vital import vital
from models.db.database import TRANSIENT_ERRORS
from schedules.triggers import Abandoned, TriggerTick

DEADLINE_S = 30.0
#: Threads of one trigger that do not come back; while so many hang it is not asked.
MOST_ABANDONED = 2

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TriggerThread:
    """One thread that asks."""

    asking: TriggerTick
    thread: Thread
    since: float


class WatchedTrigger:
    """One trigger, as the clock of the scheduler sees it.

    Args:
        name: Of its duty.
        make: A new `Asking` for each thread.
    """

    def __init__(self, name: str, make: Callable[[], TriggerTick], duties: Duties) -> None:
        self.name = name
        self._make = make
        self._duties = duties
        self._run: TriggerThread | None = None
        self._abandoned: list[TriggerThread] = []

    def look(self) -> None:
        """Ask, unless somebody is at it; called each time that it is due. Never waits for the trigger."""
        self._abandoned = [run for run in self._abandoned if run.thread.is_alive()]
        if self._run is not None and self._run.thread.is_alive():
            if time.monotonic() - self._run.since < DEADLINE_S:
                return
            self._abandon(self._run)
        if len(self._abandoned) < MOST_ABANDONED:
            self._start()

    def _start(self) -> None:
        asking = self._make()
        run = TriggerThread(asking, vital(self.name, lambda: self._ask(asking)), time.monotonic())
        self._run = run
        run.thread.start()

    def _ask(self, asking: TriggerTick) -> None:
        try:
            asking.ask()
        except Abandoned:
            log.info("an abandoned trigger came back; nothing of it is kept", duty=self.name)
        except BaseException as error:
            if asking.is_abandoned:
                return
            if self._duties.badly(self.name, error):
                passes = isinstance(error, TRANSIENT_ERRORS)
                log.warning("a trigger could not be asked", duty=self.name, exc_info=None if passes else error)
        else:
            if not asking.is_abandoned:
                self._duties.well(self.name)

    def _abandon(self, run: TriggerThread) -> None:
        self._run = None
        self._abandoned.append(run)
        self._duties.badly(self.name, "it hangs")
        log.error("a trigger does not come back; it is abandoned", duty=self.name, hanging=len(self._abandoned))
        try:
            run.asking.abandon()
        except Exception as error:  # noqa: BLE001  the database is away, and what hangs in it with it
            kind = type(error).__name__
            log.warning("what an abandoned trigger holds could not be released", duty=self.name, error=kind)
