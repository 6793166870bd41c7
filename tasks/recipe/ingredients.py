"""A line of ingredients, understood: how much, of what, and what is said about it. The line itself is always kept.

    "1½ EL Olivenöl (extra vergine)"     ->  1.5 tbsp, Olivenöl, note "extra vergine"
    "1 (14 oz) can chopped tomatoes"     ->  1 can, chopped tomatoes; 14 oz is the size of the can and does not scale
    "eine Prise Salz"                    ->  pinch, Salz; does not scale

Pure. What cannot be understood is a food without an amount.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import normalize

from tasks.recipe.amounts import Amount, read_amount
from tasks.recipe.foods import food_key, is_known
from tasks.recipe.units import PIECES, Dimension, Unit, read_unit

LONGEST_LINE = 500
_BULLET = re.compile(r"^[\s\-–—•·*▢□☐✓○●◦‣▪.:]+(?=[^\s\d.,])|^[\s•·*▢□☐✓○●◦‣▪]+|^[-–—]\s+")
_ABOUT = re.compile(
    r"^(?:about|around|approx(?:imately)?\.?|roughly|ca\.?|circa|etwa|ungefähr|rund|~|≈|gut|knapp|scant|generous|heaping"
    r"|heaped|level|rounded|reichlich|environ|evtl\.?|eventuell|optional:?|each|je|jeweils|mind(?:estens|\.)|max\.?"
    r"|up to|bis zu|at least|juice of|saft von|zest of|schale von|saft|zest and juice of)\s+",
    re.IGNORECASE,
)
_BEFORE_UNIT = re.compile(
    r"\s*(?:(?:heaped|heaping|level|rounded|scant|generous|packed|gestrichene?[rns]?|gehäufte?[rns]?|gehaeufte?[rns]?"
    r"|gestr\.?|geh\.?|leicht gehäufte?[rn]?|gut gehäufte?[rn]?|gute?r?|knappe?[rns]?|große?[rns]?|grosse?[rns]?"
    r"|kleine?[rns]?|mittlere?[rns]?|gr\.|kl\.|large|small|medium|big|whole|ganze?[rns]?|of)\s+)+",
    re.IGNORECASE,
)
# As some sites write it: `2 EL, gehäuft Zucker`.
_AFTER_UNIT = re.compile(r",\s*(?:gestr\.|geh\.|gestrichen\w*|gehäuft\w*|heaped|level)\s+", re.IGNORECASE)
_PIECE_OF = re.compile(
    r"\s*-?\s*(?:long\s+)?(?:piece|knob|stück|chunk|lange[srn]?\s+stück)\b(?:\s+of\b)?", re.IGNORECASE
)
_OF = re.compile(r"\s*(?:of(?:\s+the)?|de|du|des|di|del|von|vom|an)\s+|\s*d['’]", re.IGNORECASE)
_TIMES = re.compile(r"\s*[x×*]\s*(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_PLUS = re.compile(r"\s*(?:\+|plus|and|und|&)\s*(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_OUNCES = re.compile(r",?\s+(?=\d+\s*oz)", re.IGNORECASE)
_EITHER = re.compile(r"\s*(?:/|\||=|or|oder|,)\s*(?:about\s+|ca\.?\s+|~\s*)?(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_PLURAL = re.compile(r"(?<=\w)(?:\((n|en|er|e|s|es|in|nen|ies)\)|/(n|en|er|e|s|es)(?!\w))", re.IGNORECASE)
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_TO_TASTE = re.compile(
    r"[,;]?\s*\b(?:to taste|as needed|as required|for (?:serving|garnish|frying|dusting|greasing|brushing)|to serve"
    r"|to garnish|nach (?:geschmack|belieben|bedarf|gusto|wunsch)|zum (?:servieren|braten|garnieren|bestreuen|bestäuben"
    r"|abschmecken|einfetten|bestreichen|anbraten|ausrollen|frittieren)|für die form"
    r"|for the (?:pan|tin|dish)|q\.?\s?b\.?|n\.\s?b\.)",
    re.IGNORECASE,
)
_OPTIONAL = re.compile(r"\b(?:optional|wahlweise|nach wunsch|falls gewünscht|if you like|if desired)\b", re.IGNORECASE)
_SIZE = re.compile(
    r"^(?:(?:extra[ -])?large|medium(?:[ -]sized)?|small|big|jumbo|große?[rns]?|grosse?[rns]?|kleine?[rns]?"
    r"|mittelgroße?[rns]?|mittlere?[rns]?|dicke?[rns]?|gr\.|kl\.|(?:size|gr(?:öße|\.)) ?[smlx]+)\s+(?=\S)",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    r"\s+(?:or|oder|bzw\.?|ou|and/or|und/oder)\s+|\s+/\s+|(?<=[^\W\d])/(?=[^\W\d])", re.IGNORECASE
)
_AND = re.compile(r"\s+(?:and|und|et|&|y|e)\s+|\s*,\s*", re.IGNORECASE)
# Something is done to it, after a comma or a dash: that is a note, and no part of its name.
_NOTE = re.compile(r"\s*(?:[,;]|\s[-–—]\s|:\s|\s(?:plus\s|\+))\s*")
# What it is for, or lies in: `beef for stewing`, `tuna in oil`, `Bohnen aus der Dose`.
_FOR = re.compile(r"\s+(?=(?:for|from|in|für|zum|zur|aus de[rmn]|à|each)\s)", re.IGNORECASE)
_AMOUNT_LAST = re.compile(r"^(?P<food>[^\d¼-¾⅐-⅞,;()]{2,60}?)\s*[:,\-–—]?\s+(?P<amount>[\d¼-¾⅐-⅞][^()]*)$")
_GRAMS_AND_MILLILITRES = frozenset({"g", "ml", "mg"})
#: Where an amount without a unit has three digits behind its mark, it counts things: 1.500 is as many.
_NO_HEADING = re.compile(r"\d")


@dataclass(frozen=True)
class Measure:
    """An amount with its unit.

    Attributes:
        scales: Whether more people need more of it.
        unit_start, unit_end: Where the unit stands in the line; equal where none does.
    """

    amount: Amount
    unit: Unit
    scales: bool = True
    unit_start: int = 0
    unit_end: int = 0


@dataclass(frozen=True)
class IngredientLine:
    """What is understood of a line.

    Attributes:
        line: As it was written.
        measures: What is said of how much, the first of which counts; the others say it again, or belong to it.
        food: Its name in the line; the whole line where nothing was understood.
        keys: The one form of its name, see `foods`; several where it names several, such as salt and pepper.
        note: What else is said.
        to_taste: No measured amount: a pinch, some, to taste.
    """

    line: str
    measures: tuple[Measure, ...]
    food: str
    keys: tuple[str, ...]
    note: str
    to_taste: bool
    optional: bool

    @property
    def first(self) -> Measure | None:
        return self.measures[0] if self.measures else None


def is_heading(line: str) -> bool:
    """Whether it names a part of the dish instead of something to buy: `For the sauce:`, `Für den Teig:`."""
    bare = line.strip().strip("*#=_ ")
    if line.strip().startswith(("#", "**", "==")) and not _NO_HEADING.search(bare):
        return True
    return bare.endswith(":") and len(bare) <= 80 and not _NO_HEADING.search(bare)


def normal_form(line: str) -> str:
    """The line in which measures have their places: `Zwiebel(n)` is written as the plural that it may be."""
    return _PLURAL.sub(r"\1\2", normalize("NFC", " ".join(line.split())[:LONGEST_LINE]))


def read_line(line: str) -> IngredientLine:
    """Understand one line."""
    text = normal_form(line)
    line = " ".join(line.split())[:LONGEST_LINE]
    at = _start(text)
    measures, end = _measures(text, at)
    if not measures:
        if (last := _AMOUNT_LAST.match(text)) is not None:
            measures, far = _measures(text, last.start("amount"))
            if measures and measures[0].unit is not PIECES and not _named(text[far:]):
                return _understood(line, measures, last["food"][at:], text[far:])
            measures = ()
        end = at
    food, more = _food_and_note(text[end:])
    if measures and not food:
        food, more = (
            _food_and_note(text[at:]) if measures[0].unit is PIECES else (_word_of_unit(text, measures[0]), more)
        )
    return _understood(line, measures, food, more)


def _start(text: str) -> int:
    bullet = _BULLET.match(text)
    at = bullet.end() if bullet else 0
    while (about := _ABOUT.match(text[at:])) is not None:
        at += about.end()
    return at


def _measures(text: str, at: int) -> tuple[tuple[Measure, ...], int]:
    """What stands there of how much, and where it ends."""
    first = _measure(text, at)
    if first is None:
        return _unit_alone(text, at)
    measure, end = first
    if (times := _TIMES.match(text, end)) is not None and measure.unit is PIECES:
        size = _measure(text, times.end())
        if size is not None and size[0].unit is not PIECES:
            return (measure, _fixed(size[0])), _after_size(text, size[1])
        return (measure,), end
    if measure.unit is PIECES:
        return _packs(text, measure, end)
    return _said_again(text, measure, end)


def _fixed(measure: Measure) -> Measure:
    return Measure(measure.amount, measure.unit, False, measure.unit_start, measure.unit_end)


def _packs(text: str, measure: Measure, end: int) -> tuple[tuple[Measure, ...], int]:
    """`1 (14 oz) can tomatoes`, `2 400g tins tomatoes`, `3 large eggs`."""
    bracket = _BRACKETS.match(text, end)
    size = _measure(text, bracket.start(1)) if bracket is not None else _measure(text, end, words=False)
    if size is None or size[0].unit.dimension not in (Dimension.MASS, Dimension.VOLUME):
        return (measure,), end
    after = bracket.end() if bracket is not None else size[1]
    unit = _unit_at(text, after)
    if unit is None or unit[0].dimension is not Dimension.COUNT:
        return ((measure, _fixed(size[0])), after) if bracket is not None else ((measure,), end)
    kind, start, far = unit
    return (Measure(measure.amount, kind, True, start, far), _fixed(size[0])), far


def _after_size(text: str, end: int) -> int:
    unit = _unit_at(text, end)
    return end if unit is None or unit[0].dimension is not Dimension.COUNT else unit[2]


def _said_again(text: str, measure: Measure, end: int) -> tuple[tuple[Measure, ...], int]:
    """`200 g (7 oz)`, `1 cup / 240 ml`, `1 cup plus 2 tbsp`: they all scale."""
    found = [measure]
    for _ in range(3):
        bracket = _BRACKETS.match(text, end)
        joint = bracket or _ounces(measure, text, end) or _PLUS.match(text, end) or _EITHER.match(text, end)
        if joint is None:
            break
        more = _measure(text, joint.start(1) if bracket is not None else joint.end(), words=False)
        if more is None or more[0].unit.dimension not in (Dimension.MASS, Dimension.VOLUME):
            break
        is_size = measure.unit.dimension is Dimension.COUNT  # `2 cans (400 g each)`
        found.append(_fixed(more[0]) if is_size else more[0])
        end = bracket.end() if bracket is not None else more[1]
    return tuple(found), end


def _ounces(measure: Measure, text: str, end: int) -> re.Match[str] | None:
    """`1 lb 2 oz`, `5 lb, 3 oz`."""
    return _OUNCES.match(text, end) if measure.unit.code == "lb" else None


def _measure(text: str, at: int, *, words: bool = True) -> tuple[Measure, int] | None:
    about = _ABOUT.match(text[at:])
    amount = read_amount(text, at + (about.end() if about else 0), words=words)
    if amount is None:
        return None
    if text[amount.end : amount.end + 1] in ("%", "°", "'", "’"):
        return None
    found = _unit_at(text, amount.end)
    if found is None:
        counted = amount.as_thousands() if amount.grouped else amount
        return Measure(counted, PIECES, True, amount.end, amount.end), amount.end
    unit, start, end = found
    if (said := (_PIECE_OF if unit.code in ("cm", "inch") else _AFTER_UNIT).match(text, end)) is not None:
        end = said.end()
    if amount.grouped and unit.code in _GRAMS_AND_MILLILITRES:
        amount = amount.as_thousands()
    return Measure(amount, unit, unit.dimension is not Dimension.TASTE, start, end), end


def _unit_at(text: str, end: int) -> tuple[Unit, int, int] | None:
    """The unit there, with what is said of it before: `heaped tbsp`."""
    start = end + len(text[end:]) - len(text[end:].lstrip(" -\u00a0"))
    found = read_unit(text, start)
    if found is None and (said := _BEFORE_UNIT.match(text, end)) is not None:
        start = said.end()
        found = read_unit(text, start)
    if found is None or not _is_unit_here(text, *found):
        return None
    return found[0], start, found[1]


def _is_unit_here(text: str, unit: Unit, end: int) -> bool:
    """`2 cloves` may be the spice, and `3 eggs` has no unit g: a unit ends its word."""
    following = text[end : end + 1]
    return not following or not (following.isalnum() or following in "_")


def _unit_alone(text: str, at: int) -> tuple[tuple[Measure, ...], int]:
    """`pinch of salt`, `etwas Öl`, `handful of basil`: one of it."""
    found = _unit_at(text, at)
    if found is None or found[0].dimension not in (Dimension.TASTE, Dimension.COUNT) or found[1] != at:
        return (), at
    unit, start, end = found
    if unit.dimension is Dimension.COUNT and not _OF.match(text, end) and unit.code not in ("handful", "bunch", "knob"):
        return (), at
    if not _named(text[end:]):
        return (), at
    one = read_amount("1")
    assert one is not None
    amount = Amount(one.least, None, at, at)
    return (Measure(amount, unit, unit.dimension is not Dimension.TASTE, start, end),), end


def _named(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _food_and_note(text: str) -> tuple[str, str]:
    """The name of a food, and what is said about it."""
    notes: list[str] = []
    taste = _TO_TASTE.search(text)
    if taste is not None:
        notes.append(taste[0].strip(" ,;"))
        text = text[: taste.start()] + text[taste.end() :]
    for bracket in _BRACKETS.finditer(text):
        notes.append(bracket[1].strip())
    text = _BRACKETS.sub(" ", text).replace("(", " ").replace(")", " ")
    text = " ".join(text.split()).strip(" ,;.-–—*")
    if (of := _OF.match(text)) is not None:
        text = text[of.end() :]
    if (size := _SIZE.match(text)) is not None:
        notes.insert(0, size[0].strip())
        text = text[size.end() :]
    for mark in (_NOTE, _FOR):
        cut = mark.search(text)
        if cut is not None and _named(text[: cut.start()]):
            notes.insert(0, text[cut.end() :].strip())
            text = text[: cut.start()]
    return text.strip(" ,;.-–—*"), "; ".join(one for one in notes if one)


def _word_of_unit(text: str, measure: Measure) -> str:
    """`1 clove`, `2 Blatt`: the unit is all there is."""
    return text[measure.unit_start : measure.unit_end]


def _understood(line: str, measures: tuple[Measure, ...], food: str, note: str) -> IngredientLine:
    food = food.strip(" ,;.-–—*:") or line
    first = measures[0] if measures else None
    to_taste = _TO_TASTE.search(line) is not None or (first is not None and first.unit.dimension is Dimension.TASTE)
    keys = _keys(_ALTERNATIVE.split(food)[0])
    return IngredientLine(line, measures, food, keys, note.strip(), to_taste, _OPTIONAL.search(line) is not None)


def _keys(name: str) -> tuple[str, ...]:
    """One, but for `salt and pepper`: where every part is a food that is known, it is several."""
    parts = [part for part in _AND.split(name) if part.strip()]
    if len(parts) > 1 and not is_known(name) and all(is_known(part) for part in parts):
        return tuple(dict.fromkeys(food_key(part) for part in parts))
    key = food_key(name)
    return (key,) if key else ()
