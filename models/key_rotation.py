"""Seals everything anew under another key: the one thing that must know every table with a sealed column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from llmcoder import keyfile
from llmcoder.config_file import exclusive
from models.accounts.tables import key_fingerprints
from models.accounts.vault import (
    KEY_FILE,
    KNOWN_KEYS,
    About,
    KnownKey,
    Sealed,
    VaultError,
    add_key,
    check,
    engine_settings,
    fresh_key,
    held,
    key_of,
    last_version,
    open_,
    seal_with,
    unknown_keys,
)
from models.connections.tables import connections, oauth_states
from models.db.database import Database
from models.webhooks.tables import inbound_hooks, webhooks

BATCH = 100

#: Tables with a sealed column, and the columns that say to what it belongs.
ABOUT: Mapping[sa.Table, tuple[str, ...]] = {
    connections: ("id", "user_id", "provider"),
    oauth_states: ("state_hash", "user_id", "provider"),
    inbound_hooks: ("id", "user_id"),
    webhooks: ("id", "user_id"),
}


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to.

    Attributes:
        version: Of the key that seals from now on.
        sealed: Rows that were sealed anew.
        dropped: Keys that nothing needs any more.
    """

    version: int
    sealed: int
    dropped: int


def rotate(db: Database) -> Rotated:
    """Seal everything with a new key, and drop the old ones. Going on after an interruption is calling it again.

    Raises:
        VaultError: The keys are given by CONNECTIONS_KEYS, and no new one is among them; or one is missing.
        Damaged: A row does not open; the detail names it.
    """
    with db.write() as conn:
        check(conn)
        new = _begin(conn, db.now())
    sealed = 0
    while True:
        with db.write() as conn:
            count = _seal_some_anew(conn, new)
            retired = count == 0 and _retire(conn, new.version, db.now())
        sealed += count
        if retired:
            return Rotated(new.version, sealed, _drop(db))


def give_up(conn: sa.Connection, now: datetime) -> int:
    """Forget everything that was sealed with keys which are lost; returns how many rows that were."""
    lost = [row.version for row in conn.execute(KNOWN_KEYS) if row.fingerprint not in held()]
    gone = [conn.execute(sa.delete(table).where(table.c.key_version.in_(lost))).rowcount for table in ABOUT]
    conn.execute(sa.update(key_fingerprints).where(key_fingerprints.c.version.in_(lost)).values(retired_at=now))
    return sum(gone)


def _begin(conn: sa.Connection, now: datetime) -> KnownKey:
    """The new key: one that is held and that the database does not know, from an interruption or an operator."""
    unfinished = _unfinished(conn)
    if unfinished is not None and not unknown_keys(conn):
        return unfinished
    new = KnownKey(last_version(conn) + 1, fresh_key(conn))
    add_key(conn, new, now)
    return new


def _unfinished(conn: sa.Connection) -> KnownKey | None:
    """The newest key, if an interrupted rotation left older ones beside it."""
    known = [KnownKey(*row) for row in conn.execute(KNOWN_KEYS)]
    return known[-1] if len(known) > 1 else None


def _seal_some_anew(conn: sa.Connection, new: KnownKey) -> int:
    """A batch of rows that other keys sealed."""
    key, done = key_of(new), 0
    for table, about in ABOUT.items():
        older = sa.select(table).where(table.c.key_version != new.version).limit(BATCH).with_for_update()
        for row in conn.execute(older).mappings().all():
            belongs = [row[name] for name in about]
            plain = _opened(conn, row, belongs)
            sealed = seal_with(new.version, key, plain, belongs)
            (mark,) = table.primary_key.columns
            values = {"secret": sealed.box, "key_version": sealed.version}
            conn.execute(sa.update(table).where(mark == row[mark.name]).values(values))
            done += 1
    return done


def _opened(conn: sa.Connection, row: sa.RowMapping, about: About) -> bytes:
    try:
        return open_(conn, Sealed(row["key_version"], row["secret"]), about)
    except VaultError as error:
        raise VaultError(
            f"{' '.join(map(str, about))}: {error.detail} `llmcoder connections remove` takes it out."
        ) from None


def _retire(conn: sa.Connection, newest: int, now: datetime) -> bool:
    """Say that nothing needs the older keys any more; False where a row came in between."""
    old = sa.and_(key_fingerprints.c.version != newest, key_fingerprints.c.retired_at.is_(None))
    query = sa.update(key_fingerprints).where(old).values(retired_at=now).returning(key_fingerprints.c.version)
    retired = list(conn.execute(query).scalars())
    if not any(_has_older(conn, table, newest) for table in ABOUT):
        return True
    mine = key_fingerprints.c.version.in_(retired)
    conn.execute(sa.update(key_fingerprints).where(mine).values(retired_at=None))
    return False


def _has_older(conn: sa.Connection, table: sa.Table, newest: int) -> bool:
    return (
        conn.execute(sa.select(table.c.key_version).where(table.c.key_version != newest).limit(1)).first() is not None
    )


def _drop(db: Database) -> int:
    """Take retired keys out of the file, those of an interrupted rotation too; of a setting the operator takes them."""
    if engine_settings().connections_keys is not None:
        return 0
    path = engine_settings().data_dir / KEY_FILE
    with exclusive(path), db.read() as conn:
        gone = sa.select(key_fingerprints.c.fingerprint).where(key_fingerprints.c.retired_at.is_not(None))
        retired = set(conn.execute(gone).scalars())
        before = held()
        kept = [key for print_, key in before.items() if print_ not in retired]
        if len(kept) < len(before):
            keyfile.replace(path, b"".join(kept))
    return len(before) - len(kept)
