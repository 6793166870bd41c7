"""Asks the provider of every connected account, and of the installation's own, who we are there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from cli import accounts
from cli.results import Finding, broken, fine
from engine.account_access import InstallationConnection, StoredConnection, check, fallback
from llmcoder.caller import CallerWithDeadline
from llmcoder.config import Config
from llmcoder.errors import ActionError
from llmcoder.registry import AnyKind, Registry
from llmcoder.settings import EngineSettings
from models.accounts import vault
from models.accounts.vault import VaultError
from models.connections import store as connections
from models.connections.store import ConnectedAccount
from models.db.database import TRANSIENT_ERRORS, Database, UnsafeDatabase

AT_ONCE = 8


def ask_accounts(config: Config, known: Registry) -> Iterator[Finding]:
    """One finding an account; each is asked for a limited time. What a database in trouble holds is left out."""
    kinds = known.connections()
    with closing(Database(config.get(EngineSettings).database_url, pool_size=AT_ONCE)) as db:
        found, emails = [], {}
        try:
            if not db.is_sqlite or Path(db.url.database or "").exists():
                vault.verify(db)
                with db.read() as conn:
                    found, emails = connections.every(conn), {one.id: one.email for one in accounts.everyone(conn)}
        except VaultError as error:
            yield broken("connection keys", error.detail)
        except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError, UnsafeDatabase):
            pass  # said when the database was looked at
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(lambda one: _of_user(db, kinds.get(one.provider), one, emails[one.user_id]), found)
            yield from pool.map(
                lambda kind: _own(kind, config), [one for one in kinds.values() if _has_own(one, config)]
            )


def _has_own(kind: AnyKind, config: Config) -> bool:
    return fallback(kind, config.get) is not None


def _of_user(db: Database, kind: AnyKind | None, stored: ConnectedAccount, email: str) -> Finding:
    part, whose = stored.provider, f"{stored.account} of {email}"
    if kind is None:
        return broken(part, f"{whose}: no installed package knows such accounts", "Install it, or remove the account.")
    try:
        with db.read() as conn:
            version, credentials = connections.credentials(conn, stored, kind)
        name = check(StoredConnection(db, kind, stored, version, credentials, CallerWithDeadline()))
    except ActionError as error:
        return broken(part, f"{whose}: {error.detail}", f"`llmcoder connections check {stored.id} --user {email}`")
    except TRANSIENT_ERRORS:
        return broken(part, f"{whose}: the database is busy or away")
    return fine(part, f"{whose}: we are {name}")


def _own(kind: AnyKind, config: Config) -> Finding:
    caller = CallerWithDeadline()
    given = fallback(kind, config.get)
    assert given is not None  # it was there a moment ago
    try:
        name = check(InstallationConnection(kind, given, caller))
    except ActionError as error:
        return broken(kind.provider, f"of this installation: {error.detail}", "Correct its settings.")
    return fine(kind.provider, f"of this installation: we are {name}")
