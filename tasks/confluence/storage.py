"""The storage format, XHTML with Atlassian's own elements, as text that people, prompts and the search read.

    text_of("<h1>Plan</h1><ul><li>one</li></ul>") == "# Plan\\n\\n- one"

What comes in was written by anybody, and need not be well-formed: it is repaired as far as libxml2 can. No entity is
ever expanded by the parser, since none reaches it; depth and size are bounded, and nothing here recurses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tasks.atlassian.markdown_signs import cell_of, code_span, fenced, lowered, raised, signed
from tasks.atlassian.spans import add_cell, cover, span_of
from tasks.confluence.storage_repair import repaired
from tasks.confluence.storage_text import TextWriter

#: Confluence itself takes no more than 5 MB.
MAX_CHARS = 5_000_000
#: Lists, tables and macros inside each other; what is deeper is text without a form.
MAX_DEPTH = 40
PARAMETER_LIMIT = 200
LINK_LIMIT = 500
#: Where links of pages lead: the web, people, and places that companies of their own have. Never to what runs.
_SCHEMES = ("http:", "https:", "mailto:", "ftp:", "tel:", "file:", "sip:", "ssh:", "git:", "slack:", "msteams:")

_NAMESPACES = {"http://atlassian.com/content": "ac:", "http://atlassian.com/resource/identifier": "ri:"}
_OPENING = "<storage " + " ".join(f'xmlns:{prefix[:-1]}="{name}"' for name, prefix in _NAMESPACES.items()) + ">"

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
_TELLING = ("key", "jqlQuery", "name", "url", "title", "page", "body", "")


def text_of(storage: str) -> str:
    """The text of a page's body: headings as `#`, lists, tables by `|`, code in fences, links with their addresses."""
    from lxml import etree  # type: ignore[import-untyped]  # loads libxml2

    reader = _Reader()
    # huge_tree: libxml2's own bounds guard against entities, of which none is left; they would cut a deep page short.
    parser = etree.XMLParser(target=reader, recover=True, resolve_entities="internal", no_network=True, huge_tree=True)
    try:
        parser.feed(_OPENING)
        parser.feed(repaired(storage[:MAX_CHARS]))
        parser.feed("</storage>")
        parser.close()
    except etree.XMLSyntaxError:
        pass  # beyond repair from here on; what was read before counts
    return reader.finish()


class _Frame:
    """An open element that makes something of its content.

    Attributes:
        text: Its content so far.
        close: Writes what becomes of it into what is around.
        told: What elements in it said about it: parameters of a macro, the target of a link, a task's status.
        items: Items of a list so far.
        cells: Cells of a row so far.
        below: Of a table, in how many rows more a cell of a row above stands in each column.
    """

    def __init__(self, tag: str, close: Callable[[_Reader, _Frame], None], attributes: Mapping[str, str]) -> None:
        self.tag = tag
        self.close = close
        self.attributes = attributes
        self.text = TextWriter(within_line=tag in _WITHIN_LINES)
        self.told: dict[str, str] = {}
        self.cells: list[str] = []
        self.below: dict[int, int] = {}
        self.items = _whole_number(attributes.get("start"), 1) - 1 if tag == "ol" else 0


def _whole_number(told: str | None, otherwise: int) -> int:
    """What a list says of its numbers."""
    return int(told) if told and re.fullmatch("-?[0-9]{1,9}", told) else otherwise


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
        elif (close := _FRAMED.get(name) or self._within_line(name, attributes)) is not None and len(
            self._frames
        ) <= MAX_DEPTH:
            given = {_named(key): value for key, value in attributes.items()}
            self._frames.append(_Frame(name, close, given))
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

    def _within_line(self, name: str, attributes: Mapping[str, str]) -> Callable[[_Reader, _Frame], None] | None:
        """What marks a part of a line; in code, marks mean nothing."""
        if name == "span" and (style := attributes.get("style", "").lower()):  # as the older editor marks
            for sign, close in _STYLES.items():
                if sign in style:
                    return close
        return None if self._plain else _INLINE.get(name)

    # --- where we are

    @property
    def text(self) -> TextWriter:
        return self._frames[-1].text

    @property
    def around(self) -> _Frame:
        return self._frames[-1]

    @property
    def table(self) -> _Frame:
        """What a row is in; a row outside of all tables is one."""
        return self._frames[-2] if self._frames[-2].tag == "table" else self._frames[-1]

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
        elif name == "br" and any(one in _HEADINGS for one, _ in self._open[-MAX_DEPTH:]):
            self.text.write(" ")  # or the rest were no heading
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
        for key in ("ri:content-title", "ri:filename", "ri:value", "ri:parameter", "ri:space-key"):
            if attributes.get(key):
                self.tell("target", attributes[key])
        if name == "ri:url" and attributes.get("ri:value"):
            self.tell("address", attributes["ri:value"])


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
    outer.items = _whole_number(frame.attributes.get("value"), outer.items + 1)
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
    cover(frame.cells, reader.around.below)
    while reader.around.below and frame.cells and not frame.cells[-1]:  # nothing stands beside it
        frame.cells.pop()
    reader.text.gap(1)
    if any(frame.cells):
        reader.text.write(" | ".join(frame.cells), plain=True)
    reader.text.gap(1)


def _cell(reader: _Reader, frame: _Frame) -> None:
    content = cell_of(frame.text.finish(), " ")
    if reader.around.tag == "tr":
        width, height = span_of(frame.attributes.get("colspan")), span_of(frame.attributes.get("rowspan"))
        add_cell(reader.around.cells, reader.table.below, content, width=width, height=height)
    else:
        reader.text.write(f" {content} ")


def _quote(reader: _Reader, frame: _Frame) -> None:
    if content := frame.text.finish():
        reader.text.block("> " + content.replace("\n", "\n> "))


def _preformatted(reader: _Reader, frame: _Frame) -> None:
    reader.text.block(fenced(frame.text.finish(), ""))


def _anchor(reader: _Reader, frame: _Frame) -> None:
    _write_link(reader, frame.text.inline(), frame.attributes.get("href", ""))


def _link(reader: _Reader, frame: _Frame) -> None:
    text, target = frame.text.inline(), frame.told.get("target", "")
    if address := frame.told.get("address"):
        _write_link(reader, text, address)
    else:
        reader.text.write(text if text.strip() else target or frame.attributes.get("ac:anchor", ""))


def _write_link(reader: _Reader, text: str, address: str) -> None:
    """A text with where it leads, unless it says so itself or leads to what a browser would run."""
    shown = address.strip()[:LINK_LIMIT].removeprefix("mailto:")
    core = text.strip()
    if not shown or not _leads_somewhere(address.strip()) or shown == core:
        reader.text.write(text)
    elif core:
        reader.text.write(text.replace(core, f"{core} ({shown})", 1))
    else:
        reader.text.write(shown)


def _leads_somewhere(address: str) -> bool:
    """Whether it is an address; one without a scheme leads to the same site, one that begins with # to the page."""
    scheme = re.match(r"[^/?#]*:", address)
    return address.lower().startswith(_SCHEMES) if scheme else address.startswith(("/", "?", "../", "./"))


def _image(reader: _Reader, frame: _Frame) -> None:
    address = frame.told.get("address", "")[:LINK_LIMIT]
    what = frame.attributes.get("ac:alt") or frame.told.get("target") or frame.text.finish()
    shown = f"[image: {what[:PARAMETER_LIMIT]}]" if what else ""
    elsewhere = address and address != what and _leads_somewhere(address)
    caption = frame.told.get("caption", "")
    told = f"{shown} ({address})" if elsewhere else shown
    reader.text.write(f"{told} {caption}" if caption and caption != what else told)


def _caption(reader: _Reader, frame: _Frame) -> None:
    reader.tell("caption", " ".join(frame.text.finish().split()))


def _struck(reader: _Reader, frame: _Frame) -> None:
    _write_inline(reader, signed(frame.text.inline(), "~~"))


def _raised(reader: _Reader, frame: _Frame) -> None:
    _write_inline(reader, raised(frame.text.inline()))


def _lowered(reader: _Reader, frame: _Frame) -> None:
    _write_inline(reader, lowered(frame.text.inline()))


def _code(reader: _Reader, frame: _Frame) -> None:
    _write_inline(reader, "\n".join(code_span(line) for line in frame.text.inline().split("\n")))


def _write_inline(reader: _Reader, text: str) -> None:
    reader.text.write(text, plain="\n" in text)


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
        reader.text.block(fenced(content, frame.told.get("parameter language", ""), title))
    elif content:
        reader.text.block(f"{title}\n{content}" if title else content)
    else:
        told = (frame.told.get(f"parameter {key}") for key in _TELLING)
        about = next((value for value in told if value), "")
        reader.text.write(f"[{name}: {about}]" if about else f"[{name}]" if name else "")


_PLAIN = {"ac:plain-text-body", "pre"}
_FRAMED: dict[str, Callable[[_Reader, _Frame], None]] = {
    "ul": _list, "ol": _list, "li": _item, "ac:task-list": _list, "ac:task": _task, "ac:task-status": _task_status,
    "table": _list, "tr": _row, "td": _cell, "th": _cell, "blockquote": _quote, "pre": _preformatted, "a": _anchor,
    "ac:link": _link, "ac:image": _image, "ac:caption": _caption, "ac:parameter": _parameter,
    "ac:structured-macro": _macro, "ac:macro": _macro,
}  # fmt: skip
_INLINE: dict[str, Callable[[_Reader, _Frame], None]] = {
    "s": _struck, "del": _struck, "strike": _struck, "sup": _raised, "sub": _lowered, "code": _code, "tt": _code,
}  # fmt: skip
_STYLES = {"line-through": _struck, "vertical-align: super": _raised, "vertical-align: sub": _lowered}
_WITHIN_LINES = {*_INLINE, "span", "a", "ac:link"}
