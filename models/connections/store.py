"""Connected accounts as rows: kept sealed, renewed by one worker at a time, declared broken and mended.

A broken account's jobs wait (`waiting`/`reconnect`) and burn no retries; the account's mending releases them all. What
slipped in between, such as a job that ended there while somebody connected the account, the dispatcher releases.

Locks: an account's row comes before jobs, and no transaction that holds jobs takes one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import JsonValue, ValidationError

from llmcoder import strict_json
from llmcoder.declare.connection import GRANT, C, ConnectionKind, Grant, keeping_refresh_token, revealed, shown
from llmcoder.errors import NeedsReconnect
from llmcoder.ids import new_id
from llmcoder.model import Model
from llmcoder.states import Reason, State
from models.accounts import vault
from models.accounts.tables import users
from models.accounts.vault import Sealed
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.connections.tables import connections
from models.db import conflicts
from models.db.literals import literal
from models.jobs import fair_queue
from models.jobs.machine import Move, Moved, apply, lock
from models.jobs.tables import jobs

LONGEST_ERROR_CHARS = 1_000


class ConnectionState(StrEnum):
    """How an account stands."""

    OK = "ok"
    BROKEN = "broken"  # its provider refuses it; a person must connect it again


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """A connected account without what proves it.

    Attributes:
        version: Of the secret; grows with each change of it.
        shown: What is no secret, as JSON.
        scopes: What was granted, as JSON.
        expires_at: When the access token ends, where there is one.
        checked_at: When it was last seen to work.
        error: Why it is broken.
    """

    id: UUID
    user_id: UUID
    provider: str
    account: str
    state: str
    version: int
    shown: str
    scopes: str
    expires_at: datetime | None
    checked_at: datetime | None
    error: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def broken(self) -> bool:
        return self.state == ConnectionState.BROKEN


_COLUMNS = tuple(connections.c[name] for name in ConnectedAccount.__slots__)
_SELECT = sa.select(*_COLUMNS)
#: The first that was connected is the one that is meant when nobody says which.
_IN_ORDER = (connections.c.created_at, connections.c.id)


def listed(conn: sa.Connection, user_id: UUID, provider: str | None = None) -> list[ConnectedAccount]:
    """The user's accounts, by provider; of each the one first that is meant when nobody says which."""
    query = _SELECT.where(connections.c.user_id == user_id).order_by(connections.c.provider, *_IN_ORDER)
    if provider is not None:
        query = query.where(connections.c.provider == provider)
    return [ConnectedAccount(*row) for row in conn.execute(query)]


def every(conn: sa.Connection) -> list[ConnectedAccount]:
    """Everybody's accounts, for operators."""
    return [ConnectedAccount(*row) for row in conn.execute(_SELECT.order_by(connections.c.provider, *_IN_ORDER))]


def get(conn: sa.Connection, user_id: UUID, connection_id: UUID) -> ConnectedAccount | None:
    """The user's account of that id; None also when it is somebody else's."""
    mine = sa.and_(connections.c.id == connection_id, connections.c.user_id == user_id)
    return _first(conn, _SELECT.where(mine))


def choose(
    conn: sa.Connection, user_id: UUID, providers: Sequence[str], account: str | None
) -> ConnectedAccount | None:
    """The user's account of that name at one of the providers, or the one that is meant without a name."""
    query = _SELECT.where(connections.c.user_id == user_id, connections.c.provider.in_(providers))
    if account is not None:
        query = query.where(connections.c.account == account)
    return _first(conn, query.order_by(*_IN_ORDER).limit(1))


def holders(conn: sa.Connection, provider: str, account: str, limit: int) -> list[UUID]:
    """Ids of the users who connected that account."""
    query = sa.select(connections.c.user_id).where(connections.c.provider == provider, connections.c.account == account)
    return list(conn.execute(query.order_by(*_IN_ORDER).limit(limit)).scalars())


def in_use(conn: sa.Connection, provider: str, accounts: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those among these users' accounts that are connected still, by users who are active."""
    if not accounts:
        return set()
    named = sa.tuple_(connections.c.user_id, connections.c.account).in_(accounts)
    query = sa.select(connections.c.user_id, connections.c.account).join(users, users.c.id == connections.c.user_id)
    found = conn.execute(query.where(connections.c.provider == provider, users.c.is_active, named))
    return {(row.user_id, row.account) for row in found}


def credentials(conn: sa.Connection, stored: ConnectedAccount, kind: ConnectionKind[C]) -> tuple[int, C]:
    """What proves the account now, and its version.

    Raises:
        NeedsReconnect: It is gone, damaged, or in a form that this code does not know.
        VaultError: This process lacks the key.
    """
    sealed = connections.c.secret, connections.c.key_version, connections.c.version
    row = conn.execute(sa.select(*sealed).where(connections.c.id == stored.id)).first()
    if row is None:
        raise NeedsReconnect(f"The account {stored.account} was taken out. Connect it again.")
    plain = vault.open_(conn, Sealed(row.key_version, row.secret), _about(stored))
    try:
        return row.version, kind.credentials.model_validate_json(plain)
    except ValidationError:
        pass
    # Raised outside the handler: a validation error carries the secret.
    raise NeedsReconnect(f"The account {stored.account} was kept in a form that is no longer known. Connect it again.")


# --- changing


def keep(
    conn: sa.Connection, user_id: UUID, kind: ConnectionKind[C], account: str, new: C, now: datetime, by: UUID | None
) -> ConnectedAccount:
    """Keep an account that was just seen to work; one of that name is connected again.

    Args:
        by: Who did it; None for an operator at the command line.

    Raises:
        VaultError: This process lacks the key.
    """
    named = sa.and_(
        connections.c.user_id == user_id, connections.c.provider == kind.provider, connections.c.account == account
    )
    one = new_id()
    row = {"id": one, "user_id": user_id, "provider": kind.provider, "account": account, "created_at": now}
    row |= _values(conn, (one, user_id, kind.provider), new, now)
    conn.execute(conflicts.insert(conn.dialect.name, connections).values(row).on_conflict_do_nothing())
    before = _first(conn, _SELECT.where(named).with_for_update())
    assert before is not None
    if before.id != one:
        _write(conn, before, _with_old_refresh_token(conn, before, kind, new), now)
    event = Event.CONNECTION_ADDED if before.id == one else Event.CONNECTION_CHANGED
    _note(conn, event, before, now, by)
    kept = _first(conn, _SELECT.where(named))
    assert kept is not None
    return kept


def _with_old_refresh_token(conn: sa.Connection, stored: ConnectedAccount, kind: ConnectionKind[C], new: C) -> C:
    grant = getattr(new, GRANT, None)
    if not isinstance(grant, Grant) or grant.refresh_token is not None:
        return new
    try:
        return keeping_refresh_token(new, credentials(conn, stored, kind)[1])
    except NeedsReconnect:  # what was kept is of no use; that is why it is connected again
        return new


def replace(conn: sa.Connection, stored: ConnectedAccount, version: int, new: Model, now: datetime) -> bool:
    """Keep other credentials of an account, if those of that version are still in force."""
    fence = sa.and_(connections.c.id == stored.id, connections.c.version == version)
    if conn.execute(sa.select(connections.c.id).where(fence).with_for_update()).first() is None:
        return False
    _write(conn, stored, new, now)
    return True


def begin_renewal(conn: sa.Connection, stored: ConnectedAccount, version: int, until: datetime, now: datetime) -> bool:
    """Whether the caller may renew the credentials of that version; nobody else may before the instant."""
    free = sa.or_(connections.c.renewing_until.is_(None), connections.c.renewing_until <= now)
    mine = sa.and_(connections.c.id == stored.id, connections.c.version == version, free)
    return conn.execute(sa.update(connections).where(mine).values(renewing_until=until)).rowcount == 1


def end_renewal(conn: sa.Connection, stored: ConnectedAccount, version: int) -> None:
    """Let others try."""
    mine = sa.and_(connections.c.id == stored.id, connections.c.version == version)
    conn.execute(sa.update(connections).where(mine).values(renewing_until=None))


def declare_broken(
    conn: sa.Connection, connection_id: UUID, version: int | None, why: str, now: datetime
) -> ConnectedAccount | None:
    """Write down that the provider refuses an account.

    Args:
        version: Of the secret that it refused; None for whichever there is.

    Returns:
        The account; None where it is broken already, or has another secret by now.
    """
    standing = sa.and_(connections.c.id == connection_id, connections.c.state != ConnectionState.BROKEN)
    if version is not None:
        standing = sa.and_(standing, connections.c.version == version)
    values = {
        "state": ConnectionState.BROKEN,
        "error": why[:LONGEST_ERROR_CHARS],
        "updated_at": now,
        "renewing_until": None,
    }
    row = conn.execute(sa.update(connections).where(standing).values(values).returning(*_COLUMNS)).first()
    if row is None:
        return None
    _note(conn, Event.CONNECTION_BROKEN, ConnectedAccount(*row), now, None)
    return ConnectedAccount(*row)


def declare_ok(conn: sa.Connection, connection_id: UUID, version: int, now: datetime) -> ConnectedAccount | None:
    """Write down that an account was seen to work; None where it has another secret by now, or is gone."""
    mine = sa.and_(connections.c.id == connection_id, connections.c.version == version)
    before = _first(conn, _SELECT.where(mine).with_for_update())
    if before is None:
        return None
    values = {"state": ConnectionState.OK, "error": None, "checked_at": now}
    conn.execute(sa.update(connections).where(mine).values(values))
    if before.broken:
        _note(conn, Event.CONNECTION_MENDED, before, now, None)
    return _first(conn, _SELECT.where(mine))


def remove(conn: sa.Connection, stored: ConnectedAccount, now: datetime, by: UUID | None) -> bool:
    """Forget an account for good; False where somebody else just did."""
    if conn.execute(sa.delete(connections).where(connections.c.id == stored.id)).rowcount == 0:
        return False
    _note(conn, Event.CONNECTION_REMOVED, stored, now, by)
    return True


def _write(conn: sa.Connection, stored: ConnectedAccount, new: Model, now: datetime) -> None:
    values = _values(conn, _about(stored), new, now) | {"version": connections.c.version + 1}
    conn.execute(sa.update(connections).where(connections.c.id == stored.id).values(values))


def _values(conn: sa.Connection, about: vault.About, new: Model, now: datetime) -> dict[str, Any]:
    sealed = vault.seal(conn, revealed(new), about, now)
    found = getattr(new, GRANT, None)
    grant = found if isinstance(found, Grant) else None
    return {
        "secret": sealed.box,
        "key_version": sealed.version,
        "state": ConnectionState.OK,
        "error": None,
        "renewing_until": None,
        "shown": strict_json.write(shown(new)),
        "scopes": strict_json.write(grant.scopes if grant else ()),
        "expires_at": grant.expires_at if grant else None,
        "checked_at": now,
        "updated_at": now,
    }


def _about(stored: ConnectedAccount) -> vault.About:
    return stored.id, stored.user_id, stored.provider


def _note(conn: sa.Connection, event: Event, stored: ConnectedAccount, now: datetime, by: UUID | None) -> None:
    detail: dict[str, JsonValue] = {"provider": stored.provider, "account": stored.account}
    audit.append(conn, [Entry(event, str(stored.id), by, detail)], now)


def _first(conn: sa.Connection, query: sa.Select[Any]) -> ConnectedAccount | None:
    row = conn.execute(query).first()
    return None if row is None else ConnectedAccount(*row)


# --- the jobs of an account

_AT_REST = (State.QUEUED, State.SCHEDULED)
_WAITS = sa.and_(jobs.c.state == literal(State.WAITING), jobs.c.reason == literal(Reason.RECONNECT))


def hold(
    conn: sa.Connection, stored: ConnectedAccount, actions: Collection[str], why: str, now: datetime, limit: int
) -> list[Moved]:
    """Have an account's jobs wait until it is connected again, up to so many in one transaction.

    Args:
        actions: Names of those that use such an account.
        why: The error as JSON that the jobs then show.
    """
    mine = sa.and_(*_of(stored), jobs.c.account == stored.account, jobs.c.action.in_(actions))
    resting = sa.select(jobs.c.id).where(mine, jobs.c.state.in_(_AT_REST)).order_by(jobs.c.id).limit(limit)
    moves = [
        Move(one, State.WAITING, reason=Reason.RECONNECT, only_from=frozenset(_AT_REST), values={"error": why})
        for one in conn.execute(resting).scalars()
    ]
    return [done for done in apply(conn, moves, now) if done is not None]


def release(
    conn: sa.Connection, stored: ConnectedAccount, actions: Collection[str], now: datetime, limit: int
) -> list[Moved]:
    """Let an account's waiting jobs go on, up to so many in one transaction.

    So do those that were to use the account of the installation, or had none: their user has connected one since.
    """
    mine = sa.and_(*_of(stored), _may_use(sa.literal(stored.account)), jobs.c.action.in_(actions))
    return _release(conn, mine, {"account": stored.account}, now, limit)


def release_unowned(conn: sa.Connection, actions: Collection[str], now: datetime, limit: int) -> list[Moved]:
    """Let everybody's jobs go on that wait for the account of this installation."""
    return _release(conn, sa.and_(jobs.c.account == "", jobs.c.action.in_(actions)), {}, now, limit)


def _release(
    conn: sa.Connection, which: sa.ColumnElement[bool], values: dict[str, object], now: datetime, limit: int
) -> list[Moved]:
    waiting = sa.select(jobs.c.id).where(_WAITS, which).order_by(jobs.c.id).limit(limit)
    ids = list(conn.execute(waiting).scalars())
    if not ids:
        return []
    lock(conn, ids)
    fair_queue.rejoin(conn, ids)
    due = conn.execute(sa.select(jobs.c.id, jobs.c.due_at).where(jobs.c.id.in_(ids), _WAITS).order_by(jobs.c.id))
    moves = [_onward(row.id, row.due_at, values, now) for row in due]
    return [done for done in apply(conn, moves, now) if done is not None]


def _onward(job_id: UUID, due_at: datetime, values: dict[str, object], now: datetime) -> Move:
    to, reason = (State.SCHEDULED, Reason.DELAY) if due_at > now else (State.QUEUED, None)
    only = frozenset({State.WAITING})
    return Move(job_id, to, reason=reason, only_from=only, values={"error": None} | values)


def any_waiting(conn: sa.Connection, _now: datetime) -> bool:
    """Whether some job waits for a reconnect."""
    return conn.execute(sa.select(jobs.c.id).where(_WAITS).order_by(jobs.c.user_id).limit(1)).first() is not None


def stranded(conn: sa.Connection, actions: Collection[str], limit: int) -> list[ConnectedAccount]:
    """Accounts that work although jobs of theirs wait for a reconnect."""
    theirs = sa.and_(
        jobs.c.user_id == connections.c.user_id,
        jobs.c.provider == connections.c.provider,
        _may_use(connections.c.account),
        jobs.c.action.in_(actions),
    )
    waits = sa.select(jobs.c.id).where(_WAITS, theirs).exists()
    query = _SELECT.where(connections.c.state == ConnectionState.OK, waits).order_by(*_IN_ORDER).limit(limit)
    return [ConnectedAccount(*row) for row in conn.execute(query)]


def _may_use(account: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Jobs of an account, and those of the installation's, except where an effect was armed: only that one knows it."""
    return sa.or_(jobs.c.account == account, sa.and_(jobs.c.account == "", jobs.c.armed_at.is_(None)))


def _of(stored: ConnectedAccount) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return jobs.c.user_id == stored.user_id, jobs.c.provider == stored.provider
