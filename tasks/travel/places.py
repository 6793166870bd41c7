"""Cities and airports by what people write: a code, a city in several languages, an airport's name, `London, CA`.

The table is that of airportsdata. What it does not know, and what may mean two places, is an error that proposes what
to write instead; nothing is guessed. A name that several countries have means the city that gave its time zone the
name, or that IATA calls a metropolitan area: Berlin is in Germany, and Paris in France.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import Any

from llmcoder.errors import BadInput
from tasks.travel.cldr_names import REGION_CODES, country_of, is_country_or_region, zone_cities
from tasks.travel.place_names import AIRPORT_NAMES, AIRPORT_WORDS, ALSO_OF, BY_CODE_ONLY, NOT_SERVED, SAME_CITY
from tasks.travel.place_spelling import folded, in_short, plain_letters, variants, words_of

#: Airports of one name and country that lie closer are those of one city.
SAME_CITY_KM = 150
EARTH_KM = 6_371
MOST_PROPOSALS = 6
_CODES = re.compile(r"\(\s*([A-Z]{3}(?:\s*,\s*[A-Z]{3})*)\s*\)$")
#: What is shorter is no beginning of a name, and no word of one.
SHORTEST_PART = 3
#: Words of a country's name, or of a region's.
LONGEST_COUNTRY = 4


@dataclass(frozen=True, slots=True)
class Airport:
    """One airport.

    Attributes:
        code: Of IATA.
        zone: Its IANA time zone.
    """

    code: str
    name: str
    city: str
    region: str
    country: str
    zone: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class TravelPlace:
    """Where somebody wants to fly from or to.

    Attributes:
        code: What providers take for all of it; None for several airports without a common code. That of a
            metropolitan area which is also that of one of its airports means the airport: IST is not all of Istanbul.
        country: ISO 3166, two letters.
        airports: The largest first where that is known; never none.
        is_metropolitan: IATA counts its airports as those of one city.
    """

    name: str
    country: str
    code: str | None
    airports: tuple[Airport, ...]
    is_metropolitan: bool = False

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(one.code for one in self.airports)

    @property
    def asked_codes(self) -> tuple[str, ...]:
        """What a provider is asked for, which takes one code at a time."""
        return self.codes if self.code is None else (self.code,)

    @property
    def zone(self) -> str:
        return self.airports[0].zone

    @property
    def proposal(self) -> str:
        """How it is written so that it means nothing else."""
        return f"{self.name}, {self._where()} ({', '.join(self.codes)})"

    @property
    def write(self) -> str:
        """The same in short: a code where all of it has one."""
        return self.code or f"{self.name}, {self._where()}"

    @property
    def label(self) -> str:
        """Its name; with the code where it is one of several airports of its city."""
        if len(self.airports) > 1:
            return self.name
        city = next((one for one in table().of_exact_name(folded(self.name)) if set(self.codes) < set(one.codes)), None)
        return self.name if city is None else f"{self.name} ({self.code})"

    def _where(self) -> str:
        """Its country; its region where the country has several cities of that name."""
        namesakes = table().of_name(folded(self.name))
        if sum(one.country == self.country for one in namesakes) < 2:
            return self.country
        return self.airports[0].region or self.country


def airport(code: str) -> Airport | None:
    """The airport of a code; None where the table has none, such as for a railway station."""
    return table().airports.get(code)


def place_of(text: str) -> TravelPlace:
    """What somebody means.

    Raises:
        BadInput: Nobody knows it, or it may mean several places; the detail proposes some.
    """
    places = candidates(text)
    if len(places) == 1:
        return places[0]
    if places:
        proposals = "; ".join(one.proposal for one in places[:MOST_PROPOSALS])
        raise BadInput(f"{text!r} may mean several places: {proposals}. Write a code, or the city with its country.")
    near = table().near(folded(text))
    hint = f" Did you mean {'; '.join(near)}?" if near else ""
    raise BadInput(f"There is no airport or city {text!r} with flights.{hint} Write an IATA code, such as BER.")


def candidates(text: str) -> list[TravelPlace]:
    """Every place that the text may mean; the one alone where it is clear."""
    written = plain_letters(text).replace(";", ",").strip()
    if (by_code := _of_code(written)) is not None:
        return by_code
    if codes := _CODES.search(written):
        return _of_codes(codes[1].split(","), written)
    name, _, where = written.replace("(", " ").replace(")", " ").partition(",")
    places = _of_name(name)
    for part in (folded(each) for each in where.split(",") if each.strip()):
        places = [one for one in places if _is_in(one, part)]
    return _clear(places) or table().of_icao(written.upper())


def _of_code(written: str) -> list[TravelPlace] | None:
    """The place of a code. `Hue` may also be the city that another country has: what is not written as a code."""
    place = table().of_code(written.upper())
    if place is None:
        return None
    cities = [] if written.isupper() else table().of_exact_name(folded(written))
    others = [one for one in cities if not set(one.codes) & set(place.codes)]
    return [place, *others]


def _of_codes(written_codes: Sequence[str], written: str) -> list[TravelPlace]:
    """What a proposal of ours, or of a shop, means: `Berlin, DE (BER)`."""
    codes = [one.strip() for one in written_codes]
    if len(codes) == 1:
        place = table().of_code(codes[0])
        return [] if place is None else [place]
    return [one for one in candidates(_CODES.sub("", written)) if set(one.codes) == set(codes)]


def _of_name(name: str) -> list[TravelPlace]:
    """By the name as it is written, and else by what is left of it without words that say nothing."""
    named = folded(name)
    if places := table().of_name(named):
        return places
    if (place := _of_named_code(name)) is not None:
        return [place]
    words = [one for one in words_of(named) if one not in AIRPORT_WORDS]
    rest = " ".join(words)
    places = table().of_name(rest) if rest and rest != named else []
    return places or _of_name_and_country(words)


def _of_name_and_country(words: Sequence[str]) -> list[TravelPlace]:
    """`Paris France`, `Portland OR`, `New York USA`: what the last words name has the city of the first ones."""
    for length in range(1, min(LONGEST_COUNTRY, len(words) - 1) + 1):
        where = " ".join(words[-length:])
        if not is_country_or_region(where):
            continue
        if places := [one for one in _of_name(" ".join(words[:-length])) if _is_in(one, where)]:
            return places
    return []


def _of_named_code(name: str) -> TravelPlace | None:
    """`New York JFK`, `BER Berlin`, `JFK Airport`: a code, and beside it what it is the code of."""
    words = words_of(name)
    places = [place for one in words if len(one) == 3 and one.isupper() and (place := table().of_code(one))]
    if len(places) != 1 or len(words) < 2:
        return None
    rest = [folded(one) for one in words if one != places[0].code and folded(one) not in AIRPORT_WORDS]
    return places[0] if table().has_words(places[0], rest) else None


def _is_in(place: TravelPlace, where: str) -> bool:
    """Whether it lies in a country or a region, as people write those: `US`, `USA`, `Texas`, `TX`."""
    if place.country.lower() == where or country_of(where) == place.country:
        return True
    regions = [name for country, name in REGION_CODES.get(where, ()) if country == place.country]
    return any(folded(one.region) in (where, *regions) for one in place.airports)


def _clear(places: list[TravelPlace]) -> list[TravelPlace]:
    """The one that gave its metropolitan area or its time zone the name, where there is one."""
    for is_the_one in (lambda place: place.is_metropolitan, _names_its_zone):
        chosen = [one for one in places if is_the_one(one)]
        if len(chosen) == 1:
            return chosen
    return places


def _names_its_zone(place: TravelPlace) -> bool:
    if place.zone.count("/") > 1:
        return False  # one of a part of a country, America/Argentina/San_Juan, says nothing of how large it is
    named = folded(place.zone.rpartition("/")[2].replace("_", " "))
    return named in names_in(folded(place.name), place.country)


def names_in(name: str, country: str) -> list[str]:
    """All names of a country's city, by one of them."""
    return SAME_CITY.get(name, {}).get(country, [name])


class Table:
    """The airports of the world, by code and by name."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], areas: dict[str, Any]) -> None:
        rows = [row for row in rows if row["iata"] not in NOT_SERVED]
        self.airports = {row["iata"]: _airport(row) for row in rows}
        self._with_airlines = [one for code, one in self.airports.items() if code not in BY_CODE_ONLY]
        self._by_icao = {row["icao"]: self.airports[row["iata"]] for row in rows if row["icao"]}
        self.areas = {code: self._area(code, area) for code, area in areas.items()}

    @cached_property
    def by_city(self) -> dict[str, list[Airport]]:
        """By each name under which a city is filed."""
        airports: dict[str, list[Airport]] = {}
        for one in self._with_airlines:
            for name in _filed_names(one):
                airports.setdefault(name, []).append(one)
        return airports

    def of_code(self, code: str) -> TravelPlace | None:
        """An airport; a metropolitan area where no airport has the code."""
        one = self.airports.get(code)
        if one is None:
            return self.areas.get(code)
        return TravelPlace(one.city, one.country, code, (one,))

    def of_icao(self, code: str) -> list[TravelPlace]:
        """An airport by its code of ICAO; none where there is none."""
        one = self._by_icao.get(code)
        return [] if one is None else [TravelPlace(one.city, one.country, one.code, (one,))]

    def of_exact_name(self, name: str) -> list[TravelPlace]:
        """The cities of a name, in whichever language."""
        return self._with_areas(self._exact(name), name)

    def of_name(self, name: str) -> list[TravelPlace]:
        """The cities of a name; else those of a region; else those that begin with it; else what has its words."""
        if code := AIRPORT_NAMES.get(name):
            return [one for one in (self.of_code(code),) if one]
        if places := self.of_exact_name(name):
            return places
        for variant in variants(name):
            if variant != name and (places := self.of_exact_name(variant)):
                return places
        airports = self._of_region(name) if name in SAME_CITY else []
        airports = airports or self._beginning(name) or self._with_words(words_of(name)) or self._of_region(name)
        return self._with_areas(airports, name) or self._of_zone(name)

    def has_words(self, place: TravelPlace, words: Sequence[str]) -> bool:
        """Whether each word is one of a place's names, or of its country's."""
        return all(
            word == one.country.lower() or self._word_names(word, one.country) & self._words[one.code]
            for word in words
            for one in place.airports[:1]
        )

    def _exact(self, name: str) -> list[Airport]:
        """Those filed under a name; and under the others of its city, of the city's country."""
        airports = dict.fromkeys(self.by_city.get(name, ()))
        airports |= dict.fromkeys(self.by_city.get(in_short(name), ()))  # the table has both spellings
        for country, names in SAME_CITY.get(name, {}).items():
            airports |= dict.fromkeys(
                one for each in names for one in self.by_city.get(each, ()) if one.country == country
            )
        return list(airports)

    def _with_areas(self, airports: Sequence[Airport], name: str) -> list[TravelPlace]:
        """The metropolitan areas of a name, and beside them the cities of airports that lie in none of them."""
        areas = [one for one in self.areas.values() if name in (folded(one.name), *self._area_names(one))]
        area_codes = {code for area in areas for code in area.codes}
        rest = [one for one in airports if one.code not in area_codes and not _is_near(one, areas)]
        return areas + _cities(rest)

    def _area_names(self, area: TravelPlace) -> list[str]:
        return SAME_CITY.get(folded(area.name), {}).get(area.country, [])

    def _of_zone(self, name: str) -> list[TravelPlace]:
        """The city of a time zone that has this name in another language: `東京`."""
        return [
            place for english in zone_cities(name) if english != name for place in _clear(self.of_exact_name(english))
        ]

    def near(self, name: str) -> list[str]:
        """Proposals for a name that nobody knows."""
        names = get_close_matches(name, [*self.by_city, *SAME_CITY], n=3, cutoff=0.75)
        return list(dict.fromkeys(place.proposal for each in names for place in _clear(self.of_name(each))[:1]))

    def _beginning(self, name: str) -> list[Airport]:
        if len(name) < SHORTEST_PART:
            return []
        start = f"{name} "
        return [one for city, all_of_it in self.by_city.items() if city.startswith(start) for one in all_of_it]

    def _with_words(self, words: Sequence[str]) -> list[Airport]:
        if not words or max(map(len, words)) < SHORTEST_PART:
            return []
        return [
            one
            for one in self._with_airlines
            if all(self._word_names(word, one.country) & self._words[one.code] for word in words)
        ]

    @staticmethod
    def _word_names(word: str, country: str) -> frozenset[str]:
        return frozenset((word, *names_in(word, country)))

    @cached_property
    def _words(self) -> dict[str, frozenset[str]]:
        """The words of each airport's name and city."""
        return {code: frozenset(words_of(folded(f"{one.name} {one.city}"))) for code, one in self.airports.items()}

    def _of_region(self, name: str) -> list[Airport]:
        """Those of a region, such as an island with several; none where it has one alone, which would be a guess."""
        names = {each for names in SAME_CITY.get(name, {"": [name]}).values() for each in names} - {""}
        airports = [one for one in self._with_airlines if folded(one.region) in names]
        return airports if len(airports) > 1 else []

    def _area(self, code: str, area: dict[str, Any]) -> TravelPlace:
        codes = dict.fromkeys([*area["airports"], *ALSO_OF.get(code, ())])
        members = tuple(self.airports[one] for one in codes if one in self.airports)
        return TravelPlace(
            area["name"], area["country"], None if code in self.airports and len(members) > 1 else code, members, True
        )


@lru_cache(1)
def table() -> Table:
    """Read once, when first asked for: 8,000 rows, a tenth of a second."""
    from airportsdata import load, load_iata_macs

    return Table(load("IATA").values(), dict(load_iata_macs()))


def _airport(row: Mapping[str, Any]) -> Airport:
    return Airport(
        row["iata"], row["name"], row["city"] or row["name"], row["subd"], row["country"], row["tz"], row["lat"],
        row["lon"],
    )  # fmt: skip


def _cities(airports: Iterable[Airport]) -> list[TravelPlace]:
    """Airports that lie together are one place."""
    groups: list[list[Airport]] = []
    for one in dict.fromkeys(airports):
        home = next((group for group in groups if _is_together(one, group[0])), None)
        groups.append([one]) if home is None else home.append(one)
    return [
        TravelPlace(_shared_name(group), group[0].country, group[0].code if len(group) == 1 else None, tuple(group))
        for group in groups
    ]


def _shared_name(group: Sequence[Airport]) -> str:
    """The name under which all of them are filed; the first one's where there is none: `Metz / Nancy` and `Nancy`."""
    if len(group) == 1:
        return group[0].city
    parts = [one.strip() for one in group[0].city.replace(",", "/").split("/") if one.strip()]
    return next((one for one in parts if all(folded(one) in _filed_names(each) for each in group)), parts[0])


def _filed_names(one: Airport) -> list[str]:
    """Each name under which its city is filed: `Bale/Mulhouse` has two, and so has `Kos Island`."""
    names = [folded(name) for name in one.city.replace(",", "/").split("/")]
    region = folded(one.region)  # an island with several cities is not the one that is called so
    short = (name.removesuffix(" island") for name in names if name.removesuffix(" island") != region)
    return [name for name in dict.fromkeys([*names, *short]) if name]


def _is_near(one: Airport, areas: Iterable[TravelPlace]) -> bool:
    return any(_is_together(one, area.airports[0]) for area in areas)


def _is_together(one: Airport, other: Airport) -> bool:
    return one.country == other.country and distance_km(one, other) < SAME_CITY_KM


def distance_km(one: Airport, other: Airport) -> float:
    """Along a great circle (haversine formula)."""
    lat1, lon1, lat2, lon2 = map(radians, (one.latitude, one.longitude, other.latitude, other.longitude))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))
