"""`llmcoder macros`: documents of steps that a user keeps. `llmcoder run tasks.start_macro macro=NAME` runs one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cli.acting_as import reading, writing
from cli.options import Output, OutputOption, UserOption
from cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from models.macros.document import Macro
    from models.macros.store import StoredMacro

app = typer.Typer(help="Documents of steps, each an action.", no_args_is_help=True)
Named = Annotated[str, typer.Argument(metavar="MACRO", help="Its name or id.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The document, as YAML or JSON.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a user's macros, the newest first."""
    from models.macros import store

    found = reading(user, lambda conn, user_id: store.listed(conn, user_id, None, limit))
    if output is Output.JSON:
        return show_json([_shown(one) for one in found])
    show_table(("ID", "NAME", "VERSION", "STEPS", "CHANGED", "DESCRIPTION"), map(_row, found), long="DESCRIPTION")


@app.command()
def add(file: File, user: UserOption = None) -> None:
    """Keep a macro. What cannot run is refused, with the step and the reason."""
    from engine import macro_library
    from llmcoder.registry import registry

    macro = _read(file)

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> StoredMacro:
        return macro_library.add(conn, registry(), user_id, macro, now)

    made = writing(user, do)
    typer.echo(f"{made.id} is kept as {made.name!r}. Start it with: llmcoder run tasks.start_macro macro={made.id}")


@app.command()
def replace(
    named: Named,
    file: File,
    seen: Annotated[int | None, typer.Option(help="The version yours was made from; refused if it is older.")] = None,
    user: UserOption = None,
) -> None:
    """Keep a new version of a macro; runs go on by the one that they began with."""
    from engine import macro_library
    from llmcoder.registry import registry
    from models.macros import store

    macro = _read(file)

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> StoredMacro:
        found = store.named(conn, user_id, named)
        return macro_library.replace(conn, registry(), user_id, found.id, macro, seen, now)

    made = writing(user, do)
    typer.echo(f"{made.id} has version {made.version}.")


@app.command()
def export(
    named: Named,
    version: Annotated[int | None, typer.Option(min=1, help="Which version; the newest when left out.")] = None,
    user: UserOption = None,
) -> None:
    """Write a macro to standard output, as YAML."""
    from models.macros import store
    from models.macros.document import Macro
    from models.macros.text import to_yaml

    found = reading(user, lambda conn, user_id: store.named(conn, user_id, named, version))
    typer.echo(to_yaml(Macro.model_validate_json(found.document)), nl=False)


@app.command()
def remove(named: Named, user: UserOption = None) -> None:
    """Remove a macro with all its versions; runs go on."""
    from engine import macro_library
    from models.macros import store

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> None:
        macro_library.remove(conn, user_id, store.named(conn, user_id, named).id, now)

    writing(user, do)
    say(f"{named} is removed.")


def _read(file: Path) -> Macro:
    from pydantic import ValidationError

    from llmcoder.arguments import reasons
    from llmcoder.errors import BadInput
    from models.macros.document import Macro
    from models.macros.text import from_yaml

    try:
        return Macro.model_validate(from_yaml(file.read_bytes()))  # JSON is YAML, too
    except ValidationError as error:
        raise BadInput(f"{file}: {reasons(error)}") from None


def _shown(one: StoredMacro) -> dict[str, Any]:
    from engine.views.macros import macro_view

    return macro_view(one).model_dump(mode="json")


def _row(one: StoredMacro) -> tuple[str, ...]:
    from models.macros.document import Macro

    macro = Macro.model_validate_json(one.document)
    return str(one.id), one.name, str(one.version), str(len(macro.steps)), local(one.updated_at), macro.description
