"""`python -m schedules`: the scheduler process. APScheduler runs the ticks; any number of copies may run."""

from __future__ import annotations

import gc
import logging
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from engine.doorbells import connect_bell
from engine.duties import Duties
from engine.files.storage import Files
from engine.files.sweep import Sweep
from engine.macro_runs import Macros
from engine.outbox import Outbox
from llmcoder.config import config
from llmcoder.log import set_up_logging
from llmcoder.logger import get_logger
from llmcoder.private import keep_private
from llmcoder.registry import registry, triggers
from llmcoder.settings import EngineSettings
from llmcoder.timing import TIMING
from llmcoder.wakeup import Wakeup
from models.accounts import vault
from models.db.database import CLOCK_STEP_S, TRANSIENT_ERRORS, Database
from schedules.deadlines import MOST_ABANDONED, WatchedTrigger
from schedules.dispatcher import Dispatcher
from schedules.firing_tick import Firing
from schedules.reporting import Reporting
from schedules.retention import Retention
from schedules.triggers import TriggerTick
from schedules.webhook_sender import Sending

if TYPE_CHECKING:
    from apscheduler.schedulers.base import BaseScheduler

    from llmcoder.net import GuardedClient

log = get_logger(__name__)

PROMOTE_EVERY_S = 0.5
RING_EVERY_S = 0.5
COUNT_EVERY_S = 5.0
KNOW_EVERY_S = 2.0
FIRE_EVERY_S = 0.5
FOLLOW_EVERY_S = 0.5
ADVANCE_EVERY_S = 0.25
MAKE_MESSAGES_EVERY_S = 1.0
SEND_EVERY_S = 0.5
PRUNE_EVERY_S = 600.0
REPORT_EVERY_S = 5.0
LOOK_AT_CLOCK_EVERY_S = 1.0
TRIGGERS = "triggers"


def main() -> None:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    keep_private()
    set_up_logging()
    config().register(*registry().settings())
    vault.refuse_wrong_keys()
    settings = config().get(EngineSettings)
    db = Database(settings.database_url, pool_size=4)
    outbox = Outbox(settings.broker_url, settings.redis_url, settings.doorbell_window)
    outbox.start()
    retention = Retention(db, lambda: config().get(EngineSettings))
    sweep = Sweep(Files(db, lambda: config().get(EngineSettings)))
    dispatcher = Dispatcher(db, connect_bell(settings.broker_url), outbox, settings)
    firing = Firing(db, outbox, registry())
    macros = Macros(db, outbox, registry())
    sending = Sending(db, outbox, lambda: guarded(config().get(EngineSettings)))
    duties = Duties()
    reporting = Reporting(db, duties)
    periods: list[tuple[Callable[[], int], float]] = [
        (dispatcher.promote, PROMOTE_EVERY_S),
        (dispatcher.ring, RING_EVERY_S),
        (dispatcher.rescue, TIMING.rescue_every_s),
        (dispatcher.set_unknown_aside, KNOW_EVERY_S),
        (dispatcher.call_unknown_back, KNOW_EVERY_S),
        (dispatcher.expire, TIMING.release_every_s),
        (dispatcher.release, TIMING.release_every_s),
        (firing.fire, FIRE_EVERY_S),
        (firing.follow, FOLLOW_EVERY_S),
        (macros.advance, ADVANCE_EVERY_S),
        (sending.make_messages, MAKE_MESSAGES_EVERY_S),
        (sending.send, SEND_EVERY_S),
        (retention.prune, PRUNE_EVERY_S),
        (sweep.sweep_files, PRUNE_EVERY_S),
        (dispatcher.count, COUNT_EVERY_S),
        (reporting.report, REPORT_EVERY_S),
    ]
    known_triggers = triggers()
    clock = BackgroundScheduler(
        # A thread for each, so that no duty waits for another, however long that hangs, and none for a trigger.
        executors={
            "default": ThreadPoolExecutor(len(periods)),
            TRIGGERS: ThreadPoolExecutor(max(1, len(known_triggers))),
        },
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    for duty, every_s in periods:
        name = duty.__name__
        duties.add(name, every_s)
        trouble = dispatcher.trouble if name == "ring" else None
        clock.add_job(steady(duty, duties, trouble), "interval", seconds=every_s, id=name)
    # What domains do has a database pool of its own, too: one that hangs keeps a connection of it.
    triggers_db = Database(settings.database_url, pool_size=max(4, len(known_triggers) * (MOST_ABANDONED + 1)))
    for trigger in known_triggers:
        asked = WatchedTrigger(
            f"ask {trigger.name}", partial(TriggerTick, triggers_db, outbox, registry(), trigger), duties
        )
        duties.add(asked.name, trigger.every_s)
        clock.add_job(asked.look, "interval", seconds=trigger.every_s, id=asked.name, executor=TRIGGERS)
    # A tick that finds the one before still at work is left out, which is no news; what breaks is said elsewhere.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    clock.start()
    gc.freeze()  # what is loaded stays, and the garbage collector need not look through it
    _wait_for_the_end(clock)
    clock.shutdown(wait=True)
    sending.close()
    steady(dispatcher.count)()
    dispatcher.close()
    outbox.close()
    triggers_db.close()
    db.close()


def guarded(settings: EngineSettings) -> GuardedClient:
    """For addresses that users name."""
    from llmcoder.net import GuardedClient

    return GuardedClient(allow=settings.fetch_allow)


def steady(
    duty: Callable[[], int], duties: Duties | None = None, trouble: Callable[[], str | None] | None = None
) -> Callable[[], None]:
    """A tick that outlives whatever its duty meets: it says so once, and works again when that has passed.

    Args:
        trouble: What kept it from being done although it raised nothing; None where nothing did.
    """
    name = duty.__name__
    own = duties or Duties()

    def tick() -> None:
        try:
            duty()
        except TRANSIENT_ERRORS as error:
            if own.badly(name, error):
                log.warning("the database is away", duty=name, error=type(error).__name__)
        except Exception as error:
            if own.badly(name, error):
                log.exception("a duty broke; it is tried again", duty=name)
        else:
            why = trouble() if trouble is not None else None
            if why is not None:
                own.badly(name, why)
            elif own.well(name):
                log.info("a duty is done again", duty=name)

    return tick


def _wait_for_the_end(clock: BaseScheduler) -> None:
    ended = Wakeup()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    ahead_s = time.time() - time.monotonic()
    while not ended.wait(LOOK_AT_CLOCK_EVERY_S):
        before_s, ahead_s = ahead_s, time.time() - time.monotonic()
        if abs(ahead_s - before_s) > CLOCK_STEP_S:
            _tick_now(clock)


def _tick_now(clock: BaseScheduler) -> None:
    """Somebody set the wall clock, and APScheduler would stand still for as long as it went back."""
    log.warning("the wall clock was set; every duty is done now")
    for duty in clock.get_jobs():
        duty.modify(next_run_time=datetime.now(UTC))


if __name__ == "__main__":
    main()
