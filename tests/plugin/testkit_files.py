"""Actions of the tests that attach files and take them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

from pydantic import Field

from llmcoder import Context, Effect, FileRef, Model, Retry, Transient, Undo, action

QUICK = Retry(attempts=3, first_wait_s=0.1, jitter=0)
PIECE = bytes(range(256)) * 4096


class Export(Model):
    name: str = Field("export.csv", description="What the file is called.", examples=["export.csv"])
    text: str = Field("a,b\n1,2\n", description="What it says.", examples=["a,b"])
    size_bytes: int = Field(0, description="Its size, where it is not text.")
    fail_until: int = Field(0, description="Attempts that fail after they have attached it.")
    twice: bool = Field(False, description="Whether it is attached twice.")
    nap_s: float = Field(0, description="How long it takes after each piece.")


class Exported(Model):
    file: FileRef


class Import(Model):
    file: FileRef = Field(description="The file to read.")
    then: str = Field("read", description="read, path, arm or post.", examples=["read"])
    note: str = Field("", description="Any text.")


class Imported(Model):
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    beginning: str = ""


@action("test.export", effect=Effect.DRAFT, keeps=True, retry=QUICK, timeout_s=120)
def export(given: Export, ctx: Context) -> Exported:
    """Attach a file."""
    source = _pieces(given) if given.size_bytes else f"{given.text}{ctx.attempt if given.fail_until else ''}".encode()
    ref = ctx.attach(given.name, source)
    if given.twice:
        ctx.attach(given.name, b"again")
    if ctx.attempt <= given.fail_until:
        raise Transient("not yet")
    return Exported(file=ref)


@action("test.export_undeclared", effect=Effect.DRAFT)
def export_undeclared(given: Export, ctx: Context) -> Exported:
    """Attach a file without having said so."""
    return Exported(file=ctx.attach(given.name, given.text.encode()))


@action("test.save_page", effect=Effect.DRAFT, keeps=True, outside=True)
def save_page(given: Export, ctx: Context) -> Exported:
    """Attach what somebody else wrote."""
    return Exported(file=ctx.attach(given.name, given.text.encode()))


@action("test.import", effect=Effect.DRAFT, timeout_s=120)
def import_file(given: Import, ctx: Context) -> Imported:
    """Read a file."""
    return _read(given, ctx)


@action("test.remove_import", effect=Effect.DESTROY, repeatable=True)
def remove_import(given: Import, ctx: Context) -> Imported:
    """Take an import back, looking at the file again."""
    return _read(given, ctx)


@action(
    "test.import_for_good",
    effect=Effect.WRITE,
    repeatable=False,
    retry=QUICK,
    undo=Undo(remove_import, lambda given, _: Import(file=given.file)),
)
def import_for_good(given: Import, ctx: Context) -> Imported:
    """Read a file and have an effect."""
    ctx.armed()
    if given.then == "arm":
        ctx.attach("receipt.txt", b"paid")
    return _read(given, ctx)


def _pieces(given: Export) -> Iterator[bytes]:
    left = given.size_bytes
    while left > 0:
        yield PIECE[:left]
        left -= len(PIECE)
        time.sleep(given.nap_s)


def _read(given: Import, ctx: Context) -> Imported:
    stored = ctx.file(given.file)
    digest, beginning = hashlib.sha256(), b""
    if given.then == "path":
        with ctx.file_copy(given.file) as path:
            assert path.name == stored.name
            return _seen(ctx, given, hashlib.sha256(path.read_bytes()).hexdigest(), path.read_bytes()[:100])
    with ctx.open_file(given.file) as file:
        while piece := file.read(1 << 20):
            beginning = beginning or piece[:100]
            digest.update(piece)
        file.seek(0)
        assert file.read(1) == beginning[:1]
    return _seen(ctx, given, digest.hexdigest(), beginning)


def _seen(ctx: Context, given: Import, sha256: str, beginning: bytes) -> Imported:
    stored = ctx.file(given.file)
    return Imported(
        name=stored.name,
        media_type=stored.media_type,
        size_bytes=stored.size_bytes,
        sha256=sha256,
        beginning=beginning.decode(errors="replace"),
    )
