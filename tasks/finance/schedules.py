"""What of money is suggested to be looked at by the clock."""

from __future__ import annotations

from llmcoder.declare.schedule import DefaultSchedule

UNUSUAL = DefaultSchedule("Unusual payments of the week", action="finance.unusual", cron="0 8 * * 1", input={"days": 7})
