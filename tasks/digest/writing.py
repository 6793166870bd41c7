"""A digest as text and as HTML, from what its parts gathered. Pure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, JsonValue

from llmcoder import Model
from llmcoder.errors import problem_type
from llmcoder.states import State

LONGEST_LINE = 300
MOST_LINES = 50
NOT_CONFIGURED = problem_type("not-configured")


class Gathered(Model):
    """What one part gathered."""

    name: str = Field(description="Its name.")
    title: str = Field(description="Its heading.")
    state: str = Field(description="How its job ended.")
    rows: JsonValue = Field(None, description="A list of {text, detail, url, sums_up}.")
    error: dict[str, JsonValue] | None = Field(None, description="Why it failed.")

    @property
    def ok(self) -> bool:
        return self.state == State.SUCCEEDED

    @property
    def left_out(self) -> bool:
        """It has nothing to gather from, which is no fault."""
        return not self.ok and (self.error or {}).get("type") == NOT_CONFIGURED

    @property
    def why(self) -> str:
        return str((self.error or {}).get("detail") or "It did not say why.")


class DigestLine(Model):
    """One line of a part."""

    text: str = Field(description="What it says.")
    detail: str = Field("", description="What stands beside it.")
    url: str | None = Field(None, description="Where to read more; http or https.")
    sums_up: bool = Field(False, description="Whether it says how many there are, so that the heading does not.")


def lines_of(part: Gathered, zone: ZoneInfo) -> list[DigestLine]:
    """What a part says, cut to what a person reads; rows that are none are passed over."""
    rows = part.rows if isinstance(part.rows, list) else []
    return [_line(row, zone) for row in rows[:MOST_LINES] if isinstance(row, dict)]


def _line(row: dict[str, Any], zone: ZoneInfo) -> DigestLine:
    url = row.get("url")
    safe = isinstance(url, str) and url.startswith(("http://", "https://"))
    return DigestLine(
        text=_said(row.get("text"), zone) or "(nothing)",
        detail=_said(row.get("detail"), zone),
        url=url if safe else None,
        sums_up=row.get("sums_up") is True,
    )


def _heading(part: Gathered, lines: Sequence[DigestLine]) -> str:
    return part.title if any(line.sums_up for line in lines) else f"{part.title} ({len(lines)})"


def _said(value: Any, zone: ZoneInfo) -> str:
    """A value on one line; an instant on the user's clock."""
    if value is None:
        return ""
    text = " ".join(str(value).split())[:LONGEST_LINE]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at.astimezone(zone):%a %d %b %H:%M}" if at.tzinfo is not None and len(text) > 10 else text


def as_text(title: str, opening: str, parts: Sequence[Gathered], zone: ZoneInfo) -> str:
    blocks = [title, *([opening] if opening else [])]
    for part in parts:
        if part.ok:
            lines = lines_of(part, zone)
            said = "\n".join(f"- {_beside(line)}" for line in lines) if lines else "Nothing."
            blocks.append(f"{_heading(part, lines)}\n{said}")
    return "\n\n".join([*blocks, *_missing(parts)]) + "\n"


def as_html(title: str, opening: str, parts: Sequence[Gathered], zone: ZoneInfo) -> str:
    blocks = [f"<h1>{html.escape(title)}</h1>", *([f"<p>{html.escape(opening)}</p>"] if opening else [])]
    for part in parts:
        if part.ok:
            lines = lines_of(part, zone)
            items = "".join(f"<li>{_linked(line)}</li>" for line in lines)
            blocks.append(f"<h2>{html.escape(_heading(part, lines))}</h2>")
            blocks.append(f"<ul>{items}</ul>" if lines else "<p>Nothing.</p>")
    return "\n".join([*blocks, *(f"<p><em>{html.escape(one)}</em></p>" for one in _missing(parts))]) + "\n"


def _missing(parts: Sequence[Gathered]) -> list[str]:
    """What is not in it, and why: a digest that leaves something out says so."""
    said = [f"{part.title}: failed. {part.why}" for part in parts if not part.ok and not part.left_out]
    left_out = [part.title for part in parts if part.left_out]
    return [*said, *([f"Not set up, so left out: {', '.join(left_out)}."] if left_out else [])]


def _beside(line: DigestLine) -> str:
    return f"{line.text} ({line.detail})" if line.detail else line.text


def _linked(line: DigestLine) -> str:
    text = html.escape(line.text)
    shown = text if line.url is None else f'<a href="{html.escape(line.url, quote=True)}">{text}</a>'
    return f"{shown} ({html.escape(line.detail)})" if line.detail else shown
