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
_FURIGANA = re.compile(r" ?([^ \n>\[]{1,40})\[(?!sound:)([^\[\]\n]{1,50})\]")
LONGEST_TEMPLATE = 200_000
_FRONT_SIDE = "FrontSide"
_OTHER_DELIMITERS = "{{=<% %>=}}"
#: What an editor leaves in a field that somebody has emptied counts as nothing.
_EMPTY = re.compile(r"(?:\s|</?(?:br|div) ?/?>)*", re.IGNORECASE)
#: How `漢字[かんじ]` is written by a filter.
_READINGS = {"kanji": r"\1", "kana": r"\2", "furigana": r"\1(\2)"}
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
            return self._with_hole(number + 1, named)
        if number >= len(self.templates):
            return text_of(values[0] if values else ""), text_of("<br>".join(values[1:]))
        template = self.templates[number]
        front = text_of(filled(template.question, named, asking=True))
        back = text_of(without_question(filled(template.answer, named)))
        return front or text_of(values[0] if values else ""), back

    def _with_hole(self, hole: int, named: Mapping[str, str]) -> tuple[str, str]:
        """The question with this card's holes left in it; what the answer says besides is the answer."""
        values = [named.get(name, "") for name in self.fields]
        holes = [value for value in values if hole in cloze.numbers_of(value)]
        if not holes or any(_IN_IMAGE in value for value in holes):
            return "", ""
        template = self.templates[0] if self.templates else Template("", "")
        named = {**named, f"c{hole}": "1"}
        front = text_of(filled(template.question, named, asking=True, hole=hole))
        if hole not in cloze.numbers_of(front):
            front = text_of(cloze.only(holes[0], hole))
        known = dict.fromkeys(_shown_by(template.question) & set(self.fields), "")
        return front, text_of(without_question(filled(template.answer, {**named, **known}, hole=hole)))


def filled(template: str, named: Mapping[str, str], *, asking: bool = False, hole: int | None = None) -> str:
    """A template with every place filled; sections whose field is empty are left out.

    Args:
        asking: Of a question, which shows neither a hint nor what is to be typed in.
        hole: Of a note with holes, which one is asked for; it stays one.
    """
    template = _without_comments(_plain_delimiters(template[:LONGEST_TEMPLATE]))
    parts: list[str] = []
    visible = [True]
    at = 0
    for tag in _TAG.finditer(template):
        if visible[-1]:
            parts.append(template[at : tag.start()])
        at = tag.end()
        mark, name = tag[1], tag[2]
        if mark in ("#", "^"):
            has_text = not _EMPTY.fullmatch(named.get(name, ""))
            visible.append(visible[-1] and has_text is (mark == "#"))
        elif mark == "/":
            if len(visible) > 1:
                visible.pop()
        elif visible[-1]:
            parts.append(_value(name, named, asking=asking, hole=hole))
    if visible[-1]:
        parts.append(template[at:])
    return "".join(parts)


def _shown_by(template: str) -> set[str]:
    """The fields that a question shows."""
    shown: set[str] = set()
    for tag in _TAG.finditer(_without_comments(_plain_delimiters(template[:LONGEST_TEMPLATE]))):
        *filters, name = [part.strip() for part in tag[2].split(":")]
        if not tag[1] and _HIDDEN.isdisjoint(filters):
            shown.add(name)
    return shown


def _plain_delimiters(template: str) -> str:
    """A template of the first versions may have said that it writes `<%Front%>`."""
    if _OTHER_DELIMITERS not in template:
        return template
    return template.replace(_OTHER_DELIMITERS, "").replace("<%", "{{").replace("%>", "}}")


def _without_comments(template: str) -> str:
    """By hand, since a pattern reads to the end for each comment that has none."""
    parts: list[str] = []
    at = 0
    while (start := template.find("<!--", at)) >= 0 and (end := template.find("-->", start + 4)) >= 0:
        parts.append(template[at:start])
        at = end + 3
    return "".join([*parts, template[at:]])


def _value(name: str, named: Mapping[str, str], *, asking: bool, hole: int | None) -> str:
    *filters, field = [part.strip() for part in name.split(":")]
    is_spoken = any(one.startswith("tts") for one in filters)
    if is_spoken or (asking and not _HIDDEN.isdisjoint(filters)) or (field == _FRONT_SIDE and field not in named):
        return ""
    value = named.get(field, "")
    if hole is not None:
        return _of_hole(value, hole, asked="cloze" in filters)
    for way, written in _READINGS.items():
        if way in filters:
            return _FURIGANA.sub(written, value)
    return value


def _of_hole(value: str, hole: int, *, asked: bool) -> str:
    """A field on a card that asks for a hole: it stays one where it is asked for, and all others are filled."""
    if not asked:
        return cloze.answer(value)
    return cloze.only(value, hole) if hole in cloze.numbers_of(value) else ""


def without_question(answer: str) -> str:
    """What stands below the line that divides question and answer, where there is one."""
    parts = _ANSWER_LINE.split(answer)
    return parts[-1] if len(parts) > 1 and parts[-1].strip() else answer
