"""Changing a job from the shell: one transaction in a user's name, and everybody hears of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from cli import accounts
from cli.engine import whole_config
from cli.submitting import an_outbox
from engine.administrators import refusals_audited
from llmcoder.settings import EngineSettings
from models.db.database import database
from models.jobs.store import Job

#: Takes the id of the user in whose name it is done; gives the jobs as they are then.
Change = Callable[[sa.Connection, UUID, datetime], Sequence[Job]]


def change(user: str | None, do: Change) -> Job:
    """Do it, and ring for what is queued by it; the first of the changed jobs."""
    settings = whole_config().get(EngineSettings)
    with closing(database()) as db:
        now = db.now()
        with refusals_audited(db), db.write() as conn:
            changed = do(conn, accounts.acting(conn, user).id, now)
        with an_outbox(settings) as outbox:
            outbox.announce(changed)
    return changed[0]
