"""JIRA's wiki markup as text near markdown, for people and models who read it. Pure.

What it does not know stays as it is; each pattern ends at the sign it begins with, so that long texts take no time.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5

from tasks.atlassian.markdown_signs import cell_of, code_span, fenced, linked, lowered, raised, signed

_VERBATIM = re.compile(r"\{(code|noformat)(?::([^{}\n]{0,200}))?\}")
_NAME = re.compile(r"[A-Za-z0-9#+]{1,20}")
#: Frames around a text, that say nothing themselves but for their title.
_FRAME = re.compile(
    r"\{(color|panel|anchor|section|column|center|align|tip|info|note|warning|expand)(?::([^{}\n]{0,300}))?\}"
)
#: Where code stood in a row of a table; the characters are private ones, which texts have no use for.
_PRIVATE = str.maketrans("", "", "\ue000\ue001")
_ENTITY = re.compile(r"&(?:#\d{1,7}|[a-z]{2,8});")
_ESCAPED = re.compile(r"\\([^\w\s])")
_QUOTE = re.compile(r"\n?\{quote\}\n?")
_HEADING = re.compile(r"h([1-6])\.\s+(.*)")
_QUOTED = re.compile(r"bq\.\s+(.*)")
_RULE = re.compile(r"-{4,}\s*")
_ITEM = re.compile(r"([*#-]{1,20})\s+(.*)")
#: Between cells, and not within a link or a picture.
_BAR = re.compile(r"(?<!\\)\|\|?(?![^\[\]\n]{0,500}\])")
_PICTURE = re.compile(r"!([^\s!|][^!|\n]{0,300}\.\w{2,5})\|[^!\n]{0,200}!")
_INLINE = re.compile(
    r"(?P<newline>\\\\)"
    r"|\\(?P<escaped>[^\w\s])"
    rf"|(?P<entity>{_ENTITY.pattern})"
    r"|\{\{(?P<code>(?:\\.|[^{}\n\\]){1,1000})\}\}"
    r"|\[~(?P<person>[^\[\]|\n]{1,200})\]"
    r"|\[\^(?P<file>[^\[\]|\n]{1,300})\]"
    r"|\[(?P<text>[^\[\]|\n]{1,500})\|(?P<address>[^\[\]|\n]{1,2000})(?:\|[^\[\]\n]{0,100})?\]"
    r"|\[(?P<link>(?:https?|mailto|ftp):[^\[\]|\n]{1,2000})\]"
    r"|(?P<url>(?:https?|ftp)://[^\s\[\]|{}]+)"
    r"|(?P<kept>\ue000\d{1,7}\ue001)"
    r"|!(?P<picture>[^\s!|][^!|\n]{0,300}\.\w{2,5})(?:\|[^!\n]{0,200})?!"
    r"|\{(?P<brace>[*_^~-])\}(?P<braced>[^{}\n]{1,1000})\{(?P=brace)\}"
    # within a word only where no blank is in it: 2^10 and 2^20 are two powers
    r"|\^(?:(?<=\w\^)(?P<sup_in>[^\s^]{1,200})|(?<![\w\\]\^)(?=\S)(?P<sup>[^^\n]{1,200})(?<=\S))\^(?!\w)"
    r"|~(?:(?<=\w~)(?P<sub_in>[^\s~]{1,200})|(?<![\w\\]~)(?=\S)(?P<sub>[^~\n]{1,200})(?<=\S))~(?!\w)"
    r"|(?<![\w*\\])\*(?=\S)(?P<strong>[^*\n]{1,1000})(?<=\S)\*(?![\w*])"
    r"|(?<![\w\\])_(?=\S)(?P<em>(?:[^_\n]|(?<=[^\W_])_(?=[^\W_])){1,1000})(?<=\S)_(?!\w)"
    r"|(?<![\w-])-(?=[^\s-])(?P<gone>[^-\n]{1,1000})(?<=\S)-(?![\w-])"
)
_SIGNS = {"*": "**", "_": "*", "-": "~~"}


def text_of(wiki: str) -> str:
    """What a text in wiki markup says."""
    return "\n".join(_Reader().read(wiki.replace("\r\n", "\n").translate(_PRIVATE))).strip()


@dataclass(frozen=True)
class _Verbatim:
    """Where code stands, its language and title, and itself."""

    begins: int
    ends: int
    language: str
    title: str
    code: str


class _Reader:
    """Reads line by line; knows whether it is in a quotation, a table or a list.

    Attributes:
        counts: The number of the last item on each level of a numbered list.
        kept: Code that stood in rows of tables.
    """

    def __init__(self) -> None:
        self.quoted = False
        self.in_table = False
        self.counts: list[int] = []
        self.kept: list[str] = []

    def read(self, wiki: str) -> Iterator[str]:
        pending: list[str] = []
        at, in_row = 0, False
        for found in _verbatims(wiki):
            before, at = wiki[at : found.begins], found.ends
            if "\n" in before or not pending:
                in_row = before.rpartition("\n")[2].lstrip().startswith("|")
            pending.append(before)
            if in_row:
                pending.append(f"\ue000{len(self.kept)}\ue001")
                self.kept.append(found.code.strip("\n"))
                continue
            yield from self._lines("".join(pending).rstrip(" "))
            yield from self._code(found)
            pending = []
        yield from self._lines("".join([*pending, wiki[at:]]))

    def _code(self, found: _Verbatim) -> Iterator[str]:
        self.in_table = False
        block = fenced(found.code.strip("\n"), found.language, self._inline(found.title))
        yield from (f"{self._sign}{line}".rstrip() for line in block.split("\n"))

    @property
    def _sign(self) -> str:
        return "> " if self.quoted else ""

    def _lines(self, wiki: str) -> Iterator[str]:
        told = _FRAME.sub(_titled, _QUOTE.sub("\n{quote}\n", wiki)).strip("\n")
        lines = told.split("\n") if told else []
        for line in _whole_rows(lines) if "|" in told else lines:
            line = line.strip()
            if line.startswith("|"):
                yield from (f"{self._sign}{one}".rstrip() for one in self._row(line))
                continue
            self.in_table = False
            if line == "{quote}":
                self.quoted, self.counts = not self.quoted, []
            else:
                yield f"> {self._line(line)}".rstrip() if self.quoted else self._line(line).rstrip()

    def _row(self, line: str) -> Iterator[str]:
        cells = _cells(line)
        yield "|" + "".join(f" {self._cell(cell)} |" for cell in cells)
        if not self.in_table:
            yield f"|{' --- |' * len(cells)}"
        self.in_table = True

    def _cell(self, cell: str) -> str:
        if "\\\\" not in cell and "\ue000" not in cell:
            return " ".join(self._inline(cell).split()).replace("|", "\\|")
        lines = [self._line(line) for line in cell.split("\\\\")] if "\\\\" in cell else [self._inline(cell)]
        self.counts = []
        return cell_of("\n".join(lines)).replace("|", "\\|")

    def _line(self, line: str) -> str:
        if found := _ITEM.fullmatch(line):
            return self._item(found[1], found[2])
        if not line:
            self.counts = []
            return ""
        if found := _HEADING.fullmatch(line):
            return f"{'#' * int(found[1])} {self._inline(found[2])}"
        if found := _QUOTED.fullmatch(line):
            return f"> {self._inline(found[1])}"
        if _RULE.fullmatch(line):
            return "---"
        return self._inline(line)

    def _item(self, signs: str, text: str) -> str:
        level = len(signs)
        self.counts = [*self.counts[:level], *[0] * (level - len(self.counts))]
        self.counts[-1] = self.counts[-1] + 1 if signs[-1] == "#" else 0
        indent = "".join("   " if sign == "#" else "  " for sign in signs[:-1])
        return f"{indent}{f'{self.counts[-1]}.' if signs[-1] == '#' else '-'} {self._inline(text)}"

    # --- inline

    def _inline(self, text: str) -> str:
        return _INLINE.sub(self._piece, text)

    def _piece(self, found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        match kind:
            case "newline":
                return "\n"
            case "escaped":
                return found["escaped"]
            case "entity":
                return _meant(found)
            case "code":
                return code_span(_plain(found["code"]))
            case "kept":
                return f"\n{fenced(self.kept[int(found['kept'][1:-1])])}\n"
            case "person":
                return f"@{found['person'].removeprefix('accountid:')}"
            case "file" | "picture":
                return f"[{found[kind]}]"
            case "address":
                return linked(self._inline(found["text"]), found["address"])
            case "link" | "url":
                return found[kind]
        return self._phrase(kind, found)

    def _phrase(self, kind: str, found: re.Match[str]) -> str:
        sign = found["brace"] if kind == "braced" else kind.removesuffix("_in")
        text = self._inline(found[kind])
        match sign:
            case "^" | "sup":
                return raised(text)
            case "~" | "sub":
                return lowered(text)
        return signed(text, _SIGNS.get(sign) or {"strong": "**", "em": "*", "gone": "~~"}[sign])


def _verbatims(wiki: str) -> Iterator[_Verbatim]:
    at, endless = 0, set[str]()
    for opened in _VERBATIM.finditer(wiki):
        name = opened[1]
        if opened.start() < at or name in endless:
            continue
        closes = wiki.find(f"{{{name}}}", opened.end())
        if closes < 0:
            endless.add(name)
            continue
        at = closes + len(name) + 2
        told = _parameters(opened[2])
        language = next((one for one in (told.get(""), told.get("language")) if one and _NAME.fullmatch(one)), "")
        yield _Verbatim(opened.start(), at, language, told.get("title", ""), wiki[opened.end() : closes])


def _parameters(told: str | None) -> dict[str, str]:
    """`java|title=Main.java` by its names; what has none is called nothing."""
    pairs = (one.partition("=") for one in (told or "").split("|"))
    return {name.strip() if sign else "": (value if sign else name).strip() for name, sign, value in pairs}


def _titled(frame: re.Match[str]) -> str:
    """The title of a panel stands over it; what can be opened says it without naming it."""
    told = _parameters(frame[2])
    title = told.get("title") or (told.get("") if frame[1] == "expand" else "")
    return f"*{title}*\n" if title else ""


def _whole_rows(lines: Sequence[str]) -> Iterator[str]:
    """Lines; those that go on with a cell of a table are one with the row."""
    row: list[str] = []
    for line in lines:
        if line.lstrip().startswith("|"):
            if row:
                yield r"\\".join(row)
            row = [line.strip()]
        elif row and (told := line.strip()) and not row[-1].endswith("|") and told != "{quote}":
            row.append(told)
        else:
            if row:
                yield r"\\".join(row)
                row = []
            yield line
    if row:
        yield r"\\".join(row)


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in _BAR.split(_PICTURE.sub(r"!\1!", line))[1:]]
    return cells[:-1] if cells and not cells[-1] else cells


def _plain(code: str) -> str:
    """Escapes and entities mean something in one line of code, too."""
    return _ENTITY.sub(_meant, _ESCAPED.sub(r"\1", code))


def _meant(entity: re.Match[str]) -> str:
    """The character; `html.unescape` alone reads `&nothing;` as `¬hing;`."""
    told = entity[0]
    return html.unescape(told) if told[1] == "#" else html5.get(told[1:], told)
