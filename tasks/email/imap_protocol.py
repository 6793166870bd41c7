"""The IMAP client library over a guarded connection of ours; nothing else of the domain imports it.

IMAPClient knows the protocol's forms (literals, folder names in UTF-7, response codes); beneath it Python's imaplib
reads and writes through the methods that it offers for overriding, which are ours here.
"""

from __future__ import annotations

import imaplib
import re
from collections.abc import Sequence
from typing import Any

from llmcoder.net.line import Line
from tasks.email.imap_format import SearchText

#: What one command may bring; a server can announce a literal of any size.
MOST_BYTES = 64 * 1024 * 1024
#: What searches give is listed in one line.
LONGEST_LINE_BYTES = 1_000_000
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


#: A tag of imaplib's or none, the number of a message, and what the line says.
_SAID = re.compile(rb"(\*(?: \d+)?|[A-Z]{4}\d+) ([A-Za-z-]+)(?=[ \r\n])")


def as_imaplib_reads(line: bytes) -> bytes:
    """A line of a server, its word in capitals, and a blank behind the word that ends a command: IMAP takes any case
    (RFC 3501, 9), servers leave out the text of an OK, and imaplib calls both garbage: what was done would be unknown.
    """
    said = _SAID.match(line)
    if said is None:
        return line
    rest = line[said.end() :]
    lacks = not said[1].startswith(b"*") and not rest.startswith(b" ")
    return said[1] + b" " + said[2].upper() + (b" " if lacks else b"") + rest


class TooMuch(Exception):
    """The server sends more than anybody asked for."""


class ImapClient(imaplib.IMAP4):
    """imaplib on a connection that is there already, with an end to what a server may send."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._left_bytes = MOST_BYTES
        super().__init__(line.host)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        self.host = host

    def read(self, size: int) -> bytes:
        self._spend(size)
        return self.line.read(size)

    def readline(self) -> bytes:
        found = self.line.readline(LONGEST_LINE_BYTES)
        self._spend(len(found))
        return as_imaplib_reads(found)

    def send(self, data: Any) -> None:
        self._left_bytes = MOST_BYTES
        self.line.sendall(bytes(data))

    def shutdown(self) -> None:
        self.line.close()

    def _spend(self, size: int) -> None:
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise TooMuch

    def capability_words(self) -> frozenset[str]:
        """What the server can, asked now."""
        _, data = self.capability()
        return frozenset(str(data[-1] or b"", "ascii", "replace").upper().split())


def client_over(wire: ImapClient) -> Any:
    """An `IMAPClient` that speaks through the wire."""
    from imapclient import IMAPClient  # loads when somebody connects

    class OverWire(IMAPClient):  # type: ignore[misc] # it carries no types
        """Neither dials nor sets timeouts by itself."""

        def _create_IMAP4(self) -> ImapClient:  # noqa: N802 (its name there)
            return wire

        def _set_read_timeout(self) -> None: ...

    client = OverWire(wire.line.host, ssl=False)
    client.normalise_times = False  # instants with their zone
    wire.debug = 0  # it formats every line for a log that nobody reads
    return client


def is_garbage(error: imaplib.IMAP4.error) -> bool:
    """Whether the library could not read an answer, rather than that the answer was no."""
    from imapclient.exceptions import ProtocolError

    return isinstance(error, ProtocolError)


def search(client: Any, criteria: Sequence[str]) -> list[int]:
    """UIDs of the messages in the open folder that meet all criteria.

    `IMAPClient.search` leaves words such as `)` and `{5}` unquoted, which are syntax then.

    Args:
        criteria: Keys and numbers as they are, and every text as `SearchText`.
    """
    from imapclient.response_parser import parse_message_list

    raw = [_argument(item) for item in criteria]
    if any(_EIGHT_BIT.search(item) for item in raw):
        raw = [b"CHARSET", b"UTF-8", *raw]
    lines = client._raw_command_untagged(b"SEARCH", raw)
    return [uid for line in lines for uid in parse_message_list([line])]


def _argument(item: str) -> bytes:
    """What is not ASCII goes as a literal, which is not quoted; control characters can go in neither form."""
    if not isinstance(item, SearchText):
        return item.encode("ascii")
    plain = _CONTROLS.sub(" ", item).encode("utf-8", "replace")
    if _EIGHT_BIT.search(plain):
        return plain
    return b'"' + plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def quoted(text: str) -> str:
    """An argument of a command that the library leaves as it is."""
    return _argument(SearchText(text)).decode("ascii")
