"""Accounts are connected, looked at, broken, mended and taken out; their user hears of it, and their jobs follow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.account_access import InstallationConnection, StoredConnection, check, fallback, identify
from engine.outbox import Outbox
from llmcoder import strict_json
from llmcoder.caller import CallerWithDeadline
from llmcoder.config import config
from llmcoder.declare.connection import C, ConnectionKind, OAuth
from llmcoder.errors import BadInput, NeedsReconnect, NotConfigured
from llmcoder.registry import AnyKind, Registry
from models.connections import signins
from models.connections import store as connections
from models.connections.signins import Signin
from models.connections.store import ConnectedAccount
from models.db.database import Database
from models.jobs.machine import Moved

#: Jobs of one transaction: few enough that nobody waits long for SQLite's only writer.
BATCH = 500


class Accounts:
    """All that happens to accounts, for one process. What asks a provider blocks, each time for some seconds at most.

    Args:
        outbox: Tells the user, and wakes watchers of the jobs.
    """

    def __init__(self, db: Database, outbox: Outbox, registry: Registry) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = registry

    def add(self, user_id: UUID, kind: ConnectionKind[C], credentials: C, by: UUID | None) -> ConnectedAccount:
        """Ask the provider who that is, and keep the account; one that is there already is connected again.

        Args:
            by: Who did it; None for an operator at the command line.

        Raises:
            BadInput: The provider refuses the credentials.
            ActionError: It could not be asked.
        """
        try:
            name = identify(kind, credentials, CallerWithDeadline())
        except NeedsReconnect as error:
            raise BadInput(f"{kind.title} refused these credentials. {error.detail}") from error
        with self._db.write() as conn:
            stored = connections.keep(conn, user_id, kind, name, credentials, self._db.now(), by)
        self._tell(stored, None)
        self.release(stored)  # what waited, also for an account that nobody had
        return stored

    def begin_signin(self, user_id: UUID, kind: AnyKind, redirect_uri: str) -> str:
        """Begin to connect an account with the browser; returns where it is to go.

        Raises:
            BadInput: Accounts of the kind are not connected in that way.
            NotConfigured: This installation is not registered at the provider.
        """
        from llmcoder import oauth  # loads httpx

        declared = oauth_of(kind)
        client, verifier = declared.client(config().get), oauth.new_verifier()
        with self._db.write() as conn:
            signin = Signin(user_id, kind.provider, redirect_uri, verifier)
            state = signins.begin(conn, signin, self._db.now())
        return oauth.authorize_url(declared, client, redirect_uri=redirect_uri, state=state, verifier=verifier)

    def finish_signin(self, kind: AnyKind, signin: Signin, code: str) -> ConnectedAccount:
        """Take the code that the browser brought to the provider, and keep the account.

        Raises:
            ActionError: The provider does not take it, or could not be asked.
        """
        from llmcoder import oauth  # loads httpx

        declared, caller = oauth_of(kind), CallerWithDeadline()
        grant, answer = oauth.exchange(
            declared,
            declared.client(config().get),
            code=code,
            verifier=signin.verifier,
            redirect_uri=signin.redirect_uri,
            within_s=caller.remaining_s,
        )
        return self.add(signin.user_id, kind, declared.credentials(grant, answer, caller), signin.user_id)

    def check(self, stored: ConnectedAccount) -> tuple[ConnectedAccount, str]:
        """Ask the provider who an account is; returns the account as it stands then, and what was said.

        Raises:
            NeedsReconnect: It is broken, which is written down.
            NotConfigured: No installed package knows such accounts.
            ActionError: It could not be asked.
        """
        connection = self._opened(stored)
        try:
            name = check(connection)
        except NeedsReconnect as error:
            self.broken(stored.id, connection.version, error.detail)
            raise
        return self._works(stored, connection.version), name

    def check_own(self, kind: AnyKind) -> str:
        """Ask the provider who the account of this installation is; what waited for it goes on if it works.

        Raises:
            NotConfigured: There is none.
            ActionError: It is refused, or could not be asked.
        """
        caller = CallerWithDeadline()
        given = fallback(kind, caller.settings)
        if given is None:
            raise NotConfigured(f"This installation has no {kind.title} account.")
        name = check(InstallationConnection(kind, given, caller))
        self.release_unowned(self._registry.connecting(kind.provider))
        return name

    def _opened(self, stored: ConnectedAccount) -> StoredConnection[Any]:
        kind = self._registry.connections().get(stored.provider)
        if kind is None:
            raise NotConfigured(f"No installed package knows accounts of {stored.provider}.")
        try:
            with self._db.read() as conn:
                version, credentials = connections.credentials(conn, stored, kind)
        except NeedsReconnect as error:
            self.broken(stored.id, None, error.detail)
            raise
        return StoredConnection(self._db, kind, stored, version, credentials, CallerWithDeadline())

    def _works(self, stored: ConnectedAccount, version: int) -> ConnectedAccount:
        with self._db.write() as conn:
            seen = connections.declare_ok(conn, stored.id, version, self._db.now())
        if seen is None:  # another secret was put there meanwhile, by who knows better
            return stored
        if stored.broken:
            self._tell(seen, None)
        self.release(seen)
        return seen

    def remove(self, stored: ConnectedAccount, by: UUID | None) -> None:
        """Forget an account: what was to use it waits for it to come back, or is cancelled by its user."""
        with self._db.write() as conn:
            removed = connections.remove(conn, stored, self._db.now(), by)
        if removed:
            self._tell(stored, None, state="removed")
            self._hold(stored, f"The account {stored.account} was taken out. Connect it again, or cancel the job.")

    def broken(self, connection_id: UUID, version: int | None, why: str) -> bool:
        """The provider refuses an account: its jobs wait, and its user is told once.

        Args:
            version: Of the secret that was refused.

        Returns:
            Whether that is news.
        """
        with self._db.write() as conn:
            stored = connections.declare_broken(conn, connection_id, version, why, self._db.now())
        if stored is None:
            return False
        self._tell(stored, why)
        self._hold(stored, why)
        return True

    def release(self, stored: ConnectedAccount) -> int:
        """Let the jobs of an account go on; returns how many."""
        actions = self._registry.connecting(stored.provider)
        return self._each(lambda conn: connections.release(conn, stored, actions, self._db.now(), BATCH))

    def release_unowned(self, actions: Collection[str]) -> int:
        """Let the jobs of these actions go on that wait for the account of the installation; returns how many."""
        return self._each(lambda conn: connections.release_unowned(conn, actions, self._db.now(), BATCH))

    def _hold(self, stored: ConnectedAccount, why: str) -> None:
        actions, error = (
            self._registry.connecting(stored.provider),
            strict_json.write_bytes(NeedsReconnect(why).as_problem()),
        )
        self._each(lambda conn: connections.hold(conn, stored, actions, error.decode(), self._db.now(), BATCH))

    def _each(self, move_some: Callable[[sa.Connection], list[Moved]]) -> int:
        """Batch after batch, until there is nothing left to move."""
        total = 0
        while True:
            with self._db.write() as conn:
                moved = move_some(conn)
            self._outbox.wake_moved(moved)
            total += len(moved)
            if not moved:
                return total

    def _tell(self, stored: ConnectedAccount, why: str | None, state: str | None = None) -> None:
        about = {"id": str(stored.id), "provider": stored.provider, "account": stored.account}
        message = {"type": "connection", **about, "state": state or stored.state, "detail": why}
        self._outbox.live(stored.user_id, message)


def oauth_of(kind: AnyKind) -> OAuth[Any]:
    """How accounts of the kind are signed in to.

    Raises:
        BadInput: They are not.
    """
    if kind.oauth is None:
        raise BadInput(f"{kind.title} accounts are not connected in the browser: POST /connections takes them.")
    return kind.oauth


CALLBACK = "/connections/oauth/callback"
