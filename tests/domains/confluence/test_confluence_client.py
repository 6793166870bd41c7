"""Cloud and Data Center read through the same interface, every request and answer by the vendor's contract."""

from __future__ import annotations

import pytest
from confluence_server import Confluence
from site_kit import KINDS, confluence, site

from llmcoder.errors import NotFound, Refused
from tasks.confluence.wiki import Heads, PageHead, Space, Wiki

__all__ = ["confluence"]

both = pytest.mark.parametrize("kind", KINDS)


def all_heads(wiki: Wiki, space: Space) -> tuple[list[PageHead], int]:
    """All heads, and in how many parts they came."""
    found: list[PageHead] = []
    parts, cursor = 0, None
    while True:
        some: Heads = wiki.heads(space, cursor)
        found += some.heads
        parts, cursor = parts + 1, some.next
        if cursor is None:
            return found, parts


# --- spaces


@both
def test_all_current_spaces_are_listed_over_many_parts(confluence: Confluence, kind: str) -> None:
    for number in range(7):
        confluence.space(f"S{number}")
    confluence.space("OLD", status="archived")
    confluence.at_once = 3
    assert [space.key for space in site(confluence, kind).spaces()] == [f"S{number}" for number in range(7)]


@both
def test_spaces_are_found_by_their_keys_and_a_missing_one_is_named(confluence: Confluence, kind: str) -> None:
    confluence.space("OPS", "Operations")
    confluence.space("HR")
    (found,) = site(confluence, kind).spaces(["OPS"])
    assert (found.key, found.name) == ("OPS", "Operations")
    with pytest.raises(NotFound, match="no space NOPE"):
        site(confluence, kind).spaces(["OPS", "NOPE"])


# --- heads


@both
def test_two_thousand_pages_are_listed_without_their_bodies(confluence: Confluence, kind: str) -> None:
    ids = confluence.fill("OPS", 2000)
    wiki = site(confluence, kind)
    heads, parts = all_heads(wiki, wiki.spaces(["OPS"])[0])
    assert [head.id for head in heads] == ids
    assert parts <= 10
    assert confluence.fetched == {}


@both
def test_a_head_says_space_title_version_time_and_address(confluence: Confluence, kind: str) -> None:
    parent = confluence.add("OPS", "Parent")
    page = confluence.add("OPS", "Straße & 猫", parent_id=parent.id)
    confluence.edit(page.id, "<p>again</p>")
    wiki = site(confluence, kind)
    heads, _ = all_heads(wiki, wiki.spaces(["OPS"])[0])
    head = next(one for one in heads if one.id == page.id)
    assert (head.space_key, head.title, head.version, head.parent_id) == ("OPS", "Straße & 猫", 2, parent.id)
    assert head.updated_at == page.now.at
    assert head.url.startswith(f"{confluence.url}/{'wiki' if kind == 'cloud' else 'confluence'}/")


@both
def test_pages_in_the_trash_are_not_listed(confluence: Confluence, kind: str) -> None:
    kept, gone = confluence.add("OPS", "Kept"), confluence.add("OPS", "Gone")
    confluence.remove(gone.id)
    wiki = site(confluence, kind)
    heads, _ = all_heads(wiki, wiki.spaces(["OPS"])[0])
    assert [head.id for head in heads] == [kept.id]


def test_an_old_data_center_without_the_scan_is_listed_all_the_same(confluence: Confluence) -> None:
    ids = confluence.fill("OPS", 450)
    confluence.old_data_center = True
    wiki = site(confluence, "data_center")
    heads, parts = all_heads(wiki, wiki.spaces(["OPS"])[0])
    assert [head.id for head in heads] == ids
    assert parts == 3


@both
def test_a_cursor_that_the_site_does_not_know_is_an_error_and_no_empty_space(confluence: Confluence, kind: str) -> None:
    confluence.fill("OPS", 3)
    wiki = site(confluence, kind)
    (space,) = wiki.spaces(["OPS"])
    with pytest.raises(Exception, match="cursor"):
        wiki.heads(space, "scan:nonsense" if kind == "data_center" else "nonsense")


# --- pages


@both
def test_pages_come_with_their_bodies_in_few_requests(confluence: Confluence, kind: str) -> None:
    ids = confluence.fill("OPS", 60)
    wiki = site(confluence, kind)
    before = len(confluence.seen)
    pages = {page.head.id: page for page in wiki.pages(ids)}
    assert list(pages) == ids
    assert "number7</p>" in pages[ids[7]].storage
    assert pages[ids[7]].head.space_key == "OPS"
    assert len(confluence.seen) - before <= 2


@both
def test_pages_that_are_gone_are_left_out(confluence: Confluence, kind: str) -> None:
    ids = confluence.fill("OPS", 4)
    confluence.remove(ids[1])
    del confluence.pages[ids[2]]
    assert [page.head.id for page in site(confluence, kind).pages(ids)] == [ids[0], ids[3]]
    with pytest.raises(NotFound):
        site(confluence, kind).page(ids[1])


def test_a_data_center_that_knows_no_ids_is_asked_page_by_page(confluence: Confluence) -> None:
    ids = confluence.fill("OPS", 30)
    confluence.old_data_center = True
    wiki = site(confluence, "data_center")
    assert [page.head.id for page in wiki.pages(ids[20:25])] == ids[20:25]
    confluence.remove(ids[21])
    before = len(confluence.seen)
    assert [page.head.id for page in wiki.pages(ids[20:25])] == [ids[20], *ids[22:25]]
    assert len(confluence.seen) - before == 5, "it is not asked again for all at once"


@both
def test_an_old_version_of_a_page_can_be_read(confluence: Confluence, kind: str) -> None:
    page = confluence.add("OPS", "Title", "<p>one</p>")
    confluence.edit(page.id, "<p>two</p>", "Other title")
    wiki = site(confluence, kind)
    assert [wiki.page(page.id, number).storage for number in (1, 2)] == ["<p>one</p>", "<p>two</p>"]
    assert wiki.page(page.id, 1).head.title == "Title"
    with pytest.raises(NotFound):
        wiki.page(page.id, 3)


@both
def test_a_page_is_found_by_space_and_title(confluence: Confluence, kind: str) -> None:
    confluence.add("HR", "Same title")
    page = confluence.add("OPS", "Same title")
    found = site(confluence, kind).find("OPS", "Same title")
    assert found is not None and found.id == page.id
    assert site(confluence, kind).find("OPS", "No such") is None


@both
@pytest.mark.parametrize("page_id", ["", "abc", "1/../2", "1?x=1", "9" * 30, "١"])
def test_what_is_no_id_is_not_asked_for(confluence: Confluence, kind: str, page_id: str) -> None:
    with pytest.raises(NotFound):
        site(confluence, kind).page(page_id)
    assert confluence.seen == []


@both
def test_edits_say_who_and_when(confluence: Confluence, kind: str) -> None:
    page = confluence.add("OPS", "Title")
    confluence.edit(page.id, "<p>2</p>", by="a-2", message="typo")
    (edit,) = site(confluence, kind).edits(page.id, 1)
    assert (edit.version, edit.by, edit.message, edit.at) == (2, "Bert Bastler", "typo", page.now.at)
    assert site(confluence, kind).edits(page.id, 2) == []


# --- files


@both
def test_files_are_listed_and_loaded_from_where_they_are_kept(confluence: Confluence, kind: str) -> None:
    page = confluence.add("OPS", "Title")
    for number in range(5):
        confluence.attach(page.id, f"notes {number}.txt", "text/plain", b"hello")
    confluence.at_once = 2
    wiki = site(confluence, kind)
    files = wiki.attachments(page.id)
    assert [file.title for file in files] == [f"notes {number}.txt" for number in range(5)]
    assert (files[0].size_bytes, files[0].media_type, files[0].version) == (5, "text/plain", 1)
    assert wiki.download(files[3], 100) == b"hello"


@both
def test_a_file_that_is_larger_than_wanted_is_refused(confluence: Confluence, kind: str) -> None:
    page = confluence.add("OPS", "Title")
    confluence.attach(page.id, "big.txt", "text/plain", b"x" * 1000)
    wiki = site(confluence, kind)
    (file,) = wiki.attachments(page.id)
    with pytest.raises(Refused, match="too large"):
        wiki.download(file, 999)
    lying = type(file)(file.id, page.id, file.title, file.media_type, 1, 1, file.download_path)
    with pytest.raises(Refused, match="could not be loaded"):
        wiki.download(lying, 999)


@both
def test_a_token_never_goes_to_another_site_that_a_file_names(confluence: Confluence, kind: str) -> None:
    page = confluence.add("OPS", "Title")
    confluence.attach(page.id, "a.txt", "text/plain", b"x")
    wiki = site(confluence, kind)
    (file,) = wiki.attachments(page.id)
    elsewhere = type(file)(file.id, page.id, "a", "text/plain", 1, 1, "http://localhost:1/a.txt")
    with pytest.raises(Refused, match="another site"):
        wiki.download(elsewhere, 100)
