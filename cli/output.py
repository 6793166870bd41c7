"""How answers look: columns or JSON on standard output, remarks on standard error.

Texts may come from outside (a page's title in a job's error), so they must not be able to drive the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

#: Every control character but the line's end and the tabulator.
CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "�")
WIDE = 10_000


def harmless(text: str) -> str:
    """The text without what a terminal would take for commands."""
    return text.translate(CONTROLS)


def say(text: str) -> None:
    """A remark, which no script reads."""
    typer.echo(harmless(text), err=True)


def show_json(value: Any) -> None:
    """A value on standard output, indented for people and fit for scripts.

    Characters that show nothing or turn the order of others about are escaped: what a person approves is what they see.
    """
    from llmcoder import strict_json

    options = strict_json.INDENTED | strict_json.LINE_AT_THE_END | strict_json.UTC_Z
    text = strict_json.write_bytes(value, option=options).decode()
    sys.stdout.write(
        "".join(
            one if one.isprintable() or one == "\n" else strict_json.canonical(one, escaped=True)[1:-1] for one in text
        )
    )


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, long: str = "") -> None:
    """Rows under a heading; `long` names the column that gives way on a narrow terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        gives_way = column == long
        table.add_column(column, no_wrap=not gives_way, overflow="fold" if gives_way else "ignore")
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    console().print(table)


def console() -> Console:
    """Standard output; as wide as it takes where it is no terminal, since `grep` wants whole lines."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def local(at: datetime | None) -> str:
    """An instant on this machine's clock."""
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
