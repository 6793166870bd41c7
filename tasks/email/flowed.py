"""Paragraphs of `format=flowed` (RFC 3676), which were cut into lines for terminals, whole again. Pure."""

from __future__ import annotations

import re

_QUOTES = re.compile(r">*")


def unflowed(text: str, *, deletes_space: bool) -> str:
    """The text with its paragraphs on one line each.

    Args:
        deletes_space: `delsp=yes`: the space that says that a line goes on is none of the text, as in Chinese or URLs.
    """
    paragraphs: list[str] = []
    pieces: list[str] = []
    depth_before = -1
    for line in text.split("\n"):
        depth, own = _taken_apart(line)
        goes_on = own.endswith(" ") and own != "-- "
        if pieces and (depth != depth_before or own == "-- "):  # who wrote it was mistaken
            paragraphs.append(_paragraph(depth_before, pieces))
            pieces = []
        pieces.append(own[:-1] if goes_on and deletes_space else own)
        depth_before = depth
        if not goes_on:
            paragraphs.append(_paragraph(depth, pieces))
            pieces = []
    if pieces:
        paragraphs.append(_paragraph(depth_before, pieces))
    return "\n".join(paragraphs)


def _taken_apart(line: str) -> tuple[int, str]:
    """How deep a quote it is, and what is in it; a first space protects what follows."""
    quotes = _QUOTES.match(line)
    depth = quotes.end() if quotes else 0
    return depth, line[depth:].removeprefix(" ")


def _paragraph(depth: int, pieces: list[str]) -> str:
    return f"{'>' * depth}{' ' if depth else ''}{''.join(pieces)}"
