"""The error tree: the class of an error is its remedy.

    ActionError
    ├── BadInput          the caller must send something else
    ├── NotFound          it is not there, or this account cannot see it
    ├── Forbidden         the account may not do this
    ├── NotConfigured     an operator must fill in a setting
    ├── NeedsReconnect    a person must connect the account again; no retry is burnt
    ├── Refused           the provider said no for good, for a reason of its own
    ├── Transient         it surely did NOT happen: try again by the policy
    ├── RateLimited       it did not happen: wait until `retry_at`; not counted as an attempt
    ├── Uncertain         it MAY have happened: ask the provider, repeat only if repeatable, else ask a person
    ├── Unreadable        it DID happen, and what the provider said of it is lost: it is never run again
    ├── TimedOut          the attempt ran past the action's deadline
    ├── Cancelled         somebody asked for the end of this job
    └── Suspended         no error: the job's steps are jobs of their own, and whoever ends them ends it
        └── Awaiting      no error: somebody's call from outside ends it

A vendor's errors are mapped to these once, in that domain's `client.py`. A refused connection is `Transient`;
silence after the request was sent is `Uncertain`, and an answer that says yes and cannot be read is not: `Unreadable`.
Messages speak to a user (what happened, about which object, what to do) and never hold a secret.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar


class ActionError(Exception):
    """Base of every error an action may raise on purpose.

    Attributes:
        slug: Stable name of the kind; the API's problem `type` is `urn:llmcoder:problem:<slug>`.
        title: The same for every error of the kind.
        status: HTTP status where the error answers a request directly.
        detail: What happened, about which object, what to do. Shown to users.
    """

    slug: ClassVar[str] = "action-error"
    title: ClassVar[str] = "The action failed"
    status: ClassVar[int] = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def as_problem(self) -> dict[str, str]:
        """The error as it stands in a job: type, title, detail."""
        return {"type": problem_type(self.slug), "title": self.title, "detail": self.detail}


def problem_type(slug: str) -> str:
    """The stable RFC 9457 `type` of a problem kind."""
    return f"urn:llmcoder:problem:{slug}"


class BadInput(ActionError):
    """The input cannot be right; sending it again will not help."""

    slug, title, status = "bad-input", "The input is not usable", 422


class Busy(ActionError):
    """Too many ask for the same scarce thing at once; nothing was begun.

    Attributes:
        retry_after_s: Whole seconds after which it is worth trying again.
    """

    slug, title, status = "busy", "Too busy right now", 503

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotFound(ActionError):
    """The object does not exist, or the account cannot see it."""

    slug, title, status = "not-found", "Not found", 404


class Forbidden(ActionError):
    """The account exists and may not do this."""

    slug, title, status = "forbidden", "Not allowed", 403


class NotConfigured(ActionError):
    """A setting that this action needs is missing; the detail names it."""

    slug, title, status = "not-configured", "Not configured", 409


class NeedsReconnect(ActionError):
    """The grant is dead; the job waits for a person to connect the account again."""

    slug, title, status = "needs-reconnect", "The account must be connected again", 409


class Refused(ActionError):
    """The provider refused for good; the detail carries its reason."""

    slug, title, status = "refused", "The provider refused", 409


class Transient(ActionError):
    """It surely did not happen, and may work later."""

    slug, title, status = "transient", "Temporarily unavailable", 503


class RateLimited(ActionError):
    """The provider asks to wait; every worker honours it for that provider and account.

    Args:
        detail: What was limited.
        retry_at: Aware instant before which nobody should ask again.
        provider: Whose limit it is; the action's domain when empty.
        account: Which account there; empty for the one of this installation.
    """

    slug, title, status = "rate-limited", "Rate limited by the provider", 429

    def __init__(self, detail: str, retry_at: datetime, provider: str = "", account: str = "") -> None:
        super().__init__(detail)
        self.retry_at = retry_at.astimezone(UTC)
        self.provider = provider
        self.account = account


class Uncertain(ActionError):
    """The request was sent and no answer came: the effect may have happened."""

    slug, title, status = "uncertain", "The outcome is unknown", 504


class Unreadable(ActionError):
    """The provider has done it: its answer says so, and is not what it should be, so its receipt is lost."""

    slug, title, status = "answer-unreadable", "It happened, and its answer could not be read", 502


class TimedOut(ActionError):
    """The attempt ran past the action's deadline and was ended."""

    slug, title, status = "timed-out", "The job ran out of time", 504


class Cancelled(ActionError):
    """The job was cancelled; raised inside a running action so that it ends."""

    slug, title, status = "cancelled", "Cancelled", 409


class Suspended(ActionError):
    """What the job stands for goes on as jobs of its own; it waits, without a worker, until they have ended."""

    slug, title, status = "suspended", "Waits for its steps", 409


class Awaiting(Suspended):
    """The job waits, without a worker, for somebody to call the address of a macro's step."""

    slug, title, status = "awaiting", "Waits for a call", 409


class DeclarationError(TypeError):
    """An action's declaration breaks a rule; raised at import and names action and rule."""
