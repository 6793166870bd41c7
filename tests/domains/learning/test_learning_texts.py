"""What files and notes may hold, made up by hypothesis: nothing breaks on it, and no more comes out than went in."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.learning import anki_wire, cloze, delimited, drafting
from tasks.learning.anki_templates import filled
from tasks.learning.html_text import text_of
from tasks.learning.incoming import UnreadableCards
from tasks.learning.material import Material

words = st.text(st.characters(exclude_characters="{}:\x00", codec="utf-8"), max_size=20)
_PIECES = (
    "{{c1:: {{c2:: {{c1,2:: }} :: a b {{ {{#a}} {{/a}} {{^a}} {{a}} <b> </b> <!-- --> &amp; [latex] [/latex] [sound:x]"
)
markup = st.lists(st.sampled_from([*_PIECES.split(" "), "\n", " ", "<hr id=answer>"])).map("".join)


@given(words, words, words)
def test_a_hole_is_asked_for_and_answered(before: str, inner: str, after: str) -> None:
    text = f"{before}{{{{c3::{inner}::hint}}}}{after}"
    assert cloze.numbers_of(text) == [3]
    assert cloze.question(text) == f"{before}[hint]{after}"
    assert cloze.answer(text) == f"{before}{inner}{after}"
    assert cloze.only(text, 3) == text
    assert cloze.only(text, 1) == cloze.answer(text)
    assert cloze.of_one_number(text) == text.replace("{{c3::", "{{c1::")


@given(markup)
def test_holes_of_any_shape_come_to_an_answer_without_holes(text: str) -> None:
    full = cloze.answer(text)
    assert len(full) <= len(text)
    for number in cloze.numbers_of(text):
        assert cloze.answer(cloze.only(text, number)) == full
    assert cloze.answer(cloze.of_one_number(text)) == full


@pytest.mark.parametrize(
    ("text", "number", "question", "only"),
    [
        ("{{c1::the {{c2::inner}} one}}", 2, "the […] one", "the {{c2::inner}} one"),
        ("{{c1::the {{c2::inner}} one}}", 1, "[…]", "{{c1::the inner one}}"),
        ("{{c1::a::x}} {{c1::b}} {{c2::c}}", 1, "[x] […] c", "{{c1::a::x}} {{c1::b}} c"),
        ("{{c1,2::a}} {{c2::b}}", 2, "[…] […]", "{{c2::a}} {{c2::b}}"),
        ("{{c1::open", 1, "{{c1::open", "{{c1::open"),
        ("}} {{c1::a}} }}", 1, "}} […] }}", "}} {{c1::a}} }}"),
    ],
)
def test_holes_in_holes_and_holes_that_are_not_closed(text: str, number: int, question: str, only: str) -> None:
    assert cloze.question(text, number) == question
    assert cloze.only(text, number) == only


@given(st.one_of(markup, st.text(max_size=300)))
def test_any_markup_becomes_text_that_a_store_takes(html: str) -> None:
    text = text_of(html)
    assert "\x00" not in text and text == text.strip()
    text.encode()
    filled(html, {"a": "x"})


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_of_some_fields(message: bytes) -> None:
    found = anki_wire.fields_of(message)
    assert sum(len(one) for one in found.values() if isinstance(one, bytes)) <= len(message)
    assert anki_wire.text(found, 1) is not None


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=400), st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_file_is_cards_or_is_refused(content: bytes) -> None:
    with suppress(UnreadableCards):
        for card in delimited.read(content):
            assert len(card.key) <= 200 and card.deck and len(card.front) <= 20_000


plain = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=10), st.sampled_from([",", ";", "\t", "|"]))
def test_what_a_spreadsheet_writes_is_read_as_it_was(rows: list[tuple[str, str]], separator: str) -> None:
    rows = [(f"q{front}", f"a{back}") for front, back in rows]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(rows)
    name = {"\t": "tab"}.get(separator, separator)
    content = f"#separator:{name}\n#html:false\n{out.getvalue()}".encode()
    found = [(one.front, one.back) for one in delimited.read(content) if not cloze.numbers_of(one.front)]
    assert found == [row for row in rows if not cloze.numbers_of(row[0])]


@given(st.one_of(st.text(max_size=500), markup))
def test_any_note_may_be_drafted_from(text: str) -> None:
    for one in drafting.drafts([Material("/x/y/1", "Title", text)], 10):
        assert one.front and (one.back or cloze.numbers_of(one.front))
