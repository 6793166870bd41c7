"""Actions that are for administrators only: refused alike at every door, and the audit log names who tried.

The right is looked up in SQL whenever it counts (when a job is accepted, approved, retried, undone and run), since it
may have been taken away meanwhile. An agent never has it: it acts in a user's name by its own lights, and reads what
strangers wrote; that must not come to more for an administrator's agent than for anybody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa

from llmcoder.errors import Forbidden
from llmcoder.registry import AnyAction
from models.accounts import users
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db.database import Database
from models.jobs.approvals import Origin


class AdministratorsOnly(Forbidden):
    """The action is for administrators, and this user is none, or an agent asks in their name.

    Attributes:
        entry: What the audit log is to say of it.
    """

    slug, title = "administrators-only", "Only an administrator may do this"

    def __init__(self, action: AnyAction, user_id: UUID, origin: Origin) -> None:
        who = "An agent with a token of its own does not run" if origin.delegated else "Only an administrator runs"
        super().__init__(f"{who} {action.name}.")
        self.entry = Entry(Event.ACTION_REFUSED, action.name, user_id, {"origin": origin.value})


def refuse_others(conn: sa.Connection, action: AnyAction, user_id: UUID, origin: Origin = Origin.PERSON) -> None:
    """Let nobody but an administrator go on.

    Args:
        origin: Who asks in the user's name.

    Raises:
        AdministratorsOnly: The action is for administrators, and who asks is none.
    """
    if action.administrators_only and (origin.delegated or not users.is_administrator(conn, user_id)):
        raise AdministratorsOnly(action, user_id, origin)


def refuse_any(conn: sa.Connection, actions: Iterable[AnyAction], user_id: UUID) -> None:
    """As `refuse_others`, of what a user in person wants to have run later: the steps of a macro."""
    for action in actions:
        refuse_others(conn, action, user_id)


def entries_of(errors: Iterable[BaseException]) -> list[Entry]:
    """What the audit log is to say of errors, among which there may be refusals."""
    return [error.entry for error in errors if isinstance(error, AdministratorsOnly)]


@contextmanager
def refusals_audited(db: Database) -> Iterator[None]:
    """Around a transaction: what was refused in it is written down in one of its own, since that one is rolled back."""
    try:
        yield
    except AdministratorsOnly as error:
        with db.write() as conn:
            audit.append(conn, [error.entry], db.now())
        raise
