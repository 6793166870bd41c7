"""Calls as senders make them: each row is somebody's habit, with who has it."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
import zlib
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inbound_call import LARGEST_CALL_BYTES, MOST_FIELDS, InboundCall, payload_of
from llmcoder import strict_json
from llmcoder.errors import BadInput

JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
PUSH = {"repository": {"full_name": "o/r"}}


def said(body: bytes, content_type: str | None = None, **headers: str) -> Any:
    typed = {} if content_type is None else {"content-type": content_type}
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return payload_of(InboundCall({**typed, **more}, body))


def part(disposition: str, content: bytes, content_type: str = "") -> bytes:
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f'--b\r\nContent-Disposition: form-data; name="{disposition}"\r\n{kind}\r\n'
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


#: Who sends it: what it is, its content type, and what it says.
HABITS: dict[str, tuple[bytes, str | None, Any]] = {
    # nothing at all
    "a ping of an uptime monitor": (b"", None, ""),
    "GitHub's delete through a proxy: a type and no body": (b"", JSON, None),
    "PowerShell's Invoke-RestMethod with an empty here-string": (b"\r\n", JSON, None),
    "an empty form": (b"", FORM, {}),
    "an empty form of parts": (b"", PARTS, {}),
    "null": (b"null", JSON, None),
    "a mark and nothing behind it": (b"\xef\xbb\xbf", JSON, None),
    "the same in UTF-16": (b"\xff\xfe", JSON, None),
    "blanks in UTF-16": (" \r\n".encode("utf-16"), JSON, None),
    # JSON
    "curl without -H": (b'{"a": 1}', FORM, {"a": 1}),
    "no type": (b' \n{"a": 1}', None, {"a": 1}),
    "PowerShell 5 and .NET's UTF8Encoding: a mark": (b'\xef\xbb\xbf{"a": "x"}', JSON, {"a": "x"}),
    "SQL Server's sp_OAMethod: UTF-16": ('{"a": "ü"}'.encode("utf-16"), JSON, {"a": "ü"}),
    "the same without a mark": ('{"a": "ü"}'.encode("utf-16-le"), JSON, {"a": "ü"}),
    "Java's getBytes() on Windows": (
        '{"a": "Müller"}'.encode("cp1252"),
        f"{JSON}; charset=ISO-8859-1",
        {"a": "Müller"},
    ),
    "Spring: the type says latin-1, the body is UTF-8": (
        '{"a": "ü"}'.encode(),
        f"{JSON};charset=ISO-8859-1",
        {"a": "ü"},
    ),
    "Shift_JIS of an older Japanese shop": (
        '{"a": "漢字"}'.encode("cp932"),
        f"{JSON}; charset=Shift_JIS",
        {"a": "漢字"},
    ),
    "a type with a quoted charset": (b'{"a": 1}', 'application/json; charset="utf-8"', {"a": 1}),
    "a type in capitals": (b'{"a": 1}', "APPLICATION/JSON;CHARSET=UTF-8", {"a": 1}),
    "the type twice (Nginx's add_header)": (b'{"a": 1}', "application/json, application/json", {"a": 1}),
    "CloudEvents": (b'{"id": "1"}', "application/cloudevents+json; charset=UTF-8", {"id": "1"}),
    "browsers' CSP reports": (b'{"csp-report": {}}', "application/csp-report", {"csp-report": {}}),
    "Amazon SNS: JSON that calls itself text": (
        b'{"Type": "Notification"}',
        "text/plain; charset=UTF-8",
        {"Type": "Notification"},
    ),
    "navigator.sendBeacon": (b'[{"a": 1}]', "text/plain;charset=UTF-8", [{"a": 1}]),
    "text/json": (b"[1]", "text/json", [1]),
    "Cloudflare Logpush: a line each": (b'{"a": 1}\n{"a": 2}', "application/x-ndjson", '{"a": 1}\n{"a": 2}'),
    "a Discord snowflake, beyond what JavaScript has": (
        b'{"id": 175928847299117063}',
        JSON,
        {"id": 175928847299117063},
    ),
    "an unsigned 64 bits and one": (b'{"id": 18446744073709551616}', JSON, {"id": 2**64}),
    "an emoji as two escapes (Java, Python)": (b'{"a": "\\ud83d\\ude00"}', JSON, {"a": "😀"}),
    "a name twice": (b'{"a": 1, "a": 2}', JSON, {"a": 2}),
    "an ESP32 that sends sizeof(its text)": (b'{"a": 1}\0', JSON, {"a": 1}),
    "a type that names no charset but utf-8 (an old webhook of body-parser's issue 474)": (
        b'{"a": 1}',
        "application/json; utf-8",
        {"a": 1},
    ),
    "Oracle's UTF8, which is CESU-8": (b'{"a": "\xed\xa0\xbd\xed\xb8\x80"}', JSON, {"a": "😀"}),
    # forms
    "GitHub's, Gitea's and Bitbucket's form": (b"payload=" + quote(json.dumps(PUSH)).encode(), FORM, PUSH),
    "Slack's button": (b"payload=%7B%22type%22%3A%22block_actions%22%7D", FORM, {"type": "block_actions"}),
    "a payload that is a list": (b"payload=%5B1%2C2%5D", FORM, [1, 2]),
    "a payload that is text": (b"payload=hello", FORM, {"payload": "hello"}),
    "a payload among others": (b"payload=%7B%7D&token=x", FORM, {"payload": "{}", "token": "x"}),
    "a field twice (checkboxes)": (b"a=x&a=y&b=z", FORM, {"a": ["x", "y"], "b": "z"}),
    "PHP's lists": (b"a%5B%5D=1&a%5B%5D=2", FORM, {"a[]": ["1", "2"]}),
    "Twilio": (
        urlencode({"From": "+491701234567", "Body": "Grüße 👍"}).encode(),
        FORM,
        {"From": "+491701234567", "Body": "Grüße 👍"},
    ),
    "a field without a value (Slack's ssl_check)": (
        b"ssl_check=1&text=&token",
        FORM,
        {"ssl_check": "1", "text": "", "token": ""},
    ),
    "PayPal's IPN: windows-1252 in the header": (b"name=M%FCller", f"{FORM}; charset=windows-1252", {"name": "Müller"}),
    "a form that names its charset in a field": (
        b"_charset_=Shift_JIS&a=%8A%BF%8E%9A",
        FORM,
        {"_charset_": "Shift_JIS", "a": "漢字"},
    ),
    "a percent sign that escapes nothing": (b"a=100%&b=%zz", FORM, {"a": "100%", "b": "%zz"}),
    "a line's end behind it (curl -d @file)": (b"a=x\r\n", FORM, {"a": "x"}),
    "a name in other letters": (b"%E5%90%8D=x", FORM, {"名": "x"}),
    "a mark before a form (SharePoint, n8n's 35933)": (b"\xef\xbb\xbfa=1&b=2", FORM, {"a": "1", "b": "2"}),
    "the same before a payload": (b"\xef\xbb\xbfpayload=%7B%22a%22%3A1%7D", FORM, {"a": 1}),
    "a mark in a payload": (b"payload=%EF%BB%BF%7B%22a%22%3A1%7D", FORM, {"a": 1}),
    "jQuery's post(JSON.stringify(x)): JSON escaped as a form": (b"%7B%22a%22%3A1%7D=", FORM, {"a": 1}),
    "Angular's, without the sign behind it": (b"%5B1%2C%222%22%5D", FORM, [1, "2"]),
    "two payloads": (b"payload=%7B%7D&payload=%5B%5D", FORM, {"payload": ["{}", "[]"]}),
    "a payload in capitals is a field": (b"Payload=%7B%7D", FORM, {"Payload": "{}"}),
    "Oracle's CESU-8 in a form": (b"a=%ED%A0%BD%ED%B8%80", FORM, {"a": "😀"}),
    "semicolons are no separators any more (URL standard)": (b"a=1;b=2", FORM, {"a": "1;b=2"}),
    # forms of parts
    "curl -F": (form(part("a", b"x")), PARTS, {"a": "x"}),
    "curl -F twice": (form(part("a", b"x"), part("a", b"y")), PARTS, {"a": ["x", "y"]}),
    "Mailgun: an attachment": (
        form(part("subject", b"Hi"), part('attachment-1"; filename="f.jpg', b"\xff\xd8\xff", "image/jpeg")),
        PARTS,
        {"subject": "Hi", "attachment-1": {"filename": "f.jpg", "content_type": "image/jpeg", "bytes": 3}},
    ),
    "a text file": (
        form(part('f"; filename="é.txt', b"caf\xe9", "text/plain; charset=iso-8859-1")),
        PARTS,
        {"f": {"filename": "é.txt", "content_type": "text/plain", "bytes": 4, "text": "café"}},
    ),
    "Plex: JSON and a picture": (
        form(part("payload", b'{"event": "media.play"}', JSON), part('thumb"; filename="t.jpg', b"\xff", "image/jpeg")),
        PARTS,
        {"event": "media.play", "thumb": {"filename": "t.jpg", "content_type": "image/jpeg", "bytes": 1}},
    ),
    "SendGrid: each field in a charset of its own": (
        form(part("text", b"caf\xe9"), part("charsets", b'{"text": "iso-8859-1"}')),
        PARTS,
        {"text": "café", "charsets": '{"text": "iso-8859-1"}'},
    ),
    "a part in JSON": (form(part("meta", b'{"n": 1}', JSON)), PARTS, {"meta": {"n": 1}}),
    "a file that nobody chose": (
        form(part('f"; filename="', b"", "application/octet-stream")),
        PARTS,
        {"f": {"filename": "", "content_type": "application/octet-stream", "bytes": 0}},
    ),
    "lines as Unix ends them": (form(part("a", b"x\r\ny")).replace(b"\r\n", b"\n"), PARTS, {"a": "x\ny"}),
    "a boundary that is not named": (form(part("a", b"x")), "multipart/form-data", {"a": "x"}),
    "a boundary in quotation marks (.NET)": (form(part("a", b"x")), 'multipart/form-data; boundary="b"', {"a": "x"}),
    "a preamble (mail libraries)": (b"This is a MIME message.\r\n" + form(part("a", b"x")), PARTS, {"a": "x"}),
    "an empty line before": (b"\r\n" + form(part("a", b"x")), PARTS, {"a": "x"}),
    "words behind": (form(part("a", b"x")) + b"bye", PARTS, {"a": "x"}),
    "blanks behind a boundary (RFC 2046)": (
        form(part("a", b"--bx")).replace(b"--b\r\n", b"--b \t\r\n"),
        PARTS,
        {"a": "--bx"},
    ),
    "a boundary with other parameters": (
        form(part("a", b"x")),
        "multipart/form-data; charset=utf-8; BOUNDARY=b",
        {"a": "x"},
    ),
    "browsers' escapes in names": (form(part("a%22b%0D%0Ac", b"x")), PARTS, {'a"b\r\nc': "x"}),
    "Chrome's file of a quoted name": (
        form(part('f"; filename="a%22b.png', b"\xff", "image/png")),
        PARTS,
        {"f": {"filename": 'a"b.png', "content_type": "image/png", "bytes": 1}},
    ),
    "a name without quotation marks": (form(part("a", b"x")).replace(b'"', b""), PARTS, {"a": "x"}),
    "a part in base64 (mail libraries)": (
        form(part("a", b"R3LDvMOfZQ==").replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n")),
        PARTS,
        {"a": "Grüße"},
    ),
    "a part in quoted-printable": (
        form(
            part("a", b"Gr=C3=BC=\r\n=C3=9Fe").replace(
                b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n"
            )
        ),
        PARTS,
        {"a": "Grüße"},
    ),
    "Apache's HttpClient: 8bit": (
        form(part("a", "ü".encode()).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")),
        PARTS,
        {"a": "ü"},
    ),
    # texts and files
    "a text in latin-1": ("Müller".encode("latin-1"), "text/plain; charset=iso-8859-1", "Müller"),
    "a text in GBK under the name of gb2312": ("朱镕基".encode("gbk"), "text/plain; charset=gb2312", "朱镕基"),
    "a text that begins with a bracket": (b"[draft] hello", "text/plain", "[draft] hello"),
    "a text of no type that begins with a brace": (b"{{ greeting }}", None, "{{ greeting }}"),
    "XML that says its encoding": (
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>ü</a>'.encode("latin-1"),
        "application/xml",
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>ü</a>',
    ),
    "WeChat: text/xml": ("<a>你好</a>".encode(), "text/xml", "<a>你好</a>"),
    "a picture": (b"\xff\xd8\xff\xe0", "image/jpeg", {"content_type": "image/jpeg", "bytes": 4}),
}


@pytest.mark.parametrize("who", HABITS)
def test_a_call_says_what_its_sender_means(who: str) -> None:
    body, content_type, right = HABITS[who]
    assert said(body, content_type) == right


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "GZIP", "identity", "utf-8", "none", "8bit", ""])
def test_a_packed_body_is_unpacked_and_a_charset_in_the_wrong_header_is_passed_over(encoding: str) -> None:
    body = b'{"a": 1}'
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(encoding.lower().removeprefix("x-"), bytes)(body)
    assert said(packed, JSON, content_encoding=encoding) == {"a": 1}


REFUSED: dict[str, tuple[bytes, str | None, str]] = {
    "half of a character": (b'{"a": "cut \\ud83d"}', JSON, "half of a character"),
    "half of one as a name": (b'{"\\udc00": 1}', JSON, "half of a character"),
    "half of one, of no type": (b'{"a": "\\ud83d"}', None, "half of a character"),
    "half of one in bytes": (b'{"a": "\xed\xa0\xbd"}', JSON, "half of a character"),
    "half of one in a form": (b"a=%ED%A0%BD", FORM, "half of a character"),
    "half of one in a form's name": (b"%ED%B8%80=x", FORM, "half of a character"),
    "half of one in a part": (form(part("a", b"\xed\xa0\xbd")), PARTS, "half of a character"),
    "half of one in a form's payload": (b'payload={"a":"\\ud83d"}', FORM, "half of a character"),
    "NaN": (b'{"a": NaN}', JSON, "application/json"),
    "no JSON": (b"a=x", JSON, "application/json"),
    "cut short": (b'{"a": ', JSON, "application/json"),
    "parts without an end": (part("a", b"x"), PARTS, "cut short"),
    "parts that are none": (b"a=x", PARTS, "RFC 7578"),
    "another boundary": (form(part("a", b"x")), "multipart/form-data; boundary=c", "RFC 7578"),
    "parts of no boundary": (b"a=x", "multipart/form-data", "boundary"),
    "too many fields": (b"a=1&" * MOST_FIELDS, FORM, "more than 1,000 fields"),
    "too many parts": (form(*[part("a", b"")] * (MOST_FIELDS + 1)), PARTS, "more than 1,000 fields"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_or_kept_is_refused_and_says_why(what: str) -> None:
    body, content_type, why = REFUSED[what]
    with pytest.raises(BadInput, match=why):
        said(body, content_type)


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (b"{}", "br", "gzip and deflate are read"),
        (b"{}", "gzip, gzip", "gzip and deflate are read"),
        (b"{}", "gzip", "not the gzip it claims to be"),
        (gzip.compress(b'{"a": 1}', mtime=0)[:-9], "gzip", "breaks off"),
        (gzip.compress(b" " * (LARGEST_CALL_BYTES + 1), mtime=0), "gzip", "unpacked to more than 1 MiB"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(body: bytes, encoding: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        said(body, JSON, content_encoding=encoding)


@pytest.mark.parametrize(
    "content_type", [None, JSON, FORM, PARTS, "text/plain", "text/xml", "application/octet-stream"]
)
@pytest.mark.parametrize(
    "piece",
    [
        b"<",
        b">",
        b"[",
        b"{",
        b"{}",
        b'"',
        b"&",
        b"=",
        b"a=&",
        b"%",
        b"%41",
        b"+",
        b"\xff",
        b"\r\n--b",
        b"--b\r\n",
        b"\n",
        b"\0",
        b"<?xml encoding='",
        b"\\ud83d",
    ],
)
def test_the_largest_call_of_one_kind_of_thing_takes_a_moment(content_type: str | None, piece: bytes) -> None:
    body = (piece * (LARGEST_CALL_BYTES // len(piece) + 1))[:LARGEST_CALL_BYTES]
    began = time.process_time()
    with contextlib.suppress(BadInput):
        said(body, content_type)
    assert time.process_time() - began < 5  # a fiftieth of it on a quiet machine


#: A mark before a text is none of its characters.
MARKLESS = st.text(max_size=8).filter(lambda text: not text.startswith("\ufeff"))
KINDS = st.sampled_from(
    [None, JSON, FORM, PARTS, "text/plain; charset=utf-16", "text/html", "application/xml; charset=x", "image/png", ";"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(st.characters(), max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    KINDS,
)
def test_whatever_comes_is_a_value_that_can_be_kept_or_refused(body: bytes, content_type: str | None) -> None:
    for whole in (body, b"--b\r\n" + body + b"\r\n--b--\r\n", b"payload=" + body):
        try:
            value = said(whole, content_type)
        except BadInput as error:
            assert error.detail
            continue
        assert strict_json.read(strict_json.write_exact(value)) == value


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(MARKLESS.filter(bool), MARKLESS, max_size=4))
def test_a_form_says_what_was_written_into_it(fields: dict[str, str]) -> None:
    wanted = {name: value for name, value in fields.items() if name not in ("_charset_", "payload", "charsets")}
    assert said(urlencode(wanted).encode(), FORM) == wanted
