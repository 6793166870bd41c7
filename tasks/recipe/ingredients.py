"""A line of ingredients, understood: how much, of what, and what is said about it. The line itself is always kept.

    "1½ EL Olivenöl (extra vergine)"     ->  1.5 tbsp, Olivenöl, note "extra vergine"
    "1 (14 oz) can chopped tomatoes"     ->  1 can, chopped tomatoes; 14 oz is the size of the can and does not scale
    "eine Prise Salz"                    ->  pinch, Salz; does not scale

Pure. What cannot be understood is a food without an amount.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from unicodedata import normalize

from tasks.recipe.amounts import Amount, read_amount
from tasks.recipe.food_names import BRACKETS, OF, TO_TASTE, food_and_note, is_named, keys_of, keys_of_list
from tasks.recipe.foods import food_key, is_known
from tasks.recipe.units import PIECES, Dimension, Unit, read_unit

LONGEST_LINE = 500
_BULLET = re.compile(r"^[\s\-–—•·*▢□☐✓○●◦‣▪.:]+(?=[^\s\d.,])|^[\s•·*▢□☐✓○●◦‣▪]+|^[-–—]\s+")
_ABOUT = re.compile(
    r"^(?:about|around|approx(?:imately)?\.?|roughly|ca\.?|circa|etwa|ungefähr|rund|~|≈|gut|knapp|scant|generous|heaping"
    r"|heaped|level|rounded|reichlich|evtl\.?|eventuell|optional:?|each|je|jeweils|environ|circa|cirka|ongeveer|plm\.|or|mind(?:estens|\.)|max\.?"
    r"|up to|bis zu|at least|juice of|saft von|zest of|schale von|saft|zest and juice of)\s+",
    re.IGNORECASE,
)
# What one takes of a fruit, whose number follows: `le jus d'un citron`, `Abrieb von 1 Zitrone`.
_TAKEN_OF = re.compile(
    r"^(?:(?:the|der|den|die|le|la|les|el|il|lo|de)\s+)?(?:juice|zest|rind|peel|saft|abrieb|schale|jus|zestes?|zumo|jugo"
    r"|ralladura|piel|succo|scorza|sap|rasp|suco|raspas)(?:\s+(?:and|und|et|y|e)\s+(?:the\s+)?\w+)?"
    r"(?:\s+(?:of|from|von|vom|aus|de|di|van)\s+|\s+d['’]\s*|\s+)",
    re.IGNORECASE,
)
# `0.0 salt`: programs write it where nobody said how much.
_NOTHING = re.compile(r"^0(?:[.,]0+)?\s+(?=[^\W\d])")
_BEFORE_UNIT = re.compile(
    r"\s*(?:(?:heaped|heaping|level|rounded|scant|generous|packed|gestrichene?[rns]?|gehäufte?[rns]?|gehaeufte?[rns]?"
    r"|gestr\.?|geh\.?|leicht gehäufte?[rn]?|gut gehäufte?[rn]?|gute?r?|knappe?[rns]?|große?[rns]?|grosse?[rns]?"
    r"|kleine?[rns]?|mittlere?[rns]?|gr\.|kl\.|large|small|medium|big|whole|ganze?[rns]?|thumb[- ]sized?|daumen\w+|of"
    r"|de|thin|thick|dünne[rns]?|dicke[rns]?|med\.|lg\.|sm\.|m\.-große?[rns]?|gran|petite?s?|grande?s?|grosse?s?|pequeñ[oa]s?|piccol[oaie])\s+)+",
    re.IGNORECASE,
)
# As some sites write it: `2 EL, gehäuft Zucker`.
_AFTER_UNIT = re.compile(r",\s*(?:gestr\.|geh\.|gestrichen\w*|gehäuft\w*|heaped|level)\s+", re.IGNORECASE)
_PIECE_OF = re.compile(
    r"\s*-?\s*(?:long\s+)?(?:piece|knob|stück|chunk|lange[srn]?\s+stück)\b(?:\s+of\b)?", re.IGNORECASE
)
_TIMES = re.compile(r"\s*[x×*]\s*(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_PLUS = re.compile(r"\s*(?:\+|plus|and|und|&)\s*(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_OUNCES = re.compile(r",?\s+(?=\d+\s*oz)", re.IGNORECASE)
_EITHER = re.compile(r"\s*(?:/|\||=|or|oder|minus|,)\s*(?:about\s+|ca\.?\s+|~\s*)?(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_PLURAL = re.compile(r"(?<=\w)(?:\((n|en|er|e|s|es|in|nen|ies)\)|/(n|en|er|e|s|es)(?!\w))", re.IGNORECASE)
_OPTIONAL = re.compile(r"\b(?:optional|wahlweise|nach wunsch|falls gewünscht|if you like|if desired)\b", re.IGNORECASE)
_AMOUNT_LAST = re.compile(
    r"^(?P<food>[^\d¼-¾⅐-⅞,;()]{2,60}?(?:\([^()\d]{1,60}\))?)\s*[:,\-–—]?\s+(?P<amount>[\d¼-¾⅐-⅞][^()]*)$"
)
# `1 taza y media`, `1 Tasse und eine halbe`: the half belongs to the number. `1 halbe Gurke` is no whole one.
_UNIT_AND_A_HALF = re.compile(
    r"^(\d+)\s+([^\W\d]+)\s+(?:y\s+medi[ao]|et\s+demie?|e\s+mezz[ao]|and\s+a\s+half|und\s+eine?\s+halbe?)\b",
    re.IGNORECASE,
)
_ONE_HALF = re.compile(
    r"(?<![\d.,/])1\s+(?:halbe[rns]?\b|half\b(?!\s*(?:and|&|-))|demie?\b-?|mezz[ao]\b|medi[ao]\b)\s*", re.IGNORECASE
)
_GRAMS_AND_MILLILITRES = frozenset({"g", "ml", "mg"})
# `7-Up`, `half-and-half`, `Five-spice powder`: the number is a part of the name.
_PART_OF_NAME = re.compile(r"-[^\W\d]")
_NUMBER_OF_TYPE = re.compile(r"\b(?:ty?p[eo]?|tipo|nr\.?|no\.?|n°)$", re.IGNORECASE)
#: In which food is sold: `400g tin` is one of them.
_CONTAINERS = frozenset({"can", "jar", "package", "box", "bottle", "tub", "tube"})
#: Foods that one counts: `1 gr. Zwiebel` is a large one.
_COUNTED_FOODS = frozenset(
    (
        "onion", "red onion", "shallot", "leek", "garlic", "egg", "potato", "sweet potato", "carrot", "celeriac",
        "zucchini", "aubergine", "tomato", "cucumber", "bell pepper", "chili", "pumpkin", "cauliflower", "cabbage",
        "avocado", "apple", "pear", "lemon", "lime", "orange", "banana",
    )
)  # fmt: skip
_MOST_LARGE = 10
#: Which nobody has to count: `handful basil`, and those whose size is said: `small pack basil`.
_ALONE = frozenset({"handful", "bunch", "knob"})
_ALONE_WITH_SIZE = _ALONE | {"package", "piece", "head", "can", "jar", "tub", "bottle"}
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
    """The line in which measures have their places: `Zwiebel(n)` is the plural that it may be, `1 halbe Gurke` is ½."""
    text = _PLURAL.sub(r"\1\2", normalize("NFC", " ".join(line.split())[:LONGEST_LINE]))
    return _ONE_HALF.sub("½ ", _UNIT_AND_A_HALF.sub(r"\1½ \2", text))


def read_line(line: str) -> IngredientLine:
    """Understand one line."""
    text = normal_form(line)
    line = " ".join(line.split())[:LONGEST_LINE]
    at = _start(text)
    measures, end = _measures(text, at)
    if not measures:
        if (last := _amount_last(text, at)) is not None:
            return _understood(line, *last)
        if keys := keys_of_list(text[at:]):
            return replace(_understood(line, (), TO_TASTE.sub("", text[at:]), ""), keys=keys)
        end = at
    food, more = food_and_note(text[end:])
    if measures and not food:
        food, more = _food_of_unit(text, at, measures[0], more)
    return _understood(line, measures, food, more)


def _food_of_unit(text: str, at: int, measure: Measure, note: str) -> tuple[str, str]:
    """Where no food follows its measure: `2 Blatt`; it may stand in brackets, `1 cup (rolled oats)`."""
    if measure.unit is PIECES:
        return food_and_note(text[at:])
    if measure.unit.dimension in (Dimension.MASS, Dimension.VOLUME) and is_named(note):
        return note, ""
    return _word_of_unit(text, measure), note


def _amount_last(text: str, at: int) -> tuple[tuple[Measure, ...], str, str] | None:
    """`Mehl 200 g`, `Eggs: 2`; a number alone counts what the table of foods has: it may be a part of a name."""
    last = _AMOUNT_LAST.match(text)
    if last is None:
        return None
    measures, far = _measures(text, last.start("amount"))
    if not measures or is_named(text[far:]):
        return None
    food, note = food_and_note(last["food"][at:])
    if measures[0].unit is PIECES and (_NUMBER_OF_TYPE.search(food) or not is_known(food) or text[far:].strip()):
        return None
    return measures, food, "; ".join(filter(None, (note, text[far:].strip())))


def _start(text: str) -> int:
    bullet = _BULLET.match(text)
    at = bullet.end() if bullet else 0
    while (about := _ABOUT.match(text[at:])) is not None:
        at += about.end()
    if (nothing := _NOTHING.match(text[at:])) is not None:
        at += nothing.end()
    taken = _TAKEN_OF.match(text[at:])
    return at + taken.end() if taken is not None and read_amount(text, at + taken.end()) is not None else at


def _measures(text: str, at: int) -> tuple[tuple[Measure, ...], int]:
    """What stands there of how much, and where it ends."""
    first = _measure(text, at)
    if first is None:
        return _unit_alone(text, at)
    measure, end = first
    if (times := _TIMES.match(text, end)) is not None and measure.unit is PIECES:
        size, far = _size(text, times.end())
        if size and size[0].unit is not PIECES:
            return _of_packs(text, measure, size, far) or ((measure, *size), far)
        return (measure,), end
    if measure.unit is PIECES:
        return _in_two(text, measure, end) or _packs(text, measure, end)
    more, far = _said_again(text, measure, end)
    return _one_pack(text, at, more, far) or (more, far)


def _in_two(text: str, measure: Measure, end: int) -> tuple[tuple[Measure, ...], int] | None:
    """`1/4 + 1/8 teaspoon`, `50 + 150 g`: the unit is that of both."""
    plus = _PLUS.match(text, end)
    second = _measure(text, plus.end(), words=False) if plus is not None and "+" in plus[0] else None
    if second is None or second[0].unit is PIECES:
        return None
    first = Measure(measure.amount, second[0].unit, second[0].scales, measure.amount.end, measure.amount.end)
    return (first, second[0]), second[1]


def _size(text: str, at: int) -> tuple[tuple[Measure, ...], int]:
    """Of one can, perhaps said twice: `400g/14oz`."""
    first = _measure(text, at, words=False)
    if first is None:
        return (), at
    found, end = _said_again(text, *first)
    return tuple(map(_fixed, found)), end


def _of_packs(
    text: str, measure: Measure, size: tuple[Measure, ...], end: int
) -> tuple[tuple[Measure, ...], int] | None:
    """With the word for what is counted, where one follows its size."""
    unit = _unit_at(text, end)
    if unit is None or unit[0].dimension is not Dimension.COUNT:
        return None
    kind, start, far = unit
    return (Measure(measure.amount, kind, True, start, far), *size), far


def _one_pack(text: str, at: int, size: tuple[Measure, ...], end: int) -> tuple[tuple[Measure, ...], int] | None:
    """`400g tin tomatoes`, `1-pound package spaghetti`: it is one, though nobody says so."""
    first = size[0]
    if first.unit.dimension not in (Dimension.MASS, Dimension.VOLUME) or first.amount.most is not None:
        return None
    unit = _unit_at(text, end)
    if unit is None or unit[0].code not in _CONTAINERS or not is_named(text[unit[2] :]):
        return None
    one = Measure(Amount(Fraction(1), None, at, at), PIECES)
    return _of_packs(text, one, tuple(map(_fixed, size)), end)


def _fixed(measure: Measure) -> Measure:
    return Measure(measure.amount, measure.unit, False, measure.unit_start, measure.unit_end)


def _packs(text: str, measure: Measure, end: int) -> tuple[tuple[Measure, ...], int]:
    """`1 (14 oz) can tomatoes`, `2 400g tins tomatoes`, `3 large eggs`."""
    bracket = BRACKETS.match(text, end)
    size, far = _size(text, bracket.start(1) if bracket is not None else end)
    is_size = bool(size) and size[0].unit.dimension in (Dimension.MASS, Dimension.VOLUME)
    if bracket is not None:
        far = bracket.end()
    elif not is_size:
        return (measure,), end
    found = _of_packs(text, measure, size if is_size else (), far)
    if found is not None:
        return found
    return ((measure, *size), far) if bracket is not None and is_size else ((measure,), end)


def _said_again(text: str, measure: Measure, end: int) -> tuple[tuple[Measure, ...], int]:
    """`200 g (7 oz)`, `1 cup / 240 ml`, `1 cup plus 2 tbsp`: they all scale."""
    found = [measure]
    for _ in range(3):
        bracket = BRACKETS.match(text, end)
        joint = bracket or _ounces(found[-1], text, end) or _PLUS.match(text, end) or _EITHER.match(text, end)
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
    if found is not None and _is_no_unit(text, amount, *found):
        said = _BEFORE_UNIT.match(text, amount.end)
        found = None if said is None else _unit_at(text, said.end())
    if found is None:
        if _PART_OF_NAME.match(text, amount.end):
            return None
        counted = amount.as_thousands() if amount.grouped else amount
        return Measure(counted, PIECES, True, amount.end, amount.end), amount.end
    unit, start, end = found
    if (said := (_PIECE_OF if unit.code in ("cm", "inch") else _AFTER_UNIT).match(text, end)) is not None:
        end = said.end()
    end = _after_some(text, unit, end)
    if amount.grouped and unit.code in _GRAMS_AND_MILLILITRES:
        amount = amount.as_thousands()
    return Measure(amount, unit, unit.dimension is not Dimension.TASTE, start, end), end


def _is_no_unit(text: str, amount: Amount, unit: Unit, start: int, end: int) -> bool:
    """`2 little gem lettuces` are no little, and `1 gr. Zwiebel` is a large onion."""
    if unit.code == "some":
        return any(char.isdigit() for char in text[amount.start : amount.end])
    if unit.code != "g" or text[start:end].casefold() != "gr." or amount.least > _MOST_LARGE:
        return False
    following = _unit_at(text, end)
    return following is not None or food_key(food_and_note(text[end:])[0]) in _COUNTED_FOODS


def _after_some(text: str, unit: Unit, end: int) -> int:
    """`a few sprigs of thyme`, `quelques feuilles de basilic`: nobody says how many."""
    more = _unit_at(text, end) if unit.code == "some" else None
    is_more = more is not None and more[0].dimension is Dimension.COUNT and is_named(text[more[2] :])
    return more[2] if more is not None and is_more else end


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
    if found is None or found[0].dimension not in (Dimension.TASTE, Dimension.COUNT):
        return (), at
    unit, start, end = found
    if start != at and _BEFORE_UNIT.match(text, at) is None:
        return (), at
    alone = _ALONE if start == at else _ALONE_WITH_SIZE
    if unit.dimension is Dimension.COUNT and not OF.match(text, end) and unit.code not in alone:
        return (), at
    end = _after_some(text, unit, end)
    if not is_named(text[end:]):
        return (), at
    amount = Amount(Fraction(1), None, at, at)
    return (Measure(amount, unit, unit.dimension is not Dimension.TASTE, start, end),), end


def _word_of_unit(text: str, measure: Measure) -> str:
    """`1 clove`, `2 Blatt`: the unit is all there is."""
    return text[measure.unit_start : measure.unit_end]


def _understood(line: str, measures: tuple[Measure, ...], food: str, note: str) -> IngredientLine:
    food = food.strip(" ,;.-–—*:") or line
    first = measures[0] if measures else None
    to_taste = TO_TASTE.search(line) is not None or (first is not None and first.unit.dimension is Dimension.TASTE)
    keys = keys_of(food)
    return IngredientLine(line, measures, food, keys, note.strip(), to_taste, _OPTIONAL.search(line) is not None)
