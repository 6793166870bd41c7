"""Gmail as a mailbox: the real client library over real HTTP; every request is held against Google's contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import make_msgid

import gmail_server
import pytest
from gmail_kit import LETTER, context, letter, mailbox
from gmail_server import ADDRESS, Gmail

from llmcoder import BadInput, NotFound, Refused, Uncertain
from llmcoder.ids import new_id
from tasks.email import gmail as provider
from tasks.email.gmail_client import LARGEST_INLINE_BYTES
from tasks.email.gmail_format import LARGEST_BYTES, OWN_ID, header_of
from tasks.email.mailbox import Query


def parsed(raw: bytes):
    return message_from_bytes(raw, policy=policy.default)


# --- looking


def test_a_page_has_the_newest_first_with_headers_only_and_goes_on_where_it_ended(gmail):
    for number in range(5):
        gmail.receive(f"Letter {number}", at_ms=1_700_000_000_000 + number)
    gmail.receive("Thrown away", labels=["TRASH"])
    box = mailbox(gmail)
    first = box.page(Query(), None, 3)
    second = box.page(Query(), first.next, 3)
    subjects = [parsed(one.raw)["Subject"] for one in (*first.messages, *second.messages)]
    assert subjects == [f"Letter {number}" for number in (4, 3, 2, 1, 0)]
    assert (first.about, second.next) == (5, None)
    newest = first.messages[0]
    assert (newest.whole, newest.unread, newest.labels) == (False, True, ("INBOX", "UNREAD"))
    assert newest.snippet == "Hi & welcome"
    assert newest.received_at == datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(milliseconds=4)
    assert newest.size_bytes > 100 and newest.thread_id == newest.id


def test_an_empty_mailbox_is_an_empty_page(gmail):
    assert mailbox(gmail).page(Query(), None, 10).messages == ()


def test_a_query_narrows_by_label_reader_sender_and_time(gmail):
    gmail.labels["Label_9"] = "Kunden"
    early = gmail.receive("Early", labels=["INBOX"], at_ms=1_700_000_000_000)
    late = gmail.receive("Late", sender="Erik <erik@example.org>", labels=["Label_9"], at_ms=1_700_000_100_000)
    unread = gmail.receive("Unread", at_ms=1_700_000_200_000)
    box = mailbox(gmail)

    def ids(**wanted):
        return [one.id for one in box.page(Query(**wanted), None, 10).messages]

    assert ids() == [unread.id, early.id]
    assert ids(label="kunden") == ids(sender='erik@example.org"(', label="ALL") == [late.id]
    assert ids(words="in:anywhere late") == []
    assert ids(unread=False) == [early.id]
    assert ids(unread=True) == [unread.id]
    at = datetime.fromtimestamp(1_700_000_100, UTC)
    assert ids(since=at, label="ALL") == [unread.id, late.id]
    assert ids(since=at + timedelta(milliseconds=1), label="ALL") == [unread.id]
    assert box.page(Query(label="Kunden"), None, 10).messages[0].labels == ("Kunden",)
    with pytest.raises(NotFound, match="Lieferanten"):
        ids(label="Lieferanten")
    assert "OR" in str(box.page(Query(words="a OR b", unread=True), None, 10)) or gmail.asked(
        "%28a+OR+b%29+is%3Aunread"
    )


def test_headers_in_any_script_can_be_read_by_the_standard_library(gmail):
    gmail.receive("Grüße aus Łódź", sender='"Müller, Jürgen" <jm@example.org>', headers={"Cc": "plain@example.org"})
    header = parsed(mailbox(gmail).page(Query(), None, 1).messages[0].raw)
    assert header["Subject"] == "Grüße aus Łódź"
    assert [(one.display_name, one.addr_spec) for one in header["From"].addresses] == [
        ("Müller, Jürgen", "jm@example.org")
    ]
    assert header["Cc"] == "plain@example.org"


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("Müller, Jürgen <jm@x.org>", [("Müller, Jürgen", "jm@x.org")]),
        ('b@y.org, "Ł, \\"J\\"" <l@x.org>, A <a@x.org>', [("", "b@y.org"), ('Ł, "J"', "l@x.org"), ("A", "a@x.org")]),
        ("Åsa <å@x.org>", None),
        ("Кому <k@x.org>, ", [("Кому", "k@x.org")]),
    ],
)  # fmt: skip
def test_a_decoded_list_of_addresses_is_written_as_addresses_again(listed, names):
    message = {"payload": {"headers": [{"name": "To", "value": listed}, {"name": "Subject", "value": "x\r\n y"}]}}
    header = parsed(header_of(message))
    assert header["Subject"] == "x y"
    if names is not None:
        assert [(one.display_name, one.addr_spec) for one in header["To"].addresses] == names


def test_a_message_that_is_deleted_between_list_and_look_is_left_out(gmail):
    kept = gmail.receive("Kept")
    gone = gmail.receive("Gone")
    gmail.next(f"GET /gmail/v1/users/me/messages/{gone.id}", "refuse", 404, {})
    gmail.next(f"GET /gmail/v1/users/me/messages/{gone.id}", "refuse", 404, {})
    assert [one.id for one in mailbox(gmail).page(Query(), None, 10).messages] == [kept.id]


def test_a_message_comes_byte_for_byte(gmail):
    kept = gmail.put(b"Subject: odd\r\n\r\n\xff\x00 bare\nlines\r\n", ["INBOX"])
    found = mailbox(gmail).message(kept.id)
    assert (found.raw, found.whole) == (kept.raw, True)


def test_a_message_too_large_to_take_in_comes_as_its_header(gmail, monkeypatch):
    monkeypatch.setattr("tasks.email.gmail_client.LARGEST_ANSWER_BYTES", 20_000)
    kept = gmail.receive("Huge", text="x" * 50_000)
    found = mailbox(gmail).message(kept.id)
    assert (found.whole, parsed(found.raw)["Subject"], found.size_bytes) == (False, "Huge", len(kept.raw))


def test_a_conversation_is_whole_oldest_first_without_drafts_and_trash(gmail):
    first = gmail.receive("Plan", at_ms=1)
    second = gmail.put(first.raw, ["SENT"], first.id, 2)
    gmail.put(first.raw, ["DRAFT"], first.id, 3)
    thrown = gmail.put(first.raw, ["TRASH"], first.id, 4)
    third = gmail.put(first.raw, ["INBOX"], first.id, 5)
    box = mailbox(gmail)
    found = box.thread(second.id)
    assert [one.id for one in found] == [first.id, second.id, third.id]
    assert all(one.whole for one in found)
    assert [one.id for one in box.thread(second.id, limit=2)] == [second.id, third.id]
    assert thrown.id in [one.id for one in box.thread(thrown.id)]


def test_of_a_huge_conversation_the_one_that_is_meant_and_the_newest_are_whole(gmail, monkeypatch):
    monkeypatch.setattr(provider, "WHOLE_THREAD_BYTES", 8_000)
    first = gmail.receive("Plan", text="x" * 3_000, at_ms=1)
    for at in (2, 3):
        gmail.put(first.raw, ["INBOX"], first.id, at)
    assert [one.whole for one in mailbox(gmail).thread(first.id)] == [True, False, True]


# --- drafts


def test_a_draft_is_kept_in_its_conversation_and_replaced_not_doubled(gmail):
    asked = gmail.receive("Question")
    message = letter(subject="Re: Question", In_Reply_To="<q@example.org>")
    box = mailbox(gmail)
    first = box.save_draft(message, asked.thread_id)
    message.set_content("Better words.\n")
    second = box.save_draft(message, asked.thread_id)
    assert first.id == second.id and len(gmail.drafts) == 1
    assert second.thread_id == asked.thread_id
    kept = parsed(gmail.messages[gmail.drafts[second.id]].raw)
    assert (kept["In-Reply-To"], kept.get_content().strip()) == ("<q@example.org>", "Better words.")


def test_a_draft_is_found_before_the_search_knows_it(gmail):
    gmail.index_lags = True
    message = letter()
    box = mailbox(gmail)
    kept = box.save_draft(message, None)
    assert box.find_draft(message["Message-ID"]).id == box.save_draft(message, None).id == kept.id
    assert box.find_draft("<never@made.example>") is None
    assert (box.has_draft(kept.id), box.has_draft("r-77")) == (True, False)


def test_a_draft_that_vanishes_while_it_is_replaced_is_made_anew(gmail):
    message = letter()
    box = mailbox(gmail)
    box.save_draft(message, None)
    gmail.next("PUT /gmail/v1/users/me/drafts", "refuse", 404, {})
    assert box.save_draft(message, None).id == "r-2"


# --- sending


def test_a_reply_goes_out_in_its_thread_and_says_which_message_id_it_got(gmail):
    asked = gmail.receive("Question")
    message = letter(subject="Re: Question", In_Reply_To="<q@example.org>", References="<q@example.org>")
    done = mailbox(gmail).send(message, ["dora@example.org"], asked.thread_id)
    assert (done.thread_id, done.message_id) == (asked.thread_id, "<CA1@mail.gmail.com>")
    assert message["Message-ID"] in done.note
    out = parsed(gmail.sent[0])
    assert (out["References"], out.get_content().strip()) == ("<q@example.org>", LETTER.strip())
    assert "Bcc" not in message and OWN_ID not in message, "the message itself is left as it was"


def test_where_gmail_keeps_the_message_id_there_is_nothing_to_note(gmail):
    gmail.replaces_ids = False
    message = letter()
    done = mailbox(gmail).send(message, ["dora@example.org"], None)
    assert (done.message_id, done.note) == (message["Message-ID"], None)


def test_recipients_whom_the_header_does_not_name_get_a_blind_copy(gmail):
    box = mailbox(gmail)
    box.send(letter(), ["Dora@example.org", "erik@example.org", "Fia <fia@example.org>"], None)
    assert parsed(gmail.sent[0])["Bcc"] == "erik@example.org, Fia <fia@example.org>"
    box.send(letter(Bcc="gus@example.org"), ["dora@example.org", "gus@example.org", "hal@example.org"], None)
    assert parsed(gmail.sent[1])["Bcc"] == "gus@example.org, hal@example.org"


def test_nobody_gets_mail_who_was_not_agreed_on(gmail):
    with pytest.raises(BadInput, match=r"also to erik@example\.org"):
        mailbox(gmail).send(letter(Cc="erik@example.org"), ["dora@example.org"], None)
    assert gmail.sent == []


@pytest.mark.parametrize("draft", [False, True])
def test_a_large_message_is_uploaded_byte_for_byte(gmail, draft):
    asked = gmail.receive("Question")
    message = letter()
    message.add_attachment(bytes(range(256)) * (LARGEST_INLINE_BYTES // 300), maintype="application", subtype="zip")
    box = mailbox(gmail)
    if draft:
        kept = box.save_draft(message, asked.thread_id)
        raw = gmail.messages[gmail.drafts[kept.id]].raw
        assert box.save_draft(message, asked.thread_id).id == kept.id
    else:
        assert box.send(message, ["dora@example.org"], asked.thread_id).thread_id == asked.thread_id
        raw = gmail.sent[0]
    assert raw == f"{OWN_ID}: {message['Message-ID']}\r\n".encode() + message.as_bytes(policy=policy.SMTP)
    assert gmail.asked("/upload/gmail/v1/users/me")


def test_what_gmail_would_not_send_is_refused_before_it_is_uploaded(gmail):
    message = letter()
    message.add_attachment(b"\0" * (LARGEST_BYTES * 3 // 4), maintype="application", subtype="zip")
    with pytest.raises(Refused, match="25 MiB of files"):
        mailbox(gmail).send(message, ["dora@example.org"], None)
    assert gmail.seen == []


# --- was it sent?


@pytest.mark.parametrize(("replaces", "lags"), [(True, False), (True, True), (False, False), (False, True)])
def test_what_was_sent_is_found_whatever_gmail_did_to_its_message_id(gmail, replaces, lags):
    gmail.replaces_ids, gmail.index_lags = replaces, lags
    message = letter()
    box = mailbox(gmail)
    done = box.send(message, ["dora@example.org"], None)
    for _ in range(3):
        box.send(letter(), ["dora@example.org"], None)
    assert box.find_sent(message["Message-ID"]) == done


def test_what_was_not_sent_is_not_found(gmail):
    box = mailbox(gmail)
    message = letter()
    assert box.find_sent(message["Message-ID"]) is None
    box.save_draft(message, None)
    gmail.put(message.as_bytes(), ["INBOX"])
    assert box.find_sent(message["Message-ID"]) is None


def sent_before(gmail: Gmail, count: int, days: float) -> None:
    at_ms = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
    for number in range(count):
        gmail.put(f"Message-ID: <old{number}@x>\r\n\r\n".encode(), ["SENT"], at_ms=at_ms + number)


@pytest.mark.parametrize(
    "header", [f"<{new_id()}@llmcoder.example>", make_msgid(domain="llmcoder.example")], ids=["ours", "msgid"]
)
def test_the_look_ends_where_what_was_sent_is_older_than_the_message(gmail, monkeypatch, header):
    monkeypatch.setattr(provider, "LONGEST_PAGE", 5)
    monkeypatch.setattr(provider, "SENT_LOOKED_AT", 15)
    sent_before(gmail, 30, days=1)
    assert mailbox(gmail).find_sent(header) is None
    assert len(gmail.asked("labelIds=SENT")) == 1


def test_a_look_that_cannot_be_finished_says_so_rather_than_no(gmail, monkeypatch):
    monkeypatch.setattr(provider, "LONGEST_PAGE", 5)
    monkeypatch.setattr(provider, "SENT_LOOKED_AT", 15)
    sent_before(gmail, 30, days=0)
    box = mailbox(gmail)
    for header in (letter()["Message-ID"], "<of-nobody-knows-when@x>"):
        with pytest.raises(Uncertain, match="More than 15 messages"):
            box.find_sent(header)


def test_a_draft_is_sent_once_and_is_a_draft_no_more(gmail):
    message = letter()
    box = mailbox(gmail)
    draft = box.save_draft(message, None)
    done = box.send_draft(draft.id, ["dora@example.org"])
    assert (done.message_id, box.has_draft(draft.id)) == ("<CA1@mail.gmail.com>", False)
    assert box.find_sent(message["Message-ID"]) == done
    with pytest.raises(NotFound):
        box.send_draft(draft.id, ["dora@example.org"])
    assert len(gmail.sent) == 1


def test_a_draft_that_was_changed_to_go_to_others_is_not_sent(gmail):
    box = mailbox(gmail)
    draft = box.save_draft(letter(to="dora@example.org, mallory@example.org"), None)
    with pytest.raises(BadInput, match=r"goes to dora@example\.org, mallory@example\.org by now"):
        box.send_draft(draft.id, ["dora@example.org"])
    assert gmail.sent == []


# --- sorting


def test_labels_go_on_and_off_by_name_and_a_missing_one_is_made(gmail):
    messages = [gmail.receive(f"{number}") for number in range(3)]
    box = mailbox(gmail)
    box.relabel([one.id for one in messages], ["Kunden/Neu", "starred"], ["UNREAD", "Never made"])
    names = {gmail.labels[label] for one in messages for label in one.labels}
    assert names == {"INBOX", "STARRED", "Kunden/Neu"}
    box.relabel([messages[0].id], (), ["kunden/neu"])
    assert "Kunden/Neu" not in [gmail.labels[label] for label in messages[0].labels]
    assert "Kunden/Neu" in box.labels()
    assert len(gmail.asked("POST /gmail/v1/users/me/labels")) == 1


def test_a_thousand_and_one_messages_are_relabelled_in_two_requests(gmail):
    messages = [gmail.put(b"Subject: x\r\n\r\n", ["INBOX", "UNREAD"]) for _ in range(1001)]
    mailbox(gmail).relabel([one.id for one in messages], ["STARRED"], ["UNREAD"])
    assert len(gmail.asked("batchModify")) == 2
    assert all(one.labels == ["INBOX", "STARRED"] for one in messages)


def test_a_label_that_somebody_else_made_meanwhile_is_used(gmail):
    one = gmail.receive("x")
    box = mailbox(gmail)
    box.labels()
    gmail.labels["Label_5"] = "Kunden"
    box.relabel([one.id], ["Kunden"], ())
    assert "Label_5" in one.labels


def test_an_archived_message_leaves_the_inbox_and_stays(gmail):
    one = gmail.receive("x")
    mailbox(gmail).archive([one.id])
    assert (one.labels, one.id in gmail.messages) == (["UNREAD"], True)


def test_a_message_that_is_not_there_is_said_not_to_be(gmail):
    box = mailbox(gmail)
    with pytest.raises(NotFound):
        box.archive(["00000000deadbeef"])
    with pytest.raises(NotFound, match="no such message"):
        box.message("INBOX;7;8")


# --- what comes in


def test_arrivals_begin_now_and_go_on_without_gap_or_double(gmail):
    gmail.receive("Before")
    box = mailbox(gmail)
    start = box.arrivals(None, None, 10)
    assert (start.ids, start.gap) == ((), None)
    came = [gmail.receive(f"{number}").id for number in range(5)]
    gmail.put(b"Subject: mine\r\n\r\n", ["SENT"])
    gmail.put(b"Subject: draft\r\n\r\n", ["DRAFT"])
    found, cursor, rounds = [], start.cursor, 0
    while True:
        batch = box.arrivals(cursor, None, 2)
        found += batch.ids
        cursor, rounds = batch.cursor, rounds + 1
        if not batch.more:
            break
    assert (found, rounds <= 4) == (came, True)
    assert box.arrivals(cursor, None, 2).ids == ()


def test_a_cursor_moves_over_what_does_not_concern_it(gmail):
    box = mailbox(gmail)
    cursor = box.arrivals(None, None, 10).cursor
    for _ in range(7):
        gmail.put(b"Subject: mine\r\n\r\n", ["SENT"])
    last = gmail.receive("Late")
    assert box.arrivals(cursor, None, 2).ids == (last.id,)
    with pytest.raises(BadInput):
        box.arrivals("7:8", None, 2)


def test_of_one_label_only_its_arrivals_come(gmail):
    gmail.labels["Label_9"] = "Kunden"
    box = mailbox(gmail)
    cursor = box.arrivals(None, None, 10).cursor
    gmail.receive("Inbox")
    other = gmail.receive("Kunden", labels=["Label_9"])
    gmail.put(b"Subject: mine\r\n\r\n", ["SENT"])
    assert box.arrivals(cursor, "Kunden", 10).ids == (other.id,)
    assert len(box.arrivals(cursor, "ALL", 10).ids) == 2


def test_a_history_that_is_too_old_is_a_gap_that_is_told(gmail):
    box = mailbox(gmail)
    gmail.receive("Unseen")
    gmail.oldest_history = gmail.clock
    found = box.arrivals("1000", None, 10)
    assert (found.ids, found.cursor) == ((), str(gmail.clock))
    assert "does not go back" in found.gap


# --- the account


def test_the_address_is_the_connections_and_asked_for_where_it_has_none(gmail):
    assert mailbox(gmail).address == ADDRESS
    assert gmail.seen == []
    assert mailbox(gmail, account="").address == ADDRESS
    with mailbox(gmail) as box:
        assert box.labels()


def test_the_token_goes_to_gmail_only(gmail):
    ctx = context(gmail)
    box = mailbox(gmail)
    request = box._messages.list(userId="me")
    request.uri = request.uri.replace("127.0.0.1", "localhost")
    with pytest.raises(BadInput, match="would have gone to localhost"):
        box._client.ask(request)
    assert gmail.seen == [] and ctx.pauses == []


@pytest.fixture
def beside(monkeypatch):
    """`beside(n, happens)`: something happens in the mailbox after the nth page of its history was written."""

    def plan(number, happens):
        pages = 0
        known = Gmail.list_history

        def then(gmail, query, given):
            nonlocal pages
            page, pages = known(gmail, query, given), pages + 1
            if pages == number:
                happens()
            return page

        routes = [(path, then if does is known else does) for path, does in gmail_server.ROUTES]
        monkeypatch.setattr(gmail_server, "ROUTES", routes)

    return plan


@pytest.mark.parametrize("page", [1, 2, 3])
def test_what_comes_in_while_the_pages_of_the_history_are_read_is_not_passed_over(gmail, beside, page):
    box = mailbox(gmail)
    cursor = box.arrivals(None, None, 10).cursor
    for _ in range(2 * provider.HISTORY_PAGE + 1):
        gmail.put(b"Subject: mine\r\n\r\n", ["SENT"])
    came = []
    beside(page, lambda: came.append(gmail.receive("Meanwhile").id))
    first = box.arrivals(cursor, None, 10)
    rest = box.arrivals(first.cursor, None, 10)
    assert came and came[0] in (*first.ids, *rest.ids)


def test_a_history_with_too_much_else_is_a_gap_that_is_told(gmail, monkeypatch):
    monkeypatch.setattr(provider, "EMPTY_PAGES", 1)
    box = mailbox(gmail)
    cursor = box.arrivals(None, None, 10).cursor
    for _ in range(3 * provider.HISTORY_PAGE):
        gmail.put(b"Subject: mine\r\n\r\n", ["SENT"])
    gmail.receive("Unseen")
    found = box.arrivals(cursor, None, 10)
    assert (found.ids, found.more) == ((), False)
    assert "Too much else" in found.gap
