"""The dispatcher: a few idempotent duties that make every lost message, process and machine harmless.

It rings for what is due, within a window; rings again for what was rung and not claimed in time; notices that the
broker lost everything, and rings all of it at once; rescues what runs with an expired lease. Any number of copies may
run at once: each takes its rows with locks that the others skip, and every write is a compare-and-set. A round first
looks and only then opens a writing transaction, so that idle copies cost nobody a lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine import metrics
from engine.accounts import Accounts
from engine.broker import EPOCH_KEY, QUEUES, is_redis, redis_client
from engine.doorbells import Bell, Ring, window_of
from engine.outbox import Outbox
from engine.verdict import lost_to_nobody
from llmcoder import faults
from llmcoder.config import config
from llmcoder.errors import Transient
from llmcoder.ids import new_id
from llmcoder.logger import get_logger
from llmcoder.registry import Registry, registry
from llmcoder.settings import EngineSettings
from llmcoder.timing import TIMING
from models.connections import store as connections
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs import approvals, known_actions
from models.jobs.claims import (
    Lost,
    RungSooner,
    any_due,
    any_lost,
    any_to_ring,
    forget_rings,
    lost,
    promote_due,
    to_ring,
)
from models.jobs.known_actions import NOBODY, Known, call_back, set_aside, unknown_at_head, waiting_actions
from models.jobs.machine import Moved, apply

log = get_logger(__name__)

BATCH = 500
#: Where some workers do not know the action: they drop the doorbell, and only one that knows it can take the job.
RING_SOME_AGAIN_S = 2.0
KNOWN_GOOD_FOR_S = 2.0
EPOCH_LOOK_S = 0.5


class Dispatcher:
    """Performs the duties, one method each.

    Args:
        outbox: Wakes watchers of the jobs it moved.
        known: The actions; those of the process when not given.
    """

    def __init__(
        self, db: Database, bell: Bell, outbox: Outbox, settings: EngineSettings, known: Registry | None = None
    ) -> None:
        self._db = db
        self._bell = bell
        self._outbox = outbox
        self._settings = settings
        self._broker_away = False
        self._broker_trouble = ""
        self._registry = known or registry()
        self._accounts = Accounts(db, outbox, self._registry)
        self._connecting = self._registry.connecting()
        self._known_by_queue: Mapping[str, Known] = {}
        self._known_at = float("-inf")
        self._config_version = config().version
        self._epoch = redis_client(settings.broker_url) if is_redis(settings.broker_url) else None

    def promote(self) -> int:
        """Queue what was scheduled and is due; returns how many."""
        total = 0
        while self._is_there(any_due):
            with self._db.write() as conn:
                moved = promote_due(conn, self._db.now(), BATCH)
            self._outbox.wake_moved(moved)
            total += len(moved)
            if not moved:
                break  # another copy has them
        return total

    def ring(self) -> int:
        """Top up every queue's window of doorbells; returns how many went out."""
        try:
            self._notice_loss()
            rung = sum(self._ring_queue(queue) for queue in QUEUES)
        except Transient as error:
            if not self._broker_away:
                log.warning("the broker is away; due jobs wait in SQL", detail=error.detail)
            self._broker_away = True
            self._broker_trouble = error.detail
            return 0
        self._broker_away = False
        return rung

    def trouble(self) -> str | None:
        """Why the last round rang for nobody."""
        return self._broker_trouble if self._broker_away else None

    def rescue(self) -> int:
        """Decide about running jobs whose lease ran out; returns how many."""
        if not self._is_there(any_lost):
            return 0
        now = self._db.now()
        with self._db.write() as conn:
            found = lost(conn, now, BATCH)
            faults.reach("dispatcher.before_rescue")
            done = self._take_from_workers(conn, found, now)
        self._outbox.wake_moved(done)
        for one in done:
            log.warning("a lease ran out; the job was taken from its worker", job=str(one.job_id), now=one.state.value)
            metrics.rescued(one.state.value)
        return len(done)

    def _take_from_workers(self, conn: sa.Connection, found: Sequence[Lost], now: datetime) -> list[Moved]:
        """All at once; where that breaks each alone, so that one of them keeps no other from being rescued."""
        try:
            with conn.begin_nested():
                moves = [lost_to_nobody(one, self._registry.if_loadable(one.action), now) for one in found]
                return [one for one in apply(conn, moves, now) if one is not None]
        except TRANSIENT_ERRORS:
            raise
        except Exception:
            if len(found) == 1:
                log.exception("a lost job could not be rescued", job=str(found[0].id))
                return []
        return [done for one in found for done in self._take_from_workers(conn, [one], now)]

    def set_unknown_aside(self) -> int:
        """Have jobs wait whose action no running worker knows; returns how many."""
        total = 0
        for queue, known in self._known().items():
            with self._db.read() as conn:
                ids = unknown_at_head(conn, queue, known, self._db.now())
            if ids:
                with self._db.write() as conn:
                    done = set_aside(conn, ids, self._db.now())
                self._outbox.wake_moved(done)
                log.warning("jobs wait for a worker that knows their action", queue=queue, jobs=len(done))
                total += len(done)
        return total

    def call_unknown_back(self) -> int:
        """Queue again what waited for a worker that knows its action, once there is one; returns how many."""
        total = 0
        for queue, known in self._known().items():
            with self._db.read() as conn:
                names = [name for name in waiting_actions(conn, queue) if name in known.by_any]
            if names:
                with self._db.write() as conn:
                    done = call_back(conn, queue, names, BATCH, self._db.now())
                self._outbox.wake_moved(done)
                total += len(done)
        return total

    def expire(self) -> int:
        """Cancel what nobody approved in time; returns how many."""
        if not self._is_there(approvals.any_expired):
            return 0
        with self._db.write() as conn:
            done = approvals.expire(conn, self._db.now(), BATCH)
        self._outbox.wake_moved(done)
        return len(done)

    def release(self) -> int:
        """Let jobs go on that wait for an account which works; returns how many.

        A reconnect releases them itself, but for those that came there in the same moment. What waits for the account
        of the installation tries again when a setting has changed.
        """
        if not self._is_there(connections.any_waiting):
            return 0
        return self._release_stranded() + self._release_unowned()

    def _release_stranded(self) -> int:
        with self._db.read() as conn:
            works = connections.stranded(conn, self._connecting, BATCH)
        return sum(self._accounts.release(stored) for stored in works)

    def _release_unowned(self) -> int:
        version = config().version
        if version == self._config_version:
            return 0
        self._config_version = version
        return self._accounts.release_unowned(self._connecting)

    def count(self) -> int:
        """Add what this process counted to what `/metrics` shows."""
        metrics.flush(self._db, now=True)
        return 0

    def close(self) -> None:
        self._bell.close()
        if self._epoch is not None:
            self._epoch.close()

    def _known(self) -> Mapping[str, Known]:
        """What running workers know, by queue, as it was a moment ago."""
        if time.monotonic() - self._known_at > KNOWN_GOOD_FOR_S:
            with self._db.read() as conn:
                self._known_by_queue = known_actions.read(conn, self._db.now())
            self._known_at = time.monotonic()
        return self._known_by_queue

    def _is_there(self, question: Callable[[sa.Connection, datetime], bool]) -> bool:
        with self._db.read() as conn:
            return question(conn, self._db.now())

    def _notice_loss(self) -> None:
        """Forget the doorbells that an emptied or replaced broker lost, so that they are rung at once."""
        if self._is_new_epoch() or self._broker_away:
            with self._db.write(durable=False) as conn:
                forgotten = forget_rings(conn)
            if forgotten:
                log.info("the broker is new or was away; its jobs are rung again", jobs=forgotten)

    def _is_new_epoch(self) -> bool:
        import redis

        if self._epoch is None:
            return False
        try:
            return bool(self._epoch.set(EPOCH_KEY, str(new_id()), nx=True))
        except redis.RedisError as error:
            raise Transient("The broker did not answer.") from error

    def _ring_queue(self, queue: str) -> int:
        room = window_of(queue, self._settings.doorbell_window) - self._bell.out(queue)
        if room <= 0:
            return 0
        now = self._db.now()
        rung_before = now - timedelta(seconds=TIMING.ring_again_s)
        known = self._known().get(queue, NOBODY)
        by_some = known.by_any - known.by_all
        sooner = RungSooner(by_some, now - timedelta(seconds=RING_SOME_AGAIN_S)) if by_some else None
        with self._db.read() as conn:
            if not any_to_ring(conn, queue, rung_before, sooner):
                return 0
        with self._db.write(durable=False) as conn:
            rows = to_ring(conn, queue, rung_before, room, now, sooner)
        if rows:
            self._bell.ring([Ring(row.id, row.attempt, row.action, queue) for row in rows])
            faults.reach("dispatcher.after_ring")
        return len(rows)
