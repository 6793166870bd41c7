"""A user who learns, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.testing import FakeContext, run_action
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.db.database import Database
from tasks.learning.actions import change_options

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday


class Learner:
    """Alice, who learns: `learner(add_card, front="…", back="…")`.

    Attributes:
        now: What every clock says.
    """

    def __init__(self, db: Database, user: User) -> None:
        self.db = db
        self.user = user
        self.now = START

    def __call__(self, action: Any, job_id: UUID | None = None, **given: Any) -> Any:
        return run_action(action, given, self.context(job_id)).result

    def context(self, job_id: UUID | None = None) -> FakeContext:
        return FakeContext(user=self.user, job_id=job_id or new_id())

    def later(self, **much: float) -> None:
        self.now += timedelta(**much)

    def lives_in(self, zone: str) -> None:
        with self.db.write() as conn:
            preferences.save(conn, self.user.id, Preferences(timezone=zone), self.now)

    def limits(self, wanted: Mapping[str, Any]) -> None:
        self(change_options, **wanted)
