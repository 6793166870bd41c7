"""`llmcoder config`: the settings of this installation; a secret is only ever shown as set or not set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import ExitCode, Output, OutputOption
from cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from llmcoder.config import Config, SettingView

app = typer.Typer(help="Settings; every running process sees a change within two seconds.", no_args_is_help=True)


@app.command()
def show(
    names: Annotated[list[str] | None, typer.Argument(help="Names, or parts of names, such as RETENTION.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show settings, what they are, and where they come from."""
    from dataclasses import asdict

    from cli.engine import whole_config

    views = whole_config().describe()
    if names:
        views = [view for view in views if any(name.upper() in view.name for name in names)]
    if output is Output.JSON:
        return show_json([asdict(view) for view in views])
    rows = ((view.name, _value(view), view.source, view.description) for view in views)
    show_table(("NAME", "VALUE", "FROM", "WHAT IT IS"), rows, long="WHAT IT IS")


@app.command("set")
def set_(
    settings: Annotated[list[str], typer.Argument(help="NAME=VALUE; of NAME alone the value is asked for.")],
) -> None:
    """Change settings; give a secret's NAME alone and its value is asked for, or read from standard input."""
    from cli.engine import whole_config

    found = whole_config()
    secrets = {view.name for view in found.describe() if view.secret}
    changes: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        name = name.strip().upper()
        changes[name] = value if equals else _asked(name, secrets)
        if equals and name in secrets:
            say(f"{name} stood on the command line, which shells keep; `llmcoder config set {name}` asks for it.")
    _change(found, changes)


@app.command()
def unset(names: Annotated[list[str], typer.Argument(help="Names of settings.")]) -> None:
    """Take settings away, so that their defaults count again."""
    from cli.engine import whole_config

    _change(whole_config(), {name.strip().upper(): None for name in names})


@app.command()
def check() -> None:
    """Look whether every value can be used; `llmcoder doctor` also calls the services."""
    from cli.engine import whole_config
    from llmcoder.registry import registry

    found = whole_config()  # what cannot be used is an error by itself
    unknown = unknown_names(found)
    for name, hint in unknown.items():
        say(f"{found.source}: nothing reads {name}.{hint}")
    for kind in registry().settings():
        missing = found.get(kind).missing()
        typer.echo(f"{kind.title}: " + (f"not configured, needs {', '.join(missing)}" if missing else "configured"))
    if unknown:
        raise typer.Exit(ExitCode.FAILED)
    typer.echo(f"{found.source}: every value can be used.")


def unknown_names(found: Config) -> dict[str, str]:
    """Names in config.json that nothing reads, each with a hint at what was meant, or an empty one."""
    from difflib import get_close_matches

    known = [view.name for view in found.describe()]
    unknown = sorted((found.in_file() or {}).keys() - set(known))
    near = {name: get_close_matches(name.upper(), known, n=1) for name in unknown}
    return {name: f" Did you mean {names[0]}?" if names else "" for name, names in near.items()}


def _value(view: SettingView) -> str:
    from llmcoder import strict_json

    if view.secret:
        return "set" if view.set else "not set"
    if view.value is None:
        return "not set"
    return view.value if isinstance(view.value, str) else strict_json.one_line(view.value)


def _asked(name: str, secrets: set[str]) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().removeprefix("\ufeff").rstrip("\r\n")  # PowerShell pipes a mark before it
    answer: str = typer.prompt(name, hide_input=name in secrets)
    return answer


def _change(found: Config, changes: dict[str, str] | dict[str, None]) -> None:
    changed = found.patch(changes)
    if not changed:
        return typer.echo("Nothing was different.")
    gone = {name for name in changed if not (changes[name] or "").strip()}
    for name in changed:
        typer.echo(f"{name} is {'not set any more' if name in gone else 'set'}.")
    _write_down(changed, gone)


def _write_down(changed: Sequence[str], gone: set[str]) -> None:
    """Keep that it changed, never to what, as PATCH /config does; without a database there is nothing to keep it in."""
    from contextlib import closing

    import sqlalchemy as sa

    from cli.accounts import operator
    from models.audit import log as audit
    from models.audit.log import Entry, Event
    from models.db.database import TRANSIENT_ERRORS, database

    kinds = {name: Event.CONFIG_UNSET if name in gone else Event.CONFIG_SET for name in changed}
    entries = [Entry(kind, name, detail=operator()) for name, kind in kinds.items()]
    with closing(database()) as db:
        try:
            with db.write() as conn:
                audit.append(conn, entries, db.now())
        except (*TRANSIENT_ERRORS, sa.exc.ProgrammingError):
            say("The change is not in the audit log: the database cannot be used, or has no tables yet.")
