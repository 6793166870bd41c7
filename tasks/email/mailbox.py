"""What every mail provider does for this domain: the interface of a mailbox, and what goes through it.

Messages come out as the raw bytes that the server keeps and go in as `email.message.EmailMessage`: reading and building
MIME is the same for every provider and stands in `reading.py` and `writing.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from llmcoder.errors import NotFound, Refused

INBOX = "INBOX"


@dataclass(frozen=True)
class Query:
    """Which messages are meant; what is None or empty does not narrow.

    Attributes:
        words: Gmail's search language on Gmail; words that must all occur on IMAP.
        label: A Gmail label, or an IMAP folder; the inbox when None.
        sender: Part of the sender's address or name.
        since: Received at this instant or later, as exactly as the server can tell (IMAP knows days).
    """

    words: str = ""
    label: str | None = None
    unread: bool | None = None
    sender: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class StoredMail:
    """A message as the server keeps it.

    Attributes:
        id: The provider's name of it, good for every later call.
        thread_id: Of its conversation; None where the provider knows none, then its headers tell.
        labels: Gmail's labels; on IMAP the folder, and keywords.
        raw: RFC 5322 message. Only the header, and as much of the text as a snippet needs, where a list was asked for.
        whole: Whether `raw` is all of it.
        snippet: Where the provider makes one itself.
        size_bytes: Of the whole message.
    """

    id: str
    thread_id: str | None
    labels: tuple[str, ...]
    unread: bool
    received_at: datetime
    raw: bytes
    whole: bool
    size_bytes: int
    snippet: str | None = None


@dataclass(frozen=True)
class MailListing:
    """Some messages, newest first.

    Attributes:
        next: Cursor of the page after this one; None on the last.
        about: About how many there are in all; None where the provider does not say.
    """

    messages: tuple[StoredMail, ...]
    next: str | None
    about: int | None = None


@dataclass(frozen=True)
class WholePage:
    """Some messages whole, newest first.

    Attributes:
        count: How many there are at most: one that goes meanwhile is left out.
        messages: Fetched as they are taken, since each may be large; taken once.
        next: As `MailListing` has it.
        about: Likewise.
    """

    count: int
    messages: Iterator[StoredMail]
    next: str | None
    about: int | None = None


@dataclass(frozen=True)
class Sent:
    """What became of a message that was sent or kept as a draft.

    Attributes:
        id: The provider's name of it; None where it has none, as after SMTP without a copy in "Sent".
        message_id: Its Message-ID as it went out.
        thread_id: Of its conversation, where the provider knows one.
        note: What the user should know besides, such as that no copy could be kept.
    """

    id: str | None
    message_id: str
    thread_id: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Arrivals:
    """What came since a cursor.

    Attributes:
        ids: Of new messages, oldest first.
        cursor: Where to go on; opaque (Gmail's history id; UIDVALIDITY and UID).
        gap: Why some may have been missed (the history is too old, the folder was made anew); None if none were.
        more: Whether there are more at once.
    """

    ids: tuple[str, ...]
    cursor: str
    gap: str | None = None
    more: bool = False


class Mailbox(ABC):
    """One account. Used in a `with`; every method may raise the error tree as `client.py` of its provider says.

    Raises:
        NeedsReconnect: The account's password or grant is refused.
        NotFound: There is no such message, thread, label or folder.
        Forbidden: The account may not do this.
        RateLimited, Transient: Nothing happened; later perhaps.
        Uncertain: Only by `send`: it may have gone out.
        Refused: The server refused for good: a recipient that does not exist, a message too large.
    """

    #: The account's own address.
    address: str
    #: Whose name mails carry beside it, where that is known.
    name: str = ""

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the connections."""

    @abstractmethod
    def page(self, query: Query, cursor: str | None, limit: int) -> MailListing:
        """The newest messages that the query means, or those after a cursor of an earlier page."""

    @abstractmethod
    def message(self, message_id: str) -> StoredMail:
        """One message, whole."""

    def messages(self, message_ids: Sequence[str]) -> Iterator[StoredMail | NotFound | Refused]:
        """Several, whole, in that order; one that is gone or cannot be read is the error that says so."""
        for one in message_ids:
            try:
                yield self.message(one)
            except (NotFound, Refused) as error:
                yield error

    @abstractmethod
    def whole_page(self, query: Query, cursor: str | None, limit: int) -> WholePage:
        """As `page`, for whoever reads what is listed: no message is asked for twice."""

    @abstractmethod
    def thread(self, message_id: str, limit: int = 50) -> list[StoredMail]:
        """The conversation that the message belongs to, whole, oldest first; the newest `limit` of it."""

    @abstractmethod
    def save_draft(self, message: EmailMessage, thread_id: str | None) -> Sent:
        """Keep a draft; one with the same Message-ID that is there already is replaced, not doubled."""

    @abstractmethod
    def find_draft(self, message_id_header: str) -> Sent | None:
        """The draft of that Message-ID."""

    @abstractmethod
    def send(self, message: EmailMessage, recipients: Sequence[str], thread_id: str | None) -> Sent:
        """Send to the recipients, Bcc among them, and see to it that a copy stands with what was sent."""

    @abstractmethod
    def find_sent(self, message_id_header: str) -> Sent | None:
        """The message with that Message-ID among those sent, as `reconcile` asks."""

    @abstractmethod
    def send_draft(self, draft_id: str, recipients: Sequence[str]) -> Sent:
        """Send a draft that the provider keeps; it is a draft no more afterwards."""

    def draft(self, draft_id: str) -> StoredMail:
        """One draft, whole."""
        return self.message(draft_id)

    def has_draft(self, draft_id: str) -> bool | None:
        """Whether the draft is still one, so that it was surely not sent; None where that says nothing."""
        return None

    @abstractmethod
    def relabel(self, message_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> None:
        """Put labels on messages and take them off: on IMAP keywords and flags. UNREAD and STARRED are of them.

        INBOX, put on, brings a message back from the archive.
        """

    @abstractmethod
    def archive(self, message_ids: Sequence[str]) -> list[str]:
        """Take messages out of the inbox, without deleting them.

        Returns:
            Their ids afterwards, in that order: IMAP names a message by its folder. Those that are gone are left out.
        """

    @abstractmethod
    def labels(self) -> list[str]:
        """Names of the labels, or of the folders."""

    @abstractmethod
    def arrivals(self, cursor: str | None, label: str | None, limit: int) -> Arrivals:
        """What came in since the cursor; with None nothing yet, and a cursor that stands at now."""
