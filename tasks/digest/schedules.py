"""When most people want their digests."""

from __future__ import annotations

from llmcoder.declare.schedule import DefaultSchedule

DAILY = DefaultSchedule("Daily digest", action="digest.daily", cron="0 7 * * *")
WEEKLY = DefaultSchedule("Weekly digest", action="digest.weekly", cron="0 7 * * mon")
