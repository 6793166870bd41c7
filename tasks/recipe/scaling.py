"""Ingredients for another number of people: the amounts of a line are written anew where they stand. Pure and exact.

What is said twice scales twice (`200 g (7 oz)`), the size of a can does not (`2 (14 oz) cans`), nor does a pinch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tasks.recipe.amounts import Amount, as_decimal, as_fraction
from tasks.recipe.ingredients import Measure, normal_form, read_line
from tasks.recipe.units import BY_CODE, Dimension, System, Unit

UnitSystem = Literal["as_written", "metric", "us"]

_METRIC = {Dimension.MASS: ("kg", "g"), Dimension.VOLUME: ("l", "ml")}
_US = {Dimension.MASS: ("lb", "oz"), Dimension.VOLUME: ("quart", "cup", "tbsp", "tsp")}
#: Of which measure one takes a part.
_ENOUGH = {"cup": Fraction(1, 4)}
_DECIMAL_COMMA = re.compile(r"\d,\d{1,2}(?!\d)")


@dataclass(frozen=True)
class ScaledLine:
    """A line for another number of people.

    Attributes:
        line: As it was written.
        text: The same with the new amounts.
        measure: The first of them; None where there is none.
        scaled: Whether anything changed.
    """

    line: str
    text: str
    measure: Measure | None
    scaled: bool


def scale_line(line: str, factor: Fraction, system: UnitSystem = "as_written") -> ScaledLine:
    """A line for so many times the people, in the units of one system where they measure."""
    read = read_line(line)
    text = normal_form(line)
    comma = _DECIMAL_COMMA.search(text) is not None
    new = [(measure, _scaled(measure, factor, system)) for measure in read.measures]
    pieces: list[str] = []
    at = 0
    for old, now in new:
        if old == now or (old.amount.start == old.amount.end and factor != 1 and not old.scales):
            continue
        for start, end, piece in _written(text, old, now, comma):
            pieces += [text[at:start], piece]
            at = end
    scaled_text = "".join([*pieces, text[at:]]) if pieces else " ".join(line.split())
    return ScaledLine(read.line, scaled_text, new[0][1] if new else None, bool(pieces))


def _scaled(measure: Measure, factor: Fraction, system: UnitSystem) -> Measure:
    by = factor if measure.scales else Fraction(1)
    amount = measure.amount
    least, most = amount.least * by, None if amount.most is None else amount.most * by
    unit = _of_system(measure.unit, most or least, system)
    if unit is not measure.unit:
        share = measure.unit.size / unit.size
        least, most = least * share, None if most is None else most * share
    return Measure(
        Amount(least, most, amount.start, amount.end), unit, measure.scales, measure.unit_start, measure.unit_end
    )


def _of_system(unit: Unit, amount: Fraction, system: UnitSystem) -> Unit:
    """The unit of the system in which the amount is a handy number; spoons stay spoons."""
    if system == "as_written":
        return _larger(unit, amount)
    table = _METRIC if system == "metric" else _US
    if unit.dimension not in table or unit.system is System.SPOONS or unit.system is None:
        return unit
    if unit.system.value == system:
        return _larger(unit, amount)
    size = unit.size * amount
    codes = table[unit.dimension]
    units = [BY_CODE[code] for code in codes]
    return next((one for one in units if size / one.size >= (_ENOUGH.get(one.code, 1))), units[-1])


def _larger(unit: Unit, amount: Fraction) -> Unit:
    """1500 g are 1.5 kg."""
    larger = {"g": "kg", "ml": "l"}.get(unit.code)
    return BY_CODE[larger] if larger is not None and amount >= 1000 else unit


def _written(text: str, old: Measure, now: Measure, comma: bool) -> Iterator[tuple[int, int, str]]:
    """What is to stand where."""
    changed = now.unit is not old.unit
    amount = old.amount
    number = _number(now, text[amount.start : amount.end], comma)
    if amount.start == amount.end:  # nobody says it: `handful of basil`, `400g tin tomatoes`
        number += " x " if text[amount.start].isdigit() else " "
    elif changed and old.unit_start == amount.end:
        number += " "
    yield amount.start, amount.end, number
    if changed:
        yield old.unit_start, old.unit_end, now.unit.code


def _number(measure: Measure, written: str, comma: bool) -> str:
    amount = measure.amount
    is_metric = measure.unit.system is System.METRIC
    one = (lambda value: as_decimal(value, comma)) if is_metric else as_fraction
    if amount.most is None:
        return one(amount.least)
    joint = next((word for word in (" to ", " bis ", " or ", " oder ") if word in written.lower()), "–")
    return f"{one(amount.least)}{joint}{one(amount.most)}"
