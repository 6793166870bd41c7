"""How texts become terms, pieces and snippets, and what becomes of a model's citations: functions of their input."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tasks.confluence.answering import MAX_CHARS, PER_PAGE, checked, passages, written
from tasks.confluence.chunking import MAX_PIECES, PIECE_CHARS, pieces_of
from tasks.confluence.searching import PageFound, Rank
from tasks.confluence.snippets import snippet
from tasks.confluence.terms import MAX_QUERY_WORDS, Word, placed_terms, terms_of, words_of

TEXTS = st.text(max_size=3_000) | st.text(alphabet="ab .\n。*", max_size=6_000)


def test_words_become_stems_without_case_or_accents() -> None:
    assert terms_of("Configuring the ÜBUNG, Straße; ﬁles: Ｆｕｌｌ") == [
        "configur",
        "the",
        "ubung",
        "strass",
        "file",
        "full",
    ]
    assert terms_of("user\u00adname U\u0308bung") == ["usernam", "ubung"]
    assert terms_of("हिन्दी में") == ["हिन्दी", "में"]
    assert terms_of("\u0000\ud83d") == terms_of("🎉") == []


def test_scripts_without_spaces_become_pairs() -> None:
    assert terms_of("東京都") == ["東京", "京都", "都"]
    assert terms_of("東京tower") == ["東京", "京", "tower"]
    assert words_of("東京都") == (Word("東京", False), Word("京都", False))
    assert words_of("京") == (Word("京", True),)


def test_words_that_stand_everywhere_count_only_where_there_are_no_others() -> None:
    assert words_of("What is the VPN?") == (Word("vpn", False),)
    assert [word.term for word in words_of("what is the")] == ["what", "is", "the"]
    assert [word.term for word in words_of("vpn VPN vpns")] == ["vpn"]


def test_a_query_has_a_bound() -> None:
    assert len(words_of(" ".join(f"word{number}" for number in range(100)))) == MAX_QUERY_WORDS


@given(TEXTS)
def test_what_is_marked_are_words_of_the_text(text: str) -> None:
    for placed in placed_terms(text):
        assert 0 <= placed.begins < placed.ends <= len(text)
        assert all(len(term) <= 64 for term in placed.terms)


@given(TEXTS)
def test_every_letter_of_a_text_is_in_one_piece_and_no_piece_is_too_long(text: str) -> None:
    pieces = pieces_of("Title", text)
    inside = "".join(text[one.begins : one.ends] for one in pieces)
    assert inside.replace(" ", "").split() == text.replace(" ", "").split()
    assert all(one.ends - one.begins <= PIECE_CHARS for one in pieces)
    assert [one.begins for one in pieces] == sorted(one.begins for one in pieces)


def test_a_piece_ends_where_a_paragraph_does() -> None:
    text = "word " * 180 + "\n\n" + "next " * 180
    first, second = pieces_of("Title", text)
    assert text[first.begins : first.ends].endswith("word")
    assert text[second.begins :].startswith("next")
    assert len(pieces_of("Title", "x" * (MAX_PIECES + 9) * PIECE_CHARS)) == MAX_PIECES
    assert len(pieces_of("A title alone", "")) == 1


@given(TEXTS, st.text(max_size=30))
def test_a_snippet_is_short_and_its_marks_come_in_pairs(text: str, query: str) -> None:
    shown = snippet(text, words_of(query))
    assert len(shown) <= 4 + 240 * 5
    assert shown.count("**") % 2 == 0


# --- citations


def page(number: int, text: str = "some text about leases") -> PageFound:
    at = datetime(2026, 1, number, tzinfo=UTC)
    return PageFound(Rank(number, 1 / number, None), f"Page {number}", f"https://w/{number}", "OPS", 3, at, text, None)


def test_citations_that_exist_stay_and_others_are_taken_out() -> None:
    given_ = passages([page(1), page(2)], ())
    answer = checked("Leases end [2]. They are renewed [1, 7][9]. See [note] and [2].", given_)
    assert answer.text == "Leases end [2]. They are renewed [1]. See [note] and [2]."
    assert (answer.cited, answer.dropped) == ((2, 1), (7, 9))
    assert checked("Nothing cited.", given_).cited == ()


def test_passages_are_the_parts_with_the_words_and_have_a_bound() -> None:
    long = page(1, "\n\n".join(["filler " * 150] * 20 + ["the lease ends"] + ["filler " * 150] * 20))
    others = [page(number, "lease " * 3_000) for number in range(2, 20)]
    chosen = passages([long, *others], words_of("lease"))
    assert "the lease ends" in chosen[0].text
    assert sum(len(one.text) for one in chosen) <= MAX_CHARS
    assert max(sum(one.number == number for one in chosen) for number in range(1, 20)) <= PER_PAGE
    assert "[1] Page 1 (space OPS, changed 2026-01-01)" in written(chosen)
    assert [one.number for one in chosen] == sorted(one.number for one in chosen)
