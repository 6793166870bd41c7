"""Any mailbox behind IMAP and SMTP.

Folders stand for labels, keywords and flags for the rest. Nothing is marked as read by looking at it: folders are only
opened for writing where something is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from llmcoder.connection import Connection
from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from llmcoder.errors import ActionError, BadInput, NotFound, Refused
from tasks.email import imap_format as fmt
from tasks.email.imap_account import ImapAccount
from tasks.email.imap_folders import Folders
from tasks.email.imap_sending import Outgoing, SmtpSending, outgoing
from tasks.email.mailbox import INBOX, Arrivals, Mailbox, MailListing, Query, Sent, StoredMail, WholePage
from tasks.email.rfc822 import with_header, without_headers

if TYPE_CHECKING:
    from tasks.email.imap_client import Opened

LONGEST_PAGE = 100
LARGEST_MESSAGE_BYTES = 50 * 1024 * 1024
#: Messages of a conversation that are read whole together; beyond it only their beginnings.
WHOLE_THREAD_BYTES = 40 * 1024 * 1024
FETCHED_AT_ONCE = 25
#: A list is made of searches through so many messages, from the newest on; the more, the fewer were found.
FIRST_ROWS, MOST_ROWS = 200, 20_000
#: As rows, for UIDs above a known one, between which there may be gaps of any size.
FIRST_UIDS = 1_000


def open_imap(connection: Connection[ImapAccount], ctx: Context) -> ImapMailbox:
    """The mailbox of a connected account; it is signed in to at the first use."""
    return ImapMailbox(connection.credentials, ctx, ctx.check, ctx.confirmed)


class ImapMailbox(Mailbox):
    """One account behind IMAP and SMTP.

    Args:
        check: Called several times a second while waiting; what it raises comes out.
        confirmed: Called when a mail has been taken for good.
    """

    def __init__(
        self,
        account: ImapAccount,
        caller: Caller,
        check: Callable[[], None] | None = None,
        confirmed: Callable[[], None] | None = None,
    ) -> None:
        self.address = account.address
        self.name = account.name or ""
        self._folders = Folders(account, caller, check)
        self._sending = SmtpSending(account, caller, check, self._folders, confirmed)

    def close(self) -> None:
        self._folders.close()

    # --- looking

    def page(self, query: Query, cursor: str | None, limit: int) -> MailListing:
        limit = min(max(limit, 1), LONGEST_PAGE)
        seen = self._folders.session.open(self._folders.meant(query.label))
        mark = (
            fmt.Mark.parse(cursor, seen.validity) if cursor else fmt.Mark(seen.validity, seen.next_uid, seen.count + 1)
        )
        asked = fmt.criteria(query)
        uids = self._newest(asked, mark, seen.count, limit + 1)
        shown = self._fetched(uids[:limit], fmt.SHOWN)
        if query.since is not None:
            shown = {uid: one for uid, one in shown.items() if fmt.received_at(one) >= query.since}
        messages = [fmt.stored(fmt.MessagePlace(seen.folder, seen.validity, uid), one) for uid, one in shown.items()]
        more = uids[limit - 1] if len(uids) > limit else None
        row = shown[more][b"SEQ"] if more in shown else mark.row
        following = str(fmt.Mark(seen.validity, more, row)) if more else None
        return MailListing(tuple(messages), following, seen.count if asked == ["UNDELETED"] else None)

    def _newest(self, asked: Sequence[str], mark: fmt.Mark, count: int, limit: int) -> list[int]:
        """UIDs below the mark that meet the criteria, the newest first.

        Through rows, of which there are as many as messages; UIDs may leave gaps of millions.
        """
        found: list[int] = []
        high, rows = min(mark.row - 1, count), FIRST_ROWS
        while high > 0 and len(found) < limit:
            low = max(high - rows + 1, 1)
            uids = self._folders.session.search([f"{low}:{high}", *asked])
            found += sorted({uid for uid in uids if uid < mark.uid} - set(found), reverse=True)
            high, rows = low - 1, min(rows * 4, MOST_ROWS)
        return found[:limit]

    def _fetched(self, uids: Sequence[int], items: Sequence[str]) -> dict[int, Mapping[bytes, Any]]:
        """In the order of the UIDs that were asked for, without those that are gone."""
        found: dict[int, Mapping[bytes, Any]] = {}
        for start in range(0, len(uids), FETCHED_AT_ONCE):
            found |= self._folders.session.fetch(uids[start : start + FETCHED_AT_ONCE], items)
        return {uid: found[uid] for uid in uids if uid in found}

    def message(self, message_id: str) -> StoredMail:
        return self._message(fmt.MessagePlace.parse(message_id))

    def whole_page(self, query: Query, cursor: str | None, limit: int) -> WholePage:
        """The list tells the sizes, so that each message is one question more."""
        listed = self.page(query, cursor, limit)
        found = chain.from_iterable(map(self._whole, listed.messages))
        return WholePage(len(listed.messages), found, listed.next, listed.about)

    def _whole(self, listed: StoredMail) -> list[StoredMail]:
        place = fmt.MessagePlace.parse(listed.id)
        return [listed] if listed.whole else self._if_there(place, fmt.WHOLE, listed.size_bytes)

    def _message(
        self, place: fmt.MessagePlace, items: Sequence[str] = fmt.WHOLE, size_bytes: int | None = None
    ) -> StoredMail:
        self._folders.open_at(place)
        if items is fmt.WHOLE and size_bytes is None:
            size_bytes = int(self._one(place, ("RFC822.SIZE",)).get(b"RFC822.SIZE", 0))
        if items is fmt.WHOLE and size_bytes is not None and size_bytes > LARGEST_MESSAGE_BYTES:
            raise Refused(f"The message has {size_bytes:,} bytes, which is too large to be read here.")
        return fmt.stored(place, self._one(place, items))

    def _one(self, place: fmt.MessagePlace, items: Sequence[str]) -> Mapping[bytes, Any]:
        found = self._folders.session.fetch([place.uid], items).get(place.uid)
        if found is None:  # perhaps it came in after the folder was opened
            self._folders.session.open(place.folder)
            found = self._folders.session.fetch([place.uid], items).get(place.uid)
        if found is None:
            raise NotFound(f"There is no message {str(place)!r} any more; it was moved or deleted.")
        return found

    def thread(self, message_id: str, limit: int = 50) -> list[StoredMail]:
        from tasks.email.imap_threads import conversation

        asked = self.message(message_id)
        place = fmt.MessagePlace.parse(message_id)
        links = conversation(self._folders, place, asked.raw)
        newest = [one for one in links if one.place != place][-max(limit - 1, 0) :] if limit > 1 else []
        left_bytes = WHOLE_THREAD_BYTES - asked.size_bytes
        found = [asked]
        for link in reversed(newest):
            left_bytes -= link.size_bytes
            found += self._if_there(link.place, fmt.WHOLE if left_bytes >= 0 else fmt.SHOWN, link.size_bytes)
        own = asked.raw
        return sorted(_once(found, own), key=lambda one: one.received_at)

    def _if_there(self, place: fmt.MessagePlace, items: Sequence[str], size_bytes: int) -> list[StoredMail]:
        try:
            return [self._message(place, items, size_bytes or None)]
        except NotFound:
            return []

    def labels(self) -> list[str]:
        return [one.name for one in self._folders.listed()]

    # --- drafts and sending

    def save_draft(self, message: EmailMessage, thread_id: str | None) -> Sent:
        mail = outgoing(as_bytes(message))
        kept = self._folders.append(fmt.DRAFTS, mail.copy, (fmt.DRAFT, fmt.SEEN))
        for one in self._folders.with_message_id(kept.folder, mail.message_id):
            if one.place != kept and not one.marked:
                self._folders.remove(one.place)
        return Sent(str(kept), mail.message_id)

    def find_draft(self, message_id_header: str) -> Sent | None:
        drafts = self._folders.name(fmt.DRAFTS)
        held = [] if drafts is None else self._folders.with_message_id(drafts, message_id_header)
        return next((Sent(str(one.place), message_id_header.strip()) for one in held if not one.marked), None)

    def send(self, message: EmailMessage, recipients: Sequence[str], thread_id: str | None) -> Sent:
        return self._sending.send(outgoing(as_bytes(message)), recipients)

    def find_sent(self, message_id_header: str) -> Sent | None:
        return self._sending.find(message_id_header.strip())

    def send_draft(self, draft_id: str, recipients: Sequence[str]) -> Sent:
        place = fmt.MessagePlace.parse(draft_id)
        sent = self._sending.send(_dated_now(self._message(place).raw), recipients)
        try:
            with self._folders.undisturbed():
                self._folders.remove(place)
        except ActionError as error:
            left = f"The draft could not be deleted: {error.detail}"
            return Sent(sent.id, sent.message_id, note=f"{sent.note} {left}" if sent.note else left)
        return sent

    # --- sorting

    def relabel(self, message_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> None:
        add, remove = list(add), list(remove)
        to_inbox = INBOX in add
        flags = _flags([label for label in add if label != INBOX], remove)
        for places in _by_folder(message_ids):
            self._relabel(places, *flags)
            if to_inbox and places[0].folder.upper() != INBOX:
                self._move(places, INBOX)

    def _relabel(self, places: Sequence[fmt.MessagePlace], add: Sequence[str], remove: Sequence[str]) -> None:
        if not add and not remove:
            return
        session = self._folders.open_at(places[0], writable=True)
        self._refuse_unkept(session.stay_in(places[0].folder, writable=True), add)
        session.change_flags([one.uid for one in places], add, remove)

    def _refuse_unkept(self, seen: Opened, flags: Sequence[str]) -> None:
        unkept = [flag for flag in flags if not seen.keeps & {flag.lower(), "\\*"}]
        if unkept:
            raise Refused(f"The server keeps no label {unkept[0]!r} in the folder {seen.folder!r}.")

    def archive(self, message_ids: Sequence[str]) -> list[str]:
        moved: dict[fmt.MessagePlace, fmt.MessagePlace | None] = {}
        for places in _by_folder(message_ids):
            if places[0].folder.upper() == INBOX:
                moved |= self._move(places, self._folders.existing(fmt.ARCHIVE))
            else:
                moved |= {one: one for one in places}
        after = [moved.get(fmt.MessagePlace.parse(one)) for one in dict.fromkeys(message_ids)]
        return [str(one) for one in after if one is not None]

    def _move(self, places: Sequence[fmt.MessagePlace], folder: str) -> dict[fmt.MessagePlace, fmt.MessagePlace | None]:
        """Returns where each is now; None where the server does not say, or it is gone."""
        session = self._folders.open_at(places[0], writable=True)
        uids = session.move([one.uid for one in places], folder)
        try:
            validity = session.open(folder).validity
        except ActionError:  # they are there, and which numbers they have is all that is not known
            return dict.fromkeys(places)
        return {one: fmt.MessagePlace(folder, validity, uids[one.uid]) if one.uid in uids else None for one in places}

    # --- what comes in

    def arrivals(self, cursor: str | None, label: str | None, limit: int) -> Arrivals:
        seen = self._folders.session.open(self._folders.meant(label))
        now = f"{seen.validity}.{seen.next_uid}"
        if cursor is None:
            return Arrivals((), now)
        validity, _, first = cursor.partition(".")
        if not (validity.isdigit() and first.isdigit()):
            raise BadInput("The cursor is not one that a look at new mail gave.")
        if int(validity) != seen.validity:
            why = f"The folder {seen.folder!r} was made anew; what came in before is not known."
            return Arrivals((), now, gap=why)
        uids = self._from(int(first), seen.next_uid, limit + 1)
        ids = tuple(str(fmt.MessagePlace(seen.folder, seen.validity, uid)) for uid in uids[:limit])
        following = uids[limit] if len(uids) > limit else max([seen.next_uid, int(first), *(uid + 1 for uid in uids)])
        return Arrivals(ids, f"{seen.validity}.{following}", more=len(uids) > limit)

    def _from(self, first: int, end: int, limit: int) -> list[int]:
        """UIDs from one on, the oldest first."""
        found: list[int] = []
        span = FIRST_UIDS
        while first < end and len(found) < limit:
            last = min(first + span - 1, end - 1)
            uids = self._folders.session.search(["UID", f"{first}:{last}", "UNDELETED"])
            found += sorted(uid for uid in set(uids) if first <= uid <= last)
            first, span = last + 1, span * 4
        return found[:limit]


def as_bytes(message: EmailMessage) -> bytes:
    """As it stands on the wire, but for Bcc; in UTF-8 headers only where an address needs them (RFC 6532).

    Raises:
        BadInput: It holds characters that no encoding can write.
    """
    form = message.policy if isinstance(message.policy, policy.EmailPolicy) else policy.SMTP
    try:
        return message.as_bytes(policy=form.clone(linesep="\r\n", utf8=_needs_utf8(message)))
    except UnicodeError as error:
        raise BadInput("The mail holds half a character (an unpaired surrogate).") from error


def _needs_utf8(message: EmailMessage) -> bool:
    fields = [
        field for name in ("from", "sender", "reply-to", "to", "cc", "bcc") for field in message.get_all(name, [])
    ]
    addresses = [address for field in fields for address in getattr(field, "addresses", ())]
    return any(not address.username.isascii() for address in addresses)


def _dated_now(raw: bytes) -> Outgoing:
    """A draft carries the date of its writing; a mail that of its sending."""
    mail = outgoing(raw)
    now = format_datetime(datetime.now(UTC))
    wire, copy = (with_header(without_headers(one, ("date",)), "Date", now) for one in (mail.wire, mail.copy))
    return Outgoing(mail.message_id, wire, copy)


def _once(found: Sequence[StoredMail], asked: bytes) -> Iterator[StoredMail]:
    """Without the other copies of the message that was asked about."""
    from tasks.email.imap_threads import links_of

    own, _ = links_of(asked)
    for number, one in enumerate(found):
        if number == 0 or not own or links_of(one.raw)[0] != own:
            yield one


def _flags(add: Sequence[str], remove: Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags to put on and to take off; UNREAD is the lack of one."""
    on = [fmt.flag_of(label) for label in add if label.upper() != fmt.UNREAD]
    off = [fmt.flag_of(label) for label in remove if label.upper() != fmt.UNREAD]
    if any(label.upper() == fmt.UNREAD for label in add):
        off.append(fmt.SEEN)
    if any(label.upper() == fmt.UNREAD for label in remove):
        on.append(fmt.SEEN)
    return on, off


def _by_folder(message_ids: Sequence[str]) -> Iterator[list[fmt.MessagePlace]]:
    """Commands mean messages of one folder."""
    groups: dict[tuple[str, int], list[fmt.MessagePlace]] = {}
    for place in map(fmt.MessagePlace.parse, dict.fromkeys(message_ids)):
        groups.setdefault((place.folder, place.validity), []).append(place)
    yield from groups.values()
