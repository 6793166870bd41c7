"""Units of recipes, metric and US, by the words for them in English and German, and a few of French, Spanish, Italian.

What cooks call a unit and nobody measures (a clove, a can) is counted. A pinch is no measure: it does not scale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType


class Dimension(StrEnum):
    """What amounts of one dimension have in common: they can be added."""

    MASS = "mass"  # in grams
    VOLUME = "volume"  # in millilitres
    COUNT = "count"  # of things of one unit
    TASTE = "taste"  # of a pinch, or to taste


class System(StrEnum):
    """Where a unit is at home."""

    METRIC = "metric"
    US = "us"
    SPOONS = "spoons"  # both


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        code: As it is kept, and written in English.
        size: Grams or millilitres; 1 of what is counted.
    """

    code: str
    dimension: Dimension
    size: Fraction = Fraction(1)
    system: System | None = None


def _mass(code: str, grams: str, system: System) -> Unit:
    return Unit(code, Dimension.MASS, Fraction(grams), system)


def _volume(code: str, ml: str, system: System) -> Unit:
    return Unit(code, Dimension.VOLUME, Fraction(ml), system)


# US customary measures by NIST Handbook 44, appendix C; spoons are the metric ones, 5 and 15 ml.
_MEASURED = (
    (_mass("mg", "0.001", System.METRIC), "mg milligram milligrams milligramm"),
    (_mass("g", "1", System.METRIC), "g gr gramm gram grams gramme grammes gramos grammi gms gm"),
    (_mass("kg", "1000", System.METRIC), "kg kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes kgs"),
    (_mass("lb", "453.59237", System.US), "lb lbs pound pounds #"),
    (_mass("pfund", "500", System.METRIC), "pfund pfd"),
    (_mass("oz", "28.349523125", System.US), "oz ounce ounces unze unzen ozs"),
    (_volume("ml", "1", System.METRIC), "ml milliliter milliliters millilitre millilitres mililitros mls cc ccm"),
    (_volume("cl", "10", System.METRIC), "cl centiliter centilitre zentiliter centilitres"),
    (_volume("dl", "100", System.METRIC), "dl deciliter decilitre deziliter decilitres"),
    (_volume("l", "1000", System.METRIC), "l liter liters litre litres litro litros litri ltr lt"),
    (
        _volume("tsp", "5", System.SPOONS),
        "tsp tsps teaspoon teaspoons tl teelöffel teeloeffel teel cucharadita cucharaditas cucchiaino cucchiaini cdta"
        " cdtas kaffeelöffel",
    ),
    (
        _volume("tbsp", "15", System.SPOONS),
        "tbsp tbsps tbs tbl tblsp tblsps tbls tablespoon tablespoons el esslöffel eßlöffel essloeffel essl cucharada"
        " cucharadas cucchiaio cucchiai cda cdas",
    ),
    (_volume("cup", "236.5882365", System.US), "cup cups c tasse tassen tas taza tazas tazza tazze"),
    (_volume("fl oz", "29.5735295625", System.US), "floz fluidounce fluidounces"),
    (_volume("pint", "473.176473", System.US), "pint pints pt pts"),
    (_volume("quart", "946.352946", System.US), "quart quarts qt qts"),
    (_volume("gallon", "3785.411784", System.US), "gallon gallons gal"),
)
_COUNTED = {
    "piece": "piece pieces pc pcs stück stücke stueck stk st stck pièce pièces pezzo pezzi pieza piezas",
    "clove": "clove cloves zehe zehen gousse gousses diente dientes spicchio spicchi",
    "slice": "slice slices scheibe scheiben tranche tranches rebanada rebanadas fetta fette",
    "can": "can cans tin tins dose dosen boîte boîtes lata latas",
    "jar": "jar jars glas gläser glaeser einmachglas",
    "bottle": "bottle bottles flasche flaschen",
    "package": "package packages pkg pkgs packet packets pack packs packung packungen pck pkt päckchen paeckchen pckg"
    " paket pakete beutel sachet sachets tüte tüten bag bags paquet paquets bustina bustine",
    "tub": "becher pot pots tubs",
    "box": "box boxes schachtel carton cartons",
    "bunch": "bunch bunches bund bunde bd botte bottes manojo mazzetto mazzo",
    "sprig": "sprig sprigs zweig zweige stiel stiele brin brins ramita ramitas rametto rametti",
    "leaf": "leaf leaves blatt blätter blaetter feuille feuilles hoja hojas foglia foglie bl",
    "stalk": "stalk stalks stange stangen rib ribs stengel stängel",
    "stick": "stick sticks",
    "cm": "cm zentimeter",
    "inch": "inch inches zoll",
    "head": "head heads kopf köpfe koepfe knolle knollen",
    "sheet": "sheet sheets platte platten",
    "cube": "cube cubes würfel wuerfel",
    "ear": "ear ears kolben",
    "fillet": "fillet fillets filet filets",
    "ball": "ball balls kugel kugeln",
    "scoop": "scoop scoops",
    "handful": "handful handfuls handvoll poignée poignées puñado puñados manciata",
    "roll": "rolle rollen",
    "knob": "knob knobs",
    "strip": "strip strips streifen",
    "part": "part parts teil teile",
}
_BY_TASTE = {
    "pinch": "pinch pinches prise prisen pr pincée pincées pizca pizcas pizzico pizzichi",
    "dash": "dash dashes schuss schuß spritzer trait traits chorrito splash splashes",
    "drop": "drop drops tropfen goutte gouttes gota gotas goccia gocce",
    "knife tip": "messerspitze messerspitzen msp",
    "some": "some etwas few wenig wenige einige bit little quelques algo",
    "drizzle": "drizzle drizzles",
    "sprinkle": "sprinkle sprinkles sprinkling",
}


def _table() -> Mapping[str, Unit]:
    units = [*_MEASURED]
    units += [(Unit(code, Dimension.COUNT), words) for code, words in _COUNTED.items()]
    units += [(Unit(code, Dimension.TASTE), words) for code, words in _BY_TASTE.items()]
    return MappingProxyType({word: unit for unit, words in units for word in (unit.code, *words.split())})


BY_WORD = _table()
#: Every unit by the code under which it is kept.
BY_CODE: Mapping[str, Unit] = MappingProxyType({unit.code: unit for unit in BY_WORD.values()})
#: Of things that are counted, without a unit.
PIECES = Unit("", Dimension.COUNT)

# Letters whose case tells: T is a tablespoon and t a teaspoon where Americans write.
_BY_CASE = {"T": "tbsp", "t": "tsp", "C": "cup", "L": "l"}
_TWO_WORDS = re.compile(
    r"(?P<floz>fl(?:uid)?\.?\s*(?:oz|ounces?)\b\.?)|(?P<tbsp>c(?:uill[eè]res?)?\.?\s*(?:à|a)\s*(?:s(?:oupe)?)\b\.?)"
    r"|(?P<tsp>c(?:uill[eè]res?)?\.?\s*(?:à|a)\s*(?:c(?:afé)?|th[eé])\b\.?)|(?P<knob>knobs?|walnuss\w*\s+große)",
    re.IGNORECASE,
)
_WORD = re.compile(r"#|[^\W\d_]+(?:\([a-zäöü]{1,3}\))?", re.UNICODE)
_OF_GROUP = {"floz": "fl oz", "tbsp": "tbsp", "tsp": "tsp", "knob": "knob"}


def read_unit(text: str, at: int) -> tuple[Unit, int] | None:
    """The unit that begins there, and where it ends with its full stop; None where none does."""
    if (phrase := _TWO_WORDS.match(text, at)) is not None:
        return BY_CODE[_OF_GROUP[str(phrase.lastgroup)]], phrase.end()
    word = _WORD.match(text, at)
    if word is None or text[word.end() : word.end() + 1] in ("'", "’", "-"):
        return None
    unit = _named(word[0])
    if unit is None:
        return None
    return unit, word.end() + (text[word.end() : word.end() + 1] == ".")


def _named(word: str) -> Unit | None:
    if word in _BY_CASE:
        return BY_CODE[_BY_CASE[word]]
    folded = word.casefold()
    return BY_WORD.get(folded) or BY_WORD.get(folded.partition("(")[0])
