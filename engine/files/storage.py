"""The one way in and out for files, at every door: reserved in SQL, written to the store, then said to be complete.

The order is what makes a crash harmless. Before a byte is written there is a row that holds room in the quota and a
lease; the bytes come under a name of their own, which nobody else ever writes to; the row becomes `ready` after they
are on the disk. What dies in between leaves a row past its lease, which `Sweep` removes with whatever lies under it.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID

import sqlalchemy as sa

from engine.files import names
from engine.files.blobs import BlobMissing, BlobStore, StoreAway
from engine.files.disk import DiskStore, make_folder
from engine.files.stores import store_of
from llmcoder import faults
from llmcoder.errors import ActionError, NotFound
from llmcoder.ids import new_id
from llmcoder.settings import EngineSettings
from models.db.database import TRANSIENT_ERRORS, Database
from models.files import store as rows
from models.files.store import UNUSED, Content, File, NewFile, Quota

#: So long a file may stand still on its way in; whoever writes it renews that three times as often.
LEASE = timedelta(minutes=15)
RENEW_EVERY_S = LEASE.total_seconds() / 3
#: Room is taken in such steps where nobody knows how large a file will be.
STEP_BYTES = 16 << 20
#: What a job may attach.
MOST_PER_JOB = 100

Settings = Callable[[], EngineSettings]


class FileTooLarge(ActionError):
    """The file has more bytes than one may have; nothing was stored."""

    slug, title, status = "file-too-large", "The file is too large", 413


class FileChanged(ActionError):
    """What lies in the store is not what was stored."""

    slug, title, status = "file-changed", "The file's content has changed", 500


class GivenUp(StoreAway):
    """The file took so long that it was given up; nothing was stored."""

    slug, title = "file-given-up", "The file took too long"


class Files:
    """Files of one process.

    Args:
        settings: Asked anew each time, so that a change needs no restart.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db = db
        self._settings = settings
        self._space: str | None = None
        self._known_places: set[str] = set()

    @property
    def store(self) -> BlobStore:
        return store_of(self._settings())

    @property
    def settings(self) -> EngineSettings:
        return self._settings()

    @property
    def quota(self) -> Quota:
        settings = self._settings()
        return Quota(settings.file_quota_bytes, settings.file_quota_count)

    def receive(
        self,
        user_id: UUID,
        name: str,
        *,
        origin: str,
        taint: str | None,
        size_bytes: int | None = None,
        job_id: UUID | None = None,
        sources: str | None = None,
    ) -> Incoming:
        """Begin a file.

        Args:
            name: What somebody calls it; see `names.safe_name`.
            size_bytes: How large it will be, where that is known.

        Raises:
            FileTooLarge, QuotaReached, TooManyUploads: There is no room for it.
            StoreAway, StoreFull: The store does not take it.
        """
        refuse_too_large(size_bytes or 0, self._settings().max_file_bytes)
        self.open_space()
        file_id = new_id()
        blob = f"{self.space()}/{file_id.hex[-2:]}/{file_id.hex}"
        room = STEP_BYTES if size_bytes is None else size_bytes
        safe = names.safe_name(name)
        new = NewFile(file_id, user_id, safe, blob, room, origin, taint, sources, job_id)
        with self.db.write() as conn:
            room = rows.reserve(conn, new, self.quota, self.db.now(), LEASE, least_bytes=size_bytes or 0)
        return Incoming(self, new, size_bytes, room)

    def read(self, file: File, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The content of a file, piece by piece.

        The whole of it is compared with its SHA-256 on the way: the last piece comes only when all is as it was stored.

        Raises:
            BlobMissing, StoreAway: It cannot be had.
            FileChanged: It is not what was stored.
        """
        whole = start == 0 and length in (None, file.size_bytes)
        found = self.store.read(file.blob, start, length)
        return _verified(found, file) if whole else found

    @contextmanager
    def opened(self, file: File, check: Callable[[], None] = lambda: None) -> Iterator[IO[bytes]]:
        """A file to read from, anywhere in it, whose content is known to be what was stored.

        Args:
            check: Called between the pieces; ends it by raising.

        Raises:
            BlobMissing, StoreAway: It cannot be had.
            FileChanged: It is not what was stored.
        """
        local = self.store.open_local(file.blob)
        if local is not None:
            with local:
                _exhaust(_verified(_pieces_of(local), file), check)
                local.seek(0)
                yield local
            return
        with tempfile.TemporaryFile(dir=self._work_folder()) as copy:
            for piece in _verified(self.store.read(file.blob), file):
                check()
                copy.write(piece)
            copy.seek(0)
            yield copy

    @contextmanager
    def copied(self, file: File, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """A copy under the file's name in a folder of its own, for whoever needs a path; gone at the end.

        Raises:
            BlobMissing, StoreAway, FileChanged: As `opened`.
        """
        with tempfile.TemporaryDirectory(dir=self._work_folder(), prefix="copy-") as folder:
            path = Path(folder, file.name)
            with path.open("xb") as copy:
                for piece in _verified(self.store.read(file.blob), file):
                    check()
                    copy.write(piece)
            yield path

    def space(self) -> str:
        """The part of the store that is this database's."""
        if self._space is None:
            with self.db.read() as conn:
                self._space = rows.space(conn).name
        return self._space

    def open_space(self) -> None:
        """Make sure that this machine's folder is the one that holds the files of this database; once.

        Raises:
            StoreAway: It is another one, as when each of two machines has its own.
        """
        store = self.store
        if isinstance(store, DiskStore) and store.place not in self._known_places:
            _meet(store, self.db)
            self._known_places.add(store.place)

    def has_begun(self) -> bool:
        """Whether anything was ever kept; a bucket is somebody's already."""
        if not isinstance(self.store, DiskStore):
            return True
        with self.db.read() as conn:
            return rows.space(conn).mark is not None

    def check(self) -> None:
        """Write, read and remove a little, where the files of this database lie.

        Raises:
            StoreAway, StoreFull, NotConfigured: What is wrong, and what to do.
        """
        self.open_space()
        self.store.check(self.space())

    def look(self) -> None:
        """One cheap call. Raises as `check` does."""
        store = self.store
        store.look()
        if isinstance(store, DiskStore):
            _refuse_anothers(store, self.db)

    def _work_folder(self) -> Path:
        """On the disk of the data folder: where the system has its temporary files may be memory."""
        folder = work_folder(self._settings())
        make_folder(folder)
        return folder


def work_folder(settings: EngineSettings) -> Path:
    """Where copies lie for as long as an action reads them."""
    return settings.data_dir.absolute() / "files" / "work"


def _meet(store: DiskStore, db: Database) -> None:
    with db.read() as conn:
        space = rows.space(conn)
    if space.mark is not None:
        _refuse_anothers(store, db)
        return
    own = store.mark(space.name) or new_id().hex
    store.set_mark(space.name, own)
    with db.write() as conn:
        rows.set_mark(conn, store.mark(space.name) or own)
    _refuse_anothers(store, db)


def _refuse_anothers(store: DiskStore, db: Database) -> None:
    with db.read() as conn:
        space = rows.space(conn)
    if space.mark is not None and store.mark(space.name) != space.mark:
        raise StoreAway(
            f"{store.place} is not the folder that holds the files of this database. Every machine must see the same "
            "one: set FILES_URL to a folder that all of them share, or to a bucket."
        )


class Incoming:
    """One file on its way in. Whoever makes it calls `finish` or `abort`."""

    def __init__(self, files: Files, new: NewFile, size_bytes: int | None, room: int) -> None:
        self.id = new.id
        self.name = new.name
        self._files = files
        self._new = new
        self._most = files.settings.max_file_bytes
        self._digest = hashlib.sha256()
        self._head = b""
        self._size = 0
        self._room = room
        self._held_at = time.monotonic()
        try:
            self._writer = files.store.writer(new.blob, size_bytes)
        except BaseException:
            self._give_up()
            raise

    def write(self, chunk: bytes) -> None:
        """Take in a piece; it blocks.

        Raises:
            FileTooLarge, QuotaReached: There is no room for more.
            StoreAway, StoreFull: The store does not take it.
        """
        refuse_too_large(self._size + len(chunk), self._most)
        self._hold(self._size + len(chunk))
        self._digest.update(chunk)
        if len(self._head) < names.HEAD_BYTES:
            self._head += chunk[: names.HEAD_BYTES - len(self._head)]
        self._writer.write(chunk)
        self._size += len(chunk)
        faults.reach("files.while_writing")

    def finish(
        self,
        media_type: str | None = None,
        also: Callable[[sa.Connection, File], None] = lambda conn, file: None,
    ) -> File:
        """Make the file complete.

        Args:
            media_type: What whoever wrote it says it is; see `names.media_type`.
            also: What else is true in the same moment; raises to undo it all.

        Raises:
            GivenUp: It took too long.
            StoreAway, StoreFull: The store does not take it.
        """
        content = Content(self._size, self._digest.hexdigest(), names.media_type(self._head, self.name, media_type))
        self._writer.finish()
        faults.reach("files.before_publish")
        with self._files.db.write() as conn:
            now = self._files.db.now()
            if not rows.publish(conn, self.id, content, now):
                raise GivenUp("The file took so long that it was given up. Send it again.")
            file = self._file(content, now)
            also(conn, file)
        faults.reach("files.after_publish")
        return file

    def abort(self) -> None:
        """Leave nothing of it, as far as that can be done now; retention does the rest."""
        try:
            self._writer.abort()
        finally:
            self._give_up()

    def _hold(self, size: int) -> None:
        """Take more room, and renew the lease, when it is time to."""
        if size <= self._room and time.monotonic() - self._held_at < RENEW_EVERY_S:
            return
        wish = self._room if size <= self._room else max(size, min(self._room + STEP_BYTES, self._most))
        with self._files.db.write(durable=False) as conn:
            now = self._files.db.now()
            room = rows.hold(conn, self.id, wish, self._files.quota, now, LEASE, least_bytes=size)
        if room is None:
            raise GivenUp("The file took so long that it was given up. Send it again.")
        self._room, self._held_at = room, time.monotonic()

    def _give_up(self) -> None:
        try:
            with self._files.db.write(durable=False) as conn:
                rows.give_up(conn, self.id, self._files.db.now())
        except TRANSIENT_ERRORS:
            return  # its lease ends, which says the same

    def _file(self, content: Content, now: datetime) -> File:
        new = self._new
        return File(
            id=new.id,
            user_id=new.user_id,
            name=new.name,
            media_type=content.media_type,
            size_bytes=content.size_bytes,
            sha256=content.sha256,
            blob=new.blob,
            job_id=new.job_id,
            origin=new.origin,
            taint=new.taint,
            sources=new.sources,
            created_at=now,
            kept_until=now + UNUSED,
        )


def find(conn: sa.Connection, user_id: UUID, file_id: UUID) -> File:
    """The user's file.

    Raises:
        NotFound: There is none of that id, it is not complete, or it is somebody else's.
    """
    file = rows.get(conn, user_id, file_id)
    if file is None:
        raise NotFound(f"You have no file {file_id}.")
    return file


def find_attached(conn: sa.Connection, user_id: UUID, job_id: UUID, name: str) -> File:
    """What a job of the user's attached under a name.

    Raises:
        NotFound: There is no such job, or none of that name, or it is somebody else's.
    """
    found = rows.of_job(conn, user_id, job_id, name)
    if not found:
        raise NotFound(f"You have no job {job_id} with a file of that name.")
    return found[0]


def refuse_too_large(size_bytes: int, most: int) -> None:
    if size_bytes > most:
        raise FileTooLarge(f"A file may have {most:,} bytes (MAX_FILE_BYTES).")


def _verified(pieces: Iterator[bytes], file: File) -> Iterator[bytes]:
    """The pieces, the last of them only when all are what they should be."""
    digest = hashlib.sha256()
    held = b""
    for piece in pieces:
        digest.update(piece)
        if held:
            yield held
        held = piece
    if digest.hexdigest() != file.sha256:
        raise FileChanged(f"The content of the file {file.id} is not what was stored: its SHA-256 is another.")
    if held:
        yield held


def _pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(1 << 20):
        yield piece


def _exhaust(pieces: Iterator[bytes], check: Callable[[], None]) -> None:
    for _ in pieces:
        check()


__all__ = ["BlobMissing", "FileChanged", "FileTooLarge", "Files", "GivenUp", "Incoming", "find", "find_attached"]
