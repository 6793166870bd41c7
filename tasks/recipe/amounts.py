"""Amounts as people write them in recipes: fractions, mixed numbers, ranges, decimal commas, words. Pure and exact.

½   1½   1 1/2   1-1/2   0,5   1.000   2-3   2 to 3   zwei bis drei   a dozen   anderthalb
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from unicodedata import normalize, numeric

#: More than anybody cooks; what is larger is no amount.
LARGEST = Fraction(100_000)

_VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞↉"
_HALF = ("half", "halbe", "halber", "halbes", "halben", "halb", "demi", "demie", "medio", "media", "mezzo", "mezza")
_WORDS: dict[str, Fraction] = {
    **{word: Fraction(n) for n, words in enumerate(
        (
            "", "a an one ein eine einen einem einer eines un une uno una", "two zwei deux dos due couple",
            "three drei trois tres tre", "four vier quatre cuatro quattro", "five fünf fuenf cinq cinco cinque",
            "six sechs seis sei", "seven sieben sept siete sette", "eight acht huit ocho otto",
            "nine neun neuf nueve nove", "ten zehn dix diez dieci", "eleven elf onze once undici",
            "twelve zwölf zwoelf dozen dutzend douze doce dodici",
        )
    ) for word in words.split()},
    **dict.fromkeys(_HALF, Fraction(1, 2)),
    "anderthalb": Fraction(3, 2), "eineinhalb": Fraction(3, 2), "zweieinhalb": Fraction(5, 2),
    "viertel": Fraction(1, 4), "quarter": Fraction(1, 4), "quarters": Fraction(1, 4), "dreiviertel": Fraction(3, 4),
    "third": Fraction(1, 3), "thirds": Fraction(1, 3), "drittel": Fraction(1, 3),
}  # fmt: skip
_RANGE = re.compile(r"\s*(?:-|–|—|‐|‑|−|~|to|or|bis|oder|à|a)\s*", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
# `1 000 g`, `1.000 g`, `1,000 g`, `2,5`, `.5`; what three digits after a mark mean is decided by the unit.
# A blank parts thousands where one stands before the unit as well: `1 500 g`, but `2 400g tins`.
_DECIMAL = re.compile(
    r"\d{1,3}(?: \d{3})+(?= \D)|\d{1,3}(?:[\u00a0\u202f'’]\d{3})+(?!\d)|\d{1,6}(?:[.,]\d{1,20})?|[.,]\d{1,4}"
)
_DOZEN = re.compile(r"\s*(?:dozen|doz|dutzend|douzaines?|docenas?|dozzin[ae])\b\.?", re.IGNORECASE)
_JOINT = re.compile(r"(?:\s*(?:&|\+|and|und|et|y|e|i)\s+|\s*-(?=\d{1,2}[/⁄])|\s*)(?=[\d¼-¾⅐-⅞])", re.IGNORECASE)
_AND_A_HALF = re.compile(r"\s*(?:and|und)\s+(?:a\s+)?(?:half|halb\w*)\b", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:between|zwischen|entre|tra)\s+(?=\w)", re.IGNORECASE)
_AND = re.compile(r"\s+(?:and|und|et|y|e)\s+", re.IGNORECASE)
_OF_A = re.compile(r"\s+of\s+an?\b", re.IGNORECASE)
_SPACE = re.compile(r"\s+|-(?=(?:half|thirds?|quarters?)\b)")
#: Of a third or a sixth, written as a decimal.
_MANY_PLACES = 5
_FRACTION = re.compile(r"(\d{1,4})\s*[/⁄∕]\s*(\d{1,3})(?![\d/])")


@dataclass(frozen=True)
class Amount:
    """How much.

    Attributes:
        least: Or exactly.
        most: Of a range; None where it is none.
        start, end: Where it stands in the text.
        grouped: It may be thousands: three digits stand after its only mark, such as `1.000`.
    """

    least: Fraction
    most: Fraction | None
    start: int
    end: int
    grouped: bool = False

    def as_thousands(self) -> Amount:
        """The same, its mark read as one of thousands."""
        most = None if self.most is None else self.most * 1000
        return Amount(self.least * 1000, most, self.start, self.end)


def read_amount(text: str, at: int = 0, *, words: bool = True) -> Amount | None:
    """The amount that begins there; None where none does."""
    at += len(text[at:]) - len(text[at:].lstrip())
    between = _BETWEEN.match(text, at)
    first = _number(text, between.end() if between else at, words)
    if first is None:
        return None
    value, end, grouped = first
    joint = (_AND if between else _RANGE).match(text, end)
    if joint is not None and (following := _number(text, joint.end(), words and joint[0].strip().isalpha())):
        most, far, also_grouped = following
        if value < most <= LARGEST and not _is_multiplied(text, far):
            return Amount(value, most, at, far, grouped and also_grouped)
    return Amount(value, None, at, end, grouped) if 0 < value <= LARGEST else None


def _is_multiplied(text: str, end: int) -> bool:
    """`2 to 3 x 400 g`: what follows the range belongs to it."""
    return text[end : end + 2].strip() == "x"


def _number(text: str, at: int, words: bool) -> tuple[Fraction, int, bool] | None:
    """Value, end, and whether it may be thousands."""
    if (fraction := _fraction(text, at)) is not None:
        return (*fraction, False)
    if (digits := _DECIMAL.match(text, at)) is not None:
        value, grouped = _decimal(digits[0])
        mixed = None if "." in digits[0] or "," in digits[0] else _fraction_after(text, digits.end())
        if mixed is not None:
            return value + mixed[0], mixed[1], False
        if (dozen := _DOZEN.match(text, digits.end())) is not None:
            return value * 12, dozen.end(), False
        return value, digits.end(), grouped
    return _in_words(text, at) if words else None


def _fraction(text: str, at: int) -> tuple[Fraction, int] | None:
    if text[at : at + 1] and text[at] in _VULGAR:
        return Fraction(numeric(text[at])).limit_denominator(10), at + 1
    found = _FRACTION.match(text, at)
    if found is None or int(found[2]) == 0 or int(found[1]) > 10 * int(found[2]):
        return None
    return Fraction(int(found[1]), int(found[2])), found.end()


def _fraction_after(text: str, end: int) -> tuple[Fraction, int] | None:
    """Of a mixed number: `1½`, `1 1/2`, `1-1/2`, `1 & 1/2`, `1 and a half`."""
    joint = _JOINT.match(text, end)
    if joint is not None:
        found = _fraction(text, joint.end())
        if found is not None and found[0] < 1 and (joint.end() > end or text[joint.end()] in _VULGAR):
            return found
    half = _AND_A_HALF.match(text, end)
    return None if half is None else (Fraction(1, 2), half.end())


def _decimal(digits: str) -> tuple[Fraction, bool]:
    whole = re.sub(r"[ \u00a0\u202f'’]", "", digits)
    mark = re.search(r"[.,]", whole)
    if mark is None:
        return Fraction(int(whole)), False
    before, after = whole[: mark.start()], whole[mark.end() :]
    value = Fraction(int(before or 0)) + Fraction(int(after), 10 ** len(after))
    if len(after) >= _MANY_PLACES:
        value = value.limit_denominator(100)
    return value, len(after) == 3 and bool(before) and not before.startswith("0")


def _in_words(text: str, at: int) -> tuple[Fraction, int, bool] | None:
    """`two`, `half a`, `a half`, `a dozen`, `ein halber`, `half a dozen`."""
    value, end = None, at
    for _ in range(3):
        found = _WORD.match(text, end)
        meant = None if found is None else _WORDS.get(normalize("NFC", found[0]).casefold())
        if found is None or meant is None or (value is not None and value > 1 and meant > 1):
            break
        value = meant if value is None else value * meant
        end = found.end()
        following = _SPACE.match(text, end)
        if following is None:
            break
        end = following.end()
    if value is None:
        return None
    end = len(text[:end].rstrip())
    if value < 1 and (of := _OF_A.match(text, end)) is not None:
        end = of.end()
    return value, end, False


# --- written


_NICE = {
    Fraction(1, 2): "½", Fraction(1, 3): "⅓", Fraction(2, 3): "⅔", Fraction(1, 4): "¼", Fraction(3, 4): "¾",
    Fraction(1, 8): "⅛", Fraction(3, 8): "⅜", Fraction(5, 8): "⅝", Fraction(7, 8): "⅞", Fraction(1, 6): "⅙",
    Fraction(5, 6): "⅚", Fraction(0): "", Fraction(1): "",
}  # fmt: skip
#: A spoon is not measured more exactly.
NEAR = Fraction(1, 25)


def as_fraction(value: Fraction) -> str:
    """As cooks write it: 1½, ⅓, 2; where no such fraction is near, as a decimal."""
    whole = int(value)
    fractions = [one for one in _NICE if whole == 0 or one.denominator != 6]
    nearest = min(fractions, key=lambda one: abs(value - whole - one))
    near = whole + nearest
    if value >= 20 or abs(value - near) > NEAR * value:
        return f"{value.numerator}/{value.denominator}" if value < 1 and value.denominator <= 16 else as_decimal(value)
    return f"{int(near) or ''}{_NICE[nearest]}"


def as_decimal(value: Fraction, comma: bool = False) -> str:
    """With as many places as a scale or a jug shows: 1250, 12.5, 0.25."""
    places = 0 if value >= 100 else 1 if value >= 10 else 2
    text = f"{float(value):.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", ",") if comma else text
