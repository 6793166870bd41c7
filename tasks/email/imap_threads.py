"""Conversations over IMAP: what refers to what, over several folders.

By the headers alone. The servers' own THREAD=REFERENCES looks at one folder and joins whatever has the same subject,
so last week's report would be read as part of this week's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.email import imap_format as fmt
from tasks.email.imap_folders import Folders
from tasks.email.mailbox import INBOX
from tasks.email.rfc822 import header_of

_HEADERS = ("MESSAGE-ID", "REFERENCES", "IN-REPLY-TO")
_ASKED = ("INTERNALDATE", "RFC822.SIZE", f"BODY.PEEK[HEADER.FIELDS ({' '.join(_HEADERS)})]")
#: From one message to those it names and that name it, and on from these.
ROUNDS = 3
#: Each is looked for in three headers, which makes long questions.
IDS_AT_ONCE = 8
MOST_IDS = 64
MOST_MESSAGES = 500


@dataclass(frozen=True)
class ThreadLink:
    """A message as far as a conversation is concerned."""

    place: fmt.MessagePlace
    message_id: str
    names: frozenset[str]
    received_at: datetime
    size_bytes: int


def links_of(raw: bytes) -> tuple[str, list[str]]:
    """Its own Message-ID, and all that it names, its own first and then from the oldest."""
    own = fmt.message_ids(header_of(raw, "message-id"))[:1]
    named = [one for header in ("references", "in-reply-to") for one in fmt.message_ids(header_of(raw, header))]
    return (own[0] if own else ""), list(dict.fromkeys([*own, *named]))


def conversation(folders: Folders, place: fmt.MessagePlace, raw: bytes) -> list[ThreadLink]:
    """All that belongs to a message, it among them, the oldest first; of several copies one."""
    _, named = links_of(raw)
    known, asked = set(named), set[str]()
    found: dict[str, ThreadLink] = {}
    where = _where(folders, place)
    for _ in range(ROUNDS):
        new = [one for one in named if one not in asked][: MOST_IDS - len(asked)]
        if not new:
            break
        asked.update(new)
        named = []
        for link in (one for folder in where for one in _naming(folders, folder, new, known)):
            found.setdefault(link.message_id or str(link.place), link)
            known.update(link.names)
            named += link.names
    return sorted(found.values(), key=lambda link: link.received_at)


def _where(folders: Folders, place: fmt.MessagePlace) -> list[str]:
    """Its own folder first, so that of several copies the one that was asked about counts."""
    uses = [folders.name(use) for use in (fmt.SENT, fmt.ARCHIVE)]
    return list(dict.fromkeys(name for name in (place.folder, INBOX, *uses) if name is not None))


def _naming(folders: Folders, folder: str, ids: Sequence[str], known: set[str]) -> Iterable[ThreadLink]:
    """The messages of a folder that are, or name, one of the ids."""
    validity = folders.session.stay_in(folder).validity
    uids: set[int] = set()
    for start in range(0, len(ids), IDS_AT_ONCE):
        uids.update(folders.session.search(fmt.any_of(_HEADERS, ids[start : start + IDS_AT_ONCE])))
    shown = folders.session.fetch(sorted(uids)[-MOST_MESSAGES:], _ASKED)
    for uid, found in shown.items():
        own, names = links_of(fmt.body_of(found))
        if known.intersection(names):  # servers look for parts of a header, and some for words
            size_bytes = int(found.get(b"RFC822.SIZE") or 0)
            yield ThreadLink(
                fmt.MessagePlace(folder, validity, uid), own, frozenset(names), fmt.received_at(found), size_bytes
            )
