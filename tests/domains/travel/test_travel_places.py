"""Places by what people write: a city finds its airports, and what is not clear is an error that says what to write."""

from __future__ import annotations

from typing import Any

import pytest

from llmcoder import BadInput
from llmcoder.testing import run_action
from tasks.travel.flight_actions import places
from tasks.travel.place_names import AIRPORT_NAMES, ALSO_OF, BY_CODE_ONLY, NOT_SERVED, SAME_CITY
from tasks.travel.place_spelling import folded
from tasks.travel.places import candidates, place_of, table


@pytest.mark.parametrize(
    ("written", "codes", "zone"),
    [
        ("Berlin", ("BER",), "Europe/Berlin"),
        ("  berlin ", ("BER",), "Europe/Berlin"),
        ("Berlin, DE", ("BER",), "Europe/Berlin"),
        ("Berlin, US", ("BML",), "America/New_York"),
        ("London", ("LCY", "LGW", "LHR", "LTN", "STN"), "Europe/London"),
        ("London, CA", ("YXU",), "America/Toronto"),
        ("Paris, Texas", ("PRX",), "America/Chicago"),
        ("NYC", ("JFK", "LGA", "EWR"), "America/New_York"),
        ("New York", ("JFK", "LGA", "EWR"), "America/New_York"),
        ("ber", ("BER",), "Europe/Berlin"),
        ("Heathrow", ("LHR",), "Europe/London"),
        ("München", ("MUC",), "Europe/Berlin"),
        ("Köln", ("CGN",), "Europe/Berlin"),
        ("Zürich", ("ZRH",), "Europe/Zurich"),
        ("Wien", ("VIE",), "Europe/Vienna"),
        ("São Paulo", ("CGH", "GRU", "VCP"), "America/Sao_Paulo"),
        ("Sao Paulo", ("CGH", "GRU", "VCP"), "America/Sao_Paulo"),
        ("Frankfurt", ("FRA",), "Europe/Berlin"),
        ("Basel", ("BSL",), "Europe/Paris"),
        ("Mallorca", ("PMI",), "Europe/Madrid"),
        ("Madrid", ("MAD",), "Europe/Madrid"),
        ("Istanbul", ("IST", "SAW"), "Europe/Istanbul"),
        ("Kyiv", ("IEV", "KBP"), "Europe/Kyiv"),
        ("Washington, US", ("DCA", "IAD"), "America/New_York"),
        ("Tokio", ("HND", "NRT"), "Asia/Tokyo"),
    ],
)
def test_what_is_written_means_these_airports_and_their_zone(written: str, codes: Any, zone: Any) -> None:
    place = place_of(written)
    assert (place.codes, place.zone) == (codes, zone)


@pytest.mark.parametrize(
    ("written", "proposals"),
    [
        ("Barcelona", ["Barcelona, ES (BCN)", "Barcelona, VE (BLA)"]),
        ("Birmingham", ["Birmingham, GB (BHX)", "Birmingham, US (BHM)"]),
        ("San Jose", ["San Jose, CR (SJO)", "San Jose, US (SJC)"]),
        ("Naples", ["Naples, US (APF)", "Napoli, IT (NAP)"]),
    ],
)
def test_what_may_mean_several_places_is_refused_with_all_of_them(written: str, proposals: list[str]) -> None:
    with pytest.raises(BadInput, match="may mean several places") as refused:
        place_of(written)
    assert [one for one in proposals if one not in refused.value.detail] == []
    for one in proposals:  # and what it proposes is taken
        assert len(candidates(one.partition(" (")[0])) >= 1


@pytest.mark.parametrize(
    ("written", "proposal"),
    [("Berlni", "Berlin, DE (BER)"), ("Londn", "London, GB"), ("Munchn", "Munich, DE (MUC)"), ("Lisbonn", "LIS")],
)
def test_what_nobody_knows_is_refused_with_what_was_meant_perhaps(written: str, proposal: str) -> None:
    with pytest.raises(BadInput, match="There is no airport or city") as refused:
        place_of(written)
    assert proposal in refused.value.detail


@pytest.mark.parametrize(
    "written", ["XQZ", "TXL", "12", "a b", ",", ", DE", "Berlin, XX", "%", "\u200b\u200b", "x" * 80]
)
def test_what_is_no_place_is_an_error_and_nothing_else(written: str) -> None:
    with pytest.raises(BadInput):
        place_of(written)


def test_every_city_finds_its_airport_or_the_metropolitan_area_around_it() -> None:
    astray = []
    for one in table().airports.values():
        assert place_of(one.code).codes == (one.code,)
        if one.code in BY_CODE_ONLY:
            continue
        city = one.city.replace(",", "/").partition("/")[0].strip()
        found = candidates(f"{city}, {one.country}")
        if not any(one.code in place.codes or place.is_metropolitan for place in found):
            astray.append(one.code)
    assert (astray, len(table().airports) > 7_000) == ([], True)


def test_the_lists_name_what_is_there() -> None:
    from airportsdata import load, load_iata_macs

    known, areas = load("IATA"), load_iata_macs()
    assert known.keys() >= NOT_SERVED | BY_CODE_ONLY
    assert frozenset() == NOT_SERVED & BY_CODE_ONLY
    assert areas.keys() >= ALSO_OF.keys()
    assert [code for codes in ALSO_OF.values() for code in codes if code not in known] == []
    assert [name for name in SAME_CITY if folded(name) != name] == []
    lost = [
        (name, country)
        for name, groups in SAME_CITY.items()
        for country, names in groups.items()
        if not table().of_name(name) and not any(each in table().by_city for each in names)
    ]
    assert lost == [], "a name of which the table knows no city"
    assert [code for code in AIRPORT_NAMES.values() if code not in known] == []


#: What people write, and the airports that it means, by kinds of writing.
WRITTEN = {
    "a country in words": """
        Paris, France = CDG ORY BVA | London, UK = LCY LGW LHR LTN STN | Berlin, Deutschland = BER
        London, United Kingdom = LCY LGW LHR LTN STN | Barcelona, Spain = BCN | Barcelona, Spanien = BCN
        Nice, Frankreich = NCE | Naples, Italy = NAP | Tokyo, Japan = HND NRT | San José, Costa Rica = SJO
        Dublin, Ireland = DUB | Santiago, Chile = SCL | Los Angeles, USA = LAX | Wien, Österreich = VIE
        Genève, Suisse = GVA | Roma, Italia = CIA FCO | Athens, Greece = ATH | Perth, Scotland = PSL""",
    "a state as the post writes it": """
        Los Angeles, CA = LAX | San Jose, CA = SJC | Portland, OR = PDX | Portland, ME = PWM | London, ON = YXU
        New York, NY = JFK LGA EWR | Washington, DC = DCA IAD | Washington, D.C. = DCA IAD | Melbourne, FL = MLB
        Portland, Maine, USA = PWM | New York, NY, USA = JFK LGA EWR | Birmingham, AL = BHM | Athens, GA = AHN
        London, CA = YXU | Perth, WA = PER | St Louis, MO = STL""",
    "a country without a comma": """
        Paris France = CDG ORY BVA | Berlin DE = BER | London UK = LCY LGW LHR LTN STN | Paris Texas = PRX
        Portland OR = PDX | Portland Maine USA = PWM | New York USA = JFK LGA EWR | Perth Scotland = PSL
        Birmingham Vereinigtes Königreich = BHX | Berlin; DE = BER | Berlin,DE, = BER""",
    "odd letters": """
        ＢＥＲ = BER | Ｂｅｒｌｉｎ = BER | MÜNCHEN = MUC | Zu\u0308rich = ZRH | \u202eBerlin\u200b = BER""",
    "another script": """
        東京 = HND NRT | 大阪 = ITM KIX UKB | 上海 = PVG SHA | 北京 = PEK PKX | 香港 = HKG | 서울 = GMP ICN
        Москва = DME SVO VKO | Санкт-Петербург = LED | Київ = IEV KBP | Αθήνα = ATH | София = SOF | القاهرة = CAI
        دبي = DWC DXB | תל אביב = TLV | กรุงเทพ = BKK DMK | 台北 = TPE TSA""",
    "another language": """
        Venedig = VCE | Neapel = NAP | Florenz = FLR | Straßburg = SXB | Danzig = GDN | Breslau = WRO | Lüttich = LGG
        Kapstadt = CPT | Ho-Chi-Minh-Stadt = SGN | Mexiko-Stadt = MEX | Tiflis = TBS | Kreta, GR = HER CHQ JSH
        Teneriffa = TFN TFS | Rhodos = RHO | Korfu = CFU | Bali = DPS | Malta = MLA | Havanna = HAV | Hanover = HAJ""",
    "a keyboard without Umlauts": """
        Muenster = FMO | Saarbruecken = SCN | Luebeck = LBC | Goeteborg = GOT | Malmoe = MMX | Tromsoe = TOS
        Århus = AAR | Duesseldorf = DUS | Zuerich = ZRH""",
    "an airport with its city": """
        New York JFK = JFK | JFK Airport = JFK | Paris-CDG = CDG | BER Berlin = BER | BER - Berlin = BER
        Flughafen München = MUC | München Flughafen = MUC | Aéroport Charles de Gaulle = CDG | Köln/Bonn = CGN
        John F. Kennedy = JFK | Haneda = HND | La Guardia = LGA | Frankfurt/Main = FRA | Frankfurt (Main) = FRA
        Frankfurt a.M. = FRA | EDDM = MUC | kjfk = JFK""",
    "a proposal of ours, or a shop's": """
        Wien (VIE) = VIE | Berlin, DE (BER) = BER | Barcelona, ES (BCN) = BCN | Istanbul, TR (IST, SAW) = IST SAW
        London, GB (LCY, LGW, LHR, LTN, STN) = LCY LGW LHR LTN STN | London (LHR) = LHR""",
    "in short": """
        Saint Petersburg = LED | Sankt Petersburg = LED | St. Louis = STL | LA = LAX | L.A. = LAX | SF = SFO
        Washington DC = DCA IAD | Miami = MIA | Stuttgart = STR | Xi’an = XIY""",
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITTEN)
def test_places_are_understood_as_people_write_them(kind: str) -> None:
    astray = {}
    for one in WRITTEN[kind].replace("\n", "|").split("|"):
        written, _, codes = one.strip().partition(" = ")
        places = candidates(written) if written else []
        if written and {code for place in places for code in place.codes} != set(codes.split()):
            astray[written] = [place.codes for place in places]
    assert astray == {}


@pytest.mark.parametrize(
    ("written", "proposals"),
    [
        ("Hue", ["Humera, ET (HUE)", "Hue, VN (HUI)"]),  # the code of one and the name of another
        ("Pau", ["Pauk, MM (PAU)", "FR (PUF)"]),
        ("Kos", ["Sihanukville, KH (KOS)", "Kos Island, GR (KGS)"]),
        ("Goa", ["Genova, IT (GOA)", "Dabolim, IN (GOI, GOX)"]),
        ("Odessa", ["Odessa, US (ODT)", "Odesa, UA (ODS)"]),  # the old name of one is the name of another
        ("Madras", ["Madras, US (MDJ)", "Chennai, IN (MAA)"]),
        ("Saint Louis", ["Saint Louis, SN (XLS)", "St Louis, US (STL)"]),
        ("Sicily", ["Palermo, IT (PMO)"]),
        ("San Juan", ["San Juan, AR (UAQ)", "San Juan, US (SIG, SJU)"]),  # a zone of a province gives no preference
        ("Portland", ["Portland, Oregon (PDX)", "Portland, Maine (PWM)"]),  # of one country
    ],
)
def test_a_name_of_two_cities_is_never_one_of_them_by_chance(written: str, proposals: list[str]) -> None:
    with pytest.raises(BadInput, match="may mean several places") as refused:
        place_of(written)
    assert [one for one in proposals if one not in refused.value.detail] == []


@pytest.mark.parametrize("written", ["DE", "US", "me", "x", "", " ", "()", "(DE)", "Germany", ", , ,", "Berlin, , XX"])
def test_what_is_too_short_or_a_country_means_no_city(written: str) -> None:
    assert candidates(written) == []


def test_a_code_in_capitals_is_a_code() -> None:
    assert (place_of("HUE").country, place_of("IST").codes, place_of("ber").codes) == ("ET", ("IST",), ("BER",))


@pytest.mark.parametrize("name", ["Istanbul", "Bangkok", "Houston", "Brussels", "Dubai", "Shanghai"])
def test_a_code_that_is_also_one_airport_s_does_not_stand_for_the_city(name: str) -> None:
    place = place_of(name)
    assert len(place.codes) > 1
    assert (place.code, place.asked_codes) == (None, place.codes), "a source would look at one airport alone"


def test_what_is_proposed_means_the_same_place_again() -> None:
    astray = []
    for name in list(table().by_city)[::11]:
        for place in candidates(name):
            for written in (place.write, place.proposal):
                again = candidates(written)
                if len(again) != 1 or again[0].codes != place.codes:
                    astray.append(written)
    islands = {"Borneo Island", "Sumatra Island"}  # many cities are filed under these, and several in one province
    assert [one for one in astray if one.partition(",")[0] not in islands] == []


def test_places_are_listed_with_what_to_write() -> None:
    found = run_action(places, {"name": "London"}).result
    assert (found.clear, found.items[0].write, len(found.items[0].airports)) == (True, "LON", 5)
    assert found.items[0].airports[2].name == "London Heathrow Airport"
    several = run_action(places, {"name": "Barcelona"}).result
    assert (several.clear, {one.write for one in several.items}) == (False, {"BCN", "BLA"})
    with pytest.raises(BadInput, match="Did you mean"):
        run_action(places, {"name": "Berlni"})
