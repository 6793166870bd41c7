"""The folders of one mailbox: which is for what, and how a message is found in them by its Message-ID.

Holds the connection, and makes a new one where the old one was lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmcoder.declare.connection import Caller
from llmcoder.errors import NotFound, Refused
from tasks.email import imap_format as fmt
from tasks.email.imap_account import ImapAccount
from tasks.email.mailbox import INBOX
from tasks.email.rfc822 import header_of

if TYPE_CHECKING:
    from tasks.email.imap_client import ImapSession, Opened
    from tasks.email.imap_format import Folder

#: Besides the Message-ID, what tells a copy that is being sent.
_MARKS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID X-LLMCODER-SENDING)]"
_APPENDLIMIT = re.compile(r"APPENDLIMIT=(\d+)")


@dataclass(frozen=True)
class Held:
    """A message that a search by Message-ID has found.

    Attributes:
        marked: It is a copy of one that is being sent, see `tasks.email.imap_sending`.
    """

    place: fmt.MessagePlace
    marked: bool


class Folders:
    """The folders of an account.

    Args:
        check: Called several times a second while waiting; what it raises comes out.
    """

    def __init__(self, account: ImapAccount, caller: Caller, check: Callable[[], None] | None) -> None:
        self._account = account
        self._caller = caller
        self._check = check
        self._session: ImapSession | None = None
        self._listed: list[Folder] | None = None
        self._disturbed = True

    @property
    def session(self) -> ImapSession:
        """The connection; a new one if there is none that works."""
        from tasks.email.imap_client import ImapSession  # loads the client library

        if self._session is not None and self._session.over:
            self.close()
        if self._session is None:
            check = self._check if self._disturbed else None
            self._session = ImapSession(self._account, self._caller, check)
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What must be put in order in any case: no cancellation ends it, only the deadline does."""
        before, self._disturbed = self._disturbed, False
        if self._session is not None:
            self._session.heeds = False
        try:
            yield
        finally:
            self._disturbed = before
            if self._session is not None:
                self._session.heeds = before

    # --- which is for what

    def listed(self) -> list[Folder]:
        if self._listed is None:
            self._listed = self.session.folders()
        return self._listed

    def meant(self, label: str | None) -> str:
        """The folder that a label names. Raises `NotFound` where there is none."""
        return INBOX if label is None else fmt.meant(self.listed(), label)

    def name(self, use: str) -> str | None:
        """The folder for a use, such as `imap_format.SENT`; None where there is none."""
        found = fmt.special(self.listed(), use, self._chosen(use))
        return found if found in [one.name for one in self.listed()] else None

    def existing(self, use: str) -> str:
        """The folder for a use, made if there is none."""
        if (found := self.name(use)) is not None:
            return found
        wanted = fmt.special([], use, self._chosen(use)) or self.session.prefix() + fmt.NAMES[use][0]
        self.session.create(wanted)
        self._listed = None
        if wanted not in [one.name for one in self.listed()]:
            raise NotFound(f"{self.session.host} has no folder {wanted!r} and makes none. Name another in the account.")
        return wanted

    def _chosen(self, use: str) -> str | None:
        chosen = {
            fmt.DRAFTS: self._account.drafts_folder,
            fmt.SENT: self._account.sent_folder,
            fmt.ARCHIVE: self._account.archive_folder,
        }
        return chosen.get(use)

    # --- messages

    def open_at(self, place: fmt.MessagePlace, *, writable: bool = False) -> ImapSession:
        """Have the folder of a message open.

        Raises:
            NotFound: It is another folder by now, even if it has the same name.
        """
        seen = self.session.stay_in(place.folder, writable=writable)
        if seen.validity != place.validity:
            raise NotFound(f"The folder {place.folder!r} was made anew; its messages have other ids now.")
        return self.session

    def with_message_id(self, folder: str, message_id: str) -> list[Held]:
        """The messages of that Message-ID in a folder, as it is now; the newest first."""
        if not message_id.strip():
            return []
        seen = self.session.open(folder)
        uids = self.session.search(["UNDELETED", "HEADER", "MESSAGE-ID", fmt.SearchText(message_id.strip())])
        found = self.session.fetch(sorted(uids)[-50:], [_MARKS])
        held = []
        for uid in sorted(found, reverse=True):  # servers look for a part of the header, so it is compared here
            head = fmt.body_of(found[uid])
            if header_of(head, "message-id") == message_id.strip():
                marked = bool(header_of(head, "x-llmcoder-sending"))
                held.append(Held(fmt.MessagePlace(folder, seen.validity, uid), marked))
        return held

    def append(self, use: str, raw: bytes, flags: Sequence[str]) -> fmt.MessagePlace:
        """Put a message into the folder for a use."""
        folder = self.existing(use)
        self._refuse_too_large(len(raw))
        uid = self.session.append(folder, raw, flags)
        seen = self.session.open(folder)
        return fmt.MessagePlace(folder, seen.validity, uid or self._newest(raw, folder, seen))

    def _newest(self, raw: bytes, folder: str, seen: Opened) -> int:
        """For servers that do not say where they put a message."""
        held = self.with_message_id(folder, header_of(raw, "message-id"))
        return held[0].place.uid if held else max(seen.next_uid - 1, 1)

    def remove(self, place: fmt.MessagePlace) -> None:
        self.open_at(place, writable=True).remove([place.uid])

    def move(self, place: fmt.MessagePlace, folder: str) -> None:
        self.open_at(place, writable=True).move([place.uid], folder)

    def _refuse_too_large(self, size_bytes: int) -> None:
        limits = [int(found[1]) for word in self.session.can if (found := _APPENDLIMIT.fullmatch(word))]
        if limits and size_bytes > limits[0]:
            raise Refused(f"{self.session.host} keeps no message of more than {limits[0]} bytes.")
