"""Finding the text in documents of every known kind, real ones and hostile ones."""

from __future__ import annotations

import contextlib

import pytest
from document_files import LONG_PAGE, pdf

from llmcoder import BadInput, Cancelled
from tasks.document.page import BlockKind, UnreadableDocument
from tasks.document.reading import decoded, read, sniffed

PROSE = ["A lease is a promise that ends by itself. Whoever holds it", "must renew it before it ends."]


def kinds(page):
    return [(block.kind.value, block.text) for block in page.blocks]


def test_a_long_page_gives_its_main_text_and_not_its_navigation():
    page = read(LONG_PAGE.read_bytes(), "text/html", "the page")
    assert page.title.startswith("IDLE")
    assert page.words > 2000
    assert "Integrated Development and Learning Environment" in page.text
    assert b"Report a Bug" in LONG_PAGE.read_bytes()
    assert "Report a Bug" not in page.text
    assert "¶" not in page.text
    assert {block.kind for block in page.blocks} >= {
        BlockKind.HEADING,
        BlockKind.PARAGRAPH,
        BlockKind.ITEM,
        BlockKind.CODE,
    }


def test_a_page_in_which_trafilatura_finds_too_little_is_read_by_beautiful_soup():
    cells = "".join(f"<tr><td>Row {n} says that the lease of worker {n} has ended.</td></tr>" for n in range(40))
    html = f"<html><title>Leases</title><nav>Home</nav><table>{cells}</table><script>x()</script></html>"
    page = read(html.encode(), "text/html", "the page")
    assert page.title == "Leases"
    assert "Row 39 says" in page.text
    assert "Home" not in page.text
    assert "x()" not in page.text


@pytest.mark.parametrize("html", ["", "<html></html>", "<div id=app></div><script>draw()</script>"])
def test_a_page_without_text_is_refused_and_says_why(html):
    with pytest.raises(UnreadableDocument, match="scripts"):
        read(html.encode(), "text/html", "http://x/")


@pytest.mark.parametrize("html", ["<" * 200_000, "<div>" * 50_000 + "hi", "<table><tr><td>" * 20_000])
def test_a_page_made_to_break_parsers_ends_quickly_one_way_or_the_other(html):
    try:
        read(html.encode(), "text/html", "the page")
    except BadInput as error:
        assert "the page" in error.detail


def test_a_page_that_is_too_large_to_parse_is_refused():
    with pytest.raises(UnreadableDocument, match="at most"):
        read(b"<p>" + b"a " * 2_600_000, "text/html", "the page")


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Grüße".encode(), "text/html", "Grüße"),
        ("Grüße".encode("latin-1"), "text/html; charset=ISO-8859-1", "Grüße"),
        ("“Grüße”".encode("cp1252"), "text/html; charset=iso-8859-1", "“Grüße”"),
        (b"<meta charset=shift_jis>" + "日本".encode("shift_jis"), "text/html", "<meta charset=shift_jis>日本"),
        ("Grüße".encode("utf-16"), "text/html; charset=latin-1", "Grüße"),
        (b"\xef\xbb\xbf" + "Grüße".encode(), "text/plain", "Grüße"),
        ("Grüße".encode("cp1252"), "text/plain", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=no-such-thing", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=rot13", "Grüße"),
        ("Привет".encode("koi8-r"), 'text/plain; charset="koi8-r"', "Привет"),
    ],
)
def test_the_character_set_is_taken_from_mark_header_or_meta(body, content_type, text):
    assert decoded(body, content_type) == text


def test_markdown_gives_headings_items_and_code():
    text = "# Leases\n\nA **lease** is a [promise](http://x).\nIt ends.\n\n- first\n- second\n\n"
    text += "```py\nx = 1\n```\n\nMore\n----\nEnd."
    page = read(text.encode(), "text/markdown", "the text")
    assert page.title == "Leases"
    assert kinds(page) == [
        ("heading", "Leases"), ("paragraph", "A lease is a promise. It ends."), ("item", "first"), ("item", "second"),
        ("code", "x = 1"), ("heading", "More"), ("paragraph", "End."),
    ]  # fmt: skip


def test_indented_code_in_plain_text_is_no_prose():
    page = read(b"Do this:\n\n    x = f(1);\n    y = x;\n\nThen stop.", "text/plain", "the text")
    assert [kind for kind, _ in kinds(page)] == ["paragraph", "code", "paragraph"]


def test_a_pdf_gives_title_paragraphs_and_items_across_its_lines():
    page = read(
        pdf(["Leases", "", *PROSE, "", "- renew it"], ["Second page."], title="On leases"), "application/pdf", "x"
    )
    assert page.title == "On leases"
    assert ("heading", "Leases") in kinds(page)
    assert ("paragraph", " ".join(PROSE)) in kinds(page)
    assert ("item", "renew it") in kinds(page)
    assert "Second page." in page.text


def test_reading_a_long_pdf_can_be_cancelled_between_pages():
    def tick(done, of):
        if done == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        read(pdf(*[PROSE] * 5), "application/pdf", "x", tick)


def test_a_pdf_with_too_many_pages_is_refused():
    with pytest.raises(UnreadableDocument, match="401 pages"):
        read(pdf(*[["x"]] * 401), "application/pdf", "the report")


def test_a_pdf_of_pictures_only_is_refused_and_says_why():
    with pytest.raises(UnreadableDocument, match="OCR"):
        read(pdf([]), "application/pdf", "the scan")


@pytest.mark.parametrize("keep", [10, 60, 200, 400])
def test_a_broken_pdf_is_bad_input(keep):
    with pytest.raises(UnreadableDocument):
        read(pdf(PROSE)[:keep], "application/pdf", "the report")


def test_a_pdf_whose_bytes_are_scrambled_is_read_or_refused_but_never_a_defect():
    whole = pdf(PROSE, PROSE)
    for place in range(0, len(whole), 7):
        with contextlib.suppress(BadInput):
            read(whole[:place] + b"<<" + whole[place + 2 :], "application/pdf", "x")


@pytest.mark.parametrize("media_type", ["image/png", "application/zip", "video/mp4", "application/json"])
def test_another_kind_of_document_is_refused_and_named(media_type):
    with pytest.raises(BadInput, match=media_type):
        read(b"\x89PNG\0", media_type, "http://x/")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\n <!DOCTYPE html><p>", "text/html"),
        (b"hello", "text/plain"),
        (b"\x89PNG\0\0", ""),
    ],
)
def test_a_document_whose_server_says_nothing_is_told_by_its_first_bytes(body, media_type):
    assert sniffed(body) == media_type


def test_bytes_that_are_nothing_known_are_refused():
    with pytest.raises(BadInput, match="unknown kind"):
        read(b"\x00\x01\x02", "application/octet-stream", "http://x/")
