"""What makes reminders be told by the clock, where the scheduler looks for it."""

from __future__ import annotations

from tasks.reminders.due_reminders import DUE_REMINDERS

__all__ = ["DUE_REMINDERS"]
