"""The `Prefer` header (RFC 7240): how long a caller is willing to wait for a job. What it cannot say is ignored."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Prefer:
    """What a caller prefers.

    Attributes:
        wait_s: Seconds to wait for the outcome, 0 to 60; None when the caller did not say.
        respond_async: Rather answered at once.
    """

    wait_s: int | None = None
    respond_async: bool = False

    @property
    def waits(self) -> bool:
        return bool(self.wait_s) and not self.respond_async


NOTHING = Prefer()


def read_prefer(header: str | None) -> Prefer:
    """What the header says; of a preference that stands there twice the first counts."""
    if not header:
        return NOTHING
    wait_s: int | None = None
    respond_async = False
    for preference in header.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        match name.strip().lower():
            case "respond-async":
                respond_async = True
            case "wait" if wait_s is None:
                wait_s = _seconds(value)
    return Prefer(wait_s, respond_async)


def _seconds(value: str) -> int | None:
    digits = value.strip().strip('"')
    if not (digits.isascii() and digits.isdigit()):
        return None
    return min(int(digits[:9]), LONGEST_WAIT_S)
