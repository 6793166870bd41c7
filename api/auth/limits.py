"""How often a login may fail before the next must wait, and how many accounts may come from one address.

Failures are counted, not logins. They are looked at before the password is checked, to spare the work, and decided on
afterwards under a lock, so that guesses sent side by side learn no more than guesses sent in a row. The counts stand in
SQL, so they hold over all API processes.

Whoever guesses is slowed, and not the owner of the account: guesses from one address make that address wait, guesses
from everywhere together make all unknown addresses wait, and where the owner has logged in before, or with the device
token that a login gave, only what failed there and with it counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network, ip_address

import sqlalchemy as sa

from api.http.problems import HttpError, whole_seconds
from models.accounts import users


@dataclass(frozen=True, slots=True)
class Patience:
    """So many failures are free; each further one doubles the wait, up to the longest."""

    free: int
    first_wait_s: float
    longest_wait_s: float = 300.0

    def wait_s(self, failed_at: Sequence[datetime], now: datetime) -> float:
        """Seconds to wait after these failures, newest first; 0 or less: none."""
        beyond = len(failed_at) - self.free
        if beyond < 0:
            return 0.0
        wait_s: float = min(self.first_wait_s * 2**beyond, self.longest_wait_s)
        return wait_s - (now - failed_at[0]).total_seconds()


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """So many in a sliding time."""

    most: int
    lasts_s: float

    def wait_s(self, counted_at: Sequence[datetime], now: datetime) -> float:
        """Seconds until one is free again, of those that were counted, newest first; 0 or less: now."""
        if len(counted_at) < self.most:
            return 0.0
        return self.lasts_s - (now - counted_at[self.most - 1]).total_seconds()


#: For one account from one address where nobody has logged in to it.
STRANGER = Patience(free=5, first_wait_s=60.0)
#: For one account where its owner has logged in, or with the owner's device: people mistype.
OWNER = Patience(free=10, first_wait_s=15.0)
#: For one account from all addresses where nobody has logged in to it, together.
ACCOUNT = Patience(free=20, first_wait_s=60.0)
#: For all accounts from one address.
ADDRESS = SlidingWindow(most=30, lasts_s=60.0)
#: Registrations from one address, whatever becomes of them.
REGISTRATIONS = SlidingWindow(most=10, lasts_s=3600.0)
LONGEST_ADDRESS = 64
#: Of each count the newest so many say all.
ENOUGH_TO_KNOW = 30
#: A count under a name; how long it must wait is for its rule to say.
Counted = tuple[str, Patience | SlidingWindow]


class TooManyAttempts(HttpError):
    """Too many logins failed; even the right password must wait."""

    slug, title, status = "too-many-attempts", "Too many failed logins", 429


class TooManyRegistrations(HttpError):
    """One address asked for too many accounts."""

    slug, title, status = "too-many-registrations", "Too many accounts from here", 429


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """Who tries to log in, and from where.

    Attributes:
        email: Normalised; None when what was typed cannot be an account's address.
        address: Of the client, as `client_address` writes it.
        device: The id of the device token that came along, if it is one of this account's.
        at_home: Whether the account's owner has logged in from that address.
    """

    email: str | None
    address: str
    device: str | None = None
    at_home: bool = False

    @property
    def counted(self) -> tuple[Counted, ...]:
        """What this attempt counts for, and must wait for."""
        here: Counted = (f"address:{self.address}", ADDRESS)
        if self.email is None:
            return (here,)
        if self.device is not None:
            return ((f"device:{self.device}", OWNER),)
        own = hashlib.sha256(f"{self.email} {self.address}".encode()).hexdigest()
        if self.at_home:
            return ((f"home:{own}", OWNER), here)
        return ((f"stranger:{own}", STRANGER), (f"account:{self.email}", ACCOUNT), here)

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(subject for subject, _ in self.counted)


def client_address(host: str | None) -> str:
    """The address to count under: a whole /64 for IPv6, since one customer has all of it."""
    try:
        address = ip_address(host or "")
    except ValueError:  # a unix socket, or what a proxy wrote
        return host[:LONGEST_ADDRESS] if host else "local"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))
    return str(address)


def refuse_if_waiting(conn: sa.Connection, attempt: LoginAttempt, now: datetime) -> None:
    """Raise before any work is done for it.

    Raises:
        TooManyAttempts: With the seconds to wait.
    """
    wait_s = max(_wait_s(conn, counted, now) for counted in attempt.counted)
    if wait_s > 0:
        seconds = whole_seconds(wait_s)
        raise TooManyAttempts(f"Too many logins failed here. Try again in {seconds} seconds.", retry_after=str(seconds))


def settle(conn: sa.Connection, attempt: LoginAttempt, passed: bool, now: datetime) -> None:
    """Count a failure, or forget after a success what failed for this account here.

    What failed elsewhere stays counted: a login of the owner's is no gift to those who guess.

    Raises:
        TooManyAttempts: Others failed meanwhile; whether this one was right must not be told.
    """
    users.lock(conn, *attempt.subjects)
    refuse_if_waiting(conn, attempt, now)
    if passed:
        users.forget_failures(conn, attempt.subjects[0])
    else:
        users.add_failure(conn, attempt.subjects, now)


def refuse_crowd(conn: sa.Connection, address: str, now: datetime) -> None:
    """Raise where an address has registered too many accounts lately.

    Raises:
        TooManyRegistrations: With the seconds to wait.
    """
    wait_s = _wait_s(conn, (_registrations(address), REGISTRATIONS), now)
    if wait_s > 0:
        detail = f"An address may register {REGISTRATIONS.most} accounts an hour. An administrator may make more."
        raise TooManyRegistrations(detail, retry_after=str(whole_seconds(wait_s)))


def count_registration(conn: sa.Connection, address: str, now: datetime) -> None:
    """Count one, whether it made an account or found one.

    Raises:
        TooManyRegistrations: As `refuse_crowd`; others came meanwhile.
    """
    users.lock(conn, _registrations(address))
    refuse_crowd(conn, address, now)
    users.add_failure(conn, [_registrations(address)], now)


def _registrations(address: str) -> str:
    return f"register:{address}"


def _wait_s(conn: sa.Connection, counted: Counted, now: datetime) -> float:
    subject, rule = counted
    return rule.wait_s(users.failures(conn, subject, now, ENOUGH_TO_KNOW), now)
