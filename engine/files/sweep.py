"""Removes what nobody keeps: files that no job uses any more, what a dead writer left, bytes that no row knows.

Any number of processes may do it at once: each step may be done twice.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from uuid import UUID

from engine.files.blobs import BlobStore, StoreAway
from engine.files.storage import Files, work_folder
from llmcoder import faults
from llmcoder.logger import get_logger
from models.files import store as rows

log = get_logger(__name__)

BATCH = 500
#: Leaves room for others' writes.
PAUSE_S = 0.05
#: To list a store costs money where each call does, and what it finds is rare: a commit that was lost with the power.
LIST_EVERY = timedelta(days=1)
#: Bytes without a row are removed only when whoever wrote them must have ended long ago.
STRAY_AFTER = timedelta(days=1)


class Sweep:
    """A duty of the scheduler."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._db = files.db

    def sweep_files(self) -> int:
        """Remove what is to be removed; returns how many files that were.

        Raises:
            StoreAway: Some of it is still there, and is tried again.
        """
        self._expire()
        removed = self._remove()
        self._clear_work_folder()
        with self._db.write(durable=False) as conn:
            lists = rows.take_sweep(conn, self._db.now(), LIST_EVERY)
        return removed + (self._remove_strays() if lists else 0)

    def _expire(self) -> None:
        after: UUID | None = None
        while True:
            with self._db.write(durable=False) as conn:
                _, after = rows.expire(conn, self._db.now(), after, BATCH)
            if after is None:
                return
            time.sleep(PAUSE_S)

    def _remove(self) -> int:
        removed = 0
        while True:
            with self._db.write() as conn:
                wanted = rows.to_remove(conn, self._db.now(), BATCH)
            if not wanted:
                return removed
            store, done, failure = self._files.store, [], None
            for row in wanted:
                try:
                    faults.reach("files.before_remove")
                    store.remove(row.blob)
                    done.append(row.id)
                except StoreAway as error:
                    failure = error
            faults.reach("files.after_remove")
            with self._db.write(durable=False) as conn:
                removed += rows.forget(conn, done)
            if failure is not None:
                raise failure
            time.sleep(PAUSE_S)

    def _remove_strays(self) -> int:
        """What lies in this database's part of the store without a row, for a day at least."""
        store, old = self._files.store, self._db.now() - STRAY_AFTER
        names = (one.name for one in store.names(self._files.space()) if one.modified_at < old)
        removed = 0
        while some := list(islice(names, BATCH)):
            with self._db.read() as conn:
                strays = rows.unknown_blobs(conn, some)
            removed += len(strays)
            _remove_all(store, strays)
        return removed

    def _clear_work_folder(self) -> None:
        """Copies that a process which was killed made for an action."""
        oldest_s = time.time() - STRAY_AFTER.total_seconds()
        for folder in work_folder(self._files.settings).glob("copy-*"):
            with suppress(FileNotFoundError):  # its owner has just removed it
                if folder.stat().st_mtime < oldest_s:
                    shutil.rmtree(folder)


def _remove_all(store: BlobStore, names: list[str]) -> None:
    for name in names:
        log.warning("a file's content without a row is removed", name=name)
        store.remove(name)
