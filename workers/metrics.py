"""What worker processes count for `/metrics`."""

from __future__ import annotations


def started(action: str, waited_s: float) -> None:
    """A job was claimed after waiting so long since it was due."""


def ended(action: str, outcome: str, ran_s: float) -> None:
    """An attempt ended in that state after running so long."""


def rescued(to: str) -> None:
    """A job was taken from a worker whose lease ran out, and went to that state."""
