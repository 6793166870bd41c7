"""`llmcoder actions`: what this installation can do."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Output, OutputOption
from cli.output import show_json, show_table

if TYPE_CHECKING:
    from llmcoder.registry import AnyAction


def actions(
    name: Annotated[str | None, typer.Argument(help="One action, to see its input and an example.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List all actions, or explain one."""
    from llmcoder.registry import registry

    if name is not None:
        action = registry().find(name)
        return show_json(_as_json(action)) if output is Output.JSON else _explain(action)
    if output is Output.JSON:
        return show_json([_as_json(action) for action in registry().values()])
    rows = ((one.name, one.effect.value, one.queue.value, one.summary) for one in registry().facts.values())
    show_table(("ACTION", "EFFECT", "QUEUE", "WHAT IT DOES"), rows, long="WHAT IT DOES")


def _as_json(action: AnyAction) -> dict[str, Any]:
    from llmcoder.registry import registry

    rate = registry().rates.get(action.provider)
    return {
        "name": action.name,
        "summary": action.summary,
        "description": action.description,
        "effect": action.effect.value,
        "repeatable": action.repeatable,
        "reconcilable": action.reconcile is not None,
        "undo": action.undo and action.undo.action.name,
        "administrators_only": action.administrators_only,
        "outside": action.outside,
        "provider": action.provider,
        "rate": rate and {"calls": rate.calls, "per_s": rate.per_s},
        "queue": action.queue.value,
        "timeout_s": action.timeout_s,
        "attempts": action.retry.attempts,
        "requires": [kind.title for kind in action.requires],
        "input_schema": action.input_schema,
        "output_schema": action.output_schema,
        "example": action.example,
    }


def _explain(action: AnyAction) -> None:
    typer.echo(f"{action.name}\n\n{action.description}\n")
    repeatable = ", repeatable" if action.effect.writes and action.repeatable else ""
    typer.echo(f"effect {action.effect}{repeatable}; queue {action.queue}; {action.timeout_s:g} s an attempt")
    if action.undo:
        typer.echo(f"taken back by {action.undo.action.name}")
    if action.administrators_only:
        typer.echo("for administrators only: every door refuses it to others, and to agents")
    if action.outside:
        typer.echo("its result holds untrusted content: no write runs on that before a person approved it")
    if action.requires:
        typer.echo(f"needs {', '.join(kind.title for kind in action.requires)}")
    typer.echo(f"\nInput:\n{_indented(action.input_schema)}\n\nResult:\n{_indented(action.output_schema)}")
    typer.echo(f"\nExample:\n  {command_line(action)}")


def command_line(action: AnyAction) -> str:
    """The command that runs the action's example."""
    given = [f"{name}={_written(value)}" for name, value in action.example.items()]
    return shlex.join(["llmcoder", "run", action.name, *given, "--wait"])


def _written(value: object) -> str:
    """A value as `key=value` takes it."""
    from llmcoder import strict_json

    if not isinstance(value, str):
        return strict_json.one_line(value)
    return f"@{value}" if value.startswith("@") else value


def _indented(schema: dict[str, Any]) -> str:
    from llmcoder import strict_json

    return strict_json.pretty(schema)
