"""Schedules that learning suggests."""

from __future__ import annotations

from llmcoder.declare.schedule import DefaultSchedule

CARDS_OF_THE_WEEK = DefaultSchedule(
    "Cards from my week", action="learning.suggest", cron="0 17 * * 5", input={"days": 7}
)
