# ruff: noqa: E501 - a table is read by its rows
"""What is read of a body: the part that its reader sees, in the letters that were meant.

Each group of rows says where its expectations are from: an RFC, a standard, or the programs that write so.
"""

from __future__ import annotations

import base64
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.email.flowed import unflowed
from tasks.email.reading import Mail, read

GERMAN = "Grüße aus Köln – schön."
CHINESE = "市政府星期一批准了新大桥的建设方案。"
LONG_CSS = "<style>" + ".a { color: red }\n" * 3_000 + "</style>"


def mail(
    body: str | bytes,
    kind: str = "text/plain; charset=utf-8",
    encoding: str = "8bit",
    subject: str = "s",
    more: str = "",
) -> bytes:
    head = f"From: Ann <a@example.net>\nSubject: {subject}\nContent-Type: {kind}\n{more}"
    raw = body if isinstance(body, bytes) else body.encode().replace(b"\n", b"\r\n")
    return head.replace("\n", "\r\n").encode() + f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + raw


def multi(kind: str, *parts: str, boundary: str = "BB") -> str:
    """A part with parts, as text."""
    inside = "".join(f"--{boundary}\n{one}\n" for one in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inside}--{boundary}--\n'


def part(text: str, kind: str = "plain", more: str = "", params: str = "") -> str:
    return f"Content-Type: text/{kind}; charset=utf-8{params}\n{more}\n{text}"


def html(text: str, more: str = "", params: str = "") -> str:
    return part(f"<p>{text}</p>", "html", more, params)


def of(tree: str) -> Mail:
    return read(f"From: a@example.net\nSubject: s\n{tree}".replace("\n", "\r\n").encode())


IMAGE = "Content-Type: image/png\nContent-ID: <logo>\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo="
PDF = 'Content-Type: application/pdf; name="a.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERi0='
ATTACHED = 'Content-Disposition: attachment; filename="{}"\n'
INLINE = 'Content-Disposition: inline; filename="{}"\n'
FOOTER = part("____\nlist mailing list")
AMP = "Content-Type: text/x-amp-html; charset=utf-8\n\n<html amp4email>AMP</html>"

#: What is sent, what is read of it (in this order), what is not, and the names of its files.
PLACES: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    # RFC 2046, 5.1.3: mixed is read one after the other
    "HTML and a list's footer (Mailman)": (multi("mixed", html("Body"), FOOTER), ["Body", "list mailing"], [], []),
    "text and a footer of HTML (Exchange)": (multi("mixed", part("Body"), html("Foot")), ["Body", "Foot"], [], []),
    "alternatives and a footer": (
        multi("mixed", multi("alternative", part("Body"), html("Body"), boundary="AA"), FOOTER),
        ["Body", "list mailing"], ["Body\n\nBody"], [],
    ),
    "only HTML alternatives and a footer": (
        multi("mixed", multi("alternative", part("\u00a0"), html("Body"), boundary="AA"), FOOTER),
        ["Body", "list mailing"], [], [],
    ),
    "text round an image (Apple Mail)": (multi("mixed", part("One"), IMAGE, part("Two")), ["One", "Two"], [], ["unnamed.png"]),
    "HTML round a file (Apple Mail)": (
        multi("alternative", part("One\n\nTwo"), multi("mixed", html("One"), PDF, html("Two"), boundary="AA")),
        ["One", "Two"], ["Two\n\nOne"], ["a.pdf"],
    ),
    "HTML in two pieces and no text": (multi("mixed", html("One"), PDF, html("Two")), ["One", "Two"], [], ["a.pdf"]),
    "the same twice, as if mixed": (multi("mixed", part("Same words"), html("Same words")), ["Same words"], ["Same words\n\nSame"], []),
    "an unknown kind of container": (multi("x-own", part("One"), part("Two")), ["One", "Two"], [], []),
    "a signed mail": (
        multi("signed", part("Body"), "Content-Type: application/pgp-signature\n\nxx"), ["Body"], ["xx"], ["unnamed.pgp-signature"],
    ),
    "a report (RFC 3462)": (
        multi("report", part("It bounced."), "Content-Type: message/delivery-status\n\nAction: failed\n",
              "Content-Type: message/rfc822\n\nSubject: mine\n\nMy own words"),
        ["It bounced."], ["My own words"], ["unnamed.delivery-status", "mine.eml"],
    ),
    # RFC 2046, 5.1.4: of alternatives one is read
    "alternatives": (multi("alternative", part("Plain"), html("Rich")), ["Plain"], ["Rich"], []),
    "alternatives the wrong way round": (multi("alternative", html("Rich"), part("Plain")), ["Plain"], ["Rich"], []),
    "an alternative of nothing that shows": (multi("alternative", part("\u00a0\u200b \u034f\u2007\ufeff"), html("Rich")), ["Rich"], [], []),
    "an alternative of soft hyphens": (multi("alternative", part("\u00ad\u200c\u200d\u2800\u3164"), html("Rich")), ["Rich"], [], []),
    "an empty alternative": (multi("alternative", part(""), html("Rich")), ["Rich"], [], []),
    "a plain text that says there is HTML": (
        multi("alternative", part("Your mail program does not show HTML."), html("The meeting is on Friday. " * 20)),
        ["on Friday"], ["does not show"], [],
    ),
    "a short text and a short HTML": (multi("alternative", part("Yes."), html("Yes.")), ["Yes."], ["Yes.\n\nYes."], []),
    "an AMP between them": (multi("alternative", part("Plain"), AMP, html("Rich")), ["Plain"], ["AMP"], ["unnamed.x-amp-html"]),
    "an invitation": (
        multi("alternative", part("Come"), html("Come"), "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"),
        ["Come"], ["VCALENDAR"], ["unnamed.calendar"],
    ),
    "alternatives with names (SAP)": (
        multi("alternative", part("Plain", params="; name=a.txt"), html("Rich", params="; name=a.htm")), ["Plain"], ["Rich"], [],
    ),
    # RFC 2387: of what is related the first, or the one that is named, is read
    "HTML and its images": (multi("related", html("Body"), IMAGE), ["Body"], [], ["unnamed.png"]),
    "alternatives and images (Outlook)": (
        multi("related", multi("alternative", part("Plain"), html("Rich"), boundary="AA"), IMAGE), ["Plain"], ["Rich"], ["unnamed.png"],
    ),
    "the image first": (multi("related", IMAGE, html("Body")), ["Body"], [], ["unnamed.png"]),
    "the root by its id": (
        f'Content-Type: multipart/related; boundary=BB; start="<r>"\n\n--BB\n{IMAGE}\n--BB\n{html("Body", "Content-ID: <r>" + chr(10))}\n--BB--\n',
        ["Body"], [], ["unnamed.png"],
    ),
    "a footer put into it": (multi("related", html("Body"), IMAGE, FOOTER), ["Body", "list mailing"], [], ["unnamed.png"]),
    # RFC 2183: a name makes a file of it where there is something else to read
    "the only text has a name": (part("Body", params='; name="message.txt"'), ["Body"], [], []),
    "the only HTML is inline with a name (SAP)": (
        multi("mixed", html("Body", INLINE.format("web.htm")), IMAGE), ["Body"], [], ["unnamed.png"],
    ),
    "a text and a log": (multi("mixed", part("Body"), part("log", params="; name=a.log")), ["Body"], ["log"], ["a.log"]),
    "a text and an inline file": (multi("mixed", part("Body"), part("log", "plain", INLINE.format("a.txt"))), ["Body"], ["log"], ["a.txt"]),
    "an attachment and nothing else": (multi("mixed", part("log", "plain", ATTACHED.format("a.txt"))), [], ["log"], ["a.txt"]),
    "a named body and a footer": (multi("mixed", part("Body", params="; name=b.txt"), FOOTER), ["Body", "list mailing"], [], []),
    "a body that calls itself an attachment": (
        multi("mixed", part("Body", "plain", "Content-Disposition: attachment\n"), PDF), ["Body"], [], ["unnamed.plain", "a.pdf"],
    ),
    "a whole mail that calls itself one": (part("Body", "plain", ATTACHED.format("a.txt")), ["Body"], [], ["a.txt"]),
    "inline without a name": (multi("mixed", part("Body", "plain", "Content-Disposition: inline\n"), PDF), ["Body"], [], ["a.pdf"]),
    "a page attached": (multi("mixed", part("Body"), html("page", ATTACHED.format("p.html"))), ["Body"], ["page"], ["p.html"]),
    # other kinds of text
    "Markdown": ("Content-Type: text/markdown\n\n# Title", ["# Title"], [], []),
    "enriched (RFC 1896)": ("Content-Type: text/enriched\n\n<bold>Now</bold> 1 << 2", ["Now 1 < 2"], ["bold"], []),
    "enriched, with what marks are about": (
        "Content-Type: text/enriched\n\n<color><param>red</param>One</color>\nline.\n\nNext.\n<nofill>a\nb</nofill>", ["One line.\nNext. a\nb"], ["red"], [],
    ),
    "rich (RFC 1341)": ("Content-Type: text/richtext\n\n<bold>Hi</bold><nl>you\n<lt>x><comment>no</comment>", ["Hi\nyou <x>"], ["no"], []),
    "no type at all": ("\nBody", ["Body"], [], []),
    "a type that is none": ("Content-Type: text\n\nBody", ["Body"], [], []),
    "a card": (multi("mixed", part("Body"), "Content-Type: text/vcard\n\nBEGIN:VCARD"), ["Body"], ["VCARD"], ["unnamed.vcard"]),
    # types as careless programs write them
    "a type with a comment": ("Content-Type: text/plain (plain) ; charset=utf-8\n\nBody", ["Body"], [], []),
    "a type twice in one header": ("Content-Type: text/html text/html; charset=utf-8\n\n<p>Body</p>", ["Body"], ["<p>"], []),
    "a type without a semicolon": ("Content-Type: text/html charset=utf-8\n\n<p>Body</p>", ["Body"], ["<p>"], []),
    "a type in quotes": ('Content-Type: "text/html"; charset=utf-8\n\n<p>Body</p>', ["Body"], ["<p>"], []),
    "half a type": ("Content-Type: html\n\n<p>Body</p>", ["Body"], ["<p>"], []),
    # headers that a strict parser ends early
    "a blank before the colon": ("Content-Type : text/html; charset=utf-8\n\n<p>Body</p>", ["Body"], ["Content-Type", "<p>"], []),
    "a line that was cut without a blank": ("X-Long: one\ntwo three\nContent-Type: text/html\n\n<p>Body</p>", ["Body"], ["two", "<p>"], []),
    "text right below the header": ("Hello there: this is\nno header", ["Hello there: this is", "no header"], [], []),
    # nodemailer/mailparser 165, jstedfast/MimeKit 505
    "a text and alternatives of a signature": (
        multi("mixed", part("Body"), multi("alternative", part("Ann"), html("Ann"), boundary="AA")), ["Body", "Ann"], ["Ann\n\nAnn"], [],
    ),
    "nothing, a file and HTML": (multi("mixed", part(""), PDF, html("Body")), ["Body"], [], ["a.pdf"]),
    "a boundary that begins another": (
        multi("mixed", multi("alternative", part("Plain"), html("Rich"), boundary="BB1"), FOOTER), ["Plain", "list mailing"], ["Rich"], [],
    ),
    # boundaries that are missing, or are others
    "no boundary": ("Content-Type: multipart/mixed\n\n--XX\nContent-Type: text/plain\n\nHello there.\n--XX--\n", ["Hello there."], ["XX"], []),
    "another boundary": (multi("mixed", part("Hello"), PDF).replace('"BB"', '"CC"'), ["Hello"], ["BB"], ["a.pdf"]),
    "no boundary, alternatives": (
        multi("alternative", part("Plain"), html("Rich")).replace('; boundary="BB"', ""), ["Plain"], ["Rich", "BB"], [],
    ),
    "no boundary and text": ("Content-Type: multipart/mixed\n\nHello there.\n-- \nAnn", ["Hello there.", "Ann"], [], []),
    "no boundary and HTML": ("Content-Type: multipart/alternative\n\n<html><body><p>Hello</p>", ["Hello"], ["<p>"], []),
    "an empty boundary": ('Content-Type: multipart/mixed; boundary=""\n\n--=_1\nContent-Type: text/plain\n\nHello\n--=_1--', ["Hello"], ["=_1"], []),
    "never ended": (multi("mixed", part("Hello")).replace("--BB--", ""), ["Hello"], ["BB"], []),
    "inside another": (
        multi("mixed", multi("alternative", part("Plain"), html("Rich"), boundary="AA").replace('"AA"', '"ZZ"'), PDF),
        ["Plain"], ["Rich", "AA"], ["a.pdf"],
    ),
    "a text between hyphens": ("Content-Type: multipart/mixed\n\n--Hello\nAnn--\n", ["--Hello", "Ann--"], [], []),
    # enclosed mails: shown below by Thunderbird and Apple Mail, unless they are attached
    "an enclosed mail": (
        multi("mixed", part("See below"), "Content-Type: message/rfc822\n\nFrom: Bob <b@example.net>\nSubject: Bridge\n\nIt was approved."),
        ["See below", "Forwarded message", "From: Bob <b@example.net>", "Subject: Bridge", "It was approved."], [], ["Bridge.eml"],
    ),
    "an attached mail": (
        multi("mixed", part("See it"), "Content-Type: message/rfc822\nContent-Disposition: attachment\n\nSubject: Bridge\n\nIt was approved."),
        ["See it"], ["approved"], ["Bridge.eml"],
    ),
    "a digest (RFC 2046, 5.1.5)": (
        multi("digest", "\nSubject: One\n\nFirst text", "\nSubject: Two\n\nSecond text"),
        ["Subject: One", "First text", "Subject: Two", "Second text"], [], ["One.eml", "Two.eml"],
    ),
    "an enclosed mail in base64": (
        multi("mixed", part("See"), "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
              + base64.b64encode(b"Subject: Bridge\r\n\r\nIt was approved.").decode()),
        ["See", "It was approved."], [], ["message.eml"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tree", "wanted", "unwanted", "files"), PLACES.values(), ids=PLACES)
def test_the_text_is_chosen_place_by_place(tree: str, wanted: list[str], unwanted: list[str], files: list[str]) -> None:
    found = of(tree)
    at = 0
    for piece in wanted:
        at = found.text.find(piece, at)
        assert at >= 0, (piece, found.text)
    assert not [one for one in unwanted if one in found.text], found.text
    assert [one.name for one in found.attachments] == files


ABOVE = {
    "of a mail box": "From a@example.net Mon Dec  1 10:00:00 2025\n",
    "of a mail box, marked": ">From a@example.net Mon Dec  1 10:00:00 2025\n",
    "empty lines": "\n \n",
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE)
def test_what_stands_above_a_header_does_not_end_it(above: str) -> None:
    found = read(f"{above}From: a@example.net\nSubject: s\nContent-Type: text/html\n\n<p>Body</p>".encode())
    assert (found.subject, found.text) == ("s", "Body")


def test_html_shows_the_places_that_are_plain_too() -> None:
    shown = of(multi("mixed", html("Body"), part("1 < 2\nlist"))).html
    assert shown is not None and "Body" in shown and "1 &lt; 2<br>list" in shown


def test_an_attached_mail_is_kept_beside_the_text() -> None:
    assert "approved" in of(PLACES["an attached mail"][0]).enclosed


# --- HTML

HIDDEN = {
    "display": '<div style="display:none">HIDDEN</div>',
    "display, in capitals": '<div style="DISPLAY: NONE !important">HIDDEN</div>',
    "a preview (Mailchimp)": '<span style="display:none !important;visibility:hidden;mso-hide:all;font-size:1px">HIDDEN</span>',
    "a preview (MJML)": '<div style="display:none;font-size:1px;line-height:1px;max-height:0px;opacity:0;overflow:hidden;">HIDDEN</div>',
    "visibility": '<p style="visibility: hidden">HIDDEN</p>',
    "the attribute": "<p hidden>HIDDEN</p>",
    "the attribute with a value": '<p hidden="until-found">HIDDEN</p>',
    "no height": '<div style="max-height:0;overflow:hidden">HIDDEN</div>',
    "no width": '<div style="width:0px; overflow: hidden">HIDDEN</div>',
    "opacity": '<div style="opacity:0.0">HIDDEN</div>',
    "letters of no size": '<span style="font-size:0">HIDDEN</span>',
    "letters of no points": '<span style="font-size: 0.0pt;">HIDDEN</span>',
    "within what is hidden": '<div style="display:none"><p style="display:block">HIDDEN</p></div>',
    "a class": "<style>.pre { display: none }</style><div class='a pre'>HIDDEN</div>",
    "a class of an element": "<style>p, div.pre { display:none !important }</style><div class=pre>HIDDEN</div>",
    "an id": "<style>/* x */ #pre{visibility:hidden}</style><div id=pre>HIDDEN</div>",
    "a comment": "<!-- HIDDEN -->",
    "for Outlook alone": "<!--[if mso]><p>HIDDEN</p><![endif]-->",
    "a script": "<script>HIDDEN</script>",
    "a style": "<style>.HIDDEN {}</style>",
    "a title": "<head><title>HIDDEN</title></head>",
    "a template": "<template><p>HIDDEN</p></template>",
    "a table": '<table style="display:none"><tr><td>HIDDEN</td></tr></table>',
    # for those who hear a page (Bootstrap's sr-only), and as templates of newsletters write it
    "beside the screen": '<div style="position:absolute;left:-9999px">HIDDEN</div>',
    "indented away": '<p style="text-indent:-9999px">HIDDEN</p>',
    "a box of one pixel": '<span style="position:absolute;width:1px;height:1px;overflow:hidden">HIDDEN</span>',
    "clipped": '<span style="position: absolute; clip: rect(0, 0, 0, 0)">HIDDEN</span>',
    "clipped by a path": '<span style="clip-path:inset(100%)">HIDDEN</span>',
    "shrunk": '<span style="transform:scale(0)">HIDDEN</span>',
    "transparent": '<span style="color:transparent">HIDDEN</span>',
    "hardly any opacity": '<p style="opacity:.01">HIDDEN</p>',
    "letters of a pixel": '<span style="font-size:1px;color:#fff">HIDDEN</span>',
    "no height, overflowing sidewards": '<div style="max-height:0;overflow-y:hidden">HIDDEN</div>',
    "behind a comment in a style": '<p style="/* x */display:none">HIDDEN</p>',
    "a sheet for screens": "<style>@media screen{.a{display:none}}</style><div class=a>HIDDEN</div>",
    "a sheet that imports": "<style>@import url(x.css);.a{display:none}</style><div class=a>HIDDEN</div>",
    "an attribute": '<style>div[class="a"]{display:none}</style><div class=a>HIDDEN</div>',
    "behind its parents": "<style>table td .a, body > .a{display:none}</style><div class=a>HIDDEN</div>",
    "two classes": "<style>*.a.b{display:none}</style><div class='b a'>HIDDEN</div>",
    "for the dark alone": "<style>.d{display:none}@media (prefers-color-scheme:dark){.d{display:block}}</style><p class=d>HIDDEN</p>",
}
VISIBLE = {
    "letters of no size round others": '<td style="font-size:0"><div style="font-size:14px">SHOWN</div></td>',
    "display at last": '<div style="display:none;display:block">SHOWN</div>',
    "a class that its element overrules": "<style>.a{display:none}</style><div class=a style='display:block'>SHOWN</div>",
    "a class that a later rule shows": "<style>.a{display:none} .a{display:block}</style><div class=a>SHOWN</div>",
    "a class that is hidden on phones": "<style>@media (max-width:600px){.a{display:none}}</style><div class=a>SHOWN</div>",
    "another class": "<style>.b{display:none}</style><div class=a>SHOWN</div>",
    "no height that overflows": '<div style="height:0">SHOWN</div>',
    "behind what is hidden": '<b style="display:none">x</b>SHOWN',
    "not for Outlook": "<!--[if !mso]><!-->SHOWN<!--<![endif]-->",
    "half seen": '<div style="opacity:0.5">SHOWN</div>',
    "the body": '<body style="font-size:0">SHOWN',
    "letters of ten": '<p style="font-size:10px">SHOWN</p>',
    "letters of one": '<p style="font-size:1em">SHOWN</p>',
    "one of two classes": "<style>.a.b{display:none}</style><div class=a>SHOWN</div>",
    "within a class that is not there": "<style>.phone .a{display:none}</style><div class=a>SHOWN</div>",
    "a class of two that shows": "<style>.a{display:none}.a.b{display:block}</style><div class='a b'>SHOWN</div>",
    "hidden on paper": "<style>@media print{.a{display:none}}</style><div class=a>SHOWN</div>",
    "hidden in the dark": "<style>@media (prefers-color-scheme:dark){.a{display:none}}</style><div class=a>SHOWN</div>",
    "letters cut out of a background": '<b style="color:transparent;-webkit-background-clip:text">SHOWN</b>',
    "moved a little": '<div style="position:absolute;left:-9px">SHOWN</div>',
    "behind the end": "</body></html>SHOWN",
    "in a page of its own": "</body></html><html><body>SHOWN</body></html>",  # notices of Exchange
}

SAID = {
    "a power": ("10<sup>5</sup> rows", "10⁵ rows"),
    "a formula": ("H<sub>2</sub>O", "H₂O"),
    "a power with a point": ("10<sup>2.5</sup>", "10^2.5"),
    "an ordinal": ("the 4<sup>th</sup>", "the 4th"),
    "a footnote": ("so<sup><a href='#1'>1</a></sup>", "so¹"),
    "struck out": ("on <s>Monday </s>Friday", "on ~~Monday~~ Friday"),
    "struck out by hand": ("<del>10 <b>11</b></del> 12", "~~10 11~~ 12"),
    "nothing struck out": ("a<s> </s>b", "a b"),
    "numbers that go on": ("<ol start=3><li>c</li><li>d</li></ol>", "3. c\n 4. d"),
    "numbers of their own": ("<ol><li value=5>c</li><li>d</li></ol>", "5. c\n 6. d"),
    "what explains HTML": ("Write &amp;lt;b&amp;gt; and &amp;amp; for &lt;b&gt;", "Write &lt;b&gt; and &amp; for <b>"),
    "a word in pieces": ("<p>Wed<span>nes</span>day, <span>Ann</span><span>!</span></p>", "Wednesday, Ann!"),
    "boxes in each other": ("<div>a<div>b<div>c</div></div></div>", "a\nb\nc"),
    "a mail of pictures": ("<img src=cid:a alt='Your code is 1234'>", "[Your code is 1234]"),
    "a picture beside words": ("<img src=cid:a alt=Logo>Hello", "Hello"),
    "ruby": ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", "漢(かん)字"),
}


@pytest.mark.parametrize(("shown", "text"), SAID.values(), ids=SAID)
def test_what_html_says_by_its_looks_is_said(shown: str, text: str) -> None:
    assert read(mail(shown, "text/html; charset=utf-8")).text == text


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_what_html_hides_is_not_read(text: str) -> None:
    found = read(mail(f"<html><body>{text}<p>Body</p></body></html>", "text/html; charset=utf-8"))
    assert "Body" in found.text and "HIDDEN" not in found.text
    assert found.html is not None and "Body" in found.html and "HIDDEN" not in found.html


@pytest.mark.parametrize("text", VISIBLE.values(), ids=VISIBLE)
def test_what_html_shows_is_read(text: str) -> None:
    found = read(mail(f"<html><table>{text}</table></html>", "text/html; charset=utf-8"))
    assert "SHOWN" in found.text and found.html is not None and "SHOWN" in found.html


# --- transfer encodings

ENCODED = base64.encodebytes(GERMAN.encode() * 10)
TRANSFERS: dict[str, tuple[bytes, str, list[str], list[str]]] = {
    # base64 as it arrives: RFC 2045 says to ignore what does not belong to it; lists add footers to what they do not read
    "whole": (ENCODED, "base64", [GERMAN * 10], []),
    "broken off": (base64.b64encode(GERMAN.encode())[:-3], "base64", ["Grüße aus"], []),
    "one letter too many": (base64.b64encode(b"Hello there") + b"A", "base64", ["Hello there"], []),
    "without its padding": (base64.b64encode(b"Hello").rstrip(b"="), "base64", ["Hello"], []),
    "with too much of it": (base64.b64encode(b"Hello") + b"====", "base64", ["Hello"], []),
    "in pieces with padding each": (
        base64.b64encode(b"Hello") + b"\r\n" + base64.b64encode(b" there"),
        "base64",
        ["Hello there"],
        [],
    ),
    "a letter that got in": (ENCODED[:30] + b"!" + ENCODED[30:], "base64", [GERMAN * 10], []),
    "for addresses of the web": (base64.urlsafe_b64encode("ÿþ¿ Grüße".encode()), "base64", ["ÿþ¿ Grüße"], []),
    "all on one line": (base64.b64encode(GERMAN.encode() * 100), "base64", [GERMAN * 100], []),
    "spaces at the ends of lines": (ENCODED.replace(b"\n", b"  \r\n"), "base64", [GERMAN * 10], []),
    "a footer below": (
        ENCODED + b"____________\r\nlist mailing list\r\n",
        "base64",
        [GERMAN * 10, "list mailing list"],
        ["\ufffd"],
    ),
    "a footer of one word": (
        ENCODED + b"\r\nUnsubscribe: here\r\n",
        "base64",
        [GERMAN * 10, "Unsubscribe: here"],
        ["\ufffd"],
    ),
    "not base64 at all": (
        b"Hello there, this is plain text.\r\nAnn",
        "base64",
        ["Hello there, this is plain text.", "Ann"],
        [],
    ),
    "not base64, one word": (b"Hello\r\nthere is text below.", "base64", ["Hello", "there is text below."], []),
    "in capitals": (base64.b64encode(b"Hello"), "BASE64", ["Hello"], []),
    "with a space": (base64.b64encode(b"Hello"), "base64 ", ["Hello"], []),
    "in quotes": (base64.b64encode(b"Hello"), '"base64"', ["Hello"], []),
    "with a semicolon": (base64.b64encode(b"Hello"), "base64;", ["Hello"], []),
    # quoted-printable
    "quoted": (b"Gr=C3=BC=C3=9Fe", "quoted-printable", ["Grüße"], []),
    "quoted in small letters": (b"Gr=c3=bc=c3=9fe", "quoted-printable", ["Grüße"], []),
    "a line cut softly": (b"one =\r\ntwo", "quoted-printable", ["one two"], []),
    "an equals sign of its own": (b"a = b, c=d, 1=ZZ", "Quoted-Printable", ["a = b, c=d, 1=ZZ"], []),
    "bytes that were not quoted": ("Grüße =C3=BC".encode(), "quoted-printable", ["Grüße ü"], []),
    "cut inside": (b"Gr=C3=BC=C3=9", "quoted-printable", ["Grü"], []),
    "a line cut softly, and blanks added": (b"one =  \r\ntwo", "quoted-printable", ["one two"], []),
    "with a comment": (base64.b64encode(b"Hello there"), "base64 (as ever)", ["Hello there"], []),
    "with an underscore": (b"Gr=C3=BC=C3=9Fe", "quoted_printable", ["Grüße"], []),
    # others
    "an unknown encoding": (b"Hello", "x-own", ["Hello"], []),
    "8 bits named 7": (GERMAN.encode(), "7bit", [GERMAN], []),
    "the charset in its stead": (GERMAN.encode(), "utf-8", [GERMAN], []),
    "uuencoded": (b"begin 644 a\r\n%:&5L;&\\\r\n`\r\nend\r\n", "x-uuencode", ["hello"], []),
    "uuencoded wrongly": (b"begin\r\nnothing\r\n", "uuencode", ["nothing"], []),
    "empty base64": (b"", "base64", [], ["\ufffd"]),
}


@pytest.mark.parametrize(("content", "encoding", "wanted", "unwanted"), TRANSFERS.values(), ids=TRANSFERS)
def test_a_broken_encoding_gives_what_is_left(
    content: bytes, encoding: str, wanted: list[str], unwanted: list[str]
) -> None:
    text = read(mail(content, encoding=encoding)).text
    assert all(one in text for one in wanted), text
    assert not any(one in text for one in unwanted), text


# --- charsets

HTML_1251 = "<html><head>{}</head><body>Привет</body></html>"
CHARSETS: dict[str, tuple[bytes, str, str]] = {
    # labels by the encoding standard
    "gb2312": ("朱镕基先生您好。".encode("gbk"), "text/plain; charset=gb2312", "朱镕基先生您好。"),
    "x-gbk": ("镕".encode("gbk"), "text/plain; charset=x-gbk", "镕"),
    "chinese": ("镕基".encode("gbk"), "text/plain; charset=chinese", "镕基"),
    "gbk with four bytes": ("𠮷野家".encode("gb18030"), "text/plain; charset=GBK", "𠮷野家"),
    "iso-8859-1": (b"it\x92s \x93quoted\x94 \x80", "text/plain; charset=iso-8859-1", "it’s “quoted” €"),
    "ISO_8859-1:1987": (b"it\x92s", "text/plain; charset=ISO_8859-1:1987", "it’s"),
    "ascii that is not": (b"it\x92s", "text/plain; charset=us-ascii", "it’s"),
    "ascii that is UTF-8": (GERMAN.encode(), "text/plain; charset=us-ascii", GERMAN),
    "iso-8859-9": ("İş 5 €".encode("cp1254"), "text/plain; charset=iso-8859-9", "İş 5 €"),
    "iso-8859-8-i": ("שלום עולם".encode("iso8859-8"), "text/plain; charset=iso-8859-8-i", "שלום עולם"),
    "iso-8859-8-e": ("שלום".encode("iso8859-8"), "text/plain; charset=iso-8859-8-e", "שלום"),
    "iso-8859-6-i": ("سلام".encode("iso8859-6"), "text/plain; charset=iso-8859-6-i", "سلام"),
    "iso-8859-11": ("สวัสดี".encode("cp874"), "text/plain; charset=iso-8859-11", "สวัสดี"),
    "shift_jis": ("会議は金曜日です①。".encode("cp932"), "text/plain; charset=shift_jis", "会議は金曜日です①。"),
    "sjis": ("～①髙".encode("cp932"), "text/plain; charset=sjis", "～①髙"),
    "euc-jp with NEC's row": (b"\xad\xa1", "text/plain; charset=euc-jp", "①"),
    "iso-2022-jp with NEC's row": (b"\x1b$B-!\x1b(B", "text/plain; charset=iso-2022-jp", "①"),
    "iso-2022-jp, half wide": (b"\x1b(I1\x1b(B", "text/plain; charset=iso-2022-jp", "ｱ"),
    "ks_c_5601-1987": ("똠방각하".encode("cp949"), "text/plain; charset=ks_c_5601-1987", "똠방각하"),
    "ksc5601": ("뷁".encode("cp949"), "text/plain; charset=ksc5601", "뷁"),
    "big5": ("碁銹".encode("cp950"), "text/plain; charset=big5", "碁銹"),
    "cp-850": ("Grüße".encode("cp850"), "text/plain; charset=cp-850", "Grüße"),
    "ibm437": ("Grüße".encode("cp437"), "text/plain; charset=ibm437", "Grüße"),
    "windows1252 in one word": (b"\x93so\x94", "text/plain; charset=windows1252", "“so”"),
    "cp-1251": ("Привет".encode("cp1251"), "text/plain; charset=cp-1251", "Привет"),
    "koi8-u": ("Привіт".encode("koi8-u"), "text/plain; charset=koi8-u", "Привіт"),
    "x-mac-roman": ("Grüße".encode("mac-roman"), "text/plain; charset=x-mac-roman", "Grüße"),
    "utf8": (GERMAN.encode(), "text/plain; charset=utf8", GERMAN),
    "utf-7 (RFC 2152)": ("Grüße".encode("utf-7"), "text/plain; charset=utf-7", "Grüße"),
    "hz (RFC 1843)": ("你好".encode("hz"), "text/plain; charset=hz-gb-2312", "你好"),
    "a mark": (b"\xef\xbb\xbf" + GERMAN.encode(), "text/plain; charset=iso-8859-1", GERMAN),
    "utf-16 with a mark": ("Grüße".encode("utf-16"), "text/plain; charset=utf-16", "Grüße"),
    # what says nothing, or what is not so
    "quotes left over": (GERMAN.encode(), "text/plain; charset=\"utf-8'", GERMAN),
    "a name that is none": (GERMAN.encode(), "text/plain; charset=x-unknown", GERMAN),
    "the default": (GERMAN.encode(), "text/plain; charset=_autodetect_all", GERMAN),
    "UTF-8 that nobody names": (CHINESE.encode(), "text/plain", CHINESE),
    "one byte that is not UTF-8": (GERMAN.encode() + b" \xff " + GERMAN.encode(), "text/plain; charset=utf-8", f"{GERMAN} \ufffd {GERMAN}"),
    "a few that are not, unnamed": (CHINESE.encode() * 20 + b"\xff" + GERMAN.encode(), "text/plain", CHINESE * 20 + "\ufffd" + GERMAN),
    "one that is not GBK": ("朱镕基".encode("gbk") + b"\xff" + "先生".encode("gbk"), "text/plain; charset=gbk", "朱镕基\ufffd先生"),
    "UTF-8 that is not": (b"Gr\xfc\xdfe", "text/plain; charset=utf-8", "Grüße"),
    "no codec for texts": (GERMAN.encode(), "text/plain; charset=rot13", GERMAN),
    "no codec for mails": (GERMAN.encode(), "text/plain; charset=idna", GERMAN),
    # HTML that says it itself
    "a meta": (HTML_1251.format('<meta charset="windows-1251">').encode("cp1251"), "text/html", "Привет"),
    "a meta of old": (
        HTML_1251.format('<META http-equiv=Content-Type content="text/html; charset=windows-1251">').encode("cp1251"), "text/html", "Привет",
    ),
    "a meta of gb2312": ("<meta charset=gb2312><p>镕基".encode("gbk"), "text/html", "镕基"),
    "a meta behind long styles": (
        f"<head>{LONG_CSS}<meta charset=koi8-r></head>Привет".encode("koi8-r"), "text/html", "Привет",
    ),
    "a meta and a label": ("<meta charset=koi8-r><p>Привет".encode("cp1251"), "text/html; charset=windows-1251", "Привет"),
    "a meta and ascii": ("<meta charset=koi8-r><p>Привет".encode("koi8-r"), "text/html; charset=us-ascii", "Привет"),
    "a meta and an unknown label": ("<meta charset=koi8-r><p>Привет".encode("koi8-r"), "text/html; charset=none", "Привет"),
    "a meta of utf-16": ("<meta charset=utf-16><p>Grüße".encode(), "text/html", "Grüße"),
    "a mark and a meta": (b"\xef\xbb\xbf" + "<meta charset=koi8-r><p>Grüße".encode(), "text/html", "Grüße"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "text"), CHARSETS.values(), ids=CHARSETS)
@pytest.mark.parametrize("encoding", ["8bit", "base64"])
def test_letters_are_those_that_were_meant(content: bytes, kind: str, text: str, encoding: str) -> None:
    sent = base64.encodebytes(content) if encoding == "base64" else content
    assert read(mail(sent, kind, encoding)).text.strip() == text


# --- flowed

FLOWED = {
    # RFC 3676
    "a paragraph": (
        "This is a very long \nline of one paragraph.\n",
        False,
        "This is a very long line of one paragraph.\n",
    ),
    "two paragraphs": ("one \ntwo\nthree \nfour", False, "one two\nthree four"),
    "an empty line between": ("one \ntwo\n\nthree", False, "one two\n\nthree"),
    "a space that is stuffed": (" From here\n  two", False, "From here\n two"),
    "a quote": ("> one \n> two\nthree", False, "> one two\nthree"),
    "quotes in each other": (">> one \n>> two\n> three", False, ">> one two\n> three"),
    "a quote that flows into none": ("> one \ntwo", False, "> one \ntwo"),
    "a stuffed sign that is no quote": (" > one", False, "> one"),
    "a signature": ("one\n-- \nAnn", False, "one\n-- \nAnn"),
    "a signature behind a flowing line": ("one \n-- \nAnn", False, "one \n-- \nAnn"),
    "a signature in a quote": ("> one\n> -- \n> Ann", False, "> one\n> -- \n> Ann"),
    "the last line flows": ("one ", False, "one "),
    "nothing": ("", False, ""),
    "a URL": ("https://example.org/a/very/lo \nng/path", True, "https://example.org/a/very/long/path"),
    "Chinese": ("市政府星期一 \n批准了新大桥 \n的建设方案。", True, "市政府星期一批准了新大桥的建设方案。"),
    "a space that is meant": ("one  \ntwo", True, "one two"),
    "Japanese in a quote": ("> 会議は \n> 金曜日", True, "> 会議は金曜日"),
    "a fixed line": ("one\ntwo", True, "one\ntwo"),
}


@pytest.mark.parametrize(("text", "deletes_space", "whole"), FLOWED.values(), ids=FLOWED)
def test_paragraphs_that_were_cut_for_terminals_are_whole(text: str, deletes_space: bool, whole: str) -> None:
    assert unflowed(text, deletes_space=deletes_space) == whole
    delsp = "; delsp=yes" if deletes_space else ""
    found = read(mail(text, f"text/plain; charset=utf-8; format=Flowed{delsp}"))
    assert found.text == whole


@given(st.text(alphabet="> -a\n", max_size=200))
def test_no_letter_is_lost_by_making_paragraphs_whole(text: str) -> None:
    assert unflowed(text, deletes_space=True).count("a") == text.count("a")


# --- beginnings of long mails

LISTED = {
    "Chinese in UTF-8": mail("xx" + CHINESE * 1500),
    "Chinese in UTF-8, one on": mail("xxx" + CHINESE * 1500),
    "Chinese in GBK": mail((CHINESE * 1500).encode("gbk"), "text/plain; charset=gb2312"),
    "Chinese in base64": mail(base64.encodebytes((CHINESE * 1500).encode()), encoding="base64"),
    "Chinese in HTML": mail(f"<p>{CHINESE * 1500}", "text/html; charset=utf-8"),
    "Chinese in quoted-printable": mail(
        "=\r\n".join("".join(f"={byte:02X}" for byte in CHINESE.encode()) for _ in range(500)).encode(),
        encoding="quoted-printable",
    ),
    "Chinese that nobody names": mail("x" + CHINESE * 1500, "text/plain"),
    "alternatives": f"From: a@example.net\n{multi('alternative', part(CHINESE * 1500), html(CHINESE * 1500))}".encode(),
}


@pytest.mark.parametrize("raw", LISTED.values(), ids=LISTED)
@pytest.mark.parametrize("size", [24 * 1024 + more for more in range(4)])
def test_the_beginning_of_a_long_mail_is_cut_between_characters(raw: bytes, size: int) -> None:
    assert len(raw) > size
    found = read(raw[:size], whole=False)
    assert CHINESE in found.snippet and "\ufffd" not in found.text and "å" not in found.text


def test_what_is_not_seen_fills_no_snippet() -> None:
    found = read(mail("Hello\u034f \u200c \u00ad \u200c\u00a0\u200c " * 50 + "there"))
    assert found.snippet.startswith("Hello") and "\u200c \u200c" not in found.snippet


# --- hostile

HOSTILE = {
    "opening brackets": mail(b"<" * 10_000_000, "text/html"),
    "closing brackets": mail(b">" * 10_000_000),
    "one letter": mail(b"a" * 10_000_000, "text/html"),
    "quotes": mail(b"> " * 5_000_000, "text/plain; format=flowed"),
    "lines that flow": mail(b"a \r\n" * 2_000_000, "text/plain; format=flowed; delsp=yes"),
    "blanks in selectors": mail(
        b"<style>.a{display:none} a" + b" " * 40_000 + b"b{display:none}</style><p class=a>x", "text/html"
    ),
    "digits in styles": mail(b'<p style="opacity:' + b"1" * 1_900 + b'">x' * 250, "text/html"),
    "raised": mail(b"<sup>1" * 1_600_000, "text/html"),
    "struck out": mail(b"<s>a</s>" * 1_200_000, "text/html"),
    "lines of no header": b"From: a@example.net\r\n" + b"x\r\n" * 1_900_000,
    "blanks before colons": (b"X : y\r\n" * 900_000),
    "soft breaks": mail(b"= " * 5_000_000, encoding="quoted-printable"),
    "lines of quoted headers": mail(b"From: a@example.net\r\nTo: b\r\n" * 300_000),
    "hidden boxes": mail(b"<p>x</p>" + b"<i hidden>x</i>y" * 500_000, "text/html"),
    "styles": mail(b"<style>" + b".a{display:none}" * 600_000 + b"</style><p class=a>x", "text/html"),
    "a style that opens": mail(b"<style>" + b"{" * 10_000_000, "text/html"),
    "a style of one letter": mail(b"<style>none" + b"a" * 10_000_000, "text/html"),
    "attributes": mail(b'<p style="' + b"a:b;" * 2_000_000 + b'">x', "text/html"),
    "equals signs in base64": mail(b"A=" * 5_000_000, encoding="base64"),
    "words in base64": mail(b"a b " * 2_500_000, encoding="base64"),
    "signs in base64": mail(b"!" * 10_000_000, encoding="base64"),
    "equals signs quoted": mail(b"=" * 10_000_000, encoding="quoted-printable"),
    "boundaries to guess": mail(b"--a\r\ncontent-type: multipart/mixed\r\n\r\n" * 200_000, "multipart/mixed"),
    "hyphens": mail(b"-" * 10_000_000, "multipart/mixed"),
    "lines of hyphens": mail(b"--a\r\n" * 1_900_000, "multipart/mixed"),
    "bytes that nobody names": mail(b"\xe4\xff" * 5_000_000, "text/plain"),
    "broken GBK": mail(b"\xff" * 10_000_000, "text/plain; charset=gbk"),
    "many pages": f"From: a@example.net\n{multi('mixed', *[html('<b>x</b>' * 3_000)] * 400)}".encode(),
    "mails in mails": b"Content-Type: message/rfc822\r\n\r\n" * 300 + b"\r\nx",
    "many mails": f"From: a@example.net\n{multi('digest', *[chr(10) + html('<b>x</b>' * 3_000)] * 400)}".encode(),
    "quotes in HTML": mail(b'<blockquote type="cite">x' * 100_000, "text/html"),
    "alternatives in each other": b"".join(
        b'Content-Type: multipart/alternative; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(200)
    )
    + b"\r\nx",
    "lines that may be above a quote": mail(b"On 1 2020 10:00 a@b\r\n" * 400_000),
    "lines that say who wrote": mail(b"On 1 2020 10:00 a@b wrote:\r\n" * 400_000),
    "one line that does": mail(b"on 1 wrote " * 900_000 + b":"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_body_keeps_the_reader_busy(name: str) -> None:
    began = time.monotonic()
    found = read(HOSTILE[name])
    assert len(found.snippet) <= 200 and len(found.text) <= 100_000
    assert time.monotonic() - began < 20  # not a timing: without a bound each would take minutes


def tree(kind: str, parts: list[str]) -> str:
    return multi(kind, *parts, boundary=f"b{zlib.crc32(repr(parts).encode())}")


LEAVES = [part("plain"), html("rich"), PDF, IMAGE, FOOTER, AMP, "\nbare", "Content-Type: message/rfc822\n\nS: x\n\ny"]
KINDS = ["mixed", "alternative", "related", "digest", "report", "signed"]
TREES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.builds(tree, st.sampled_from(KINDS), st.lists(inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_whatever_the_tree_a_text_in_it_is_read_or_a_file(sent: str) -> None:
    found = of(sent)
    assert found.text.strip() or found.attachments or "text/" not in sent.lower()
