"""Storage that anybody wrote, repaired so far that an XML parser reads it: entities, open tags, what XML does not know.

No entity is left for the parser to look up, and nothing here recurses.
"""

from __future__ import annotations

import re
from collections import Counter
from html.entities import html5
from xml.sax.saxutils import escape

#: libxml2 compares each attribute of a tag with all others; no element of Confluence has this many.
MAX_TAG_CHARS = 20_000

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PIECE = re.compile(
    r"(?P<cdata><!\[CDATA\[(?P<plain>.*?)(?:\]\]>|\Z))|(?P<dropped><!--.*?(?:-->|\Z)|<[!?][^>]*>?)"
    r"|(?P<tag></?[A-Za-z][^<>]*>)|&(?P<entity>#?\w{1,40});|(?P<amp>&+(?=&)|&)|(?P<less><+(?=<)|<)",
    re.DOTALL,
)
_ENTITY = re.compile(r"&(?:(?P<entity>#?\w{1,40});)?")
_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_OF_XML = {"lt", "gt", "amp", "quot", "apos"}


def repaired(storage: str) -> str:
    """Without what XML does not know: entities of HTML, control characters, declarations, tags that end nothing."""
    repair = _Repair()
    return _PIECE.sub(repair.piece, _NOT_XML.sub("", storage)) + repair.rest()


class _Repair:
    """Makes each piece of the storage something that XML allows there; knows which elements are open."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._times: Counter[str] = Counter()

    def piece(self, found: re.Match[str]) -> str:
        if found["cdata"]:
            return f"<![CDATA[{found['plain']}]]>"
        if found["dropped"]:
            return ""
        if found["tag"]:
            return self._tag(found["tag"])
        if found["less"]:
            return "&lt;" * len(found["less"])
        return "&amp;" * len(found["amp"]) if found["amp"] else _character(found["entity"])

    def rest(self) -> str:
        """The ends of what was never closed."""
        return "".join(f"</{name}>" for name in reversed(self._open))

    def _tag(self, tag: str) -> str:
        name = _NAME.match(tag, 2 if tag.startswith("</") else 1)[0]  # type: ignore[index]  # a tag begins with a letter
        if tag.startswith("</"):
            return self._end(name)
        if len(tag) > MAX_TAG_CHARS:
            return ""
        if not tag.endswith("/>"):
            self._open.append(name)
            self._times[name] += 1
        return _ENTITY.sub(lambda found: _character(found["entity"]), tag)

    def _end(self, name: str) -> str:
        """Ends what is open in it too; nothing, where it is not open."""
        if not self._times[name]:
            return ""
        ends: list[str] = []
        while not ends or ends[-1] != name:
            ends.append(self._open.pop())
            self._times[ends[-1]] -= 1
        return "".join(f"</{one}>" for one in ends)


def _character(name: str | None) -> str:
    """What an entity stands for, so that the parser has none to look up."""
    if not name:
        return "&amp;"
    if name in _OF_XML:
        return f"&{name};"
    character = _numbered(name) if name.startswith("#") else html5.get(f"{name};")
    if character is None:
        return f"&amp;{name};"
    return escape(_NOT_XML.sub("", character), {'"': "&quot;"})


def _numbered(name: str) -> str | None:
    digits, base = (name[2:], 16) if name[1:2] in ("x", "X") else (name[1:], 10)
    try:
        return chr(int(digits, base))
    except (ValueError, OverflowError):
        return None
