"""`llmcoder connections`: users' accounts at providers, and the key that they are sealed with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cli.options import ExitCode, Output, OutputOption, UserOption
from cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from engine.accounts import Accounts
    from llmcoder.registry import AnyKind
    from models.connections.store import ConnectedAccount
    from models.db.database import Database

app = typer.Typer(help="Users' accounts at mail servers, trackers and the like.", no_args_is_help=True)
ConnectionId = Annotated[UUID, typer.Argument(help="Its id, from `llmcoder connections list`.")]


@app.command("list")
def list_(
    everybody: Annotated[bool, typer.Option("--all", help="Those of every user.")] = False,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a user's accounts, and how each stands."""
    from cli import accounts
    from models.connections import store as connections

    with _opened() as (_, db), db.read() as conn:
        acting = None if everybody else accounts.acting(conn, user)
        found = connections.every(conn) if acting is None else connections.listed(conn, acting.id)
        emails = {one.id: one.email for one in accounts.everyone(conn)}
    if output is Output.JSON:
        return show_json([_as_json(one, emails[one.user_id]) for one in found])
    columns = ("ID", "USER", "PROVIDER", "ACCOUNT", "STATE", "WORKED", "ERROR")
    show_table(columns, (_row(one, emails[one.user_id]) for one in found), long="ERROR")


@app.command()
def kinds() -> None:
    """Show which accounts can be connected, and what each takes."""
    from cli.engine import whole_config
    from llmcoder.registry import registry

    whole_config()
    known = registry().connections().values()
    show_table(("PROVIDER", "TITLE", "TAKES"), ((one.provider, one.title, _takes(one)) for one in known), long="TAKES")


@app.command()
def add(
    provider: Annotated[str, typer.Argument(help="Which kind, from `llmcoder connections kinds`.")],
    fields: Annotated[list[str] | None, typer.Argument(help="name=value; secrets are asked for.")] = None,
    user: UserOption = None,
) -> None:
    """Connect an account; secrets are asked for, or read from standard input, a line each.

    One that is connected with the browser gives an address to open there; the API must run to take what comes back.
    """
    from cli import accounts
    from engine.accounts import CALLBACK
    from llmcoder.config import config
    from llmcoder.declare.connection import read_form
    from llmcoder.settings import EngineSettings

    kind = _kind(provider)
    with _opened() as (door, db):
        with db.read() as conn:
            acting = accounts.acting(conn, user)
        if not kind.by_form:
            url = door.begin_signin(acting.id, kind, config().get(EngineSettings).reached_at + CALLBACK)
            say(f"Open this within ten minutes, in the browser in which you are {acting.email}:")
            return typer.echo(url)
        stored = door.add(acting.id, kind, read_form(kind, _given(kind, fields or [])), None)
    typer.echo(f"{kind.title}: {stored.account} is connected for {acting.email}.")


@app.command()
def check(
    connection_id: Annotated[
        UUID | None, typer.Argument(help="Only this one; else all, and the installation's.")
    ] = None,
    user: UserOption = None,
) -> None:
    """Ask providers who we are there; what waited for an account that works goes on. Exits with 1 if one does not."""
    from cli import accounts
    from models.connections import store as connections

    with _opened() as (door, db):
        with db.read() as conn:
            acting = accounts.acting(conn, user)
            found = [_found(db, acting.id, connection_id)] if connection_id else connections.listed(conn, acting.id)
        works = [_checked(door, one) for one in found]
        works += [] if connection_id else [_checked_own(door, kind) for kind in _own_kinds()]
    if not all(works):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def remove(connection_id: ConnectionId, user: UserOption = None) -> None:
    """Forget an account; its jobs wait until it is connected again."""
    from cli import accounts

    with _opened() as (door, db):
        with db.read() as conn:
            acting = accounts.acting(conn, user)
        stored = _found(db, acting.id, connection_id)
        door.remove(stored, None)
    typer.echo(f"{stored.provider}: {stored.account} is forgotten here; at the provider, withdraw the access yourself.")


@app.command("rotate-key")
def rotate_key() -> None:
    """Seal every account with a new key and drop the old one; after an interruption, call it again."""
    from cli.accounts import operator
    from models import key_rotation
    from models.audit import log as audit
    from models.audit.log import Entry, Event

    with _opened() as (_, db):
        done = key_rotation.rotate(db)
        with db.write() as conn:
            entry = Entry(Event.CONNECTION_KEYS_ROTATED, f"version {done.version}", detail=operator())
            audit.append(conn, [entry], db.now())
    typer.echo(f"Key {done.version} seals now; {done.sealed} rows were sealed anew, {done.dropped} keys dropped.")
    say("A backup of before needs its own connections.key: one that was made with its secrets has it.")


@app.command("give-up")
def give_up(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Forget the accounts whose key is lost for good, so that the engine starts again; connect them anew."""
    from contextlib import closing

    from cli.accounts import operator
    from cli.engine import whole_config
    from models import key_rotation
    from models.audit import log as audit
    from models.audit.log import Entry, Event
    from models.db.database import database

    whole_config()
    if not yes and not typer.confirm("Forget every account whose key is not here?", err=True):
        raise typer.Exit(ExitCode.FAILED)
    with closing(database()) as db, db.write() as conn:
        gone = key_rotation.give_up(conn, db.now())
        audit.append(conn, [Entry(Event.CONNECTION_KEYS_LOST, f"{gone} rows", detail=operator())], db.now())
    typer.echo(f"{gone} sealed rows are forgotten.")


@contextmanager
def _opened() -> Iterator[tuple[Accounts, Database]]:
    """What changes accounts, on the configured database.

    Raises:
        VaultError: The keys here are not those of the database.
    """
    from contextlib import closing

    from cli.engine import whole_config
    from cli.submitting import an_outbox
    from engine.accounts import Accounts
    from llmcoder.registry import registry
    from llmcoder.settings import EngineSettings
    from models.accounts import vault
    from models.db.database import database

    settings = whole_config().get(EngineSettings)
    with closing(database()) as db:
        vault.verify(db)
        with an_outbox(settings) as outbox:
            yield Accounts(db, outbox, registry()), db


def _found(db: Database, user_id: UUID, connection_id: UUID) -> ConnectedAccount:
    from llmcoder.errors import NotFound
    from models.connections import store as connections

    with db.read() as conn:
        stored = connections.get(conn, user_id, connection_id)
    if stored is None:
        raise NotFound(f"There is no connection {connection_id} of that user: `llmcoder connections list --all`.")
    return stored


def _kind(provider: str) -> AnyKind:
    from llmcoder.errors import NotFound
    from llmcoder.registry import registry

    found = registry().connections().get(provider)
    if found is None:
        raise NotFound(f"There are no accounts of {provider!r}: `llmcoder connections kinds` lists every kind.")
    return found


def _own_kinds() -> list[AnyKind]:
    from engine.account_access import fallback
    from llmcoder.config import config
    from llmcoder.registry import registry

    return [kind for kind in registry().connections().values() if fallback(kind, config().get) is not None]


def _given(kind: AnyKind, words: list[str]) -> dict[str, Any]:
    """Of the words on the command line, and of what is asked for."""
    from llmcoder.declare.connection import GRANT, holds_secret
    from llmcoder.errors import BadInput

    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f"{word!r} is not name=value.")
        given[name] = value
    fields = kind.credentials.model_fields.items()
    for name, field in fields:
        if name not in given and name != GRANT and holds_secret(field.annotation):
            given |= {name: value} if (value := _asked(name)) or field.is_required() else {}
    return given


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = typer.prompt(name, hide_input=True, default="", show_default=False)
    return answer


def _checked(door: Accounts, stored: ConnectedAccount) -> bool:
    from llmcoder.errors import ActionError

    try:
        _, name = door.check(stored)
    except ActionError as error:
        typer.echo(f"{stored.provider}: {stored.account}: {error.detail}")
        return False
    typer.echo(f"{stored.provider}: {stored.account} works; we are {name} there.")
    return True


def _checked_own(door: Accounts, kind: AnyKind) -> bool:
    from llmcoder.errors import ActionError

    try:
        name = door.check_own(kind)
    except ActionError as error:
        typer.echo(f"{kind.provider}: of this installation: {error.detail}")
        return False
    typer.echo(f"{kind.provider}: of this installation, works; we are {name} there.")
    return True


# --- in words


def _row(one: ConnectedAccount, email: str) -> tuple[str, ...]:
    return str(one.id), email, one.provider, one.account, one.state, local(one.checked_at), one.error or ""


def _as_json(one: ConnectedAccount, email: str) -> dict[str, Any]:
    from llmcoder import strict_json

    names = ("id", "provider", "account", "state", "error", "expires_at", "checked_at", "created_at", "updated_at")
    about = {name: getattr(one, name) for name in names}
    return about | {
        "user": email,
        "details": strict_json.read_lenient(one.shown),
        "scopes": strict_json.read_lenient(one.scopes),
    }


def _takes(kind: AnyKind) -> str:
    ways = ["the browser"] if kind.oauth is not None else []
    if (form := kind.form()) is not None:
        ways.append(", ".join(form["properties"]))
    return " or ".join(ways)
