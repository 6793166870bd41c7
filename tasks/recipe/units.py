"""Units of recipes, metric and US, by the words for them in English, German and some other languages of Europe.

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
    (_mass("g", "1", System.METRIC), "g gr gramm gram grams gramme grammes gramos grammi gramas gms gm"),
    (_mass("dag", "10", System.METRIC), "dag dkg deka"),
    (_mass("hg", "100", System.METRIC), "hg hekto etto etti"),
    (
        _mass("kg", "1000", System.METRIC),
        "kg kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes kgs chilo quilo quilos",
    ),
    (_mass("lb", "453.59237", System.US), "lb lbs pound pounds libra libras #"),
    (_mass("pfund", "500", System.METRIC), "pfund pfd livre livres"),
    (_mass("oz", "28.349523125", System.US), "oz ounce ounces unze unzen ozs onza onzas once onces"),
    (
        _volume("ml", "1", System.METRIC),
        "ml milliliter milliliters millilitre millilitres mililitros millilitri mls cc ccm krm",
    ),
    (_volume("cl", "10", System.METRIC), "cl centiliter centilitre zentiliter centilitres"),
    (_volume("dl", "100", System.METRIC), "dl deciliter decilitre deziliter decilitres"),
    (_volume("l", "1000", System.METRIC), "l liter liters litre litres litro litros litri ltr lt"),
    (
        _volume("tsp", "5", System.SPOONS),
        "tsp tsps teaspoon teaspoons tl teelöffel teeloeffel teel cucharadita cucharaditas cucchiaino cucchiaini cdta"
        " cdtas kaffeelöffel càc cac tsk ts theelepel theelepels łyżeczka łyżeczki łyżeczek",
    ),
    (
        _volume("tbsp", "15", System.SPOONS),
        "tbsp tbsps tbs tbl tblsp tblsps tbls tablespoon tablespoons el esslöffel eßlöffel essloeffel essl cucharada"
        " cucharadas cucchiaio cucchiai cda cdas càs cas cs msk spsk ss eetlepel eetlepels łyżka łyżki łyżek",
    ),
    (
        _volume("cup", "236.5882365", System.US),
        "cup cups c tasse tassen tas taza tazas tazza tazze xícara xícaras chávena chávenas kopje kopjes",
    ),
    (_volume("fl oz", "29.5735295625", System.US), "floz fluidounce fluidounces"),
    (_volume("pint", "473.176473", System.US), "pint pints pt pts"),
    (_volume("quart", "946.352946", System.US), "quart quarts qt qts"),
    (_volume("gallon", "3785.411784", System.US), "gallon gallons gal"),
)
_COUNTED = {
    "piece": "piece pieces pc pcs stück stücke stueck stk st stck pièce pièces pezzo pezzi pieza piezas"
    " stuk stuks stukje sztuka sztuki szt unidade unidades unidad unidades",
    "clove": "clove cloves zehe zehen gousse gousses diente dientes spicchio spicchi teen teentje teentjes"
    " tenen klyfta klyftor fed dente dentes ząbek ząbki ząbków",
    "slice": "slice slices scheibe scheiben tranche tranches rebanada rebanadas fetta fette plak plakken plakje plakjes"
    " skiva skivor fatia"
    " fatias",
    "can": "can cans tin tins dose dosen boîte boîtes lata latas lattina barattolo"
    " blik blikje blikken burk burkar dåse dåser boks bokser puszka puszki",
    "jar": "jar jars glas gläser glaeser einmachglas",
    "bottle": "bottle bottles flasche flaschen fläschchen",
    "package": "package packages pkg pkgs packet packets pack packs packung packungen pck pkt päckchen paeckchen pckg"
    " paket pakete beutel sachet sachets tüte tüten bag bags paquet paquets bustina bustine pk päck päckle env"
    " envelope envelopes brick briques brique confezione confezioni sobre sobres paquete paquetes zakje zakjes pakje"
    " förp"
    " pakke pakker pose poser pacote pacotes opakowanie",
    "glass": "glass glasses verre verres vaso vasos bicchiere bicchieri copo copos szklanka szklanki szklanek",
    "tube": "tube tubes tuben tubo",
    "pair": "pair pairs",
    "tub": "becher pot pots tubs container containers",
    "box": "box boxes schachtel carton cartons",
    "bunch": "bunch bunches bund bunde bd botte bottes manojo mazzetto mazzo bosje bosjes knippe bundt",
    "sprig": "sprig sprigs zweig zweige stiel stiele brin brins ramita ramitas rametto rametti takje takjes kvist"
    " kvistar",
    "leaf": "leaf leaves blatt blätter blaetter feuille feuilles hoja hojas foglia foglie bl blaadje"
    " blaadjes blad folha folhas",
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
    "pinch": "pinch pinches prise prisen pr pincée pincées pizca pizcas pizzico pizzichi snuf snufje snufjes"
    " nypa klype pitada pitadas szczypta szczypty",
    "dash": "dash dashes schuss schuß spritzer trait traits chorrito splash splashes",
    "drop": "drop drops tropfen goutte gouttes gota gotas goccia gocce",
    "knife tip": "messerspitze messerspitzen msp",
    "some": "some etwas few wenig wenige einige bisschen bißchen bit little quelques peu poco algo",
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
_BY_CASE = {"T": "tbsp", "t": "tsp", "C": "cup", "L": "l", "Paar": "pair", "paar": "some"}
_TWO_WORDS = re.compile(
    r"(?P<floz>fl(?:uid)?\.?\s*(?:oz|ounces?)\b\.?)"
    r"|(?P<tbsp>c(?:uil\w{0,6})?\.?\s*(?:à|a)\.?\s*s(?:oupe)?\b\.?|c\.\s?s\."
    r"|cucharadas?\s+soperas?|cucchiai[o]?\s+da\s+(?:tavola|minestra)|colher(?:es)?\s+\(?(?:de\s+)?sopa\b\)?)"
    r"|(?P<tsp>c(?:uil\w{0,6})?\.?\s*(?:à|a)\.?\s*(?:c(?:af[ée])?|th[eé])\b\.?|c\.\s?c\."
    r"|cc(?=\s+d(?:e\b|['’]))|cucharaditas?\s+de\s+café|cucchiain[io]\s+da\s+(?:tè|the|caffè)"
    r"|colher(?:es)?\s+\(?(?:de\s+)?(?:ch[áa]|café)\b\)?)"
    r"|(?P<knob>knobs?|walnuss\w*\s+große|noix(?=\s+de\s+beurre))|(?P<drizzle>filet(?=\s+(?:d['’]|de\s)))|(?P<handful>hand\s+voll)|(?P<some>po['’](?=\s+di?\b))",
    re.IGNORECASE,
)
_WORD = re.compile(r"#|[^\W\d_]+(?:\([a-zäöü]{1,3}\))?", re.UNICODE)
_OF_GROUP = {"floz": "fl oz"}


def read_unit(text: str, at: int) -> tuple[Unit, int] | None:
    """The unit that begins there, and where it ends with its full stop; None where none does."""
    if (phrase := _TWO_WORDS.match(text, at)) is not None:
        return _of_group(str(phrase.lastgroup)), phrase.end()
    word = _WORD.match(text, at)
    if word is None or text[word.end() : word.end() + 1] in ("'", "’", "-"):
        return None
    unit = _named(word[0])
    if unit is None:
        return None
    return unit, word.end() + (text[word.end() : word.end() + 1] == ".")


def _of_group(name: str) -> Unit:
    return BY_CODE[_OF_GROUP.get(name, name)]


def _named(word: str) -> Unit | None:
    if word in _BY_CASE:
        return BY_CODE[_BY_CASE[word]]
    folded = word.casefold()
    return BY_WORD.get(folded) or BY_WORD.get(folded.partition("(")[0])
