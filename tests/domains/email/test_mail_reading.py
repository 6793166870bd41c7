"""Reading mails: what real programs write, what people who mean harm write, and CPython's own collection of both."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.email.html import safe_html
from tasks.email.reading import Mail, own_words, read

HEAD = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Hello\r\n"


def cpython_corpus() -> list[bytes]:
    """The messages that the standard library's own tests parse; in its source, and mostly installed with it."""
    try:
        import test.test_email as theirs
    except ImportError:
        return []
    folder = Path(theirs.__file__).parent / "data"
    return [path.read_bytes() for path in sorted(folder.glob("msg_*.txt"))]


def awkward() -> dict[str, bytes]:
    """One of each kind of trouble, each with a sound rest."""
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(100))
    mails = {
        "empty": b"",
        "only a newline": b"\r\n",
        "no header": b"\r\n\r\njust text",
        "no body": HEAD,
        "bare carriage returns": HEAD.replace(b"\r\n", b"\r") + b"\rtext",
        "null bytes": HEAD + b"\r\nte\x00xt\x00",
        "a lying charset": HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xfc\xdfe",
        "an unknown charset": HEAD + b"Content-Type: text/plain; charset=x-klingon\r\n\r\nqapla",
        "a charset with quotes": HEAD + b'Content-Type: text/plain; charset="utf-8\r\n\r\ntext',
        "utf-7": HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n+ADw-script+AD4-",
        "broken base64": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n!!!not*base64===",
        "broken quoted-printable": HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=4",
        "an unknown encoding": HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\nend\r\n",
        "a boundary that never comes": HEAD + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\ntext',
        "no boundary": HEAD + b"Content-Type: multipart/mixed\r\n\r\ntext",
        "an empty boundary": HEAD + b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\ntext',
        "a hundred levels": HEAD + deep + b"\r\ntext",
        "encoded words that are none": b"Subject: =?utf-8?b?!!!?= =?x?q?y?= =?utf-8?q?=ff=fe?=\r\n\r\ntext",
        "a header of a megabyte": b"Subject: " + b"a" * 1_000_000 + b"\r\n\r\ntext",
        "ten thousand recipients": b"To: "
        + b", ".join(b"u%d@example.org" % n for n in range(10_000))
        + b"\r\n\r\ntext",
        "an address that is none": b"From: <<>>,,;:@\r\nTo: undisclosed-recipients:;\r\n\r\ntext",
        "a date that is none": HEAD + b"Date: Tue, 99 Foo 2999 99:99:99 +9999\r\n\r\ntext",
        "8 bits in the header": "Subject: Grüße ünd €\r\n\r\ntext".encode(),
        "latin-1 in the header": b"Subject: Gr\xfc\xdfe\r\n\r\ntext",
        "surrogates": HEAD + b"\r\n\xed\xa0\x80\xed\xbf\xbf",
        "a bidi file name": HEAD + 'Content-Disposition: attachment; filename="a\u202efdp.exe"\r\n\r\nx'.encode(),
        "a path as file name": HEAD + b'Content-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nx',
        "a message in a message": HEAD + b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text",
        "a broken message in a message": HEAD
        + b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nx",
        "a calendar": HEAD + b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR",
        "folded oddly": b"Subject: a\r\n \r\n\t b\r\nFrom\r\n : x\r\n\r\ntext",
        "a Message-ID that is none": b"Message-ID: <a b> <>\r\nReferences: " + b"<x@y> " * 1_000 + b"\r\n\r\ntext",
    }
    for charset in (
        "utf-16",
        "utf-32",
        "shift_jis",
        "koi8-r",
        "gb18030",
        "iso-2022-jp",
        "big5",
        "cp037",
        "punycode",
        "idna",
    ):
        mails[f"in {charset}"] = (
            HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + b"\x80\xff text \x1b$B"
        )
    for kind in (
        "text/html",
        "text/enriched",
        "application/octet-stream",
        "image/png",
        "x/y/z",
        ";;;",
        "multipart/report",
    ):
        mails[f"as {kind}"] = HEAD + f"Content-Type: {kind}\r\n\r\n".encode() + b"<p>text</p>"
    for scheme in ("=?utf-8?q?=F0=9F=90=B9?=", "=?iso-8859-15?q?=A4?=", "=?utf-8?b?8J+QuQ==?=", "=?utf-8?q?=00?="):
        mails[f"subject {scheme}"] = f"Subject: {scheme}\r\n\r\ntext".encode()
    return mails


def enclosed(raw: bytes) -> bytes:
    """The same as a part of another mail."""
    return HEAD + b'Content-Type: multipart/mixed; boundary="own"\r\n\r\n--own\r\n' + raw + b"\r\n--own--\r\n"


CORPUS = [*cpython_corpus(), *awkward().values(), *map(enclosed, awkward().values())]


def hostile() -> dict[str, bytes]:
    """Mails that take a careless reader minutes or gigabytes, or end it."""
    html = HEAD + b"Content-Type: text/html\r\n\r\n"
    of = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return {
        "comments within comments": b"From: " + b"(" * 100_000 + b"\r\n\r\ntext",
        "groups within groups": b"From: " + b"a:" * 100_000 + b"\r\n\r\ntext",
        "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\r\n\r\ntext",
        "parameters": b"Content-Type: text/plain; " + b"a=b; " * 100_000 + b"\r\n\r\ntext",
        "punycode": HEAD
        + b"Content-Type: text/plain; charset=punycode\r\n\r\n"
        + b"a" * 500_000
        + b"-"
        + b"z9" * 500_000,
        "lists within lists": html + b"<ul><li>x" * 100_000,
        "boxes within boxes": html + b"<div>" * 300_000,
        "boxes hidden from a count": html + b"<div><!--</div>-->" * 100_000,
        "much text, far indented": html + b"<blockquote>" * 200 + b"x<br>" * 100_000,
        "parts": HEAD + of + b"--b\r\n\r\nx\r\n" * 2_000_000,
        "parts on few lines": HEAD + of + b"--b\n\nx\n" * 600_000,
        "headers": b"X: y\r\n" * 3_000_000 + b"\r\ntext",
        "empty lines": HEAD + b"\r\n" * 10_000_000,
    }


def test_there_are_a_hundred_awkward_mails() -> None:
    assert len(CORPUS) >= 100


@pytest.mark.parametrize("raw", CORPUS, ids=range(len(CORPUS)))
def test_every_one_is_read_whole_and_in_pieces_and_can_be_kept(raw: bytes) -> None:
    for piece in (raw, raw[: len(raw) // 2], raw[:200]):
        mail = read(piece)
        kept = "".join(
            [mail.subject, mail.text, mail.html or "", mail.snippet, *(one.name for one in mail.attachments)]
        )
        assert "\x00" not in kept
        kept.encode()
        own_words(mail.text)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=3_000), st.lists(st.sampled_from(sorted(awkward().values())), max_size=2))
def test_no_bytes_make_it_raise(some: bytes, pieces: list[bytes]) -> None:
    read(some)
    read(b"".join([*pieces, some]))


def test_headers_are_decoded_and_addresses_taken_apart() -> None:
    mail = read(
        b'From: =?utf-8?q?=C3=85sa_=C3=96?= <asa@example.org>\r\nTo: a@x.org, "B, C" <b@x.org>\r\n'
        b"Reply-To: list@x.org\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\nMessage-ID: <3@x>\r\n"
        b"References: <1@x>\r\n <2@x>\r\nIn-Reply-To: <2@x>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n\r\nHi"
    )
    assert (str(mail.sender), mail.subject) == ("Åsa Ö <asa@example.org>", "Grüße")
    assert [str(one) for one in mail.to] == ["a@x.org", "B, C <b@x.org>"]
    assert (mail.message_id, mail.references) == ("<3@x>", ("<1@x>", "<2@x>"))
    assert mail.sent_at is not None and mail.sent_at.isoformat() == "2026-11-23T09:00:00+00:00"


def alternative(plain: str, html: str) -> Mail:
    parts = "".join(
        f"--b\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{text}\r\n"
        for kind, text in (("plain", plain), ("html", html))
    )
    return read(HEAD + f'Content-Type: multipart/alternative; boundary="b"\r\n\r\n{parts}--b--\r\n'.encode())


def test_the_plain_text_is_taken_and_html_where_there_is_none() -> None:
    assert alternative("plain words", "<p>other</p>").text.strip() == "plain words"
    laid_out = alternative(" ", "<h1>Title</h1><p>Gr&uuml;&szlig;e<br>two</p><ul><li>one</li></ul>").text
    assert "Title" in laid_out and "Grüße\ntwo" in laid_out and "one" in laid_out


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<iframe src='https://evil.example'></iframe>",
        "<form action='https://evil.example'><input name=password></form>",
        "<style>@import 'https://evil.example'</style>",
        "<img src='https://evil.example/pixel.gif' srcset='https://evil.example/2x.gif 2x'>",
        "<div style='background:url(https://evil.example)'>x</div>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext></mtext><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
        "<base href='https://evil.example'>",
        "<meta http-equiv=refresh content='0;https://evil.example'>",
        "<link rel=stylesheet href='https://evil.example'>",
        "<video poster='https://evil.example'></video>",
        "<table background='https://evil.example'><tr><td>x</td></tr></table>",
    ],
)
def test_html_can_do_nothing_but_be_read(evil: str) -> None:
    shown = safe_html(f"<p>kept</p>{evil}")
    assert "kept" in shown
    for sign in ("script", "onerror", "javascript:", "evil.example", "<form", "<input", "<style", "style="):
        assert sign not in shown.lower()


def test_own_images_and_links_stay() -> None:
    shown = safe_html('<a href="https://example.org">x</a><img src="cid:logo" alt="a">')
    assert 'href="https://example.org"' in shown and 'rel="noopener noreferrer nofollow"' in shown
    assert 'src="cid:logo"' in shown


def test_files_are_named_and_not_opened() -> None:
    content = base64.b64encode(b"x" * 3_000)
    mail = read(
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n'
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''Rechnung%20%E2%82%AC.pdf\r\n\r\n" + content + b"\r\n--b--"
    )
    [file] = mail.attachments
    assert (file.name, file.media_type) == ("Rechnung €.pdf", "application/pdf")
    assert 2_900 <= file.size_bytes <= 3_100
    assert mail.text.strip() == "text"


def test_a_name_cannot_be_turned_about() -> None:
    [file] = read(awkward()["a bidi file name"]).attachments
    assert "\u202e" not in file.name


def test_what_is_quoted_is_told_from_what_is_said() -> None:
    text = "Yes, Monday.\n\nOn Fri, Ann <ann@example.org> wrote:\n> Which day?\n> Ann"
    assert own_words(text) == "Yes, Monday."
    assert own_words("> only quoted") == "> only quoted"
    assert own_words("inline:\n> question?\nanswer") == "inline:\nanswer"


def test_a_mail_of_25_megabytes_is_read_in_seconds() -> None:
    body = base64.encodebytes(b"x" * 18_000_000)
    raw = HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: a/b\r\n'
    raw += b"Content-Transfer-Encoding: base64\r\n\r\n" + body + b"\r\n--b--"
    began = time.monotonic()
    assert read(raw).text.strip() == "text"
    assert time.monotonic() - began < 60  # not a timing: without a bound it would be minutes


@pytest.mark.parametrize("name", hostile())
def test_nothing_keeps_the_reader_busy(name: str) -> None:
    raw = hostile()[name]
    began = time.monotonic()
    assert len(read(raw).snippet) <= 200
    assert time.monotonic() - began < 20  # not a timing: without a bound each would take minutes, or raise


@pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
def test_headers_that_nobody_encoded_are_read(charset: str) -> None:
    head = "From: Jürgen <j@example.org>\r\nSubject: Grüße\r\n"
    mail = read(f'{head}Content-Disposition: attachment; filename="Übersicht.pdf"\r\n\r\nx'.encode(charset))
    assert (str(mail.sender), mail.subject, mail.attachments[0].name) == (
        "Jürgen <j@example.org>", "Grüße", "Übersicht.pdf",
    )  # fmt: skip


def test_what_was_not_looked_at_is_told() -> None:
    assert read(hostile()["parts"]).truncated
    assert read(hostile()["parts on few lines"]).truncated
    assert not read(HEAD + b"\r\ntext").truncated


def test_html_that_is_cut_has_no_loose_ends() -> None:
    mail = read(
        HEAD + b"Content-Type: text/html\r\n\r\n" + b'<p>text <a href="https://example.org/x">link</a></p>' * 10_000
    )
    assert mail.html is not None and mail.truncated
    assert mail.html.count("<a ") == mail.html.count("</a>") and mail.html.endswith(">")


def test_an_invitation_is_a_file_of_the_mail() -> None:
    [file] = read(awkward()["a calendar"]).attachments
    assert (file.name, file.media_type) == ("unnamed.calendar", "text/calendar")


def test_what_cannot_be_seen_does_not_stand_in_names() -> None:
    sender = "=?utf-8?q?An=E2=80=8Bn=E2=80=AE?= <an\u200bn@example.org>"
    mail = read(f"From: {sender}\r\nSubject: a\u2066b \U0001f468\u200d\U0001f469\r\n\r\n".encode())
    assert mail.sender is not None and mail.sender.name == "Ann"
    assert mail.subject == "ab \U0001f468\u200d\U0001f469", "joiners make emoji"


def test_a_thousand_levels_are_no_message_and_no_crash() -> None:
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(3_000))
    assert read(HEAD + deep).subject in ("Hello", "")
