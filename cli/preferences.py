"""`llmcoder preferences`: a user's own rules for what is done in their name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Output, OutputOption, UserOption
from cli.output import show_json, show_table

if TYPE_CHECKING:
    from models.accounts.preferences import Preferences

app = typer.Typer(
    help="Which writes ask first, who may answer, how long one may change one's mind.", no_args_is_help=True
)
#: Those whose value is one per action, domain or `*`: `policies.jira.*`.
BY_PATTERN = ("policies", "undo_window_s")


@app.command()
def show(user: UserOption = None, output: OutputOption = Output.TEXT) -> None:
    """Show a user's preferences, as `set` takes them."""
    from contextlib import closing

    from cli import accounts
    from models.accounts import preferences
    from models.db.database import database

    with closing(database()) as db, db.read() as conn:
        chosen = preferences.load(conn, accounts.acting(conn, user).id)
    if output is Output.JSON:
        return show_json(chosen.model_dump(mode="json"))
    fields = type(chosen).model_fields
    rows = ((name, value, fields[name.partition(".")[0]].description or "") for name, value in _lines(chosen))
    show_table(("NAME", "VALUE", "WHAT IT IS"), rows, long="WHAT IT IS")


@app.command("set")
def set_(
    wishes: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE",
            help="'policies.jira.*=allow', 'undo_window_s.email.*=30', approvers=me,boss@example.org, "
            "approval_expires_s=3600. Quote a *: the shell may take it for file names.",
        ),
    ],
    user: UserOption = None,
) -> None:
    """Change a user's preferences."""
    _change(user, lambda chosen: _with(chosen, wishes))


@app.command()
def unset(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Such as 'policies.jira.*', or all: policies.")],
    user: UserOption = None,
) -> None:
    """Take preferences away, so that the defaults count again."""
    _change(user, lambda chosen: _without(chosen, names))


def _change(user: str | None, do: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from contextlib import closing

    from cli import accounts
    from models.accounts import preferences
    from models.audit import log as audit
    from models.audit.log import Entry, Event
    from models.db.database import database

    with closing(database()) as db, db.write() as conn:
        now = db.now()
        owner = accounts.acting(conn, user)
        wanted = _checked(do(preferences.load(conn, owner.id).model_dump(mode="json")))
        preferences.save(conn, owner.id, wanted, now)
        audit.append(conn, [Entry(Event.PREFERENCES_CHANGED, str(owner.id), detail=accounts.operator())], now)
    typer.echo(f"The preferences of {owner.email} are changed.")


def _checked(wanted: dict[str, Any]) -> Preferences:
    from pydantic import ValidationError

    from llmcoder.arguments import reasons
    from llmcoder.errors import BadInput
    from models.accounts.preferences import Preferences

    try:
        return Preferences.model_validate(wanted)
    except ValidationError as error:
        raise BadInput(reasons(error, Preferences.model_fields)) from None


def _with(chosen: dict[str, Any], wishes: list[str]) -> dict[str, Any]:
    """The preferences with each `NAME=VALUE` in them."""
    from llmcoder.errors import BadInput

    for wish in wishes:
        name, equals, value = wish.partition("=")
        field, _, pattern = name.strip().partition(".")
        if not equals or bool(pattern) != (field in BY_PATTERN):
            raise BadInput(f"{wish!r} is no preference such as policies.jira.*=ask or approvers=me.")
        if pattern:
            chosen[field][pattern] = value.strip()
        else:
            chosen[field] = [one.strip() for one in value.split(",")] if field == "approvers" else value.strip()
    return chosen


def _without(chosen: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The preferences without those of these names."""
    from llmcoder.errors import BadInput

    for name in names:
        field, _, pattern = name.strip().partition(".")
        there = chosen.get(field, {}) if pattern and field in BY_PATTERN else chosen
        if (pattern or field) not in there:
            raise BadInput(f"{name}: there is nothing to take away; `llmcoder preferences show` has the names.")
        del there[pattern or field]
    return chosen


def _lines(chosen: Preferences) -> list[tuple[str, str]]:
    """Each preference by the name that `set` knows."""
    lines = []
    for name, value in chosen.model_dump(mode="json").items():
        if name in BY_PATTERN:
            lines += [(f"{name}.{pattern}", str(one)) for pattern, one in sorted(value.items())]
        else:
            lines.append((name, ",".join(value) if isinstance(value, list) else str(value)))
    return lines
