"""What becomes of a drop that was noticed: a job that tells it, and one for each channel of its user.

The jobs and the note that it was told are one transaction, and a job's key names the drop: it is told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.context import User
from llmcoder.declare.channel import Message, over
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.registry import channels
from models.accounts import preferences, users
from models.db.due_rows import each_alone
from tasks.travel.tables import price_alerts
from tasks.travel.watch_views import Evidence, sentence

TELL = "travel.tell_price_drop"
LONGEST_NOTE = 1_000

own = price_alerts.c


def any_due(conn: sa.Connection, _now: datetime) -> bool:
    query = sa.select(own.id).where(own.told_at.is_(None)).order_by(own.created_at).limit(1)
    return conn.execute(query).first() is not None


def take(conn: sa.Connection, now: datetime, limit: int) -> Sequence[Due]:
    """The drops that were not told yet."""
    query = sa.select(price_alerts).where(own.told_at.is_(None)).order_by(own.created_at).limit(limit)
    rows = conn.execute(query.with_for_update(skip_locked=True)).all()

    def tell(row: Any) -> list[Due]:
        _keep(conn, row.id, {"told_at": now})
        return _jobs(conn, row)

    def give_up(row: Any, why: str) -> None:
        _keep(conn, row.id, {"told_at": now, "note": f"It could not be told: {why}"[:LONGEST_NOTE]})

    return each_alone(conn, rows, tell, give_up)


def refused(conn: sa.Connection, due: Due, why: str, _now: datetime) -> None:
    """It could not be sent over a channel; it is told by the push all the same."""
    _keep(conn, due.row_id, {"note": f"{due.action}: {why}"[:LONGEST_NOTE]})


PRICE_ALERTS = Trigger("travel.price_alerts", any_due=any_due, take=take, refused=refused)


def _jobs(conn: sa.Connection, row: Any) -> list[Due]:
    # Its flight is a source's words, so nothing is done by it unasked; that it is told was asked for. The job that
    # asked may be pruned by now: the evidence names it, and the message does not depend on it.
    evidence = strict_json.read_lenient(row.evidence)
    message_job = Due(row.user_id, TELL, evidence, str(row.id), row.id, tainted=True)
    text = sentence(Evidence.model_validate(evidence))
    message = Message(title=f"Price drop: {evidence['name']}", text=text)
    to = _user(conn, row.user_id)
    chosen = preferences.load(conn, row.user_id).notify
    return [message_job, *(over(name, channels(), to, message, message_job) for name in chosen)]


def _user(conn: sa.Connection, user_id: UUID) -> User:
    account = users.by_id(conn, user_id)
    assert account is not None  # the row is theirs, and would be gone with them
    return User(account.id, account.email)


def _keep(conn: sa.Connection, alert_id: UUID, values: dict[str, Any]) -> None:
    conn.execute(sa.update(price_alerts).where(own.id == alert_id).values(values))
