"""The audit log: who did what, in a chain of sealed rows that nobody can change unseen.

Each row carries the hash of the row before it and its own, an HMAC under a key that is not in the database but in the
data folder (`audit.key`). Whoever can write to the database, but has no key, cannot make a row, change one, take one
out or put them in another order without `verify` finding it. What a chain cannot show by itself is a tail that was cut
off together with the head's row: for that an operator writes the head down now and then and gives it to `verify`.

Rows hold names, ids and addresses, never a password, a token, the value of a setting or the input of a job.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from pydantic import JsonValue

from llmcoder import keyfile, strict_json
from llmcoder.config import config
from llmcoder.keyfile import KEY_BYTES
from llmcoder.settings import EngineSettings
from llmcoder.text import storable
from models.audit.tables import audit, audit_head
from models.db import batch

#: What the first row carries as the hash of the row before it.
GENESIS = "0" * 64
LONGEST_SUBJECT = 300
ROWS_AT_ONCE = 2_000


class Event(StrEnum):
    """What can happen; the names are for ever."""

    LOGIN = "login"
    LOGIN_FAILED = "login.failed"
    LOGOUT = "logout"
    SESSION_REUSED = "session.reused"  # a used refresh token came back, so its session was ended
    USER_REGISTERED = "user.registered"  # by themselves
    USER_REGISTERED_AGAIN = "user.registered.again"  # somebody tried it with an address that has an account
    USER_CREATED = "user.created"  # by an operator
    USER_ADMIN = "user.admin"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_PASSWORD = "user.password"
    AGENT_ADDED = "agent.added"  # a session for an agent that acts in the user's name
    ACTION_REFUSED = "action.refused"  # one that is for administrators only
    ACTION_STARTED = "action.started"  # one that is for administrators only
    CONFIG_SET = "config.set"
    CONFIG_UNSET = "config.unset"
    PREFERENCES_CHANGED = "preferences.changed"  # about approvals, or who gives them
    CONNECTION_ADDED = "connection.added"
    CONNECTION_CHANGED = "connection.changed"
    CONNECTION_REMOVED = "connection.removed"
    CONNECTION_BROKEN = "connection.broken"  # its provider refuses what proves it
    CONNECTION_MENDED = "connection.mended"
    CONNECTION_KEYS_ROTATED = "connection.keys_rotated"
    CONNECTION_KEYS_LOST = "connection.keys_lost"  # and with them what they sealed
    JOB_APPROVED = "job.approved"
    JOB_REJECTED = "job.rejected"
    JOB_EXPIRED = "job.expired"  # nobody approved it in time
    JOB_CANCELLED = "job.cancelled"
    JOB_RETRIED = "job.retried"
    JOB_RESOLVED = "job.resolved"
    JOB_UNDONE = "job.undone"
    EFFECT_ARMED = "effect.armed"
    EFFECT_CONFIRMED = "effect.confirmed"
    EFFECT_UNCERTAIN = "effect.uncertain"
    SCHEDULE_ADDED = "schedule.added"
    SCHEDULE_CHANGED = "schedule.changed"  # paused and resumed too
    SCHEDULE_REMOVED = "schedule.removed"
    MACRO_ADDED = "macro.added"
    MACRO_CHANGED = "macro.changed"
    MACRO_REMOVED = "macro.removed"
    HOOK_ADDED = "hook.added"  # an address at which others may call
    HOOK_CHANGED = "hook.changed"  # its secret too
    HOOK_REMOVED = "hook.removed"
    WEBHOOK_ADDED = "webhook.added"  # an address at which we call
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_DISABLED = "webhook.disabled"  # by us, since it failed for long
    WEBHOOK_REMOVED = "webhook.removed"
    RETENTION_PRUNED = "retention.pruned"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"


class AuditError(RuntimeError):
    """The log cannot go on; the message says what was done to it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did.

    Attributes:
        subject: What it was done to: a job's id, the name of a setting, an email address.
        actor: The user who did it; None for the system itself and for an operator at the command line.
        detail: A few more names and numbers. Never a secret: it is kept for ever.
    """

    event: Event
    subject: str
    actor: UUID | None = None
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the log."""

    seq: int
    at: datetime
    actor_id: UUID | None
    event: str
    subject: str
    detail: str
    key_id: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log has come to: written down elsewhere, it shows later that nothing up to it was cut off."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Key:
    """What rows are sealed with.

    Attributes:
        id: Which one it is, as its rows say.
    """

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Key:
        return cls(hashlib.sha256(b"llmcoder audit key" + secret).hexdigest()[:16], secret)


# --- writing


def append(conn: sa.Connection, entries: Sequence[Entry], now: datetime) -> None:
    """Write entries down in the caller's transaction, in three statements however many they are.

    The head's row stays locked until that transaction ends, so call it last, after every other lock was taken, and
    once for all entries of a batch.

    Raises:
        AuditError: Somebody has tampered with the log; nothing may go on unseen.
        OSError: There is no key yet, and none can be written to the data folder.
    """
    if not entries:
        return
    key = _known_keys(config().get(EngineSettings).data_dir)[0]
    head = conn.execute(_LOCKED_HEAD).first()
    if head is None:
        raise AuditError("The audit log has lost its head: run `llmcoder audit verify`.")
    rows: list[Record] = []
    for entry in entries:
        last = rows[-1] if rows else head
        rows.append(_sealed(key, Head(last.seq, last.hash), entry, now))
    written = batch.insert_new(conn, audit, [{name: getattr(row, name) for name in Record.__slots__} for row in rows])
    if written < len(rows):
        raise AuditError(f"The audit log has rows after its head {head.seq}: run `llmcoder audit verify`.")
    conn.execute(_ADVANCE, {"to_seq": rows[-1].seq, "to_hash": rows[-1].hash})


_HEAD = sa.select(audit_head.c.seq, audit_head.c.hash)
_LOCKED_HEAD = _HEAD.with_for_update()
_ADVANCE = sa.update(audit_head).values(seq=sa.bindparam("to_seq"), hash=sa.bindparam("to_hash"))


def _sealed(key: Key, head: Head, entry: Entry, now: datetime) -> Record:
    # ASCII escapes: whatever a text holds, both stores keep it
    detail = strict_json.canonical(dict(entry.detail), escaped=True)
    subject = storable(entry.subject)[:LONGEST_SUBJECT]
    row = Record(head.seq + 1, now, entry.actor, entry.event.value, subject, detail, key.id, head.hash, "")
    return replace(row, hash=seal(key, row))


def seal(key: Key, row: Record) -> str:
    """The hash of a row: over everything that it says, its place, and the row before it."""
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    said = [row.seq, at, row.actor_id, row.event, row.subject, row.detail, row.key_id, row.previous]
    return hmac.digest(key.secret, strict_json.write_bytes(said), "sha256").hex()


def keys(folder: Path, *, make: bool = True) -> tuple[Key, ...]:
    """The keys of a data folder: the first seals, every one verifies.

    A machine with a data folder of its own has a key of its own. To verify what it wrote, append its `audit.key` to
    the one of the machine that verifies.

    Args:
        make: Make one if there is none.

    Raises:
        AuditError: The file holds no keys.
        OSError: It cannot be read or made.
    """
    path = folder / "audit.key"
    held = keyfile.read_or_make(path) if make else keyfile.read(path)
    if held is None:
        return ()
    if not held or len(held) % KEY_BYTES:
        raise AuditError(f"{path} does not hold keys of {KEY_BYTES} bytes. Put it back from a backup.")
    return tuple(Key.of(held[at : at + KEY_BYTES]) for at in range(0, len(held), KEY_BYTES))


# Read once: a key that is deleted or replaced while a process runs must not break the chain in its middle.
_known_keys = cache(keys)


# --- reading


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; all that is None is not asked about.

    Attributes:
        before: Only rows with a smaller number.
    """

    event: Event | None = None
    actor_id: UUID | None = None
    subject: str | None = None
    since: datetime | None = None
    before: int | None = None


def listed(conn: sa.Connection, wanted: EntryFilter, limit: int) -> list[Record]:
    """Entries, newest first."""
    asked = {audit.c.event: wanted.event, audit.c.actor_id: wanted.actor_id, audit.c.subject: wanted.subject}
    conditions = [column == value for column, value in asked.items() if value is not None]
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    if wanted.before is not None:
        conditions.append(audit.c.seq < wanted.before)
    query = _RECORDS.where(*conditions).order_by(audit.c.seq.desc()).limit(limit)
    return [Record(*row) for row in conn.execute(query)]


_RECORDS = sa.select(*(audit.c[name] for name in Record.__slots__))


# --- verifying


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place where the log is not what was written."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found.

    Attributes:
        head: None when its row is gone.
        fault: None when nothing was tampered with.
    """

    head: Head | None
    fault: Fault | None


def verify(conn: sa.Connection, known: Sequence[Key], expected: Head | None = None) -> Verification:
    """Look at every row of the log, while others may go on writing.

    Args:
        conn: For reading; each statement must see what is committed by then.
        known: From `keys`.
        expected: A head that was written down earlier.
    """
    # In this order: whoever commits in between moves the head past the last row seen here, never the other way.
    last: int = conn.execute(sa.select(sa.func.coalesce(sa.func.max(audit.c.seq), 0))).scalar_one()
    found = conn.execute(_HEAD).first()
    if found is None:
        return Verification(None, Fault(last, "the head row is gone"))
    head = Head(*found)
    return Verification(head, _fault(conn, {key.id: key for key in known}, head, expected) or _of_tail(head, last))


def _fault(conn: sa.Connection, known: Mapping[str, Key], head: Head, expected: Head | None) -> Fault | None:
    """The first fault of the rows up to the head."""
    previous = Head(0, GENESIS)
    for row in _in_order(conn, head.seq):
        what = _wrong(row, previous, known)
        if what is None and expected is not None and expected.seq == row.seq and expected.hash != row.hash:
            what = "it is not the row that was the head when that was written down"
        if what is not None:
            return Fault(min(row.seq, previous.seq + 1), what)
        previous = Head(row.seq, row.hash)
    if previous.seq < max(head.seq, expected.seq if expected else 0):
        return Fault(previous.seq + 1, "it is gone, and with it everything after it")
    return None if previous == head else Fault(head.seq, "it is not what the head row says")


def _of_tail(head: Head, last: int) -> Fault | None:
    return (
        Fault(head.seq + 1, "it stands after the head: it was put in, or the head was set back")
        if last > head.seq
        else None
    )


def _in_order(conn: sa.Connection, up_to: int) -> Iterator[Record]:
    after: int | None = None
    while True:
        later = audit.c.seq <= up_to if after is None else audit.c.seq.between(after + 1, up_to)
        rows = conn.execute(_RECORDS.where(later).order_by(audit.c.seq).limit(ROWS_AT_ONCE)).all()
        for row in rows:
            yield Record(*row)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].seq


def _wrong(row: Record, previous: Head, known: Mapping[str, Key]) -> str | None:
    if row.seq > previous.seq + 1:
        return "it is gone"
    if row.seq <= previous.seq:
        return "it stands before the first: it was put in"
    if row.key_id not in known:
        return f"it was sealed with the key {row.key_id}, which is not in this audit.key"
    if not hmac.compare_digest(row.hash, seal(known[row.key_id], row)):
        return "it was changed, or put in by somebody without the key"
    if row.previous != previous.hash:
        return "it does not follow the row before it"
    return None
