"""What passes between this domain and IMAP, without a server: ids, cursors, searches, labels, folders' names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, unquote

from llmcoder.errors import BadInput, NotFound
from tasks.email.mailbox import INBOX, Query, StoredMail

DRAFTS, SENT, ARCHIVE, ALL, TRASH, JUNK = "\\drafts", "\\sent", "\\archive", "\\all", "\\trash", "\\junk"
#: Folders by other names that people know; as Gmail calls its labels.
BY_USE = {
    "SENT": SENT, "DRAFT": DRAFTS, "DRAFTS": DRAFTS, "ARCHIVE": ARCHIVE, "ALL": ALL, "TRASH": TRASH, "SPAM": JUNK,
    "JUNK": JUNK,
}  # fmt: skip
#: What such folders are called where the server does not say which they are (RFC 6154), and how one is made.
NAMES = {
    DRAFTS: (
        "Drafts", "Draft", "Entwürfe", "Entwurf", "Brouillons", "Borradores", "Bozze", "Concepten", "Rascunhos",
        "Utkast", "Kladder", "Luonnokset", "Wersje robocze", "Черновики", "下書き", "草稿箱", "草稿",
    ),
    SENT: (
        "Sent", "Sent Items", "Sent Messages", "Sent Mail", "Gesendet", "Gesendete Objekte", "Gesendete Elemente",
        "Postausgang gesendet", "Envoyés", "Éléments envoyés", "Messages envoyés", "Enviados", "Elementos enviados",
        "Inviati", "Posta inviata", "Verzonden", "Verzonden items", "Itens enviados", "Skickat", "Sendt", "Lähetetyt",
        "Wysłane", "Отправленные", "送信済み", "已发送", "已发送邮件",
    ),
    ARCHIVE: ("Archive", "Archives", "Archiv", "Archief", "Archivio", "Archivo", "Arquivo", "Arkiv", "Архив", "归档"),
    TRASH: ("Trash", "Deleted Items", "Deleted Messages", "Papierkorb", "Gelöschte Elemente", "Corbeille"),
    JUNK: ("Junk", "Spam", "Junk-E-Mail", "Junk Email", "Spamverdacht"),
    ALL: (),
}  # fmt: skip

SEEN, FLAGGED, ANSWERED, DELETED, DRAFT = "\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "\\Draft"
UNREAD, STARRED = "UNREAD", "STARRED"
_LABEL_OF_FLAG = {"\\flagged": STARRED, "\\answered": "ANSWERED", "\\draft": "DRAFT"}
_FLAG_OF_LABEL = {STARRED: FLAGGED, "ANSWERED": ANSWERED}
_KEYWORD = re.compile(r"[^\x00-\x20\x7f-\uffff(){%*\"\\\]]{1,100}")

#: Header and the first of the text, as much as a snippet needs even behind a long header.
FIRST_BYTES = 24 * 1024
SHOWN = ("FLAGS", "INTERNALDATE", "RFC822.SIZE", f"BODY.PEEK[]<0.{FIRST_BYTES}>")
WHOLE = ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORDS = re.compile(r'"([^"]*)"|(\S+)')
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
MOST_WORDS = 20
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Folder:
    """A folder as the server lists it.

    Attributes:
        flags: In lower case, such as `\\drafts`.
        delimiter: Between the parts of a name; empty where folders are in no tree.
    """

    name: str
    flags: frozenset[str]
    delimiter: str


class SearchText(str):
    """A text that is searched for, as against a key of the protocol."""

    __slots__ = ()


@dataclass(frozen=True)
class MessagePlace:
    """Where a message stands; as text it is the message's id.

    Attributes:
        validity: The folder's UIDVALIDITY: where it is another now, UIDs are other messages'.
    """

    folder: str
    validity: int
    uid: int

    def __str__(self) -> str:
        return f"{self.uid}.{self.validity}.{quote(self.folder, safe='')}"

    @classmethod
    def parse(cls, text: str) -> MessagePlace:
        """Raises `NotFound` where no mailbox of ours gave that id."""
        uid, _, rest = text.partition(".")
        validity, _, folder = rest.partition(".")
        if not (_is_number(uid) and _is_number(validity) and folder):
            raise NotFound(f"There is no message {text[:80]!r}.")
        return cls(unquote(folder), int(validity), int(uid))


@dataclass(frozen=True)
class Mark:
    """How far a list was shown; as text its cursor.

    Attributes:
        uid: Of the last that was shown.
        row: Its place in the folder then, counted from the oldest; it can only have become less since.
    """

    validity: int
    uid: int
    row: int

    def __str__(self) -> str:
        return f"{self.validity}.{self.uid}.{self.row}"

    @classmethod
    def parse(cls, text: str, validity: int) -> Mark:
        """Raises `BadInput` where it is of no list of this folder."""
        parts = text.split(".")
        if len(parts) != 3 or not all(map(_is_number, parts)):
            raise BadInput("The cursor is not one that a list gave.")
        if int(parts[0]) != validity:
            raise BadInput("The cursor is of a folder that is not there any more. Begin the list anew.")
        return cls(*map(int, parts))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


# --- searches


def criteria(query: Query) -> list[str]:
    """What a server is asked for; a day's leeway for `since`, since servers know days of a zone of their own."""
    found = ["UNDELETED"]
    if query.unread is not None:
        found.append("UNSEEN" if query.unread else "SEEN")
    if query.sender:
        found += ["FROM", SearchText(query.sender)]
    if query.since is not None:
        found += ["SINCE", _day(query.since.astimezone(UTC).date() - timedelta(days=1))]
    for phrase, word in _WORDS.findall(query.words)[:MOST_WORDS]:
        if phrase or word:
            found += ["TEXT", SearchText(phrase or word)]
    return found


def any_of(headers: Sequence[str], values: Iterable[str]) -> list[str]:
    """Messages of which one of the headers holds one of the values."""
    terms = [["HEADER", header, SearchText(value)] for value in values for header in headers]
    return ["UNDELETED", *["OR"] * (len(terms) - 1), *(word for term in terms for word in term)]


def _day(day: date) -> str:
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"


# --- messages


def stored(place: MessagePlace, found: Mapping[bytes, Any]) -> StoredMail:
    """A message as it was fetched."""
    raw = body_of(found)
    flags = [flag.decode("utf-8", "replace") for flag in found.get(b"FLAGS", ())]
    size_bytes = int(found.get(b"RFC822.SIZE") or len(raw))
    return StoredMail(
        id=str(place),
        thread_id=None,
        labels=(place.folder, *labels_of(flags)),
        unread=SEEN.lower() not in [flag.lower() for flag in flags],
        received_at=received_at(found),
        raw=raw,
        whole=size_bytes <= len(raw),
        size_bytes=size_bytes,
    )


def body_of(found: Mapping[bytes, Any]) -> bytes:
    """The text of what was asked for as `BODY.PEEK[…]`."""
    return next((value for key, value in found.items() if key.startswith(b"BODY[") and isinstance(value, bytes)), b"")


def received_at(found: Mapping[bytes, Any]) -> datetime:
    when = found.get(b"INTERNALDATE")
    return when.astimezone(UTC) if isinstance(when, datetime) else LONG_AGO


def labels_of(flags: Iterable[str]) -> list[str]:
    """Labels as this domain names them; of the protocol's own flags those that people know."""
    known = [_LABEL_OF_FLAG.get(flag.lower()) or ("" if flag.startswith("\\") else flag) for flag in flags]
    return [label for label in known if label]


def flag_of(label: str) -> str:
    """The flag or keyword of a label.

    Raises:
        BadInput: IMAP knows no such label.
    """
    if label.upper() in _FLAG_OF_LABEL:
        return _FLAG_OF_LABEL[label.upper()]
    if not _KEYWORD.fullmatch(label):
        raise BadInput(f"{label[:80]!r} cannot be a label over IMAP: one word of ASCII letters, digits and signs.")
    return label


def message_ids(text: str) -> list[str]:
    """Every `<id>` in a header's value, in that order."""
    return list(dict.fromkeys(_MESSAGE_ID.findall(text)))


# --- folders


def special(folders: Sequence[Folder], use: str, chosen: str | None) -> str | None:
    """The name of the folder for a use: as the account says, as the server says, or by its name."""
    if chosen is not None:
        return chosen
    uses = (ARCHIVE, ALL) if use == ARCHIVE else (use,)  # where all mail stands in one folder, that is the archive
    flagged = next((one.name for wanted in uses for one in folders if wanted in one.flags), None)
    if flagged is not None:
        return flagged
    named = {(_last_part(one).casefold()): one.name for one in reversed(folders)}
    return next((named[name.casefold()] for name in NAMES[use] if name.casefold() in named), None)


def meant(folders: Sequence[Folder], label: str | None) -> str:
    """The folder that a label names.

    Raises:
        NotFound: There is none; the detail offers near names.
    """
    if label is None or label.upper() == INBOX:
        return INBOX
    names = [one.name for one in folders]
    if label in names:
        return label
    if label.upper() in BY_USE and (found := special(folders, BY_USE[label.upper()], None)) is not None:
        return found
    near = get_close_matches(label, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise NotFound(f"There is no folder {label[:80]!r} in this mailbox.{hint}")


def _last_part(folder: Folder) -> str:
    return folder.name.rpartition(folder.delimiter)[2] if folder.delimiter else folder.name
