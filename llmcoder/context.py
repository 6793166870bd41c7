"""What an action may know and do while it runs. Workers implement it for real, `llmcoder.testing` for tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from llmcoder.provenance import Trail
from llmcoder.settings import Settings

if TYPE_CHECKING:
    from llmcoder.connection import Connection
    from llmcoder.declare.connection import C, ConnectionKind
    from llmcoder.file import FileRef, Source, StoredFile
    from llmcoder.net import GuardedClient, Network

S = TypeVar("S", bound=Settings)
T = TypeVar("T")


@dataclass(frozen=True)
class User:
    """On whose behalf a job runs."""

    id: UUID
    email: str


class Context(ABC):
    """One attempt of one job, seen from inside its action.

    Attributes:
        job_id: The job; the same over all its attempts, so it serves as an idempotency key.
        attempt: Which run this is, from 1.
        user: On whose behalf.
        action: Name of the action that runs.
        trail: Where what it reads and writes comes from; see `llmcoder.provenance`.
    """

    job_id: UUID
    attempt: int
    user: User
    action: str
    trail: Trail

    @abstractmethod
    def settings(self, kind: type[S]) -> S:
        """The settings of one kind, as they are now."""

    @abstractmethod
    def progress(self, fraction: float, message: str = "") -> None:
        """Show how far the job is; also the place where a cancellation takes hold.

        Args:
            fraction: 0 to 1.
            message: What is being done, for the user.

        Raises:
            Cancelled: Somebody cancelled the job, or this attempt lost its lease.
        """

    @abstractmethod
    def log(self, message: str, **fields: str | int | float | bool | None) -> None:
        """Send one line to whoever watches; it is not kept. Raises `Cancelled` as `progress` does."""

    @abstractmethod
    def emit_token(self, text: str) -> None:
        """Stream a piece of generated text to whoever watches. Raises `Cancelled` as `progress` does."""

    @abstractmethod
    def cancelled(self) -> bool:
        """Whether the job should end; for code that would rather look than be interrupted."""

    def check(self) -> None:
        """Raise `Cancelled` if the job should end; the hook for clients that wait on a provider."""
        if self.cancelled():
            from llmcoder.errors import Cancelled

            raise Cancelled("The job was cancelled while it ran.")

    @abstractmethod
    def wait(self, seconds: float) -> None:
        """Sleep, and wake at once with `Cancelled` if the job should end."""

    @abstractmethod
    def armed(self, marker: Mapping[str, str] | None = None) -> None:
        """Commit "the effect may happen from here on", with what `reconcile` needs to find it.

        A write calls it right before it calls out. From then on, an attempt that dies is never simply run again.

        Raises:
            Cancelled: The job was cancelled or the lease was lost; nothing may be sent any more.
        """

    @abstractmethod
    def confirmed(self) -> None:
        """Say that the armed effect has happened: the provider's answer was read, and says so.

        A write calls it as soon as it knows. Whatever goes wrong from then on, the job is neither run again nor called
        uncertain: `reconcile` is asked once for the result, and where it has none, the job has failed after its effect.
        """

    def check_fence(self) -> None:
        """Raise where this attempt may not send any more, because it lost its job or its time is over.

        `ctx.http` asks right before the first byte of each request, and `ctx.net` before the first byte of each
        connection and the first one after `armed`. A write that sends by other means asks itself, after `armed` and
        right before it sends: a process can be frozen in between for longer than its lease.

        Raises:
            Cancelled, Transient, Uncertain: Nothing may be sent any more.
        """
        self.check()

    @abstractmethod
    def use(self, interface: type[T]) -> T:
        """A capability that some domain provides, such as `LanguageModel`.

        Raises:
            NotConfigured: No installed domain provides it.
        """

    @abstractmethod
    def connection(self, kind: ConnectionKind[C]) -> Connection[C]:
        """The account that this job acts for at a provider: its user's, or the one of the installation.

        Raises:
            NotConfigured: The user has connected none, and the installation has none.
            NeedsReconnect: It is broken; the job waits until its user has connected it again.
            Transient: It cannot be read now.
        """

    @abstractmethod
    def connection_of(self, kinds: Sequence[ConnectionKind[Any]]) -> Connection[Any]:
        """As `connection`, for an action that serves several kinds: the account chosen for the job; its `kind` tells.

        Raises:
            NotConfigured, NeedsReconnect, Transient: As `connection`.
        """

    @abstractmethod
    def attach(self, name: str, source: Source, media_type: str | None = None) -> FileRef:
        """Keep a file with this job: a screenshot, a trace, an export. It is never held in memory as a whole.

        Put what it returns into the result, and a later step can take the file as its input. Only a write attaches, or
        an action that declares `keeps`. A write attaches before it arms its effect: what goes wrong here afterwards
        leaves the job uncertain.

        Args:
            name: What people call it; made safe, so that it may be what a page is called. Once in a job: what an
                earlier attempt attached under it gives way.
            source: Bytes, a path, an open file, or pieces.
            media_type: Such as "image/png"; believed where the content does not look like something else.

        Raises:
            Cancelled: The job is to end, or another attempt has it.
            NameTaken, TooManyFiles, FileTooLarge, QuotaReached: It cannot be kept.
            StoreAway, StoreFull: The store does not take it now.
        """

    @abstractmethod
    def file(self, ref: FileRef) -> StoredFile:
        """What is known of a file: its name, its kind, its size.

        Raises:
            NotFound: The user does not have it any more.
        """

    @abstractmethod
    def open_file(self, ref: FileRef) -> AbstractContextManager[IO[bytes]]:
        """A file to read from, anywhere in it, whose content was compared with its SHA-256 before.

        What an upload holds is a stranger's words, as what a page holds.

        Raises:
            NotFound: The user does not have it any more.
            FileChanged: Its content is not what was stored.
            StoreAway: It cannot be had now.
        """

    @abstractmethod
    def file_copy(self, ref: FileRef) -> AbstractContextManager[Path]:
        """As `open_file`, as a path for a library that needs one: a copy that is gone when the block ends."""

    @abstractmethod
    def heed(self, headers: Mapping[str, str], account: str = "", provider: str = "") -> None:
        """Let all workers know what a provider's answer says about its limits, see `llmcoder.declare.rate.pause_until`.

        Args:
            headers: Of any answer, not only of a refusal.
            account: Which account there; empty for the one that the job uses.
            provider: Whose answer, where it is not the provider of the job's own action: a service that other domains
                use speaks for itself.
        """

    @property
    @abstractmethod
    def remaining_s(self) -> float:
        """Seconds until the deadline of this attempt; give clients less."""

    @property
    @abstractmethod
    def http(self) -> GuardedClient:
        """The guarded HTTP client; pass `check=ctx.check` so that a cancelled job stops waiting."""

    @property
    @abstractmethod
    def net(self) -> Network:
        """Guarded connections for other protocols, and for a browser; all of them end with the job."""
