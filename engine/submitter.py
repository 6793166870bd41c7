"""The submit path: many submits at once share one commit; the doorbells follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from engine.enqueue import AfterCommit, enqueue
from engine.outbox import Outbox
from llmcoder import faults
from llmcoder.errors import ActionError
from models.db.database import Database
from models.db.group_commit import Call, GroupCommit
from models.jobs.store import Accepted, NewJob


class InputTooLarge(ActionError):
    """An input is a message, not a file; nothing was accepted."""

    slug, title, status = "input-too-large", "The input is too large", 413


def refuse_too_large(text: str, max_input_bytes: int) -> None:
    """For every door, before it submits.

    Raises:
        InputTooLarge: The input has more bytes of JSON than the engine keeps with a job.
    """
    size = len(text) if text.isascii() else len(text.encode())
    if size > max_input_bytes:
        detail = f"The input has {size} bytes of JSON; at most {max_input_bytes} are taken (MAX_INPUT_BYTES)."
        raise InputTooLarge(f"{detail} Pass the address of what is large instead, or have the limit raised.")


class Submitter:
    """Accepts jobs for one process.

    Args:
        db: Where they are committed before anybody is answered.
        outbox: Rings for them afterwards.
        loop: Answers are handed to this loop; needed for `submit`, not for `submit_now`.
    """

    def __init__(self, db: Database, outbox: Outbox, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._db = db
        self._outbox = outbox
        self._loop = loop
        self._commits: GroupCommit[NewJob, Accepted] = GroupCommit(
            "submit", self._accept, hand_over=None if loop is None else self._to_loop
        )

    def start(self) -> None:
        self._commits.start()

    async def submit(self, job: NewJob) -> Accepted:
        """Accept a job; it is committed when this returns.

        Raises:
            sqlalchemy.exc.OperationalError: The database did not take it; nothing was accepted for certain, and
                the same idempotency key finds out.
        """
        assert self._loop is not None
        future: asyncio.Future[Accepted] = self._loop.create_future()

        def answer(result: Accepted | BaseException) -> None:
            if future.done():
                return  # the client went away; the job stays accepted
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

        self._commits.put(job, answer)
        return await future

    def submit_now(self, jobs: Sequence[NewJob]) -> list[Accepted]:
        """Accept jobs from a thread, in one commit of their own."""
        return self._accept(jobs)

    def close(self) -> None:
        self._commits.close()

    def _to_loop(self, calls: Sequence[Call]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(lambda: [call() for call in calls])

    def _accept(self, new: Sequence[NewJob]) -> list[Accepted]:
        after = AfterCommit()
        with self._db.write() as conn:
            accepted = enqueue(conn, new, self._db.now(), self._outbox.reserve, after)
            faults.reach("submit.before_commit")
        faults.reach("submit.after_commit")
        self._outbox.follow(after)
        return accepted
