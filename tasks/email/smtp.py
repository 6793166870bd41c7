"""Sending over SMTP, step by step, so that it is known at each one whether the mail may have gone out.

    no connection, silence or a broken connection before the end of the mail   Transient: not sent
    4xx to anything                                                             Transient: not sent
    535 and its like                                                            NeedsReconnect
    5xx to the sender, to all recipients, or to the mail                        Refused (Forbidden for the sender)
    silence or a broken connection after the end of the mail                    Uncertain

The end of the mail is the line with a dot alone; before it stands on the wire, no server delivers anything.
Loaded when somebody connects.
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

from llmcoder.declare.connection import Caller
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from llmcoder.net.guard import canonical_host
from llmcoder.net.line import Broken, Line, Silent
from tasks.email.imap_account import ImapAccount
from tasks.email.imap_errors import said
from tasks.email.server_connection import dial, start_tls

#: A server may look for viruses before it takes a mail; RFC 5321 would wait ten minutes.
TAKEN_WITHIN_S = 120.0
#: Of a line of an answer, and lines of one.
MOST_OF_AN_ANSWER, MOST_LINES = 8 * 1024, 100
DAILY_PAUSE = timedelta(hours=1)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_UNFIT = re.compile(r"[\x00-\x20\x7f<>]")
_SIGN_IN_AGAIN = {530, 534, 535, 538}


class _OverLine(smtplib.SMTP):
    """smtplib on a connection that is there already."""

    def __init__(self, line: Line) -> None:
        super().__init__(local_hostname=_name_of_us())
        self._host = line.host
        self.sock: Any = line
        self.file: Any = line

    def send(self, s: Any) -> None:
        self.sock.sendall(s.encode(self.command_encoding) if isinstance(s, str) else s)

    def close(self) -> None:
        self.sock.close()


class SmtpSubmission:
    """One signed-in connection to the server that sends an account's mail.

    Args:
        check: Called several times a second while waiting, until the mail's end is sent: then only the answer counts.

    Raises:
        ActionError: Any method, as the module says.
    """

    def __init__(self, account: ImapAccount, caller: Caller, check: Callable[[], None] | None = None) -> None:
        self._server = account.smtp
        self._caller = caller
        self._check = check
        self._in_mail = False
        self._ended = False
        self._line = dial(self._server, caller, self._look)
        try:
            self._begin()
        except BaseException:
            self._line.close()
            raise

    def _look(self) -> None:
        if self._check is not None and not self._ended:
            self._check()

    def _begin(self) -> None:
        self._smtp = _OverLine(self._line)
        with self._mapped():
            self._expect(self._smtp.getreply(), "to begin")
            self._expect(self._smtp.ehlo(), "EHLO")
            if self._server.security == "starttls":
                self._start_tls()
            self._sign_in()

    def _start_tls(self) -> None:
        if not self._smtp.has_extn("starttls"):
            raise Refused(f"{self._line.host} does not offer STARTTLS, so no password was sent. Try security tls.")
        self._expect(self._smtp.docmd("STARTTLS"), "STARTTLS")
        start_tls(self._line, self._caller)
        self._expect(self._smtp.ehlo(), "EHLO")

    def _sign_in(self) -> None:
        """PLAIN or LOGIN, in UTF-8; smtplib's own way takes only ASCII."""
        ways = self._smtp.esmtp_features.get("auth", "").upper().replace("=", " ").split()
        user, password = self._server.user.encode(), self._server.password.get_secret_value().encode()
        if "PLAIN" in ways:
            answer = self._smtp.docmd("AUTH", f"PLAIN {_encoded(bytes(1) + user + bytes(1) + password)}")
        elif "LOGIN" in ways:
            answer = self._smtp.docmd("AUTH", f"LOGIN {_encoded(user)}")
            if answer[0] == 334:
                answer = self._smtp.docmd(_encoded(password))
        else:
            raise NeedsReconnect(f"{self._line.host} offers no sign-in with a password here. Try another port.")
        if answer[0] != 235:
            raise self._login_error(*answer)

    # --- one mail

    def fitted(self, raw: bytes) -> bytes:
        """The mail in a form that the server takes: in seven bits where it knows no others."""
        if self._smtp.has_extn("8bitmime") or raw.isascii():
            return raw
        form = policy.compat32.clone(cte_type="7bit", linesep="\r\n")
        return message_from_bytes(raw, policy=form).as_bytes(policy=form)

    def address(self, sender: str, recipients: Sequence[str], raw: bytes) -> dict[str, str]:
        """Say who sends, and to whom; nothing is sent by that.

        Returns:
            Recipients that the server does not take, with its words; at least one it does.
        """
        self._refuse_too_large(len(raw))
        options = self._options([sender, *recipients], raw)
        with self._mapped():
            answer = self._smtp.mail(_envelope(sender), options)
            if answer[0] // 100 != 2:
                raise self._error(*answer, f"mail from {sender}", Forbidden)
            refused = {}
            for recipient in recipients:
                answer = self._smtp.rcpt(_envelope(recipient))
                if answer[0] // 100 != 2:
                    refused[recipient] = answer
            if len(refused) == len(recipients):
                raise self._nobody(refused)
        return {recipient: self._words(*answer) for recipient, answer in refused.items()}

    def hand_over(self, raw: bytes) -> None:
        """Send the mail itself.

        Raises:
            Uncertain: It may have been taken.
        """
        with self._mapped():
            self._expect(self._smtp.docmd("DATA"), "the mail", good=354)
            self._in_mail = True
            self._line.sendall(_stuffed(raw))
        answer = self._end()
        self._in_mail = False
        if answer[0] // 100 != 2:
            raise self._error(*answer, "the mail")

    def _end(self) -> tuple[int, bytes]:
        """The dot, and what the server says to it. From here on nothing but its answer tells."""
        self._look()
        self._refuse_if_too_late()
        self._ended = True
        self._line.step_s = TAKEN_WITHIN_S
        host = self._line.host
        try:
            self._line.sendall(b".\r\n")
            answer = self._verdict()
        except (Silent, Broken, smtplib.SMTPException) as error:
            why = "did not answer" if _was_silent(error) else "broke off"
            raise Uncertain(f"{host} {why} after it had got the whole mail; it may have been sent.") from error
        if not 200 <= answer[0] < 600:
            raise Uncertain(f"{host} answered the whole mail with something that is not SMTP; it may have been sent.")
        return answer

    def _verdict(self) -> tuple[int, bytes]:
        """The server's answer to the whole mail. Its first three digits say it all: what follows may be too long for
        smtplib, in any encoding, or break off.
        """
        lines = [self._line.readline(MOST_OF_AN_ANSWER)]
        if not lines[0]:
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        code = int(lines[0][:3]) if re.match(rb"\d{3}(?!\d)", lines[0]) else -1
        with suppress(Silent, Broken):
            while lines[-1][3:4] == b"-" and lines[-1].endswith(b"\n") and len(lines) < MOST_LINES:
                lines.append(self._line.readline(MOST_OF_AN_ANSWER))
        return code, b"\n".join(line[4:].strip() for line in lines)

    def _refuse_if_too_late(self) -> None:
        """The mail was long on its way, and its end is what counts: whoever sends must own the job still."""
        try:
            self._line.before_send()
        except Uncertain as error:  # of requests in general; a mail without its end is none
            raise Transient(f"{error.detail} The mail was not sent.") from error

    def close(self) -> None:
        """Say goodbye if that is quick, and hang up; in the middle of a mail a goodbye would be a part of it."""
        self._line.step_s = 2.0
        if not self._in_mail:
            with suppress(OSError, smtplib.SMTPException, ActionError):
                self._smtp.docmd("QUIT")
        self._line.close()

    def _refuse_too_large(self, size_bytes: int) -> None:
        limit = self._smtp.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < size_bytes:
            raise Refused(f"The mail has {_mb(size_bytes)}, and {self._line.host} takes {_mb(int(limit))} at most.")

    def _options(self, addresses: Sequence[str], raw: bytes) -> list[str]:
        options = [f"SIZE={len(raw)}"] if self._smtp.has_extn("size") else []
        if not raw.isascii():
            options.append("BODY=8BITMIME")
        for address in addresses:
            if _UNFIT.search(address) or "@" not in address:
                raise BadInput(f"{address!r} is not an address.")
        foreign = next((one for one in addresses if not one.rpartition("@")[0].isascii()), None)
        if foreign is not None:
            if not self._smtp.has_extn("smtputf8"):
                raise Refused(f"{self._line.host} cannot send where an address is not ASCII: {foreign}.")
            options.append("SMTPUTF8")
        return options

    # --- errors

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        host = self._line.host
        try:
            yield
        except (Silent, Broken, smtplib.SMTPServerDisconnected) as error:
            why = "did not answer in time" if _was_silent(error) else "closed the connection"
            raise Transient(f"{host} {why}; nothing was sent.") from error
        except smtplib.SMTPException as error:
            raise Transient(f"{host} answered something that is not SMTP; nothing was sent.") from error

    def _expect(self, answer: tuple[int, bytes], doing: str, good: int = 0) -> None:
        code = answer[0]
        if code != good if good else code // 100 != 2:
            raise self._error(*answer, doing)

    def _error(self, code: int, words: bytes, doing: str, refused: type[ActionError] = Refused) -> ActionError:
        why = f"{self._line.host} refuses {doing}: {self._words(code, words)}"
        if code in _SIGN_IN_AGAIN:
            return NeedsReconnect(why)
        if b"5.4.5" in words:  # a day's limit of the big ones
            return RateLimited(why, datetime.now(UTC) + DAILY_PAUSE)
        if not 500 <= code < 600:
            return Transient(f"{why} Nothing was sent.")
        return refused(why)

    def _login_error(self, code: int, words: bytes) -> ActionError:
        if 400 <= code < 500 or code < 0:
            return self._error(code, words, "to sign in")
        hint = "Check user and password; many providers want an app password here."
        return NeedsReconnect(f"{self._line.host} refuses user or password: {self._words(code, words)} {hint}")

    def _nobody(self, refused: dict[str, tuple[int, bytes]]) -> ActionError:
        """Nobody is to get it: for good, unless some may be taken later."""
        passing = [one for one in refused.items() if not 500 <= one[1][0] < 600]
        address, answer = (passing or list(refused.items()))[0]
        others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        return self._error(*answer, f"mail to {address}{others}")

    def _words(self, code: int, words: bytes) -> str:
        return said(f"{code} {words.decode('utf-8', 'replace')}", {self._server.password.get_secret_value()})


def _was_silent(error: Exception) -> bool:
    """smtplib takes every error of reading for the end of the connection."""
    return isinstance(error, Silent) or isinstance(error.__context__, Silent)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _envelope(address: str) -> str:
    """As it stands on the wire: a domain in its ASCII form, which every server knows."""
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}@{canonical_host(domain)}"
    except BadInput as error:
        raise BadInput(f"{domain!r} is not the name of a domain.") from error


def _stuffed(raw: bytes) -> bytes:
    """Lines end in CRLF, and no line of the mail is its end: a bare CR or LF before a dot would be one for some."""
    lines = _LINE_END.sub(b"\r\n", raw)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def _name_of_us() -> str:
    """Nothing about this machine's network."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]{1,255}", name) else "localhost"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:.1f} MB"
