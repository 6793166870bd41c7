"""`python -m api.listen`: keeps the connections open on which domains listen (`llmcoder.declare.listener`).

Each configured listener has a thread. One whose settings change is run anew, one that ends or fails after a pause that
grows. Without any configured one the process waits for the settings to name one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from engine.local_door import EngineDoor
from engine.outbox import Outbox
from llmcoder.config import Config, config
from llmcoder.declare.listener import Listener, Listening
from llmcoder.errors import ActionError
from llmcoder.log import set_up_logging
from llmcoder.logger import get_logger
from llmcoder.private import keep_private
from llmcoder.registry import Registry, listeners, registry
from llmcoder.settings import EngineSettings, Settings
from llmcoder.vital import vital
from llmcoder.wakeup import Wakeup
from models.accounts import vault
from models.db.database import Database

if TYPE_CHECKING:
    from llmcoder.net import Network

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
END_WITHIN_S = 4.0


class ListenerRun(EngineDoor, Listening):
    """One run of one listener."""

    def __init__(self, db: Database, outbox: Outbox, known: Registry, own: Config, name: str) -> None:
        super().__init__(db, outbox, known, own)
        self._end = threading.Event()
        self._name = name
        self._net: Network | None = None
        self.heard = False

    @property
    def net(self) -> Network:
        if self._net is None:
            from llmcoder.net import Network

            self._net = Network(allow=self.settings(EngineSettings).fetch_allow, job=self._name)
        return self._net

    def hang_up(self) -> None:
        """Close what a run has left open, or what keeps it from ending."""
        if self._net is not None:
            self._net.close()
        self._net = None

    @property
    def ended(self) -> bool:
        return self._end.is_set()

    def wait(self, seconds: float) -> bool:
        return self._end.wait(seconds)

    def hears(self) -> None:
        if not self.heard:
            self.heard = True
            log.info("listening", listener=self._name)

    def end(self) -> None:
        self._end.set()


class ListenerThread:
    """One listener, kept running in a thread as long as its settings are enough.

    Args:
        make: A new `ListenerRun` for each run.
    """

    def __init__(self, listener: Listener[Any], own: Config, make: Any) -> None:
        self.listener = listener
        self._own = own
        self._make = make
        self._settings: Settings | None = None
        self._ear: ListenerRun | None = None
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Start it, end it or run it anew, as the settings say now."""
        wanted = self._own.get(self.listener.settings)
        if self._thread is not None and wanted != self._settings:
            self.end()
        if self._thread is None and self.listener.configured(wanted):
            self._settings = wanted
            self._ear = self._make(self.listener.name)
            self._thread = vital(self.listener.name, partial(self._keep, self._ear))
            self._thread.start()

    def ask_to_end(self) -> None:
        if self._ear is not None:
            self._ear.end()

    def end(self) -> None:
        self.ask_to_end()
        if self._thread is not None:
            self._thread.join(END_WITHIN_S)
            if self._thread.is_alive():
                log.warning("a listener does not end", listener=self.listener.name)
        if self._ear is not None:
            self._ear.hang_up()
        self._thread = self._ear = None

    def _keep(self, ear: ListenerRun) -> None:
        pause_s = FIRST_PAUSE_S
        while not ear.ended:
            ear.heard = False
            self._run(ear)
            pause_s = FIRST_PAUSE_S if ear.heard else min(pause_s * 2, LONGEST_PAUSE_S)
            ear.wait(pause_s)

    def _run(self, ear: ListenerRun) -> None:
        try:
            self.listener.run(ear)
        except ActionError as error:
            log.warning("a listener ended", listener=self.listener.name, problem=error.slug, detail=error.detail)
        except BaseException:
            # a domain's defect, its SystemExit too, must end neither the process nor the other listeners
            log.exception("a listener failed", listener=self.listener.name)
        finally:
            ear.hang_up()


def main() -> None:
    keep_private()
    set_up_logging()
    own, known = config(), registry()
    own.register(*known.settings())
    vault.refuse_wrong_keys()
    settings = own.get(EngineSettings)
    db = Database(settings.database_url, pool_size=4)
    outbox = Outbox(settings.broker_url, settings.redis_url, settings.doorbell_window)
    outbox.start()
    kept = [ListenerThread(one, own, lambda name: ListenerRun(db, outbox, known, own, name)) for one in listeners()]
    _until_told(kept)
    outbox.close()
    db.close()


def _until_told(kept: Sequence[ListenerThread]) -> None:
    told = Wakeup()

    def end(_number: int, _frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while True:
        for one in kept:
            one.look()
        if told.wait(LOOK_EVERY_S):
            break
    for one in kept:
        one.ask_to_end()
    for one in kept:
        one.end()


if __name__ == "__main__":
    main()
