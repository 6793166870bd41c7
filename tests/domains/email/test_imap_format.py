"""What passes between mail and IMAP, without a server."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcoder.errors import BadInput, NotFound
from tasks.email import imap_format as fmt
from tasks.email.imap_client import _copied
from tasks.email.imap_format import Folder
from tasks.email.imap_protocol import _argument
from tasks.email.mailbox import Query
from tasks.email.rfc822 import header_of, with_header, without_headers

TEXT = st.text(st.characters(codec="utf-8"), min_size=1)


@given(TEXT, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_an_id_names_one_message_of_one_folder_and_fits_an_address(folder: str, validity: int, uid: int) -> None:
    place = fmt.MessagePlace(folder, validity, uid)
    assert fmt.MessagePlace.parse(str(place)) == place
    assert str(place).isascii() and "/" not in str(place) and " " not in str(place)


@given(st.text())
def test_whatever_is_no_id_or_cursor_is_said_to_be_none(text: str) -> None:
    for parse, error in ((fmt.MessagePlace.parse, NotFound), (lambda one: fmt.Mark.parse(one, 7), BadInput)):
        with suppress(error):
            parse(text)


@given(st.text())
def test_a_text_that_is_searched_for_is_never_syntax(text: str) -> None:
    argument = _argument(fmt.SearchText(text))
    assert b"\r" not in argument and b"\n" not in argument and b"\0" not in argument
    if argument.isascii():
        inside = argument[1:-1].replace(b"\\\\", b"").replace(b'\\"', b"")
        assert argument[:1] == argument[-1:] == b'"' and b'"' not in inside and b"\\" not in inside


def test_a_search_says_all_that_is_asked() -> None:
    since = datetime(2024, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=14)))
    query = Query(words='big "two words" ""', unread=True, sender="ada", since=since)
    assert fmt.criteria(query) == [
        "UNDELETED", "UNSEEN", "FROM", "ada", "SINCE", "28-Feb-2024", "TEXT", "big", "TEXT", "two words"
    ]  # fmt: skip
    assert fmt.criteria(Query()) == ["UNDELETED"]
    assert len(fmt.criteria(Query(words="x " * 500))) == 1 + 2 * fmt.MOST_WORDS


def test_one_of_many_is_asked_in_one_question() -> None:
    assert fmt.any_of(["A"], ["<1>"]) == ["UNDELETED", "HEADER", "A", "<1>"]
    assert fmt.any_of(["A", "B"], ["<1>"]) == ["UNDELETED", "OR", "HEADER", "A", "<1>", "HEADER", "B", "<1>"]


def folder(name: str, *flags: str, delimiter: str = "/") -> Folder:
    return Folder(name, frozenset(flags), delimiter)


def test_folders_are_found_by_what_the_account_says_then_the_server_then_their_names() -> None:
    flagged = [folder("INBOX"), folder("Sent"), folder("Verschickt", "\\sent")]
    assert fmt.special(flagged, fmt.SENT, "Mine") == "Mine"
    assert fmt.special(flagged, fmt.SENT, None) == "Verschickt"
    assert fmt.special([folder("INBOX.ENTWÜRFE", delimiter=".")], fmt.DRAFTS, None) == "INBOX.ENTWÜRFE"
    assert fmt.special([folder("Sent Items"), folder("Sent")], fmt.SENT, None) == "Sent"
    assert fmt.special([folder("INBOX")], fmt.SENT, None) is None
    assert fmt.special([folder("[Gmail]/All Mail", "\\all")], fmt.ARCHIVE, None) == "[Gmail]/All Mail"


def test_flags_are_told_as_labels_and_back() -> None:
    assert fmt.labels_of(["\\Seen", "\\Flagged", "$Work", "\\Recent", "\\Answered"]) == ["STARRED", "$Work", "ANSWERED"]
    assert (fmt.flag_of("starred"), fmt.flag_of("$Work")) == ("\\Flagged", "$Work")


def test_a_message_whose_server_says_little_is_still_one() -> None:
    found = fmt.stored(fmt.MessagePlace("INBOX", 1, 2), {})
    assert (found.raw, found.whole, found.unread, found.received_at) == (
        b"",
        True,
        True,
        datetime(1970, 1, 1, tzinfo=UTC),
    )


def test_where_copies_went_is_read_from_ranges() -> None:
    assert _copied([b"7 5,9:7 20:23"]) == {5: 20, 7: 21, 8: 22, 9: 23}
    assert _copied([None]) == _copied([b"7 1:3 5"]) == {}


# --- headers as bytes

MAIL = b"Subject: one\r\n two\r\nBCC: x,\r\n\ty\r\nMessage-Id:\r\n <1@x>\r\n\r\nBcc: in the text\r\n"


def test_a_header_is_taken_out_with_all_its_lines_and_nothing_else() -> None:
    assert (
        without_headers(MAIL, ("bcc",)) == b"Subject: one\r\n two\r\nMessage-Id:\r\n <1@x>\r\n\r\nBcc: in the text\r\n"
    )
    assert (header_of(MAIL, "Subject"), header_of(MAIL, "message-id"), header_of(MAIL, "to")) == (
        "one two",
        "<1@x>",
        "",
    )
    assert header_of(with_header(MAIL, "X-Mark", "1"), "x-mark") == "1"


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\r\nBcc: text", b"no header\nBcc : x\n\nbody", b"Bcc: x", b"A: 1\n\nBcc: t"]
)
def test_odd_headers_are_left_as_they_are(raw: bytes) -> None:
    assert without_headers(raw, ()) == raw
    assert without_headers(raw, ("bcc",)).count(b"t") == raw.replace(b"Bcc: x", b"").replace(b"Bcc : x", b"").count(
        b"t"
    )


@given(st.binary())
def test_any_bytes_pass_through_whole(raw: bytes) -> None:
    assert without_headers(raw, ("a header that cannot be",)) == raw
    assert isinstance(header_of(raw, "subject"), str)
