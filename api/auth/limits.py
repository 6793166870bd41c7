"""How often a login may fail before the next must wait, per account and per address, over all API processes.

Failures are counted, not logins. They are looked at before the password is checked, to spare the work, and decided on
afterwards under a lock, so that guesses sent side by side learn no more than guesses sent in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network, ip_address

import sqlalchemy as sa

from api.problems import HttpError, whole_seconds
from models import users

#: An account has this many failures free; each further one doubles the wait, up to the longest.
FREE_FAILURES = 5
FIRST_WAIT_S = 60.0
LONGEST_WAIT_S = 300.0
#: An address has this many failures in a sliding minute.
ADDRESS_FAILURES = 30
ADDRESS_WINDOW_S = 60.0
ENOUGH_TO_KNOW = ADDRESS_FAILURES


class TooManyAttempts(HttpError):
    """Too many logins failed; even the right password must wait."""

    slug, title, status = "too-many-attempts", "Too many failed logins", 429


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries to log in, and from where.

    Attributes:
        email: Normalised; None when what was typed cannot be an account's address.
        address: Of the client, as `client_address` writes it.
    """

    email: str | None
    address: str

    @property
    def account_subject(self) -> str:
        return f"account:{self.email}"

    @property
    def address_subject(self) -> str:
        return f"address:{self.address}"

    @property
    def subjects(self) -> tuple[str, ...]:
        return (self.account_subject, self.address_subject) if self.email else (self.address_subject,)


def client_address(host: str | None) -> str:
    """The address to count under: a whole /64 for IPv6, since one customer has all of it."""
    try:
        address = ip_address(host or "")
    except ValueError:  # a unix socket, or a proxy's name
        return host or "local"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
    return str(address)


def refuse_if_waiting(conn: sa.Connection, attempt: Attempt, now: datetime) -> None:
    """Raise before any work is done for it.

    Raises:
        TooManyAttempts: With the seconds to wait.
    """
    wait_s = _wait_s(conn, attempt, now)
    if wait_s > 0:
        seconds = whole_seconds(wait_s)
        raise TooManyAttempts(f"Too many logins failed here. Try again in {seconds} seconds.", retry_after=str(seconds))


def settle(conn: sa.Connection, attempt: Attempt, passed: bool, now: datetime) -> None:
    """Count a failure, or forget an account's failures after a success.

    Raises:
        TooManyAttempts: Others failed meanwhile; whether this one was right must not be told.
    """
    users.lock(conn, *attempt.subjects)
    refuse_if_waiting(conn, attempt, now)
    if passed:
        users.forget_failures(conn, attempt.account_subject)
    else:
        users.add_failure(conn, attempt.subjects, now)


def _wait_s(conn: sa.Connection, attempt: Attempt, now: datetime) -> float:
    of_address = users.failures(conn, attempt.address_subject, now, ENOUGH_TO_KNOW)
    of_account = users.failures(conn, attempt.account_subject, now, ENOUGH_TO_KNOW) if attempt.email else ()
    return max(address_wait_s(of_address, now), account_wait_s(of_account, now))


def account_wait_s(failed_at: Sequence[datetime], now: datetime) -> float:
    """Seconds to wait for an account whose last failures these are, newest first; 0 or less: none."""
    beyond = len(failed_at) - FREE_FAILURES
    if beyond < 0:
        return 0.0
    wait_s: float = min(FIRST_WAIT_S * 2**beyond, LONGEST_WAIT_S)
    return wait_s - (now - failed_at[0]).total_seconds()


def address_wait_s(failed_at: Sequence[datetime], now: datetime) -> float:
    """Seconds until an address has a failure free again; 0 or less: now."""
    if len(failed_at) < ADDRESS_FAILURES:
        return 0.0
    return ADDRESS_WINDOW_S - (now - failed_at[ADDRESS_FAILURES - 1]).total_seconds()
