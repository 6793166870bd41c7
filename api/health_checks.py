"""Is this process there, and can it do its work: each part is looked at in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from pydantic import Field

from engine.broker import QUEUES
from engine.doorbells import connect_bell
from engine.files.storage import Files
from llmcoder.errors import ActionError, Transient
from llmcoder.model import Model
from models.db.database import TRANSIENT_ERRORS, Database, is_read_only
from models.jobs import duties, known_actions
from models.jobs.claims import workers_seen
from models.jobs.tables import jobs

if TYPE_CHECKING:
    pass


ANSWER_WITHIN_S = 2.0
WORKER_SEEN_WITHIN = timedelta(seconds=30)
#: However many ask, each part is looked at once a second at most.
GOOD_FOR_S = 1.0


class Check(Model):
    """One part of the engine."""

    status: Literal["ok", "failed"]
    detail: str = Field(description="What was seen, or what is wrong.")


class Readiness(Model):
    """Whether jobs are accepted, carried and run."""

    status: Literal["ok", "failed"]
    checks: dict[str, Check] = Field(description="Each part by its name: database, broker, worker, duties, files.")


class Health:
    """Looks at the parts, each in a thread of its own, so that one that hangs is one that failed and nothing more."""

    def __init__(self, db: Database, broker_url: str, files: Files) -> None:
        self._db = db
        self._files = files
        self._bell = connect_bell(broker_url)
        self._parts: dict[str, Callable[[], Check]] = {
            "database": self._database,
            "broker": self._broker,
            "worker": self._worker,
            "duties": self._duties,
            "files": self._file_store,
        }
        self._since = time.monotonic()
        self._threads = ThreadPoolExecutor(len(self._parts), "health")
        self._looking: dict[str, asyncio.Future[Check]] = {}
        self._seen: dict[str, tuple[Check, float]] = {}

    async def report(self) -> dict[str, Check]:
        """Every part, within two seconds."""
        checks = await asyncio.gather(*(self.check(name) for name in self._parts))
        return dict(zip(self._parts, checks, strict=True))

    async def check(self, name: str) -> Check:
        """One part by its name."""
        loop = asyncio.get_running_loop()
        seen = self._seen.get(name)
        if seen is not None and loop.time() - seen[1] < GOOD_FOR_S:
            return seen[0]
        look = self._looking.get(name)
        if look is None or look.done():
            look = self._looking[name] = loop.run_in_executor(self._threads, self._parts[name])
        try:
            check = await asyncio.wait_for(asyncio.shield(look), ANSWER_WITHIN_S)
        except TimeoutError:
            return Check(status="failed", detail=f"No answer within {ANSWER_WITHIN_S:g} s.")
        self._seen[name] = (check, loop.time())
        return check

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._bell.close()

    def _database(self) -> Check:
        try:
            with self._db.read() as conn:
                conn.execute(sa.select(jobs.c.id).limit(1)).first()
                read_only = is_read_only(conn)
        except TRANSIENT_ERRORS as error:
            return Check(status="failed", detail=f"It cannot be read ({type(error).__name__}).")
        except sa.exc.ProgrammingError:
            return Check(status="failed", detail="It has no tables. Run `llmcoder migrate`.")
        if read_only:
            return Check(status="failed", detail="It takes no writes, and no jobs are accepted until it does again.")
        return Check(status="ok", detail="It answers.")

    def _broker(self) -> Check:
        try:
            waiting = {queue: self._bell.out(queue) for queue in QUEUES}
        except Transient:
            return Check(status="failed", detail="It does not answer. Jobs are kept, and run when it is back.")
        return Check(status="ok", detail=f"It answers; doorbells waiting: {_listed(waiting)}.")

    def _worker(self) -> Check:
        try:
            with self._db.read() as conn:
                now = self._db.now()
                seen = workers_seen(conn, now - WORKER_SEEN_WITHIN)
                unknown = known_actions.counts(conn, known_actions.read(conn, now))
        except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError):
            return Check(status="failed", detail="Unknown, since the database cannot be read.")
        if not seen:
            return Check(status="failed", detail="None was seen in the last 30 s. Jobs wait until one is started.")
        if troubled := [f"{row.name}: {row.trouble}" for row in seen if row.trouble]:
            return Check(status="failed", detail=f"{'; '.join(troubled)}.")
        detail = f"Seen in the last 30 s: {_listed(Counter(row.queue for row in seen))}."
        if unknown:
            names = ", ".join(sorted({action for _, action in unknown}))
            detail += f" {sum(unknown.values())} jobs wait for a worker that knows their action: {names}."
        return Check(status="ok", detail=detail)

    def _duties(self) -> Check:
        """What the schedulers are there for: each duty has got something done within the last minute."""
        try:
            with self._db.read() as conn:
                known = duties.read(conn)
        except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError):
            return Check(status="failed", detail="Unknown, since the database cannot be read.")
        if not known:
            late = time.monotonic() - self._since > duties.LATE_AFTER.total_seconds()
            return Check(status="failed" if late else "ok", detail="No scheduler has reported yet.")
        now = self._db.now()
        if troubled := [duty.trouble(now) for duty in known if duty.late(now)]:
            return Check(status="failed", detail=f"{'; '.join(troubled)}.")
        return Check(status="ok", detail=f"All {len(known)} of the scheduler are done in time.")

    def _file_store(self) -> Check:
        try:
            self._files.look()
        except ActionError as error:
            return Check(status="failed", detail=error.detail)
        except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError):
            return Check(status="failed", detail="Unknown, since the database cannot be read.")
        return Check(status="ok", detail="The store of files answers.")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
