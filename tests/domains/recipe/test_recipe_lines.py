"""Lines of ingredients, as cookbooks in two languages write them, and the same for another number of people."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.recipe.amounts import LARGEST, as_decimal, as_fraction, read_amount
from tasks.recipe.foods import food_key
from tasks.recipe.ingredients import IngredientLine, is_heading, read_line
from tasks.recipe.scaling import scale_line

#: Amount (a range with its most), unit, food, keys.
LINES: dict[str, tuple[str, str, str, str]] = {
    # fractions, ranges, decimal commas, thousands
    "½ cup sugar": ("1/2", "cup", "sugar", "sugar"),
    "1½ EL Olivenöl": ("3/2", "tbsp", "Olivenöl", "olive oil"),
    "1 ½ cups milk": ("3/2", "cup", "milk", "milk"),
    "1 1/2 cups all-purpose flour, sifted": ("3/2", "cup", "all-purpose flour", "flour"),
    "1-1/2 cups sugar": ("3/2", "cup", "sugar", "sugar"),
    "1 1⁄2 teaspoons baking powder": ("3/2", "tsp", "baking powder", "baking powder"),
    "2⅔ cups rice": ("8/3", "cup", "rice", "rice"),
    "0,5 l Milch": ("1/2", "l", "Milch", "milk"),
    "2,5 kg Kartoffeln": ("5/2", "kg", "Kartoffeln", "potato"),
    "1.5 lb potatoes": ("3/2", "lb", "potatoes", "potato"),
    "1.000 g Mehl": ("1000", "g", "Mehl", "flour"),
    "1,000 g flour": ("1000", "g", "flour", "flour"),
    "1 500 g farine": ("1500", "g", "farine", "flour"),
    "0,125 l Sahne": ("1/8", "l", "Sahne", "cream"),
    "1.250 kg Rindfleisch": ("5/4", "kg", "Rindfleisch", "beef"),
    "2-3 Zwiebeln": ("2-3", "", "Zwiebeln", "onion"),
    "3–4 Möhren": ("3-4", "", "Möhren", "carrot"),
    "2 to 3 tablespoons olive oil": ("2-3", "tbsp", "olive oil", "olive oil"),
    "2 bis 3 große Zwiebel(n), fein gehackt": ("2-3", "", "Zwiebeln", "onion"),
    "1/2 - 1 tsp chili flakes": ("1/2-1", "tsp", "chili flakes", "chili flakes"),
    # words
    "zwei Äpfel": ("2", "", "Äpfel", "apple"),
    "half a cucumber": ("1/2", "", "cucumber", "cucumber"),
    "anderthalb Tassen Reis": ("3/2", "cup", "Reis", "rice"),
    "a dozen eggs": ("12", "", "eggs", "egg"),
    "2 dozen oysters": ("24", "", "oysters", "oyster"),
    "ein halber Bund Petersilie": ("1/2", "bunch", "Petersilie", "parsley"),
    # units, with and without blanks and full stops
    "200g butter, softened": ("200", "g", "butter", "butter"),
    "2EL Senf": ("2", "tbsp", "Senf", "mustard"),
    "2 EL. Öl": ("2", "tbsp", "Öl", "oil"),
    "1 tbsp. vinegar": ("1", "tbsp", "vinegar", "vinegar"),
    "1 T sugar": ("1", "tbsp", "sugar", "sugar"),
    "1 t salt": ("1", "tsp", "salt", "salt"),
    "8 fl oz cream": ("8", "fl oz", "cream", "cream"),
    "8 oz. cream cheese": ("8", "oz", "cream cheese", "cream cheese"),
    "1 Pck. Vanillezucker": ("1", "package", "Vanillezucker", "vanilla sugar"),
    "2 gehäufte TL Backpulver": ("2", "tsp", "Backpulver", "baking powder"),
    "1 TL, gestr. Zimt": ("1", "tsp", "Zimt", "cinnamon"),
    "2 heaped tbsp cocoa powder": ("2", "tbsp", "cocoa powder", "cocoa powder"),
    "1 kl. Dose/n Mais": ("1", "can", "Mais", "sweetcorn"),
    "6 Scheibe/n Toastbrot": ("6", "slice", "Toastbrot", "toastbrot"),
    "2 cloves garlic, minced": ("2", "clove", "garlic", "garlic"),
    "3 Knoblauchzehen": ("3", "", "Knoblauchzehen", "garlic"),
    "2 cuillères à soupe d'huile d'olive": ("2", "tbsp", "huile d'olive", "olive oil"),
    "a handful of basil leaves": ("1", "handful", "basil leaves", "basil"),
    "1-inch piece of ginger, peeled": ("1", "inch", "ginger", "ginger"),
    "3 cm Ingwer": ("3", "cm", "Ingwer", "ginger"),
    # cans, and what is in them
    "1 (14 oz) can chopped tomatoes": ("1", "can", "chopped tomatoes", "chopped tomatoes"),
    "2 (14.5 ounce) cans diced tomatoes, drained": ("2", "can", "diced tomatoes", "chopped tomatoes"),
    "2 400g tins chickpeas": ("2", "can", "chickpeas", "chickpeas"),
    "1 x 400g can chickpeas": ("1", "can", "chickpeas", "chickpeas"),
    "1 can (400 g) coconut milk": ("1", "can", "coconut milk", "coconut milk"),
    "4 (6-ounce) salmon fillets": ("4", "", "salmon fillets", "salmon"),
    # sizes, cuts, purposes and alternatives are no part of a name
    "3 large eggs, beaten": ("3", "", "eggs", "egg"),
    "2 Eier (Größe M)": ("2", "", "Eier", "egg"),
    "2 tbsp butter or margarine": ("2", "tbsp", "butter or margarine", "butter"),
    "500 g Hackfleisch, gemischtes": ("500", "g", "Hackfleisch", "minced beef"),
    "1 kg beef for stewing": ("1", "kg", "beef", "beef"),
    "100 g frisch geriebener Parmesan": ("100", "g", "frisch geriebener Parmesan", "parmesan"),
    "juice of 1 lemon": ("1", "", "lemon", "lemon"),
    "▢ 2 cups water": ("2", "cup", "water", "water"),
    "- 3 carrots": ("3", "", "carrots", "carrot"),
    # the amount at the end
    "Mehl 200 g": ("200", "g", "Mehl", "flour"),
    "Flour: 2 cups": ("2", "cup", "Flour", "flour"),
    # nothing to measure
    "Salt and pepper to taste": ("", "", "Salt and pepper", "salt, black pepper"),
    "Salz und Pfeffer": ("", "", "Salz und Pfeffer", "salt, black pepper"),
    "oil for frying": ("", "", "oil", "oil"),
    "5% fat milk": ("", "", "5% fat milk", "fat milk"),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_understood_and_stands_beside_what_is_understood(line: str) -> None:
    amount, unit, food, keys = LINES[line]
    read = read_line(line)
    first = read.first
    said = "" if first is None else str(first.amount.least) + (f"-{first.amount.most}" if first.amount.most else "")
    assert (said, "" if first is None else first.unit.code, read.food) == (amount, unit, food)
    assert (", ".join(read.keys), read.line) == (keys, line)


def _real_lines() -> list[list[str]]:
    lines = Path(__file__).with_name("ingredient_lines.txt").read_text("utf-8").splitlines()
    return [line.split("|") for line in lines if not line.startswith("#")]


def test_lines_in_the_languages_of_europe_mean_what_their_cooks_mean() -> None:
    understood = [(line, read_line(line)) for line, *_ in _real_lines()]
    wrong = {
        line: (got, meant)
        for (line, read), (_, *meant) in zip(understood, _real_lines(), strict=True)
        if (got := [_amount(read), "" if read.first is None else read.first.unit.code, read.food, ", ".join(read.keys)])
        != meant
    }
    assert len(understood) > 500 and wrong == {}


def _amount(read: IngredientLine) -> str:
    first = read.first
    return "" if first is None else str(first.amount.least) + (f"-{first.amount.most}" if first.amount.most else "")


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("2 Zwiebeln, fein gehackt", "fein gehackt"),
        ("3 large eggs, beaten", "beaten; large"),
        ("1 EL Öl zum Braten", "zum Braten"),
        ("1 egg plus 1 yolk", "1 yolk"),
        ("1 Glas Kirschen (Abtropfgewicht 370 g)", "Abtropfgewicht 370 g"),
    ],
)
def test_what_else_a_line_says_is_its_note(line: str, note: str) -> None:
    assert read_line(line).note == note


@pytest.mark.parametrize(
    "line",
    ["a pinch of salt", "eine Prise Salz", "2 Prisen Zucker", "etwas Öl", "1 Msp. Zimt", "1 Schuss Rum", "3 drops oil"],
)
def test_a_pinch_does_not_scale(line: str) -> None:
    read = read_line(line)
    assert read.to_taste and read.first is not None and not read.first.scales
    assert scale_line(line, Fraction(4)).text == line


#: Twice as much.
TWICE = {
    "1½ EL Olivenöl": "3 EL Olivenöl",
    "2 (14.5 oz) cans diced tomatoes": "4 (14.5 oz) cans diced tomatoes",
    "200 g (7 oz) dark chocolate": "400 g (14 oz) dark chocolate",
    "1 cup plus 2 tablespoons flour": "2 cup plus 4 tablespoons flour",
    "1 lb 2 oz potatoes": "2 lb 4 oz potatoes",
    "2-3 Zwiebeln": "4–6 Zwiebeln",
    "2 to 3 tbsp oil": "4 to 6 tbsp oil",
    "0,75 l Milch": "1,5 l Milch",
    "600 g flour": "1.2 kg flour",
    "eine Tasse Reis": "2 Tasse Reis",
    "1 x 400g can chickpeas": "2 x 400g can chickpeas",
    "2 Ei(er)": "4 Eier",
    "Mehl 200 g": "Mehl 400 g",
    "half a cucumber": "1 cucumber",
    "1 halbe Gurke": "1 Gurke",
    "400g tin chopped tomatoes": "2 x 400g tin chopped tomatoes",
    "Large handful of basil": "2 Large handful of basil",
    "1 taza y media de leche": "3 taza de leche",
    "Saft einer halben Zitrone": "Saft 1 Zitrone",
    "Eggs: 2": "Eggs: 4",
    "1.5kg/3lb 5oz floury potatoes": "3kg/6lb 10oz floury potatoes",
    "1 gr. Zwiebel(n)": "2 gr. Zwiebeln",
    "zwischen 2 und 3 EL Öl": "4–6 EL Öl",
    "2 little gem lettuces": "4 little gem lettuces",
    "1 cup minus 2 tbsp flour": "2 cup minus 4 tbsp flour",
    "a few sprigs of thyme": "a few sprigs of thyme",
    "7-Up": "7-Up",
    "1/3 cup sugar": "⅔ cup sugar",
    "salt": "salt",
}


@pytest.mark.parametrize("line", TWICE)
def test_a_line_for_twice_as_many_is_written_as_cooks_write_it(line: str) -> None:
    assert scale_line(line, Fraction(2)).text == TWICE[line]


def test_a_third_times_three_is_one() -> None:
    assert scale_line("1/3 cup sugar", Fraction(3)).text == "1 cup sugar"
    assert scale_line("1 cup sugar", Fraction(1, 3)).text == "⅓ cup sugar"
    assert scale_line("1 cup sugar", Fraction(1, 7)).text == "1/7 cup sugar"


@pytest.mark.parametrize(
    ("line", "system", "text"),
    [
        ("1 cup milk", "metric", "237 ml milk"),
        ("8 oz flour", "metric", "227 g flour"),
        ("5 lb potatoes", "metric", "2.27 kg potatoes"),
        ("500 ml Milch", "us", "2⅛ cup Milch"),
        ("1 kg Mehl", "us", "2¼ lb Mehl"),
        ("2 tbsp oil", "metric", "2 tbsp oil"),
        ("400g tin tomatoes", "us", "14⅛ oz tin tomatoes"),
        ("3 eggs", "us", "3 eggs"),
    ],
)
def test_amounts_are_written_in_the_units_of_the_other_side_of_the_ocean(line: str, system: str, text: str) -> None:
    assert scale_line(line, Fraction(1), system).text == text  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["For the sauce:", "Für den Teig:", "**Topping**", "# Dressing"])
def test_a_heading_is_no_ingredient(line: str) -> None:
    assert is_heading(line)
    assert not is_heading("Flour: 2 cups") and not is_heading("salt")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2 large eggs", "Eier"), ("tomatoes", "Tomate"), ("onions", "Zwiebeln"), ("Olivenöl", "extra virgin olive oil"),
        ("courgettes", "zucchini"), ("Moehren", "Möhren"), ("spring onions", "Frühlingszwiebeln"), ("cilantro", "Koriander"),
        ("frische Petersilie", "parsley"), ("Champignons", "mushrooms"), ("aubergine", "eggplants"), ("Bananen", "bananas"),
    ],
)  # fmt: skip
def test_one_food_has_one_key_in_both_languages(one: str, other: str) -> None:
    assert food_key(read_line(one).food) == food_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("milk", "coconut milk"),
        ("pepper", "bell pepper"),
        ("stock", "chicken"),
        ("sugar", "vanilla sugar"),
        ("onion", "red onion"),
    ],
)
def test_what_is_another_thing_to_buy_has_another_key(one: str, other: str) -> None:
    assert food_key(one) != food_key(other)


@given(st.text(max_size=200))
def test_any_line_is_read_and_scaled_and_kept_as_it_is(line: str) -> None:
    read = read_line(line)
    assert read.line == " ".join(line.split())
    assert all(0 < one.amount.least <= LARGEST * 1000 for one in read.measures)
    assert isinstance(scale_line(line, Fraction(3, 2)).text, str)


@given(st.fractions(min_value=Fraction(1, 100), max_value=5_000))
def test_an_amount_that_is_written_is_read_as_the_same_within_four_percent(value: Fraction) -> None:
    for text in (as_fraction(value), as_decimal(value), as_decimal(value, comma=True)):
        read = read_amount(text)
        if read is None:
            assert value < Fraction(1, 100) or text == "0"
        else:
            exact = read.as_thousands() if read.grouped and read.least * 10 < value else read
            assert abs(exact.least - value) <= max(value / 20, Fraction(1, 100))
