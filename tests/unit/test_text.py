"""Texts from elsewhere: whole characters, no NUL, one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcoder.text import one_line, storable, whole

#: Any characters, halves of them among these.
ANY = st.text(st.characters(codec=None) | st.characters(categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("", ""),
        ("plain", "plain"),
        ("Grüße 🎉", "Grüße 🎉"),
        ("\ud83d\ude00", "😀"),  # two halves that belong together
        ("a\ud83db", "a\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
    ],
)
def test_halves_of_characters_are_joined_or_replaced(text: str, fit: str) -> None:
    assert whole(text) == fit


@given(ANY)
def test_whatever_comes_in_can_be_written_and_is_not_changed_twice(text: str) -> None:
    fit = storable(text)
    assert fit.encode().decode() == fit
    assert "\0" not in fit
    assert storable(fit) == fit


def test_a_text_of_characters_stays_as_it_is_but_for_nul() -> None:
    assert storable("a\0\nb\tü") == "a\nb\tü"


def test_words_of_others_are_one_line_that_can_be_printed() -> None:
    assert one_line("  no\r\n such\tthing \x07 \u202e\ud83d!", 100) == "no such thing !"


def test_long_words_are_cut_and_show_it() -> None:
    assert one_line("x" * 10, 10) == "x" * 10
    assert one_line("x" * 11, 10) == f"{'x' * 10}…"


def test_a_secret_that_is_quoted_does_not_show_even_where_the_cut_would_leave_a_part() -> None:
    assert one_line("password hunter2-hunter2 is wrong", 18, {"hunter2-hunter2"}) == "password *** is wr…"
