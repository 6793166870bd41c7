"""What a domain's own door (a chat, an inbound hook) may do: what a person may do through the API, and nothing else.

A domain finds out who somebody is at its provider; the door says which user that is, and does everything in that
user's name by the path of every other door: validation, policies, approval, idempotency, audit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from llmcoder.context import User
from llmcoder.states import Reason, State

if TYPE_CHECKING:
    from llmcoder.declare.connection import S
    from llmcoder.registry import Registry


@dataclass(frozen=True)
class JobStatus:
    """A job as its user sees it.

    Attributes:
        input_sha256: Of the input; an approval names it.
        error: With `type`, `title` and `detail`.
        progress: 0 to 1, where the action shows any.
    """

    id: UUID
    user_id: UUID
    action: str
    state: str
    reason: str | None
    ended: bool
    input: Mapping[str, Any]
    input_sha256: str
    result: Mapping[str, Any] | None
    error: Mapping[str, str] | None
    progress: float | None
    origin: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
    note: str | None

    @property
    def awaits_approval(self) -> bool:
        return (self.state, self.reason) == (State.WAITING, Reason.APPROVAL)


class Door(ABC):
    """The engine, as a domain's listener or hook meets it. All methods wait for the database; safe for threads.

    Raises:
        NotFound: The user has no such job; there is no such action (the detail offers the nearest names).
        Transient: The database is busy or away; ask again.
    """

    #: Every action by name, with its schema and its one-line summary.
    registry: Registry

    @abstractmethod
    def settings(self, kind: type[S]) -> S:
        """The settings of one kind, as they are now."""

    @abstractmethod
    def user_of(self, provider: str, account: str) -> User | None:
        """Whoever connected that account, if exactly one active user did."""

    @abstractmethod
    def user_by_email(self, email: str) -> User | None:
        """The active user of that address. Only for an address that its provider vouches for."""

    @abstractmethod
    def may_run(self, user: User, action: str) -> bool:
        """Whether the user may have the action run; one that they may not is not offered, nor explained."""

    @abstractmethod
    def submit(
        self, user: User, action: str, given: Mapping[str, Any], *, key: str, sources: Sequence[UUID] = ()
    ) -> JobStatus:
        """Accept a job of the user in person; it is committed when this returns.

        Args:
            given: The input; references to results are resolved.
            key: The idempotency key: the same one gives the first job again, whatever came with it.
            sources: Jobs of whose results the input was made.

        Raises:
            BadInput: It is not what the action takes; the detail names the fields.
            Forbidden: It is for administrators only, and the user is none.
            NotConfigured: A setting or an account that the action needs is missing.
            InputTooLarge: MAX_INPUT_BYTES says so.
        """

    @abstractmethod
    def job(self, user: User, job_id: UUID) -> JobStatus:
        """One job of the user, or one that waits for their decision."""

    @abstractmethod
    def jobs(self, user: User, limit: int) -> list[JobStatus]:
        """The user's newest jobs, the newest first."""

    @abstractmethod
    def waiting(self, user: User, limit: int) -> list[JobStatus]:
        """Jobs that wait for this user's decision, the newest first; those of others who named them too."""

    @abstractmethod
    def cancel(self, user: User, job_id: UUID) -> JobStatus:
        """As `POST /jobs/{id}/cancel`. Raises `WrongState` where it has ended."""

    @abstractmethod
    def approve(self, user: User, job_id: UUID, input_sha256: str) -> JobStatus:
        """As `POST /jobs/{id}/approve`.

        Raises:
            WrongState: It does not wait any more, or not for this.
            NotAsShown: Its input is another than the one that was seen.
            Forbidden: Others decide about this user's jobs.
        """

    @abstractmethod
    def reject(self, user: User, job_id: UUID, reason: str | None) -> JobStatus:
        """As `POST /jobs/{id}/reject`. Raises as `approve`."""
