"""What a store of bytes can do. Rows say what the bytes are; see `models.files`.

A blob is written once, under a name that was never used before, and is never changed. It is there as a whole or not at
all: a reader sees none before its writer's `finish` has returned, whatever dies meanwhile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from llmcoder.errors import ActionError, Transient

CHUNK_BYTES = 1 << 20


class StoreAway(Transient):
    """The store does not answer, or refuses for the moment; nothing was stored."""

    slug, title = "file-store-away", "The file store is away"


class StoreFull(ActionError):
    """The store has no room left; nothing was stored."""

    slug, title, status = "file-store-full", "The file store is full", 507


class BlobMissing(ActionError):
    """What the database knows is not in the store."""

    slug, title, status = "file-content-missing", "The file's content is missing", 500


@dataclass(frozen=True, slots=True)
class Found:
    """A blob in a list, or one that nobody has finished."""

    name: str
    modified_at: datetime


class BlobWriter(ABC):
    """One blob on its way in."""

    @abstractmethod
    def write(self, chunk: bytes) -> None:
        """Take in a piece.

        Raises:
            StoreAway, StoreFull: The blob is lost; call `abort`.
        """

    @abstractmethod
    def finish(self) -> None:
        """Make it whole: it survives the loss of power from here on.

        Raises:
            StoreAway, StoreFull: The blob is lost; call `abort`.
        """

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing of it; also after `finish`. What cannot be removed now is found by its row."""


class BlobStore(ABC):
    """Where bytes are kept."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where that is, for people; it holds no secret."""

    @abstractmethod
    def writer(self, name: str, size_bytes: int | None = None) -> BlobWriter:
        """Begin a blob.

        Args:
            name: Parts of letters, digits and hyphens with slashes between them.
            size_bytes: How large it will be, where that is known.

        Raises:
            StoreAway, StoreFull: It cannot be begun.
        """

    @abstractmethod
    def read(self, name: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on, in pieces of a megabyte at most.

        Raises:
            BlobMissing: There is no such blob.
            StoreAway: It cannot be read now.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a blob with all that an unfinished writer left of it; nothing happens when there is none.

        Raises:
            StoreAway: It may still be there.
        """

    @abstractmethod
    def names(self, space: str) -> Iterator[Found]:
        """Every blob whose name begins with `space/`, and every one of which a writer left only pieces."""

    @abstractmethod
    def check(self, space: str) -> None:
        """Write a little, read it and remove it.

        Raises:
            StoreAway, StoreFull, NotConfigured: What is wrong, and what to do.
        """

    @abstractmethod
    def look(self) -> None:
        """Whether it is there at all: one cheap call that changes nothing. Raises as `check` does."""

    def open_local(self, name: str) -> IO[bytes] | None:
        """The blob as a file of this machine; None where it is not one. Raises `BlobMissing`, too."""
        return None
