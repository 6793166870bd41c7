"""The storage format, XHTML with Atlassian's own elements, as text that people, prompts and the search read.

    text_of("<h1>Plan</h1><ul><li>one</li></ul>") == "# Plan\\n\\n- one"

What comes in was written by anybody, and need not be well-formed: it is repaired as far as libxml2 can. No entity is
ever expanded by the parser, since none reaches it; depth and size are bounded, and nothing here recurses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from html.entities import html5
from xml.sax.saxutils import escape

from tasks.confluence.storage_text import TextWriter

#: Confluence itself takes no more than 5 MB.
MAX_CHARS = 5_000_000
#: libxml2 compares each attribute of a tag with all others; no element of Confluence has this many.
MAX_TAG_CHARS = 20_000
#: Lists, tables and macros inside each other; what is deeper is text without a form.
MAX_DEPTH = 40
PARAMETER_LIMIT = 200
LINK_LIMIT = 500

_NAMESPACES = {"http://atlassian.com/content": "ac:", "http://atlassian.com/resource/identifier": "ri:"}
_OPENING = "<storage " + " ".join(f'xmlns:{prefix[:-1]}="{name}"' for name, prefix in _NAMESPACES.items()) + ">"

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PIECE = re.compile(
    r"(?P<cdata><!\[CDATA\[(?P<plain>.*?)(?:\]\]>|\Z))|(?P<dropped><!--.*?(?:-->|\Z)|<[!?][^>]*>?)"
    r"|(?P<tag></?[A-Za-z][^<>]*>)|&(?P<entity>#?\w{1,40});|(?P<amp>&)|(?P<less><)",
    re.DOTALL,
)
_ENTITY = re.compile(r"&(?:(?P<entity>#?\w{1,40});)?")
_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_OF_XML = {"lt", "gt", "amp", "quot", "apos"}

_SKIPPED = {
    "script", "style", "ac:placeholder", "ac:adf-attribute", "ac:adf-fallback", "ac:adf-mark", "ac:task-id",
    "ac:task-uuid", "ac:default-parameter",
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {
    "p", "div", "section", "dl", "dt", "dd", "figure", "figcaption", "address", "ac:layout", "ac:layout-section",
    "ac:layout-cell", "ac:adf-node", "ac:adf-content",
}  # fmt: skip
#: Macros that show what stands elsewhere, or nothing.
_DROPPED_MACROS = {
    "anchor", "toc", "toc-zone", "children", "pagetree", "recently-updated", "attachments", "contentbylabel",
    "livesearch", "gallery", "blog-posts", "change-history", "contributors", "labels-list", "popular-labels",
    "navmap", "space-attachments", "create-from-template", "tasks-report-macro", "profile", "index",
}  # fmt: skip
#: What a macro without a body is about, by the parameter that says it.
_TELLING = ("key", "jqlQuery", "name", "url", "title", "page", "")


def text_of(storage: str) -> str:
    """The text of a page's body: headings as `#`, lists, tables by `|`, code in fences, links with their addresses."""
    from lxml import etree  # type: ignore[import-untyped]  # loads libxml2

    reader = _Reader()
    # huge_tree: libxml2's own bounds guard against entities, of which none is left; they would cut a deep page short.
    parser = etree.XMLParser(target=reader, recover=True, resolve_entities="internal", no_network=True, huge_tree=True)
    try:
        parser.feed(_OPENING)
        parser.feed(_repaired(storage[:MAX_CHARS]))
        parser.feed("</storage>")
        parser.close()
    except etree.XMLSyntaxError:
        pass  # beyond repair from here on; what was read before counts
    return reader.finish()


def _repaired(storage: str) -> str:
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
        return "&lt;" if found["less"] else _character(found["entity"])

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


class _Frame:
    """An open element that makes something of its content.

    Attributes:
        text: Its content so far.
        close: Writes what becomes of it into what is around.
        told: What elements in it said about it: parameters of a macro, the target of a link, a task's status.
        items: Items of a list so far; cells of a row.
    """

    def __init__(self, tag: str, close: Callable[[_Reader, _Frame], None], attributes: Mapping[str, str]) -> None:
        self.tag = tag
        self.close = close
        self.attributes = attributes
        self.text = TextWriter()
        self.told: dict[str, str] = {}
        self.cells: list[str] = []
        self.items = 0


class _Reader:
    """What the parser calls for each tag and piece of text."""

    def __init__(self) -> None:
        self._frames = [_Frame("storage", lambda _reader, _frame: None, {})]
        # For each open element: whether it opened a frame, and whether nothing of it is read.
        self._open: list[tuple[str, bool]] = []
        self._skipping = 0
        self._plain = 0

    # --- what the parser calls

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _named(tag)
        framed = False
        if self._skipping or name in _SKIPPED:
            self._skipping += 1
        elif name in _FRAMED and len(self._frames) <= MAX_DEPTH:
            given = {_named(key): value for key, value in attributes.items()}
            self._frames.append(_Frame(name, _FRAMED[name], given))
            framed = True
        else:
            self._begin(name, {_named(key): value for key, value in attributes.items()})
        self._plain += name in _PLAIN
        self._open.append((name, framed))

    def end(self, _tag: str) -> None:
        name, framed = self._open.pop()
        self._plain -= name in _PLAIN
        if self._skipping:
            self._skipping -= 1
        elif framed:
            frame = self._frames.pop()
            frame.close(self, frame)
        elif name in _HEADINGS or name in _BLOCKS:
            self.text.gap(self._gap)

    def data(self, data: str) -> None:
        if not self._skipping:
            self.text.write(data, plain=self._plain > 0)

    def close(self) -> None:
        """The end of what could be parsed."""

    def finish(self) -> str:
        """All of it; elements that were never closed end here."""
        while len(self._frames) > 1:
            frame = self._frames.pop()
            frame.close(self, frame)
        return self.text.finish()

    # --- where we are

    @property
    def text(self) -> TextWriter:
        return self._frames[-1].text

    @property
    def around(self) -> _Frame:
        return self._frames[-1]

    @property
    def _gap(self) -> int:
        """Blocks in a list or a table stand closer."""
        return 1 if any(frame.tag in ("li", "td", "th", "ac:task-body") for frame in self._frames[-3:]) else 2

    def tell(self, name: str, value: str) -> None:
        self._frames[-1].told.setdefault(name, value)

    # --- elements without a frame

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in _HEADINGS:
            self.text.gap(2)
            self.text.write("#" * _HEADINGS[name] + " ")
        elif name in _BLOCKS:
            self.text.gap(self._gap)
        elif name == "br":
            self.text.gap(1)
        elif name == "hr":
            self.text.block("---")
        elif name == "time":
            self.text.write(attributes.get("datetime", ""))
        elif name == "ac:emoticon":
            self.text.write(attributes.get("ac:emoji-fallback") or f":{attributes.get('ac:name', '')}:")
        elif name == "ac:plain-text-body":
            self.tell("plain", "yes")
        elif name.startswith("ri:"):
            self._resource(name, attributes)

    def _resource(self, name: str, attributes: Mapping[str, str]) -> None:
        """What a link, a picture or a parameter of a macro points to."""
        user = attributes.get("ri:account-id") or attributes.get("ri:username") or attributes.get("ri:userkey")
        if name == "ri:user" and user:
            self.tell("target", f"@{user}")
        for key in ("ri:content-title", "ri:filename", "ri:value", "ri:space-key"):
            if attributes.get(key):
                self.tell("target", attributes[key])


def _named(tag: str) -> str:
    """`{http://atlassian.com/content}link` as `ac:link`; the parser leaves prefixes that it does not know."""
    if not tag.startswith("{"):
        return tag
    space, _, name = tag[1:].partition("}")
    return f"{_NAMESPACES.get(space, '')}{name}"


# --- what becomes of the elements with a frame


def _list(reader: _Reader, frame: _Frame) -> None:
    reader.text.gap(reader._gap)
    reader.text.write(frame.text.finish(), plain=True)
    reader.text.gap(reader._gap)


def _item(reader: _Reader, frame: _Frame) -> None:
    outer = reader.around
    outer.items += 1
    sign = f"{outer.items}. " if outer.tag == "ol" else "- "
    _write_item(reader, sign, frame.text.finish())


def _task(reader: _Reader, frame: _Frame) -> None:
    sign = "- [x] " if frame.told.get("status") == "complete" else "- [ ] "
    _write_item(reader, sign, frame.text.finish())


def _write_item(reader: _Reader, sign: str, content: str) -> None:
    reader.text.gap(1)
    reader.text.write(sign + content.replace("\n", "\n" + " " * 2), plain=True)
    reader.text.gap(1)


def _task_status(reader: _Reader, frame: _Frame) -> None:
    reader.tell("status", frame.text.finish())


def _row(reader: _Reader, frame: _Frame) -> None:
    reader.text.gap(1)
    if any(frame.cells):
        reader.text.write(" | ".join(frame.cells), plain=True)
    reader.text.gap(1)


def _cell(reader: _Reader, frame: _Frame) -> None:
    content = " ".join(frame.text.finish().split())
    if reader.around.tag == "tr":
        reader.around.cells.append(content)
    else:
        reader.text.write(f" {content} ")


def _quote(reader: _Reader, frame: _Frame) -> None:
    if content := frame.text.finish():
        reader.text.block("> " + content.replace("\n", "\n> "))


def _preformatted(reader: _Reader, frame: _Frame) -> None:
    reader.text.block(_fenced(frame.text.finish(), ""))


def _anchor(reader: _Reader, frame: _Frame) -> None:
    text, address = frame.text.finish(), frame.attributes.get("href", "")[:LINK_LIMIT]
    shown = address.removeprefix("mailto:")
    if address.startswith(("http://", "https://", "mailto:")) and shown != text:
        text = f"{text} ({shown})" if text else shown
    reader.text.write(text)


def _link(reader: _Reader, frame: _Frame) -> None:
    text, target = frame.text.finish(), frame.told.get("target", "")
    reader.text.write(text or target or frame.attributes.get("ac:anchor", ""))


def _image(reader: _Reader, frame: _Frame) -> None:
    what = frame.attributes.get("ac:alt") or frame.told.get("target") or frame.text.finish()
    reader.text.write(f"[image: {what[:PARAMETER_LIMIT]}]" if what else "")


def _parameter(reader: _Reader, frame: _Frame) -> None:
    value = frame.text.finish() or frame.told.get("target", "")
    reader.tell(f"parameter {frame.attributes.get('ac:name', '')}", " ".join(value.split())[:PARAMETER_LIMIT])


def _macro(reader: _Reader, frame: _Frame) -> None:
    name, content = frame.attributes.get("ac:name", "")[:PARAMETER_LIMIT], frame.text.finish()
    title = frame.told.get("parameter title", "")
    if name in _DROPPED_MACROS:
        return
    if name == "status":
        reader.text.write(f"[{title}]" if title else "")
    elif frame.told.get("plain"):
        said = f"{title}:\n" if title else ""
        reader.text.block(said + _fenced(content, frame.told.get("parameter language", "")))
    elif content:
        reader.text.block(f"{title}\n{content}" if title else content)
    else:
        told = (frame.told.get(f"parameter {key}") for key in _TELLING)
        about = next((value for value in told if value), "")
        reader.text.write(f"[{name}: {about}]" if about else f"[{name}]" if name else "")


def _fenced(code: str, language: str) -> str:
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"


_PLAIN = {"ac:plain-text-body", "pre"}
_FRAMED: dict[str, Callable[[_Reader, _Frame], None]] = {
    "ul": _list, "ol": _list, "li": _item, "ac:task-list": _list, "ac:task": _task, "ac:task-status": _task_status,
    "table": _list, "tr": _row, "td": _cell, "th": _cell, "blockquote": _quote, "pre": _preformatted, "a": _anchor,
    "ac:link": _link, "ac:image": _image, "ac:parameter": _parameter, "ac:structured-macro": _macro,
    "ac:macro": _macro,
}  # fmt: skip
