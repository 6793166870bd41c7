"""`llmcoder schedules`: what the clock submits for a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cli.acting_as import reading, writing
from cli.options import Output, OutputOption, UserOption
from cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from models.schedules.store import Schedule

app = typer.Typer(help="What the clock submits.", no_args_is_help=True)
ScheduleId = Annotated[UUID, typer.Argument(help="Its id, from `llmcoder schedules list`.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a user's schedules, the newest first."""
    from models.schedules import store as schedules

    found = reading(user, lambda conn, user_id: schedules.listed(conn, user_id, None, limit))
    if output is Output.JSON:
        return show_json([_shown(one) for one in found])
    show_table(("ID", "NAME", "ACTION", "WHEN", "NEXT", "NOTE"), map(_row, found), long="NOTE")


@app.command()
def add(
    action: Annotated[str, typer.Argument(help="Name of the action; `llmcoder actions` lists them.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Fields of its input.")] = None,
    name: Annotated[str | None, typer.Option(help="What you call it; the action's name when left out.")] = None,
    cron: Annotated[str | None, typer.Option(help="Cron expression, such as '0 9 * * mon-fri'.")] = None,
    every_s: Annotated[int | None, typer.Option("--every", metavar="SECONDS", help="At intervals.")] = None,
    at: Annotated[str | None, typer.Option(metavar="ISO", help="Once, such as 2030-01-31T09:00:00Z.")] = None,
    when: Annotated[str | None, typer.Option(metavar="WORDS", help="In words: 'every other tuesday at 9:00'.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA time zone of --cron (UTC) or --when (that of the user's preferences).")
    ] = None,
    catch_up: Annotated[str, typer.Option(help="Missed times: skip, once or all.")] = "once",
    overlap: Annotated[str, typer.Option(help="skip, queue_one, queue, cancel_running or allow.")] = "skip",
    user: UserOption = None,
) -> None:
    """Have the clock submit an action."""
    from pydantic import ValidationError

    from engine import scheduling
    from engine.views.schedules import NewSchedule, schedule_of
    from llmcoder.arguments import assembled, reasons
    from llmcoder.errors import BadInput
    from llmcoder.registry import registry
    from models.accounts import preferences

    found = registry().find(action)
    given = {
        "name": name or action, "action": action, "input": assembled(found.input_schema, words or [], {}),
        "cron": cron, "every_s": every_s, "at": at, "when": when, "catch_up": catch_up, "overlap": overlap,
        **({} if timezone is None else {"timezone": timezone}),
    }  # fmt: skip
    try:
        new = NewSchedule.model_validate(given)
    except ValidationError as error:
        raise BadInput(reasons(error)) from None

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Schedule:
        own_zone = preferences.load(conn, user_id).timezone
        wanted = scheduling.check(registry(), schedule_of(user_id, new, own_zone, now), now)
        return scheduling.add(conn, registry(), wanted, now)

    made = writing(user, do)
    typer.echo(f"{made.id} fires next at {local(made.next_fire_at) if made.next_fire_at else 'no time'}.")


@app.command("next")
def next_(
    schedule_id: ScheduleId,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=200, help="How many.")] = 10,
    user: UserOption = None,
) -> None:
    """Show when it fires next."""
    from datetime import UTC, datetime

    from engine import scheduling

    now = datetime.now(UTC)
    found = reading(user, lambda conn, user_id: scheduling.find(conn, user_id, schedule_id))
    times = scheduling.upcoming(found, number, now)
    show_table(("FIRES AT", "THE CLOCK"), ((one.local, one.clock_moved or "") for one in times))


@app.command()
def pause(
    schedule_id: ScheduleId,
    note: Annotated[str | None, typer.Option(help="Why; kept with it.")] = None,
    user: UserOption = None,
) -> None:
    """Let it not fire until it is resumed."""
    from engine import scheduling

    writing(user, lambda conn, user_id, now: scheduling.pause(conn, user_id, schedule_id, note, now))
    typer.echo(f"{schedule_id} is paused.")


@app.command()
def resume(schedule_id: ScheduleId, user: UserOption = None) -> None:
    """Let it fire again, from now on."""
    from engine import scheduling

    made = writing(user, lambda conn, user_id, now: scheduling.resume(conn, user_id, schedule_id, now))
    typer.echo(f"{schedule_id} fires next at {local(made.next_fire_at) if made.next_fire_at else 'no time'}.")


@app.command()
def remove(schedule_id: ScheduleId, user: UserOption = None) -> None:
    """Remove it; jobs that it made stay."""
    from engine import scheduling

    writing(user, lambda conn, user_id, now: scheduling.remove(conn, user_id, schedule_id, now))
    say(f"{schedule_id} is removed.")


def _shown(one: Schedule) -> dict[str, Any]:
    from engine.views.schedules import schedule_view

    return schedule_view(one).model_dump(mode="json")


def _row(one: Schedule) -> tuple[str, ...]:
    when = one.cron or (f"every {one.every_s} s" if one.every_s else f"once, {one.at:%Y-%m-%d %H:%M}")
    zone = f" {one.timezone}" if one.cron else ""
    fires = local(one.next_fire_at) if one.next_fire_at else ("paused" if not one.enabled else "never")
    return str(one.id), one.name, one.action, f"{when}{zone}", fires, one.note or ""
