"""Idempotency keys: which are taken, and what makes two submissions the same."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from llmcoder import strict_json
from llmcoder.errors import ActionError

LONGEST_KEY = 255


class InvalidKey(ActionError):
    """An Idempotency-Key that cannot be kept as it is."""

    slug, title, status = "invalid-idempotency-key", "The idempotency key cannot be used", 400


def fingerprint(action: str, text: str, due_at: datetime | None, priority: int | None) -> str:
    """SHA-256 of a submission: the same for the same input however it was written down."""
    due = None if due_at is None else due_at.astimezone(UTC).isoformat()
    whole = {"action": action, "input": strict_json.read_lenient(text), "due_at": due, "priority": priority}
    return hashlib.sha256(strict_json.canonical(whole, spaced=True, escaped=True).encode()).hexdigest()


def checked_key(key: str | None) -> str | None:
    """The key, if it can be kept.

    Raises:
        InvalidKey: It is empty, too long, or not printable ASCII.
    """
    if key is None or (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        return key
    raise InvalidKey(f"Idempotency-Key takes 1 to {LONGEST_KEY} printable ASCII characters, such as a UUID.")
