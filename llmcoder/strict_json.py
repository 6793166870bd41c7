"""The one reader and the one writer of JSON: what passes here, every other reader and store of ours takes, too.

Python's own reader takes NaN, 1e999, half of a character and a thousand levels; orjson rounds what has more than 64
bits; PostgreSQL takes none of the first three. A value that only some of them take once stopped every macro of every
user. So texts from outside are read by `read`, which refuses such values, and whatever is written goes through
`write`, which never fails: it replaces them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from pydantic_core import from_json

from llmcoder.charsets import decode
from llmcoder.text import whole

#: JSON text that is there already, as a part of a value to be written.
Fragment = orjson.Fragment
#: Instants in UTC end in Z; instants are not written, but given to `default`.
UTC_Z, INSTANTS_BY_DEFAULT = orjson.OPT_UTC_Z, orjson.OPT_PASSTHROUGH_DATETIME
INDENTED, LINE_AT_THE_END = orjson.OPT_INDENT_2, orjson.OPT_APPEND_NEWLINE

#: pydantic reads no more, and everything is read by it some day.
MOST_DEEP = 200
#: Python neither reads nor writes longer integers, for the time that it takes.
MOST_DIGITS = 4_300
#: Lists and objects that one body from outside may have: each takes as long as a hundred characters, and the process
#: that reads it does nothing else meanwhile.
MOST_CONTAINERS = 100_000
#: Digits become 0, an exponent's letter e, a plus nothing, everything else a blank.
_SHAPE = bytes(b"0e "[0 if one in b"0123456789" else 1 if one in b"eE" else 2] for one in range(256))
#: What may be larger than any double: exponents of three digits, and more digits than 1e308 has.
_LARGE = (b"e000", b"0" * 309)
#: A text, or the rest of one that never ends: a pattern that wanted the end would look for it from each of its quotes.
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_HALF = "half of a character (a lone surrogate)"
_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = b"\xff\xfe", b"\xfe\xff"


class NotJson(ValueError):
    """The text is no JSON, or says what not every reader of ours takes; the message says which."""


class NotTaken(NotJson):
    """It is JSON, but says what not every reader of ours takes."""


class TooMany(NotTaken):
    """It has more lists and objects than may be read, so nobody has looked whether it is JSON at all."""


class Unwritable(ValueError):
    """The value is not one that JSON can say; the message says why."""


def read(text: str | bytes | bytearray, most_containers: int | None = None) -> Any:
    """What JSON text from outside says.

    Args:
        most_containers: Lists and objects that it may have; each takes as long to read as a hundred characters.

    Raises:
        NotJson: It is something else, or holds a number beyond a double or of thousands of digits, half of a
            character, or more than 200 levels, or too many lists and objects.
    """
    try:
        encoded = utf8(text.encode() if isinstance(text, str) else bytes(text))
    except UnicodeEncodeError:
        raise NotTaken(f"a text in it has {_HALF}") from None
    if most_containers is not None and has_more_containers(encoded, most_containers):
        raise TooMany(f"it has more than {most_containers:,} lists and objects")
    try:
        value = from_json(encoded, allow_inf_nan=False)
    except ValueError as error:
        raise _refusal(encoded, str(error)) from None
    if is_large(encoded) and _has_infinite(value):
        raise NotTaken("a number in it is larger than any reader takes")
    return value


def utf8(text: bytes) -> bytes:
    """JSON as its readers take it: in UTF-8, without a byte-order mark, which RFC 8259 lets a reader pass over.

    Windows and older .NET send the mark, and now and then UTF-16: JSON has no zero byte, so the first four say which
    (RFC 4627, section 3). What is neither stays as it is.
    """
    if text.startswith(_MARK):
        return text[len(_MARK) :]
    if not text.startswith(_WIDE_MARKS) and b"\0" not in text[:4]:
        return text
    try:
        return text.decode(json.detect_encoding(text)).encode()
    except UnicodeError:
        return text


def decoded(content: bytes, *labels: str | None) -> str:
    """JSON text of bytes that others wrote: UTF-8 whatever they say of it (RFC 8259, 8.1), else what they say.

    Args:
        labels: As `charsets.decode` takes them.
    """
    try:
        return utf8(content).decode()
    except UnicodeDecodeError:
        return decode(content, *labels)


def _refusal(text: bytes, why: str) -> NotJson:
    try:
        value = json.loads(text, parse_constant=_no_number, parse_int=_integer)
    except (ValueError, RecursionError):
        return NotJson(why)
    if is_deeper(value, MOST_DEEP):
        return NotTaken(f"it is nested more than {MOST_DEEP} levels deep")
    try:
        _Exact().plain(value, 0)
    except Unwritable as error:
        return NotTaken(str(error))
    return NotTaken(why)


def _no_number(name: str) -> None:
    raise NotJson(f"{name} is no JSON")


def read_lenient(text: str | bytes) -> Any:
    """What JSON text says that nobody could correct: a provider's answer, or what an earlier version of ours wrote.
    What `read` refuses is replaced, as `write` does it.

    Raises:
        NotJson: It is no JSON at all.
    """
    try:
        return read(text)
    except NotJson:
        try:
            unmarked = text.removeprefix("\ufeff") if isinstance(text, str) else utf8(text)
            return plain(json.loads(unmarked, parse_int=_integer))
        except (ValueError, RecursionError) as error:
            raise NotJson(str(error)) from None


def read_exact(text: str | bytes) -> Any:
    """As `read_lenient`, for a provider's answer with amounts of money: a number with a fraction is a Decimal.

    Raises:
        NotJson: It is no JSON, or nested more than 200 levels deep.
    """
    unmarked = text.removeprefix("\ufeff") if isinstance(text, str) else utf8(text)
    try:
        value = json.loads(unmarked, parse_float=Decimal, parse_int=_integer, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise NotJson(str(error)) from None
    if is_deeper(value, MOST_DEEP):
        raise NotTaken(f"it is nested more than {MOST_DEEP} levels deep")
    return value


def has_more_containers(text: bytes, most: int) -> bool:
    """Whether JSON has more lists and objects than so many. Quick."""
    return _brackets(text) > most and _brackets(_STRINGS.sub(b"", text)) > most


def _brackets(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def is_large(text: bytes) -> bool:
    """Whether a number in it may be larger than any double, so that a reader may take it for infinity. Quick."""
    shape = text.translate(_SHAPE, b"+")
    return any(one in shape for one in _LARGE)


def write(value: Any) -> str:
    """The value as JSON text, whatever it is: NaN and infinity become null, as in JavaScript; half of a character
    becomes U+FFFD; what is nested more than 200 levels deep is left out; what is no JSON value at
    all becomes its text.
    """
    return write_bytes(value).decode()


def write_bytes(value: Any, default: Callable[[Any], Any] | None = None, option: int = 0) -> bytes:
    """As `write`, in UTF-8.

    Args:
        default: What to write instead of an object of another type.
        option: Of orjson's, such as `UTC_Z`.
    """
    try:
        return orjson.dumps(value, default, option)
    except TypeError:
        return orjson.dumps(_Lenient().written(value, 0), default, option)


def write_exact(value: Any) -> str:
    """The value as JSON text, if it says exactly that.

    Raises:
        Unwritable: `write` would have to replace something in it.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_Exact().written(value, 0)).decode()
    if b"null" in text and _has_infinite(value):
        raise Unwritable("a number in it is NaN or infinite")
    return text.decode()


def canonical(value: Any, *, spaced: bool = False, escaped: bool = False) -> str:
    """JSON text that is the same for equal values, to be hashed, now and by later versions.

    Args:
        spaced: With a blank behind commas and colons.
        escaped: In ASCII, in which half of a character can be kept.
    """
    separators = (", ", ": ") if spaced else (",", ":")

    def dumped(given: Any) -> str:
        return json.dumps(given, sort_keys=True, separators=separators, ensure_ascii=escaped, allow_nan=False)

    if not escaped:
        return dumped(plain(value))
    try:
        return dumped(value)
    except (ValueError, RecursionError):  # NaN, infinity, thousands of digits or of levels
        return dumped(_KeepsHalves().plain(value, 0))


def one_line(value: Any) -> str:
    """JSON text for people and models to read, on one line."""
    return json.dumps(plain(value), ensure_ascii=False)


def pretty(value: Any) -> str:
    """JSON text for people to look at, on many lines."""
    return json.dumps(plain(value), ensure_ascii=False, indent=2)


def plain(value: Any) -> Any:
    """The value that `read` would give if `write` had written this one."""
    return _Lenient().plain(value, 0)


def storable(text: str) -> str:
    """The text without what a database or UTF-8 refuses: half of a character is replaced, a zero byte left out."""
    return whole(text).replace("\0", "")


def is_deeper(value: Any, levels: int) -> bool:
    """Whether a value is nested more than so many levels deep."""
    within: Sequence[Any] = [value]
    for _ in range(levels + 1):
        within = [inner for one in within for inner in _items(one)]
    return bool(within)


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, (list, tuple)) else ()


def _has_infinite(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and not math.isfinite(one):
            return True
        waiting.extend(_items(one))
    return False


class _Lenient:
    """Replaces what cannot be written."""

    def written(self, value: Any, depth: int) -> Any:
        """For orjson: what it writes by itself stays."""
        if isinstance(value, (datetime, date, UUID, orjson.Fragment)):
            return value
        return self._made(value, depth, self.written, _digits)

    def plain(self, value: Any, depth: int) -> Any:
        """As a value that `read` might have given."""
        if isinstance(value, orjson.Fragment):
            return read_lenient(orjson.dumps(value))
        if isinstance(value, (datetime, date)):
            return value.isoformat()
        return str(value) if isinstance(value, UUID) else self._made(value, depth, self.plain, lambda number: number)

    def _made(self, value: Any, depth: int, inner: Callable[[Any, int], Any], integer: Callable[[int], Any]) -> Any:
        if isinstance(value, Enum):
            return inner(value.value, depth)
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else self.instead(None, "a number in it is NaN or infinite")
        if isinstance(value, int):
            return integer(value) if _is_short(value) else self.instead(None, "a number in it has thousands of digits")
        if isinstance(value, (Mapping, list, tuple)):
            if depth >= MOST_DEEP:
                return self.instead(None, f"it is nested more than {MOST_DEEP} levels deep")
            if isinstance(value, Mapping):
                return {self.text(_name(key)): inner(one, depth + 1) for key, one in value.items()}
            return [inner(one, depth + 1) for one in value]
        return self.instead(whole(str(value)), f"a {type(value).__name__} in it is no value of JSON")

    def text(self, value: str) -> str:
        fit = whole(value)
        return value if fit == value else self.instead(fit, f"a text in it has {_HALF}")

    def instead(self, value: Any, why: str) -> Any:
        return value


class _KeepsHalves(_Lenient):
    """Leaves texts as they are: in ASCII a half of a character is an escape like any other."""

    def text(self, value: str) -> str:
        return value


class _Exact(_Lenient):
    """Refuses it."""

    def instead(self, value: Any, why: str) -> Any:
        raise Unwritable(why)


def _name(key: Any) -> str:
    """The name of a member, of what Python has as a key."""
    return key if type(key) is str else str(getattr(key, "value", key))


def _digits(number: int) -> Any:
    return number if -(2**63) <= number < 2**64 else Fragment(str(number))


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < MOST_DIGITS else None


def _is_short(number: int) -> bool:
    return number.bit_length() < MOST_DIGITS * math.log2(10) - 1
