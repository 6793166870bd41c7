"""The text of a feed, whatever its bytes are in and whoever says what. Pure.

Four say it: a byte-order mark, the header, the XML declaration, and the bytes themselves. They are believed in this
order, as far as they can be true. By RFC 3023 a text/xml without a charset would be ASCII; nobody keeps to that.
"""

from __future__ import annotations

import codecs
import html.entities
import re

from llmcoder.charsets import codec_of, decode, header_labels, inner_labels
from llmcoder.net.body import unpacked
from llmcoder.text import REPLACEMENT
from tasks.news.feed import UnreadableFeed

MAX_BYTES = 20 * 1024 * 1024
_EBCDIC = b"\x4c\x6f\xa7\x94"  # <?xm
#: How XML begins where each character has two or four bytes and no mark says which comes first.
_WIDE = (
    (b"\x00\x00\x00\x3c", "utf-32-be"), (b"\x3c\x00\x00\x00", "utf-32-le"),
    (b"\x00\x3c\x00", "utf-16-be"), (b"\x3c\x00", "utf-16-le"),
)  # fmt: skip
_DECLARATION = re.compile(r"\s*<\?xml\b[^<>]{0,1000}\?>", re.IGNORECASE)
# XML 1.0 has no place for these, and its parsers end at the first.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# References to the same, and to numbers that are no characters.
_REFERENCE = re.compile(r"&#(?:x([0-9a-f]{1,12})|(\d{1,12}));", re.IGNORECASE)

_SECTION = "<![CDATA["  # in it an ampersand is one
_AMPERSAND = re.compile(r"&(?:(?P<name>[A-Za-z][A-Za-z0-9]{1,30});|(?!#(?:\d{1,7}|[xX][0-9a-fA-F]{1,6});))")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})


def text_of_feed(body: bytes, content_type: str) -> str:
    """The feed as text, without a mark and without its XML declaration, which may say what is true no more.

    Raises:
        UnreadableFeed: It is gzip, although nobody said so, and unpacks to too much.
    """
    inside = unpacked(body, MAX_BYTES)
    if inside.fault is not None:
        raise UnreadableFeed(f"The feed {inside.fault}.")
    text = _decoded(b"".join(inside.pieces), content_type).lstrip("\ufeff \t\r\n")
    text = _DECLARATION.sub("", text, count=1) if text[:5].lower() == "<?xml" else text
    return _REFERENCE.sub(_kept_reference, _NOT_XML.sub("", text)).lstrip()


def _decoded(content: bytes, content_type: str) -> str:
    if content.startswith(_EBCDIC):
        return _of_ebcdic(content)
    if (wide := next((codec for start, codec in _WIDE if content.startswith(start)), None)) is not None:
        return decode(content, wide)
    labels = [*header_labels(content_type), *inner_labels(content.lstrip(), "application/xml")]
    believed = [label for label in labels if _can_be(content, label)]
    if believed and codec_of(believed[0]) is None and (codec := _codec_of_python(believed[0])) is not None:
        return content.decode(codec, "replace")
    return decode(content, *believed)


def _codec_of_python(label: str) -> str | None:
    """Of a label that neither browsers nor mail programs know: Python's names come from the registry of IANA."""
    try:
        found = codecs.lookup(label)
        "".encode(found.name)  # some of its codecs are none of text
    except (LookupError, ValueError):
        return None
    return found.name


def _of_ebcdic(content: bytes) -> str:
    """Its declaration is EBCDIC, too, and names one of many national kinds."""
    head = content[:1000].decode("cp037", "replace")
    named = re.search(r"encoding=[\"']([\w.-]{1,40})[\"']", head)
    try:
        return content.decode(named[1] if named else "cp037")
    except (LookupError, UnicodeDecodeError):
        return content.decode("cp037", "replace")


def _can_be(content: bytes, label: str) -> bool:
    """Whether a label is believed: not a UTF-8 of which every character that is no ASCII is broken."""
    if codec_of(label) != "utf-8":
        return True
    text = content.decode("utf-8", "replace")
    wrong = text.count(REPLACEMENT)
    return wrong == 0 or wrong < len(text) - len(text.encode("ascii", "ignore"))


def _kept_reference(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else int(found[2])
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF or (number < 32 and number not in (9, 10, 13)):
        return ""
    return found[0]


def with_whole_references(text: str) -> str:
    """XML whose `&` all begin a reference that XML knows: most of what is not well-formed is so by nothing else."""
    before, *sections = text.split(_SECTION)
    parts = [_AMPERSAND.sub(_whole_reference, before)]
    for section in sections:
        inside, end, after = section.partition("]]>")
        parts.append(f"{_SECTION}{inside}{end}{_AMPERSAND.sub(_whole_reference, after)}")
    return "".join(parts)


def _whole_reference(found: re.Match[str]) -> str:
    name = found["name"]
    if name in _OF_XML:
        return found[0]
    if name in html.entities.name2codepoint:
        return f"&#{html.entities.name2codepoint[name]};"
    characters = html.entities.html5.get(f"{name};", "") if name else ""
    return "".join(f"&#{ord(one)};" for one in characters) or f"&amp;{found[0][1:]}"
