"""Cities and airports by what people write: a code, a city in several languages, an airport's name, `London, CA`.

The table is that of airportsdata. What it does not know, and what may mean two places, is an error that proposes what
to write instead; nothing is guessed. A name that several countries have means the city that gave its time zone the
name, or that IATA calls a metropolitan area: Berlin is in Germany, and Paris in France.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import Any

from llmcoder.errors import BadInput
from tasks.travel.place_names import ALSO_OF, NOT_SERVED, SAME_CITY

#: Airports of one name and country that lie closer are those of one city.
SAME_CITY_KM = 150
EARTH_KM = 6_371
MOST_PROPOSALS = 6
#: Letters that fall apart into none with an accent.
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "-": " ", "’": "'"})


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
        code: What providers take for all of it; None for several airports without a common code.
        country: ISO 3166, two letters.
        airports: The largest first where that is known; never none.
    """

    name: str
    country: str
    code: str | None
    airports: tuple[Airport, ...]

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
        return f"{self.name}, {self.country} ({', '.join(self.codes)})"


def folded(text: str) -> str:
    """Without case, accents and hyphens, with single blanks."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).split())


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
    code = text.strip().upper()
    if (by_code := table().of_code(code)) is not None:
        return [by_code]
    name, _, where = text.partition(",")
    places = table().of_name(folded(name))
    return _clear(_in_country(places, folded(where)) if where.strip() else places)


def _in_country(places: Sequence[TravelPlace], where: str) -> list[TravelPlace]:
    """Those of a country, or of a region of one."""
    return [
        one for one in places if where in (one.country.lower(), *(folded(airport.region) for airport in one.airports))
    ]


def _clear(places: list[TravelPlace]) -> list[TravelPlace]:
    """The one that gave its metropolitan area or its time zone the name, where there is one."""
    for is_the_one in (_is_metropolitan, _names_its_zone):
        chosen = [one for one in places if is_the_one(one)]
        if len(chosen) == 1:
            return chosen
    return places


def _is_metropolitan(place: TravelPlace) -> bool:
    return place.code is not None and place.code in table().areas


def _names_its_zone(place: TravelPlace) -> bool:
    named = folded(place.zone.rpartition("/")[2].replace("_", " "))
    return named in SAME_CITY.get(folded(place.name), (folded(place.name),))


class Table:
    """The airports of the world, by code and by name."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], areas: dict[str, Any]) -> None:
        self.airports = {row["iata"]: _airport(row) for row in rows if row["iata"] not in NOT_SERVED}
        self.areas = {code: self._area(code, area) for code, area in areas.items()}

    @cached_property
    def by_city(self) -> dict[str, list[Airport]]:
        """By each name under which a city is filed: `Bale/Mulhouse` has two."""
        airports: dict[str, list[Airport]] = {}
        for one in self.airports.values():
            for name in one.city.replace(",", "/").split("/"):
                airports.setdefault(folded(name), []).append(one)
        return airports

    def of_code(self, code: str) -> TravelPlace | None:
        """An airport; a metropolitan area where no airport has the code."""
        one = self.airports.get(code)
        if one is None:
            return self.areas.get(code)
        return TravelPlace(one.city, one.country, code, (one,))

    def of_name(self, name: str) -> list[TravelPlace]:
        """The cities of a name; else those that begin with it; else what has its words in its own name."""
        names = SAME_CITY.get(name, (name,))
        areas = [one for one in self.areas.values() if folded(one.name) in names]
        exact = [one for each in names for one in self.by_city.get(each, ())]
        airports = exact or self._beginning(name) or self._with_words(name.split())
        area_codes = {code for area in areas for code in area.codes}
        rest = [one for one in airports if one.code not in area_codes and not _is_near(one, areas)]
        return areas + _cities(rest)

    def near(self, name: str) -> list[str]:
        """Proposals for a name that nobody knows."""
        names = get_close_matches(name, [*self.by_city, *SAME_CITY], n=3, cutoff=0.75)
        return list(dict.fromkeys(place.proposal for each in names for place in _clear(self.of_name(each))[:1]))

    def _beginning(self, name: str) -> list[Airport]:
        start = f"{name} "
        return [one for city, all_of_it in self.by_city.items() if city.startswith(start) for one in all_of_it]

    def _with_words(self, words: Sequence[str]) -> list[Airport]:
        if not words or max(map(len, words)) < 3:
            return []
        return [one for one in self.airports.values() if set(words) <= set(folded(f"{one.name} {one.city}").split())]

    def _area(self, code: str, area: dict[str, Any]) -> TravelPlace:
        codes = dict.fromkeys([*area["airports"], *ALSO_OF.get(code, ())])
        members = tuple(self.airports[one] for one in codes if one in self.airports)
        return TravelPlace(area["name"], area["country"], code, members)


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
        TravelPlace(group[0].city, group[0].country, group[0].code if len(group) == 1 else None, tuple(group))
        for group in groups
    ]


def _is_near(one: Airport, areas: Iterable[TravelPlace]) -> bool:
    return any(_is_together(one, area.airports[0]) for area in areas)


def _is_together(one: Airport, other: Airport) -> bool:
    return one.country == other.country and distance_km(one, other) < SAME_CITY_KM


def distance_km(one: Airport, other: Airport) -> float:
    """Along a great circle (haversine formula)."""
    lat1, lon1, lat2, lon2 = map(radians, (one.latitude, one.longitude, other.latitude, other.longitude))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))
