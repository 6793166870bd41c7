"""Time zones by name: those that IANA names, which mean the same on every machine."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: What a machine's folder of zones may hold besides: its own zone, and what stands for none.
_OF_THE_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
#: Other copies of all zones; those of `right` count leap seconds.
_COPIES = ("posix/", "right/")


def zone_of(name: str) -> ZoneInfo:
    """The zone of a name.

    Raises:
        ValueError: IANA names no such zone; the message is the end of a sentence that begins with the name.
    """
    if name not in _OF_THE_MACHINE and not name.startswith(_COPIES):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise ValueError("is no IANA time zone; one is called such as Europe/Berlin")
