"""What a line calls its food, what it says about it, and the keys by which the food is known. Pure.

"boneless, skinless chicken thighs, diced"  ->  boneless, skinless chicken thighs; note "diced"; chicken thigh
"Gemüse- oder Hühnerbrühe"                  ->  the first of both, written out: vegetable stock
"Salz, Pfeffer, Muskat"                     ->  three foods
"""

from __future__ import annotations

import re

from tasks.recipe.foods import food_key, is_known, is_only_said

BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
OF = re.compile(r"\s*(?:of(?:\s+the)?|de|du|des|di|del|von|vom|an|van|av)\s+|\s*d['’]", re.IGNORECASE)
TO_TASTE = re.compile(
    r"[,;]?\s*\b(?:to taste|as needed|as required|for (?:serving|garnish|frying|dusting|greasing|brushing)|to serve"
    r"|as garnish|to garnish|nach (?:geschmack|belieben|bedarf|gusto|wunsch)|zum (?:servieren|braten|garnieren"
    r"|bestreuen|bestäuben|abschmecken|einfetten|bestreichen|anbraten|ausrollen|frittieren)|für die form"
    r"|for the (?:pan|tin|dish)|q\.?\s?b\.?|quanto basta|n\.\s?b\.|al gusto|a gusto|a piacere|cantidad necesaria|c/n"
    r"|(?:selon (?:le|votre) |au )goût|à volonté|naar smaak|efter smak|etter smak|efter smag|a gosto|do smaku)",
    re.IGNORECASE,
)
SIZE = re.compile(
    r"^(?:(?:small|medium) (?:to|or) (?:medium|large)|(?:extra[ -])?large"
    r"|medium(?:[ -]sized)?|med\.?|lrg\.?|lg\.?|small|sm\.|big|jumbo|(?:m\.-)?große?[rns]?"
    r"|grosse?[rns]?|kleine?[rns]?|mittelgroße?[rns]?|mittelgr\.|mittl\.|mittlere?[rns]?|dicke?[rns]?|gr\.|kl\."
    r"|(?:size|gr(?:öße|\.)) ?[smlx]+)\s+(?=\S)",
    re.IGNORECASE,
)
_ALTERNATIVE = re.compile(
    r"\s+(?:or|oder|bzw\.?|ou|o|eller|and/or|und/oder|y/o|e/o)\s+|\s+/\s+|(?<=[^\W\d])/(?=[^\W\d])", re.IGNORECASE
)
_AND = re.compile(r"\s+(?:and|und|et|&|y|e|og|och|en)\s+|\s*,\s*", re.IGNORECASE)
_AND_LAST = re.compile(r"[,;]\s*(?:and|und|et|y|e|og|och|en)\s+", re.IGNORECASE)
_COMMA = re.compile(r"\s*[,;]\s*")
# Something is done to it, after a comma or a dash: that is a note, and no part of its name.
_NOTE = re.compile(r"\s*(?:[,;]|\s[-–—]\s|:\s|\s(?:plus\s|\+))\s*")
# What it is for, or lies in: `beef for stewing`, `tuna in oil`, `Bohnen aus der Dose`.
_FOR = re.compile(r"\s+(?=(?:for|from|in|with|für|zum|zur|aus de[rmn]|à|each)\s)", re.IGNORECASE)
_EDGES = " ,;.-–—*†‡¹²³⁴"
#: Of a part of a list that the table of foods does not have.
_LONGEST_NAME_WORDS = 4


def is_named(text: str) -> bool:
    return any(char.isalpha() for char in text)


def food_and_note(text: str) -> tuple[str, str]:
    """The name of a food, and what is said about it."""
    notes: list[str] = []
    taste = TO_TASTE.search(text)
    if taste is not None:
        notes.append(taste[0].strip(" ,;"))
        text = text[: taste.start()] + text[taste.end() :]
    for bracket in BRACKETS.finditer(text):
        notes.append(bracket[1].strip())
    text = BRACKETS.sub(" ", text).replace("(", " ").replace(")", " ")
    text = " ".join(text.split()).strip(_EDGES)
    if (of := OF.match(text)) is not None:
        text = text[of.end() :]
    if (size := SIZE.match(text)) is not None:
        notes.insert(0, size[0].strip())
        text = text[size.end() :]
    for mark in (_NOTE, _FOR):
        cut = next((one for one in mark.finditer(text) if _is_name(text[: one.start()])), None)
        if cut is not None:
            notes.insert(0, text[cut.end() :].strip())
            text = text[: cut.start()]
    return text.strip(_EDGES), "; ".join(one for one in notes if one)


def _is_name(text: str) -> bool:
    """`boneless, skinless chicken`: what stands before the comma names nothing yet."""
    return is_named(text) and not is_only_said(text)


def keys_of(name: str) -> tuple[str, ...]:
    """One, but for `salt and pepper`: where every part is a food that is known, it is several."""
    first = _first_of(name)
    parts = [part for part in _AND.split(first) if part.strip()]
    if len(parts) > 1 and not is_known(first) and all(is_known(part) for part in parts):
        return tuple(dict.fromkeys(food_key(part) for part in parts))
    key = food_key(first)
    return (key,) if key else ()


def keys_of_list(text: str) -> tuple[str, ...]:
    """Of a line without an amount that is a list, such as `Salz, Pfeffer, Muskat`; none where it is no list."""
    text = _AND_LAST.sub(", ", text)
    parts = [one for part in _COMMA.split(text) for one in _AND.split(food_and_note(part)[0]) if is_named(one)]
    foods = [part for part in parts if not is_only_said(part) and len(part.split()) <= _LONGEST_NAME_WORDS]
    if _COMMA.search(text) is None or sum(is_known(food) for food in foods) < 2 or not is_known(foods[0]):
        return ()
    return tuple(dict.fromkeys(key for food in foods for key in keys_of(food)))


def _first_of(name: str) -> str:
    """Of alternatives the first, with the words that it shares with the second: `red or white wine` is red wine."""
    first, *others = _ALTERNATIVE.split(name)
    return first if not others else _written_out(first, others[0]) or first


def _written_out(first: str, second: str) -> str | None:
    if first.endswith("-"):  # `Zitronen- oder Limettensaft`
        whole = (first[:-1] + second[at:] for at in range(1, len(second) - 2))
        return next((one for one in whole if is_known(one)), None)
    words = second.split()
    if food_key(first) in (food_key(word) for word in words):  # `tomatoes or tomato paste`
        return None
    whole = (f"{first} {' '.join(words[at:])}" for at in range(1, len(words)))
    return next((one for one in whole if is_known(one)), None)
