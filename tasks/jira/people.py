"""Who is meant by what somebody typed: a name, an address, an id, `me`."""

from __future__ import annotations

from llmcoder.errors import BadInput
from tasks.jira.tracker import Person, Tracker

MOST_NAMED = 10


def somebody(site: Tracker, words: str, issue: str | None = None) -> Person:
    """The one person that the words can mean.

    Args:
        issue: It must be somebody who can be given this issue.

    Raises:
        BadInput: There is nobody like that, or more than one; the message names them.
    """
    if words.casefold() == "me":
        return site.myself()
    found = site.find_people(words, issue)
    exact = [one for one in found if words.casefold() in one.names]
    chosen = exact or found
    if len(chosen) == 1:
        return chosen[0]
    place = f" who can be given {issue}" if issue else ""
    if not chosen:
        raise BadInput(f"There is nobody called {words!r}{place}, or this account cannot see them.")
    told = "; ".join(_told(one) for one in chosen[:MOST_NAMED])
    raise BadInput(f"{words!r} can be more than one person{place}: {told}. Give one of the ids.")


def _told(person: Person) -> str:
    return f"{person.name} ({person.id})"
