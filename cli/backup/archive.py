"""The file that a backup is: a tar whose first member, `manifest.json`, says what the others are and their SHA-256.

Anybody can look into it (`tar tvf`), and `.gz` at the end of its name has it compressed. The checksums find a file that
was damaged or cut short; they are no seal against somebody who may write it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmcoder.errors import Refused

#: 2 has the contents of files behind what the manifest lists.
FORMAT = 2
FORMAT_WITHOUT_CONTENTS = 1
MANIFEST = "manifest.json"
DATABASE = "database"
LARGEST_MANIFEST_BYTES = 1_000_000
CHUNK_BYTES = 1 << 20
#: Nothing that could leave the folder it is unpacked into, or hide in it.
NAME = re.compile(r"[a-z0-9_]{1,60}(\.[a-z]{1,10})?")


class BackupError(Refused):
    """The backup cannot be made or used; the detail says why and what to do."""


class Part(BaseModel):
    """One file in a backup."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="[0-9a-f]{64}")


class Manifest(BaseModel):
    """What a backup says of itself.

    Attributes:
        engine: The version that made it.
        created_at: The moment that the database was copied at, or a little before.
        heads: The newest migrations that its database has.
        secrets: Whether keys and the secrets of config.json are in it.
        contents: Whether the contents of files are; see `cli.backup.contents`.
        files: By name, in the order in which they follow.
    """

    model_config = ConfigDict(frozen=True)

    format: int
    engine: str
    created_at: datetime
    store: Literal["sqlite", "postgresql"]
    heads: list[str]
    secrets: bool
    contents: bool = False
    files: dict[str, Part]


class _OnlyFormat(BaseModel):
    format: int


def part_of(path: Path) -> Part:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return Part(bytes=path.stat().st_size, sha256=digest.hexdigest())


def write(
    to: Path,
    manifest: Manifest,
    files: Mapping[str, Path],
    *,
    compressed: bool,
    more: Callable[[tarfile.TarFile], None] = lambda tar: None,
) -> None:
    """Write a backup to a file that does not exist yet; on disk when this returns, and for nobody else's eyes.

    Args:
        more: Adds the members that follow those of the manifest.
    """
    with open(to, "xb", opener=_private) as raw:
        with tarfile.open(fileobj=raw, mode="w:gz" if compressed else "w") as tar:
            text = manifest.model_dump_json(indent=2).encode()
            tar.addfile(member(MANIFEST, len(text), manifest.created_at), io.BytesIO(text))
            for name, part in manifest.files.items():
                with files[name].open("rb") as file:
                    tar.addfile(member(name, part.bytes, manifest.created_at), file)
            more(tar)
        raw.flush()
        os.fsync(raw.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def member(name: str, size: int, at: datetime) -> tarfile.TarInfo:
    """The head of a member, which tells nothing of this machine."""
    made = tarfile.TarInfo(name)
    made.size, made.mode, made.mtime = size, 0o600, int(at.timestamp())
    return made


class Archive:
    """A backup that is being read."""

    def __init__(self, tar: tarfile.TarFile, path: Path) -> None:
        """Call `opened` instead."""
        self._tar = tar
        self._path = self.path = path
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> Manifest:
        member = self._tar.next()
        if member is None or member.name != MANIFEST or member.size > LARGEST_MANIFEST_BYTES:
            raise BackupError(f"{self._path} is no backup of this engine: it does not begin with {MANIFEST}.")
        text = self._open(member).read()
        try:
            newer = _OnlyFormat.model_validate_json(text).format > FORMAT
            manifest = None if newer else Manifest.model_validate_json(text)
        except ValidationError:
            raise BackupError(f"{self._path} is damaged: its {MANIFEST} cannot be read.") from None
        if manifest is None:
            raise BackupError(f"{self._path} was made by a newer engine, in a format that this one does not know.")
        if DATABASE not in manifest.files or not all(NAME.fullmatch(name) for name in manifest.files):
            raise BackupError(f"{self._path} is damaged: its {MANIFEST} does not list the files of a backup.")
        return manifest

    def extract(self, folder: Path) -> None:
        """Unpack every file into a folder, looking at each one's checksum.

        Raises:
            BackupError: It is not what the manifest says. What was unpacked is to be thrown away.
        """
        for name, part in self.manifest.files.items():
            member = self._tar.next()
            if member is None:
                raise BackupError(f"{self._path} is cut short: {name} is missing. Take another copy of it.")
            if member.name != name or not member.isreg() or member.size != part.bytes:
                raise BackupError(f"{self._path} is damaged: where {name} should be is something else.")
            with open(folder / name, "xb", opener=_private) as file:
                self._copy(member, file, part)
        if not self.manifest.contents:
            self.refuse_more()

    def refuse_more(self) -> None:
        """Make sure that this is the end.

        Raises:
            BackupError: Something follows that nobody wrote there.
        """
        if self._tar.next() is not None:
            raise BackupError(f"{self._path} holds more than its {MANIFEST} says; it was changed.")

    def more(self) -> Iterator[tuple[str, IO[bytes]]]:
        """What follows the files of the manifest, by name; each is to be read before the next is asked for."""
        while (found := self._tar.next()) is not None:
            if not found.isreg() or not NAME.fullmatch(found.name):
                raise BackupError(f"{self._path} is damaged: {found.name!r} is no file of a backup.")
            yield found.name, self._open(found)

    def _copy(self, member: tarfile.TarInfo, file: IO[bytes], part: Part) -> None:
        digest = hashlib.sha256()
        source = self._open(member)
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        if digest.hexdigest() != part.sha256:
            raise BackupError(
                f"{self._path} is damaged: the checksum of {member.name} is another. Take another copy of it."
            )

    def _open(self, member: tarfile.TarInfo) -> IO[bytes]:
        source = self._tar.extractfile(member)
        if source is None:
            raise BackupError(f"{self._path} is damaged: {member.name} is no file.")
        return source


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Read a backup, compressed or not.

    Raises:
        BackupError: There is none, it is damaged, or it is something else; also what reading on finds.
    """
    try:
        with tarfile.open(path, "r:*") as tar:
            yield Archive(tar, path)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupError(f"{path} is no backup, damaged or cut short ({error}). Take another copy of it.") from error
