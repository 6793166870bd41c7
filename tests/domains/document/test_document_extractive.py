"""Summaries made of the document's own sentences."""

from __future__ import annotations

import pytest
from document_files import LONG_PAGE

from tasks.document.extractive import candidates, sentences_of, summary
from tasks.document.page import Block, BlockKind, ParsedDocument, UnreadableDocument
from tasks.document.reading import read


def page(*paragraphs):
    return ParsedDocument(None, tuple(Block(BlockKind.PARAGRAPH, text) for text in paragraphs), "text/plain")


@pytest.fixture(scope="module")
def long_page():
    return read(LONG_PAGE.read_bytes(), "text/html", "the page")


def test_the_summary_of_a_real_page_says_what_it_is_about(long_page):
    assert "IDLE is Python’s Integrated Development and Learning Environment." in summary(long_page, 5)


def test_the_sentences_are_the_documents_own_and_in_its_order(long_page):
    whole = " ".join(block.text for block in long_page.blocks)
    places = [whole.index(sentence) for sentence in sentences_of(summary(long_page, 8))]
    assert len(places) == 8
    assert places == sorted(places)


def test_the_same_document_gives_the_same_summary(long_page):
    assert summary(long_page, 5) == summary(long_page, 5)


def test_it_can_be_read_there_is_no_code_and_no_crumb_in_it(long_page):
    text = summary(long_page, 30)
    assert "idle.py [-c" not in text
    assert not any(mark in text for mark in "{}<>|¶")
    assert all(sentence[0].isupper() or sentence[0] in '“"(' for sentence in sentences_of(text))


def test_a_sentence_that_says_the_same_again_is_not_taken():
    twice = "The dispatcher rescues every job whose lease has expired."
    again = "Every job whose lease has expired is rescued by the dispatcher."
    other = "Flower shows the tasks of all workers to operators in a browser."
    text = summary(page(twice, again, other), 2)
    assert other in text
    assert (twice in text) != (again in text)


def test_navigation_code_and_repeats_are_no_candidates():
    found = candidates(
        [
            Block(BlockKind.PARAGRAPH, "Home Products About us Contact"),
            Block(BlockKind.PARAGRAPH, "for (int i = 0; i < n; i++) { call(i); } does the work there."),
            Block(BlockKind.CODE, "The whole of this sentence stands in a code block."),
            Block(BlockKind.PARAGRAPH, "A lease is a promise that ends by itself."),
            Block(BlockKind.PARAGRAPH, "A lease is a promise that ends by itself."),
        ]
    )
    assert [sentence.text for sentence in found] == ["A lease is a promise that ends by itself."]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("See e.g. Dr. Smith. He knows.", ["See e.g. Dr. Smith.", "He knows."]),
        ("Version 3.11 is out. It is fast!", ["Version 3.11 is out.", "It is fast!"]),
        ("“Trust me.” He said so.", ["“Trust me.”", "He said so."]),
        ("J. R. Hacker wrote it.", ["J. R. Hacker wrote it."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("no end", ["no end"]),
        ("", []),
    ],
)
def test_paragraphs_are_split_where_sentences_end(text, sentences):
    assert sentences_of(text) == sentences


def test_a_text_without_whole_sentences_still_gives_something():
    assert summary(page("milk and bread", "call the plumber today"), 5) == "milk and bread call the plumber today"


def test_a_document_of_code_only_is_refused():
    with pytest.raises(UnreadableDocument, match="language model"):
        summary(ParsedDocument(None, (Block(BlockKind.CODE, "x = 1"),), "text/plain"), 5)


def test_a_very_long_document_takes_no_time_to_speak_of(long_page):
    many = ParsedDocument(None, long_page.blocks * 40, "text/html")
    assert summary(many, 30)
