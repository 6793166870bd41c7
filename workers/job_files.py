"""Files of a running attempt: what it attaches to its job, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from engine.files.storage import MOST_PER_JOB, Files, Incoming
from llmcoder import strict_json
from llmcoder.errors import ActionError, Cancelled, DeclarationError, NotFound, Transient, Uncertain
from llmcoder.file import FileRef, Source, pieces
from llmcoder.provenance import Taint, worse
from models import attached_files
from models.db.database import TRANSIENT_ERRORS
from models.files import store as rows
from models.files.store import File
from models.jobs import taint
from workers.attempt import Attempt


class JobFiles:
    """The files of one attempt.

    Args:
        check: Raises when the attempt should end; called between pieces.
    """

    def __init__(self, attempt: Attempt, files: Files, check: Callable[[], None]) -> None:
        self._attempt = attempt
        self._files = files
        self._check = check

    def attach(self, name: str, source: Source, media_type: str | None) -> FileRef:
        """See `Context.attach`."""
        self._refuse_undeclared()
        with self._in_doubt_once_armed():
            self._check()
            incoming = self._receive(name, source)
            try:
                for piece in pieces(source):
                    self._check()
                    incoming.write(piece)
                return incoming.finish(media_type, self._is_ours).stored.ref
            except BaseException:
                incoming.abort()
                raise

    def find(self, ref: FileRef) -> File:
        """The file of a reference.

        Raises:
            NotFound: The user does not have it any more, or not with this content.
        """
        with self._in_doubt_once_armed():
            with self._files.db.read() as conn:
                file = rows.get(conn, self._attempt.claimed.user_id, ref.id)
            if file is None or file.sha256 != ref.sha256:
                raise NotFound(f"You have no file {ref.id} with that content any more. Upload it anew.")
            return file

    @contextmanager
    def opened(self, ref: FileRef) -> Iterator[IO[bytes]]:
        """See `Context.open_file`."""
        with ExitStack() as until_read:
            with self._in_doubt_once_armed():
                found = until_read.enter_context(self._files.opened(self._to_read(ref), self._check))
            yield found

    @contextmanager
    def copied(self, ref: FileRef) -> Iterator[Path]:
        """See `Context.file_copy`."""
        with ExitStack() as until_read:
            with self._in_doubt_once_armed():
                path = until_read.enter_context(self._files.copied(self._to_read(ref), self._check))
            yield path

    def _to_read(self, ref: FileRef) -> File:
        file = self.find(ref)
        made_by = [file.job_id] if file.job_id is not None else []
        self._attempt.trail.read(file.taint, taint.merged(made_by, taint.ids_of(file.sources)))
        return file

    def _refuse_undeclared(self) -> None:
        """A plan of a macro runs what leaves nothing behind, so an action that attaches says that it does."""
        action = self._attempt.action
        if action is not None and not action.leaves_something(strict_json.read_lenient(self._attempt.claimed.input)):
            raise DeclarationError(f"{action.name}: a READ or DRAFT that attaches files declares keeps")

    def _receive(self, name: str, source: Source) -> Incoming:
        claimed, trail = self._attempt.claimed, self._attempt.trail
        action = self._attempt.action
        brings_in = Taint.OUTSIDE if action is not None and action.outside else None
        return self._files.receive(
            claimed.user_id,
            name,
            origin=self._attempt.claimed.origin,
            taint=worse(trail.record_taint, brings_in),
            size_bytes=_size_of(source),
            job_id=claimed.id,
            sources=taint.as_column(taint.merged(taint.ids_of(claimed.sources), trail.sources)),
        )

    def _is_ours(self, conn: sa.Connection, file: File) -> None:
        """In the transaction that makes the file complete: it is the job's, or it is nobody's."""
        claimed = self._attempt.claimed
        if not attached_files.attach(conn, claimed.id, claimed.attempt, file.id, file.name, MOST_PER_JOB):
            raise Cancelled("The job was cancelled, or is another attempt's by now; the file was not kept.")

    @contextmanager
    def _in_doubt_once_armed(self) -> Iterator[None]:
        """What keeps a file from being kept, or read, says nothing of an effect that may have happened before."""
        try:
            yield
        except Cancelled:
            raise
        except (ActionError, *TRANSIENT_ERRORS) as error:
            detail = error.detail if isinstance(error, ActionError) else "The database is busy or away."
            if self._attempt.armed:
                raise Uncertain(f"{detail} What the job did before that may have had its effect.") from error
            if not isinstance(error, ActionError):
                raise Transient(f"{detail} The file was not kept.") from error
            raise


def _size_of(source: Source) -> int | None:
    """How large it is, where that can be known without reading it."""
    if isinstance(source, Path):
        return source.stat().st_size
    return len(source) if isinstance(source, bytes | bytearray) else None
