"""`llmcoder user`: who may log in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.options import Output, OutputOption
from cli.output import local, show_json, show_table

app = typer.Typer(help="Who may log in.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="The address the user logs in with.")]


@app.command()
def create(
    email: Email, admin: Annotated[bool, typer.Option("--admin", help="Make an administrator.")] = False
) -> None:
    """Add a user; the password is asked for, or read from standard input."""
    import asyncio
    from contextlib import closing

    from cli import accounts
    from engine.passwords import Passwords
    from models.accounts import users
    from models.audit.log import Event
    from models.db.database import database

    address, password = _checked(email, _ask_password())
    hashed = asyncio.run(Passwords().hash(password))
    with closing(database()) as db:
        now = db.now()
        with db.write() as conn:
            account = users.register(conn, address, hashed, now, open_to_all=True)
            if admin:
                accounts.make_admin(conn, account.id)
            is_admin = admin or account.is_admin
            accounts.write_down(conn, Event.USER_CREATED, account.email, now, admin=is_admin)
    typer.echo(f"{account.email} may log in, as {'administrator' if is_admin else 'user'}.")


@app.command("list")
def list_(output: OutputOption = Output.TEXT) -> None:
    """Show everybody."""
    from contextlib import closing

    from cli import accounts
    from models.db.database import database

    with closing(database()) as db, db.read() as conn:
        found = accounts.everyone(conn)
    if output is Output.JSON:
        names = ("id", "email", "is_admin", "is_active", "created_at")
        return show_json([{name: getattr(account, name) for name in names} for account in found])
    show_table(
        ("EMAIL", "ROLE", "MAY LOG IN", "SINCE"),
        (
            (one.email, "admin" if one.is_admin else "user", "yes" if one.is_active else "no", local(one.created_at))
            for one in found
        ),
    )


@app.command()
def disable(email: Email) -> None:
    """Shut a user out; their jobs stay."""
    typer.echo(f"{_let_in(email, False)} is shut out.")


@app.command()
def enable(email: Email) -> None:
    """Let a user in again."""
    typer.echo(f"{_let_in(email, True)} may log in.")


@app.command("set-password")
def set_password(email: Email) -> None:
    """Give a user another password, and end all their logins; it is asked for, or read from standard input."""
    import asyncio
    from contextlib import closing

    from cli import accounts
    from engine.passwords import Passwords
    from models.accounts import users
    from models.audit.log import Event
    from models.db.database import database

    with closing(database()) as db:
        with db.read() as conn:
            account = accounts.by_email(conn, email)
        _, password = _checked(account.email, _ask_password())
        hashed = asyncio.run(Passwords().hash(password))
        now = db.now()
        with db.write() as conn:
            users.set_password_hash(conn, account.id, hashed)
            accounts.end_sessions(conn, account.id, now)
            accounts.write_down(conn, Event.USER_PASSWORD, account.email, now)
    typer.echo(f"{account.email} has a new password and must log in anew.")


@app.command("make-admin")
def make_admin(email: Email) -> None:
    """Make a user an administrator."""
    from contextlib import closing

    from cli import accounts
    from models.audit.log import Event
    from models.db.database import database

    with closing(database()) as db, db.write() as conn:
        account = accounts.by_email(conn, email)
        accounts.make_admin(conn, account.id)
        accounts.write_down(conn, Event.USER_ADMIN, account.email, db.now())
    typer.echo(f"{account.email} is an administrator.")


def _let_in(email: str, may_log_in: bool) -> str:
    from contextlib import closing

    from cli import accounts
    from models.accounts import users
    from models.audit.log import Event
    from models.db.database import database

    with closing(database()) as db:
        now = db.now()
        with db.write() as conn:
            account = accounts.by_email(conn, email)
            users.set_active(conn, account.id, may_log_in)
            if not may_log_in:
                accounts.end_sessions(conn, account.id, now)
            event = Event.USER_ENABLED if may_log_in else Event.USER_DISABLED
            accounts.write_down(conn, event, account.email, now)
    return account.email


def _ask_password() -> str:
    if sys.stdin.isatty():
        answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return answer
    return sys.stdin.readline().rstrip("\r\n")


def _checked(email: str, password: str) -> tuple[str, str]:
    """Address and password by the rules of POST /auth/register.

    Raises:
        BadInput: One of them breaks a rule.
    """
    from pydantic import SecretStr, ValidationError

    from engine.new_account import NewAccount
    from llmcoder.arguments import reasons
    from llmcoder.errors import BadInput

    try:
        new = NewAccount(email=email, password=SecretStr(password))
    except ValidationError as error:
        why = reasons(error, NewAccount.model_fields)
    else:
        return new.email, new.password.get_secret_value()
    # Raised outside the handler: the validation error carries the password.
    raise BadInput(why)
