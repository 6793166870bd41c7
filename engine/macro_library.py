"""What a person may do with their macros, the same through every door. Each works in its caller's transaction."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from engine.administrators import refuse_any
from engine.scheduling import TooMany
from llmcoder.errors import ActionError, BadInput, NotFound
from llmcoder.registry import Registry
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.macros import store
from models.macros.document import Macro, check
from models.macros.store import StoredMacro
from models.macros.text import LARGEST_BYTES
from models.schedules.store import ChangedMeanwhile

MOST_MACROS = 500
MOST_VERSIONS = 1_000


class NameTaken(ActionError):
    """Another macro of the user has that name."""

    slug, title, status = "name-taken", "The name is taken", 409


def find(
    conn: sa.Connection, user_id: UUID, macro_id: UUID, version: int | None = None, *, locked: bool = False
) -> StoredMacro:
    """The user's macro, in its newest version or a given one.

    Raises:
        NotFound: There is none of that id or version, or it is somebody else's.
    """
    found = store.get(conn, user_id, macro_id, version, locked=locked)
    if found is None:
        of = "" if version is None else f", or it has no version {version}"
        raise NotFound(f"You have no macro {macro_id}{of}.")
    return found


def add(conn: sa.Connection, registry: Registry, user_id: UUID, macro: Macro, now: datetime) -> StoredMacro:
    """Keep a new macro.

    Raises:
        BadInput: It cannot run, or is too large.
        AdministratorsOnly: A step is for administrators, and the user is none.
        NameTaken, TooMany: There is one of that name, or there are as many as anybody may have.
    """
    _refuse_bad(conn, macro, registry, user_id)
    if store.count(conn, user_id) >= MOST_MACROS:
        raise TooMany(f"A user has at most {MOST_MACROS} macros. Remove one first.")
    macro_id = store.add(conn, user_id, macro, now)
    if macro_id is None:
        raise _taken(macro)
    audit.append(conn, [Entry(Event.MACRO_ADDED, str(macro_id), user_id, {"name": macro.name})], now)
    return find(conn, user_id, macro_id)


def replace(
    conn: sa.Connection, registry: Registry, user_id: UUID, macro_id: UUID, macro: Macro, seen: int | None,
    now: datetime,
) -> StoredMacro:  # fmt: skip
    """Keep a new version of a macro; runs of an earlier one go on by that.

    Args:
        seen: The version that the new one was made from; None for any.

    Raises:
        ChangedMeanwhile: It has another version.
        AdministratorsOnly, BadInput, NameTaken, NotFound, TooMany: As `add` and `find`.
    """
    _refuse_bad(conn, macro, registry, user_id)
    found = find(conn, user_id, macro_id, locked=True)
    if seen is not None and seen != found.version:
        raise ChangedMeanwhile(f"It has version {found.version}, and you saw {seen}. Read it again.")
    if found.version >= MOST_VERSIONS:
        raise TooMany(f"A macro has at most {MOST_VERSIONS} versions. Export it, remove it and add it anew.")
    if not store.replace(conn, found, macro, now):
        raise _taken(macro)
    audit.append(conn, [Entry(Event.MACRO_CHANGED, str(macro_id), user_id, {"version": found.version + 1})], now)
    return find(conn, user_id, macro_id)


def remove(conn: sa.Connection, user_id: UUID, macro_id: UUID, now: datetime) -> None:
    """Delete a macro with its versions; runs go on. Raises as `find`."""
    find(conn, user_id, macro_id, locked=True)
    store.remove(conn, macro_id)
    audit.append(conn, [Entry(Event.MACRO_REMOVED, str(macro_id), user_id)], now)


def _refuse_bad(conn: sa.Connection, macro: Macro, registry: Registry, user_id: UUID) -> None:
    named = [registry.get(step.action or "") for step in macro.steps]
    refuse_any(conn, [action for action in named if action is not None], user_id)
    size = len(macro.model_dump_json(exclude_defaults=True, by_alias=True))
    if size > LARGEST_BYTES:
        raise BadInput(f"The document has {size:,} bytes; at most {LARGEST_BYTES:,} are kept.")
    check(macro, registry)


def _taken(macro: Macro) -> NameTaken:
    return NameTaken(f"You have a macro called {macro.name!r} already. Choose another name, or replace that one.")
