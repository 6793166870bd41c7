"""Mail servers that refuse, keep silent, hang up and talk nonsense: each becomes the error that is its remedy."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from imap_kit import mail
from mail_server import MailServer
from scripted_mail import HANG_UP, SILENCE, Script, imap, scripted, smtp

from engine.integration_checks import check_settings
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from llmcoder.settings import EngineSettings
from llmcoder.testing import FakeContext
from tasks.email import imap_client, imap_protocol, server_connection
from tasks.email import smtp as smtp_module
from tasks.email.imap import ImapMailbox
from tasks.email.imap_account import ImapAccount, own_account
from tasks.email.imap_connection import who_am_i
from tasks.email.imap_errors import of_goodbye, of_refusal, of_refused_login, said
from tasks.email.mailbox import Query
from tasks.email.settings import ImapSettings
from tasks.email.smtp import SmtpSubmission

ADDRESS, PASSWORD = "ada@example.org", "password-canary"
ALLOWED = EngineSettings(fetch_allow=("127.0.0.1", "localhost"))


def account(imap_port: int = 1, smtp_port: int = 1, **more: Any) -> ImapAccount:
    given = {
        "address": ADDRESS,
        "password": PASSWORD,
        "imap_host": "127.0.0.1",
        "imap_port": imap_port,
        "imap_security": "plain",
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp_port,
        "smtp_security": "plain",
    }
    return ImapAccount.model_validate(given | more)


def context(**more: Any) -> FakeContext:
    return FakeContext([ALLOWED], timeout_s=more.pop("timeout_s", 30.0), **more)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is told from an answer in a moment."""
    monkeypatch.setattr(server_connection, "STEP_S", 0.4)
    monkeypatch.setattr(smtp_module, "TAKEN_WITHIN_S", 0.4)
    monkeypatch.setattr(imap_client, "GOODBYE_WITHIN_S", 0.1)


def looking(script: Script, look: Callable[[ImapMailbox], object], **more: Any) -> object:
    with scripted(script) as port, ExitStack() as stack:
        box = ImapMailbox(account(port, **more), context())
        stack.callback(box.close)
        return look(box)


def first_page(box: ImapMailbox) -> object:
    return box.page(Query(), None, 5)


# --- signing in


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (imap({"LOGIN": b"{tag} NO [AUTHENTICATIONFAILED] bad password-canary\r\n"}), NeedsReconnect, "app password"),
        (imap({"LOGIN": b"{tag} NO LOGIN failed.\r\n"}), NeedsReconnect, "LOGIN failed"),
        (imap({"LOGIN": b"{tag} BAD what\r\n"}), NeedsReconnect, "what"),
        (imap({"LOGIN": b"{tag} NO [UNAVAILABLE] later\r\n"}), Transient, "later"),
        (imap({"LOGIN": b"{tag} NO [ALERT] Too many simultaneous connections.\r\n"}), Transient, "Too many"),
        (imap({"LOGIN": b"{tag} NO [LIMIT] Rate limit hit\r\n"}), RateLimited, "Rate limit"),
        (imap({"LOGIN": b"* BYE restarting\r\n"}), Transient, "restarting"),
        (imap({"LOGIN": HANG_UP}), Transient, "ended the conversation"),
        (imap({"LOGIN": SILENCE}), Transient, "did not answer in time"),
        (imap({"LOGIN": b"garbage\r\n"}), Transient, "not IMAP"),
        (imap(can="LOGINDISABLED"), NeedsReconnect, "no password without TLS"),
        (imap({"AUTHENTICATE": b"{tag} NO [AUTHENTICATIONFAILED] no\r\n"}, can="AUTH=PLAIN"), NeedsReconnect, "no"),
        (imap(greeting=b"* BYE too busy\r\n"), Transient, "too busy"),
        (imap(greeting=SILENCE), Transient, "did not answer in time"),
        (imap(greeting=HANG_UP), Transient, "ended the conversation"),
        (imap(greeting=b"HTTP/1.1 400 Bad Request\r\n"), Transient, "not IMAP"),
        (imap(greeting=b"\x16\x03\x01\x00\xff" * 20), Transient, "did not answer|not IMAP"),
        (imap(greeting=b"x" * 2_000_000), Transient, "not IMAP"),
        (imap({"CAPABILITY": b"* CAPABILITY IMAP2\r\n{tag} OK done\r\n"}), Transient, "not IMAP4"),
    ],
)
def test_a_sign_in_that_fails_says_who_can_help(script: Script, error: type[ActionError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        looking(script, lambda box: box.labels())
    assert type(caught.value) is error
    assert "canary" not in str(caught.value)


def test_a_user_and_a_password_are_quoted_and_what_cannot_be_is_not_sent() -> None:
    script = imap({"LIST": b'* LIST () "/" INBOX\r\n{tag} OK done\r\n'})
    assert looking(script, lambda box: box.labels(), user='a "b" c', password='p\\"q') == ["INBOX"]
    assert any(b'LOGIN "a \\"b\\" c" "p\\\\\\"q"' in line for line in script.heard)
    with pytest.raises(NeedsReconnect, match="only ASCII"):
        looking(imap(), lambda box: box.labels(), password="größe")


def test_tls_that_fails_sends_no_password(mail_server: MailServer) -> None:
    unknown = account(mail_server.imaps, imap_security="tls")
    with pytest.raises(Refused, match=r"certificate is not valid.*MAIL_CA_FILE"):
        ImapMailbox(unknown, context()).labels()
    script = imap()
    with scripted(script) as port:
        with pytest.raises(Transient, match="TLS handshake"):
            ImapMailbox(account(port, imap_security="tls"), context()).labels()
        with pytest.raises(Transient, match="plain text where TLS"):
            impatient = imap({"STARTTLS": b"{tag} OK go\r\n* OK injected\r\n"})
            looking(impatient, lambda box: box.labels(), imap_security="starttls")
        with pytest.raises(Refused, match="does not offer STARTTLS"):
            looking(imap({"STARTTLS": b"{tag} NO none\r\n"}), lambda box: box.labels(), imap_security="starttls")
    assert not any(b"LOGIN" in line or b"canary" in line for line in script.heard)


def test_a_certificate_of_another_name_is_refused(mail_server: MailServer) -> None:
    ctx = FakeContext([ALLOWED, own_authority(mail_server)])
    box = ImapMailbox(account(mail_server.imaps, imap_host="localhost", imap_security="tls"), ctx)
    with pytest.raises(Refused, match=r"certificate is not valid.*localhost"):
        box.labels()


def own_authority(server: MailServer) -> ImapSettings:
    return ImapSettings(mail_ca_file=server.ca_file)


def test_a_file_of_authorities_that_cannot_be_read_is_the_operators_to_mend(
    mail_server: MailServer, tmp_path: Path
) -> None:
    for content in (None, "nonsense"):
        path = tmp_path / f"{content}.pem"
        if content:
            path.write_text(content)
        ctx = FakeContext([ALLOWED, ImapSettings(mail_ca_file=path)])
        with pytest.raises(NotConfigured, match="MAIL_CA_FILE"):
            ImapMailbox(account(mail_server.imaps, imap_security="tls"), ctx).labels()


def test_nobody_listens_nobody_is_called_that_and_nobody_may_be_reached() -> None:
    with scripted(imap()) as port:
        pass
    for host, more, error in (
        ("127.0.0.1", {"imap_port": port}, Transient),
        ("nobody.invalid", {"imap_security": "tls"}, BadInput),
        ("10.0.0.1", {"imap_security": "tls", "imap_port": 993}, BadInput),
        ("169.254.169.254", {"imap_security": "tls", "imap_port": 993}, BadInput),
        ("example.org", {"imap_security": "plain"}, BadInput),
        ("0x7f.1", {"imap_security": "tls"}, BadInput),
    ):
        with pytest.raises(error):
            ImapMailbox(account(**{"imap_host": host, **more}), context()).labels()
    nobody = FakeContext([EngineSettings()])
    for number in (25, 22, 6379):
        with pytest.raises(BadInput, match="another protocol"):
            ImapMailbox(account(number, imap_host="8.8.8.8", imap_security="tls"), nobody).labels()


# --- looking and changing

SELECTED = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\n{tag} OK done\r\n"
SEARCHED = b"* SEARCH 5\r\n{tag} OK done\r\n"
USUAL = {"EXAMINE": SELECTED, "SELECT": SELECTED, "SEARCH": SEARCHED}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"EXAMINE": b"{tag} NO [NONEXISTENT] no such mailbox\r\n"}, NotFound),
        ({"EXAMINE": b"{tag} NO Mailbox doesn't exist: INBOX\r\n"}, NotFound),
        ({"EXAMINE": b"{tag} NO [NOPERM] not for you\r\n"}, Forbidden),
        ({"EXAMINE": b"{tag} NO [INUSE] locked\r\n"}, Transient),
        ({"EXAMINE": b"{tag} NO [SERVERBUG] Internal error occurred\r\n"}, Transient),
        ({"EXAMINE": b"{tag} NO try again later\r\n"}, Transient),
        ({"EXAMINE": b"{tag} NO [AUTHENTICATIONFAILED] expired\r\n"}, NeedsReconnect),
        ({"EXAMINE": b"{tag} NO [THROTTLED] slow down\r\n"}, RateLimited),
        ({"EXAMINE": b"* BYE Account exceeded command or bandwidth limits.\r\n"}, RateLimited),
        ({"EXAMINE": b"{tag} NO because\r\n"}, Refused),
        ({"EXAMINE": b"{tag} BAD syntax\r\n"}, Refused),
        ({"EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY x] x\r\n{tag} OK done\r\n"}, Transient),
        ({"SEARCH": b"{tag} NO [BADCHARSET (US-ASCII)] no\r\n"}, Refused),
        ({"SEARCH": b"* SEARCH a b c\r\n{tag} OK done\r\n"}, Transient),
        ({"SEARCH": SILENCE}, Transient),
        ({"SEARCH": HANG_UP}, Transient),
        ({"SEARCH": b"* SEARCH " + b"1 " * 600_000 + b"\r\n{tag} OK done\r\n"}, Transient),
        ({"FETCH": b"* 1 FETCH (UID 5 BODY[]<0> {99999999999}\r\nx"}, Refused),
        ({"FETCH": b"* 1 FETCH (UID 5 BODY[]<0> {50}\r\nx"}, Transient),
        ({"FETCH": b'* 1 FETCH (UID 5 FLAGS ("x\r\n{tag} OK done\r\n'}, Transient),
        ({"FETCH": b"* 1 FETCH ((((\r\n{tag} OK done\r\n"}, Transient),
        ({"FETCH": b"* 1 FETCH (UID five)\r\n{tag} OK done\r\n"}, Transient),
        ({"FETCH": b"{tag} NO [EXPUNGEISSUED] gone\r\n"}, Transient),
    ],
)
def test_an_answer_that_is_no_list_is_an_error_with_a_remedy(
    answer: dict[str, bytes | None], error: type[ActionError]
) -> None:
    with pytest.raises(error) as caught:
        looking(imap({**USUAL, **answer}), first_page)
    assert type(caught.value) is error


def test_sparse_and_odd_answers_of_old_servers_are_understood() -> None:
    fetched = (
        b"* 3 EXISTS\r\n"
        b'* 1 FETCH (UID 5 FLAGS (\\Seen $Work) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 12 '
        b'BODY[]<0> "Subject: x\\"y")\r\n* 2 FETCH (FLAGS (\\Seen))\r\n{tag} OK done\r\n'
    )
    script = imap({**USUAL, "SEARCH": b"* SEARCH 5\r\n* SEARCH\r\n{tag} OK done\r\n", "FETCH": fetched})
    found: Any = looking(script, first_page)
    (one,) = found.messages
    assert (one.id, one.unread, one.labels) == ("5.7.INBOX", False, ("INBOX", "$Work"))
    assert (one.received_at.isoformat(), one.raw) == ("1996-07-17T09:44:25+00:00", b'Subject: x"y')


def test_a_server_without_any_extension_is_enough() -> None:
    listed = b'* LIST (\\Noselect) "/" x\r\n* LIST () "/" INBOX\r\n* LIST () NIL Archiv\r\n{tag} OK done\r\n'
    script = imap({**USUAL, "LIST": listed, "COPY": b"{tag} OK done\r\n", "STORE": b"{tag} OK done\r\n"})
    with scripted(script) as port:
        box = ImapMailbox(account(port), context())
        assert box.labels() == ["INBOX", "Archiv"]
        assert box.archive(["5.7.INBOX"]) == [], "it does not say where the message is now"
        box.close()
    assert any(b'COPY 5 "Archiv"' in line for line in script.heard)
    assert any(b"STORE 5 +FLAGS.SILENT (\\Deleted)" in line for line in script.heard)
    assert not any(b"EXPUNGE" in line for line in script.heard), "it would delete what others have marked"


def test_a_keyword_that_the_server_does_not_keep_is_refused() -> None:
    selected = SELECTED.replace(b"{tag}", b"* OK [PERMANENTFLAGS (\\Seen \\Flagged)] x\r\n{tag}")
    script = imap({**USUAL, "SELECT": selected})
    with pytest.raises(Refused, match="keeps no label 'Work'"):
        looking(script, lambda box: box.relabel(["5.7.INBOX"], ["Work"], []))
    readonly = imap({**USUAL, "SELECT": selected.replace(b"{tag} OK", b"{tag} OK [READ-ONLY]")})
    with pytest.raises(Forbidden, match="only be looked at"):
        looking(readonly, lambda box: box.relabel(["5.7.INBOX"], ["STARRED"], []))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"{tag} NO [OVERQUOTA] full\r\n", Refused),
        (b"{tag} NO [TRYCREATE] no such folder\r\n", NotFound),
        (b"{tag} NO [TOOBIG] too big\r\n", Refused),
        (b"{tag} NO [UNAVAILABLE] later\r\n", Transient),
        (HANG_UP, Transient),
    ],
)
def test_a_draft_that_is_not_kept_says_why(answer: bytes, error: type[ActionError]) -> None:
    listed = b'* LIST (\\Drafts) "/" Drafts\r\n* LIST () "/" INBOX\r\n{tag} OK done\r\n'
    with pytest.raises(error):
        looking(imap({**USUAL, "LIST": listed, "APPEND": answer}), lambda box: box.save_draft(mail("x"), None))


def test_a_server_that_says_how_much_it_keeps_is_believed() -> None:
    listed = b'* LIST (\\Drafts) "/" Drafts\r\n{tag} OK done\r\n'
    script = imap({**USUAL, "LIST": listed}, can="APPENDLIMIT=10")
    with pytest.raises(Refused, match="more than 10 bytes"):
        looking(script, lambda box: box.save_draft(mail("x"), None))


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_protocol, "MOST_BYTES", 100_000)
    endless = b"* 1 FETCH (UID 5 FLAGS ())\r\n" * 10_000 + b"{tag} OK done\r\n"
    with pytest.raises(Refused, match="more than can be read"):
        looking(imap({**USUAL, "FETCH": endless}), first_page)


def test_a_deadline_ends_a_wait_before_the_engine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "STEP_S", 30.0)
    monkeypatch.setattr(server_connection, "SPARE_S", 0.3)
    ctx = context(timeout_s=0.8)
    with scripted(imap({"LOGIN": SILENCE})) as port, pytest.raises(Transient, match="in time"):
        ImapMailbox(account(port), ctx).labels()
    assert ctx.remaining_s > 0


def test_a_cancellation_ends_a_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from llmcoder.errors import Cancelled

    monkeypatch.setattr(server_connection, "STEP_S", 30.0)
    ctx = context()
    threading.Timer(0.3, lambda: setattr(ctx, "_cancel_after", 0)).start()
    began = time.monotonic()
    with scripted(imap({"LOGIN": SILENCE})) as port, pytest.raises(Cancelled):
        ImapMailbox(account(port), ctx, ctx.check).labels()
    assert time.monotonic() - began < 20


# --- sending


def submit(script: Script, raw: bytes = b"Subject: x\r\n\r\nhi\r\n", **more: Any) -> None:
    with scripted(script) as port:
        submission = SmtpSubmission(account(smtp_port=port, **more), context())
        try:
            submission.address(ADDRESS, ["bob@elsewhere.example"], raw)
            submission.hand_over(raw)
        finally:
            submission.close()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (smtp(greeting=b"421 too busy\r\n"), Transient),
        (smtp(greeting=b"554 no\r\n"), Refused),
        (smtp(greeting=SILENCE), Transient),
        (smtp(greeting=HANG_UP), Transient),
        (smtp(greeting=b"* OK IMAP\r\n"), Transient),
        (smtp({"EHLO": b"502 what\r\n"}), Refused),
        (smtp({"EHLO": b"250 hello\r\n"}), NeedsReconnect),
        (smtp({"AUTH": b"535 5.7.8 bad password-canary\r\n"}), NeedsReconnect),
        (smtp({"AUTH": b"534 5.7.9 app password required\r\n"}), NeedsReconnect),
        (smtp({"AUTH": b"454 4.7.0 later\r\n"}), Transient),
        (smtp({"AUTH": b"421 4.7.0 too many\r\n"}), Transient),
        (smtp({"AUTH": SILENCE}), Transient),
        (smtp({"MAIL": b"530 5.7.0 sign in\r\n"}), NeedsReconnect),
        (smtp({"MAIL": b"550 5.7.60 not you\r\n"}), Forbidden),
        (smtp({"MAIL": b"452 full\r\n"}), Transient),
        (smtp({"MAIL": HANG_UP}), Transient),
        (smtp({"RCPT": b"550 nobody\r\n"}), Refused),
        (smtp({"RCPT": b"450 later\r\n"}), Transient),
        (smtp({"RCPT": SILENCE}), Transient),
        (smtp({"DATA": b"451 later\r\n"}), Transient),
        (smtp({"DATA": b"554 no\r\n"}), Refused),
        (smtp({"DATA": HANG_UP}), Transient),
        (smtp({"DATA": SILENCE}), Transient),
        (smtp({".": b"554 spam\r\n"}), Refused),
        (smtp({".": b"452 full\r\n"}), Transient),
        (smtp({".": b"421 closing\r\n"}), Transient),
        (smtp({".": SILENCE}), Uncertain),
        (smtp({".": HANG_UP}), Uncertain),
        (smtp({".": b"garbage\r\n"}), Uncertain),
        (smtp({".": b"x" * 20_000 + b"\r\n"}), Uncertain),
    ],
)
def test_at_each_step_it_is_known_whether_the_mail_went_out(script: Script, error: type[ActionError]) -> None:
    with pytest.raises(error) as caught:
        submit(script)
    assert type(caught.value) is error
    assert "canary" not in str(caught.value)


def test_a_mail_is_stuffed_and_ends_once() -> None:
    script = smtp()
    submit(script, raw=b"Subject: x\r\n\r\n.hi\n.\r.\rlast")
    start = script.heard.index(b"DATA") + 1
    assert script.heard[start:] == [b"Subject: x", b"", b"..hi", b"..", b"..", b"last", b".", b"QUIT"]


def test_a_server_that_only_knows_login_is_signed_in_to() -> None:
    script = smtp({"EHLO": b"250-hello\r\n250 AUTH=LOGIN\r\n", "AUTH": b"334 UGFzc3dvcmQ6\r\n"})
    script.answers = {**script.answers, "CGFZC3DVCMQTY2FUYXJ5": b"235 welcome\r\n"}
    submit(script)
    assert b"." in script.heard


def test_seven_bits_are_enough_for_a_server_that_knows_no_eight() -> None:
    script = smtp({"EHLO": b"250-hello\r\n250 AUTH PLAIN\r\n"})
    with scripted(script) as port:
        submission = SmtpSubmission(account(smtp_port=port), context())
        raw = (
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
        )
        fitted = submission.fitted(raw)
        with pytest.raises(Refused, match="not ASCII"):
            submission.address(ADDRESS, ["jürgen@elsewhere.example"], fitted)
        submission.close()
    assert fitted.isascii() and b"base64" in fitted


def test_starttls_for_sending_sends_no_password_before(mail_server: MailServer) -> None:
    script = smtp()
    with pytest.raises(Refused, match="does not offer STARTTLS"):
        submit(script, smtp_security="starttls")
    assert not any(b"AUTH" in line for line in script.heard)
    unknown = account(smtp_port=mail_server.smtp, smtp_security="starttls")
    with pytest.raises(Refused, match="certificate is not valid"):
        SmtpSubmission(unknown, context())


# --- who we are


def test_a_look_at_an_account_signs_in_to_both_and_sends_nothing(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connection, "STEP_S", 10.0)  # dovecot answers a wrong password slowly
    address = mail_server.user("looks")
    ctx = FakeContext([ALLOWED, own_authority(mail_server)])
    good = mail_server.account(address)
    assert who_am_i(ImapAccount(**good), ctx) == address
    for wrong in ({"password": "wrong-canary"}, {"smtp_password": "wrong-canary"}):
        with pytest.raises(NeedsReconnect) as caught:
            who_am_i(ImapAccount(**good | wrong), ctx)
        assert "canary" not in str(caught.value)
    assert not any(one.sender == address for one in mail_server.accepted)


def test_the_operators_own_servers_may_be_private_and_are_for_everybody(mail_server: MailServer) -> None:
    address = mail_server.user("operator")
    own = own_authority(mail_server).model_copy(
        update={
            "imap_host": "127.0.0.1",
            "imap_port": mail_server.imaps,
            "smtp_port": mail_server.smtps,
            "imap_user": address,
            "imap_password": ImapAccount(**mail_server.account(address)).password,
        }
    )
    ctx = FakeContext([EngineSettings(), own])
    found = own_account(ctx.settings)
    assert found is not None and who_am_i(found, ctx) == address
    assert check_settings(own) == f"127.0.0.1 and 127.0.0.1, as {address}."
    with pytest.raises(BadInput, match="not public"):
        who_am_i(ImapAccount(**mail_server.account(address, imap_port=mail_server.imap)), ctx)


def test_the_settings_of_an_account_that_cannot_be_are_named_without_their_values() -> None:
    def get(kind: type[Any]) -> Any:
        return ImapSettings(imap_host="h", imap_user="u@x", imap_password="p\r\ncanary", mail_address="canary")

    with pytest.raises(NotConfigured, match="address, password") as caught:
        own_account(get)
    assert "canary" not in str(caught.value) and caught.value.__context__ is None
    assert own_account(lambda kind: kind()) is None
    lacking = ImapSettings(imap_host="h", imap_user="u", imap_password="p").missing()
    assert lacking == ["MAIL_ADDRESS"]


# --- in words


def test_what_servers_say_is_quoted_short_on_one_line_and_without_secrets() -> None:
    assert said("a\r\nb\x1b[31m secret " + "x" * 300, ["secret"]) == "a b [31m *** " + "x" * 187 + "…"


def test_response_codes_decide_before_words() -> None:
    assert type(of_refusal("h", "x", "[OVERQUOTA] try again")) is Refused
    assert type(of_refused_login("h", "x", "[AUTHENTICATIONFAILED] temporary")) is NeedsReconnect
    assert type(of_goodbye("h", "", "[OVERQUOTA] bandwidth")) is RateLimited


def test_tls_is_of_this_time() -> None:
    from llmcoder.net import verifying_context

    context = verifying_context()
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
