"""JIRA's wiki markup as text near markdown, for people and models who read it. Pure.

What it does not know stays as it is; each pattern ends at the sign it begins with, so that long texts take no time.
"""

from __future__ import annotations

import html
import re
from collections.abc import Generator, Iterator
from html.entities import html5

_VERBATIM = re.compile(r"\{(code|noformat)(?::([^{}\n]{0,200}))?\}")
_NAME = re.compile(r"[A-Za-z0-9#+]{1,20}")
#: Frames around a text, that say nothing themselves.
_FRAME = re.compile(r"\{(?:color|panel|anchor|section|column|center|align|tip|info|note|warning)(?::[^{}\n]{0,300})?\}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|[a-z]{2,8});")
_ESCAPED = re.compile(r"\\([^\w\s])")
_QUOTE = re.compile(r"\n?\{quote\}\n?")
_HEADING = re.compile(r"h([1-6])\.\s+(.*)")
_QUOTED = re.compile(r"bq\.\s+(.*)")
_RULE = re.compile(r"-{4,}\s*")
_ITEM = re.compile(r"([*#-]{1,20})\s+(.*)")
#: Between cells, and not within a link.
_BAR = re.compile(r"(?<!\\)\|\|?(?![^\[\]\n]{0,500}\])")
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
    r"|!(?P<picture>[^\s!|][^!|\n]{0,300}\.\w{2,5})(?:\|[^!\n]{0,200})?!"
    r"|\{(?P<brace>[*_-])\}(?P<braced>[^{}\n]{1,1000})\{(?P=brace)\}"
    r"|(?<![\w*\\])\*(?=\S)(?P<strong>[^*\n]{1,1000})(?<=\S)\*(?![\w*])"
    r"|(?<![\w\\])_(?=\S)(?P<em>(?:[^_\n]|(?<=[^\W_])_(?=[^\W_])){1,1000})(?<=\S)_(?!\w)"
    r"|(?<![\w-])-(?=[^\s-])(?P<gone>[^-\n]{1,1000})(?<=\S)-(?![\w-])"
)
_SIGNS = {"*": "**", "_": "*", "-": "~~"}


def text_of(wiki: str) -> str:
    """What a text in wiki markup says."""
    return "\n".join(_read(wiki.replace("\r\n", "\n"))).strip()


def _read(wiki: str) -> Iterator[str]:
    at, quoted = 0, False
    for begins, ends, language, code in _verbatims(wiki):
        quoted = yield from _lines(wiki[at:begins].rstrip(" "), quoted)
        sign = "> " if quoted else ""
        yield from (f"{sign}{line}".rstrip() for line in (f"```{language}", *code.strip("\n").split("\n"), "```"))
        at = ends
    yield from _lines(wiki[at:], quoted)


def _verbatims(wiki: str) -> Iterator[tuple[int, int, str, str]]:
    """Where code stands: from, to, its language and itself."""
    at, endless = 0, set[str]()
    for opened in _VERBATIM.finditer(wiki):
        name = opened[1]
        if opened.start() < at or name in endless:
            continue
        closes = wiki.find(f"{{{name}}}", opened.end())
        if closes < 0:
            endless.add(name)
            continue
        told = (opened[2] or "").split("|")[0]
        at = closes + len(name) + 2
        yield opened.start(), at, told if _NAME.fullmatch(told) else "", wiki[opened.end() : closes]


def _lines(wiki: str, quoted: bool) -> Generator[str, None, bool]:
    """Lines of text, and whether a quotation goes on after them."""
    in_table = False
    told = _QUOTE.sub("\n{quote}\n", wiki).strip("\n")
    for line in told.split("\n") if told else ():
        if line.strip() == "{quote}":
            quoted, in_table = not quoted, False
            continue
        sign, line = "> " if quoted else "", _FRAME.sub("", line).strip()
        row = _row(line) if line.startswith("|") else None
        yield f"{sign}{row or _line(line)}".rstrip()
        if row is not None and not in_table:
            yield f"{sign}|{' --- |' * (len(_cells(line)))}"
        in_table = row is not None
    return quoted


def _line(line: str) -> str:
    if found := _HEADING.fullmatch(line):
        return f"{'#' * int(found[1])} {_inline(found[2])}"
    if found := _QUOTED.fullmatch(line):
        return f"> {_inline(found[1])}"
    if _RULE.fullmatch(line):
        return "---"
    if found := _ITEM.fullmatch(line):
        indent = "".join("   " if sign == "#" else "  " for sign in found[1][:-1])
        return f"{indent}{'1.' if found[1][-1] == '#' else '-'} {_inline(found[2])}"
    return _inline(line)


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in _BAR.split(line)[1:]]
    return cells[:-1] if cells and not cells[-1] else cells


def _row(line: str) -> str:
    return "|" + "".join(f" {_inline(cell)} |" for cell in _cells(line))


def _inline(text: str) -> str:
    return _INLINE.sub(_piece, text)


def _piece(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    match kind:
        case "newline":
            return "\n"
        case "escaped":
            return found["escaped"]
        case "entity":
            return _meant(found)
        case "code":
            return f"`{_plain(found['code'])}`"
        case "person":
            return f"@{found['person'].removeprefix('accountid:')}"
        case "file" | "picture":
            return f"[{found[kind]}]"
        case "address":
            return f"[{_inline(found['text'])}]({found['address']})"
        case "link" | "url":
            return found[kind]
        case "braced":
            return _signed(_SIGNS[found["brace"]], found["braced"])
        case "strong":
            return _signed("**", found["strong"])
        case "em":
            return _signed("*", found["em"])
    return _signed("~~", found["gone"])


def _signed(sign: str, text: str) -> str:
    return f"{sign}{_inline(text)}{sign}"


def _plain(code: str) -> str:
    """Escapes and entities mean something in one line of code, too."""
    return _ENTITY.sub(_meant, _ESCAPED.sub(r"\1", code))


def _meant(entity: re.Match[str]) -> str:
    """The character; `html.unescape` alone reads `&nothing;` as `¬hing;`."""
    told = entity[0]
    return html.unescape(told) if told[1] == "#" else html5.get(told[1:], told)
