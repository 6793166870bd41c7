"""Secrets in rows: AES-256-GCM under keys that are not in the database but in the data folder (`connections.key`).

There may be several keys. The database knows each by a version and a fingerprint, so a process that has another key
than the rows were sealed with says so when it starts, and not when a job needs an account. The newest version seals;
the others only open, until a rotation (`models.key_rotation`) has sealed everything anew and drops them.

What is sealed is bound to its row: the text of another row, or of another user's, does not open in its place.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from llmcoder import keyfile
from llmcoder.config import config
from llmcoder.config_file import exclusive
from llmcoder.errors import NeedsReconnect, Transient
from llmcoder.keyfile import KEY_BYTES
from llmcoder.logger import get_logger
from llmcoder.settings import EngineSettings
from models.accounts.tables import key_fingerprints
from models.db import conflicts
from models.db.database import TRANSIENT_ERRORS, Database

log = get_logger(__name__)

KEY_FILE = "connections.key"
NONCE_BYTES = 12


class VaultError(Transient):
    """The keys of this process do not open what the database holds; the detail says what an operator does."""

    slug, title = "connection-keys", "The keys of the connections are wrong or missing"


class Damaged(NeedsReconnect):
    """The key is there and does not open what stands in the row."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What stands in a row.

    Attributes:
        version: Of the key.
        box: Nonce and ciphertext.
    """

    version: int
    box: bytes


#: To what something sealed belongs: the ids of its row.
About = Sequence[UUID | str]


def seal(conn: sa.Connection, plain: bytes, about: About, now: datetime) -> Sealed:
    """Seal with the newest key, in the transaction that writes it; makes the first key where there is none.

    Raises:
        VaultError: This process does not have the newest key.
    """
    newest = _newest(conn, now)
    return seal_with(newest.version, key_of(newest), plain, about)


def open_(conn: sa.Connection, sealed: Sealed, about: About) -> bytes:
    """What was sealed.

    Raises:
        VaultError: This process does not have that key.
        Damaged: It was not sealed for this row, or is not what was sealed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    known = {row.version: row for row in conn.execute(KNOWN_KEYS)}
    if sealed.version not in known:
        raise VaultError(f"The database does not know its key {sealed.version}: somebody has changed it by hand.")
    nonce, text = sealed.box[:NONCE_BYTES], sealed.box[NONCE_BYTES:]
    key = key_of(KnownKey(*known[sealed.version]))
    try:
        return AESGCM(key).decrypt(nonce, text, _bound(sealed.version, about))
    except InvalidTag:
        pass
    # Raised outside the handler: nothing of it says more.
    raise Damaged("What is kept of this account was damaged, or put there from another one. Connect it again.")


def check(conn: sa.Connection) -> None:
    """For the start of a process: whether it has every key that the database needs.

    Raises:
        VaultError: It lacks one.
    """
    for row in conn.execute(KNOWN_KEYS):
        key_of(KnownKey(*row))


def refuse_wrong_keys() -> None:
    """End a process that starts with keys that do not open what the database holds.

    A database that is away is no reason: whoever needs an account later finds out then.
    """
    url = engine_settings().database_url
    with closing(Database(url, pool_size=1)) as db:
        if db.is_sqlite and not Path(db.url.database or "").exists():
            return
        try:
            verify(db)
        except VaultError as error:
            raise SystemExit(f"llmcoder: {error.detail}") from None
        except TRANSIENT_ERRORS as error:
            log.warning("the keys of the connections are not looked at: no database", error=type(error).__name__)


def verify(db: Database) -> None:
    """As `check`, for a process that has just been given its database; one without tables needs no key yet.

    Raises:
        VaultError: A key is wrong or missing.
    """
    with db.read() as conn:
        if sa.inspect(conn).has_table(key_fingerprints.name):
            check(conn)


# --- keys


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as the database knows it."""

    version: int
    fingerprint: str


KNOWN_KEYS = (
    sa.select(key_fingerprints.c.version, key_fingerprints.c.fingerprint)
    .where(key_fingerprints.c.retired_at.is_(None))
    .order_by(key_fingerprints.c.version)
)


def fingerprint(key: bytes) -> str:
    """What may be known of a key."""
    return hashlib.sha256(b"llmcoder connections key" + key).hexdigest()[:32]


def held() -> dict[str, bytes]:
    """The keys of this process by fingerprint: from CONNECTIONS_KEYS, else from the key file; empty if there is none.

    Raises:
        VaultError: They are no keys.
    """
    settings = engine_settings()
    if settings.connections_keys is not None:
        return {fingerprint(key): key for key in _of_setting(settings.connections_keys.get_secret_value())}
    path = settings.data_dir / KEY_FILE
    found = keyfile.read_or_make(path) if path.exists() else b""
    if len(found) % KEY_BYTES:
        raise VaultError(f"{path} does not hold keys of {KEY_BYTES} bytes. Put it back from a backup.")
    return {fingerprint(key): key for key in (found[at : at + KEY_BYTES] for at in range(0, len(found), KEY_BYTES))}


def engine_settings() -> EngineSettings:
    return config().get(EngineSettings)


def _of_setting(text: str) -> Iterator[bytes]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            key = base64.b64decode(part.replace("-", "+").replace("_", "/") + "=" * (-len(part) % 4), validate=True)
        except ValueError:  # binascii.Error is one, and what is not ASCII raises another
            key = b""
        if len(key) != KEY_BYTES:
            rule = f"{KEY_BYTES} random bytes in base64 each, such as `openssl rand -base64 {KEY_BYTES}` makes"
            raise VaultError(f"CONNECTIONS_KEYS holds something that is no key; keys are {rule}.")
        yield key


def key_of(known: KnownKey) -> bytes:
    key = held().get(known.fingerprint)
    if key is not None:
        return key
    path = engine_settings().data_dir.absolute() / KEY_FILE
    place = (
        f"{path} does not hold it"
        if engine_settings().connections_keys is None
        else "CONNECTIONS_KEYS does not hold it"
    )
    raise VaultError(
        f"The connected accounts are sealed with a key (version {known.version}, fingerprint {known.fingerprint}), and "
        f"{place}. Put back the {KEY_FILE} that belongs to this database, from a backup or from the machine that made "
        "it. If it is lost for good, `llmcoder connections give-up` forgets what it sealed; connect those anew."
    )


def _newest(conn: sa.Connection, now: datetime) -> KnownKey:
    # FOR SHARE: a rotation retires a key only when nobody is about to write something sealed with it.
    query = KNOWN_KEYS.order_by(None).order_by(key_fingerprints.c.version.desc()).limit(1).with_for_update(read=True)
    found = conn.execute(query).first()
    if found is None:
        add_key(conn, KnownKey(last_version(conn) + 1, fresh_key(conn)), now)
        found = conn.execute(query).one()
    return KnownKey(*found)


def add_key(conn: sa.Connection, new: KnownKey, now: datetime) -> None:
    row = {"version": new.version, "fingerprint": new.fingerprint, "created_at": now}
    conn.execute(conflicts.insert(conn.dialect.name, key_fingerprints).values(row).on_conflict_do_nothing())


# --- sealing


def seal_with(version: int, key: bytes, plain: bytes, about: About) -> Sealed:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(NONCE_BYTES)
    return Sealed(version, nonce + AESGCM(key).encrypt(nonce, plain, _bound(version, about)))


def _bound(version: int, about: About) -> bytes:
    return "\0".join(["llmcoder", str(version), *map(str, about)]).encode()


def fresh_key(conn: sa.Connection) -> str:
    """The fingerprint of a key that is held and that the database has never known, made if there is none."""
    path = engine_settings().data_dir / KEY_FILE
    if engine_settings().connections_keys is None and not path.exists():
        keyfile.read_or_make(path)
    if unknown := unknown_keys(conn):
        return unknown[-1]
    if engine_settings().connections_keys is not None:
        raise VaultError(
            "The keys come from CONNECTIONS_KEYS, and there is no new one among them. Add one on every machine "
            f"(`openssl rand -base64 {KEY_BYTES}`), then rotate."
        )
    return fingerprint(_made(path))


def unknown_keys(conn: sa.Connection) -> list[str]:
    every = set(conn.execute(sa.select(key_fingerprints.c.fingerprint)).scalars())
    return [print_ for print_ in held() if print_ not in every]


def last_version(conn: sa.Connection) -> int:
    last: int = conn.execute(sa.select(sa.func.coalesce(sa.func.max(key_fingerprints.c.version), 0))).scalar_one()
    return last


def _made(path: Path) -> bytes:
    """One more key at the end of the file, on disk before anything is sealed with it."""
    with exclusive(path):
        before = keyfile.read_or_make(path) if path.exists() else b""
        key = secrets.token_bytes(KEY_BYTES)
        keyfile.replace(path, before + key)
    return key
