"""English."""

from __future__ import annotations

from llmcoder.time_phrases.lexicon import language, numbered

_TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 90: "ninety"}
_UNITS = {
    "NUM": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "ORD": ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"],
}

ENGLISH = language(
    "English",
    [
        ("DAY", 0, "today"), ("DAY", 1, "tomorrow tmrw tmr tomorow tommorow tommorrow"), ("DAY", -1, "yesterday"),
        ("DAY", 2, "day_after_tomorrow overmorrow"), ("TONIGHT", "tonight", "tonight tonite"),
        ("WD", 0, "monday mon"), ("WD", 1, "tuesday tue tues"), ("WD", 2, "wednesday wed weds"),
        ("WD", 3, "thursday thu thur thurs"), ("WD", 4, "friday fri"), ("WD", 5, "saturday sat"),
        ("WD", 6, "sunday sun"),
        ("WDS", 0, "mondays"), ("WDS", 1, "tuesdays"), ("WDS", 2, "wednesdays"), ("WDS", 3, "thursdays"),
        ("WDS", 4, "fridays"), ("WDS", 5, "saturdays"), ("WDS", 6, "sundays"),
        ("WORKDAY", True, "weekday workday working_day business_day work_day week_day"),
        ("WORKDAYS", True, "weekdays workdays working_days business_days"),
        ("WEEKEND", True, "weekend"), ("WEEKENDS", True, "weekends"),
        ("MONTH", 1, "january jan"), ("MONTH", 2, "february feb"), ("MONTH", 3, "march mar"), ("MONTH", 4, "april apr"),
        ("MONTH", 5, "may"), ("MONTH", 6, "june jun"), ("MONTH", 7, "july jul"), ("MONTH", 8, "august aug"),
        ("MONTH", 9, "september sep sept"), ("MONTH", 10, "october oct"), ("MONTH", 11, "november nov"),
        ("MONTH", 12, "december dec"),
        ("PART", "morning", "morning mornings early_morning"), ("PART", "afternoon", "afternoon afternoons"),
        ("PART", "evening", "evening evenings"), ("PART", "night", "night nights at_night"),
        ("NOON", True, "noon midday lunchtime"), ("MIDNIGHT", True, "midnight"),
        ("AM", True, "am a_m"), ("PM", True, "pm p_m"), ("OCLOCK", True, "o_clock oclock"),
        ("HUNDRED", True, "hrs hours hundred"), ("HOURS", True, "hour hours hr hrs"),
        ("UNIT", "second", "second seconds secs"), ("UNIT", "minute", "minute minutes mins"),
        ("UNIT", "hour", "hour hours hr hrs"), ("UNIT", "day", "day days d"), ("UNIT", "week", "week weeks wk wks w"),
        ("UNIT", "fortnight", "fortnight fortnights"), ("UNIT", "month", "month months"),
        ("UNIT", "quarter", "quarter"), ("UNIT", "year", "year years yr yrs"),
        ("A", True, "a an"), ("THE", True, "the"), ("ON", True, "on"), ("AT", True, "at"), ("IN", True, "in"),
        ("OF", True, "of"), ("AND", True, "and"), ("TO", True, "to through thru"), ("FROM", True, "from"),
        ("PASTHOUR", True, "past after"), ("TOHOUR", True, "to before"), ("BEFOREHOUR", True, "before"),
        ("HALF", True, "half"),
        ("QUARTERHOUR", True, "quarter"), ("FROMNOW", True, "from_now later from_today"), ("AGO", True, "ago"),
        ("NEXT", True, "next coming following"), ("THIS", True, "this current"), ("END", True, "end"),
        ("EVERY", True, "every each"), ("OTHER", True, "other alternate"),
        ("FREQ", ("day", 1), "daily"), ("FREQ", ("week", 1), "weekly"), ("FREQ", ("month", 1), "monthly"),
        ("FREQ", ("hour", 1), "hourly"), ("FREQ", ("year", 1), "yearly annually"),
        ("FREQ", ("quarter", 1), "quarterly"), ("FREQ", ("week", 2), "fortnightly"),
        ("ORDSUF", True, "st nd rd th"), ("ORD", -1, "last final"),
        *numbered("ORD", "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
        "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"),
        *((kind, ten + one, f"{word}_{unit}")
          for kind, units in _UNITS.items() for ten, word in _TENS.items() for one, unit in enumerate(units, 1)),
        ("ORD", 30, "thirtieth"),
        *numbered("NUM", "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen"),
        *(("NUM", tens, word) for tens, word in _TENS.items()),
    ],
    ("tomorrow 9am", "friday at 17:00", "every other tuesday at 9:30"),
    month_first=True,
)  # fmt: skip
