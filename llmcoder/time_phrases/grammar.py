"""How times are said: the same tables for every language, whose words its lexicon has.

`<element>` is what a phrase consists of; `understanding.py` puts the elements of one together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from llmcoder.time_phrases.parts import (
    Clock,
    Day,
    DayOfYear,
    DaysOfMonth,
    Element,
    Frequency,
    Length,
    Next,
    NthWeekday,
    OnWeekday,
    Relative,
    Shifted,
    Weekday,
    Weekdays,
    Weekend,
    length,
)
from llmcoder.time_phrases.pattern import Bound, Row, Tables

#: A year of two digits is one of this century.
CENTURY = 2000
YEARS = range(1900, 10_000)
DAYS_OF_ANY_MONTH = range(1, 32)
WEEKS_OF_A_MONTH = 5
#: More hours alone (`17h`) are a time of day.
MOST_SHORT_HOURS = 12
WORKING_WEEK, WEEKEND = (0, 1, 2, 3, 4), (5, 6)


# --- times of day


def _halved(clock: Clock, bound: Bound) -> Clock | None:
    """The time, by the half of the day that it names; then its hour is one of twelve."""
    if "AM" in bound or "PM" in bound:
        if not 1 <= clock.hour <= 12:
            return None
        hour = clock.hour % 12 + (12 if "PM" in bound else 0)
        clock = Clock(hour, clock.minute, clock.second, halved=True)
    return clock if clock.valid else None


def _clock(bound: Bound) -> Clock | None:
    hour, minute, second = int(bound["h"]), int(bound.get("m", 0)), int(bound.get("s", 0))
    if (hour, minute, second) == (24, 0, 0) and not {"AM", "PM"} & bound.keys():
        return Clock(0, day_after=True)
    return _halved(Clock(hour, minute, second), bound)


def _in_words(bound: Bound) -> Clock | None:
    """`nine thirty`; who says `nine five` means neither 9:05 nor 9:50."""
    return _clock(bound) if bound["m"] >= 10 and bound["m"] == int(bound["m"]) else None


def _twelve(bound: Bound) -> Clock | None:
    """`12 noon`."""
    return _around(0, bound) if bound["h"] == 12 else None


def _around(minutes: float, bound: Bound) -> Clock | None:
    """So many minutes past noon or midnight; before it, where negative."""
    if minutes != int(minutes) or not -60 < minutes < 60:
        return None
    total = ((720 if "NOON" in bound else 0) + int(minutes)) % 1_440
    return Clock(total // 60, total % 60, halved=True, midnight="MIDNIGHT" in bound and minutes >= 0)


def _noon_and(minutes: int) -> Callable[[Bound], Clock | None]:
    return lambda bound: _around(minutes, bound)


def _half_and(sign: int) -> Callable[[Bound], Clock | None]:
    """`fünf nach halb sechs`: so many minutes past, or before, half an hour before."""
    return lambda bound: _by(int(sign * bound["n"]) - 30, bound) if 0 < bound["n"] < 30 else None


def _four_digits(bound: Bound) -> Clock | None:
    clock = Clock(bound["INT4"] // 100, bound["INT4"] % 100, bare="HUNDRED" not in bound)
    return clock if clock.valid else None


def _by(minutes: int, bound: Bound) -> Clock | None:
    """So many minutes past an hour; before it, where negative."""
    clock = _halved(Clock(int(bound["h"])), bound)
    if clock is None or not -60 < minutes < 60:
        return None
    total = (clock.hour * 60 + minutes) % 1_440
    return Clock(total // 60, total % 60, halved=clock.halved)


def _shifted(minutes: int) -> Callable[[Bound], Clock | None]:
    return lambda bound: _by(minutes, bound)


def _of_minutes(bound: Bound) -> bool:
    return bool(bound.get("UNIT", "minute") == "minute")


def _minutes(sign: int) -> Callable[[Bound], Clock | None]:
    def meaning(bound: Bound) -> Clock | None:
        if not _of_minutes(bound) or bound["n"] != int(bound["n"]):
            return None
        return _by(sign * int(bound["n"]), bound)

    return meaning


def _bare(bound: Bound) -> Clock | None:
    clock = Clock(int(bound["h"]), bare=True)
    return clock if clock.valid and clock.hour == bound["h"] else None


CLOCKS = (
    Row("h=INT1|INT2 COLON m=INT2 OCLOCK? AM|PM?", _clock),
    Row("h=INT1|INT2 COLON m=INT2 COLON s=INT2 AM|PM?", _clock),
    Row("h=INT1|INT2 ~DOT m=~INT2 OCLOCK? AM|PM?", _clock),
    Row("h=<hour> OCLOCK AM|PM?", _clock),
    Row("h=<hour> AM|PM OCLOCK?", _clock),
    Row("h=<hour> OCLOCK m=INT2|NUM", _clock),
    Row("h=INT1|INT2 COLON m=INT2 HOURS", _clock),
    Row("h=NUM m=NUM AM|PM?", _in_words),
    Row("h=<hour> MINUTESAND m=INT2|NUM", _clock),
    Row("INT4 HUNDRED?", _four_digits),
    Row("n=INT3|INT4 AM|PM", lambda b: _halved(Clock(b["n"] // 100, b["n"] % 100), b)),
    Row("NOON", lambda _b: Clock(12, halved=True)),
    Row("MIDNIGHT", lambda _b: Clock(0, halved=True, midnight=True)),
    Row("h=<hour> OCLOCK? NOON|MIDNIGHT", _twelve),
    Row("HALF PASTHOUR NOON|MIDNIGHT", _noon_and(30)),
    Row("A? QUARTERHOUR PASTHOUR NOON|MIDNIGHT", _noon_and(15)),
    Row("A? QUARTERHOUR TOHOUR NOON|MIDNIGHT", _noon_and(-15)),
    Row("n=INT1|INT2|NUM UNIT? PASTHOUR NOON|MIDNIGHT", lambda b: _around(b["n"], b) if _of_minutes(b) else None),
    Row("n=INT2|NUM UNIT? TOHOUR NOON|MIDNIGHT", lambda b: _around(-b["n"], b) if _of_minutes(b) else None),
    Row("n=INT1 UNIT TOHOUR NOON|MIDNIGHT", lambda b: _around(-b["n"], b) if _of_minutes(b) else None),
    Row("NOON|MIDNIGHT AND HALF", _noon_and(30)),
    Row("NOON|MIDNIGHT AND QUARTERHOUR", _noon_and(15)),
    Row("NOON|MIDNIGHT MINUS THE? QUARTERHOUR", _noon_and(-15)),
    Row("NOON|MIDNIGHT MINUS n=INT1|INT2|NUM", lambda b: _around(-b["n"], b)),
    # half past five, quarter past five, quarter to six, ten to six
    Row("HALF PASTHOUR h=<hour> AM|PM?", _shifted(30)),
    Row("A? QUARTERHOUR PASTHOUR h=<hour> AM|PM?", _shifted(15)),
    Row("A? QUARTERHOUR TOHOUR h=<hour> AM|PM?", _shifted(-15)),
    Row("n=INT1|INT2|NUM UNIT? PASTHOUR h=<hour> OCLOCK? AM|PM?", _minutes(1)),
    Row("n=INT2|NUM UNIT? TOHOUR h=<hour> OCLOCK? AM|PM?", _minutes(-1)),
    Row("n=INT1 UNIT TOHOUR h=<hour> OCLOCK? AM|PM?", _minutes(-1)),
    Row("n=INT1 BEFOREHOUR h=<hour> OCLOCK? AM|PM?", _minutes(-1)),  # `5 to 6` may be a span
    # halb sechs, dreiviertel sechs
    Row("HALFTO h=<hour>", _shifted(-30)),
    Row("THREEQUARTERSTO h=<hour>", _shifted(-15)),
    Row("n=INT1|INT2|NUM UNIT? PASTHOUR HALFTO h=<hour>", _half_and(1)),
    Row("n=INT1|INT2|NUM UNIT? BEFOREHOUR HALFTO h=<hour>", _half_and(-1)),
    # six heures et demie, seis y media, seis y veinte, six heures moins le quart
    Row("h=<hour> OCLOCK? AND HALF AM|PM?", _shifted(30)),
    Row("h=<hour> OCLOCK? AND QUARTERHOUR AM|PM?", _shifted(15)),
    Row("h=<hour> OCLOCK? MINUS THE? QUARTERHOUR AM|PM?", _shifted(-15)),
    Row("h=<hour> OCLOCK? MINUS n=INT1|INT2|NUM AM|PM?", _minutes(-1)),
    Row("h=INT1|INT2|NUM", _bare),
)


def _clocks(bound: Bound) -> Element:
    clocks = (bound["first"], *bound.get("more", ()))
    bare = "AT" not in bound and all(one.bare for one in clocks)
    return Element(clocks=tuple(Clock(**{**vars(one), "bare": bare}) for one in clocks))


# --- lengths


def _sum(bound: Bound) -> Length:
    total: Length = bound["first"] + bound["more"] if "more" in bound else bound["first"]
    return total


def _after_length(bound: Bound) -> Element:
    return Element(length=bound["<length>"])


def _hours_and(bound: Bound) -> Length | None:
    """`2 heures 30`."""
    if bound.get("UNIT", "hour") != "hour" or not 0 < bound["m"] < 60:
        return None
    return Length(seconds=bound["h"] * 3_600 + bound["m"] * 60)


def _from_day(bound: Bound) -> Element | None:
    """`a week from friday`, `morgen in einer Woche`."""
    day = Relative(bound["DAY"]) if "DAY" in bound else Weekday(bound["WD"])
    later: Length = bound["<length>"]
    return Element(day=Shifted(day, later)) if later.on_the_calendar else None


# --- days


def _on(bound: Bound, day: Day) -> Element:
    return Element(day=OnWeekday(bound["WD"], day) if "WD" in bound else day)


def _day_of_year(bound: Bound) -> DayOfYear | None:
    day, month, year = int(bound["d"]), int(bound["m"]), bound.get("y")
    return DayOfYear(day, month, year) if 1 <= month <= 12 and day in DAYS_OF_ANY_MONTH else None


def _year(bound: Bound) -> int | None:
    year = int(bound["INT4"]) if "INT4" in bound else CENTURY + int(bound["INT2"])
    return year if year in YEARS else None


def _month_day(bound: Bound) -> int | None:
    (number,) = (value for kind, value in bound.items() if kind in ("INT1", "INT2", "ORD", "NUM"))
    return number if number in DAYS_OF_ANY_MONTH else None


def _of_month(bound: Bound) -> dict[str, Any] | None:
    """Which month: one of the year, one so many later than this, every one, or whichever comes."""
    if "MONTH" in bound:
        return {"month": bound["MONTH"]}
    if bound["UNIT"] != "month":
        return None
    if "EVERY" in bound:
        return {"every": True}
    return {"later": 1} if "NEXT" in bound else {"later": 0} if "THIS" in bound else {}


def _each(of: dict[str, Any], day: Day) -> Element:
    return Element(day=day, frequency=Frequency("month") if "every" in of else None)


def _days_of_month(bound: Bound) -> Element | None:
    of = bound.get("of", {})
    if "month" in of:
        return None  # that is a day of the year
    day = DaysOfMonth(tuple(bound["days"]), of.get("later"))
    return _each(of, OnWeekday(bound["WD"], day) if "WD" in bound else day)


def _nth(bound: Bound) -> Element | None:
    """`last day of the month`, `first monday of the month`, `first working day of next month`."""
    of, number = bound["of"], bound["ORD"]
    if "UNIT" in bound:
        if bound["UNIT"] != "day" or number not in (-1, *DAYS_OF_ANY_MONTH):
            return None
        if "month" in of and number > 0:
            return Element(day=DayOfYear(number, of["month"]))
        return _each(of, DaysOfMonth((number,), of.get("later"), of.get("month")))
    if number > WEEKS_OF_A_MONTH:
        return None
    return _each(of, NthWeekday(number, bound.get("wd"), of.get("later"), of.get("month")))


def _end_of(bound: Bound) -> Element | None:
    return _nth({"ORD": -1, "UNIT": "day", "of": bound["of"]})


def _next(bound: Bound) -> Element | None:
    return Element(day=Next(bound["UNIT"])) if bound["UNIT"] in ("week", "month", "year") else None


def _in_next_week(bound: Bound) -> Element | None:
    return Element(day=Weekday(bound["WD"], next_week=True)) if bound["UNIT"] == "week" else None


def _stamp(bound: Bound) -> Element:
    at, timed = bound["STAMP"].at, bound["STAMP"].timed
    element = _on(bound, DayOfYear(at.day, at.month, at.year))
    return replace(element, clocks=(Clock(at.hour, at.minute, at.second),), zone=at.tzinfo) if timed else element


# --- again and again


def _every(unit: str, number: float) -> Element | None:
    return Element(frequency=Frequency(unit, int(number))) if number == int(number) and number >= 1 else None


def _every_unit(bound: Bound) -> Element | None:
    number = 2 if "OTHER" in bound else bound.get("n", bound.get("ORD", 1))
    return _every(bound["UNIT"], number)


def _every_weekday(bound: Bound) -> Element | None:
    number = 2 if "OTHER" in bound or "ALTERNATE" in bound else bound.get("n", 1)
    element = _every("week", number)
    return element and element.merged(Element(day=Weekdays(bound["days"])))


def _every_nth(bound: Bound) -> Element | None:
    """`every first monday` is one of each month, `every second tuesday` every other; a third may be either."""
    if "of" in bound:
        element = _nth({**bound, "of": {k: v for k, v in bound["of"].items() if k != "every"}})
        return element and element.merged(Element(frequency=Frequency("month")))
    if bound["ORD"] == 2 and "wd" in bound:
        return _every_weekday({"days": (bound["wd"],), "n": 2})
    if bound["ORD"] not in (1, -1):
        return None
    return Element(day=NthWeekday(bound["ORD"], bound.get("wd")), frequency=Frequency("month"))


def _weeks(bound: Bound) -> float | None:
    number: float = 2 if "OTHER" in bound else bound.get("n", 1)
    return number if bound["UNIT"] == "week" else None


def _monthly(bound: Bound) -> Element | None:
    element = _nth({**bound, "of": {}})
    return element and element.merged(Element(frequency=Frequency("month", bound["months"])))


def _every_days_of_month(bound: Bound) -> Element | None:
    if "month" in bound.get("of", {}):
        return None  # that is a day of the year
    element = _days_of_month({**bound, "of": {}})
    return element and element.merged(Element(frequency=Frequency("month")))


def _span(bound: Bound) -> tuple[int, ...]:
    return tuple((bound["first"] + n) % 7 for n in range((bound["last"] - bound["first"]) % 7 + 1))


def _on_part(bound: Bound) -> Element | None:
    """`Sonntagabend`, again and again where it stands behind `every` or is `sonntagabends`."""
    weekday, part = bound.get("WDPART") or bound["WDPARTS"]
    at = {"clocks": (Clock(12, halved=True),)} if part == "noon" else {"part": part}
    if "EVERY" in bound or "WDPARTS" in bound:
        return Element(day=Weekdays((weekday,)), frequency=Frequency("week"), **at)
    return Element(day=Weekday(weekday, next_one="NEXT" in bound), **at)


def _only(bound: Bound) -> Any:
    """The one value that was bound."""
    (value,) = bound.values()
    return value


def _hour(bound: Bound) -> int | None:
    number = _only(bound)
    return int(number) if number == int(number) else None


def _listed(bound: Bound) -> tuple[Any, ...]:
    return (*bound["first"], *bound.get("more", ()))


TABLES: Tables = {
    "<hour>": (Row("INT1|INT2|NUM|A", _hour),),
    "<ord>": (Row("ORD", _only), Row("INT1|INT2 ORDSUF|DOT", _month_day)),
    "<clock>": CLOCKS,
    "<more-clocks>": (Row("AND|COMMA AT? c=<clock> more=<more-clocks>?", lambda b: (b["c"], *b.get("more", ()))),),
    "<month-day>": (
        Row("INT1|INT2 ORDSUF|DOT?", _month_day),
        Row("ORD|NUM", lambda b: None if _only(b) == -1 else _month_day(b)),
    ),
    "<ordinal-day>": (
        Row("INT1|INT2 ORDSUF|DOT", _month_day),
    ),
    "<year>": (Row("OF|COMMA? INT4", _year),),
    "<short-year>": (Row("INT4|INT2", _year),),
    "<day-of-year>": (
        Row("d=<month-day> OF? m=MONTH y=<year>?", _day_of_year),
        Row("m=MONTH THE? d=<month-day> y=<year>?", _day_of_year),
        Row("d=INT1|INT2 ~DOT m=INT1|INT2 ~DOT y=<short-year>?", _day_of_year),
        Row("d=INT1|INT2 ~DOT m=INT1|INT2", _day_of_year),
        Row("d=INT1|INT2 ~SLASH m=~INT1|INT2", _day_of_year),
        Row("d=INT1|INT2 ~SLASH m=~INT1|INT2 ~SLASH y=<short-year>", _day_of_year),
        Row("m=INT1|INT2 ~MONTHSLASH d=~INT1|INT2", _day_of_year),
        Row("m=INT1|INT2 ~MONTHSLASH d=~INT1|INT2 ~SLASH y=<short-year>", _day_of_year),
        Row("d=INT1|INT2 ~DASH m=~INT1|INT2 ~DASH y=<short-year>", _day_of_year),
        Row("d=INT1|INT2 ~DASH m=~MONTH ~DASH y=<short-year>", _day_of_year),
        Row("y=INT4 ~SLASH m=~INT1|INT2 ~SLASH d=~INT1|INT2", _day_of_year),
    ),
    "<weekday>": (Row("WD|WDS|WDPLURAL", _only),),
    "<weekdays>": (Row("first=<some-weekdays> more=<more-weekdays>?", lambda b: tuple(sorted(set(_listed(b))))),),
    "<more-weekdays>": (
        Row("COMMA|AND first=<some-weekdays> more=<more-weekdays>?", _listed),
        Row("COMMA AND first=<some-weekdays> more=<more-weekdays>?", _listed),
        Row("AND? EVERY|THE? first=<some-weekdays> more=<more-weekdays>?", _listed),
    ),
    "<some-weekdays>": (
        Row("<weekday>", lambda b: (_only(b),)),
        Row("FROM? first=<weekday> TO last=<weekday>", _span),
        Row("WORKDAY|WORKDAYS", lambda _b: WORKING_WEEK),
        Row("WEEKEND|WEEKENDS", lambda _b: WEEKEND),
    ),
    # several, so that they come again without `every`
    "<plural-weekdays>": (
        Row("THE? WDS more=<more-weekdays>?", lambda b: (b["WDS"], *b.get("more", ()))),
        Row("THEPLURAL WD|WDPLURAL more=<more-weekdays>?",
            lambda b: (b.get("WD", b.get("WDPLURAL")), *b.get("more", ()))),
        Row("FROM? first=<weekday> TO last=<weekday>", _span),
        Row("THE? WORKDAYS", lambda _b: WORKING_WEEK),
        Row("THE? WEEKENDS", lambda _b: WEEKEND),
        Row("THEPLURAL WORKDAY", lambda _b: WORKING_WEEK),
        Row("THEPLURAL WEEKEND", lambda _b: WEEKEND),
    ),
    "<month-days>": (
        Row("d=<month-day>", lambda b: (b["d"],)),
        Row("d=<month-day> COMMA|AND THE? more=<month-days>", lambda b: (b["d"], *b["more"])),
    ),
    "<ordinal-days>": (
        Row("d=<ordinal-day>", lambda b: (b["d"],)),
        Row("d=<ordinal-day> COMMA|AND THE? more=<ordinal-days>", lambda b: (b["d"], *b["more"])),
    ),
    "<of-month>": (
        Row("OF|IN THE? UNIT", _of_month), Row("OF|IN? THE? NEXT|THIS UNIT", _of_month),
        Row("OF|IN? THE? UNIT NEXT", _of_month), Row("OF|IN? EVERY UNIT", _of_month), Row("OF|IN? MONTH", _of_month),
    ),
    "<weeks>": (
        Row("EVERY n=INT|NUM? UNIT", _weeks), Row("EVERY n=<ord> UNIT", _weeks), Row("EVERY OTHER UNIT", _weeks),
        Row("A|NUM UNIT OVER n=INT|NUM", _weeks),
        Row("FREQ", lambda b: b["FREQ"][1] if b["FREQ"][0] == "week" else None),
    ),
    "<monthly>": (
        Row("EVERY n=INT|NUM? UNIT", lambda b: int(b.get("n", 1)) if b["UNIT"] == "month" else None),
        Row("EVERY OTHER UNIT", lambda b: 2 if b["UNIT"] == "month" else None),
        Row("FREQ", lambda b: b["FREQ"][1] if b["FREQ"][0] == "month" else None),
    ),
    "<length>": (Row("first=<some-length> AND|COMMA? more=<length>?", _sum),),
    "<some-length>": (
        Row("n=INT|NUM|A UNIT", lambda b: length(1 if b["n"] is True else b["n"], b["UNIT"])),
        Row("whole=INT1|INT2 ~DOT|COMMA part=~INT1|INT2 UNIT",
            lambda b: length(float(f"{b['whole']}.{b['part']}"), b["UNIT"])),
        Row("h=INT ~OCLOCK m=~INT1|INT2", lambda b: Length(seconds=b["h"] * 3_600 + b["m"] * 60)),
        Row("h=INT|NUM|A UNIT m=INT2|NUM", _hours_and),
        Row("A? HALF A? UNIT", lambda b: length(0.5, b["UNIT"])),
        Row("A QUARTERHOUR OF? A UNIT", lambda b: length(0.25, b["UNIT"])),
        Row("A? UNIT AND A? HALF", lambda b: length(1.5, b["UNIT"])),
        Row("n=INT|NUM UNIT AND A? HALF", lambda b: length(b["n"] + 0.5, b["UNIT"])),
        Row("n=INT|NUM AND A? HALF UNIT", lambda b: length(b["n"] + 0.5, b["UNIT"])),
    ),
    "<element>": (
        # times
        Row("AT? first=<clock> more=<more-clocks>?", _clocks),
        Row("IN|ON|OF|AT? THE? PART", lambda b: Element(part=b["PART"])),
        Row("TONIGHT", lambda b: Element(day=Relative(0), part=b["TONIGHT"])),
        Row("THIS PART", lambda b: Element(day=Relative(0), part=b["PART"])),
        Row("THIS NOON", lambda _b: Element(day=Relative(0), clocks=(Clock(12, halved=True),))),
        Row("ON? EVERY|THIS|NEXT? WDPART", _on_part), Row("WDPARTS", _on_part),
        Row("DAY AFTERDAY", lambda b: Element(day=Relative(b["DAY"]), part=b["AFTERDAY"])),
        Row("ON? WD AFTERDAY", lambda b: Element(day=Weekday(b["WD"]), part=b["AFTERDAY"])),
        Row("ZONE", lambda b: Element(zone=b["ZONE"])),
        # days
        Row("THE? DAY", lambda b: Element(day=Relative(b["DAY"]))),
        Row("ON? THIS? WD COMMA?", lambda b: Element(day=Weekday(b["WD"]))),
        Row("ON? THE? NEXT WD", lambda b: Element(day=Weekday(b["WD"], next_one=True))),
        Row("THE? WD NEXT", lambda b: Element(day=Weekday(b["WD"], next_one=True))),
        Row("ON? WD OF|IN? THE? NEXT UNIT", _in_next_week), Row("ON? WD OF|IN? THE? UNIT NEXT", _in_next_week),
        Row("IN? THE? NEXT UNIT ON? WD", _in_next_week), Row("THE? UNIT NEXT ON? WD", _in_next_week),
        Row("IN? THE? NEXT UNIT", _next), Row("IN? THE? UNIT NEXT", _next),
        Row("ON|IN|AT THE? WEEKEND", lambda _b: Element(day=Weekend())),
        Row("ON? THIS WEEKEND", lambda _b: Element(day=Weekend())),
        Row("ON? THE? WD? COMMA? ON? THE? day=<day-of-year>", lambda b: _on(b, b["day"])),
        Row("ON? WD? COMMA? ON? THE UNIT? days=<month-days>", lambda b: _numbered(b)),
        Row("ON? WD? COMMA? UNIT? days=<ordinal-days>", lambda b: _numbered(b)),
        Row("ON UNIT? days=<month-days>", lambda b: _numbered(b)),
        Row("ON? THE? WDATE d=INT1|INT2", lambda b: _numbered_weekday(b)),
        Row("IN? NEXT UNIT ON THE? days=<month-days>", lambda b: _of_next_month(b)),
        Row("ON? THE? days=<month-days> of=<of-month>", _days_of_month),
        Row("ON? THE? ORD=<ord> UNIT of=<of-month>", _nth),
        Row("ON? THE? ORD=<ord> wd=<weekday> of=<of-month>", _nth),
        Row("ON? THE? ORD=<ord> WORKDAY of=<of-month>", _nth),
        Row("AT|ON|IN? THE? END of=<of-month>", _end_of),
        Row("AT|ON? ENDOFMONTH", lambda _b: Element(day=DaysOfMonth((-1,)))),
        Row("ON? WD? COMMA? STAMP", _stamp),
        # again and again
        Row("ON? EVERY n=INT|NUM? UNIT", _every_unit),
        Row("ON? EVERY OTHER UNIT", _every_unit),
        Row("ON? EVERY ORD=<ord> UNIT", _every_unit),
        Row("IN|OF? EVERY UNIT", _every_unit),
        Row("ON? EVERY HALF A? UNIT", lambda b: _every("halfhour", 1) if b["UNIT"] == "hour" else None),
        Row("n=<weeks> THE wd=WD", lambda b: _every_weekday({"days": (b["wd"],), "n": b["n"]})),
        Row("n=<weeks> ON? days=<plural-weekdays>", _every_weekday),
        Row("months=<monthly> ON? THE? ORD=<ord> UNIT|WORKDAY", _monthly),
        Row("months=<monthly> ON? THE? ORD=<ord> wd=<weekday>", _monthly),
        Row("FREQ", lambda b: _every(*b["FREQ"])),
        Row("A|NUM UNIT OVER n=INT|NUM", _every_unit),
        Row("A|NUM wd=<weekday> OVER n=INT|NUM", lambda b: _every_weekday({"days": (b["wd"],), "n": b["n"]})),
        Row("ON? EVERY n=INT|NUM? days=<weekdays>", _every_weekday),
        Row("ON? EVERY OTHER days=<weekdays>", _every_weekday),
        Row("ON? THE? wd=<weekday> ALTERNATE", lambda b: _every_weekday({"days": (b["wd"],), "n": 2})),
        Row("ON? days=<plural-weekdays>", _every_weekday),
        Row("ON? EVERY ORD=<ord> wd=<weekday> of=<of-month>?", _every_nth),
        Row("ON? EVERY ORD=<ord> WORKDAY of=<of-month>?", _every_nth),
        Row("ON? EVERY ORD=<ord> UNIT of=<of-month>", _every_nth),
        Row("ON? EVERY days=<ordinal-days>", _every_days_of_month),
        Row("ON? EVERY days=<month-days> of=<of-month>", _every_days_of_month),
        Row("ON? EVERY day=<day-of-year>", lambda b: Element(day=b["day"], frequency=Frequency("year"))),
        Row("EVERY part=PART|AFTERDAY", lambda b: Element(frequency=Frequency("day"), part=b["part"])),
        Row("EVERY NOON|MIDNIGHT",
            lambda b: Element(frequency=Frequency("day"), clocks=(Clock(12 if "NOON" in b else 0),))),
        # lengths
        Row("IN <length> FROMNOW?", _after_length),
        Row("<length> FROMNOW", _after_length),
        Row("<length> FROM ON? DAY|WD", _from_day), Row("ON? DAY|WD IN <length>", _from_day),
        Row("A? HALF A? UNIT", lambda b: Element(length=length(0.5, b["UNIT"]))),
        Row("n=INT|NUM|A UNIT", lambda b: _plain_length(b)),
        Row("n=INT|NUM|A HOURS", lambda b: Element(length=length(1 if b["n"] is True else b["n"], "hour"))),
        Row("h=INT1|INT2 HOURSIGN m=INT2?", lambda b: _short_length(b)),
        Row("n=INT|NUM|A UNIT AGO", lambda b: Element(day=Relative(-1))),
    ),
}  # fmt: skip


def _numbered(bound: Bound) -> Element | None:
    """`the 5th`; what may stand before the number is the word for day (`el día 5`)."""
    return _days_of_month(bound) if bound.get("UNIT", "day") == "day" else None


def _numbered_weekday(bound: Bound) -> Element | None:
    """`lundi 9` is said of the day of the month, where English has an hour."""
    return _days_of_month({"WD": bound["WDATE"], "days": (bound["d"],)}) if bound["d"] in DAYS_OF_ANY_MONTH else None


def _of_next_month(bound: Bound) -> Element | None:
    return Element(day=DaysOfMonth(tuple(bound["days"]), later=1)) if bound["UNIT"] == "month" else None


def _plain_length(bound: Bound) -> Element | None:
    """`20 minutes`; not hours, whose word may stand for o'clock."""
    number = 1 if bound["n"] is True else bound["n"]
    return None if bound["UNIT"] == "hour" else Element(length=length(number, bound["UNIT"]))


def _short_length(bound: Bound) -> Element | None:
    """`2h` may be two o'clock or in two hours, and `24h` midnight or a day; `17h30` is a time."""
    if bound["h"] > MOST_SHORT_HOURS and bound["h"] != 24:
        return None
    return Element(length=Length(seconds=bound["h"] * 3_600 + bound.get("m", 0) * 60))
