"""What people say about time, such as "tomorrow 9am" or "every weekday at 18:00", on the clock of their zone. Pure."""

from __future__ import annotations

from llmcoder.time_phrases.understanding import Understood, understand

__all__ = ["EXAMPLES", "Understood", "understand"]

EXAMPLES = "tomorrow 9am, in 20 minutes, friday 17:00, 24 dec 18:00, every weekday at 18:00, every other tuesday"
