"""An Anki package: a ZIP file with one SQLite database in it. Takes it out, and no more of it than is allowed.

The database is `collection.anki21b` (compressed by Zstandard, since 2.1.50), `collection.anki21` or `collection.anki2`;
where there are several the newest counts, since the oldest then holds nothing but a note that says so. Sounds and
images stay where they are.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tasks.learning.incoming import UnreadableCards

#: The largest decks that people share (100,000 cards with their history) are half as large.
MOST_DATABASE_BYTES = 512 << 20
#: Of the ZIP file's table of contents; a deck with 100,000 images has 10 MB.
MOST_DIRECTORY_BYTES = 32 << 20
CHUNK_BYTES = 1 << 18
OLDEST = "collection.anki2"
DATABASES = ("collection.anki21b", "collection.anki21", OLDEST)

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")


@contextmanager
def database_of(package: IO[bytes], check: Callable[[], None]) -> Iterator[tuple[Path, int]]:
    """A copy of the package's database, gone when the block ends, and how many sounds and images there are beside it.

    It has the name that it has in the package.

    Raises:
        UnreadableCards: It is no package, is damaged, or holds too much.
    """
    _refuse_large_directory(package)
    with _damage_named(), TemporaryDirectory(prefix="llmcoder-cards-") as folder:
        with zipfile.ZipFile(package) as archive:
            names = archive.namelist()
            member = next((name for name in DATABASES if name in names), None)
            if member is None:
                raise UnreadableCards("There is no collection of Anki's in this ZIP file.")
            path = Path(folder, member)
            with archive.open(member) as packed, path.open("wb") as out:
                _copy(packed, out, member.endswith("b"), check)
        yield path, sum(name.isdigit() for name in names)


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError) as error:
        raise UnreadableCards(f"The package is damaged: {error}.") from error
    except RuntimeError as error:  # what zipfile says of a member with a password
        if "password" not in str(error) and "encrypted" not in str(error):
            raise
        raise UnreadableCards("The package is encrypted.") from error


def _copy(packed: IO[bytes], out: IO[bytes], zstandard_packed: bool, check: Callable[[], None]) -> None:
    size = 0
    for chunk in _unpacked(packed) if zstandard_packed else iter(lambda: packed.read(CHUNK_BYTES), b""):
        size += len(chunk)
        if size > MOST_DATABASE_BYTES:
            raise UnreadableCards(f"The collection is larger than {MOST_DATABASE_BYTES >> 20} MB when unpacked.")
        out.write(chunk)
        check()


def _unpacked(packed: IO[bytes]) -> Iterator[bytes]:
    import zstandard

    # 8 MB is what a decoder must have; Anki's own files need no more, and a frame that asks for gigabytes is refused
    decoder = zstandard.ZstdDecompressor(max_window_size=8 << 20)
    try:
        with decoder.stream_reader(packed, read_size=CHUNK_BYTES, read_across_frames=True) as reader:
            while chunk := reader.read(CHUNK_BYTES):
                yield chunk
    except zstandard.ZstdError as error:
        raise UnreadableCards(f"The package is damaged: {error}.") from error


def _refuse_large_directory(package: IO[bytes]) -> None:
    """Before `zipfile` reads a table of contents into memory, whatever its size."""
    size = package.seek(0, 2)
    start = max(0, size - _END.size - 0xFFFF)
    package.seek(start)
    tail = package.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise UnreadableCards("This is no Anki package: it is not a ZIP file.")
    sizes = [_END.unpack_from(tail, at)[5]]
    locator = start + at - _LOCATOR_64.size
    if locator >= 0:
        package.seek(locator)
        sign, _, end_64, _ = _LOCATOR_64.unpack(package.read(_LOCATOR_64.size))
        if sign == b"PK\x06\x07":
            sizes = [_size_64(package, locator, end_64)]
    if max(sizes) > MOST_DIRECTORY_BYTES:
        raise UnreadableCards("The package holds too many files.")
    package.seek(0)


def _size_64(package: IO[bytes], locator: int, end_64: int) -> int:
    """Where `zipfile` looks: at the place that the locator names, or right before it."""
    size = 0
    for place in {end_64, locator - _END_64.size}:
        if 0 <= place <= locator - _END_64.size:
            package.seek(place)
            values = _END_64.unpack(package.read(_END_64.size))
            if values[0] == b"PK\x06\x06":
                size = max(size, values[8])
    return size
