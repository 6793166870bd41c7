"""The prompts, one Markdown file each, with a version in the first line. Change the text, raise the version.

Results name the version, so that what a prompt wrote can be told from what its successor writes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = re.compile(r"version: (\d+)\n\n(.+)", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """One prompt file.

    Attributes:
        name: `<file>/<version>`, as results carry it.
        text: With places in braces.
    """

    name: str
    text: str

    def filled(self, **values: str | int) -> str:
        """The text with every place filled; braces in the values stay as they are."""
        return self.text.format_map(values)


@cache
def prompt(name: str) -> Prompt:
    """The prompt of that name."""
    found = _FILE.fullmatch((Path(__file__).parent / f"{name}.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"prompts/{name}.md: the first line is `version: N`, then an empty one, then the text")
    return Prompt(f"{name}/{found[1]}", found[2].strip())


def fence(content: str) -> str:
    """A line that the content cannot contain, since it is made from all of it; the same content gives the same one."""
    return f"=====DATA-{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:16]}====="
