"""The context a worker gives to a running action."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.account_access import StoredConnection, choose, connect
from engine.administrators import refusals_audited, refuse_others
from engine.outbox import Outbox
from llmcoder import faults, strict_json
from llmcoder.config import config
from llmcoder.context import Context, S, T, User
from llmcoder.declare.rate import pause_until
from llmcoder.errors import ActionError, Cancelled, DeclarationError, Transient, Uncertain
from llmcoder.registry import AnyAction, registry
from llmcoder.settings import EngineSettings
from llmcoder.strict_json import storable
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db.database import TRANSIENT_ERRORS, Database, database
from models.jobs.claims import is_armed
from workers.attempt import Attempt, End
from workers.ledger import Ledger

if TYPE_CHECKING:
    from llmcoder.connection import Connection
    from llmcoder.declare.connection import C, ConnectionKind
    from llmcoder.file import FileRef, Source, StoredFile
    from llmcoder.net import GuardedClient, Network
    from workers.job_files import JobFiles

MESSAGE_LIMIT = 2_000
#: Provider, account, until.
Pause = Callable[[str, str, datetime], None]


class JobContext(Context):
    """One attempt, connected to the ledger and the outbox of its worker process.

    Args:
        pause: Has every worker wait for a provider.
        db: Where accounts stand; the configured one when not given.
    """

    def __init__(
        self, attempt: Attempt, ledger: Ledger, outbox: Outbox, pause: Pause, db: Database | None = None
    ) -> None:
        self.job_id = attempt.claimed.id
        self.attempt = attempt.claimed.attempt
        self.user = User(attempt.claimed.user_id, attempt.claimed.email)
        self.action = attempt.claimed.action
        self.trail = attempt.trail
        self._attempt = attempt
        self._ledger = ledger
        self._outbox = outbox
        self._pause = pause
        self._http: GuardedClient | None = None
        self._net: Network | None = None
        self._has_armed = False
        self.marker = "{}"  # of what this attempt has armed
        self._may_have_sent = False  # since then
        self._db = db or database()
        self._connections: dict[str, Connection[Any]] = {}

    def start_for_administrator(self, action: AnyAction) -> None:
        """Have the audit log name who has an action run that is for administrators only.

        Raises:
            AdministratorsOnly: The job's user is none any more.
            Transient: The database is away; nothing was begun.
        """
        started = Entry(Event.ACTION_STARTED, action.name, self.user.id, {"job": str(self.job_id)})
        try:
            with refusals_audited(self._db), self._db.write() as conn:
                refuse_others(conn, action, self.user.id)
                audit.append(conn, [started], self._db.now())
        except TRANSIENT_ERRORS as error:
            raise Transient("The database is busy or away; nothing was begun.") from error

    def settings(self, kind: type[S]) -> S:
        return config().get(kind)

    def use(self, interface: type[T]) -> T:
        self._calls_out()
        return registry().provider(interface).make(self)

    def progress(self, fraction: float, message: str = "") -> None:
        self.check()
        fraction = min(max(float(fraction), 0.0), 1.0)
        message = storable(message[:MESSAGE_LIMIT])
        self._attempt.show(fraction, message)
        self._live({"type": "progress", "fraction": fraction, "message": message})

    def log(self, message: str, **fields: str | int | float | bool | None) -> None:
        self.check()
        self._live({"type": "log", "message": message[:MESSAGE_LIMIT], "fields": fields})

    def emit_token(self, text: str) -> None:
        self.check()
        self._live({"type": "token", "text": text})

    def cancelled(self) -> bool:
        return self._attempt.should_end()

    def check(self) -> None:
        if self._attempt.should_end():
            raise self._attempt.error()

    def wait(self, seconds: float) -> None:
        self._attempt.wait(seconds)
        self.check()

    def armed(self, marker: Mapping[str, str] | None = None) -> None:
        self.check()
        faults.reach("worker.before_arm")
        # Before it stands in SQL: who ends this attempt meanwhile must not take its effect for one that cannot happen.
        before, self._attempt.armed = self._attempt.armed, True
        try:
            self._arm(strict_json.write(dict(marker or {})))
        except ActionError:
            self._attempt.armed = before
            raise

    def confirmed(self) -> None:
        self._attempt.confirmed = self._attempt.confirmed or self._has_armed

    def _arm(self, marker: str) -> None:
        try:
            ours = self._ledger.arm(self.job_id, self.attempt, marker)
        except TRANSIENT_ERRORS as error:
            raise Transient("The database is busy or away; nothing was sent.") from error
        if not ours:
            raise Cancelled("The job was cancelled, or is another attempt's by now; nothing was sent.")
        self._has_armed, self._may_have_sent = True, False
        self._attempt.confirmed = False  # that was of an effect before this one
        self.marker = marker
        self.check()  # while the database kept us waiting, this attempt may have been ended

    def attach(self, name: str, source: Source, media_type: str | None = None) -> FileRef:
        return self._files.attach(name, source, media_type)

    def file(self, ref: FileRef) -> StoredFile:
        return self._files.find(ref).stored

    def open_file(self, ref: FileRef) -> AbstractContextManager[IO[bytes]]:
        return self._files.opened(ref)

    def file_copy(self, ref: FileRef) -> AbstractContextManager[Path]:
        return self._files.copied(ref)

    @cached_property
    def _files(self) -> JobFiles:
        from engine.files.storage import Files
        from workers.job_files import JobFiles

        return JobFiles(self._attempt, Files(self._db, lambda: self.settings(EngineSettings)), self.check)

    def connection(self, kind: ConnectionKind[C]) -> Connection[C]:
        self._refuse_own_records()
        claimed = self._attempt.claimed
        if kind.provider not in self._connections:
            account = claimed.account if kind.provider == claimed.provider else None
            armed = claimed.armed_at is not None
            found = connect(self._db, self.user.id, kind, account, self, self.wait, no_other=armed)
            self._connections[kind.provider] = found
        self._calls_out()
        return self._connections[kind.provider]

    def connection_of(self, kinds: Sequence[ConnectionKind[Any]]) -> Connection[Any]:
        return self.connection(next((kind for kind in kinds if kind.provider == self._provider(kinds)), kinds[0]))

    def _provider(self, kinds: Sequence[ConnectionKind[Any]]) -> str:
        """That of the job, or of the account meant where the job is another provider's."""
        own = self._attempt.claimed.provider
        if own in [kind.provider for kind in kinds]:
            return own
        try:
            with self._db.read() as conn:
                return choose(conn, self.user.id, kinds, None, self.settings).provider
        except TRANSIENT_ERRORS as error:
            raise Transient("The account could not be read: the database is busy or away.") from error

    def refused(self) -> StoredConnection[Any] | None:
        """The account that an attempt is about which ended in `NeedsReconnect`; None where it has no row."""
        used = list(self._connections.values())
        own = self._connections.get(self._attempt.claimed.provider) or (used[-1] if used else None)
        return own if isinstance(own, StoredConnection) else None

    def heed(self, headers: Mapping[str, str], account: str = "", provider: str = "") -> None:
        until = pause_until(headers, datetime.now(UTC))
        claimed = self._attempt.claimed
        if until is not None and provider not in ("", claimed.provider):
            self._pause(provider, account, until)
        elif until is not None:
            self._pause(claimed.provider, account or claimed.account, until)

    @property
    def remaining_s(self) -> float:
        return self._attempt.remaining_s

    @property
    def http(self) -> GuardedClient:
        self._calls_out()
        if self._http is None:
            from llmcoder.net import GuardedClient

            allow = self.settings(EngineSettings).fetch_allow
            self._http = GuardedClient(allow=allow, before_send=self.check_fence, may_send=self._may_send)
        return self._http

    @property
    def net(self) -> Network:
        self._calls_out()
        if self._net is None:
            from llmcoder.net import Network

            self._net = Network(
                allow=self.settings(EngineSettings).fetch_allow,
                remaining_s=lambda: self.remaining_s,
                check=self.check,
                check_owner=self._check_owner,
                before_send=self.check_fence,
                may_send=self._piece_may_go,
                job=str(self.job_id),
            )
        return self._net

    def close(self) -> None:
        """End what the action has opened and not closed; it may not outlive the attempt."""
        if self._net is not None:
            self._net.close()

    def _check_owner(self) -> None:
        if self._attempt.should_end() and self._attempt.end is not End.CANCELLED:
            raise self._attempt.error()

    def _piece_may_go(self) -> bool:
        """As for a request, also on a connection that was opened before the effect was armed."""
        if self._has_armed and not self._may_have_sent:
            self.check_fence()
        return self._may_send()

    def _calls_out(self) -> None:
        """From here on an error may quote a stranger."""
        self._refuse_own_records()
        self.trail.called_out = True

    def _refuse_own_records(self) -> None:
        """A declaration that spares a person's approval is held to what it says."""
        if self._attempt.action is not None and self._attempt.action.own_records:
            raise DeclarationError(f"{self.action}: it declares own_records, so it reaches for nothing else")

    def _may_send(self) -> bool:
        return not self._has_armed or self._attempt.may_send()

    def check_fence(self) -> None:
        """Right before a request's first byte: connecting may have taken longer than the lease, or a freeze has.

        Where this attempt has armed its effect, SQL is asked too: clocks cannot know of what others did.
        """
        if self._has_armed and not self._is_armed_in_sql():
            self._attempt.ask_to_end(End.LOST)
        if self._attempt.should_end() and self._attempt.lost:
            raise self._attempt.error()
        if self._has_armed and not self._attempt.may_send():
            raise self._too_late("It was too late to send it")
        self._may_have_sent = True

    def _is_armed_in_sql(self) -> bool:
        try:
            with self._db.read() as conn:
                return is_armed(conn, self.job_id, self.attempt)
        except TRANSIENT_ERRORS as error:
            raise self._too_late("The database could not be asked whether it may be sent") from error

    def _too_late(self, why: str) -> ActionError:
        """Of the first request since the effect was armed it is certain that nothing went out before."""
        if self._may_have_sent:
            return Uncertain(f"{why}; a request before this one may have had its effect.")
        return Transient(f"{why}; nothing was sent.")

    def _live(self, message: dict[str, Any]) -> None:
        self._outbox.live(self.user.id, message | {"job_id": str(self.job_id)})
