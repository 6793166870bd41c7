"""What one city is called in several languages, and what airportsdata's table of airports has wrong or leaves out.

The table files an airport under one name, English or the country's own. Names are as `places.folded` makes them, so
what differs by case and accents alone is not here.
"""

from __future__ import annotations

_GROUPS = """
antwerp antwerpen anvers | athens athen athenes atenas atene | barcelona barcelone barcellona
basel bale basle basilea | belgrade belgrad beograd | berlin berlino | mumbai bombay
brussels brussel bruxelles bruselas | bucharest bukarest bucuresti bucarest | cologne koln koeln
copenhagen kopenhagen kobenhavn copenhague | dusseldorf duesseldorf | edinburgh edimbourg edimburgo
istanbul estambul | florence firenze florenz florencia | geneva geneve genf ginebra ginevra
genoa genova genua genes | gothenburg goteborg | hamburg hambourg hamburgo | cairo kairo | cape_town kapstadt
kyiv kiev kiew | krakow krakau cracow cracovie cracovia | lisbon lisboa lissabon lisbonne | london londres londra
marseille marsella marsiglia | milan milano mailand | moscow moskau moscou moscu mosca | munich munchen muenchen
naples napoli neapel napoles | new_delhi delhi | new_york nueva_york new_york_city | nice nizza niza
nuremberg nurnberg nuernberg | palma_de_mallorca mallorca palma | paris parigi | beijing peking pekin pechino
porto oporto | prague prag praga praha | rome rom roma | seville sevilla siviglia | singapore singapur singapour
tokyo tokio | turin torino | venice venezia venedig venise venecia | vienna wien vienne viena
warsaw warschau warszawa varsovie varsovia varsavia | zurich zuerich zurigo
"""


def _names_by_name() -> dict[str, tuple[str, ...]]:
    groups = [group.split() for line in _GROUPS.splitlines() for group in line.split("|")]
    named = [tuple(name.replace("_", " ") for name in group) for group in groups if group]
    return {name: group for group in named for name in group}


#: All names of a city, by any of them.
SAME_CITY = _names_by_name()
#: Airports that the table has and no airline flies from: closed (TXL, ISL), of an air force, of private aircraft. The
#: city would be asked for by each of them as well.
NOT_SERVED = frozenset({
    "BQH", "BWU", "FTY", "HEW", "ISL", "NHT", "NYS", "PDK", "RHV", "RKE", "SYQ", "TOJ", "TXL", "WFD", "WHP",
})  # fmt: skip
#: Airports of IATA's metropolitan areas that the table of those leaves out.
ALSO_OF = {"JNB": ("JNB",), "NYC": ("EWR",), "PAR": ("BVA",), "STO": ("NYO",)}
