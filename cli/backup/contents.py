"""The contents of files in a backup: each a member of the tar, after the database that says what they are.

A content's SHA-256 stands in the database, so none of them is listed elsewhere; a last member says how many there are,
by which one that was cut short is known. Put back, they get a part of the store of their own: whatever lies there
stays, and a copy of an installation never removes what belongs to the first.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, Field, ValidationError

from cli.backup.archive import Archive, BackupError, member
from engine.files.blobs import BlobMissing, BlobStore
from engine.files.disk import MARK, DiskStore
from engine.files.storage import FileChanged, Files
from engine.files.stores import store_of
from llmcoder.settings import EngineSettings
from models import restored_files
from models.db.database import Database
from models.files import store as rows
from models.files.store import File
from models.files.tables import files as table

#: A content is called so, with its file's id.
PREFIX = "file_"
END = "files.json"
BATCH = 500
CHUNK_BYTES = 1 << 20
LARGEST_END_BYTES = 1_000


class End(BaseModel):
    """The last member.

    Attributes:
        count: Contents in the backup.
        missing: Of what the database knows, so many were not in the store, or were damaged there.
    """

    count: int = Field(ge=0)
    missing: int = Field(0, ge=0)


def write_contents(tar: tarfile.TarFile, files: Files, at: datetime) -> End:
    """Copy every file that is complete by now; one that cannot be had is counted and left out."""
    count = missing = 0
    for file in _complete(files.db):
        try:
            with files.opened(file) as content:
                tar.addfile(member(f"{PREFIX}{file.id.hex}", file.size_bytes, at), content)
            count += 1
        except (BlobMissing, FileChanged):
            missing += int(_is_there(files.db, file))  # one that was removed meanwhile is not missed
    end = End(count=count, missing=missing)
    text = end.model_dump_json().encode()
    tar.addfile(member(END, len(text), at), io.BytesIO(text))
    return end


def _complete(db: Database) -> Iterator[File]:
    with db.read() as conn:
        if not sa.inspect(conn).has_table(table.name):  # of an engine that had no files yet
            return
    after: UUID | None = None
    while True:
        with db.read() as conn:
            some = rows.all_complete(conn, after, BATCH)
        yield from some
        if len(some) < BATCH:
            return
        after = some[-1].id


def _is_there(db: Database, file: File) -> bool:
    with db.read() as conn:
        return rows.get(conn, file.user_id, file.id) is not None


@dataclass(frozen=True)
class PutBack:
    """What became of the files of a backup.

    Attributes:
        lost: Files of the database whose contents the backup does not hold; they are gone.
        kept: Where the files of before still lie.
        discard: Removes what was put into the store, where the restore fails after all.
    """

    count: int
    lost: int
    kept: list[str]
    discard: Callable[[], None]


def put_back(archive: Archive, db: Database, settings: EngineSettings) -> PutBack:
    """Put the contents of a backup into the store that the settings name, and have the staged database know them there.

    Raises:
        BackupError: The backup is damaged or cut short. Nothing is left in the store.
        StoreAway, StoreFull, NotConfigured: The store does not take them; likewise.
    """
    store, space = store_of(settings), secrets.token_hex(8)

    def discard() -> None:
        for one in list(store.names(space)):
            store.remove(one.name)

    try:
        with db.write() as conn:
            restored_files.move_to(conn, space)
        restored = set(_put_all(archive, db, store))
        with db.write() as conn:
            lost = restored_files.forget_others(conn, restored, db.now())
    except BaseException:
        discard()
        raise
    return PutBack(len(restored), lost, _spaces_beside(store, space), discard)


def _spaces_beside(store: BlobStore, space: str) -> list[str]:
    """Folders of other databases, such as the one whose place this takes. Nobody lists a bucket for that."""
    if not isinstance(store, DiskStore):
        return []
    return [str(one) for one in sorted(Path(store.place).glob("*")) if one.name != space and (one / MARK).exists()]


def _put_all(archive: Archive, db: Database, store: BlobStore) -> Iterator[UUID]:
    for seen, (name, source) in enumerate(archive.more()):
        if name == END:
            _refuse_cut_short(archive, source.read(LARGEST_END_BYTES), seen)
            archive.refuse_more()
            return
        file = _row(db, archive, name)
        if file is not None:  # else it is younger than the copy of the database
            _put(store, file, source, archive)
            yield file.id
    raise BackupError(f"{archive.path} is cut short: some files are missing. Take another copy of it.")


def _refuse_cut_short(archive: Archive, text: bytes, seen: int) -> None:
    try:
        end = End.model_validate_json(text)
    except ValidationError:
        raise BackupError(f"{archive.path} is damaged: its {END} cannot be read.") from None
    if end.count != seen:
        raise BackupError(f"{archive.path} is damaged: it holds {seen} files and should hold {end.count}.")


def _row(db: Database, archive: Archive, name: str) -> File | None:
    try:
        file_id = UUID(name.removeprefix(PREFIX))
    except ValueError:
        raise BackupError(f"{archive.path} is damaged: {name!r} is no file of it.") from None
    with db.read() as conn:
        return rows.complete(conn, file_id)


def _put(store: BlobStore, file: File, source: IO[bytes], archive: Archive) -> None:
    digest, writer = hashlib.sha256(), store.writer(file.blob, file.size_bytes)
    try:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            writer.write(chunk)
        if digest.hexdigest() != file.sha256:
            raise BackupError(
                f"{archive.path} is damaged: the checksum of the file {file.id} is another. Take another copy of it."
            )
        writer.finish()
    except BaseException:
        writer.abort()
        raise
