"""Raised and lowered text in the characters that Unicode has for it: 10⁵ is not 105. Pure."""

from __future__ import annotations

_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")


def superscript(text: str) -> str | None:
    """`5` as ⁵; None where one of its characters cannot be raised, as in `th`."""
    return text.translate(_RAISED) if all(ord(one) in _RAISED for one in text) else None


def subscript(text: str) -> str | None:
    """`2` as ₂, likewise."""
    return text.translate(_LOWERED) if all(ord(one) in _LOWERED for one in text) else None
