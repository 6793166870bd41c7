"""Names of Gmail's labels, remembered for a while: they seldom change, and each list of mails would ask for them.

For showing only. What looks for a label by its name, or puts one on, asks Gmail anew.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

#: How long a label that was renamed may still be shown by its old name.
KEPT_S = 600.0
MOST_ACCOUNTS = 500

#: Where the API stands, and whose mailbox it is.
Key = tuple[str, str]


@dataclass
class LabelNames:
    """Names by ids, of each mailbox. Of one process, and used by many threads."""

    _held: OrderedDict[Key, tuple[float, Mapping[str, str]]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, key: Key) -> Mapping[str, str] | None:
        """What is remembered; None where nothing is, or too long."""
        with self._lock:
            until, names = self._held.get(key, (0.0, None))
            return names if time.monotonic() < until else None

    def remember(self, key: Key, names: Mapping[str, str]) -> None:
        with self._lock:
            self._held.pop(key, None)
            self._held[key] = (time.monotonic() + KEPT_S, dict(names))
            if len(self._held) > MOST_ACCOUNTS:
                self._held.popitem(last=False)


LABEL_NAMES = LabelNames()
