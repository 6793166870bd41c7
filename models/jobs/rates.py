"""Limits per provider and account, shared by all workers: what a provider asked for, and the rate that was declared.

The declared rate is kept by the generic cell rate algorithm (ATM Forum, 1996): one instant per account says how much of
the rate is used up. A job that must not run yet gets an instant of its own, so that those who wait do not come back in
a crowd.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.declare.rate import Rate
from models.db import batch, conflicts
from models.jobs.tables import rate_limits

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
#: Without a declared rate, those who waited for a provider come back at this distance.
SPACING = timedelta(milliseconds=50)

#: A provider and one account there; an empty account is everybody's.
Account = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Meter:
    """What is known of one account.

    Attributes:
        blocked_until: The provider asked not to be called before.
        used_until: Each call moves it on by the time that one call takes of the rate.
        spread_until: Jobs that have to wait stand up to here.
    """

    blocked_until: datetime = LONG_AGO
    used_until: datetime = LONG_AGO
    spread_until: datetime = LONG_AGO

    def admit(self, rate: Rate | None, now: datetime) -> tuple[Meter, datetime | None]:
        """Let one job call, or say when it may come again.

        Returns:
            The meter afterwards, and the instant for a job that must wait.
        """
        if self.blocked_until > now:
            return self._wait(self.blocked_until, rate)
        if rate is None:
            return self, None
        start = max(self.used_until, now)
        allowed_at = start - rate.slack
        if allowed_at > now:
            return self._wait(allowed_at, rate)
        return replace(self, used_until=start + rate.interval), None

    def _wait(self, until: datetime, rate: Rate | None) -> tuple[Meter, datetime]:
        due_at = max(until, self.spread_until)
        return replace(self, spread_until=due_at + (rate.interval if rate is not None else SPACING)), due_at


def admit(
    conn: sa.Connection, wanted: Iterable[tuple[UUID, Account]], rates: Mapping[str, Rate], now: datetime
) -> dict[UUID, datetime]:
    """Let jobs call their providers, in order.

    Args:
        wanted: Jobs that are about to run, with whom they will call.
        rates: Declared rates, by provider.

    Returns:
        For those that must wait, when they may come again.
    """
    in_order = list(wanted)
    meters = _locked(conn, {account for _, account in in_order}, rates)
    before = dict(meters)
    waiting = {}
    for job_id, account in in_order:
        if account in meters:
            meters[account], due_at = meters[account].admit(rates.get(account[0]), now)
            if due_at is not None:
                waiting[job_id] = due_at
    _keep(conn, {account: meter for account, meter in meters.items() if meter != before[account]})
    return waiting


def block(conn: sa.Connection, account: Account, until: datetime) -> None:
    """Note that nobody should ask the provider for that account before the instant."""
    mine = sa.and_(rate_limits.c.provider == account[0], rate_limits.c.account == account[1])
    sooner = sa.or_(rate_limits.c.blocked_until.is_(None), rate_limits.c.blocked_until < until)
    if conn.execute(sa.update(rate_limits).where(mine, sooner).values(blocked_until=until)).rowcount:
        return
    row = {"provider": account[0], "account": account[1], "blocked_until": until}
    conn.execute(conflicts.insert(conn.dialect.name, rate_limits).values(row).on_conflict_do_nothing())


def blocked(conn: sa.Connection, now: datetime) -> dict[Account, datetime]:
    """Every account whose provider asked to wait, with the instant from which it may be asked again."""
    query = sa.select(rate_limits).where(rate_limits.c.blocked_until > now)
    return {(row.provider, row.account): row.blocked_until for row in conn.execute(query)}


def _locked(conn: sa.Connection, accounts: set[Account], rates: Mapping[str, Rate]) -> dict[Account, Meter]:
    """The meters of these accounts, locked; where none is kept and no rate is declared there is nothing to meter."""
    if not accounts:
        return {}
    query = sa.select(rate_limits).where(sa.tuple_(rate_limits.c.provider, rate_limits.c.account).in_(accounts))
    in_order = query.order_by(rate_limits.c.provider, rate_limits.c.account).with_for_update()
    found = {(row.provider, row.account): _meter(row) for row in conn.execute(in_order)}
    new = [account for account in sorted(accounts) if account[0] in rates and account not in found]
    if not new:
        return found
    batch.insert_new(conn, rate_limits, [{"provider": provider, "account": account} for provider, account in new])
    return _locked(conn, accounts, rates)


def _meter(row: Any) -> Meter:
    return Meter(row.blocked_until or LONG_AGO, row.used_until or LONG_AGO, row.spread_until or LONG_AGO)


def _keep(conn: sa.Connection, meters: Mapping[Account, Meter]) -> None:
    rows = [
        {
            "provider": account[0],
            "account": account[1],
            "used_until": meter.used_until,
            "spread_until": meter.spread_until,
        }
        for account, meter in meters.items()
    ]
    if rows:
        batch.update(conn, rate_limits, rows, key=("provider", "account"))
