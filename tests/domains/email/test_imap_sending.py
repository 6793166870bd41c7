"""Drafts and sending over real servers: once, with a copy, and honest about what nobody can know."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Callable

import pytest
from imap_kit import Mailboxes, imap, mail, mark, messages
from mail_server import Behaviour, MailServer

from llmcoder.errors import (
    ActionError,
    BadInput,
    Cancelled,
    Forbidden,
    NeedsReconnect,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from tasks.email import imap_sending, smtp
from tasks.email.imap_folders import Folders
from tasks.email.mailbox import Query
from tasks.email.smtp import SmtpSubmission

FAR = "bob@elsewhere.example"


class Died(BaseException):
    """The process ends here; no code of ours goes on."""


def die(*_: object, **__: object) -> None:
    raise Died


def in_folder(server: MailServer, address: str, folder: str) -> list[str]:
    contents = [content for _, content in messages(server, address, folder)]
    return [str(email.message_from_bytes(one)["subject"]) for one in contents]


# --- drafts


def test_a_draft_is_kept_once_and_is_a_draft(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("drafts")
    box = mailboxes.open(address)
    first = box.save_draft(mail("offer", "one"), None)
    second = box.save_draft(mail("offer", "two"), None)
    assert (first.message_id, first.id != second.id) == (mark("offer"), True)
    ((flags, content),) = messages(mail_server, address, "Drafts")
    assert "Draft" in flags and b"two" in content
    found = box.find_draft(mark("offer"))
    assert found is not None and found.id == second.id
    assert box.find_draft("offer@example.org") is None, "a part of a Message-ID is not that Message-ID"
    assert b"two" in box.message(second.id or "").raw


@pytest.mark.parametrize("keeps", [{}, {"drafts_folder": "Skizzen"}])
def test_folders_that_are_missing_are_made(
    mail_server: MailServer, mailboxes: Mailboxes, keeps: dict[str, str]
) -> None:
    address = mail_server.user(f"makes_{len(keeps)}")
    with imap(mail_server, address) as client:
        for folder in ("Drafts", "Sent"):
            client.delete(folder)
    box = mailboxes.open(address, **keeps)
    box.save_draft(mail("offer"), None)
    box.send(mail("sent"), [FAR], None)
    assert in_folder(mail_server, address, keeps.get("drafts_folder", "Drafts")) == ["offer"]
    assert in_folder(mail_server, address, "Sent") == ["sent"]


# --- sending


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_what_is_sent_goes_out_once_with_a_copy_and_without_bcc(
    mail_server: MailServer, mailboxes: Mailboxes, security: str
) -> None:
    address = mail_server.user(f"sends_{security}")
    port = mail_server.smtps if security == "tls" else mail_server.smtp
    box = mailboxes.open(address, smtp_port=port, smtp_security=security)
    subject = f"news {security}"
    message = mail(subject, "Grüße.\n.\n..\n.rest", Bcc="carl@elsewhere.example")
    done = box.send(message, [FAR, "carl@elsewhere.example", address], None)
    (taken,) = mail_server.sent(mark(subject))
    assert taken.recipients == (FAR, "carl@elsewhere.example", address)
    assert b"carl@" not in taken.content and b"x-llmcoder" not in taken.content.lower()
    text = email.message_from_bytes(taken.content, policy=email.policy.default).get_content()
    assert text.replace("\r\n", "\n") == "Grüße.\n.\n..\n.rest\n"
    ((flags, copy),) = messages(mail_server, address, "Sent")
    assert "Seen" in flags and b"carl@" in copy
    assert (done.message_id, done.note) == (mark(subject), None)
    assert box.message(done.id or "").raw == copy
    assert messages(mail_server, address, "Drafts") == []
    assert box.find_sent(mark(subject)) == done
    assert in_folder(mail_server, address, "INBOX") == [subject]


def test_a_mail_that_stands_in_sent_is_not_sent_again(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    box = mailboxes.open(mail_server.user("again"))
    first = box.send(mail("once"), [FAR], None)
    again = box.send(mail("once"), [FAR], None)
    assert (again.id, "not sent again" in (again.note or "")) == (first.id, True)
    assert len(mail_server.sent(mark("once"))) == 1


def test_a_draft_is_sent_as_it_is_and_is_one_no_more(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("sends_draft")
    box = mailboxes.open(address)
    draft = box.save_draft(mail("from draft", "Größe", Bcc=FAR, Date="Mon, 01 Jan 2024 00:00:00 +0000"), None)
    done = box.send_draft(draft.id or "", [FAR])
    (taken,) = mail_server.sent(mark("from draft"))
    assert b"Bcc" not in taken.content and b"2024 00:00" not in taken.content
    assert email.message_from_bytes(taken.content, policy=email.policy.default).get_content() == "Größe\r\n"
    assert (messages(mail_server, address, "Drafts"), in_folder(mail_server, address, "Sent")) == ([], ["from draft"])
    assert box.find_sent(mark("from draft")) == done


def test_a_draft_without_a_message_id_is_not_sent(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("nameless")
    with imap(mail_server, address) as client:
        client.append("Drafts", "(\\Draft)", None, b"Subject: nameless\r\n\r\nhi\r\n")  # type: ignore[arg-type]
    box = mailboxes.open(address)
    with pytest.raises(BadInput, match="no Message-ID"):
        box.send_draft(box.page(Query(label="Drafts"), None, 1).messages[0].id, [FAR])


def test_a_mail_in_utf8_and_to_any_domain_goes_out(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    box = mailboxes.open(mail_server.user("utf8"))
    message = mail("umlaut", To="jürgen@bücher.example")
    box.send(message, ["jürgen@bücher.example"], None)
    (taken,) = mail_server.sent(mark("umlaut"))
    assert taken.recipients == ("jürgen@xn--bcher-kva.example",)
    assert "jürgen".encode() in taken.content


@pytest.mark.parametrize("address", ["no at", "a b@x.example", "a@x>\r\nRCPT TO:<b@x.example", "", "<a@x.example>"])
def test_what_is_no_address_is_not_sent_to(
    mail_server: MailServer, mailboxes: Mailboxes, idle: str, address: str
) -> None:
    box = mailboxes.open(idle)
    with pytest.raises(BadInput):
        box.send(mail("nowhere"), [address], None)
    with pytest.raises(BadInput):
        box.send(mail("nowhere"), [], None)
    assert mail_server.sent(mark("nowhere")) == []
    assert box.find_sent(mark("nowhere")) is None


@pytest.fixture(scope="module")
def idle(mail_server: MailServer) -> str:
    return mail_server.user("idle")


# --- refused


def test_recipients_that_are_refused_are_named_and_the_others_get_it(
    mail_server: MailServer, mailboxes: Mailboxes
) -> None:
    box = mailboxes.open(mail_server.user("partly"))
    behaviour = Behaviour(refuse={"nobody@elsewhere.example": "550 5.1.1 nobody here", "x@far.example": "450 later"})
    with mail_server.behave(behaviour):
        done = box.send(mail("partly"), ["nobody@elsewhere.example", FAR, "x@far.example"], None)
    assert mail_server.sent(mark("partly"))[0].recipients == (FAR,)
    assert done.note == (
        "The server did not take it for nobody@elsewhere.example (550 5.1.1 nobody here); x@far.example (450 later)."
    )
    assert done.id is not None


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        (Behaviour(refuse={FAR: "550 5.1.1 nobody here"}), Refused, "nobody here"),
        (Behaviour(refuse={FAR: "450 4.2.1 greylisted"}), Transient, "greylisted"),
        (Behaviour(refuse={FAR: "550 5.4.5 Daily user sending limit exceeded"}), RateLimited, "Daily"),
        (Behaviour(refuse={FAR: "421 4.7.0 go away"}), Transient, "go away"),
        (Behaviour(sender="553 5.7.1 not your address"), Forbidden, "not your address"),
        (Behaviour(sender="451 4.7.1 too many mails"), Transient, "too many mails"),
        (Behaviour(data="554 5.7.1 spam"), Refused, "spam"),
        (Behaviour(data="552 5.3.4 too large"), Refused, "too large"),
        (Behaviour(data="451 4.3.0 try again"), Transient, "try again"),
        (Behaviour(data="452 4.2.2 full"), Transient, "full"),
        (Behaviour(data="530 5.7.0 sign in first"), NeedsReconnect, "sign in first"),
    ],
    ids=str,
)
def test_what_the_server_refuses_was_not_sent_and_leaves_nothing_behind(
    mail_server: MailServer, mailboxes: Mailboxes, idle: str, behaviour: Behaviour, error: type[ActionError], words: str
) -> None:
    box = mailboxes.open(idle)
    with mail_server.behave(behaviour), pytest.raises(error, match=words) as caught:
        box.send(mail("refused"), [FAR], None)
    assert type(caught.value) is error
    assert messages(mail_server, idle, "Drafts") == messages(mail_server, idle, "Sent") == []
    assert box.find_sent(mark("refused")) is None


def test_a_mail_too_large_for_the_server_is_refused_before_it_is_sent(
    mail_server: MailServer, mailboxes: Mailboxes, idle: str
) -> None:
    box = mailboxes.open(idle)
    with pytest.raises(Refused, match=r"46\.\d MB, and 127.0.0.1 takes 41.9 MB"):
        box.send(mail("huge", ("x" * 70 + "\n") * 640_000), [FAR], None)
    assert messages(mail_server, idle, "Drafts") == []


def test_a_mailbox_that_is_full_keeps_no_copy_so_nothing_is_sent(mail_server: MailServer, mailboxes: Mailboxes) -> None:
    address = mail_server.user("full", quota="*:messages=1")
    mail_server.deliver(address, mail("only").as_bytes())
    box = mailboxes.open(address)
    with pytest.raises(Refused, match=r"no copy can be kept.*full"):
        box.send(mail("overflow"), [FAR], None)
    assert mail_server.sent(mark("overflow")) == []
    with pytest.raises(Refused, match="full"):
        box.save_draft(mail("overflow"), None)


def test_another_password_for_sending_is_needed_again(mail_server: MailServer, mailboxes: Mailboxes, idle: str) -> None:
    box = mailboxes.open(idle, smtp_password="wrong-canary")
    with pytest.raises(NeedsReconnect, match="app password") as caught:
        box.send(mail("refused"), [FAR], None)
    assert "canary" not in str(caught.value)
    assert messages(mail_server, idle, "Drafts") == []


# --- whatever dies when


def test_silence_after_the_mails_end_is_uncertain_and_stays_so(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mail_server.user("silence")
    box = mailboxes.open(address)
    monkeypatch.setattr(smtp, "TAKEN_WITHIN_S", 0.5)
    with mail_server.behave(Behaviour(silent=threading.Event())), pytest.raises(Uncertain, match="did not answer"):
        box.send(mail("silence"), [FAR], None)
    for _ in range(2):
        with pytest.raises(Uncertain, match="stands in Drafts"):
            box.find_sent(mark("silence"))
        with pytest.raises(Uncertain):
            box.send(mail("silence"), [FAR], None)
    assert len(mail_server.sent(mark("silence"))) == 1
    assert box.find_draft(mark("silence")) is None


def test_a_copy_in_ones_own_inbox_proves_that_it_was_sent(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mail_server.user("silent_self")
    box = mailboxes.open(address)
    monkeypatch.setattr(smtp, "TAKEN_WITHIN_S", 0.5)
    with mail_server.behave(Behaviour(silent=threading.Event())), pytest.raises(Uncertain):
        box.send(mail("to self"), [address], None)
    found = box.find_sent(mark("to self"))
    assert found is not None and "own inbox" in (found.note or "")


@pytest.mark.parametrize(
    ("where", "what", "sent", "afterwards"),
    [
        (Folders, "append", 0, None),  # before the copy is in Drafts
        (SmtpSubmission, "hand_over", 0, Uncertain),  # with it, before the mail
        (SmtpSubmission, "_end", 0, Uncertain),  # before the mail's end
        (imap_sending.SmtpSending, "_kept", 1, Uncertain),  # after the server's answer
        (Folders, "move", 1, Uncertain),
    ],
)
def test_what_a_crash_leaves_behind_tells_what_can_be_known(
    mail_server: MailServer,
    mailboxes: Mailboxes,
    monkeypatch: pytest.MonkeyPatch,
    where: type,
    what: str,
    sent: int,
    afterwards: type[ActionError] | None,
) -> None:
    address, subject = mail_server.user(f"dies_{what}"), f"dies {what}"
    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(where, what, die)
        mailboxes.open(address).send(mail(subject), [FAR], None)
    assert len(mail_server.sent(mark(subject))) == sent
    survivor = mailboxes.open(address)
    if afterwards is None:
        assert survivor.find_sent(mark(subject)) is None
        survivor.send(mail(subject), [FAR], None)
    else:
        with pytest.raises(afterwards):
            survivor.find_sent(mark(subject))
        with pytest.raises(afterwards):
            survivor.send(mail(subject), [FAR], None)
    assert len(mail_server.sent(mark(subject))) <= 1


def test_a_crash_after_the_copy_was_moved_is_known_to_be_sent(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mail_server.user("dies_late")
    box = mailboxes.open(address)
    move = Folders.move

    def move_and_die(self: Folders, *given: object) -> None:
        move(self, *given)  # type: ignore[arg-type]
        raise Died

    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(Folders, "move", move_and_die)
        box.send(mail("late"), [FAR], None)
    found = mailboxes.open(address).find_sent(mark("late"))
    assert found is not None and found.id is not None
    assert len(mail_server.sent(mark("late"))) == 1


def test_a_person_who_deletes_the_copy_lets_it_be_sent_again(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mail_server.user("person")
    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(SmtpSubmission, "hand_over", die)
        mailboxes.open(address).send(mail("person"), [FAR], None)
    with imap(mail_server, address) as client:
        client.select("Drafts")
        client.store("1", "+FLAGS", "\\Deleted")
    box = mailboxes.open(address)
    assert box.find_sent(mark("person")) is None
    assert box.send(mail("person"), [FAR], None).id is not None


def test_a_restart_of_the_imap_server_while_the_mail_goes_out_loses_nothing(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mail_server.user("restarted")
    hand_over = SmtpSubmission.hand_over

    def restarting(self: SmtpSubmission, raw: bytes) -> None:
        hand_over(self, raw)
        mail_server.restart()

    monkeypatch.setattr(SmtpSubmission, "hand_over", restarting)
    done = mailboxes.open(address).send(mail("restarted"), [FAR], None)
    assert done.note is None and in_folder(mail_server, address, "Sent") == ["restarted"]


def test_a_mail_that_is_out_is_sent_even_if_its_copy_cannot_be_moved(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise Refused("the folder is full")

    address = mail_server.user("stuck")
    with monkeypatch.context() as patched:
        patched.setattr(Folders, "move", refused)
        done = mailboxes.open(address).send(mail("stuck"), [FAR], None)
    assert (done.id, done.note) == (None, "Its copy could not be moved from Drafts to Sent: the folder is full")


def test_a_cancellation_after_the_mail_is_out_does_not_hide_that(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, ctx = mail_server.user("cancelled_late"), mailboxes.context()
    box = mailboxes.open(address, ctx=ctx)
    end = SmtpSubmission._end

    def cancelling(self: SmtpSubmission) -> tuple[int, bytes]:
        answer = end(self)
        ctx._cancel_after = 0
        return answer

    monkeypatch.setattr(SmtpSubmission, "_end", cancelling)
    assert box.send(mail("cancelled late"), [FAR], None).id is not None
    assert in_folder(mail_server, address, "Sent") == ["cancelled late"]


def test_a_cancellation_before_the_mails_end_leaves_nothing_behind(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, ctx = mail_server.user("cancelled_early"), mailboxes.context()
    end = SmtpSubmission._end

    def cancelling(self: SmtpSubmission) -> tuple[int, bytes]:
        ctx._cancel_after = 0
        return end(self)

    with monkeypatch.context() as patched, pytest.raises(Cancelled):
        patched.setattr(SmtpSubmission, "_end", cancelling)
        mailboxes.open(address, ctx=ctx).send(mail("cancelled early"), [FAR], None)
    assert mailboxes.open(address).find_sent(mark("cancelled early")) is None
    assert mail_server.sent(mark("cancelled early")) == []


# --- servers that keep what they send


@pytest.mark.parametrize("keeps", [True, False])
def test_of_a_server_that_keeps_copies_itself_there_is_one(
    mail_server: MailServer, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    address = mail_server.user(f"keeps_{keeps}".lower())
    hand_over: Callable[[SmtpSubmission, bytes], None] = SmtpSubmission.hand_over

    def keeping(self: SmtpSubmission, raw: bytes) -> None:
        hand_over(self, raw)
        if keeps:
            with imap(mail_server, address) as client:
                client.append("Sent", "(\\Seen)", None, raw)  # type: ignore[arg-type]

    monkeypatch.setattr(SmtpSubmission, "hand_over", keeping)
    monkeypatch.setattr(imap_sending, "KEPT_BY_SERVER_WITHIN_S", 0.2)
    box = mailboxes.open(address, sent_copies="server")
    done = box.send(mail("kept"), [FAR], None)
    ((_, content),) = messages(mail_server, address, "Sent")
    assert (b"LLMCoder" in content, done.id is not None) == (not keeps, True)
    assert messages(mail_server, address, "Drafts") == []
