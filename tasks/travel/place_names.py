"""What one city is called in several languages, and what airportsdata's table of airports has wrong or leaves out.

The table files an airport under one name, English or the country's own. What differs by case and accents alone is not
here. Cities that gave a time zone its name are known to CLDR in many languages (`cldr_names`), and are here only under
names that it has not.
"""

from __future__ import annotations

from tasks.travel.place_spelling import folded

#: A country, and what a city of it is called. In another country a name means what the table files there only.
_GROUPS = """
at vienna wien vienne viena | be antwerp antwerpen anvers | be brussels brussel bruxelles bruselas
be liege luttich luik | ch geneva geneve genf ginebra ginevra | ch zurich zuerich zurigo
cl santiago santiago_de_chile | cn beijing peking pekin pechino 北京 | cn chengdu 成都 | cn guangzhou canton 广州 廣州
cn hong_kong hongkong | cn shanghai schanghai | cn shenzhen 深圳 | cn xianyang xian xi'an 西安 | cy larnaca larnaka
cz prague prag praga praha | de berlin berlino | de cologne koln koeln | de dusseldorf duesseldorf
de hamburg hambourg hamburgo | de hannover hanover hanovre | de munich munchen muenchen
de nuremberg nurnberg nuernberg | dk aarhus arhus | dk copenhagen kopenhagen kobenhavn copenhague | eg cairo kairo
es barcelona barcelone barcellona | es gran_canaria las_palmas | es palma_de_mallorca mallorca palma
es seville sevilla siviglia | es tenerife teneriffa | fr basel bale basle basilea | fr marseille marsella marsiglia
fr nice nizza niza | fr paris parigi | fr strasbourg strassburg | gb edinburgh edimbourg edimburgo
gb london londres londra | gr athens athen athenes atenas atene | gr crete kreta | gr heraklion iraklion
gr kerkyra corfu korfu | gr rodes rhodes rhodos | gr santorini santorin thira | gr thessaloniki saloniki θεσσαλονικη
hk hong_kong hongkong | id denpasar_bali bali | il tel_aviv תל_אביב تل_ابيب | in chennai madras | in dabolim goa
in kolkata calcutta kalkutta | in mopa goa | in mumbai bombay | in new_delhi delhi neu_delhi
it florence firenze florenz florencia | it genoa genova genua genes | it milan milano mailand
it naples napoli neapel napoles | it rome rom roma | it sardinia sardinien sardegna | it sicily sizilien sicilia
it turin torino | it venice venezia venedig venise venecia | jp fukuoka 福岡 | jp nagoya 名古屋 | jp osaka 大阪
jp sapporo 札幌 | jp tokyo tokio | kr busan 부산 | lt vilnius wilna | ma marrakech marrakesch marrakesh | mt luqa malta
mu port_louis mauritius | mv male maldives malediven | pl gdansk danzig | pl krakow krakau cracow cracovie cracovia
pl poznan posen | pl warsaw warschau warszawa varsovie varsovia varsavia | pl wroclaw breslau
pt lisbon lisboa lissabon lisbonne | pt porto oporto | ro bucharest bukarest bucuresti bucarest
rs belgrade belgrad beograd | ru moscow moskau moscou moscu mosca
ru st_petersburg saint_petersburg санкт_петербург | sc mahe seychelles seychellen | se gothenburg goteborg goeteborg
sg singapore singapur singapour | si ljubljana laibach | sk bratislava pressburg | th phuket ภูเก็ต
tr istanbul estambul | ua kyiv kiev kiew | ua lviv lemberg lwow | ua odesa odessa | us fort_lauderdale ft_lauderdale
us los_angeles la | us new_york nueva_york new_york_city | us san_francisco sf | us washington washington_dc
vn hanoi ha_noi | vn ho_chi_minh_city saigon | za cape_town kapstadt
"""


def _names_by_name() -> dict[str, dict[str, list[str]]]:
    names: dict[str, dict[str, list[str]]] = {}
    for group in (one.split() for line in _GROUPS.splitlines() for one in line.split("|")):
        if group:
            country, *written = group[0].upper(), *(folded(name.replace("_", " ")) for name in group[1:])
            for name in written:
                names.setdefault(name, {}).setdefault(country, []).extend(written)
    return names


#: All names of a city by any of them, by country.
SAME_CITY = _names_by_name()
#: Airports that are closed, of an air force, or of private aircraft, or that stand in the table for another one.
NOT_SERVED = frozenset({
    "BNJ", "BPM", "BQH", "BWU", "DIA", "FTY", "GSE", "HEW", "ISL", "MLH", "NHT", "NYS", "PDK", "RHV", "RKE", "SYQ",
    "TOJ", "TXL", "WFD", "WHP",
})  # fmt: skip
#: Airports that are known by their codes alone: hardly an airline flies there, and their city has a large one or means
#: a larger one elsewhere. The city would be asked for by each of them as well.
BY_CODE_ONLY = frozenset({
    "AFW", "ALN", "AZI", "BLC", "CPS", "FTW", "FWH", "HIO", "ISM", "JAD", "LYN", "MIO", "MLK", "OPF", "ORL", "QXB",
    "SGT", "SPG", "SUS", "TMB", "TNT", "TTD", "UPB", "VNC", "XFW",
})  # fmt: skip
#: Airports of IATA's metropolitan areas that the table of those leaves out.
ALSO_OF = {"JNB": ("JNB",), "NYC": ("EWR",), "PAR": ("BVA",), "STO": ("NYO",)}
#: What people call an airport, where the table has another name for it.
AIRPORT_NAMES = {
    "haneda": "HND", "la guardia": "LGA", "roissy": "CDG", "schonefeld": "BER", "berlin schonefeld": "BER",
    "bergamo orio al serio": "BGY", "torp": "TRF", "oslo torp": "TRF", "skavsta": "NYO",
}  # fmt: skip
#: What people write beside a name, which says nothing of where it is.
AIRPORT_WORDS = frozenset({
    "airport", "airports", "flughafen", "aeroport", "aeropuerto", "aeroporto", "luchthaven", "lotnisko", "lufthavn",
    "flygplats", "international", "intl",
})  # fmt: skip
