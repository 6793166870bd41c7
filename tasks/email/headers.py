"""What headers say: encoded words, bytes that nobody encoded, names of files. Pure; nothing in here raises.

RFC 2047, 2231 and 5322 are what programs should write, and the standard library reads that. Half of what is in here is
for those that write something else: words cut inside a character, names percent-encoded without saying so.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tasks.email.letters import clean, of_few_bytes
from tasks.email.mime import Part
from tasks.email.transfer import unbase64

LONGEST_FILE_NAME_CHARS = 255
#: What turns the text after it about ("exe.fdp" shown for "pdf.exe"), and what is there without being seen. Joiners are
#: none of it: languages and emoji need them.
_DECEIVING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u200b\u2060-\u2064\ufeff\u00ad]")
#: With the language of RFC 2231; the text may hold what it should not, but not the beginning of another word.
_WORD = re.compile(r"=\?([^?\s]{0,75})\?([bBqQ])\?((?:(?!=\?[^?\s=]).){0,2000}?)\?(?:=|\Z)", re.DOTALL)
_EXTENDED = re.compile(r"([\w.:-]{2,40})'([\w-]{0,20})'(.*)", re.DOTALL | re.ASCII)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
#: A word that was cut by whoever folded the line, amid an escape or at an equals sign as in a body.
_FOLDED_ESCAPE = re.compile(
    r"=\r?\n[ \t]+(?==[0-9A-Fa-f]{2})|(?<==)\r?\n[ \t]+(?=[0-9A-Fa-f]{2})|(?<==[0-9A-Fa-f])\r?\n[ \t]+(?=[0-9A-Fa-f])"
)


def one_line(value: str, charset: str | None = None) -> str:
    """A header's value as people read it.

    Args:
        charset: Of the body beside it, by which bytes are read that nobody encoded.
    """
    if "=?" in value and "\n" in value:
        value = _FOLDED_ESCAPE.sub("", value)
    text = decoded(" ".join(as_written(value, charset).split()), charset)
    return _DECEIVING.sub("", clean(" ".join(text.split())))


def as_written(value: str, charset: str | None = None) -> str:
    """A value with its bytes read, and its encoded words as they are."""
    if value.isascii():
        return value
    content = value.encode("utf-8", "surrogateescape")
    try:
        return content.decode()  # RFC 6532, whatever the body is in
    except UnicodeDecodeError:
        return of_few_bytes(content, charset)


# --- encoded words


@dataclass
class _Run:
    """Encoded words that follow each other in one charset; characters may be cut between them."""

    label: str
    content: bytes = b""
    unfinished: str = ""

    def add(self, encoding: str, text: str) -> None:
        if encoding in "qQ":
            self._finish()
            quoted = text.encode("utf-8", "surrogateescape")
            self.content += binascii.a2b_qp(re.sub(rb"=\Z", b"=3D", quoted), header=True)
            return
        self.unfinished += "".join(text.split())
        if len(self.unfinished) % 4 == 0 or self.unfinished.endswith("="):
            self._finish()

    def _finish(self) -> None:
        self.content += unbase64(self.unfinished.encode("utf-8", "surrogateescape"))
        self.unfinished = ""

    def text(self, charset: str | None) -> str:
        self._finish()
        return of_few_bytes(self.content, self.label, charset)


def decoded(value: str, charset: str | None = None) -> str:
    """A value's encoded words as text (RFC 2047); what is none stays as it is."""
    return "".join(_pieces(value, charset)) if "=?" in value else value


def _pieces(value: str, charset: str | None) -> Iterator[str]:
    run: _Run | None = None
    end = 0
    for word in _WORD.finditer(value):
        label = word[1].partition("*")[0].strip("\"'")
        between = value[end : word.start()]
        if run is None or between.strip() or run.label.lower() != label.lower():
            if run is not None:
                yield run.text(charset)
            if run is None or between.strip():
                yield between
            run = _Run(label)
        run.add(word[2], word[3])
        end = word.end()
    if run is not None:
        yield run.text(charset)
    yield value[end:]


# --- names of files


def file_name(part: Part, charset: str | None = None) -> str:
    """The name that a part gives itself, on one line; empty where it has none."""
    for header, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        for value in _parameter(part, header, parameter):
            if name := _of_path(one_line(value, charset).strip("\"'")):
                return _shortened(name)
    return ""


def _of_path(name: str) -> str:
    """The end of a path, where its sender had the file or would like it to be (RFC 2183, 2.3)."""
    return re.split(r"[/\\]", name)[-1] or name


def _shortened(name: str) -> str:
    """With its end, which says what it is."""
    if len(name) <= LONGEST_FILE_NAME_CHARS:
        return name
    end = re.search(r"\.\w{1,15}\Z", name)
    kept = end[0] if end else ""
    return name[: LONGEST_FILE_NAME_CHARS - len(kept)] + kept


def _parameter(part: Part, header: str, name: str) -> list[str]:
    """All values of a parameter; those that say their charset first, since beside them stands what old programs get."""
    try:
        pairs = part.get_params([], header=header)
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    values = [value for key, value in pairs if key.lower() == name]
    return [_extended(*one) for one in values if isinstance(one, tuple)] + [
        _percent_encoded(one) for one in values if isinstance(one, str)
    ]


def _extended(label: str | None, language: str | None, value: str) -> str:
    """A parameter with its charset (RFC 2231); its characters are the bytes."""
    from llmcoder.charsets import codec_of

    if label and codec_of(label) is None:  # an apostrophe of the name itself
        label, value = None, f"{label}'{language}'{value}"
    content = value.strip('"').encode("latin-1", "surrogateescape" if not value.isascii() else "strict")
    head, tick, rest = content.partition(b"'")
    if not label and tick and codec_of(head.decode("ascii", "replace")):  # one apostrophe where two should be
        label, content = head.decode("ascii"), rest
    return of_few_bytes(content, label)


def _percent_encoded(value: str) -> str:
    """`utf-8''a%20b` where it should not stand: without the asterisk that says so."""
    from llmcoder.charsets import codec_of

    found = _EXTENDED.fullmatch(value)
    if found is None or not _PERCENT.search(value) or codec_of(found[1]) is None:
        return value
    return of_few_bytes(unquote_to_bytes(found[3]), found[1])
