"""A domain's prompts: one Markdown file each, with a version in the first line. Change the text, raise the version.

    PROMPTS = Prompts(Path(__file__).parent / "prompts")
    reply = PROMPTS["reply"]
    ctx.use(LanguageModel).complete(reply.messages(thread, tone="friendly"), stream=True)

Results name the version, so that what a prompt wrote can be told from what its successor writes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llmcoder.language import Message

_FILE = re.compile(r"version: (\d+)\n\n(.+)", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """One prompt file.

    Attributes:
        name: `<file>/<version>`, as results carry it.
        text: With places in braces; the one of `{fence}` says where the data stands.
    """

    name: str
    text: str

    def filled(self, **values: str | int) -> str:
        """The text with every place filled; braces in the values stay as they are."""
        return self.text.format_map(values)

    def messages(self, content: str, **values: str | int) -> list[Message]:
        """What a model is sent: the instructions, then the content as data, between two lines it cannot contain."""
        line = fence(content)
        return [
            Message("system", self.filled(fence=line, **values)),
            Message("user", f"{line}\n{content}\n{line}"),
        ]


class Prompts:
    """The prompts in a folder, each read when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Prompt:
        """The prompt `<name>.md`.

        Raises:
            ValueError: The file does not open with its version.
        """
        return _read(self.folder / f"{name}.md")


@cache
def _read(path: Path) -> Prompt:
    found = _FILE.fullmatch(path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{path.name}: the first line is `version: N`, then an empty one, then the text")
    return Prompt(f"{path.stem}/{found[1]}", found[2].strip())


def fence(content: str) -> str:
    """A line that the content cannot contain, since it is made from all of it; the same content gives the same one."""
    return f"=====DATA-{hashlib.sha256(content.encode('utf-8', 'replace')).hexdigest()[:16]}====="
