"""`llmcoder doctor`: is everything well, and what to do where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import ExitCode
from cli.output import console, harmless, show_json

if TYPE_CHECKING:
    from cli.results import Finding

SIGNS = {"fine": ("✓", "green"), "note": ("!", "yellow"), "broken": ("✗", "red")}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Look at each part and each configured integration, and say what to do. Exits with 1 if something is broken."""
    from dataclasses import asdict

    from cli.examination import examine

    found: list[Finding] = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        show_json([asdict(finding) for finding in found])
    if any(finding.standing == "broken" for finding in found):
        raise typer.Exit(ExitCode.FAILED)


def _show(finding: Finding) -> None:
    from rich.text import Text

    sign, colour = SIGNS[finding.standing]
    line = Text.assemble((sign, colour), f" {finding.part:<16} ", harmless(finding.seen))
    if finding.remedy:
        line.append(f"\n  {'':<16} → {harmless(finding.remedy)}", style="bold")
    console().print(line, soft_wrap=True)
