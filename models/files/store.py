"""Files as rows: reserved before a byte of them is written, and gone from here only after their bytes are.

So there is a row for whatever lies in the store, and a crash at any point leaves a row that says what is to be done:
`writing` past its writer's lease, or `gone`. Whoever removes takes a file's lock before asking whether a job uses it,
and a job's transaction takes the same lock before it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.errors import ActionError
from llmcoder.file import StoredFile
from models.accounts.tables import users
from models.files.tables import file_spaces, files, job_files, schedule_files

#: An upload that no job uses goes after this long.
UNUSED = timedelta(hours=24)
#: A file that nobody may name any more is removed so much later: whoever looked at it right before has used it by then.
GRACE = timedelta(hours=1)
#: Uploads of one user that are under way at once; each takes memory of the process that receives it.
MOST_UNDER_WAY = 8


class FileState(StrEnum):
    """Where a file stands."""

    WRITING = "writing"  # its bytes are coming
    READY = "ready"  # complete, and never another
    GONE = "gone"  # for everybody but whoever removes its bytes


class QuotaReached(ActionError):
    """The user has as many files, or as many bytes, as anybody may have; nothing was stored."""

    slug, title, status = "file-quota", "No room for more files", 403


class TooManyUploads(ActionError):
    """The user sends as many files at once as anybody may."""

    slug, title, status = "too-many-uploads", "Too many uploads at once", 429


@dataclass(frozen=True, slots=True)
class Quota:
    """What all files of one user may take together."""

    bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is about to be written.

    Attributes:
        size_bytes: What is reserved for it.
        job_id: That attaches it.
        origin: Who uploads it, or who submitted that job.
        taint: Whose words it holds.
        sources: Ids of the jobs that it is made of, as JSON.
    """

    id: UUID
    user_id: UUID
    name: str
    blob: str
    size_bytes: int
    origin: str
    taint: str | None
    sources: str | None = None
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What came of a file that is complete."""

    size_bytes: int
    sha256: str
    media_type: str


@dataclass(frozen=True, slots=True)
class File:
    """A complete file as its user sees it.

    Attributes:
        job_id: The job that attached it; None for an upload.
        kept_until: When it goes unless a job uses it by then.
    """

    id: UUID
    user_id: UUID
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    blob: str
    job_id: UUID | None
    origin: str
    taint: str | None
    sources: str | None
    created_at: datetime
    kept_until: datetime

    @property
    def stored(self) -> StoredFile:
        return StoredFile(self.id, self.name, self.media_type, self.size_bytes, self.sha256)


_COLUMNS = tuple(files.c[name] for name in File.__slots__)
_READY = files.c.state == FileState.READY


# --- writing one


def reserve(
    conn: sa.Connection, new: NewFile, quota: Quota, now: datetime, lease: timedelta, *, least_bytes: int
) -> int:
    """Take room for a file in its user's quota, in the caller's transaction.

    Args:
        least_bytes: Less than that will not do.

    Returns:
        How much was taken; the file's `size_bytes` where there is so much.

    Raises:
        QuotaReached: There is none left.
        TooManyUploads: So many are under way already.
    """
    _lock_quota(conn, new.user_id)
    _refuse_floods(conn, new, now)
    used = usage(conn, new.user_id)
    if used.count >= quota.count:
        raise QuotaReached(
            f"You have {used.count:,} files; one user may have {quota.count:,} (FILE_QUOTA_COUNT). Delete some: "
            "GET /files lists them."
        )
    room = _room(used, quota, new.size_bytes, least_bytes)
    conn.execute(
        sa.insert(files).values(
            id=new.id,
            user_id=new.user_id,
            state=FileState.WRITING,
            name=new.name,
            media_type="",
            size_bytes=room,
            blob=new.blob,
            job_id=new.job_id,
            origin=new.origin,
            taint=new.taint,
            sources=new.sources,
            created_at=now,
            kept_until=now + lease,
        )
    )
    return room


def hold(
    conn: sa.Connection, file_id: UUID, wish_bytes: int, quota: Quota, now: datetime, lease: timedelta, least_bytes: int
) -> int | None:
    """Renew the lease of a file that is being written, with room for so many bytes in all.

    Returns:
        The room it has by now; None when it has been given up meanwhile, and nothing more is to be written.

    Raises:
        QuotaReached: There is no room for `least_bytes`.
    """
    row = conn.execute(sa.select(files.c.user_id, files.c.size_bytes).where(files.c.id == file_id)).first()
    if row is None:
        return None
    room: int = row.size_bytes
    if wish_bytes > room:
        _lock_quota(conn, row.user_id)
        more = _room(usage(conn, row.user_id), quota, wish_bytes - room, least_bytes - room)
        room += more
    held = sa.update(files).where(files.c.id == file_id, files.c.state == FileState.WRITING)
    return room if conn.execute(held.values(size_bytes=room, kept_until=now + lease)).rowcount == 1 else None


def publish(conn: sa.Connection, file_id: UUID, content: Content, now: datetime) -> bool:
    """Say that a file is complete; False when it has been given up meanwhile."""
    mine = sa.update(files).where(files.c.id == file_id, files.c.state == FileState.WRITING)
    values = {
        "state": FileState.READY,
        "size_bytes": content.size_bytes,
        "sha256": content.sha256,
        "media_type": content.media_type,
        "created_at": now,
        "kept_until": now + UNUSED,
    }
    return conn.execute(mine.values(values)).rowcount == 1


def give_up(conn: sa.Connection, file_id: UUID, now: datetime) -> None:
    """Have a file that was not completed removed."""
    mine = sa.update(files).where(files.c.id == file_id, files.c.state == FileState.WRITING)
    conn.execute(mine.values(state=FileState.GONE, kept_until=now))


def _lock_quota(conn: sa.Connection, user_id: UUID) -> None:
    """Whoever counts what a user has does so alone; rows that refer to the user are written meanwhile all the same."""
    conn.execute(sa.select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))


def _refuse_floods(conn: sa.Connection, new: NewFile, now: datetime) -> None:
    under_way = sa.and_(files.c.user_id == new.user_id, files.c.state == FileState.WRITING, files.c.kept_until > now)
    count = conn.execute(sa.select(sa.func.count()).where(under_way, files.c.job_id.is_(None))).scalar_one()
    if new.job_id is None and count >= MOST_UNDER_WAY:
        raise TooManyUploads(f"You are sending {count} files already; wait until one of them has arrived.")


def _room(used: Quota, quota: Quota, wish_bytes: int, least_bytes: int) -> int:
    """As much of the wish as there is."""
    left = max(quota.bytes - used.bytes, 0)
    if least_bytes > left:
        raise QuotaReached(
            f"Your files have {used.bytes:,} bytes, and {least_bytes:,} more would be beyond the {quota.bytes:,} that "
            "one user may have (FILE_QUOTA_BYTES). Delete some: GET /files lists them."
        )
    return min(wish_bytes, left)


def usage(conn: sa.Connection, user_id: UUID) -> Quota:
    """What a user's files take now, with what is reserved for those that are being written."""
    counted = sa.select(sa.func.coalesce(sa.func.sum(files.c.size_bytes), 0), sa.func.count())
    row = conn.execute(counted.where(files.c.user_id == user_id, files.c.state != FileState.GONE)).one()
    return Quota(int(row[0]), int(row[1]))


# --- looking


def get(conn: sa.Connection, user_id: UUID, file_id: UUID) -> File | None:
    """The user's complete file; None also when it is somebody else's."""
    row = conn.execute(sa.select(*_COLUMNS).where(files.c.id == file_id, files.c.user_id == user_id, _READY)).first()
    return None if row is None else File(*row)


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[File]:
    """The user's complete files, newest first."""
    older = [files.c.id < before] if before is not None else []
    query = sa.select(*_COLUMNS).where(files.c.user_id == user_id, _READY, *older)
    return [File(*row) for row in conn.execute(query.order_by(files.c.id.desc()).limit(limit))]


def of_job(conn: sa.Connection, user_id: UUID, job_id: UUID, name: str | None = None) -> list[File]:
    """What a job of the user's has attached, in the order in which it came.

    Args:
        name: Only the one of this name.
    """
    mine = sa.and_(job_files.c.job_id == job_id, files.c.user_id == user_id, _READY)
    called = job_files.c.name.is_not(None) if name is None else job_files.c.name == name
    query = sa.select(*_COLUMNS).join(job_files, job_files.c.file_id == files.c.id).where(mine, called)
    return [File(*row) for row in conn.execute(query.order_by(files.c.id))]


def look_up(conn: sa.Connection, user_id: UUID, ids: Collection[UUID]) -> dict[UUID, File]:
    """Those of these files that are the user's and complete, by id."""
    query = sa.select(*_COLUMNS).where(files.c.id.in_(list(ids)), files.c.user_id == user_id, _READY)
    return {row.id: File(*row) for row in conn.execute(query)}


def complete(conn: sa.Connection, file_id: UUID) -> File | None:
    """A complete file, whosever it is."""
    row = conn.execute(sa.select(*_COLUMNS).where(files.c.id == file_id, _READY)).first()
    return None if row is None else File(*row)


def all_complete(conn: sa.Connection, after: UUID | None, limit: int) -> list[File]:
    """Everybody's complete files in the order of their ids."""
    further = [files.c.id > after] if after is not None else []
    query = sa.select(*_COLUMNS).where(_READY, *further).order_by(files.c.id).limit(limit)
    return [File(*row) for row in conn.execute(query)]


def unused_since(conn: sa.Connection, ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Those of these files whose time is over and which nothing uses: they are about to be removed."""
    late = sa.and_(files.c.id.in_(list(ids)), files.c.kept_until <= now)
    return set(conn.execute(sa.select(files.c.id).where(late, ~_in_use())).scalars())


def _in_use() -> sa.ColumnElement[bool]:
    of_jobs = sa.exists().where(job_files.c.file_id == files.c.id)
    of_schedules = sa.exists().where(schedule_files.c.file_id == files.c.id)
    return sa.or_(of_jobs, of_schedules)


# --- removing


def expire(conn: sa.Connection, now: datetime, after: UUID | None, limit: int) -> tuple[int, UUID | None]:
    """Let go of files that nobody uses any more, looking at up to `limit` of them.

    Returns:
        How many were let go, and the last one looked at, from where to go on; None at the end.
    """
    further = [files.c.id > after] if after is not None else []
    seen = conn.execute(
        sa.select(files.c.id, files.c.kept_until).where(_READY, *further).order_by(files.c.id).limit(limit)
    ).all()
    late = [row.id for row in seen if row.kept_until + GRACE <= now]
    return _let_go(conn, late, now), seen[-1].id if len(seen) == limit else None


def _let_go(conn: sa.Connection, ids: Sequence[UUID], now: datetime) -> int:
    """Those of the files that nothing uses. Locked first and asked then, so that no job can come in between."""
    unused = list(conn.execute(sa.select(files.c.id).where(files.c.id.in_(ids), _READY, ~_in_use())).scalars())
    if not unused:
        return 0
    lock = sa.select(files.c.id).where(files.c.id.in_(unused), _READY).order_by(files.c.id)
    held = list(conn.execute(lock.with_for_update(skip_locked=True)).scalars())
    gone = sa.update(files).where(files.c.id.in_(held), ~_in_use())
    return conn.execute(gone.values(state=FileState.GONE, kept_until=now)).rowcount


def to_remove(conn: sa.Connection, now: datetime, limit: int) -> list[Any]:
    """Rows (id, blob) whose bytes are to be removed: let go, or left behind by a writer that is no more.

    From here on nobody completes them.
    """
    late = sa.and_(files.c.state != FileState.READY, files.c.kept_until <= now)
    query = sa.select(files.c.id, files.c.blob).where(late).order_by(files.c.kept_until).limit(limit)
    rows = list(conn.execute(query.with_for_update(skip_locked=True)))
    conn.execute(sa.update(files).where(files.c.id.in_([row.id for row in rows])).values(state=FileState.GONE))
    return rows


def forget(conn: sa.Connection, ids: Sequence[UUID]) -> int:
    """Delete the rows of files whose bytes are removed."""
    return conn.execute(sa.delete(files).where(files.c.id.in_(ids), files.c.state == FileState.GONE)).rowcount


def unknown_blobs(conn: sa.Connection, blobs: Sequence[str]) -> list[str]:
    """Those places in the store of which no row knows."""
    known = set(conn.execute(sa.select(files.c.blob).where(files.c.blob.in_(blobs))).scalars())
    return [blob for blob in blobs if blob not in known]


# --- where their contents lie


@dataclass(frozen=True, slots=True)
class Space:
    """The part of the store that is this database's.

    Attributes:
        mark: What the folder of a disk store holds; None before the first file.
    """

    name: str
    mark: str | None


def space(conn: sa.Connection) -> Space:
    row = conn.execute(sa.select(file_spaces.c.space, file_spaces.c.mark)).one()
    return Space(row.space, row.mark)


def set_mark(conn: sa.Connection, mark: str) -> str:
    """Keep the mark of the first folder that holds files; returns the one that counts."""
    conn.execute(sa.update(file_spaces).where(file_spaces.c.mark.is_(None)).values(mark=mark))
    kept: str = conn.execute(sa.select(file_spaces.c.mark)).scalar_one()
    return kept


def take_sweep(conn: sa.Connection, now: datetime, every: timedelta) -> bool:
    """Whether it is time to look for contents without a row, and this caller's turn."""
    due = sa.or_(file_spaces.c.swept_at.is_(None), file_spaces.c.swept_at <= now - every)
    return conn.execute(sa.update(file_spaces).where(due).values(swept_at=now)).rowcount == 1


def move_space(conn: sa.Connection, name: str) -> None:
    """Have all contents lie in another part of the store, under the same names there."""
    old = space(conn).name
    moved = sa.literal(name) + sa.func.substr(files.c.blob, len(old) + 1)
    conn.execute(sa.update(files).values(blob=moved))
    conn.execute(sa.update(file_spaces).values(space=name, mark=None, swept_at=None))
