"""`llmcoder files`: upload, list, save and delete files, and see that their store works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.options import Output, OutputOption, UserOption
from cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from engine.files.storage import Files
    from models.db.database import Database
    from models.files.store import File

app = typer.Typer(help="Files that jobs take, and that they have attached.", no_args_is_help=True)
FileId = Annotated[UUID, typer.Argument(help="Its id, from `llmcoder files list`.")]
To = Annotated[Path | None, typer.Option("--to", help="Where to write it: a file, a folder, or - for standard output.")]
CHUNK_BYTES = 1 << 20


@app.command()
def upload(
    path: Annotated[str, typer.Argument(help="The file; - reads standard input.")],
    name: Annotated[str | None, typer.Option(help="What it is called; its own name else.")] = None,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Upload a file; what is printed names it in an input: {"id": ..., "sha256": ...}."""
    from contextlib import closing

    from cli import accounts
    from engine.views.files import view
    from llmcoder import strict_json
    from llmcoder.provenance import Taint
    from models.db.database import database

    with closing(database()) as db:
        with db.read() as conn:
            user_id = accounts.acting(conn, user).id
        source = _opened(path)
        known = name or ("file" if path == "-" else Path(path).name)
        incoming = _files(db).receive(user_id, known, origin="person", taint=Taint.OUTSIDE.value)
        try:
            for piece in _pieces(source):
                incoming.write(piece)
            file = incoming.finish()
        except BaseException:
            incoming.abort()
            raise
        finally:
            source.close()
    if output is Output.JSON:
        return show_json(view(file).model_dump(mode="json"))
    typer.echo(strict_json.write({"id": file.id, "sha256": file.sha256}))
    say(f"{file.name}, {file.size_bytes:,} bytes, {file.media_type}; kept until {local(file.kept_until)} unless used")


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 20,
    before: Annotated[UUID | None, typer.Option(help="Older than this file: the next page.")] = None,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a user's files, the newest first, and how much of the quota they take."""
    from contextlib import closing

    from cli import accounts
    from engine.views.files import view
    from models.db.database import database
    from models.files import store as rows

    with closing(database()) as db, db.read() as conn:
        user_id = accounts.acting(conn, user).id
        found, used, quota = rows.listed(conn, user_id, before, limit), rows.usage(conn, user_id), _files(db).quota
    if output is Output.JSON:
        return show_json([view(file).model_dump(mode="json") for file in found])
    cells = (
        (str(one.id), one.name, f"{one.size_bytes:,}", one.media_type, str(one.job_id or ""), local(one.created_at))
        for one in found
    )
    show_table(("ID", "NAME", "BYTES", "KIND", "JOB", "CREATED"), cells, long="NAME")
    say(f"{used.count:,} of {quota.count:,} files, {used.bytes:,} of {quota.bytes:,} bytes")
    if len(found) == limit:
        say(f"There may be more: --before {found[-1].id}")


@app.command()
def save(file_id: FileId, to: To = None, user: UserOption = None) -> None:
    """Write a file's content to the disk, under its own name unless told otherwise."""
    from contextlib import closing

    from cli import accounts
    from engine.files.storage import find
    from models.db.database import database

    with closing(database()) as db:
        with db.read() as conn:
            file = find(conn, accounts.acting(conn, user).id, file_id)
        write_out(db, file, to)


@app.command()
def delete(file_id: FileId, user: UserOption = None) -> None:
    """Delete a file that nothing still to be done needs, also what an ended job has attached."""
    from contextlib import closing

    from cli import accounts
    from engine.files.storage import find
    from models import attached_files
    from models.db.database import database

    with closing(database()) as db, db.write() as conn:
        file = find(conn, accounts.acting(conn, user).id, file_id)
        attached_files.remove(conn, file, db.now())
    typer.echo(f"{file.name} is deleted.")


@app.command()
def check() -> None:
    """Write, read and remove a little, where the files are kept."""
    from contextlib import closing

    from models.db.database import database

    with closing(database()) as db:
        files = _files(db)
        files.check()
    typer.echo(f"{files.store.place} takes files and gives them back.")


def write_out(db: Database, file: File, to: Path | None) -> None:
    """Write a content to where somebody wants it; a file that is there already is not overwritten."""
    from llmcoder.errors import BadInput

    pieces = _files(db).read(file)
    if to == Path("-"):
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    target = (to or Path()).expanduser()
    target = target / file.name if target.is_dir() else target
    try:
        _write_new(target, pieces)
    except FileExistsError:
        raise BadInput(f"{target} exists and is not overwritten; say another place with --to.") from None
    except OSError as error:
        raise BadInput(f"{target} cannot be written: {error.strerror}.") from None
    typer.echo(str(target))


def _write_new(target: Path, pieces: Iterator[bytes]) -> None:
    """The whole content, or no file of that name."""
    with target.open("xb") as out:
        try:
            for piece in pieces:
                out.write(piece)
        except BaseException:
            target.unlink()
            raise


def _files(db: Database) -> Files:
    from cli.engine import whole_config
    from engine.files.storage import Files
    from llmcoder.settings import EngineSettings

    config = whole_config()
    return Files(db, lambda: config.get(EngineSettings))


def _opened(path: str) -> IO[bytes]:
    from llmcoder.errors import BadInput

    if path == "-":
        return sys.stdin.buffer
    try:
        return Path(path).expanduser().open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(CHUNK_BYTES):
        yield piece
