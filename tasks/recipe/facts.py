"""Times, yields and diets, as pages and exports say them: by the standard, by habit, or wrongly. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction

from tasks.recipe.amounts import read_amount
from tasks.recipe.records import MOST_MINUTES, Diet

_ISO_PART = re.compile(r"(\d+(?:[.,]\d+)?)\s*([YMWDHS])", re.IGNORECASE)
_OF_TIME = {"D": Fraction(1440), "H": Fraction(60), "M": Fraction(1), "S": Fraction(1, 60)}
_CLOCK = re.compile(
    r"^(\d{1,3}):([0-5]?\d)(?::([0-5]?\d))?(?:\s*(?:h|hrs?|hours?|std\.?|stunden?|uhr))?$", re.IGNORECASE
)
_MINUTES_OF = {
    "d": 1440, "day": 1440, "days": 1440, "tag": 1440, "tage": 1440, "tagen": 1440, "jour": 1440, "jours": 1440,
    "día": 1440, "días": 1440, "giorno": 1440, "giorni": 1440, "dag": 1440, "dagen": 1440,
    "w": 10080, "week": 10080, "weeks": 10080, "woche": 10080, "wochen": 10080,
    "h": 60, "hr": 60, "hrs": 60, "hour": 60, "hours": 60, "std": 60, "stunde": 60, "stunden": 60, "heure": 60,
    "heures": 60, "hora": 60, "horas": 60, "ora": 60, "ore": 60, "uur": 60, "uren": 60, "timme": 60, "timmar": 60,
    "time": 60, "timer": 60, "godz": 60, "godzina": 60, "godziny": 60, "st": 60, "t": 60, "tunti": 60, "tuntia": 60,
    "時間": 60, "小时": 60,
    "m": 1, "min": 1, "mins": 1, "minute": 1, "minutes": 1, "minuten": 1, "minuto": 1, "minutos": 1, "minuti": 1,
    "minuut": 1, "minuter": 1, "minutter": 1, "mn": 1, "minuuttia": 1, "minuutti": 1, "minut": 1, "minuty": 1,
    "分": 1, "分間": 1, "分钟": 1, "'": 1, "′": 1, "’": 1,
}  # fmt: skip
_UNIT_OF_TIME = re.compile(r"\s*([^\W\d_]+|['′’])\.?", re.UNICODE)
_TO = re.compile(r"\s*(?:to|bis|or|oder|a|à|tot|-|–|—)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[\d¼-¾⅐-⅞]")
#: More months or years than that are no recipe's: M was meant as minutes.
_LONG = 60 * 24 * 28


def minutes_of(text: str) -> int | None:
    """How many minutes a text means; None where it means none, or no time.

    ISO 8601 durations, and what pages write in their place: `PT90`, `P30M` for half an hour, `PT1H30`, `1:30`, `90`,
    `1 hr 15 min`, `1 Stunde 20`, `20-25 minutes` (the longer).
    """
    text = text.strip()[:100]
    if not text or text.startswith(("-", "PT-", "P-")):
        return None
    for read in (_iso, _clock, _in_words):
        found = read(text)
        if found is not None:
            whole = round(found)
            return whole if 0 < whole <= MOST_MINUTES else None
    return None


def _iso(text: str) -> Fraction | None:
    if not re.match(r"[PT]+[\d.]", text, re.IGNORECASE):
        return None
    dates, _, times = text.upper().lstrip("P").partition("T") if "T" in text.upper() else (text[1:].upper(), "", "")
    minutes = Fraction(0)
    for number, unit in _ISO_PART.findall(times):
        minutes += _fraction(number) * _OF_TIME.get(unit, Fraction(0))
    bare = re.search(r"(?:^|[HMS])(\d+)$", times)
    if bare is not None:  # `PT90` are minutes, and so are those of `PT1H30`
        minutes += int(bare[1])
    of_date = Fraction(0)
    for number, unit in _ISO_PART.findall(dates):
        of_date += _fraction(number) * {"Y": 525_600, "M": 43_800, "W": 10_080, "D": 1_440, "H": 60}.get(unit, 0)
    if of_date >= _LONG and "M" in dates and not times:
        of_date = sum((_fraction(n) * {"H": 60, "M": 1}.get(u, 0) for n, u in _ISO_PART.findall(dates)), Fraction(0))
    return minutes + of_date


def _fraction(number: str) -> Fraction:
    return Fraction(number.replace(",", "."))


def _clock(text: str) -> Fraction | None:
    found = _CLOCK.match(text)
    if found is None:
        return None
    return Fraction(int(found[1]) * 60 + int(found[2])) + Fraction(int(found[3] or 0), 60)


def _in_words(text: str) -> Fraction | None:
    total, at, last = Fraction(0), 0, 0
    found_any = False
    while (digit := _first_amount(text, at)) is not None:
        value, end = digit
        unit = _UNIT_OF_TIME.match(text, end)
        size = None if unit is None else _MINUTES_OF.get(unit[1].casefold())
        if size is not None and unit is not None:
            is_range = found_any and _TO.fullmatch(text[at : _number_start(text, at)]) is not None
            total = max(total, value * size) if is_range else total + value * size  # `30 minutes to 1 hour`
            last, at, found_any = size, unit.end(), True
        elif not found_any and not text[end:].strip():
            return value  # `90`
        elif last > 1 and not text[end:].strip(" ."):
            return total + value  # `1 Stunde 20`
        else:
            at = end
    return total if found_any else None


def _number_start(text: str, at: int) -> int:
    number = _NUMBER.search(text, at)
    return len(text) if number is None else number.start()


def _first_amount(text: str, at: int) -> tuple[Fraction, int] | None:
    """The next amount, of a range its most; words only at the start."""
    number = _NUMBER.search(text, at)
    if number is not None:
        amount = read_amount(text, number.start(), words=False)
        return (amount.most or amount.least, amount.end) if amount else _first_amount(text, number.end())
    amount = read_amount(text, 0) if at == 0 else None
    return None if amount is None else (amount.most or amount.least, amount.end)


#: How large it is, and not how many.
_SIZES = re.compile(
    r"(?:\d{1,3}(?: \d{3})+|\d+(?:[.,]\d+)?)\s*-?\s*(?:inch(?:es)?|in\.|cm|mm|\"|”|ounces?|oz|g|kg|ml|l|lbs?)\b",
    re.IGNORECASE,
)


_MINUS = re.compile(r"(?:^|\s)[-−]$")


def servings_of(text: str) -> float | None:
    """For how many, of a text such as `Serves 4-6`, `Für 4 Personen`, `2 dozen cookies`; of a range the least."""
    text = _SIZES.sub(" ", text[:200])
    for number in _NUMBER.finditer(text):
        amount = None if _MINUS.search(text[: number.start()]) else read_amount(text, number.start(), words=False)
        if amount is not None and 0 < amount.least <= 10_000:
            return float(amount.least)
        break
    if _NUMBER.search(text) is not None:
        return None
    for word in re.finditer(r"[^\W\d_]+", text):
        amount = read_amount(text, word.start())
        if amount is not None and word[0].casefold() not in ("a", "an", "un", "una", "uno"):
            return float(amount.least)
    amount = read_amount(text)
    return None if amount is None else float(amount.least)


#: Parts of what pages call a diet, in their tags too, without the marks between words.
_DIETS: tuple[tuple[str, Diet], ...] = (
    ("vegan", "vegan"), ("vegetari", "vegetarian"), ("végétari", "vegetarian"), ("glutenfree", "gluten_free"),
    ("glutenfrei", "gluten_free"), ("ohnegluten", "gluten_free"), ("senzaglutine", "gluten_free"),
    ("glutenvrij", "gluten_free"), ("glutenfri", "gluten_free"), ("végan", "vegan"),
    ("sansgluten", "gluten_free"), ("singluten", "gluten_free"),
    ("lowlactose", "low_lactose"), ("lactosefree", "low_lactose"), ("laktosefrei", "low_lactose"),
    ("laktosfri", "low_lactose"), ("lactosevrij", "low_lactose"), ("ohnelaktose", "low_lactose"),
    ("senzalattosio", "low_lactose"),
    ("sinlactosa", "low_lactose"), ("sanslactose", "low_lactose"),
    ("dairyfree", "low_lactose"), ("halal", "halal"), ("kosher", "kosher"), ("koscher", "kosher"),
    ("hindu", "hindu"), ("diabeti", "diabetic"), ("lowcalorie", "low_calorie"), ("kalorienarm", "low_calorie"),
    ("lowfat", "low_fat"), ("fettarm", "low_fat"), ("lowsalt", "low_salt"), ("lowsodium", "low_salt"),
    ("salzarm", "low_salt"),
)  # fmt: skip
_NOT = re.compile(r"^(?:non|not|nicht|kein|keine|un)|(?:adaptable|option(?:al)?|möglich|optie)$", re.IGNORECASE)
_LONGEST_DIET = 40


def diets_of(names: Iterable[str]) -> list[Diet]:
    """The diets that names of them, or tags, speak of: `https://schema.org/VeganDiet`, `Gluten-free`, `vegetarisch`."""
    return list(dict.fromkeys(_diets(names)))


def _diets(names: Iterable[str]) -> Iterator[Diet]:
    for name in names:
        bare = re.sub(r"[\s_-]+", "", re.split(r"[/#:]", name)[-1].casefold())
        if len(bare) <= _LONGEST_DIET and _NOT.search(bare) is None:
            yield from (diet for part, diet in _DIETS if bare.startswith(part))
