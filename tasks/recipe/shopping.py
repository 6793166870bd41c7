"""Lines of several recipes as one shopping list, in which every line says which recipes it is for. Pure and exact.

What can be added is added: grams to kilograms, cups to millilitres, eggs to eggs. What cannot stays beside it: nobody
knows what 2 cups of flour weigh, so `500 g + 2 cups` it is. Of a range the most is bought.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from uuid import UUID

from llmcoder.caseless import fold
from tasks.recipe.amounts import as_decimal, as_fraction
from tasks.recipe.ingredients import IngredientLine, Measure, normal_form, read_line
from tasks.recipe.units import BY_CODE, PIECES, Dimension, System, Unit

#: Nobody buys them for a recipe.
AT_HOME = frozenset({"water", "salt", "black pepper"})
LONGEST_KEY = 100
_CLOVES = re.compile(r"clove|zehe|gousse|diente|spicchi|teen|dente", re.IGNORECASE)
_PLUS = re.compile(r"\+|&|\b(?:plus|und|and)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Need:
    """One line of one recipe.

    Attributes:
        food_key: The food that is meant; a line that names several is a need for each.
        factor: By which the recipe is scaled.
    """

    recipe_id: UUID
    recipe_title: str
    food_key: str
    line: str
    factor: Fraction


@dataclass(frozen=True)
class Part:
    """An amount to buy."""

    amount: Fraction
    unit: Unit
    size: str = ""

    @property
    def text(self) -> str:
        write = as_decimal if self.unit.system is System.METRIC else as_fraction
        words = [write(self.amount), self.unit.code]
        return " ".join(filter(None, words)) + (f" ({self.size})" if self.size else "")


@dataclass
class Purchase:
    """One line of the list.

    Attributes:
        food: As the first of the recipes names it.
        parts: What can be measured or counted.
        some: Whether somebody needs an amount that nobody says.
        needs: The lines that it is made of.
    """

    food_key: str
    food: str
    parts: list[Part] = field(default_factory=list)
    some: bool = False
    needs: list[Need] = field(default_factory=list)

    @property
    def text(self) -> str:
        amounts = " + ".join(part.text for part in self.parts)
        return f"{amounts} {self.food}".strip()

    @property
    def titles(self) -> list[str]:
        return list(dict.fromkeys(need.recipe_title for need in self.needs))


def needs_of(recipe_id: UUID, title: str, lines: Iterable[str], factor: Fraction) -> list[Need]:
    """What a recipe needs, line by line."""
    return [
        Need(recipe_id, title, key, line, factor)
        for line in lines
        for key in read_line(line).keys or (fold(line)[:LONGEST_KEY],)
    ]


def is_at_home(need: Need, have: frozenset[str]) -> bool:
    """Whether nobody has to buy it."""
    return need.food_key in AT_HOME or need.food_key in have


def merged(needs: Sequence[Need]) -> list[Purchase]:
    """One line for each food, in the order in which the recipes name them."""
    found: dict[str, Purchase] = {}
    for need in needs:
        purchase = found.setdefault(need.food_key, Purchase(need.food_key, _name(need)))
        purchase.needs.append(need)
    for purchase in found.values():
        _add_up(purchase)
    return list(found.values())


def _name(need: Need) -> str:
    read = read_line(need.line)
    return read.food if len(read.keys) <= 1 else need.food_key


def _add_up(purchase: Purchase) -> None:
    sums: dict[tuple[Dimension, str, str], list[Part]] = {}
    for need in purchase.needs:
        parts = _parts(read_line(need.line), need.factor)
        purchase.some = purchase.some or not parts
        for part in parts:
            of_kind = part.unit.code if part.unit.dimension is Dimension.COUNT else ""
            sums.setdefault((part.unit.dimension, of_kind, part.size), []).append(part)
    purchase.parts = [_sum(parts) for parts in sums.values()]


def _parts(read: IngredientLine, factor: Fraction) -> list[Part]:
    """What is said first, and what is added to it: `1 cup plus 2 tbsp`; not what says the same again."""
    first = read.first
    if first is None or not first.scales:
        return []
    unit = _counted_unit(read, first.unit)
    fixed = [measure for measure in read.measures[1:] if not measure.scales]
    size = _size(fixed[0]) if fixed and first.unit.dimension is Dimension.COUNT else ""
    found = [Part(_most(first) * factor, unit, size)]
    if len(read.measures) > 1 and not fixed and _is_added(read):
        found += [Part(_most(measure) * factor, measure.unit) for measure in read.measures[1:]]
    return found


def _counted_unit(read: IngredientLine, unit: Unit) -> Unit:
    """Pieces are what is counted, and three `Knoblauchzehen` are three cloves of garlic."""
    if unit.code == "piece":
        return PIECES
    return BY_CODE["clove"] if unit is PIECES and read.keys == ("garlic",) and _CLOVES.search(read.food) else unit


def _is_added(read: IngredientLine) -> bool:
    """`1 cup plus 2 tbsp`, `1 lb 2 oz`; not `200 g / 7 oz`, `1 cup (240 ml)`."""
    first, second = read.measures[:2]
    between = normal_form(read.line)[first.unit_end : second.amount.start]
    return _PLUS.search(between) is not None or (first.unit.code == "lb" and not between.strip(" ,."))


def _most(measure: Measure) -> Fraction:
    return measure.amount.most or measure.amount.least


def _size(measure: Measure) -> str:
    return f"{as_decimal(measure.amount.least)} {measure.unit.code}"


def _sum(parts: Sequence[Part]) -> Part:
    """In their unit where it is one, else in a metric one."""
    units = {part.unit for part in parts}
    if len(units) == 1:
        total = Part(sum((part.amount for part in parts), Fraction(0)), parts[0].unit, parts[0].size)
    else:
        small = BY_CODE["g" if parts[0].unit.dimension is Dimension.MASS else "ml"]
        total = Part(sum((part.amount * part.unit.size for part in parts), Fraction(0)), small)
    larger = {"g": "kg", "ml": "l"}.get(total.unit.code)
    if larger is not None and total.amount >= 1000:
        return Part(total.amount / 1000, BY_CODE[larger])
    return total
