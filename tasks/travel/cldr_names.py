"""What countries, their regions and the cities of time zones are called, by CLDR and by the post.

CLDR (package babel) knows the countries and the cities of IANA's zones in every language; some twenty are read here,
when a name is first met that the table of airports has not.
"""

from __future__ import annotations

from functools import lru_cache

from tasks.travel.place_spelling import folded

#: What people write in place of a country's code in ISO 3166.
_SHORT_COUNTRIES = {
    "uk": "GB", "great britain": "GB", "usa": "US", "u s a": "US", "u s": "US", "america": "US", "uae": "AE",
    "korea": "KR", "holland": "NL",
    "czech republic": "CZ", "tschechische republik": "CZ",
}  # fmt: skip
LANGUAGES = (
    "en", "de", "fr", "es", "it", "pt", "nl", "pl", "cs", "tr", "sv", "da", "nb", "fi", "hu", "ro", "ru", "uk", "el",
    "ja", "ko", "zh", "zh_Hant", "ar", "he", "th",
)  # fmt: skip
_REGIONS = {
    "US": """
        al alabama, ak alaska, az arizona, ar arkansas, ca california, co colorado, ct connecticut, de delaware,
        dc district of columbia, fl florida, ga georgia, hi hawaii, id idaho, il illinois, in indiana, ia iowa,
        ks kansas, ky kentucky, la louisiana, me maine, md maryland, ma massachusetts, mi michigan, mn minnesota,
        ms mississippi, mo missouri, mt montana, ne nebraska, nv nevada, nh new hampshire, nj new jersey,
        nm new mexico, ny new york, nc north carolina, nd north dakota, oh ohio, ok oklahoma, or oregon,
        pa pennsylvania, pr puerto rico, ri rhode island, sc south carolina, sd south dakota, tn tennessee, tx texas,
        ut utah, vt vermont, va virginia, wa washington, wv west virginia, wi wisconsin, wy wyoming""",
    "CA": """
        ab alberta, bc british columbia, mb manitoba, nb new brunswick, nl newfoundland and labrador,
        ns nova scotia, nt northwest territories, nu nunavut, on ontario, pe prince edward island, qc quebec,
        sk saskatchewan, yt yukon""",
    "AU": """
        act act, nsw new south wales, nt northern territory, qld queensland, sa south australia, tas tasmania,
        vic victoria, wa western australia""",
}
#: Regions by how the post writes them: (country, folded name).
REGION_CODES: dict[str, list[tuple[str, str]]] = {}
for _country, _listing in _REGIONS.items():
    for _one in _listing.split(","):
        _code, _, _name = _one.strip().partition(" ")
        REGION_CODES.setdefault(_code, []).append((_country, _name))
_REGION_NAMES = {name for regions in REGION_CODES.values() for _, name in regions} | {
    "england", "scotland", "wales", "northern ireland",
}  # fmt: skip


def country_of(name: str) -> str | None:
    """ISO 3166 of a country's folded name in one of the languages; None where it is none."""
    return _SHORT_COUNTRIES.get(name) or _countries().get(name)


def is_country_or_region(name: str) -> bool:
    """Whether a folded name is that of a country or a state, or its code."""
    return name in REGION_CODES or name in _REGION_NAMES or name.upper() in _country_codes() or bool(country_of(name))


def zone_cities(name: str) -> list[str]:
    """The English names of the cities of time zones that are called so in one of the languages."""
    return _cities().get(name, [])


@lru_cache(1)
def _countries() -> dict[str, str]:
    from babel import Locale

    names: dict[str, str] = {}
    for language in LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if len(code) == 2 and code.isalpha():
                names.setdefault(folded(name), code)
    return names


@lru_cache(1)
def _country_codes() -> frozenset[str]:
    return frozenset(_countries().values())


@lru_cache(1)
def _cities() -> dict[str, list[str]]:
    from babel import Locale

    english = Locale.parse("en").time_zones
    names: dict[str, list[str]] = {}
    for language in LANGUAGES:
        for zone, texts in Locale.parse(language).time_zones.items():
            city = texts.get("city")
            own = english.get(zone, {}).get("city") or zone.rpartition("/")[2].replace("_", " ")
            if city and folded(own) not in (known := names.setdefault(folded(city), [])):
                known.append(folded(own))
    return names
