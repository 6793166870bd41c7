"""Protocol Buffers' wire format, as far as Anki's note types need it: numbers and texts of one message. Pure.

https://protobuf.dev/programming-guides/encoding/ says what there is. The fields are those of Anki's `notetypes.proto`:
`Config.kind` is 1, `Template.Config.q_format` and `a_format` are 1 and 2.
"""

from __future__ import annotations

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def fields_of(message: bytes) -> dict[int, int | bytes]:
    """The last value of each field; what comes behind something that is no field is left out."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind, number = key & 7, key >> 3
        if kind == _VARINT:
            fields[number], at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            fields[number] = message[at : at + size]
            at += size
        elif kind in (_FIXED_64, _FIXED_32):
            at += 8 if kind == _FIXED_64 else 4
        else:
            return fields
    return fields


def text(fields: dict[int, int | bytes], number: int) -> str:
    """A field that is a text; empty where it is none."""
    value = fields.get(number, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:
            break
    return value, at
