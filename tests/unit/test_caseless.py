"""What is the same where case does not count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcoder.caseless import fold


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("ÄRGER", "ärger"),
        ("a\u0308rger", "Ärger"),  # composed or not
        ("ΟΔΟΣ", "οδος"),  # the sigma at the end of a word
        ("ΌΣΟΣ", "όσος"),
        ("ЁЛКА", "ёлка"),
        ("Ｆｕｌｌ", "full"),
        ("\ufb01sh", "FISH"),  # a ligature
        ("\u212bngström", "Ångström"),  # the sign of the unit
        ("ǅ", "ǆ"),
        ("İ", "i\u0307"),
    ],
)
def test_texts_that_differ_in_case_and_form_only_are_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("a", "ä"), ("resume", "résumé"), ("ı", "i"), ("o", "0")])
def test_accents_and_other_letters_count(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text())
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(text.casefold()) == fold(text)
