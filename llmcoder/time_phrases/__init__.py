"""Words about time, such as "tomorrow 9am" or "every other tuesday at 18:00", understood whole or refused."""
