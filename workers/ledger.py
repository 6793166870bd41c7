"""Everything a worker process writes about jobs: claims, armed effects, endings, in shared transactions.

What waits at the same time shares one commit, so the endings of some jobs and the claims of the next are one
transaction. It is durable as soon as it holds a promise (an armed effect, an ending).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.outbox import Outbox
from engine.verdict import MAX_LOSSES
from llmcoder import faults
from llmcoder.declare.rate import Rate
from llmcoder.states import Reason, State
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db.database import Database
from models.db.group_commit import GroupCommit
from models.jobs.claims import Claimed, arm, claimed, holding_back, pick, taking
from models.jobs.machine import Move, Moved, apply, lock

#: How long a claimed suspect may take to stand among what its process runs.
SUSPECT_ALONE_S = 2.0


@dataclass(frozen=True, slots=True)
class ClaimOne:
    """Take this job if it is still queued."""

    job_id: UUID


@dataclass(frozen=True, slots=True)
class ClaimNext:
    """Take up to so many of the next due jobs of this worker's queue."""

    limit: int


@dataclass(frozen=True, slots=True)
class Arm:
    """Write that the effect may happen from here on."""

    job_id: UUID
    attempt: int
    marker: str


Request = ClaimOne | ClaimNext | Arm | Move
Answer = list[Claimed] | bool
EndReport = Callable[[Answer | BaseException], None]


class Ledger:
    """The writer of one worker process.

    Args:
        worker: The process's name in the leases it takes.
        queue: The queue it serves.
        lease_s: How long a lease lasts unless it is renewed.
        rates: How often a provider may be called, where somebody declares it.
        has_suspect: Whether the process runs a job under which workers have died again and again.
        known: Actions that the process can run; it claims no others. None is all.
    """

    def __init__(
        self,
        db: Database,
        outbox: Outbox,
        worker: str,
        queue: str,
        lease_s: float,
        rates: Mapping[str, Rate],
        has_suspect: Callable[[], bool] = lambda: False,
        known: frozenset[str] | None = None,
    ) -> None:
        self._db = db
        self._outbox = outbox
        self._worker = worker
        self._queue = queue
        self._lease_s = lease_s
        self._rates = rates
        self._known = known
        self._has_suspect = has_suspect
        self._suspect_at = float("-inf")
        self._commits: GroupCommit[Request, Answer] = GroupCommit("ledger", self._write, limit=512)

    def start(self) -> None:
        self._commits.start()

    def close(self) -> None:
        self._commits.close()

    def claim(self, job_id: UUID) -> list[Claimed]:
        """The job, in a list, or an empty list when it is somebody else's by now."""
        return self._claimed(ClaimOne(job_id))

    def claim_next(self, limit: int) -> list[Claimed]:
        """Up to so many next due jobs."""
        return self._claimed(ClaimNext(limit))

    def arm(self, job_id: UUID, attempt: int, marker: str) -> bool:
        """Arm the effect; False when this attempt may not send anything any more."""
        return self._commits.ask(Arm(job_id, attempt, marker)) is True

    def end(self, move: Move) -> bool:
        """Write an attempt's ending and wait for it; False when the attempt had lost the job."""
        return self._commits.ask(move) is True

    def end_soon(self, move: Move, report: EndReport) -> None:
        """Write an attempt's ending; `report` is called after the commit, or with what prevented it."""
        self._commits.put(move, report)

    def _trusted(self, picked: Mapping[UUID, Any], ids: Collection[UUID]) -> set[UUID]:
        """All that may run beside each other: of jobs that one more lost worker would end as poison only one.

        Otherwise jobs that do no harm would be called poison for the company they keep.
        """
        suspects = [job_id for job_id in ids if picked[job_id].losses >= MAX_LOSSES - 1]
        if not suspects:
            return set(ids)
        runs_one = time.monotonic() - self._suspect_at < SUSPECT_ALONE_S or self._has_suspect()
        alone = set() if runs_one else {min(suspects)}
        if alone:
            self._suspect_at = time.monotonic()
        return set(ids) - set(suspects) | alone

    def _claimed(self, request: ClaimOne | ClaimNext) -> list[Claimed]:
        answer = self._commits.ask(request)
        return answer if isinstance(answer, list) else []

    def _write(self, batch: Sequence[Request]) -> list[Answer]:
        arms = [request for request in batch if isinstance(request, Arm)]
        endings = [request for request in batch if isinstance(request, Move)]
        named = {request.job_id for request in batch if isinstance(request, ClaimOne)}
        wanted = sum(request.limit for request in batch if isinstance(request, ClaimNext))
        now = self._db.now()
        if named or wanted:
            faults.reach("worker.before_claim")
        with self._db.write(durable=bool(arms or endings)) as conn:
            picked = pick(conn, named, self._queue, wanted, self._known)
            if arms:
                lock(conn, {one.job_id for one in arms} | {move.job_id for move in endings})
            held_back = holding_back(conn, picked, self._rates, now) if picked else []
            free = self._trusted(picked, picked.keys() - {move.job_id for move in held_back})
            claims = taking(free, self._worker, self._lease_s, now)
            moved = apply(conn, [*endings, *held_back, *claims], now, held=picked)
            ended, taken = moved[: len(endings)], claimed(picked, moved[len(endings) :], now)
            armed = [arm(conn, one.job_id, one.attempt, one.marker, now) for one in arms]
            _note_effects(conn, arms, armed, endings, ended, now)
        _reach_faults(taken, arms, endings)
        self._outbox.wake_moved(done for done in moved if done is not None)
        by_name = {one.id: one for one in taken if one.id in named}
        return _answers(batch, by_name, [one for one in taken if one.id not in by_name], armed, ended)


def _note_effects(
    conn: sa.Connection,
    arms: Sequence[Arm],
    armed: Sequence[bool],
    endings: Sequence[Move],
    ended: Sequence[Moved | None],
    now: datetime,
) -> None:
    """In the audit log: which effects may happen from here on, and what became of them."""
    entries = [
        Entry(Event.EFFECT_ARMED, str(one.job_id), detail={"attempt": one.attempt})
        for one, done in zip(arms, armed, strict=True)
        if done
    ]
    for move, done in zip(endings, ended, strict=True):
        known = move.reason is Reason.AFTER_EFFECT and done is not None and done.state is State.FAILED
        event = Event.EFFECT_CONFIRMED if known else _OUTCOMES.get(done.state) if done is not None else None
        if done is not None and move.of_effect and event is not None:
            entries.append(Entry(event, str(move.job_id), detail={"attempt": done.attempt}))
    audit.append(conn, entries, now)


_OUTCOMES = {State.SUCCEEDED: Event.EFFECT_CONFIRMED, State.UNCERTAIN: Event.EFFECT_UNCERTAIN}


def _reach_faults(taken: Sequence[Claimed], arms: Sequence[Arm], endings: Sequence[Move]) -> None:
    if taken:
        faults.reach("worker.after_claim")
    if arms:
        faults.reach("worker.after_arm")
    if endings:
        faults.reach("worker.after_finish")


def _answers(
    batch: Sequence[Request],
    by_name: dict[UUID, Claimed],
    taken: list[Claimed],
    armed: Sequence[bool],
    ended: Sequence[Moved | None],
) -> list[Answer]:
    answers: list[Answer] = []
    arms, endings = iter(armed), iter(ended)
    for request in batch:
        match request:
            case ClaimOne(job_id):
                answers.append([by_name.pop(job_id)] if job_id in by_name else [])
            case ClaimNext(limit):
                answers.append(taken[:limit])
                taken = taken[limit:]
            case Arm():
                answers.append(next(arms))
            case Move():
                answers.append(next(endings) is not None)
    return answers
