"""The body of a mail as its reader sees it: which of its parts are text, place by place, and which are files. Pure.

A mail is a tree. Of alternatives one is read, of what follows each other all is: a list's footer beside the HTML of a
mail is read below it and not in its stead. What is sent with a name is a file, unless nothing else is there to read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from tasks.email.enriched import of_enriched, of_richtext
from tasks.email.flowed import unflowed
from tasks.email.headers import file_name
from tasks.email.html import MOST_CHARS as MOST_HTML_CHARS
from tasks.email.html import as_text, rendered, safe_html, words_at_most
from tasks.email.letters import clean, has_letters, of_bytes
from tasks.email.mime import Part, parsed
from tasks.email.quotes import own_words
from tasks.email.transfer import content_of, encoding_of, unpacked

#: Of one part as it is decoded, so that what is shown of it is there in any encoding.
MOST_PLAIN_BYTES, MOST_HTML_BYTES = 800_000, 2_000_000
#: Parts that are looked at, and how deep they lie in each other.
MOST_PARTS, DEEPEST = 500, 100
#: Mails whose boundaries are guessed, or that are unpacked out of an encoding, each taken apart anew.
MOST_GUESSES = 5
#: A plain alternative so short may say only that there is another one.
LONGEST_STUB_CHARS, SHORTEST_STUB_CHARS, STUB_TIMES, STUB_HTML_CHARS = 300, 20, 3, 20_000
_BODY_TAG = re.compile(r"<body\b", re.IGNORECASE)
_MARKUP = {"text/enriched", "text/richtext"}
_PLAIN = {
    "text/plain",
    "text/markdown",
    "text/x-markdown",
    "text/x-web-markdown",
    "text/text",
    "text/x-plain",
} | _MARKUP
_HTML = {"text/html", "text/xhtml", "application/xhtml+xml"}
_LOOKS_LIKE_HTML = re.compile(r"\s*<(?:!doctype html|html|head|body|div|p|table|span)\b", re.IGNORECASE)
#: A line of two hyphens and then what a boundary may be (RFC 2046), with the header of a part below it.
_BOUNDARY = re.compile(
    rb"^--([0-9A-Za-z'()+_,./:=?][0-9A-Za-z'()+_,./:=? -]{0,80}?)[ \t]*\r?\n(?=[ \t]*\r?\n|content-|mime-)",
    re.IGNORECASE | re.MULTILINE,
)
_CUT_CHARACTER = "\ufffd"


@dataclass
class Place:
    """One place of a body: what is read there, as plain text, as HTML or as either."""

    plain: str = ""
    html: str = ""


@dataclass(frozen=True)
class Body:
    """What a mail says, and what is sent with it.

    Attributes:
        html: Safe to show; None where all is plain text.
        files: Parts that are not read, and enclosed messages.
        enclosed: Messages within the mail, and whether they are shown with it.
        truncated: Whether more stands in it.
    """

    text: str
    html: str | None
    files: list[Part]
    enclosed: list[tuple[Part, bool]]
    truncated: bool


@dataclass(frozen=True)
class Limits:
    """How much of a body is shown; what is longer is cut, and more is not laid out."""

    text_chars: int
    html_chars: int


def body_of(message: Part, limits: Limits, *, whole: bool = True) -> Body:
    """Args:
    whole: False for the beginning of a message, which may end inside a character.
    """
    walk = _Walk(whole)
    places = walk.places(message)
    if not walk.is_readable:
        places += walk.anything(message)
    text, html, cut = _composed(places, limits)
    return Body(text[: limits.text_chars], html, walk.files, walk.enclosed, cut or walk.cut)


@dataclass
class _Walk:
    """One look at a message's parts."""

    whole: bool
    files: list[Part] = field(default_factory=list)
    enclosed: list[tuple[Part, bool]] = field(default_factory=list)
    cut: bool = False
    is_readable: bool = False
    left: int = MOST_PARTS
    guesses: int = MOST_GUESSES
    depth: int = 0

    def places(self, part: Part, *, is_body: bool = False) -> list[Place]:
        """Args:
        is_body: It is to be read although it has a name.
        """
        if self.left <= 0:
            self.cut = True
            return []
        if part.is_multipart_type and self.depth < DEEPEST:
            self.depth += 1
            found = self._of_container(part, is_body)
            self.depth -= 1
            return found
        self.left -= 1
        if part.get_content_type() == "message/rfc822":
            self._enclose(part)
            return []
        if not self._is_text(part, is_body):
            self.files.append(part)
            return []
        place = self._place(part)
        self.is_readable |= has_letters(place.plain) or bool(place.html.strip())
        return [place]

    def _of_container(self, part: Part, is_body: bool) -> list[Place]:
        content = part.content
        if isinstance(content, str):
            return self._without_boundary(part, content or part.preamble or "")
        if part.get_content_subtype() == "alternative":
            return _chosen([self.places(one, is_body=True) for one in content])
        if part.get_content_subtype() == "related":
            return self._related(part, content)
        return [place for one in content for place in self.places(one, is_body=is_body and len(content) == 1)]

    def _related(self, part: Part, content: Sequence[Part]) -> list[Place]:
        """The one that the others belong to; of these what has neither a name nor an id is text that was added."""
        start = str(part.get_param("start") or "").strip()
        root = next((one for one in content if start and str(one.get("content-id", "")).strip() == start), content[0])
        found = self.places(root, is_body=True)
        for one in content:
            if one is root:
                continue
            if not found or one.is_multipart_type or one.get("content-id") is None:
                found = found + self.places(one)
            else:
                self.left -= 1
                self.files.append(one)
        return found

    def _is_text(self, part: Part, is_body: bool) -> bool:
        if part.get_content_type() not in _PLAIN | _HTML or part.get_content_disposition() == "attachment":
            return False
        return is_body or not self.is_readable or not file_name(part)

    def _place(self, part: Part) -> Place:
        kind = part.get_content_type()
        if kind in _HTML:
            return Place(html=self._text(part, MOST_HTML_BYTES))
        text = self._text(part, MOST_PLAIN_BYTES)
        if kind in _MARKUP:
            text = of_enriched(text) if kind == "text/enriched" else of_richtext(text)
        if str(part.get_param("format", "")).lower() == "flowed":
            text = unflowed(text, deletes_space=str(part.get_param("delsp", "")).lower() == "yes")
        return Place(plain=text)

    def _text(self, part: Part, most_bytes: int) -> str:
        return self._of_bytes(content_of(part), part, most_bytes)

    def _of_bytes(self, content: bytes, part: Part, most_bytes: int) -> str:
        from llmcoder import charsets

        label = charset_of(part)
        inner: tuple[str, ...] = ()
        if part.get_content_type() in _HTML and charsets.codec_of(label) in (None, "cp1252") and not content.isascii():
            inner = charsets.inner_labels(content, "text/html")
        if len(content) > most_bytes:
            self.cut = True
            content = charsets.cut(content, most_bytes, charsets.codec_of(label) or "utf-8")
        text = of_bytes(content, label, *inner)
        return clean(text if self.whole else text.rstrip(_CUT_CHARACTER))

    def _enclose(self, part: Part) -> None:
        self.files.append(part)
        content = part.content
        if not isinstance(content, list) or not content:
            return
        inner = content[0]
        if len(inner) == 0 and isinstance(inner.content, str) and encoding_of(part) in ("base64", "quoted-printable"):
            inner = self._anew(unpacked(inner.content.encode("ascii", "surrogateescape"), encoding_of(part))) or inner
        self.enclosed.append((inner, part.get_content_disposition() != "attachment"))

    def _without_boundary(self, part: Part, content: str) -> list[Place]:
        """A container whose boundary is missing, or is another one: as that one says, else as text."""
        self.left -= 1
        raw = unpacked(content.encode("ascii", "surrogateescape"), encoding_of(part))
        guess = _BOUNDARY.search(raw)
        if guess is not None:
            kind = part.get_content_subtype() if part.get_content_subtype() in ("alternative", "related") else "mixed"
            boundary = guess[1].removesuffix(b"--")
            head = f'Content-Type: multipart/{kind}; boundary="'.encode() + boundary + b'"\r\n\r\n'
            again = self._anew(head + raw[guess.start() :])
            if again is not None and isinstance(again.content, list):
                return self.places(again)
        text = self._of_bytes(raw, part, MOST_HTML_BYTES)
        place = Place(html=text) if _LOOKS_LIKE_HTML.match(text) else Place(plain=text)
        return [place] if has_letters(text) else []

    def _anew(self, raw: bytes) -> Part | None:
        self.guesses -= 1
        try:
            return parsed(raw) if self.guesses >= 0 else None
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            return None

    def anything(self, message: Part) -> list[Place]:
        """What there is to read where no part is meant to be: text that calls itself a file without a name."""
        texts = [one for one in self.files if one.get_content_type() in _PLAIN | _HTML]
        bare = next((one for one in texts if one is message or not file_name(one)), None)
        return [] if bare is None else [self._place(bare)]


def charset_of(part: Part) -> str | None:
    """As the part says; programs that do not know write that they do not."""
    try:
        return part.get_content_charset()
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _chosen(groups: Sequence[list[Place]]) -> list[Place]:
    """Of alternatives: the plain text, beside the richest HTML; what shows nothing is none."""
    shown = [group for group in groups if group]
    rich = next((group for group in reversed(shown) if any(place.html.strip() for place in group)), None)
    plains = ["\n\n".join(place.plain for place in group) for group in shown if not any(place.html for place in group)]
    plain = next((text for text in plains if has_letters(text)), "")
    if rich is None:
        return [Place(plain=plain)] if plain else []
    if not plain:
        return rich
    return [Place(plain, "\n".join(place.html or _as_html(place.plain) for place in rich))]


def _as_html(text: str) -> str:
    return f"<div>{escape(text).strip().replace(chr(10), '<br>')}</div>" if has_letters(text) else ""


@dataclass
class _Reading:
    """A place as it was read; `words` tell whether two say the same."""

    text: str
    words: str
    html: str | None


def _composed(places: Sequence[Place], limits: Limits) -> tuple[str, str | None, bool]:
    """Text, HTML where there is any, and whether something was left out."""
    read: list[_Reading] = []
    texts: list[str] = []
    left = Limits(limits.text_chars, MOST_HTML_CHARS)
    left_shown_chars = limits.html_chars
    for place in places:
        if left.text_chars <= 0:
            break
        text, html = _read(place, left.html_chars, max(left_shown_chars, 0))
        one = _Reading(text, " ".join(text.split()) if len(places) > 1 else text, html)
        if has_letters(text) and all(one.words != other.words for other in read):  # some send the same twice
            texts.append(text)
        left = Limits(left.text_chars - len(text), left.html_chars - len(place.html))
        left_shown_chars -= len(place.html)
        read.append(one)
    cut = len(read) < len(places) or left.text_chars < 0 or left_shown_chars < 0
    return "\n\n".join(texts), _shown(read), cut


def _shown(read: Sequence[_Reading]) -> str | None:
    """The HTML of all places, those that are plain among them, but for what is there in both."""
    in_html = {one.words for one in read if one.html is not None}
    if not in_html:
        return None
    return "\n".join(
        one.html if one.html is not None else _as_html(one.text)
        for one in read
        if one.html is not None or one.words not in in_html
    )


def _read(place: Place, most_chars: int, most_shown_chars: int) -> tuple[str, str | None]:
    """What is read in one place, its plain text unless that only says that there is HTML; and the HTML, if any."""
    plain = place.plain if has_letters(place.plain) else ""
    html = place.html[: max(most_chars, 0)]
    if not html.strip():
        return plain, None
    if plain and not _is_stub(plain, html):
        return plain, safe_html(place.html[:most_shown_chars])
    text, safe = rendered(html, most_shown_chars)
    return (text if has_letters(text) else plain), safe


def _is_stub(plain: str, html: str) -> bool:
    """Whether a short plain text leaves out what the HTML says, as "This mail needs HTML" does."""
    if len(plain.strip()) > LONGEST_STUB_CHARS:
        return False
    start = _BODY_TAG.search(html)
    begun = html[start.start() if start else 0 :][:STUB_HTML_CHARS]
    enough = STUB_TIMES * max(len(own_words(plain)), SHORTEST_STUB_CHARS)
    return words_at_most(begun) > enough and len(own_words(as_text(begun))) > enough
