"""When a watch's next look is due, and what is taken note of when a look has ended.

A look is a job of `email.triage_new` whose input holds the place where it begins, so that all its attempts look at the
same mails. The place of the watch moves on in the transaction that takes note of the look's success, and in no other:
a mail is in the result of a look, or in front of the next one, whatever dies when. A watch has one look at a time; one
whose mailbox must be connected again waits with its job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.provenance import worse
from llmcoder.states import State
from models.db.due_rows import each_alone
from models.jobs import inquiries
from models.jobs.inquiries import EndedJob
from tasks.email.tables import watches

LOOK, LABEL = "email.triage_new", "email.label"
MOST_FAILURES = 5
LONGEST_NOTE = 1_000

own = watches.c
_IS_DUE = sa.and_(own.open_key.is_(None), own.next_at.is_not(None))
_LOOKED = sa.and_(own.open_key.is_not(None), inquiries.is_over(own.user_id, own.open_key))


def any_due(conn: sa.Connection, now: datetime) -> bool:
    due = sa.select(own.id).where(_IS_DUE, own.next_at <= now).limit(1)
    over = sa.select(own.id).where(_LOOKED).limit(1)
    return any(conn.execute(query).first() is not None for query in (due, over))


def take(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
    """Take note of looks that have ended, then begin those that are due."""
    return [*_ended(conn, now, limit), *_begun(conn, now, limit)]


def refused(conn: sa.Connection, due: Due, why: str, now: datetime) -> None:
    """The look, or the labels of one, could not become a job."""
    row = conn.execute(sa.select(watches).where(own.id == due.row_id)).one()
    if due.action == LOOK:
        _keep(conn, row, {"open_key": None, **_failed(row, why)}, now)
    else:
        _keep(conn, row, {"note": f"Labels were not put on: {why}"[:LONGEST_NOTE]}, now)


MAILBOX_WATCHES = Trigger("email.watches", any_due=any_due, take=take, refused=refused)


def _begun(conn: sa.Connection, now: datetime, limit: int) -> list[Due]:
    query = sa.select(watches).where(_IS_DUE, own.next_at <= now).order_by(own.next_at).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()

    def begin(row: Any) -> list[Due]:
        key = f"{row.id} {row.looks + 1}"
        following = now + timedelta(seconds=row.every_s)
        _keep(conn, row, {"looks": row.looks + 1, "open_key": MAILBOX_WATCHES.job_key(key), "next_at": following}, now)
        wanted = {name: getattr(row, name) for name in ("account", "label", "cursor", "instructions", "labels")}
        given = {name: value for name, value in wanted.items() if value is not None}
        return [Due(row.user_id, LOOK, given, key, row.id, tainted=row.taint is not None)]

    def give_up(row: Any, why: str) -> None:
        _keep(conn, row, _failed(row, why) | {"enabled": False, "next_at": None}, now)

    return each_alone(conn, rows, begin, give_up)


def _ended(conn: sa.Connection, now: datetime, limit: int) -> list[Due]:
    query = sa.select(watches).where(_LOOKED).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()

    def take_note(row: Any) -> list[Due]:
        job = inquiries.of_key(conn, row.user_id, row.open_key)
        result = _result_of(job)
        _keep(conn, row, {"open_key": None, "last_job_id": job and job.id, **_after(row, job, result, now)}, now)
        return _labels(row, job.id, result) if job is not None and result is not None and row.apply_labels else []

    def give_up(row: Any, why: str) -> None:
        job = inquiries.of_key(conn, row.user_id, row.open_key)
        _keep(conn, row, {"open_key": None, "last_job_id": job and job.id, **_failed(row, why)}, now)

    return each_alone(conn, rows, take_note, give_up)


def _after(row: Any, job: EndedJob | None, result: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """What the end of a look changes of its watch. One that was cancelled, or is pruned, is done again."""
    if result is not None:
        moved = {"cursor": result["cursor"], "looked_at": now, "failures": 0, "note": result["gap"]}
        return moved | ({"next_at": now} if result["more"] and row.enabled else {})
    if job is not None and job.state == State.FAILED:
        failed = _failed(row, strict_json.read_lenient(job.error or "{}").get("detail") or "It failed.")
        return failed | {"taint": worse(row.taint, job.result_taint)}  # its note quotes whatever that was made of
    return {}


def _result_of(job: EndedJob | None) -> Any:
    if job is None or job.state != State.SUCCEEDED or not job.result:
        return None
    return strict_json.read_lenient(job.result)


def _failed(row: Any, why: str) -> dict[str, Any]:
    failures = row.failures + 1
    if failures < MOST_FAILURES:
        return {"failures": failures, "note": f"The last look failed: {why}"[:LONGEST_NOTE]}
    note = f"Paused after {failures} failures in a row, the last one being: {why}"[:LONGEST_NOTE]
    return {"failures": failures, "note": note, "enabled": False, "next_at": None}


def _labels(row: Any, job_id: UUID, result: Mapping[str, Any]) -> list[Due]:
    """One job for each set of labels: it waits for its user, since strangers' words have led to it."""
    by_labels: dict[tuple[str, ...], list[str]] = {}
    for item in result["items"]:
        if item["verdict"] and item["verdict"]["labels"]:
            by_labels.setdefault(tuple(sorted(set(item["verdict"]["labels"]))), []).append(item["id"])
    account = {"account": row.account} if row.account else {}
    return [
        Due(
            row.user_id,
            LABEL,
            {"ids": ids, "add": list(labels), **account},
            f"{job_id} {number}",
            row.id,
            (job_id,),
        )
        for number, (labels, ids) in enumerate(by_labels.items())
    ]


def _keep(conn: sa.Connection, row: Any, values: Mapping[str, Any], now: datetime) -> None:
    conn.execute(sa.update(watches).where(own.id == row.id).values(**values, updated_at=now))
