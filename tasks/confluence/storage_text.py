"""Text being written: spaces are collapsed as a browser does, and blocks stand apart by the widest gap between them."""

from __future__ import annotations

import re

_SPACES = re.compile(r"[ \t\n\r\f\u00a0\u200b]+")
_TRAILING = re.compile(r"[ \t]+(?=\n|\Z)")


class TextWriter:
    """Pieces of text with gaps between them.

    Args:
        within_line: Whether other text stands before it, from which a blank at its begin parts it.
    """

    def __init__(self, *, within_line: bool = False) -> None:
        self._pieces: list[str] = []
        self._gap = 0
        self._at_space = not within_line

    def write(self, text: str, *, plain: bool = False) -> None:
        """Add text.

        Args:
            plain: As it is, spaces and line breaks included.
        """
        if not plain:
            text = _SPACES.sub(" ", text)
            if self._at_space or self._gap:
                text = text.removeprefix(" ")
        if not text:
            return
        if self._pieces and self._gap:
            self._pieces.append("\n" * self._gap)
        self._gap = 0
        self._pieces.append(text)
        self._at_space = text[-1].isspace()

    def gap(self, lines: int) -> None:
        """What follows begins so many line breaks further down; the widest of several gaps counts."""
        self._gap = max(self._gap, lines)

    def block(self, text: str) -> None:
        """Add text that stands alone, as it is."""
        self.gap(2)
        self.write(text, plain=True)
        self.gap(2)

    def inline(self) -> str:
        """All of it as a part of a line: a blank at either edge stays, since it parts words."""
        return "".join(self._pieces).strip("\n")

    def finish(self) -> str:
        """All of it, without what is around it."""
        return _TRAILING.sub("", "".join(self._pieces)).strip("\n").rstrip()
