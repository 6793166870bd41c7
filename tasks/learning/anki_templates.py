"""Anki's card templates: `{{Front}}`, `{{#Hint}}…{{/Hint}}`, `{{cloze:Text}}`, `{{FrontSide}}`. Pure.

https://docs.ankiweb.net/templates/fields.html says what there is. Filters that only change how a field looks (`hint:`,
`type:`, `furigana:`, those of add-ons) give the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.learning import cloze
from tasks.learning.html_text import text_of

_TAG = re.compile(r"\{\{\s*([#^/]?)\s*([^{}\n]{1,300}?)\s*\}\}")
_ANSWER_LINE = re.compile(r"<hr[^>]{0,100}\bid\s*=\s*[\"']?answer[\"']?[^>]{0,100}>", re.IGNORECASE)
_FURIGANA = re.compile(r" ?([^ \n>]+?)\[(?!sound:)([^\]\n]{1,50})\]")
LONGEST_TEMPLATE = 200_000
_FRONT_SIDE = "FrontSide"
#: Filters of what a question hides: what is to be typed in, and what is seen at a click.
_HIDDEN = frozenset(("type", "hint"))
#: Holes in an image, by their places in it; nothing that can be asked as text.
_IN_IMAGE = "image-occlusion:"


@dataclass(frozen=True)
class Template:
    """One card of a note type."""

    question: str
    answer: str


@dataclass(frozen=True)
class NoteType:
    """What the notes of a kind have, and the cards that are made of each."""

    name: str
    fields: Sequence[str]
    templates: Sequence[Template]
    is_cloze: bool

    def sides(self, values: Sequence[str], number: int, special: Mapping[str, str]) -> tuple[str, str]:
        """Question and answer of a note's card, as text.

        Args:
            values: HTML of the fields, in their order.
            number: Which card, from 0; of a note with holes, which hole, less 1.
            special: `Tags`, `Deck` and the like.
        """
        fields = dict(zip(self.fields, values, strict=False))
        named = {**special, **fields}
        if self.is_cloze:
            return self._with_hole(values, number, named)
        if number >= len(self.templates):
            return text_of(values[0] if values else ""), text_of("<br>".join(values[1:]))
        template = self.templates[number]
        front = text_of(filled(template.question, named, asking=True))
        back = text_of(_without_question(filled(template.answer, named)))
        return front or text_of(values[0] if values else ""), back

    def _with_hole(self, values: Sequence[str], number: int, named: Mapping[str, str]) -> tuple[str, str]:
        """The text with this card's holes left in it; the other fields are the rest of the answer."""
        holes = [value for value in values if (number + 1) in cloze.numbers_of(value)]
        if not holes or any(_IN_IMAGE in value for value in holes):
            return "", ""
        question = self.templates[0].question if self.templates else ""
        answer = self.templates[0].answer if self.templates else ""
        names = set(re.findall(r"cloze:([^{}:]+?)\s*\}\}", question))
        text = next((named[name] for name in names if named.get(name) in holes), holes[0])
        rest = [
            value
            for name, value in zip(self.fields, values, strict=False)
            if value is not text and f"{name}}}}}" in answer and value not in holes
        ]
        return text_of(cloze.only(text, number + 1)), text_of("<br>".join(rest))


def filled(template: str, named: Mapping[str, str], *, asking: bool = False) -> str:
    """A template with every place filled; sections whose field is empty are left out.

    Args:
        asking: Of a question, which shows neither a hint nor what is to be typed in.
    """
    template = _without_comments(template[:LONGEST_TEMPLATE])
    parts: list[str] = []
    visible = [True]
    at = 0
    for tag in _TAG.finditer(template):
        if visible[-1]:
            parts.append(template[at : tag.start()])
        at = tag.end()
        mark, name = tag[1], tag[2]
        if mark in ("#", "^"):
            has_text = bool(named.get(name, "").strip())
            visible.append(visible[-1] and has_text is (mark == "#"))
        elif mark == "/":
            if len(visible) > 1:
                visible.pop()
        elif visible[-1]:
            parts.append(_value(name, named, asking=asking))
    if visible[-1]:
        parts.append(template[at:])
    return "".join(parts)


def _without_comments(template: str) -> str:
    """By hand, since a pattern reads to the end for each comment that has none."""
    parts: list[str] = []
    at = 0
    while (start := template.find("<!--", at)) >= 0 and (end := template.find("-->", start + 4)) >= 0:
        parts.append(template[at:start])
        at = end + 3
    return "".join([*parts, template[at:]])


def _value(name: str, named: Mapping[str, str], *, asking: bool) -> str:
    *filters, field = [part.strip() for part in name.split(":")]
    is_spoken = any(one.startswith("tts") for one in filters)
    if is_spoken or (asking and not _HIDDEN.isdisjoint(filters)) or (field == _FRONT_SIDE and field not in named):
        return ""
    value = named.get(field, "")
    if "kanji" in filters or "kana" in filters:
        return _FURIGANA.sub(lambda ruby: ruby[1 if "kanji" in filters else 2], value)
    return value


def _without_question(answer: str) -> str:
    """What stands below the line that divides question and answer, where there is one."""
    parts = _ANSWER_LINE.split(answer)
    return parts[-1] if len(parts) > 1 and parts[-1].strip() else answer
