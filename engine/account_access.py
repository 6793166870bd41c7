"""Accounts ready for use: found for a job, renewed once for all workers, asked who we are there."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import sqlalchemy as sa

from llmcoder.connection import Connection
from llmcoder.declare.connection import (
    LONGEST_ACCOUNT,
    C,
    Caller,
    ConnectionKind,
    GetSettings,
    keeping_refresh_token,
    revealed,
)
from llmcoder.errors import ActionError, BadInput, NeedsReconnect, NotConfigured, Refused, Transient
from llmcoder.logger import get_logger
from models.connections import store as connections
from models.connections.store import ConnectedAccount
from models.db.database import TRANSIENT_ERRORS, Database

if TYPE_CHECKING:
    pass

log = get_logger(__name__)

#: Who renews an account and dies is waited for so long.
RENEWAL_S = 30.0
LOOK_EVERY_S = 0.1
#: A provider that rotates has made the old token useless: the new one is kept even if the database is away for a while.
KEEP_TRYING_S = 60.0

AnyKind = ConnectionKind[Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which account a job is to use.

    Attributes:
        provider: Of the account; its limits count for the job.
        account: Empty for the one of the installation.
        broken: It waits for a person to connect it again.
    """

    provider: str
    account: str
    broken: bool = False


def choose(
    conn: sa.Connection, user_id: UUID, kinds: Sequence[AnyKind], wanted: str | None, get: GetSettings
) -> Chosen:
    """The account for a new job: the one that was named, else the user's first, else the one of the installation.

    Args:
        kinds: The action serves any of these.
        wanted: Its name; with its provider before a colon where accounts of two kinds may carry one name.

    Raises:
        BadInput: The user has no account of that name.
        NotConfigured: There is none at all; the detail says what to do.
    """
    stored = _named(conn, user_id, [kind.provider for kind in kinds], wanted)
    if stored is not None:
        return Chosen(stored.provider, stored.account, stored.broken)
    if wanted is not None:
        listed = [one.account for kind in kinds for one in connections.listed(conn, user_id, kind.provider)]
        raise BadInput(f"You have no {_titles(kinds)} account {wanted!r}; connected: {', '.join(listed) or 'none'}.")
    for kind in kinds:
        if fallback(kind, get) is not None:
            return Chosen(kind.provider, "")
    raise NotConfigured(how_to_connect(kinds))


def _named(conn: sa.Connection, user_id: UUID, providers: Sequence[str], wanted: str | None) -> ConnectedAccount | None:
    found = connections.choose(conn, user_id, providers, wanted)
    if found is not None or wanted is None:
        return found
    provider, _, name = wanted.partition(":")
    return connections.choose(conn, user_id, [provider], name) if name and provider in providers else None


def _titles(kinds: Sequence[AnyKind]) -> str:
    return " or ".join(kind.title for kind in kinds)


def fallback(kind: ConnectionKind[C], get: GetSettings) -> C | None:
    """What the settings say about the account of this installation."""
    return kind.fallback(get) if kind.fallback is not None else None


def how_to_connect(kinds: Sequence[AnyKind]) -> str:
    """What a person does who has no account of the kinds."""
    doors = " or ".join(dict.fromkeys(door_of(kind) for kind in kinds))
    own = any(kind.fallback is not None for kind in kinds)
    shared = " Or an administrator sets one up for everybody in the settings." if own else ""
    return f"You have connected no {_titles(kinds)} account. Connect one: {doors}.{shared}"


def door_of(kind: AnyKind) -> str:
    """Where such an account is connected."""
    return "POST /connections" if kind.oauth is None else f"POST /connections/oauth/{kind.provider}"


def connect(
    db: Database,
    user_id: UUID,
    kind: ConnectionKind[C],
    account: str | None,
    caller: Caller,
    wait: Callable[[float], None] = time.sleep,
    *,
    no_other: bool = False,
) -> Connection[C]:
    """The user's account for use.

    Args:
        account: Its name; empty for the one of the installation; None for the one that is meant without a name.
        no_other: Only the named one will do, since an effect may have happened in its name.
        wait: For as long, while another worker renews it; may raise, to end that.

    Raises:
        NotConfigured: There is none.
        NeedsReconnect: It is broken, or gone.
        Transient: The database or the key is away.
    """
    try:
        with db.read() as conn:
            stored = connections.choose(conn, user_id, [kind.provider], account or None)
            if not account and (account == "" or stored is None) and (own := fallback(kind, caller.settings)):
                return InstallationConnection(kind, own, caller)
            if account == "" and no_other:
                raise NeedsReconnect(f"The {kind.title} account of this installation is not set up any more.")
            if stored is None:
                raise NeedsReconnect(_gone(kind, account)) if account else NotConfigured(how_to_connect([kind]))
            if stored.broken:
                raise NeedsReconnect(f"The {kind.title} account {stored.account} is broken: {stored.error}")
            version, credentials = connections.credentials(conn, stored, kind)
    except TRANSIENT_ERRORS as error:
        raise Transient("The account could not be read: the database is busy or away.") from error
    return StoredConnection(db, kind, stored, version, credentials, caller, wait)


def _gone(kind: AnyKind, account: str) -> str:
    return f"The {kind.title} account {account} is not connected any more. Connect it again, or cancel the job."


class StoredConnection(Connection[C]):
    """A user's account, whose row every worker shares."""

    def __init__(
        self,
        db: Database,
        kind: ConnectionKind[C],
        stored: ConnectedAccount,
        version: int,
        credentials: C,
        caller: Caller,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.kind = kind
        self.account = stored.account
        self.stored = stored
        self.version = version
        self._db = db
        self._credentials = credentials
        self._caller = caller
        self._wait = wait

    @property
    def credentials(self) -> C:
        return self._credentials

    @property
    def caller(self) -> Caller:
        return self._caller

    def replace(self, credentials: C) -> C:
        new = keeping_refresh_token(credentials, self._credentials)
        if self._keep(new):
            self.version, self._credentials = self.version + 1, new
            return new
        self._read()
        return self._credentials

    def renew(self, make: Callable[[C], C]) -> C:
        while not self._begin_renewal():
            before = self.version
            self._read()
            if self.version != before:
                return self._credentials  # somebody else has just made them
            self._wait(LOOK_EVERY_S)
        try:
            return self.replace(make(self._credentials))
        except NeedsReconnect:
            # a renewal that took longer than its time, and a person, may both have put other credentials there
            before = self.version
            self._read()
            if self.version != before:
                return self._credentials
            raise
        finally:
            self._end_renewal()

    def _begin_renewal(self) -> bool:
        now = self._db.now()
        try:
            with self._db.write() as conn:
                until = now + timedelta(seconds=RENEWAL_S)
                return connections.begin_renewal(conn, self.stored, self.version, until, now)
        except TRANSIENT_ERRORS as error:
            raise Transient("The account could not be renewed: the database is busy or away.") from error

    def _end_renewal(self) -> None:
        try:
            with self._db.write(durable=False) as conn:
                connections.end_renewal(conn, self.stored, self.version)
        except TRANSIENT_ERRORS as error:
            log.warning("others wait until a renewal's time is over", error=type(error).__name__)

    def _keep(self, new: C) -> bool:
        until = time.monotonic() + KEEP_TRYING_S
        while True:
            try:
                with self._db.write() as conn:
                    return connections.replace(conn, self.stored, self.version, new, self._db.now())
            except TRANSIENT_ERRORS as error:
                if time.monotonic() > until:
                    raise Transient("The renewed account could not be kept: the database is away.") from error
                log.warning("a renewed account is kept until the database takes it", error=type(error).__name__)
            time.sleep(LOOK_EVERY_S)  # not `wait`: a job that ends now must not lose the user's account

    def _read(self) -> None:
        try:
            with self._db.read() as conn:
                self.version, self._credentials = connections.credentials(conn, self.stored, self.kind)
        except TRANSIENT_ERRORS as error:
            raise Transient("The account could not be read: the database is busy or away.") from error


class InstallationConnection(Connection[C]):
    """The account of the installation. Settings are an operator's, so what is renewed lives as long as the process."""

    _kept: ClassVar[dict[tuple[str, bytes], Any]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, kind: ConnectionKind[C], credentials: C, caller: Caller) -> None:
        self.kind = kind
        self.account = ""
        self._key = (kind.provider, hashlib.sha256(revealed(credentials)).digest())
        self._given = credentials
        self._caller = caller

    @property
    def credentials(self) -> C:
        found: C = self._kept.get(self._key, self._given)
        return found

    @property
    def caller(self) -> Caller:
        return self._caller

    def replace(self, credentials: C) -> C:
        self._kept[self._key] = keeping_refresh_token(credentials, self.credentials)
        return self.credentials

    def renew(self, make: Callable[[C], C]) -> C:
        before = self.credentials
        with self._lock:
            return self.credentials if self.credentials is not before else self.replace(make(before))


# --- who we are there


def identify(kind: ConnectionKind[C], credentials: C, caller: Caller) -> str:
    """The account's name, by one cheap real call.

    Raises:
        ActionError: It could not be had; a defect of the integration is `Refused` too.
    """
    return _in_time(lambda: _name(kind, credentials, caller), kind, caller)


def check(connection: Connection[C]) -> str:
    """As `identify`, for an account that may need a new access token first."""
    return _in_time(lambda: _check(connection), connection.kind, connection.caller)


def _check(connection: Connection[C]) -> str:
    kind, caller = connection.kind, connection.caller
    if kind.oauth is None or getattr(connection.credentials, "grant", None) is None:
        return _name(kind, connection.credentials, caller)
    token = connection.access_token()
    try:
        return _name(kind, connection.credentials, caller)
    except NeedsReconnect:
        connection.access_token(refused=token)
        return _name(kind, connection.credentials, caller)


def _name(kind: ConnectionKind[C], credentials: C, caller: Caller) -> str:
    name = kind.identify(credentials, caller)
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST_ACCOUNT:
        raise Refused(f"{kind.title} said nothing that can be an account's name.")
    return name.strip()


def _in_time(ask: Callable[[], str], kind: AnyKind, caller: Caller) -> str:
    """In a thread, since a service that never answers must not make us wait for it."""
    answer: Future[str] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except ActionError as error:
            answer.set_exception(error)
        except Exception as error:  # noqa: BLE001 (a domain's own code; whatever it raises is logged and told)
            log.error("a check of an account broke", provider=kind.provider, kind=type(error).__name__)
            broke = f"The check of {kind.title} broke with {type(error).__name__}: a defect of the integration."
            answer.set_exception(Refused(broke))

    Thread(target=run, name=f"identify-{kind.provider}", daemon=True).start()
    try:
        return answer.result(max(caller.remaining_s, 0.1))
    except TimeoutError:
        pass
    raise Transient(f"{kind.title} did not answer in time. Look at its address, and try again.")
