"""What a run of the index fetches, keeps and removes, and what is left of it when it ends in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
import sqlalchemy as sa
from index_kit import TinyEmbedder, context, filled, find, kept, titles
from memory_wiki import MemoryWiki

from llmcoder.context import User
from llmcoder.errors import BadInput, Cancelled, Forbidden, NotFound, RateLimited, Refused, Transient
from llmcoder.ids import new_id
from models.db.database import database
from tasks.confluence import indexing
from tasks.confluence.indexing import BATCH_PAGES, Refreshed
from tasks.confluence.tables import pages, runs
from tasks.confluence.wiki import Heads, Space

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
PAGES = 120


@pytest.fixture
def wiki() -> MemoryWiki:
    made = MemoryWiki()
    for number in range(PAGES):
        made.add(f"{number:03}", f"Page {number}", f"the text number{number}")
    return made


def sums(done: Refreshed) -> dict[str, int]:
    names = ("seen", "fetched", "unchanged", "removed", "failed")
    return {name: sum(getattr(counts, name) for _, counts in done.spaces) for name in names}


def once(error: Exception, at: int, name: str = "pages") -> Callable[[str], None]:
    """Fails the Nth call of that name."""
    calls = 0

    def before(called: str) -> None:
        nonlocal calls
        calls += called == name
        if called == name and calls == at:
            raise error

    return before


def test_the_second_run_fetches_only_what_changed(user: User, wiki: MemoryWiki) -> None:
    assert sums(filled(user, wiki)) == {"seen": PAGES, "fetched": PAGES, "unchanged": 0, "removed": 0, "failed": 0}
    wiki.fetched.clear()
    for number in range(10):
        wiki.edit(f"{number:03}", f"edited number{number}")
    for number in range(3):
        wiki.add(f"new{number}", f"New {number}", "fresh")
    del wiki.contents["050"], wiki.contents["051"]
    assert sums(filled(user, wiki)) == {"seen": 121, "fetched": 13, "unchanged": 108, "removed": 2, "failed": 0}
    assert set(wiki.fetched.values()) == {1}
    assert len(wiki.fetched) == 13
    assert kept() == sorted(wiki.contents)
    assert titles(user, "number50") == []
    assert titles(user, "edited number7") != []
    assert titles(user, "text number7") != ["Page 7"]


@pytest.mark.parametrize("error", [Transient("Away."), RateLimited("Wait.", datetime.now(UTC)), KeyboardInterrupt()])
def test_a_run_that_broke_goes_on_where_it_was(user: User, wiki: MemoryWiki, error: Exception) -> None:
    job_id = new_id()
    wiki.before = once(error, 4)
    with pytest.raises(type(error)):
        filled(user, wiki, ctx=context(user, job_id=job_id))
    assert len(kept()) == 3 * BATCH_PAGES
    wiki.before = lambda name: None
    wiki.listed.clear()
    done = filled(user, wiki, ctx=context(user, job_id=job_id))
    assert sums(done) == {"seen": PAGES, "fetched": PAGES, "unchanged": 0, "removed": 0, "failed": 0}
    assert set(wiki.fetched.values()) == {1}, "nothing was fetched twice"
    assert wiki.listed == ["50", "100"], "nor listed from the beginning"


def test_a_cursor_that_the_site_has_forgotten_costs_a_listing_and_no_body(user: User, wiki: MemoryWiki) -> None:
    job_id = new_id()
    wiki.before = once(Transient("Away."), 4)
    with pytest.raises(Transient):
        filled(user, wiki, ctx=context(user, job_id=job_id))
    wiki.before = once(BadInput("No such cursor."), 1, "heads")
    done = filled(user, wiki, ctx=context(user, job_id=job_id))
    assert sums(done)["fetched"] == PAGES
    assert set(wiki.fetched.values()) == {1}
    assert kept() == sorted(wiki.contents)


def test_a_job_that_is_cancelled_leaves_what_it_has_searchable(user: User, wiki: MemoryWiki) -> None:
    with pytest.raises(Cancelled):
        filled(user, wiki, ctx=context(user, cancel_after=60))
    assert 0 < len(kept()) < PAGES
    assert titles(user, "number3") == ["Page 3"]


def test_nothing_is_removed_before_the_listing_is_complete(user: User, wiki: MemoryWiki) -> None:
    filled(user, wiki)
    del wiki.contents["000"]
    wiki.before = once(Transient("Away."), 3, "heads")
    with pytest.raises(Transient):
        filled(user, wiki)
    assert "000" in kept()
    wiki.before = lambda name: None
    filled(user, wiki)
    assert "000" not in kept()


def test_a_listing_that_runs_in_a_circle_ends_and_removes_nothing(user: User, wiki: MemoryWiki) -> None:
    class Circle(MemoryWiki):
        def heads(self, space, cursor=None):  # type: ignore[no-untyped-def]
            return Heads(super().heads(space, None).heads, "50")

    filled(user, wiki)
    with pytest.raises(Refused, match="circle"):
        filled(user, Circle(contents=wiki.contents))
    assert len(kept()) == PAGES


def test_two_jobs_on_one_space_at_once_do_no_harm(user: User, wiki: MemoryWiki) -> None:
    meeting = threading.Barrier(2, timeout=20)
    wiki.before = lambda name: meeting.wait() if name == "pages" and not meeting.broken else None
    results: list[Refreshed] = []

    def work() -> None:
        results.append(filled(user, wiki))
        meeting.abort()

    threads = [threading.Thread(target=_calm(work)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(results) == 2
    assert kept() == sorted(wiki.contents)
    assert [sums(done)["removed"] for done in results] == [0, 0]
    assert titles(user, "number77") == ["Page 77"]


def _calm(work: Callable[[], None]) -> Callable[[], None]:
    def calm() -> None:
        try:
            work()
        except threading.BrokenBarrierError:
            work()  # the other is through: go on alone

    return calm


def test_an_older_version_that_comes_late_does_not_replace_a_newer_one(user: User, wiki: MemoryWiki) -> None:
    """A slow run fetched a page before it was edited, and stores it after a quick run stored the edited one."""
    slow = MemoryWiki(contents=dict(wiki.contents))

    def overtaken(name: str) -> None:
        slow.before = lambda name: None
        wiki.edit("000", "edited quickly", title="Renamed")
        filled(user, wiki)

    slow.before = lambda name: overtaken(name) if name == "pages" else None
    done = filled(user, slow)
    assert sums(done)["removed"] == 0
    assert titles(user, "quickly") == ["Renamed"]
    assert len(kept()) == PAGES


# --- spaces


def test_a_page_that_moves_to_another_space_is_found_there(user: User, wiki: MemoryWiki) -> None:
    wiki.add("hr", "Holidays", "holidays", "HR")
    filled(user, wiki)
    page = wiki.contents["003"]
    wiki.contents["003"] = replace(page, head=replace(page.head, space_key="HR", url="https://wiki.example/HR/003"))
    filled(user, wiki)
    (found,) = find(user, "number3", "HR")
    assert (found.title, found.url) == ("Page 3", "https://wiki.example/HR/003")
    assert titles(user, "number3", "OPS") == []
    assert len(kept()) == PAGES + 1


def test_a_new_address_costs_no_body(user: User, wiki: MemoryWiki) -> None:
    filled(user, wiki)
    page = wiki.contents["003"]
    wiki.contents["003"] = replace(page, head=replace(page.head, url="https://wiki.example/moved"))
    wiki.fetched.clear()
    filled(user, wiki)
    assert find(user, "number3")[0].url == "https://wiki.example/moved"
    assert not wiki.fetched


def test_a_space_that_the_account_cannot_see_any_more_goes_when_all_are_indexed(user: User, wiki: MemoryWiki) -> None:
    wiki.add("hr", "Holidays", "holidays", "HR")
    filled(user, wiki)
    wiki.hidden.add("HR")
    filled(user, wiki, "OPS")
    assert titles(user, "holidays") == ["Holidays"]
    assert filled(user, wiki).removed_elsewhere == 1
    assert titles(user, "holidays") == []
    with pytest.raises(NotFound, match="HR"):
        filled(user, wiki, "HR")


def test_a_space_that_cannot_be_listed_is_named_and_the_others_go_on(user: User, wiki: MemoryWiki) -> None:
    class Guarded(MemoryWiki):
        def heads(self, space: Space, cursor: str | None = None) -> Heads:
            if space.key == "HR":
                raise Forbidden("You may not see this space.")
            return super().heads(space, cursor)

    wiki.add("hr", "Holidays", "holidays", "HR")
    filled(user, wiki)
    del wiki.contents["003"]
    done = filled(user, Guarded(contents=wiki.contents))
    assert {key: [one.title for one in counts.failures] for key, counts in done.spaces} == {
        "HR": ["The space HR"],
        "OPS": [],
    }
    assert titles(user, "holidays") == ["Holidays"]
    assert titles(user, "number3") == []
    with pytest.raises(Forbidden):
        filled(user, Guarded(contents=wiki.contents), "HR")


# --- what cannot be read


def test_a_page_that_cannot_be_read_is_named_and_the_rest_goes_on(
    user: User, wiki: MemoryWiki, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Guarded(MemoryWiki):
        def pages(self, ids):  # type: ignore[no-untyped-def]
            if "007" in ids:
                raise Forbidden("You may not see this page.")
            return super().pages(ids)

    guarded = Guarded(contents=wiki.contents)
    done = filled(user, guarded)
    assert sums(done)["failed"] == 1
    assert [(one.page_id, one.reason) for one in done.spaces[0][1].failures] == [("007", "You may not see this page.")]
    assert len(kept()) == PAGES - 1
    assert sums(filled(user, wiki))["fetched"] == 1, "the next run tries it again"


def test_pages_are_read_again_when_their_text_is_made_differently(
    user: User, wiki: MemoryWiki, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(user, wiki)
    monkeypatch.setattr(indexing, "READER", indexing.READER + 1)
    assert sums(filled(user, wiki))["fetched"] == PAGES
    assert sums(filled(user, wiki))["fetched"] == 0


# --- files


def test_files_are_read_when_asked_for_and_only_when_they_change(user: User) -> None:
    wiki = MemoryWiki()
    wiki.add("1", "Budget", "see the files")
    wiki.add("2", "Other", "nothing here")
    wiki.attach("1", "f1", "plan.txt", "text/plain; charset=utf-8", "Zahlen für März".encode())
    wiki.attach("1", "f2", "page.html", "text/html", b"<p>ocelot</p><script>lynx</script>")
    wiki.attach("1", "f3", "sum.pdf", "application/pdf", pdf("margay"))
    wiki.attach("1", "f4", "broken.pdf", "application/pdf", b"%PDF-1.4 nothing")
    wiki.attach("1", "f5", "photo.png", "image/png", b"\x89PNG")
    filled(user, wiki)
    assert titles(user, "ocelot") == []
    done = filled(user, wiki, files=True)
    assert titles(user, "marz") == ["plan.txt (Budget)"]
    assert titles(user, "ocelot") == ["page.html (Budget)"]
    assert titles(user, "margay") == ["sum.pdf (Budget)"]
    assert titles(user, "lynx") == []
    counts = done.spaces[0][1]
    assert (counts.files, [one.title for one in counts.failures]) == (3, ["broken.pdf"])
    wiki.attach("1", "f1", "plan.txt", "text/plain", b"serval", version=2)
    del wiki.files["1"][1]
    again = filled(user, wiki, files=True).spaces[0][1]
    assert again.files <= 2
    assert titles(user, "serval") == ["plan.txt (Budget)"]
    assert titles(user, "ocelot") != [] or titles(user, "margay") != []


def test_files_go_with_their_page_and_stay_while_nobody_looks(user: User) -> None:
    wiki = MemoryWiki()
    wiki.add("1", "Budget", "see the files")
    wiki.add("2", "Other", "nothing here")
    wiki.attach("1", "f1", "plan.txt", "text/plain", b"ocelot")
    wiki.attach("2", "f2", "note.txt", "text/plain", b"margay")
    filled(user, wiki, files=True)
    filled(user, wiki)
    assert titles(user, "ocelot") == ["plan.txt (Budget)"]
    wiki.before = once(Forbidden("Not for you."), 1, "attachments")
    filled(user, wiki, files=True)
    assert titles(user, "ocelot") == ["plan.txt (Budget)"]
    wiki.before = lambda name: None
    wiki.files["2"].clear()
    del wiki.contents["1"]
    filled(user, wiki, files=True)
    assert titles(user, "ocelot") == titles(user, "margay") == []


def pdf(text: str) -> bytes:
    """A PDF of one page with a text."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(300, 100)
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    made = DictionaryObject({NameObject(name): NameObject(value) for name, value in font.items()})
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): made})}
    )
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F1 12 Tf 10 50 Td ({text}) Tj ET".encode())
    page[NameObject("/Contents")] = stream
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


# --- embeddings in the middle


def test_a_limit_of_the_provider_of_embeddings_lets_the_job_wait_and_go_on(user: User, wiki: MemoryWiki) -> None:
    job_id = new_id()
    model = TinyEmbedder(trouble=[RateLimited("Too many tokens.", datetime.now(UTC))])
    with pytest.raises(RateLimited):
        filled(user, wiki, ctx=context(user, model, job_id))
    assert titles(user, "number3") == ["Page 3"]
    wiki.listed.clear()
    done = filled(user, wiki, ctx=context(user, model, job_id))
    assert done.embedded is not None
    assert done.embedded.count == PAGES
    assert wiki.listed == [], "the space was done"


def test_old_runs_are_forgotten(user: User, wiki: MemoryWiki) -> None:
    for _ in range(3):
        filled(user, wiki)
    with database().read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one() == 1
        assert conn.execute(sa.select(sa.func.min(pages.c.seen_run))).scalar_one() == 3
