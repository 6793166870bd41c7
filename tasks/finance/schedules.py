"""What of money is suggested to be done by the clock."""

from __future__ import annotations

from llmcoder.declare.schedule import DefaultSchedule

SYNC = DefaultSchedule("Connected bank, every morning", action="finance.sync", cron="0 6 * * *")
UNUSUAL = DefaultSchedule("Unusual payments of the week", action="finance.unusual", cron="0 8 * * 1", input={"days": 7})
