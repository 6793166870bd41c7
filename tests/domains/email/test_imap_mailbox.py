"""A mailbox behind a real IMAP server: looked at without a trace, searched, sorted, followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from imap_kit import Mailboxes, imap, mail, mark, messages
from mail_server import MailServer

from llmcoder.errors import BadInput, Cancelled, NotFound, Refused, Transient
from tasks.email.imap import ImapMailbox
from tasks.email.mailbox import Query


def subjects(found: Any) -> list[str]:
    return [line.partition(b": ")[2].decode() for one in found for line in one.raw.splitlines() if b"Subject: " in line]


def fill(server: MailServer, address: str, *names: str, **headers: str) -> None:
    for name in names:
        server.deliver(address, mail(name, **headers).as_bytes())


def put(server: MailServer, address: str, folder: str, *contents: bytes) -> None:
    """As another client would, with a folder made where there is none."""
    with imap(server, address) as client:
        client.create(f'"{folder}"')
        for content in contents:
            assert client.append(f'"{folder}"', "", None, content)[0] == "OK"  # type: ignore[arg-type]


# --- lists


def test_a_list_shows_the_newest_first_and_leaves_everything_unread(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    address = mail_server.user("lists")
    fill(mail_server, address, "one", "two", "three")
    box = mailboxes.open(address)
    shown = box.page(Query(), None, 2)
    assert (subjects(shown.messages), shown.about) == (["three", "two"], 3)
    first = shown.messages[0]
    assert (first.unread, first.whole, first.labels, first.thread_id) == (True, True, ("INBOX",), None)
    assert abs(first.received_at - datetime.now(UTC)) < timedelta(minutes=1)
    rest = box.page(Query(), shown.next, 2)
    assert (subjects(rest.messages), rest.next) == (["one"], None)
    assert b"Hello." in box.message(first.id).raw
    assert len(box.thread(first.id)) == 1
    assert all("Seen" not in flags for flags, _ in messages(mail_server, address, "INBOX"))


def test_pages_go_on_where_they_ended_whatever_comes_and_goes_between(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    address = mail_server.user("pages")
    fill(mail_server, address, *(f"mail {number}" for number in range(30)))
    box = mailboxes.open(address)
    seen, cursor = [], None
    for turn in range(10):
        shown = box.page(Query(), cursor, 7)
        seen += subjects(shown.messages)
        cursor = shown.next
        if cursor is None:
            break
        fill(mail_server, address, f"new {turn}")
        with imap(mail_server, address) as client:  # the oldest, and one that was shown
            client.select("INBOX")
            client.store("1,26", "+FLAGS", "\\Deleted")
            client.expunge()
    assert len(seen) == len(set(seen))
    assert seen[:7] == [f"mail {number}" for number in range(29, 22, -1)]
    assert not any(one.startswith("new") for one in seen)
    with pytest.raises(BadInput, match="not one that a list gave"):
        box.page(Query(), "nonsense", 7)
    with pytest.raises(BadInput, match="Begin the list anew"):
        box.page(Query(), "1.1.1", 7)


def test_rare_messages_are_found_far_back_without_listing_everything(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.email import imap as module

    monkeypatch.setattr(module, "FIRST_ROWS", 4)
    address = mail_server.user("rare")
    fill(
        mail_server,
        address,
        "needle 1",
        *(f"hay {n}" for n in range(40)),
        "needle 2",
        *(f"straw {n}" for n in range(9)),
    )
    box = mailboxes.open(address)
    shown = box.page(Query(words="needle"), None, 1)
    assert subjects(shown.messages) == ["needle 2"]
    rest = box.page(Query(words="needle"), shown.next, 1)
    assert (subjects(rest.messages), rest.next, rest.about) == (["needle 1"], None, None)


def test_a_list_shows_the_beginning_of_what_is_large(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("large")
    fill(mail_server, address, "small")
    mail_server.deliver(address, mail("large", "x" * 60 + "\n" + "y" * 70_000).as_bytes())
    box = mailboxes.open(address)
    large = box.page(Query(), None, 5).messages[0]
    assert (large.whole, 20_000 < len(large.raw) < 30_000, large.size_bytes > 70_000) == (False, True, True)
    assert box.message(large.id).whole
    assert len(box.message(large.id).raw) == large.size_bytes


# --- searches


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(words="größe"), ["Größe"]),
        (Query(words="価格"), ["Größe"]),
        (Query(words="größe 価格"), ["Größe"]),
        (Query(words="größe nowhere"), []),
        (Query(words='"two words"'), ["plain"]),
        (Query(words='"words two"'), []),
        (Query(words="words two"), ["plain"]),
        (Query(words='price) (50%) {5} * \\ " ]'), []),
        (Query(words="(50%)"), ["odd"]),
        (Query(words="{5}"), ["odd"]),
        (Query(words="back\\slash"), ["odd"]),
        (Query(words="two\r\nA1 DELETE INBOX"), []),
        (Query(sender="carl@far.example"), ["odd"]),
        (Query(unread=True), ["odd", "plain"]),
        (Query(unread=False), ["Größe"]),
        (Query(unread=True, words="two", sender="ada"), ["plain"]),
        (Query(since=datetime.now(UTC) - timedelta(hours=1)), ["odd", "plain", "Größe"]),
        (Query(since=datetime.now(UTC) + timedelta(hours=1)), []),
    ],
)
def test_a_search_means_its_words_and_nothing_else(
    mail_server: MailServer, mailboxes: Mailboxes, searched: str, query: Query, found: list[str]
) -> None:
    shown = mailboxes.open(searched).page(query, None, 10)
    assert [
        names for one in shown.messages for names in ("Größe", "plain", "odd") if name_of(one.raw) == names
    ] == found


def name_of(raw: bytes) -> str:
    import email
    import email.policy

    return str(email.message_from_bytes(raw, policy=email.policy.default)["subject"])


@pytest.fixture(scope="module")
def searched(mail_server: MailServer) -> str:
    address = mail_server.user("searched")
    fill(mail_server, address, "Größe")
    with imap(mail_server, address) as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
    mail_server.deliver(address, mail("Größe", "Die Größe und 価格.").as_bytes())
    mail_server.deliver(address, mail("plain", "Here are two words.").as_bytes())
    mail_server.deliver(
        address, mail("odd", "It costs (50%) {5} back\\slash.", From="Carl <carl@far.example>").as_bytes()
    )
    with imap(mail_server, address) as client:
        client.select("INBOX")
        client.store("1", "+FLAGS", "\\Seen")
    return address


@pytest.mark.parametrize(
    "folder", ["Zürich & Köln", 'say "hi"', "back\\slash", "日本語", "a b", "100%", "A*B", "x]y", "🦊"]
)
def test_folders_have_any_name(mail_server: MailServer, mailboxes: Mailboxes, named: ImapMailbox, folder: str) -> None:
    named._folders.session.create(folder)
    named._folders._listed = None
    assert folder in named.labels()
    uid = named._folders.session.append(folder, mail("inside").as_bytes(), ())
    shown = named.page(Query(label=folder), None, 5)
    assert (subjects(shown.messages), shown.messages[0].labels) == (["inside"], (folder,))
    assert shown.messages[0].id.startswith(f"{uid}.")
    assert subjects([named.message(shown.messages[0].id)]) == ["inside"]


@pytest.fixture(scope="module")
def named(mail_server: MailServer) -> Iterator[ImapMailbox]:
    from llmcoder.settings import EngineSettings
    from llmcoder.testing import FakeContext
    from tasks.email.imap_account import ImapAccount
    from tasks.email.settings import ImapSettings

    settings = EngineSettings(fetch_allow=("127.0.0.1",)), ImapSettings(mail_ca_file=mail_server.ca_file)
    account = ImapAccount(**mail_server.account(mail_server.user("named")))
    with closing(ImapMailbox(account, FakeContext(settings))) as found:
        yield found


def test_a_label_may_be_a_use_and_an_unknown_one_is_not_found(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("uses")
    put(mail_server, address, "Projects", mail("inside").as_bytes())
    put(mail_server, address, "Sent", mail("sent").as_bytes())
    box = mailboxes.open(address)
    assert subjects(box.page(Query(label="SENT"), None, 5).messages) == ["sent"]
    assert subjects(box.page(Query(label="inbox"), None, 5).messages) == []
    with pytest.raises(NotFound, match="Did you mean Projects"):
        box.page(Query(label="Project"), None, 5)
    with pytest.raises(NotFound):
        box.page(Query(label="x\r\nA1 LOGOUT"), None, 5)


# --- single messages


@pytest.mark.parametrize("name", ["", "x", "1.2", "1.2.", "a.b.INBOX", "1.1.INBOX", "9.{validity}.INBOX", "1.1.None"])
def test_an_id_of_no_message_is_not_found(mail_server: MailServer, mailboxes: Mailboxes, lone: str, name: str) -> None:
    box = mailboxes.open(lone)
    validity = box.page(Query(), None, 1).messages[0].id.split(".")[1]
    with pytest.raises(NotFound):
        box.message(name.format(validity=validity))


@pytest.fixture(scope="module")
def lone(mail_server: MailServer) -> str:
    address = mail_server.user("lone")
    fill(mail_server, address, "only")
    return address


def test_a_mail_that_came_in_after_the_folder_was_opened_is_shown(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    address = mail_server.user("late")
    fill(mail_server, address, "first")
    box, other = mailboxes.open(address), mailboxes.open(address)
    box.message(box.page(Query(), None, 1).messages[0].id)
    fill(mail_server, address, "second")
    newest = other.page(Query(), None, 1).messages[0].id
    assert subjects([box.message(newest)]) == ["second"]


# --- conversations


def test_a_conversation_is_read_over_folders_by_what_refers_to_what(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    address = mail_server.user("talks")
    root, answer = mark("status"), mark("answer")
    fill(mail_server, address, "status")
    put(mail_server, address, "Sent", mail("answer", In_Reply_To=root, References=root).as_bytes())
    put(mail_server, address, "Archive", mail("aside", In_Reply_To=root).as_bytes())
    fill(mail_server, address, "last", In_Reply_To=answer, References=f"{root} {answer}")
    fill(mail_server, address, "far", References=mark("last"))
    other = mail("status")
    del other["Message-ID"]
    other["Message-ID"] = mark("status of last week")
    mail_server.deliver(address, other.as_bytes())
    fill(mail_server, address, "similar", In_Reply_To=root.replace("<", "<not."))
    box = mailboxes.open(address)
    shown = {name_of(one.raw): one for one in box.page(Query(), None, 20).messages}
    for start in ("last", "far"):
        found = box.thread(shown[start].id)
        assert sorted(subjects(found)) == ["answer", "aside", "far", "last", "status"]
        assert [one.received_at for one in found] == sorted(one.received_at for one in found)
        assert all(one.whole for one in found)
    assert sorted({one.labels[0] for one in box.thread(shown["last"].id)}) == ["Archive", "INBOX", "Sent"]
    assert len(box.thread(shown["last"].id, limit=2)) == 2
    assert shown["last"].id in [one.id for one in box.thread(shown["last"].id, limit=1)]


def test_of_several_copies_the_one_that_was_asked_about_counts(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("copies")
    put(mail_server, address, "Sent", mail("to me").as_bytes())
    fill(mail_server, address, "to me")
    box = mailboxes.open(address)
    mine = box.page(Query(label="Sent"), None, 5).messages[0].id
    assert [one.id for one in box.thread(mine)] == [mine]


def test_a_mail_without_a_message_id_is_a_conversation_of_its_own(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    address = mail_server.user("bare")
    put(mail_server, address, "INBOX", b"Subject: bare\r\n\r\nhi\r\n", b"Subject: bare\r\n\r\nhi\r\n")
    box = mailboxes.open(address)
    assert subjects(box.thread(box.page(Query(), None, 5).messages[0].id)) == ["bare"]


# --- sorting


def test_labels_are_flags_and_keywords(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("labels")
    fill(mail_server, address, "one", "two")
    box = mailboxes.open(address)
    ids = [one.id for one in box.page(Query(), None, 5).messages]
    box.relabel(ids, ["STARRED", "Invoice-2024"], ["UNREAD"])
    shown = box.page(Query(), None, 5).messages
    assert [(set(one.labels), one.unread) for one in shown] == [({"INBOX", "STARRED", "Invoice-2024"}, False)] * 2
    box.relabel(ids[:1], ["UNREAD"], ["STARRED", "Invoice-2024"])
    first = box.page(Query(), None, 5).messages[0]
    assert (first.labels, first.unread) == (("INBOX",), True)
    for label in ("two words", "Größe", "x)", "", "\\Deleted", "a\r\nb"):
        with pytest.raises(BadInput):
            box.relabel(ids, [label], [])


def test_archived_messages_can_be_found_and_brought_back(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("archives")
    fill(mail_server, address, "one", "two", "three")
    box = mailboxes.open(address)
    ids = [one.id for one in box.page(Query(), None, 5).messages][:2]
    moved = box.archive(ids)
    assert subjects([box.message(one) for one in moved]) == ["three", "two"]
    assert subjects(box.page(Query(), None, 5).messages) == ["one"]
    assert box.archive(moved) == moved, "what is in no inbox stays where it is"
    assert box.archive(ids) == [], "they are gone from there"
    box.relabel(moved, ["INBOX"], [])
    assert sorted(subjects(box.page(Query(), None, 5).messages)) == ["one", "three", "two"]


# --- what comes in


def test_what_came_in_is_told_once_in_order_and_in_portions(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("arrives")
    fill(mail_server, address, "old")
    box = mailboxes.open(address)
    start = box.arrivals(None, None, 10)
    assert (start.ids, start.gap) == ((), None)
    assert box.arrivals(start.cursor, None, 10).ids == (), "n:* would name the last message again"
    fill(mail_server, address, *"abcde")
    first = box.arrivals(start.cursor, None, 3)
    rest = box.arrivals(first.cursor, None, 3)
    assert subjects([box.message(one) for one in (*first.ids, *rest.ids)]) == list("abcde")
    assert (first.more, rest.more, first.gap) == (True, False, None)
    assert box.arrivals(rest.cursor, None, 3).ids == ()
    with imap(mail_server, address) as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS", "\\Deleted")
        client.expunge()
    fill(mail_server, address, "f")
    assert len(box.arrivals(rest.cursor, None, 3).ids) == 1
    with pytest.raises(BadInput):
        box.arrivals("nonsense", None, 3)


def test_a_folder_that_was_made_anew_is_a_gap(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("anew")
    put(mail_server, address, "News", mail("old").as_bytes())
    box = mailboxes.open(address)
    start = box.arrivals(None, "News", 10)
    old = box.page(Query(label="News"), None, 5).messages[0].id
    with imap(mail_server, address) as client:
        client.delete("News")
    put(mail_server, address, "News", mail("new").as_bytes())
    found = box.arrivals(start.cursor, "News", 10)
    assert (found.ids, "made anew" in (found.gap or "")) == ((), True)
    assert box.arrivals(found.cursor, "News", 10).gap is None
    with pytest.raises(NotFound, match="made anew"):
        box.message(old)


# --- what goes wrong


def test_a_restart_of_the_server_in_the_middle_is_told_and_then_forgotten(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    address = mail_server.user("restarts")
    fill(mail_server, address, "kept")
    box = mailboxes.open(address)
    found = box.page(Query(), None, 5).messages[0].id
    mail_server.restart()
    with pytest.raises(Transient):
        box.message(found)
    assert subjects([box.message(found)]) == ["kept"]


def test_a_cancelled_job_stops_looking(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("cancels")
    ctx = mailboxes.context(cancel_after=30)
    box = mailboxes.open(address, ctx=ctx)
    with pytest.raises(Cancelled):
        for _ in range(50):
            box.page(Query(), None, 5)
    with pytest.raises(Cancelled):
        box.labels()


def test_a_message_too_large_to_be_read_is_refused_before(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.email import imap as module

    monkeypatch.setattr(module, "LARGEST_MESSAGE_BYTES", 1_000)
    address = mail_server.user("too_large")
    mail_server.deliver(address, mail("large", "x" * 2_000).as_bytes())
    box = mailboxes.open(address)
    with pytest.raises(Refused, match="too large"):
        box.message(box.page(Query(), None, 5).messages[0].id)


@pytest.mark.parametrize("security", ["tls", "starttls", "plain"])
def test_every_way_to_be_safe_is_spoken(mail_server: MailServer, mailboxes: Mailboxes, security: str) -> None:
    address = mail_server.user(f"speaks_{security}")
    port = mail_server.imaps if security == "tls" else mail_server.imap
    box = mailboxes.open(address, imap_port=port, imap_security=security)
    assert "INBOX" in box.labels()
