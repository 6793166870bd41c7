"""What is found by which words, on both stores."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_kit import TinyEmbedder, context, filled, find, owner_of, titles
from memory_wiki import MemoryWiki

from llmcoder.context import User
from llmcoder.errors import BadInput, NotFound, Transient
from models.accounts.tables import users
from models.connections.tables import connections
from models.db.database import database
from tasks.confluence import index_store, searching
from tasks.confluence.tables import pages, pieces

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]


@pytest.fixture
def wiki() -> MemoryWiki:
    made = MemoryWiki()
    made.add("1", "VPN access", "How to configure the client on macOS and Linux. Ask the helpdesk for a token.")
    made.add("2", "Printers", "Configure the printer on macOS. The VPN is not needed.")
    made.add("3", "Überstunden", "Überstunden werden in der Straße erfasst. Ein Urlaubsantrag geht an die HR.", "HR")
    made.add("4", "東京オフィス", "東京都の天気と会議室の予約について。", "HR")
    made.add("5", "Release notes", "Deployments of version 2.3.1 happened on Friday; see OPS-42 and café.")
    return made


@pytest.fixture
def indexed(user: User, wiki: MemoryWiki) -> User:
    filled(user, wiki)
    return user


@pytest.fixture
def bob(new_user: Callable[[str], User]) -> User:
    return new_user("bob@example.org")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("vpn", ["VPN access", "Printers"]),  # a word of the title counts more
        ("VPN macos", ["VPN access", "Printers"]),
        ("configuring", ["VPN access", "Printers"]),  # the stem is looked for
        ("deployment", ["Release notes"]),
        ("uberstunden", ["Überstunden"]),
        ("ÜBERSTUNDEN", ["Überstunden"]),
        ("U\u0308berstunden", ["Überstunden"]),
        ("strasse", ["Überstunden"]),
        ("Urlaub", ["Überstunden"]),  # begins a compound
        ("東京", ["東京オフィス"]),
        ("京都", ["東京オフィス"]),
        ("会議室", ["東京オフィス"]),
        ("気", ["東京オフィス"]),
        ("大阪", []),
        ("cafe", ["Release notes"]),
        ("OPS-42", ["Release notes"]),
        ("2.3.1", ["Release notes"]),
        ("helpdesk token", ["VPN access"]),
        ("How do I get a token from the helpdesk?", ["VPN access"]),
        ("printer token", ["Printers", "VPN access"]),  # none has both; each has one
        ("the", ["VPN access", "Printers"]),
        ("🎉", []),
        ("nothingofthekind", []),
    ],
)
def test_what_is_found(indexed: User, query: str, expected: list[str]) -> None:
    found = titles(indexed, query)
    assert set(found) == set(expected)
    if query not in ("configuring", "the", "printer token"):  # these count alike
        assert found == expected


def test_pages_with_all_words_come_before_those_with_some(user: User) -> None:
    wiki = MemoryWiki()
    wiki.add("1", "Backups", "backup " * 30)
    wiki.add("2", "Restoring", "a backup is restored")
    filled(user, wiki)
    assert titles(user, "backup restored") == ["Restoring", "Backups"]


def test_the_rarer_word_counts_more_where_no_page_has_all(user: User) -> None:
    wiki = MemoryWiki()
    for number in range(40):
        wiki.add(f"a{number}", f"Meeting {number}", "an agenda for the meeting")
    wiki.add("b", "Turbine", "maintenance of the turbine")
    filled(user, wiki)
    assert titles(user, "turbine agenda")[0] == "Turbine"


@pytest.mark.parametrize(
    "query",
    ['"vpn" AND', "vpn*", "title:vpn", "NEAR(vpn, 9)", "vpn OR", "(vpn", "-vpn", "vpn & !x", "'vpn", "vpn\\", "^vpn:*"],
)
def test_what_would_be_syntax_is_a_word_or_nothing(indexed: User, query: str) -> None:
    assert titles(indexed, query)[0] == "VPN access"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60) | st.text(alphabet="\"'*:^()&|!<>-\\{}[]#~ \u0000a京\u0301", max_size=40))
def test_no_query_is_an_error(indexed: User, query: str) -> None:
    for page in find(indexed, query):
        searching.snippet_of(page, searching.asked(context(indexed), query).words)


def test_only_the_spaces_that_were_named(indexed: User) -> None:
    assert titles(indexed, "configure", "OPS") == titles(indexed, "configure")
    assert titles(indexed, "configure", "HR") == []
    with pytest.raises(NotFound, match="LAW"):
        find(indexed, "configure", "OPS", "LAW")


def test_results_come_in_pages_without_gaps_or_doubles(user: User) -> None:
    wiki = MemoryWiki()
    for number in range(25):
        wiki.add(str(number), f"Page {number}", "the same words everywhere")
    filled(user, wiki)
    asked, seen, offset = searching.asked(context(user), "words"), [], 0
    while offset is not None:
        some, offset = searching.search(owner_of(user), asked, (), offset, 10)
        seen += [page.title for page in some]
    assert len(seen) == len(set(seen)) == 25
    assert searching.offset_of("20") == 20
    with pytest.raises(BadInput):
        searching.offset_of("²0")


def test_a_snippet_shows_and_marks_what_was_found(user: User) -> None:
    wiki = MemoryWiki()
    wiki.add("1", "Long", "filler * words " * 200 + "Here the Übungen are configured. " + "more filler " * 100)
    filled(user, wiki)
    asked = searching.asked(context(user), "configuring übung")
    (page,) = find(user, "configuring übung")
    shown = searching.snippet_of(page, asked.words)
    assert "the **Übungen** are **configured**." in shown
    assert len(shown) < 300
    assert shown.startswith("… ")
    assert shown.endswith(" …")


# --- whose pages


def test_nobody_finds_what_another_user_or_account_indexed(indexed: User, bob: User) -> None:
    with pytest.raises(NotFound, match="index"):
        find(bob, "vpn")
    with pytest.raises(NotFound, match="index"):
        find(indexed, "vpn", account="other")
    other = MemoryWiki()
    other.add("1", "VPN of Bob", "vpn vpn vpn")
    filled(bob, other)
    assert titles(bob, "vpn") == ["VPN of Bob"]
    assert titles(indexed, "vpn") == ["VPN access", "Printers"]
    assert titles(bob, "vpn s1 w1 #w1 scope") == ["VPN of Bob"]


def test_another_site_under_the_same_account_begins_anew(indexed: User) -> None:
    other = MemoryWiki()
    other.add("1", "Elsewhere", "vpn")
    filled(indexed, other, site="https://other.example")
    assert titles(indexed, "vpn") == ["Elsewhere"]


def test_removing_the_connection_removes_the_index(user: User, wiki: MemoryWiki) -> None:
    now = database().now()
    row = {"user_id": user.id, "provider": "confluence", "account": "alice", "secret": b"", "key_version": 1}
    with database().write() as conn:
        conn.execute(sa.insert(connections).values(id=user.id, **row, state="ok", created_at=now, updated_at=now))
    filled(user, wiki, model=TinyEmbedder())
    with database().write() as conn:
        conn.execute(sa.delete(connections).where(connections.c.id == user.id))
    assert nothing_is_left()


def test_removing_the_user_removes_the_index(indexed: User) -> None:
    with database().write() as conn:
        conn.execute(sa.delete(users).where(users.c.id == indexed.id))
    assert nothing_is_left()


def nothing_is_left() -> bool:
    tables = ("wikis", "spaces", "runs", "pages", "pieces", "vectors", "fts")
    with database().read() as conn:
        counts = [conn.execute(sa.text(f"SELECT count(*) FROM confluence_{table}")).scalar_one() for table in tables]
    return counts == [0] * len(tables)


# --- meaning


SAME = {"car": "vehicl", "automobil": "vehicl"}


@pytest.fixture
def model() -> TinyEmbedder:
    return TinyEmbedder(same=SAME)


@pytest.fixture
def garage(user: User, model: TinyEmbedder) -> MemoryWiki:
    wiki = MemoryWiki()
    wiki.add("1", "Vehicle", "vehicle")
    wiki.add("2", "Fruit", "apple banana cherry")
    wiki.add("3", "Cars", "the car park")
    for number in range(500):
        wiki.add(f"x{number}", f"Other {number}", f"unrelated{number} things{number}", "OTHER")
    filled(user, wiki, model=model)
    return wiki


def test_a_page_is_found_by_its_meaning_and_by_both_at_once_first(
    user: User, garage: MemoryWiki, model: TinyEmbedder
) -> None:
    assert titles(user, "automobile") == []
    assert titles(user, "automobile", model=model)[:1] == ["Vehicle"]
    assert titles(user, "car", model=model)[0] == "Cars"  # by its word, and by its meaning
    assert titles(user, "automobile", "OPS", model=model, limit=2)[0] == "Vehicle"
    assert all(page.space_key == "OPS" for page in find(user, "automobile", "OPS", model=model))


def test_the_sign_search_finds_what_an_exact_one_finds_first(
    user: User, garage: MemoryWiki, model: TinyEmbedder
) -> None:
    found = find(user, "other 77 unrelated77 things77", model=model)
    assert found[0].title == "Other 77"
    assert found[0].rank.near is not None
    assert found[0].rank.near.likeness > 0.99


def test_vectors_of_another_model_are_not_compared_and_are_made_anew(user: User, garage: MemoryWiki) -> None:
    other = TinyEmbedder(model="other-embed", dimensions=32, same=SAME)
    assert titles(user, "automobile", model=other) == []
    done = filled(user, garage, model=other)
    assert done.embedded is not None
    assert done.embedded.count == 503
    assert titles(user, "automobile", model=other)[:1] == ["Vehicle"]


def test_only_changed_pieces_are_embedded_again(user: User, garage: MemoryWiki, model: TinyEmbedder) -> None:
    model.embedded.clear()
    garage.edit("2", "apple banana cherry damson")
    done = filled(user, garage, model=model)
    assert done.embedded is not None
    assert (done.embedded.count, model.embedded) == (1, ["Fruit\n\napple banana cherry damson"])
    assert titles(user, "damson", model=model)[0] == "Fruit"


def test_a_page_with_the_same_words_twice_keeps_no_piece_too_many(user: User, model: TinyEmbedder) -> None:
    wiki = MemoryWiki()
    paragraph = "the same words again. " * 50 + "\n\n"
    wiki.add("1", "Twice", paragraph * 3)
    filled(user, wiki, model=model)
    wiki.edit("1", paragraph * 2)
    done = filled(user, wiki, model=model)
    assert done.embedded is not None
    assert done.embedded.count == 0
    with database().read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(pieces)).scalar_one() == 2


def test_what_was_removed_is_found_by_its_meaning_no_more(user: User, garage: MemoryWiki, model: TinyEmbedder) -> None:
    assert titles(user, "automobile", model=model)[0] == "Vehicle"
    del garage.contents["1"]
    filled(user, garage, "OPS", model=model)
    assert "Vehicle" not in titles(user, "automobile", model=model, limit=50)


def test_a_provider_that_fails_leaves_the_words(user: User, wiki: MemoryWiki) -> None:
    down = [Transient("The provider is away.") for _ in range(2)]
    done = filled(user, wiki, model=TinyEmbedder(trouble=down))
    assert done.embedded is not None
    assert done.embedded.count == 0
    assert "away" in (done.embedded.note or "")
    asked = searching.asked(context(user, TinyEmbedder(trouble=[Transient("Away again.")])), "vpn")
    assert "Away again" in (asked.note or "")
    assert [page.title for page in searching.search(owner_of(user), asked, (), 0, 5)[0]] == ["VPN access", "Printers"]
    again = filled(user, wiki, model=TinyEmbedder())
    assert again.embedded is not None
    assert (again.embedded.count, again.embedded.note) == (5, None)


def test_a_page_of_a_hundred_thousand_words_is_indexed_whole(user: User) -> None:
    wiki = MemoryWiki()
    wiki.add("1", "Huge", " ".join(f"word{number}" for number in range(100_000)))
    wiki.add("2", "Odd", "nul \0 and half \ud83d a character")
    filled(user, wiki)
    assert titles(user, "word7") == ["Huge"]
    assert titles(user, "half character") == ["Odd"]
    with database().read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(pages)).scalar_one() == 2


def test_the_scope_of_a_search_names_the_wiki(indexed: User) -> None:
    with database().read() as conn:
        assert index_store.found_wiki(conn, owner_of(indexed)) is not None
