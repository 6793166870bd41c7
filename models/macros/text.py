"""A macro as YAML, as people write it, and back. Pure.

Read by hand from libyaml's events, since what YAML 1.1 makes of a plain text is a trap: `1:59:59` is a number in base
60 (180 KB of it took two seconds), `2030-01-01` a date, `<<` takes another object's members in, and an alias makes a
gigabyte of ten lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from llmcoder import strict_json
from llmcoder.errors import BadInput

if TYPE_CHECKING:
    from models.macros.document import Macro

LARGEST_BYTES = 256 * 1024
MOST_DEEP = 30
LONGEST_INSTANT = 60

_TAG = "tag:yaml.org,2002:"
#: What a plain text means, as YAML 1.1 has it.
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **{form: value for word, value in (("true", True), ("yes", True), ("on", True), ("false", False), ("no", False),
       ("off", False)) for form in (word, word.capitalize(), word.upper())},
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)")
#: PyYAML takes them for ends of lines, and escapes them within double quotes only.
_ODD_ENDS = frozenset("\x85\u2028\u2029")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


def as_object(macro: Macro) -> dict[str, Any]:
    """The document as it was written: without what is as it would be anyway."""
    document: dict[str, Any] = macro.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return document


def to_yaml(macro: Macro) -> str:
    return written(as_object(macro))


def written(document: Any) -> str:
    """YAML that is read again as what it was."""
    import yaml

    text: str = yaml.dump(document, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=120)
    return text


@cache
def _dumper() -> Any:
    """One that escapes the ends of lines of other systems; in single quotes they would be read again as spaces."""
    import yaml

    class Escaping(yaml.SafeDumper):
        """Writes as people write."""

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = '"' if not _ODD_ENDS.isdisjoint(text) else None
        return dumper.represent_scalar(f"{_TAG}str", text, style)

    Escaping.add_representer(str, represent)
    return Escaping


def from_yaml(text: bytes) -> Any:
    """What the YAML says, in the types that JSON has; a date or time is its text, and so is a number in base 60.

    Raises:
        BadInput: It is no YAML, says what JSON cannot say or says something twice, or has what could make a short text
            a huge document: aliases, or hundreds of levels. The detail says where.
    """
    import yaml

    if len(text) > LARGEST_BYTES:
        raise BadInput(f"The document has {len(text):,} bytes; at most {LARGEST_BYTES:,} are taken.")
    text = strict_json.utf8(text)  # YAML has the same marks, and UTF-16 as well (1.2, section 5.2)
    if text.lstrip()[:1] == b"{" and (value := _as_json(text)) is not None:
        return value
    try:
        return _Reader(yaml.parse(text.decode(), Loader=_loader())).document()
    except UnicodeDecodeError:
        raise BadInput("The document is no UTF-8 text.") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        at = "" if where is None else f" in line {where.line + 1}, column {where.column + 1}"
        raise BadInput(f"The document is no YAML{at}: {getattr(error, 'problem', None) or error}.") from None


def _as_json(text: bytes) -> Any:
    """JSON is YAML, too, but for pairs of escapes and numbers such as 1e5; None of what is not."""
    try:
        value = strict_json.read(text)
    except strict_json.NotJson:
        return None
    if strict_json.is_deeper(value, MOST_DEEP):
        raise BadInput(f"The document is nested more than {MOST_DEEP} levels deep.")
    return value


class _Reader:
    """Builds the value from the events, one after the other."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events

    def document(self) -> Any:
        """Of the first document; there must be no other."""
        import yaml

        value: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise BadInput(f"The document is no YAML{_at(event)}: a second one begins there.")
                value = self._value(next(self._events), 0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            raise BadInput(f"Line {_line(event)} has the alias *{event.anchor}; write it out instead.")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if depth >= MOST_DEEP:
            raise BadInput(f"Line {_line(event)} is nested more than {MOST_DEEP} levels deep.")
        kind = "seq" if isinstance(event, yaml.SequenceStartEvent) else "map"
        if event.tag not in (None, "!", _TAG + kind):
            raise _foreign(event)
        return self._list(depth) if kind == "seq" else self._object(depth)

    def _list(self, depth: int) -> list[Any]:
        import yaml

        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, depth + 1))
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        import yaml

        members: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._name(event)
            if name in members:
                raise BadInput(f"Line {_line(event)} has {name[:100]!r}, which stands there already.")
            members[name] = self._value(next(self._events), depth + 1)
        return members

    def _name(self, event: Any) -> str:
        """The name of a member, as it is written: JSON's are texts."""
        import yaml

        if isinstance(event, yaml.AliasEvent):
            raise BadInput(f"Line {_line(event)} has the alias *{event.anchor}; write it out instead.")
        if not isinstance(event, yaml.ScalarEvent):
            raise BadInput(f"Line {_line(event)} has a name that is no text.")
        if event.value == "<<" and event.implicit[0]:
            raise BadInput(f"Line {_line(event)} takes in another object with <<; write it out instead.")
        name: str = event.value
        return name


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    if tag in ("str", "!") or (not tag and not event.implicit[0]):
        return text
    if tag not in ("", "null", "bool", "int", "float"):
        raise _foreign(event)
    if text in _WORDS and tag in ("", "null", "bool"):
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and tag in ("", "int"):
        return _integer(event)
    if _FLOAT.fullmatch(text) and tag in ("", "float"):
        return _float(event)
    if tag:
        raise BadInput(f"The document is no YAML{_at(event)}: {text[:100]!r} is no {tag}.")
    return _instant(text) if len(text) <= LONGEST_INSTANT else text


def _instant(text: str) -> str:
    """A date or time in the form of ISO 8601; any other text as it is written."""
    import yaml

    constructor = yaml.constructor.SafeConstructor
    if constructor.timestamp_regexp.match(text) is None:
        return text
    try:
        found: date = constructor().construct_yaml_timestamp(yaml.ScalarNode("", text))
    except (ValueError, OverflowError):
        return text
    return found.isoformat()


def _integer(event: Any) -> int:
    text = event.value.replace("_", "")
    digits = text.lstrip("+-")
    base = {"0b": 2, "0x": 16}.get(digits[:2], 8 if digits.startswith("0") and digits != "0" else 10)
    try:
        number = int(text, base)
        str(number)  # Python's limit is on decimal digits, and hexadecimal ones pass it by
    except ValueError:
        raise BadInput(f"Line {_line(event)} has what JSON cannot say: a number of thousands of digits.") from None
    return number


def _float(event: Any) -> float:
    number = float(event.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise BadInput(f"Line {_line(event)} has what JSON cannot say: the number {event.value[:40]}.")
    return number


def _foreign(event: Any) -> BadInput:
    return BadInput(f"The document is no YAML{_at(event)} that is taken here: it has the tag {event.tag[:100]!r}.")


def _line(event: Any) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1


def _at(event: Any) -> str:
    return f" in line {_line(event)}"


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # as quick as it is, where it was built with libyaml
