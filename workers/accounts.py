"""When an account breaks or works again: it is written down once, its user hears of it, and all its jobs follow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

import orjson
import sqlalchemy as sa

from llmcoder.errors import NeedsReconnect
from llmcoder.registry import Registry
from models import connections
from models.connections import Stored
from models.db import Database
from models.machine import Moved
from workers.outbox import Outbox

#: Jobs of one transaction: few enough that nobody waits long for SQLite's only writer.
BATCH = 500


class Accounts:
    """Declares accounts broken and mended, for one process.

    Args:
        outbox: Tells the user, and wakes watchers of the jobs.
    """

    def __init__(self, db: Database, outbox: Outbox, registry: Registry) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = registry

    def broken(self, connection_id: UUID, version: int | None, why: str) -> bool:
        """The provider refuses an account: its jobs wait, and its user is told once.

        Args:
            version: Of the secret that was refused.

        Returns:
            Whether that is news.
        """
        with self._db.write() as conn:
            stored = connections.declare_broken(conn, connection_id, version, why, self._db.now())
        if stored is None:
            return False
        self._tell(stored, why)
        self._hold(stored, why)
        return True

    def works(self, connection_id: UUID, version: int) -> Stored | None:
        """An account was seen to work; what waited for it goes on."""
        with self._db.write() as conn:
            stored = connections.declare_ok(conn, connection_id, version, self._db.now())
        if stored is not None:
            self.release(stored)
        return stored

    def connected(self, stored: Stored) -> int:
        """An account was connected, perhaps again; returns how many jobs go on."""
        self._tell(stored, None)
        return self.release(stored)

    def removed(self, stored: Stored) -> None:
        """An account was taken out: what was to use it waits for it to come back, or is cancelled by its user."""
        self._tell(stored, "taken out", state="removed")
        self._hold(stored, f"The account {stored.account} was taken out. Connect it again, or cancel the job.")

    def release(self, stored: Stored) -> int:
        actions = self._registry.connecting(stored.provider)
        return self._each(lambda conn: connections.release(conn, stored, actions, self._db.now(), BATCH))

    def release_unowned(self, actions: Collection[str]) -> int:
        """Let the jobs of these actions go on that wait for the account of the installation; returns how many."""
        return self._each(lambda conn: connections.release_unowned(conn, actions, self._db.now(), BATCH))

    def _hold(self, stored: Stored, why: str) -> None:
        actions, error = self._registry.connecting(stored.provider), orjson.dumps(NeedsReconnect(why).as_problem())
        self._each(lambda conn: connections.hold(conn, stored, actions, error.decode(), self._db.now(), BATCH))

    def _each(self, move_some: Callable[[sa.Connection], list[Moved]]) -> int:
        """Batch after batch, until there is nothing left to move."""
        total = 0
        while True:
            with self._db.write() as conn:
                moved = move_some(conn)
            self._outbox.wake_moved(moved)
            total += len(moved)
            if not moved:
                return total

    def _tell(self, stored: Stored, why: str | None, state: str | None = None) -> None:
        about = {"id": str(stored.id), "provider": stored.provider, "account": stored.account}
        message = {"type": "connection", **about, "state": state or stored.state, "detail": why}
        self._outbox.live(stored.user_id, message)
