"""How a mail goes out over SMTP such that, whatever dies when, it is never sent twice.

SMTP has no way to ask afterwards whether a mail was taken, and IMAP knows nothing of it. So a copy of the mail, marked
as being sent, is put into Drafts after the server has agreed to all but the mail itself, and right before the mail
goes over the wire; when the server has taken it, the copy is moved to Sent. What a crash leaves behind tells:

    the process dies ...                                 there is       `find_sent` says
    before the copy is in Drafts                         nothing        None: it was surely not sent
    with the copy in Drafts, before the mail's end       the copy       Uncertain
    after the mail's end, before the server's answer     the copy       Uncertain
    after the answer, before the copy is moved           the copy       Uncertain
    after that                                           one in Sent    sent

Uncertain is for a person to settle, who sees the copy in Drafts: from the outside the middle three look alike. Two
things can settle it by themselves: a server that keeps what it sends (then it is in Sent), and a copy that came to the
account's own inbox. Where the copy cannot be kept, nothing is sent. A mail that stands in Sent is not sent again,
whoever asks, and one whose marked copy is there neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmcoder.declare.connection import Caller
from llmcoder.errors import ActionError, BadInput, NotFound, Refused, Uncertain
from tasks.email import imap_format as fmt
from tasks.email.imap_account import ImapAccount
from tasks.email.mailbox import INBOX, Sent
from tasks.email.rfc822 import header_of, with_header, without_headers

if TYPE_CHECKING:
    from tasks.email.imap_folders import Folders
    from tasks.email.smtp import SmtpSubmission

#: On the copy in Drafts while nobody knows; without a meaning once it stands in Sent.
MARK = "X-LLMCoder-Sending"
KEPT_BY_SERVER_WITHIN_S = 5.0
LOOK_EVERY_S = 0.5
#: They put what is sent through them into Sent by themselves.
KEEPING_HOSTS = ("gmail.com", "googlemail.com", "office365.com", "outlook.com", "hotmail.com", "live.com")


@dataclass(frozen=True)
class Outgoing:
    """A mail on its way.

    Attributes:
        message_id: Its Message-ID.
        wire: As it goes out, without Bcc.
        copy: As it is kept.
    """

    message_id: str
    wire: bytes
    copy: bytes


def outgoing(raw: bytes) -> Outgoing:
    """A mail as bytes, made ready.

    Raises:
        BadInput: It has no Message-ID.
    """
    message_id = header_of(raw, "message-id").strip()
    if not message_id:
        raise BadInput("The mail has no Message-ID, so nobody could tell afterwards whether it was sent.")
    clean = without_headers(raw, (MARK,))
    return Outgoing(message_id, without_headers(clean, ("bcc", "resent-bcc")), clean)


class SmtpSending:
    """Sends for one account.

    Args:
        folders: Of its mailbox.
        confirmed: Called when the server has taken a mail.
    """

    def __init__(
        self,
        account: ImapAccount,
        caller: Caller,
        check: Callable[[], None] | None,
        folders: Folders,
        confirmed: Callable[[], None] | None = None,
    ) -> None:
        self._confirmed = confirmed
        self._account = account
        self._caller = caller
        self._check = check
        self._folders = folders

    def find(self, message_id: str) -> Sent | None:
        """Whether a mail was sent: it, None for surely not, or `Uncertain`."""
        sent = self._folders.name(fmt.SENT)
        if sent is not None and (found := self._folders.with_message_id(sent, message_id)):
            return Sent(str(found[0].place), message_id)
        if not self._pending(message_id):
            return None
        arrived = [one for one in self._folders.with_message_id(INBOX, message_id) if not one.marked]
        if arrived:
            return Sent(None, message_id, note="It came to your own inbox, so it was sent; no copy is in Sent.")
        raise Uncertain(
            "It was handed to the mail server, or was about to be, when the work was interrupted. A copy of it stands "
            "in Drafts. Look whether the mail arrived; to have it sent again, delete that copy first."
        )

    def send(self, mail: Outgoing, recipients: Sequence[str]) -> Sent:
        """Send it, once, and keep a copy in Sent.

        Raises:
            Uncertain: It may have been sent, now or earlier.
            Refused: The server takes it for nobody, or no copy can be kept; it was not sent.
        """
        from tasks.email.smtp import SmtpSubmission  # loads the guarded connection

        if not recipients:
            raise BadInput("The mail has no recipients.")
        if (earlier := self.find(mail.message_id)) is not None:
            return replace(earlier, note=earlier.note or "It had been sent already; it was not sent again.")
        submission = SmtpSubmission(self._account, self._caller, self._check)
        try:
            return self._through(submission, mail, recipients)
        finally:
            submission.close()

    def _through(self, submission: SmtpSubmission, mail: Outgoing, recipients: Sequence[str]) -> Sent:
        wire = submission.fitted(mail.wire)
        refused = submission.address(self._account.address, recipients, wire)
        place = self._keep(mail)
        try:
            submission.hand_over(wire)
        except Uncertain:
            raise
        except ActionError:
            self._forget(place)
            raise
        if self._confirmed is not None:
            self._confirmed()
        return self._kept(mail.message_id, place, _not_to(refused))

    def _keep(self, mail: Outgoing) -> fmt.MessagePlace:
        """The marked copy in Drafts, without which nothing is sent."""
        try:
            return self._folders.append(fmt.DRAFTS, with_header(mail.copy, MARK, "1"), (fmt.SEEN,))
        except (NotFound, Refused) as error:
            raise Refused(f"It was not sent, since no copy can be kept: {error.detail}") from error

    def _forget(self, place: fmt.MessagePlace) -> None:
        """The mail was surely not sent. If the copy stays, it is asked about needlessly, and no more."""
        try:
            with self._folders.undisturbed():
                self._folders.remove(place)
        except ActionError:
            pass

    def _kept(self, message_id: str, place: fmt.MessagePlace, note: str | None) -> Sent:
        """The mail is out: whatever happens to the copy now, that must be told."""
        for _ in range(2):  # the connection may have been lost during a long upload
            try:
                with self._folders.undisturbed():
                    return self._filed(message_id, place, note)
            except ActionError as error:
                failure = error
        lost = f"Its copy could not be moved from Drafts to Sent: {failure.detail}"
        return Sent(None, message_id, note=f"{note} {lost}" if note else lost)

    def _filed(self, message_id: str, place: fmt.MessagePlace, note: str | None) -> Sent:
        sent = self._folders.existing(fmt.SENT)
        if self._server_keeps() and self._appears(sent, message_id):
            self._folders.remove(place)
        elif self._pending(message_id):
            self._folders.move(place, sent)
        found = self._folders.with_message_id(sent, message_id)
        return Sent(str(found[0].place) if found else None, message_id, note=note)

    def _appears(self, sent: str, message_id: str) -> bool:
        until = time.monotonic() + min(KEPT_BY_SERVER_WITHIN_S, max(self._caller.remaining_s / 2, 0))
        while not self._folders.with_message_id(sent, message_id):
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def _server_keeps(self) -> bool:
        if self._account.sent_copies != "auto":
            return self._account.sent_copies == "server"
        host = self._account.smtp_host.lower().rstrip(".")
        return any(host == one or host.endswith(f".{one}") for one in KEEPING_HOSTS)

    def _pending(self, message_id: str) -> list[fmt.MessagePlace]:
        drafts = self._folders.name(fmt.DRAFTS)
        found = [] if drafts is None else self._folders.with_message_id(drafts, message_id)
        return [one.place for one in found if one.marked]


def _not_to(refused: dict[str, str]) -> str | None:
    if not refused:
        return None
    return "The server did not take it for " + "; ".join(f"{one} ({why})" for one, why in refused.items()) + "."
