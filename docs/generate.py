"""Writes `docs/actions.md` and `docs/settings.md` from the registry; `--check` only says whether they are stale."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined

from llmcoder.registry import AnyAction, Registry, registry
from llmcoder.settings import EngineSettings, ReservedSettings, Settings

HERE = Path(__file__).parent
NOTE = "<!-- Made by docs/generate.py; do not edit. -->"
LEGEND = (
    "A *repeatable* write may run twice; one that is *reconcilable* is asked about before it runs again. A result from "
    "*outside* holds untrusted content, so no write runs on it before a person approved. See [approvals](approvals.md)."
)


def main(arguments: list[str]) -> int:
    pages = {"actions.md": actions_page(_own(registry())), "settings.md": settings_page()}
    stale = [name for name, text in pages.items() if _current(HERE / name) != text]
    if arguments == ["--check"]:
        for name in stale:
            sys.stderr.write(f"docs/{name} is stale: run python docs/generate.py\n")
        return 1 if stale else 0
    for name, text in pages.items():
        (HERE / name).write_text(text)
    return 0


def actions_page(actions: list[AnyAction]) -> str:
    """Every action with its input."""
    return "\n".join([NOTE, "# Actions", "", LEGEND, "", *(line for action in actions for line in _action(action))])


def settings_page() -> str:
    """Every setting by kind; values are never shown."""
    kinds = [EngineSettings, *registry().settings(), ReservedSettings]
    return "\n".join([NOTE, "# Settings", "", *(line for kind in kinds for line in _kind(kind))])


def _own(found: Registry) -> list[AnyAction]:
    return [action for action in found.values() if action.function.__module__.startswith("tasks.")]


def _action(action: AnyAction) -> Iterator[str]:
    yield f"## {action.name}"
    yield ""
    yield action.summary
    yield ""
    method = "GET" if action.effect == "read" else "POST"
    route = f"`{method} /{action.domain}/{action.verb}`"
    yield " · ".join([route, *_traits(action), f"queue `{action.queue}`", f"{action.timeout_s:g} s"])
    yield ""
    if action.input.model_fields:
        yield "| field | required | description |"
        yield "|---|---|---|"
        for name, field in action.input.model_fields.items():
            yield f"| `{field.alias or name}` | {'yes' if field.is_required() else ''} | {_cell(field.description)} |"
        yield ""


def _traits(action: AnyAction) -> Iterator[str]:
    """What running it means for whoever is asked to allow it."""
    repeatable = ", repeatable" if action.effect.writes and action.repeatable else ""
    yield f"{action.effect}{repeatable}" + (", reconcilable" if action.reconcile else "")
    if action.administrators_only:
        yield "**administrators only**"
    if action.outside:
        yield "result from outside"
    if action.undo:
        yield f"taken back by `{action.undo.action.name}`"
    if len(action.connects) > 1:
        yield "accounts " + " or ".join(f"`{kind.provider}`" for kind in action.connects)
    elif action.provider != action.domain:
        yield f"provider `{action.provider}`"
    if rate := registry().rates.get(action.provider):
        yield f"at most {rate.calls} calls in {rate.per_s:g} s"


def _kind(kind: type[Settings]) -> Iterator[str]:
    yield f"## {kind.title}"
    yield ""
    yield "| name | default | description |"
    yield "|---|---|---|"
    for name, field in kind.model_fields.items():
        secret = " (secret)" if name.upper() in kind.secret_names() and field.repr else ""
        default = field.default
        shown = "" if default in (None, PydanticUndefined, ()) else f"`{_plain(default)}`"
        yield f"| `{name.upper()}` | {shown} | {_cell(field.description)}{secret} |"
    yield ""


def _plain(default: object) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _current(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
