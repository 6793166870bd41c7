"""Writing mails: threading, addresses, alphabets, files, and what is refused."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email import policy

import pytest

from llmcoder import BadInput
from llmcoder.ids import new_id
from tasks.email.addresses import Address
from tasks.email.reading import read
from tasks.email.writing import (
    File,
    Letter,
    build,
    file_of,
    message_id,
    parsed,
    references_of,
    reply_subject,
    reply_to,
)

ME = Address("ann@example.org", "Ann Ö")
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def letter(**wanted: object) -> Letter:
    plain = {"sender": ME, "to": [Address("bob@example.org")], "subject": "Hello", "text": "Hi"}
    return Letter(**(plain | wanted))  # type: ignore[arg-type]


def round_trip(one: Letter) -> email.message.EmailMessage:
    raw = build(one, "<1@example.org>", NOW).as_bytes(policy=policy.SMTP)
    return email.message_from_bytes(raw, policy=policy.default)


@pytest.mark.parametrize(
    "text", ["Grüße, Åsa", "🐹 hamsters", "שלום עולם", "مرحبا", "日本語", "a" * 5_000, "\n.\nlone dot\n"]
)
def test_every_alphabet_arrives_as_it_was_written(text: str) -> None:
    subject = text[:100].replace("\n", " ").strip()
    found = round_trip(letter(subject=subject, text=text))
    assert found.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert found["Subject"] == subject


def test_a_reply_stays_in_its_conversation() -> None:
    original = read(
        b"From: bob@x.org\r\nMessage-ID: <3@x>\r\nReferences: <1@x> <2@x>\r\nSubject: AW: Re: Hello\r\n\r\nHi"
    )
    found = round_trip(letter(subject=reply_subject(original.subject), references=references_of(original)))
    assert (found["Subject"], found["In-Reply-To"], found["References"]) == ("Re: Hello", "<3@x>", "<1@x> <2@x> <3@x>")


def test_a_long_conversation_is_named_by_its_beginning_and_its_end() -> None:
    ids = " ".join(f"<{n}@x>" for n in range(100))
    found = references_of(read(f"Message-ID: <last@x>\r\nReferences: {ids}\r\n\r\n".encode()))
    assert (len(found), found[0], found[-1]) == (20, "<0@x>", "<last@x>")


def test_ids_that_are_longer_than_a_line_stay_as_they_are() -> None:
    ids = [f"<{char * 90}@AM0PR04MB12345.eurprd04.prod.outlook.com>" for char in "abc"]
    original = read(f"Message-ID: {ids[2]}\r\nReferences: {ids[0]}\r\n {ids[1]}\r\n\r\n".encode())
    references = references_of(original)
    assert references == ids
    for form in (policy.SMTP, policy.SMTPUTF8, policy.default):
        raw = build(letter(references=references), "<1@example.org>", NOW).as_bytes(policy=form)
        found = email.message_from_bytes(raw)
        assert str(found["References"]).split() == ids
        assert str(found["In-Reply-To"]).strip() == ids[2]
        assert max(map(len, raw.splitlines())) < 998


def test_ids_that_cannot_be_written_are_left_out() -> None:
    strange = "<\u00fc@x>", f"<{'x' * 950}@x>"
    raw = f"Message-ID: <1@x>\r\nReferences: {' '.join(strange)} <0@x>\r\n\r\n".encode()
    assert references_of(read(raw)) == ["<0@x>", "<1@x>"]


@pytest.mark.parametrize(
    ("subject", "reply"),
    [
        ("Hello", "Re: Hello"),
        ("Re: Hello", "Re: Hello"),
        ("RE[2]: Sv: hello", "Re: hello"),
        ("", "Re:"),
        ("Reply", "Re: Reply"),
    ],
)
def test_there_is_one_re(subject: str, reply: str) -> None:
    assert reply_subject(subject) == reply


@pytest.mark.parametrize(
    ("headers", "to_all", "to", "cc"),
    [
        ("From: bob@x.org\r\nTo: ann@example.org, eve@x.org\r\nCc: joe@x.org", False, ["bob@x.org"], []),
        (
            "From: bob@x.org\r\nTo: ann@example.org, eve@x.org\r\nCc: joe@x.org",
            True,
            ["bob@x.org"],
            ["eve@x.org", "joe@x.org"],
        ),
        ("From: bob@x.org\r\nReply-To: list@x.org\r\nTo: ANN@example.org", True, ["list@x.org"], []),
        ("From: ann@example.org\r\nTo: bob@x.org\r\nCc: eve@x.org", True, ["bob@x.org"], ["eve@x.org"]),  # our own mail
        ("From: ann@example.org\r\nTo: ann@example.org", False, ["ann@example.org"], []),  # a note to ourselves
        ("To: x@x.org", False, [], []),
    ],
)
def test_a_reply_goes_to_whom_people_expect(headers: str, to_all: bool, to: list[str], cc: list[str]) -> None:
    found = reply_to(read(f"{headers}\r\n\r\n".encode()), ME.email, to_all=to_all)
    assert ([one.email for one in found[0]], [one.email for one in found[1]]) == (to, cc)


def test_files_and_images_come_along() -> None:
    logo = File("logo.png", "image/png", b"\x89PNG", cid="logo")
    report = File("Bericht €.pdf", "application/pdf", b"%PDF")
    found = round_trip(letter(html='<img src="cid:logo">', files=[logo, report]))
    [attached] = found.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Bericht €.pdf", b"%PDF")
    assert found.get_body(("plain",)).get_content().strip() == "Hi"  # type: ignore[union-attr]
    inline = [part for part in found.walk() if part.get("content-id")]
    assert [(part["content-id"], part.get_content()) for part in inline] == [("<logo>", b"\x89PNG")]


@pytest.mark.parametrize("where", ["subject", "to", "name"])
def test_a_line_break_cannot_add_a_header(where: str) -> None:
    evil = "x\r\nBcc: victim@example.org"
    name = Address("ann@example.org", evil)
    wanted = {"subject": {"subject": evil}, "to": {"to": [Address(evil)]}, "name": {"sender": name}}[where]
    with pytest.raises(BadInput, match="header cannot be written"):
        build(letter(**wanted), "<1@example.org>", NOW)


@pytest.mark.parametrize(
    "text", ["", "nobody", "a b@example.org", "@example.org", "ann@", "a@b,c@d", "x\r\n@example.org"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no mail address such as"):
        parsed(text)


def test_addresses_of_other_alphabets_are_written_for_every_server() -> None:
    found = round_trip(letter(to=[parsed("Jürgen <juergen@bücher.example>")]))
    assert found["To"] == "Jürgen <juergen@xn--bcher-kva.example>"


def test_a_mail_that_no_server_takes_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadInput, match="at most 26214400 are sent"):
        build(letter(files=[File("a", "a/b", b"x" * 26_000_000)]), "<1@example.org>", NOW)
    with pytest.raises(BadInput, match="no recipients"):
        build(letter(to=[]), "<1@example.org>", NOW)
    with pytest.raises(BadInput, match=r"'a\.pdf' is not base64"):
        file_of("a.pdf", "application/pdf", "!!!", None)


def test_the_message_id_is_the_same_for_every_attempt() -> None:
    job = new_id()
    assert message_id(job, "ann@example.org") == message_id(job, "ann@example.org") == f"<{job}@example.org>"
    assert message_id(job, "ann@example.org", 2) == f"<{job}.2@example.org>"
    assert message_id(job, "änn@bücher.example").isascii()
