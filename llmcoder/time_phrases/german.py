"""German. Accents do not count, so `ü` is `u`; who has no such key writes `ue`."""

from __future__ import annotations

from llmcoder.time_phrases.lexicon import language, numbered


def _written(words: str) -> str:
    """Without the dots of its letters, and as those write it who have no such keys."""
    return words if words.isascii() else f"{words.translate(_UNDOTTED)} {words.translate(_SPELLED)}"


_UNDOTTED, _SPELLED = str.maketrans("üö", "uo"), str.maketrans({"ü": "ue", "ö": "oe"})
_UNITS = ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
_TENS = {20: "zwanzig", 30: "dreissig", 40: "vierzig", 50: "fünfzig", 60: "sechzig"}
_NUMBERS = {
    **dict(
        enumerate(
            [
                "zehn",
                "elf",
                "zwölf",
                "dreizehn",
                "vierzehn",
                "fünfzehn",
                "sechzehn",
                "siebzehn",
                "achtzehn",
                "neunzehn",
            ],
            10,
        )
    ),
    **{ten + one: f"{unit}und{word}" for ten, word in _TENS.items() for one, unit in enumerate(_UNITS, 1)},
    **_TENS,
}
#: Without their ends.
_ORDINALS = {
    **dict(enumerate(["erst", "zweit", "dritt", "viert", "fünft", "sechst", "siebt", "acht", "neunt"], 1)),
    **{number: f"{word}{'st' if number > 19 else 't'}" for number, word in _NUMBERS.items() if number < 32},
}
_DAYS = list(enumerate(["montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"]))
_PARTS = {
    "morgen": "morning", "vormittag": "morning", "fruh": "morning", "mittag": "noon", "nachmittag": "afternoon",
    "abend": "evening", "nacht": "night",
}  # fmt: skip

GERMAN = language(
    "German",
    [
        ("DAY", 0, "heute"), ("DAY", 1, "morgen"), ("AFTERDAY", "morning", "morgen"), ("DAY", -1, "gestern"),
        ("DAY", 2, "ubermorgen uebermorgen"), ("TONIGHT", "evening", "heute_abend"),
        ("TONIGHT", "night", "heute_nacht"),
        ("WD", 0, "montag mo"), ("WD", 1, "dienstag di"), ("WD", 2, "mittwoch mi"), ("WD", 3, "donnerstag do"),
        ("WD", 4, "freitag fr"), ("WD", 5, "samstag sonnabend sa"), ("WD", 6, "sonntag so"),
        ("WDS", 0, "montags"), ("WDS", 1, "dienstags"), ("WDS", 2, "mittwochs"), ("WDS", 3, "donnerstags"),
        ("WDS", 4, "freitags"), ("WDS", 5, "samstags sonnabends"), ("WDS", 6, "sonntags"),
        ("WORKDAY", True, "werktag arbeitstag wochentag"),
        ("WORKDAYS", True, "werktags wochentags werktage arbeitstage unter_der_woche"),
        ("WEEKEND", True, "wochenende"), ("WEEKENDS", True, "wochenenden"),
        ("MONTH", 1, "januar janner jaenner jan"), ("MONTH", 2, "februar feb"), ("MONTH", 3, "marz maerz mrz"),
        ("MONTH", 4, "april apr"), ("MONTH", 5, "mai"), ("MONTH", 6, "juni jun"), ("MONTH", 7, "juli jul"),
        ("MONTH", 8, "august aug"), ("MONTH", 9, "september sep sept"), ("MONTH", 10, "oktober okt"),
        ("MONTH", 11, "november nov"), ("MONTH", 12, "dezember dez"),
        ("PART", "morning", "fruh frueh vormittag vormittags morgens fruhmorgens am_morgen in_der_fruh in_der_frueh"),
        ("PART", "afternoon", "nachmittag nachmittags"), ("PART", "evening", "abend abends"),
        ("PART", "night", "nacht nachts"),
        ("NOON", True, "mittag mittags"), ("MIDNIGHT", True, "mitternacht"), ("OCLOCK", True, "uhr"),
        ("UNIT", "second", "sekunde sekunden sek"), ("UNIT", "minute", "minute minuten"),
        ("UNIT", "hour", "stunde stunden std"),
        ("HOURS", True, "stunde stunden std"), ("UNIT", "day", "tag tage tagen tages"),
        ("UNIT", "week", "woche wochen"), ("UNIT", "month", "monat monate monaten monats"),
        ("UNIT", "quarter", "quartal quartals"), ("UNIT", "year", "jahr jahre jahren jahres"),
        ("UNIT", "quarterhour", "viertelstunde viertelstunden"), ("UNIT", "halfhour", "halbe_stunde halben_stunde"),
        ("A", True, "ein eine einer einem einen"), ("THE", True, "der die das den dem des"),
        ("ON", True, "am an"), ("AT", True, "um"), ("IN", True, "in im"), ("OF", True, "des vom von"),
        ("AND", True, "und"), ("TO", True, "bis"), ("FROM", True, "von"),
        ("PASTHOUR", True, "nach"), ("TOHOUR", True, "vor"), ("BEFOREHOUR", True, "vor"), ("HALFTO", True, "halb"),
        ("QUARTERHOUR", True, "viertel"), ("THREEQUARTERSTO", True, "dreiviertel"),
        ("FROMNOW", True, "ab_jetzt"),
        ("NEXT", True, "nachste nachsten nachster nachstes nachstem naechste naechsten naechster naechstes naechstem "
         "kommende kommenden kommender kommendes kommendem"),
        ("THIS", True, "diese diesen dieser dieses diesem"), ("END", True, "ende"), ("ENDOFMONTH", True, "monatsende"),
        ("EVERY", True, "jeden jede jeder jedes jedem alle"),
        ("FREQ", ("day", 1), "taglich taeglich"), ("FREQ", ("week", 1), "wochentlich woechentlich"),
        ("FREQ", ("month", 1), "monatlich"), ("FREQ", ("hour", 1), "stundlich stuendlich"),
        ("FREQ", ("year", 1), "jahrlich jaehrlich"), ("FREQ", ("quarter", 1), "quartalsweise vierteljahrlich"),
        ("FREQ", ("week", 2), "zweiwochentlich vierzehntaglich"),
        ("ORD", -1, "letzte letzten letzter letztes letztem"),
        *(("ORD", number, _written(" ".join(f"{stem}{end}" for end in ("e", "en", "er", "es"))))
          for number, stem in _ORDINALS.items()),
        *numbered("NUM", "eins zwei/zwo drei vier funf/fuenf sechs sieben acht neun"),
        *(("NUM", number, _written(word)) for number, word in _NUMBERS.items()),
        ("NUM", 1.5, "anderthalb eineinhalb"), ("NUM", 2.5, "zweieinhalb"), ("NUM", 3.5, "dreieinhalb"),
        ("NUM", 4.5, "viereinhalb"), ("HALF", True, "halber halbes halben halbe"),
        ("UNIT", "threequarterhour", "dreiviertelstunde dreiviertel_stunde"),
        *(("WDPART", (day, part), f"{name}{word}") for day, name in _DAYS for word, part in _PARTS.items()),
        *(("WDPARTS", (day, part), f"{name}{word}s") for day, name in _DAYS for word, part in _PARTS.items()),
    ],
    ("morgen um 9 Uhr", "Freitag 17:30", "jeden zweiten Dienstag um 9 Uhr"),
)  # fmt: skip
