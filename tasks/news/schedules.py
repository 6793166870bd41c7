"""When most people want their sources asked."""

from __future__ import annotations

from llmcoder.declare.schedule import DefaultSchedule

REFRESH = DefaultSchedule("Refresh news", action="news.refresh", cron="*/30 * * * *")
