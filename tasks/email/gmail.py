"""Gmail as a mailbox.

Silence is `Transient` everywhere but where mail goes out: looking, keeping drafts and labels come out the same when
they are done twice. What goes out carries a header of ours besides its Message-ID, since Gmail replaces that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from itertools import chain
from typing import Any

from llmcoder.connection import Connection
from llmcoder.context import Context
from llmcoder.errors import ActionError, BadInput, NotFound, Refused, Uncertain
from tasks.email import gmail_format as fmt
from tasks.email.gmail_client import LARGEST_INLINE_BYTES, GmailClient, chunks, uploaded
from tasks.email.gmail_connection import GmailAccount
from tasks.email.gmail_errors import GmailConflict
from tasks.email.gmail_labels import LABEL_NAMES
from tasks.email.mailbox import INBOX, Arrivals, Mailbox, MailListing, Query, Sent, StoredMail, WholePage

ME = "me"
#: A label that is none: everything but spam and trash.
ALL_MAIL = "ALL"
HIDDEN = {"SPAM", "TRASH"}
LONGEST_PAGE = 100
#: Messages of a conversation that are read whole together; beyond it only their headers.
WHOLE_THREAD_BYTES = 40 * 1024 * 1024
MOST_AT_ONCE = 1000
#: A message is looked for among so many that were sent last, or drafted.
SENT_LOOKED_AT = 300
DRAFTS_LOOKED_AT = 10
#: Clocks differ.
EARLIER = timedelta(hours=1)
#: History pages that hold nothing of the label, which Gmail gives where much else happened.
EMPTY_PAGES = 50
HISTORY_PAGE = 500
FORGOTTEN = "Gmail's history does not go back that far any more; what came in between is in the mailbox."
TOO_MUCH = "Too much else happened in the mailbox to find what came in; it is in the mailbox."
NEW = {"historyTypes": ["messageAdded"]}


def open_gmail(connection: Connection[GmailAccount], ctx: Context) -> GmailMailbox:
    """The mailbox of a connected account.

    Raises:
        NeedsReconnect, Transient: As `Connection.access_token` does, where the address must be asked for.
    """
    client = GmailClient(ctx, connection.access_token, connection.account, ctx)
    return GmailMailbox(client, connection.account)


class GmailMailbox(Mailbox):
    """One account at Gmail.

    Args:
        address: Of the account; Gmail is asked when it is empty.
    """

    def __init__(self, client: GmailClient, address: str = "") -> None:
        users = client.users
        self._client = client
        self._users = users
        self._messages, self._drafts, self._threads = users.messages(), users.drafts(), users.threads()
        self._label_ids: dict[str, str] | None = None
        self.address = address or str(self._profile()["emailAddress"])

    def close(self) -> None:
        """Nothing is kept open between two requests."""

    # --- looking

    def page(self, query: Query, cursor: str | None, limit: int) -> MailListing:
        found = self._listed(query, cursor, limit)
        heads = list(self._metadata(_ids(found), fmt.LISTED))
        names = self._shown_names(heads)
        messages = [fmt.stored(one, names) for one in heads]
        return MailListing(
            tuple(one for one in messages if _is_since(one, query)),
            found.get("nextPageToken"),
            found.get("resultSizeEstimate"),
        )

    def whole_page(self, query: Query, cursor: str | None, limit: int) -> WholePage:
        """One request for the list and one for each message."""
        found = self._listed(query, cursor, limit)
        ids = _ids(found)
        messages = (one for one in _present(self.messages(ids)) if _is_since(one, query))
        return WholePage(len(ids), messages, found.get("nextPageToken"), found.get("resultSizeEstimate"))

    def _listed(self, query: Query, cursor: str | None, limit: int) -> dict[str, Any]:
        wanted: dict[str, Any] = {"userId": ME, "maxResults": min(max(limit, 1), LONGEST_PAGE)}
        if words := fmt.search(query):
            wanted["q"] = words
        if label := self._place(query):
            wanted |= {"labelIds": [label], "includeSpamTrash": label in HIDDEN}
        return self._client.ask(self._messages.list(**wanted, **({"pageToken": cursor} if cursor else {})))

    def message(self, message_id: str) -> StoredMail:
        """One message; only its header where it is larger than Gmail itself would send."""
        found = self._whole(message_id)
        return fmt.stored(found, self._shown_names([found]))

    def _whole(self, message_id: str) -> dict[str, Any]:
        try:
            return self._client.ask(self._get(message_id, "raw"))
        except BadInput:  # the guarded client cuts off what is too large
            return self._client.ask(self._get(message_id, "metadata"))

    def messages(self, message_ids: Sequence[str]) -> Iterator[StoredMail | NotFound | Refused]:
        """Some at a time, as they are taken: not all of a page need fit into memory."""
        requests = (self._get(one, "raw") for one in message_ids)
        for one, answer in zip(message_ids, self._client.ask_all(requests), strict=True):
            try:
                if isinstance(answer, BadInput):  # too large, or no id at all; asked for alone it says which
                    yield self.message(one)
                else:
                    yield answer if isinstance(answer, NotFound) else fmt.stored(answer, self._shown_names([answer]))
            except (NotFound, Refused) as error:
                yield error

    def thread(self, message_id: str, limit: int = 50) -> list[StoredMail]:
        """The conversation without its drafts and what was thrown away, unless that is the message meant."""
        asked = self._whole(message_id)
        thread = self._client.ask(self._threads.get(userId=ME, id=asked["threadId"], format="minimal"))
        shown = [one for one in thread.get("messages", ()) if one["id"] == asked["id"] or not _is_aside(one)]
        newest = sorted(shown, key=fmt.received_at)[-max(limit, 1) :]
        rest = _forms([one for one in newest if one["id"] != asked["id"]], int(asked.get("sizeEstimate") or 0))
        found = {str(one["id"]): one for one in self._found([self._get(one["id"], form) for one, form in rest])}
        found[str(asked["id"])] = asked
        there = [found[one["id"]] for one in newest if one["id"] in found]
        names = self._shown_names(there)
        return [fmt.stored(one, names) for one in there]

    def labels(self) -> list[str]:
        return list(self._names().values())

    def _metadata(self, ids: Sequence[str], headers: Sequence[str]) -> Iterator[dict[str, Any]]:
        return self._found([self._get(one, "metadata", headers) for one in ids])

    def _found(self, requests: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """The messages that several requests ask for; one that was deleted meanwhile is left out."""
        for answer in self._client.ask_all(requests):
            if isinstance(answer, BadInput):
                raise answer
            if not isinstance(answer, NotFound):
                yield answer

    def _get(self, message_id: str, form: str, headers: Sequence[str] = ()) -> Any:
        more = {"metadataHeaders": list(headers)} if headers else {}
        return self._messages.get(userId=ME, id=message_id, format=form, **more)

    def _profile(self) -> dict[str, Any]:
        return self._client.ask(self._users.getProfile(userId=ME))

    # --- drafts

    def save_draft(self, message: EmailMessage, thread_id: str | None) -> Sent:
        own = str(message["Message-ID"] or "")
        raw = fmt.outgoing(message)
        before = self.find_draft(own) if own else None
        draft = self._replaced(before.id, raw, thread_id) if before is not None and before.id else None
        draft = draft or self._client.ask(self._with_message(self._drafts.create, raw, thread_id, draft=True))
        return Sent(str(draft["id"]), own, draft.get("message", {}).get("threadId"))

    def find_draft(self, message_id_header: str) -> Sent | None:
        for wanted in ({"q": fmt.by_message_id(message_id_header)}, {"maxResults": DRAFTS_LOOKED_AT}):
            found = self._client.ask(self._drafts.list(userId=ME, **wanted)).get("drafts", ())
            by_message = {str(one["message"]["id"]): str(one["id"]) for one in found[:DRAFTS_LOOKED_AT]}
            for message in self._metadata(list(by_message), fmt.IDS):
                if _carries(message, message_id_header):
                    return Sent(by_message[message["id"]], message_id_header, message.get("threadId"))
        return None

    def draft(self, draft_id: str) -> StoredMail:
        found = self._client.ask(self._drafts.get(userId=ME, id=draft_id, format="raw"))
        return fmt.stored(found["message"], self._shown_names([found["message"]]))

    def has_draft(self, draft_id: str) -> bool:
        """Whether Gmail still keeps the draft; one that was sent is a draft no more."""
        try:
            self._client.ask(self._drafts.get(userId=ME, id=draft_id, format="minimal"))
        except NotFound:
            return False
        return True

    def _replaced(self, draft_id: str, raw: bytes, thread_id: str | None) -> dict[str, Any] | None:
        """The draft with other content; None if it has gone meanwhile."""
        try:
            return self._client.ask(self._with_message(self._drafts.update, raw, thread_id, draft=True, id=draft_id))
        except NotFound:
            return None

    def _with_message(self, method: Any, raw: bytes, thread_id: str | None, *, draft: bool = False, **more: str) -> Any:
        """A request that carries a message: in the JSON, or beside it where it is large."""
        meta = {"threadId": thread_id} if thread_id else {}
        if len(raw) <= LARGEST_INLINE_BYTES:
            meta["raw"] = fmt.packed(raw)
            return method(userId=ME, body={"message": meta} if draft else meta, **more)
        return uploaded(method(userId=ME, body={"message": meta} if draft else meta, **more), raw)

    # --- sending

    def send(self, message: EmailMessage, recipients: Sequence[str], thread_id: str | None) -> Sent:
        raw = fmt.outgoing(message, recipients)
        answer = self._client.send(self._with_message(self._messages.send, raw, thread_id))
        return self._as_sent(answer, message["Message-ID"])

    def send_draft(self, draft_id: str, recipients: Sequence[str]) -> Sent:
        """Send a draft as it stands.

        Raises:
            BadInput: It goes to others than was agreed; somebody has changed it.
        """
        draft = self._client.ask(self._drafts.get(userId=ME, id=draft_id, format="metadata"))
        header = fmt.header_values(draft["message"], ("To", "Cc", "Bcc", *fmt.IDS))
        named = fmt.addressees([header[name] for name in ("to", "cc", "bcc") if name in header])
        if recipients and named != fmt.addressees(recipients):
            raise BadInput(f"The draft goes to {', '.join(sorted(named)) or 'nobody'} by now, not to those agreed on.")
        own = header.get(fmt.OWN_ID.lower()) or header.get("message-id")
        answer = self._client.send(self._drafts.send(userId=ME, body={"id": draft_id}))
        return self._as_sent(answer, own)

    def find_sent(self, message_id_header: str) -> Sent | None:
        """By the search for its Message-ID, else among what was sent since it was made.

        Raises:
            Uncertain: So much was sent since that it was not all looked at.
        """
        found = self._client.ask(
            self._messages.list(userId=ME, q=f"{fmt.by_message_id(message_id_header)} in:sent", maxResults=1)
        )
        for message in chain(self._metadata(_ids(found), fmt.IDS), self._sent_since(message_id_header)):
            if _carries(message, message_id_header):
                return _sent(message, message_id_header)
        return None

    def _sent_since(self, message_id_header: str) -> Iterator[dict[str, Any]]:
        """What was sent since a Message-ID was made, newest first."""
        made = fmt.made_at(message_id_header)
        cursor: dict[str, str] = {}
        for _ in range(0, SENT_LOOKED_AT, LONGEST_PAGE):
            wanted = {"labelIds": ["SENT"], "maxResults": LONGEST_PAGE, **cursor}
            page = self._client.ask(self._messages.list(userId=ME, **wanted))
            oldest: datetime | None = None
            for message in self._metadata(_ids(page), fmt.IDS):
                at = fmt.received_at(message)
                oldest = at if oldest is None else min(oldest, at)
                yield message
            if "nextPageToken" not in page or (made and oldest and oldest < made - EARLIER):
                return
            cursor = {"pageToken": page["nextPageToken"]}
        raise Uncertain(f"More than {SENT_LOOKED_AT} messages were sent since; look for it in Gmail yourself.")

    def _as_sent(self, answer: Mapping[str, Any], own: str | None) -> Sent:
        """What went out; it has gone, so nothing that fails here counts."""
        message_id = str(own or "").strip()
        try:
            return _sent(self._client.ask(self._get(answer["id"], "metadata", fmt.IDS)), message_id)
        except (ActionError, LookupError, TypeError, ValueError, AttributeError) as error:
            why = error.detail if isinstance(error, ActionError) else "its answer could not be read"
            thread = answer.get("threadId")
            note = f"It was sent. Which Message-ID Gmail gave it is not known: {why}"
            return Sent(str(answer["id"]), message_id, thread if isinstance(thread, str) else None, note)

    # --- sorting

    def relabel(self, message_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> None:
        """Put labels on and take them off; one to put on that does not exist is made."""
        added = [self._label_id(name) or self._made(name) for name in add]
        removed = [label for name in remove if (label := self._label_id(name))]
        if message_ids and (added or removed):
            self._modify(list(dict.fromkeys(message_ids)), {"addLabelIds": added, "removeLabelIds": removed})

    def archive(self, message_ids: Sequence[str]) -> list[str]:
        self.relabel(message_ids, (), (INBOX,))
        return list(message_ids)

    def _modify(self, ids: Sequence[str], change: Mapping[str, Sequence[str]]) -> None:
        if len(ids) == 1:  # a tenth of the price, and it says when there is no such message
            self._client.change(self._messages.modify(userId=ME, id=ids[0], body=dict(change)))
            return
        for some in chunks(ids, MOST_AT_ONCE):
            self._client.change(self._messages.batchModify(userId=ME, body={"ids": list(some), **change}))

    def _place(self, query: Query) -> str | None:
        """The label id that a list is confined to; the inbox, unless the query looks elsewhere."""
        if query.label is None:
            return None if fmt.says_where(query.words) else INBOX
        return self._known_label(query.label)

    def _known_label(self, name: str) -> str | None:
        """The id of a label; None for all mail."""
        if name.upper() == ALL_MAIL:
            return None
        if label := self._label_id(name):
            return label
        raise NotFound(f"There is no label {name!r} in this mailbox.")

    def _label_id(self, name: str) -> str | None:
        if name.upper() in fmt.SYSTEM:
            return name.upper()
        names = self._names()
        exact = next((label for label, known in names.items() if known == name), None)
        return exact or next((label for label, known in names.items() if known.casefold() == name.casefold()), None)

    def _made(self, name: str) -> str:
        try:
            made = self._client.change(self._users.labels().create(userId=ME, body={"name": name}))
        except GmailConflict:  # somebody else made it a moment ago
            self._label_ids = None
            if label := self._label_id(name):
                return label
            raise
        if not isinstance(made.get("id"), str) or not made["id"]:  # it is made, and the list says its id
            self._label_ids = None
            if label := self._label_id(name):
                return label
            raise Refused(f"Gmail has made the label {name!r}, and does not list it.")
        self._names()[made["id"]] = name
        return str(made["id"])

    def _names(self) -> dict[str, str]:
        """Names of labels by their ids."""
        if self._label_ids is None:
            listed = self._client.ask(self._users.labels().list(userId=ME)).get("labels", ())
            self._label_ids = {str(one["id"]): str(one["name"]) for one in listed}
            LABEL_NAMES.remember((self._client.url, self.address), self._label_ids)
        return self._label_ids

    def _shown_names(self, messages: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """Names of the labels of messages; Gmail's own are called as their ids, and are not asked for."""
        wanted = {str(label) for one in messages for label in one.get("labelIds", ())} - fmt.SYSTEM
        if not wanted:
            return {}
        names = self._label_ids or LABEL_NAMES.of((self._client.url, self.address)) or {}
        return names if wanted <= names.keys() else self._names()

    # --- what comes in

    def arrivals(self, cursor: str | None, label: str | None, limit: int) -> Arrivals:
        """What came with the label, the inbox when None. Gmail's history goes back a week, sometimes less."""
        if cursor is None:
            return Arrivals((), str(self._profile()["historyId"]))
        if not cursor.isdecimal():
            raise BadInput("This is no place in Gmail's history.")
        place = self._known_label(label or INBOX)
        try:
            records, end = self._history(cursor, place)
        except NotFound as error:
            gap = TOO_MUCH if error.detail == TOO_MUCH else FORGOTTEN
            return Arrivals((), str(self._profile()["historyId"]), gap)
        ids: dict[str, None] = {}
        for at, record in enumerate(records, 1):
            added = (one["message"] for one in record.get("messagesAdded", ()))
            ids |= {str(one["id"]): None for one in added if not _is_ours(one)}
            if len(ids) >= limit and (at < len(records) or end is None):
                return Arrivals(tuple(ids), str(record["id"]), more=True)
        return Arrivals(tuple(ids), end or str(records[-1]["id"]), more=end is None)

    def _history(self, start: str, label: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Records after a place, and the place at their end; None when there are more.

        Raises:
            NotFound: The history has forgotten the place, or nothing but other things for too long.
        """
        wanted: dict[str, Any] = {"userId": ME, "startHistoryId": start, "maxResults": HISTORY_PAGE, **NEW}
        if label is not None:
            wanted["labelId"] = label
        page = self._client.ask(self._users.history().list(**wanted))
        end = str(page.get("historyId") or start)  # of the first page: what comes while others are read is not on them
        for _ in range(EMPTY_PAGES):
            if page.get("history") or "nextPageToken" not in page:
                break
            page = self._client.ask(self._users.history().list(**wanted, pageToken=page["nextPageToken"]))
        records, more = list(page.get("history", ())), "nextPageToken" in page
        if more and not records:
            raise NotFound(TOO_MUCH)
        return records, None if more else end


def _ids(listing: Mapping[str, Any]) -> list[str]:
    return [str(one["id"]) for one in listing.get("messages", ())]


def _is_since(message: StoredMail, query: Query) -> bool:
    return query.since is None or message.received_at >= query.since


def _present(found: Iterable[StoredMail | NotFound | Refused]) -> Iterator[StoredMail]:
    """The messages that are still there.

    Raises:
        Refused: One is there and cannot be read.
    """
    for one in found:
        if isinstance(one, Refused):
            raise one
        if isinstance(one, StoredMail):
            yield one


def _is_aside(message: Mapping[str, Any]) -> bool:
    return bool({"DRAFT", "TRASH"} & set(message.get("labelIds", ())))


def _is_ours(message: Mapping[str, Any]) -> bool:
    """Not something that came: what the user writes, and what went to the spam or the trash at once."""
    labels = set(message.get("labelIds", ()))
    return bool({"DRAFT", "SPAM", "TRASH"} & labels) or ("SENT" in labels and INBOX not in labels)


def _forms(newest_last: Sequence[Mapping[str, Any]], taken_bytes: int) -> list[tuple[Mapping[str, Any], str]]:
    """Which of a conversation are read whole: the newest, as far as there is room."""
    left, forms = WHOLE_THREAD_BYTES - taken_bytes, []
    for message in reversed(newest_last):
        left -= int(message.get("sizeEstimate") or 0)
        forms.append((message, "raw" if left >= 0 else "metadata"))
    return forms[::-1]


def _carries(message: Mapping[str, Any], message_id: str) -> bool:
    found = fmt.header_values(message, fmt.IDS).values()
    return fmt.bare(message_id) in {fmt.bare(one) for one in found}


def _sent(message: Mapping[str, Any], own: str) -> Sent:
    given = fmt.header_values(message, ("Message-ID",)).get("message-id") or own
    note = f"Gmail gave it this Message-ID in place of {own}." if fmt.bare(given) != fmt.bare(own) else None
    return Sent(str(message["id"]), given, message.get("threadId"), note)
