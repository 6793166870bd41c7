"""What an examination finds: one part of the engine, how it stands, and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CheckStatus(enum.StrEnum):
    """How a part stands."""

    FINE = "fine"
    NOTE = "note"  # worth knowing; jobs are accepted and run all the same
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        seen: What was seen; never a secret.
        remedy: What to do about it.
    """

    part: str
    standing: CheckStatus
    seen: str
    remedy: str = ""


def fine(part: str, seen: str) -> Finding:
    return Finding(part, CheckStatus.FINE, seen)


def note(part: str, seen: str, remedy: str = "") -> Finding:
    return Finding(part, CheckStatus.NOTE, seen, remedy)


def broken(part: str, seen: str, remedy: str = "") -> Finding:
    return Finding(part, CheckStatus.BROKEN, seen, remedy)
