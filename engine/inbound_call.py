"""What a call from outside says: JSON, the fields of a form, a text, in whatever way its sender writes it. Pure.

Senders are many and cannot be corrected: a call that is refused for its form is an event that is lost. So what can only
mean one thing is read as that, and refused is what says something and cannot be kept, such as half of a character.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import unquote_to_bytes

from llmcoder import strict_json
from llmcoder.charsets import codec_of, decode, header_labels, inner_labels, with_halves
from llmcoder.disposition import file_name
from llmcoder.errors import BadInput
from llmcoder.net.body import codings_of, read_body
from llmcoder.text import whole

#: A call is a small thing, and strangers send it; packed or not.
LARGEST_CALL_BYTES = 1024 * 1024
MOST_FIELDS = 1_000
_TOO_MANY = f"The form has more than {MOST_FIELDS:,} fields."
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
#: A form's field in which GitHub, Gitea, Slack and Travis send JSON.
PAYLOAD = "payload"
#: A form's field that names the encoding of the others (HTML, "the _charset_ name").
CHARSET = "_charset_"
#: As SendGrid names the encoding of each field: an object, in JSON.
CHARSETS = "charsets"
PACKED = ("gzip", "x-gzip", "deflate")
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InboundCall:
    """What came in.

    Attributes:
        headers: By name in lower case; of one that came twice the first.
    """

    headers: Mapping[str, str]
    body: bytes


def payload_of(call: InboundCall) -> Any:
    """What the body says. No body at all says nothing: null where JSON was to come, else the empty text.

    Raises:
        BadInput: It is not what its content type says, or says what cannot be kept.
    """
    content_type, body = call.headers.get("content-type", ""), _unpacked(call)
    kind, labels = _kind(content_type), header_labels(content_type)
    if kind == MULTIPART:
        return _of_form(_parts(content_type, body), labels)
    if not _is_json(kind):
        return _of_any(body, kind, labels)
    try:
        return _read(body, labels) if _says(strict_json.utf8(body)) else None
    except ValueError as error:
        raise BadInput(f"The body is not what its content type {kind!r} says: {error}.") from None


def _kind(content_type: str) -> str:
    """The media type; of a sender that gives several, the first."""
    return re.split(r"[;,]", content_type, maxsplit=1)[0].strip().lower()


def _unpacked(call: InboundCall) -> bytes:
    """The body as it was before it was packed (`Content-Encoding`); a signature is over what was sent.

    Some take it for the charset, or write that there is none.
    """
    encoding = call.headers.get("content-encoding", "")
    codings = codings_of(encoding)
    if not codings:
        return call.body
    if len(codings) > 1 or codings[0] not in PACKED:
        raise BadInput(f"The body's Content-Encoding is {encoding[:40]!r}; gzip and deflate are read.")
    found = read_body([call.body], encoding, wire_bytes=LARGEST_CALL_BYTES, decoded_bytes=LARGEST_CALL_BYTES)
    if found.fault is not None:
        raise BadInput(f"The body cannot be unpacked: the caller {found.fault}.")
    return b"".join(found.pieces)


# --- JSON and texts


def _is_json(kind: str) -> bool:
    return kind.endswith("json") and not kind.endswith("ndjson")  # whose lines are JSON, and not all of it


def _says(body: bytes) -> bool:
    return bool(body.strip(b"\xef\xbb\xbf \t\r\n"))


def _begins(body: bytes) -> bool:
    """Whether it begins as an object or a list in JSON does; a form's braces would be escaped."""
    return strict_json.utf8(body[:400]).lstrip()[:1] in (b"{", b"[")


def _read(body: bytes, labels: Labels) -> Any:
    _refuse_halves(body)
    if b"\0" not in body[:4]:  # else it is UTF-16
        body = body.rstrip(b"\0")  # small devices send the end of their texts, too
    return strict_json.read(strict_json.decoded(body, *labels), strict_json.MOST_CONTAINERS)


def _refuse_halves(content: bytes) -> None:
    """Of UTF-8 with a half of a character in it, which no escape announces."""
    text = with_halves(content)
    if text is not None and whole(text) != text:
        raise strict_json.NotTaken("a text in it has half of a character (a lone surrogate)")


def _of_any(body: bytes, kind: str, labels: Labels) -> Any:
    """What says nothing of JSON may be some: Amazon SNS and browsers' beacons call it text, `curl -d` a form."""
    if _begins(body):
        try:
            return _read(body, labels)
        except strict_json.NotTaken as error:
            if not kind:
                raise BadInput(f"The body cannot be kept: {error}.") from None
        except strict_json.NotJson:
            pass  # a text may begin with a bracket
    if kind == FORM:
        return _of_form(_pairs(body), labels)
    text = _text(body, kind, labels)
    return _about_file(body, kind) if text is None else text


def _text(body: bytes, kind: str, labels: Labels) -> str | None:
    """The text that it is; None where it is none."""
    if kind.startswith("text/") or kind.endswith("xml") or any(map(codec_of, labels)):
        return decode(body, *labels, *inner_labels(body, kind))
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None if kind else decode(body)


def _about_file(content: bytes, kind: str) -> dict[str, Any]:
    """What is said of a file; what is in it, a webhook does not keep."""
    return {"content_type": kind, "bytes": len(content)}


# --- forms


@dataclass
class _Part:
    """A field of a form, as it came.

    Attributes:
        file_name: None where it is no file.
        packed_as: Its Content-Transfer-Encoding.
    """

    name: bytes = b""
    file_name: bytes | None = None
    content_type: str = ""
    packed_as: bytes = b""
    content: bytearray | bytes = field(default_factory=bytearray)


def _of_form(parts: Iterable[_Part], labels: Labels) -> Any:
    """Its fields: a text, a list of those that come several times, of a file its name, type and size.

    A form that holds nothing but a `payload` in JSON, beside files, is that.
    """
    given = list(parts)
    if (alone := _json_alone(given)) is not None:
        return alone
    labels = (*_named_charset(given), *labels)
    own = _own_charsets(given)
    fields: dict[str, list[Any]] = {}
    for part in given:
        name = _field_text(part.name, labels)
        fields.setdefault(name, []).append(_value(part, own.get(name), labels))
    found = {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    texts = {_field_text(part.name, labels) for part in given if part.file_name is None} - {CHARSET}
    if texts != {PAYLOAD}:
        return found
    payload = _payload(found[PAYLOAD])
    files = {name: value for name, value in found.items() if name != PAYLOAD}
    return {**files, **payload} if isinstance(payload, dict) else found if payload is None or files else payload


def _json_alone(parts: list[_Part]) -> Any:
    """The JSON that a form is, escaped as a whole: so it comes from who sends JSON as a form; None where it is none."""
    if len(parts) == 1 and parts[0].file_name is None and not parts[0].content:
        return _payload(_field_text(parts[0].name, ()))
    return None


def _field_text(content: bytes, labels: Labels) -> str:
    """A form is UTF-8 where nobody says otherwise (URL standard): a short value with a zero byte is no UTF-16."""
    try:
        _refuse_halves(content)
    except strict_json.NotTaken as error:
        raise BadInput(f"The form cannot be kept: {error}.") from None
    if not any(map(codec_of, labels)):
        with suppress(UnicodeDecodeError):
            return content.decode("utf-8-sig")
    return decode(content, *labels)


def _payload(value: Any) -> Any:
    """The object or list that it is; None where it is none."""
    if isinstance(value, dict):  # a part that said it is JSON
        return value
    if not isinstance(value, str) or not _begins(value[:400].encode()):
        return None
    try:
        return strict_json.read(value, strict_json.MOST_CONTAINERS)
    except strict_json.NotTaken as error:
        raise BadInput(f"The form's payload cannot be kept: {error}.") from None
    except strict_json.NotJson:
        return None


def _named_charset(parts: Iterable[_Part]) -> list[str]:
    return [part.content.decode("ascii", "replace") for part in parts if part.name == CHARSET.encode()]


def _own_charsets(parts: Iterable[_Part]) -> dict[str, str]:
    for part in parts:
        if part.name == CHARSETS.encode() and part.file_name is None and part.content[:1] == b"{":
            try:
                found = strict_json.read(bytes(part.content), MOST_FIELDS)
            except strict_json.NotJson:
                continue
            return {name: label for name, label in found.items() if isinstance(label, str)}
    return {}


def _value(part: _Part, own: str | None, labels: Labels) -> Any:
    content, kind = bytes(part.content), _kind(part.content_type)
    labels = (*header_labels(part.content_type), *filter(None, [own]), *labels)
    if part.file_name is not None:
        about = {"filename": _field_text(part.file_name, labels), **_about_file(content, kind)}
        text = (
            _text(content, kind, header_labels(part.content_type))
            if kind.startswith("text/") or _is_json(kind)
            else None
        )
        return about if text is None else {**about, "text": text}
    if _is_json(kind) and _says(content):
        try:
            return _read(content, labels)
        except strict_json.NotJson:
            pass  # it is shown as the text that it is
    return _field_text(content, labels)


def _pairs(body: bytes) -> Iterator[_Part]:
    """The fields of a form as browsers send one without files, in the bytes of its encoding."""
    if body.count(b"&") >= MOST_FIELDS:
        raise BadInput(_TOO_MANY)
    for pair in filter(None, body.strip().split(b"&")):
        name, _, value = (unquote_to_bytes(half.replace(b"+", b" ")) for half in pair.partition(b"="))
        yield _Part(name, content=value)


def _parts(content_type: str, body: bytes) -> list[_Part]:
    """The fields of a form with files (RFC 7578)."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    if not body.strip():
        return []
    bare = b"\r\n" not in body  # senders that write their own forms write the ends of lines that they know
    boundary, reader = _boundary(content_type, body), _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(_as_forms_are(body.replace(b"\n", b"\r\n") if bare else body, boundary))
    except FormParserError as error:
        raise BadInput(f"The body is no form of parts as its content type says (RFC 7578): {error}.") from None
    if not reader.complete:
        raise BadInput("The form is cut short: the line that ends it is missing.")
    for part in reader.parts:
        content = bytes(part.content.replace(b"\r\n", b"\n") if bare else part.content)
        part.content = _unpacked_part(content, part.packed_as)
    return reader.parts


def _as_forms_are(body: bytes, boundary: bytes) -> bytes:
    """Without what mails may have and forms have not: words before the first part, and blanks behind a boundary."""
    between = re.compile(rb"(?:(?<=\n)|\A)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    first = between.search(body)
    return body if first is None else between.sub(lambda one: one[0].rstrip(b" \t"), body[first.start() :])


def _boundary(content_type: str, body: bytes) -> bytes:
    """What stands between its parts; of a sender that does not say it, as its first line has it."""
    header = Message()
    try:
        header["content-type"] = content_type
        named = header.get_boundary()
    except ValueError:
        named = None
    first = body.lstrip().split(b"\n", 1)[0].rstrip()
    if not named and not first.startswith(b"--"):
        raise BadInput("The content type of a form names what stands between its parts: boundary=….")
    return named.encode("latin-1", "replace") if named else first[2:]


class _Reader:
    """Takes in what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.complete = False
        self._name = bytearray()
        self._value = bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_part_data": lambda data, start, end: self.parts[-1].content.extend(data[start:end]),  # type: ignore[union-attr]
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == MOST_FIELDS:
            raise BadInput(_TOO_MANY)
        self.parts.append(_Part())

    def _header(self) -> None:
        from python_multipart.multipart import parse_options_header

        name, value, part = bytes(self._name).lower(), bytes(self._value), self.parts[-1]
        self._name.clear()
        self._value.clear()
        if name == b"content-type":
            part.content_type = value.decode("latin-1")
        if name == b"content-transfer-encoding":
            part.packed_as = value.strip().lower()
        if name == b"content-disposition":
            _, options = parse_options_header(value)
            part.name = _unescaped(options.get(b"name", b""))
            plain = options.get(b"filename")
            part.file_name = _extended_name(value) if plain is None else _unescaped(plain)

    def _end(self) -> None:
        self.complete = True


def _unescaped(name: bytes) -> bytes:
    """As browsers write the three characters that would end it (HTML, "escape a multipart form data name")."""
    return re.sub(rb"%(0A|0D|22)", lambda one: bytes.fromhex(one[1].decode()), name, flags=re.IGNORECASE)


def _unpacked_part(content: bytes, packed_as: bytes) -> bytes:
    """As it was before a program for mails packed it, which RFC 7578 has no need for any more."""
    if packed_as == b"quoted-printable":
        return a2b_qp(content)
    if packed_as == b"base64":
        with suppress(ValueError):
            return a2b_base64(content)
    return content


def _extended_name(disposition: bytes) -> bytes | None:
    """A file's name as `filename*`, which RFC 7578 forbids and some write all the same."""
    name = file_name(disposition)
    return None if name is None else name.encode("utf-8", "replace")
