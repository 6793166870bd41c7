"""Who is meant by what somebody typed: a name, an address, an id, `me`."""

from __future__ import annotations

from llmcoder.errors import BadInput
from tasks.jira.tracker import ANYWHERE, AssigneeScope, JiraUser, Tracker

MOST_NAMED = 10


def somebody(site: Tracker, words: str, place: AssigneeScope = ANYWHERE) -> JiraUser:
    """The one person that the words can mean.

    Args:
        place: It must be somebody who can be given what is there.

    Raises:
        BadInput: There is nobody like that, or more than one; the message names them.
    """
    if words.casefold() == "me":
        return site.myself()
    found = site.find_people(words, place)
    by_id = [one for one in found if words.casefold() == one.id.casefold()]
    chosen = by_id or [one for one in found if words.casefold() in one.names] or found
    if len(chosen) == 1:
        return chosen[0]
    can = "" if place.anywhere else f" who can be given {place}"
    if not chosen:
        raise BadInput(f"There is nobody called {words!r}{can}, or this account cannot see them.")
    told = "; ".join(_told(one) for one in chosen[:MOST_NAMED])
    raise BadInput(f"{words!r} can be more than one person{can}: {told}. Give one of the ids.")


def _told(person: JiraUser) -> str:
    return f"{person.name} ({person.id})"
