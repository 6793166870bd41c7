"""A conversation with an IMAP server, in the words of this domain; maps every error of it, once.

    no connection, silence, a goodbye, garbage   Transient: looking changes nothing, what changes here can be repeated
    refused user or password                     NeedsReconnect
    NO with a response code, or in words         see `tasks.email.imap_errors`

Loaded when somebody connects.
"""

from __future__ import annotations

import imaplib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llmcoder.declare.connection import Caller
from llmcoder.errors import ActionError, BadInput, Forbidden, NeedsReconnect, Refused, Transient
from llmcoder.net.line import Broken, Line, Silent
from tasks.email import imap_errors
from tasks.email.imap_account import ImapAccount, MailServer
from tasks.email.imap_format import Folder
from tasks.email.imap_protocol import ImapClient, TooMuch, client_over, is_garbage, quoted, search
from tasks.email.server_connection import dial, start_tls

GOODBYE_WITHIN_S = 2.0
#: Host, what was asked for, its answer.
Refusal = Callable[[str, str, str], ActionError]


@dataclass(frozen=True)
class Opened:
    """What a server says of a folder when it is opened.

    Attributes:
        validity: UIDs of another number are other messages'.
        next_uid: No message has it or a higher one so far.
        count: Messages in it.
        keeps: Flags that it keeps; `\\*` among them for any keyword.
    """

    folder: str
    validity: int
    next_uid: int
    count: int
    keeps: frozenset[str]


@dataclass
class _Open:
    """Which folder is open on the server."""

    writable: bool = False
    seen: Opened | None = None


@dataclass
class ImapSession:
    """One signed-in connection.

    Args:
        check: Called several times a second while waiting; what it raises comes out.

    Attributes:
        over: Nothing can be asked any more; another one is needed.
        heeds: Whether a cancellation ends a wait; not where something must be put in order in any case.
        can: The server's capabilities.

    Raises:
        ActionError: Any method, as the module says.
    """

    account: ImapAccount
    caller: Caller
    check: Callable[[], None] | None = None
    over: bool = False
    heeds: bool = True
    _open: _Open = field(default_factory=_Open)

    def __post_init__(self) -> None:
        self._server = self.account.imap
        line = dial(self._server, self.caller, self._look)
        try:
            self._sign_in(line)
        except BaseException:
            line.close()
            raise

    def _look(self) -> None:
        if self.check is not None and self.heeds:
            self.check()

    def _sign_in(self, line: Line) -> None:
        with self._mapped("to begin", imap_errors.of_goodbye):
            self._wire = ImapClient(line)
        if self._server.security == "starttls":
            self._start_tls(line)
        self._client = client_over(self._wire)
        self._log_in(self._server)
        with self._mapped("to say what it can"):
            self.can = self._wire.capability_words()
        if "ID" in self.can:  # one big provider of mail lets only those in who say what they are
            self._try("to be told who asks", lambda: self._client.id_({"name": "LLMCoder"}))

    def _start_tls(self, line: Line) -> None:
        with self._mapped("STARTTLS"):
            answer, _ = self._wire.xatom("STARTTLS")
        if answer != "OK":
            raise Refused(f"{self.host} does not offer STARTTLS, so no password was sent. Try security tls.")
        start_tls(line, self.caller)

    def _log_in(self, server: MailServer) -> None:
        user, password = server.user, server.password.get_secret_value()
        with self._mapped("to say what it can"):
            can = self._wire.capability_words()
        with self._mapped("to sign in", imap_errors.of_refused_login):  # the library's own takes a lost line for a no
            if "AUTH=PLAIN" in can:  # takes every character, as LOGIN does not
                self._wire.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            elif "LOGINDISABLED" in can:
                raise NeedsReconnect(f"{self.host} takes no password without TLS. Connect it with tls or starttls.")
            elif not (user + password).isascii():
                raise NeedsReconnect(f"{self.host} takes only ASCII in user and password.")
            else:
                self._wire.login(quoted(user), password)

    @property
    def host(self) -> str:
        return self._server.host

    # --- folders

    def folders(self) -> list[Folder]:
        """Every folder that can hold messages."""
        with self._mapped("to list folders"):
            found = [
                Folder(str(name), _lower(flags), (delimiter or b"").decode("ascii", "replace"))
                for flags, delimiter, name in self._client.list_folders()
            ]
        return [one for one in found if not one.flags & {"\\noselect", "\\nonexistent"}]

    def prefix(self) -> str:
        """What names of one's own folders begin with."""
        if "NAMESPACE" not in self.can:
            return ""
        with self._mapped("to name its namespaces"):
            personal = self._client.namespace().personal
            return str(personal[0][0]) if personal else ""

    def create(self, folder: str) -> None:
        """Make a folder; one that is there already is fine, and one that cannot be made is missed later."""
        doing = f"to make the folder {folder!r}"
        self._try(doing, lambda: self._client.create_folder(folder))
        self._try(doing, lambda: self._client.subscribe_folder(folder))

    def open(self, folder: str, *, writable: bool = False) -> Opened:
        """Have later commands mean this folder; anew, so that what the server says of it is of now."""
        self._open.seen = None
        with self._mapped(f"the folder {folder!r}"):
            found = self._client.select_folder(folder, readonly=not writable)
            seen = Opened(
                folder,
                int(found.get(b"UIDVALIDITY", 0)),
                int(found.get(b"UIDNEXT") or self._next_uid(folder)),
                int(found[b"EXISTS"]),
                _lower(found.get(b"PERMANENTFLAGS", found.get(b"FLAGS", ()))),
            )
        self._open = _Open(writable, seen)
        return seen

    def _next_uid(self, folder: str) -> int:
        return int(self._client.folder_status(folder, ["UIDNEXT"])[b"UIDNEXT"])

    def stay_in(self, folder: str, *, writable: bool = False) -> Opened:
        """As `open`, where it is open already without asking again."""
        seen = self._open.seen
        if seen is not None and seen.folder == folder and (self._open.writable or not writable):
            return seen
        return self.open(folder, writable=writable)

    # --- messages of the open folder

    def search(self, criteria: Sequence[str]) -> list[int]:
        """UIDs, in no order; see `tasks.email.imap_protocol.search`."""
        with self._mapped("to search"):
            return search(self._client, criteria)

    def fetch(self, uids: Collection[int], items: Sequence[str]) -> dict[int, Mapping[bytes, Any]]:
        """What is asked of each message, by UID; messages that are gone are left out."""
        with self._mapped("to show messages"):
            found: dict[int, Mapping[bytes, Any]] = self._client.fetch(list(uids), list(items))
            return found

    def change_flags(self, uids: Collection[int], add: Sequence[str], remove: Sequence[str]) -> None:
        with self._mapped("to change labels"):
            if add:
                self._client.add_flags(list(uids), list(add), silent=True)
            if remove:
                self._client.remove_flags(list(uids), list(remove), silent=True)

    def append(self, folder: str, raw: bytes, flags: Sequence[str], at: datetime | None = None) -> int | None:
        """Put a message into a folder; returns its UID where the server says it."""
        with self._mapped(f"a message for the folder {folder!r}"):
            self._wire.response("APPENDUID")  # of an earlier one
            self._client.append(folder, raw, flags, at)
            return _last_number(self._wire.response("APPENDUID")[1])

    def move(self, uids: Collection[int], folder: str) -> dict[int, int]:
        """Move messages to a folder; returns their UIDs there where the server says them.

        Raises:
            Refused: They were copied there, and stay where they were, too: whoever tried again would copy them again.
        """
        with self._mapped(f"to move messages to the folder {folder!r}"):
            self._wire.response("COPYUID")
            if "MOVE" in self.can:
                self._client.move(list(uids), folder)
            else:
                self._client.copy(list(uids), folder)
            copied = _copied(self._wire.response("COPYUID")[1])
        if "MOVE" not in self.can:
            try:
                self.remove(uids)
            except Transient as error:
                copied_there = f"The messages were copied to the folder {folder!r}, and still are where they were"
                raise Refused(f"{copied_there}; delete them in one of the two. {error.detail}") from error
        return copied

    def remove(self, uids: Collection[int]) -> None:
        """Delete messages; where the server can only delete all that anybody marked so, they are marked."""
        with self._mapped("to delete messages"):
            self._remove(uids)

    def _remove(self, uids: Collection[int]) -> None:
        self._client.add_flags(list(uids), ["\\Deleted"], silent=True)
        if "UIDPLUS" in self.can:
            self._client.uid_expunge(list(uids))

    def _try(self, doing: str, command: Callable[[], object]) -> None:
        """A command that the server may refuse."""
        with self._mapped(doing):
            try:
                command()
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:
                pass

    # --- its end

    def close(self) -> None:
        """Say goodbye if that is quick, and hang up."""
        self.heeds = False
        self._wire.line.step_s = GOODBYE_WITHIN_S
        try:
            if not self.over:
                with suppress(OSError, imaplib.IMAP4.error, TooMuch):
                    self._wire.logout()
        finally:
            self._wire.line.close()

    # --- errors

    @contextmanager
    def _mapped(self, doing: str, refused: Refusal = imap_errors.of_refusal) -> Iterator[None]:
        """Errors of the library as ours; after one that leaves the conversation anywhere, it is over."""
        try:
            yield
        except imaplib.IMAP4.readonly as error:
            raise Forbidden(f"{self.host}: the folder can only be looked at.") from error
        except imaplib.IMAP4.abort as error:
            self.over = True
            raise self._ended(error) from error
        except imaplib.IMAP4.error as error:
            if is_garbage(error):
                self.over = True
                raise imap_errors.of_garbage(self.host) from error
            raise refused(self.host, doing, self._said(error)) from error
        except BaseException as error:
            self.over = True
            if (kind := self._broken_by(error)) is not None:
                raise kind from error
            raise

    def _ended(self, error: imaplib.IMAP4.abort) -> ActionError:
        if isinstance(error.__context__, Silent):
            return imap_errors.of_silence(self.host)
        if "unexpected" in str(error) or "unterminated" in str(error):
            return imap_errors.of_garbage(self.host)
        return imap_errors.of_goodbye(self.host, "", self._said(error))

    def _broken_by(self, error: BaseException) -> ActionError | None:
        if isinstance(error, Silent):
            return imap_errors.of_silence(self.host)
        if isinstance(error, Broken):
            return imap_errors.of_goodbye(self.host, "", "it closed the connection.")
        if isinstance(error, TooMuch):
            return Refused(f"{self.host} sends more than can be read here; the message may be too large.")
        if isinstance(error, UnicodeEncodeError):
            return BadInput("A name holds characters that a mail server cannot be told.")
        if isinstance(error, ValueError | LookupError | TypeError):  # what its parser makes of other protocols
            return imap_errors.of_garbage(self.host)
        return None

    def _said(self, error: Exception) -> str:
        secrets = {self._server.password.get_secret_value(), self.account.password.get_secret_value()}
        words = error.args[0] if error.args else ""
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        return imap_errors.said(text, secrets)


def _lower(flags: Collection[bytes | str]) -> frozenset[str]:
    texts = (flag.decode("utf-8", "replace") if isinstance(flag, bytes) else str(flag) for flag in flags)
    return frozenset(text.lower() for text in texts)


def _last_number(data: Sequence[bytes | None]) -> int | None:
    """Of `APPENDUID <validity> <uid>`."""
    words = (data[-1] or b"").split()
    return int(words[-1]) if words and words[-1].isdigit() and len(words[-1]) < 20 else None


def _copied(data: Sequence[bytes | None]) -> dict[int, int]:
    """Of `COPYUID <validity> <uids> <uids there>`."""
    words = (data[-1] or b"").split()
    if len(words) != 3:
        return {}
    try:
        before, after = _numbers(words[1]), _numbers(words[2])
    except ValueError:  # what was copied is there, whatever the server calls it
        return {}
    return dict(zip(before, after, strict=True)) if len(before) == len(after) else {}


def _numbers(uids: bytes) -> list[int]:
    found: list[int] = []
    for part in uids.split(b","):
        first, _, last = part.partition(b":")
        low, high = sorted((int(first), int(last or first)))
        found += range(low, min(high, low + 100_000) + 1)
    return found
