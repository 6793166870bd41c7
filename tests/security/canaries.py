"""Marked secrets, and the search for them: whatever form a leak takes, it holds the mark.

A planted canary carries the mark at both ends, so that a secret that was cut in half is found as well. What the engine
makes itself (keys, tokens) has no mark and is looked for as it is.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

CONTEXT_BYTES = 60
#: No letter of these stands in a hexadecimal number, so that no id or hash can look like a mark.
LETTERS = "ghjkmnpqrstvwxyz"
MARK_LETTERS = 10


class Mark:
    """What all canaries of one kind share."""

    def __init__(self) -> None:
        self.text = "".join(random.choices(LETTERS, k=MARK_LETTERS))
        self.traces = traces(self.text.encode())

    def plant(self, name: str) -> str:
        """A canary; the name in its middle tells which one was found."""
        return f"{self.text}-{name.lower()}-{self.text}"


@dataclass(frozen=True)
class Record:
    """One thing that a process wrote or answered.

    Attributes:
        place: Where it was found, for people.
        content: All of it.
    """

    place: str
    content: bytes = field(repr=False)


def traces(secret: bytes) -> frozenset[bytes]:
    """How a secret may be written: as it is, as base64 at each alignment, in hexadecimal, quoted, in UTF-16."""
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret)[2:-1].encode()}
    forms |= {b"".join(b"%%%02x" % byte for byte in secret), b"".join(b"%%%02X" % byte for byte in secret)}
    forms.add(b"".join(bytes((byte, 0)) for byte in secret))
    for shift in range(3):
        core = _base64_core(secret, shift)
        forms |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return frozenset(forms)


def _base64_core(secret: bytes, shift: int) -> bytes:
    """Those of its base64 digits that do not depend on what stands before and behind it."""
    digits = b64encode(bytes(shift) + secret)
    return digits[-(-shift * 8 // 6) : (shift + len(secret)) * 8 // 6]


def found(wanted: Iterable[bytes], records: Iterable[Record]) -> list[str]:
    """Every record that holds one of them, with what stands around it."""
    forms = list(wanted)
    return [finding for record in records for finding in _in_record(forms, record)]


def _in_record(forms: list[bytes], record: Record) -> Iterator[str]:
    lowered = record.content.lower()
    for form in forms:
        at = record.content.find(form)
        if at < 0:
            at = lowered.find(form)
        if at >= 0:
            around = record.content[max(0, at - CONTEXT_BYTES) : at + len(form) + CONTEXT_BYTES]
            yield f"{record.place}: {around!r}"
            return
