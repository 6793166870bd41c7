"""Which channel is meant: by id, by name, or a person for a direct message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from llmcoder.errors import ActionError, BadInput, NotFound
from tasks.slack.client import SlackClient
from tasks.slack.errors import MissingScope

CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,}")
USER_ID = re.compile(r"[UW][A-Z0-9]{7,}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PAGE = 500
#: Names are looked for so far; beyond, an id says which one is meant.
MOST_PAGES = 20
PUBLIC, PRIVATE = "public_channel", "private_channel"
#: Slack's kinds of channel, with the scope that a token needs to see them. Asking for both at once needs both scopes,
#: and Slack then names all of its scopes for lists as needed.
SCOPES = {PUBLIC: "channels:read", PRIVATE: "groups:read"}
HOW_TO_ADD = "Add it under OAuth & Permissions in the app's settings and install the app again"
#: Between the kind and Slack's own cursor, where only one kind was listed.
KIND_SIGN = "|"


@dataclass(frozen=True)
class SlackChannel:
    """A channel as Slack describes it."""

    id: str
    name: str
    is_private: bool
    is_member: bool
    is_archived: bool
    topic: str
    purpose: str
    members: int | None


@dataclass(frozen=True)
class ChannelSlice:
    """Some of the channels, and where the next ones begin.

    Attributes:
        unseen: The scope without which others could not be looked at; None where all were.
    """

    channels: tuple[SlackChannel, ...]
    next_cursor: str | None
    unseen: str | None = None


def listed(client: SlackClient, *, cursor: str | None = None, limit: int = PAGE, archived: bool = False,
           private: bool = True) -> ChannelSlice:  # fmt: skip
    """One page of the channels that the account can see: of the kinds that its token may look at.

    Raises:
        MissingScope: It may look at none.
    """
    kind, sign, place = (cursor or "").partition(KIND_SIGN)
    if sign and kind in SCOPES:  # the page before found out what the token may see
        return _of_one_kind(client, kind, place or None, limit, archived=archived, unseen=private)
    if not private:
        return _slice(client, PUBLIC, cursor, limit, archived=archived)
    try:
        return _slice(client, ",".join(SCOPES), cursor, limit, archived=archived)
    except MissingScope:
        pass
    refusals: list[MissingScope] = []
    for one in SCOPES:
        try:
            return _of_one_kind(client, one, cursor, limit, archived=archived, unseen=True)
        except MissingScope as error:
            refusals.append(error)
    raise refusals[0]


def _of_one_kind(
    client: SlackClient, kind: str, cursor: str | None, limit: int, *, archived: bool, unseen: bool
) -> ChannelSlice:
    """A page of one kind, whose cursor remembers that it is of one kind."""
    page = _slice(client, kind, cursor, limit, archived=archived)
    other = next(scope for one, scope in SCOPES.items() if one != kind)
    following = f"{kind}{KIND_SIGN}{page.next_cursor}" if page.next_cursor else None
    return ChannelSlice(page.channels, following, other if unseen else None)


def _slice(client: SlackClient, kinds: str, cursor: str | None, limit: int, *, archived: bool) -> ChannelSlice:
    try:
        answer = client.ask(
            lambda web: web.conversations_list(cursor=cursor, limit=limit, exclude_archived=not archived, types=kinds)
        )
    except MissingScope as error:
        scopes = " and ".join(SCOPES[one] for one in kinds.split(","))
        raise MissingScope(
            f"The token may not list these channels: that needs {scopes}, and it has: {error.provided}. {HOW_TO_ADD}.",
            error.provided,
        ) from error
    return ChannelSlice(tuple(_channel(one) for one in _dicts(answer.get("channels"))), next_cursor(answer))


def next_cursor(answer: dict[str, Any]) -> str | None:
    """Where the next page begins; an empty cursor is Slack's way of saying that there is none."""
    about = answer.get("response_metadata")
    return str(about.get("next_cursor") or "") or None if isinstance(about, dict) else None


def _channel(found: dict[str, Any]) -> SlackChannel:
    members = found.get("num_members")
    return SlackChannel(
        id=str(found.get("id", "")),
        name=str(found.get("name") or found.get("name_normalized") or ""),
        is_private=bool(found.get("is_private")),
        is_member=bool(found.get("is_member")),
        is_archived=bool(found.get("is_archived")),
        topic=_value(found.get("topic")),
        purpose=_value(found.get("purpose")),
        members=members if isinstance(members, int) else None,
    )


def _value(about: object) -> str:
    return str(about.get("value") or "") if isinstance(about, dict) else ""


def _dicts(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


# --- which one is meant


def channel_id(client: SlackClient, wanted: str) -> str:
    """The id of the channel that is meant; for a person that of the direct messages with them, opened if need be.

    Args:
        wanted: An id, #name or name; @name, a user id or an e-mail address for a person.

    Raises:
        NotFound: There is none that this account can see; the detail offers the nearest names.
        BadInput: Several people carry the name.
    """
    if CHANNEL_ID.fullmatch(wanted):
        return wanted
    if USER_ID.fullmatch(wanted) or wanted.startswith("@") or EMAIL.fullmatch(wanted):
        return direct_messages(client, _user_id(client, wanted))
    return _by_name(client, wanted.removeprefix("#").lower())


def direct_messages(client: SlackClient, user_id: str) -> str:
    """The id of the conversation with a person; opening it twice opens it once."""
    answer = client.ask(lambda web: web.conversations_open(users=user_id))
    found = answer.get("channel")
    if not isinstance(found, dict) or not found.get("id"):
        raise NotFound(f"Slack opened no conversation with {user_id}.")
    return str(found["id"])


def _by_name(client: SlackClient, name: str) -> str:
    """Among the public channels first: to find one of them, a token needs no more than to see them.

    Raises:
        MissingScope: The token sees no channels at all.
        NotFound: There is none among those that it sees; the detail says which it does not see.
    """
    names: list[str] = []
    unseen: list[str] = []
    for kind, scope in SCOPES.items():
        try:
            for channel in _channels(client, kind):
                if channel.name == name:
                    return channel.id
                names.append(channel.name)
        except MissingScope:
            unseen.append(scope)
    raise _no_channel(name, names, unseen)


def _no_channel(name: str, names: Sequence[str], unseen: Sequence[str]) -> ActionError:
    if len(unseen) == len(SCOPES):
        return MissingScope(
            f"The token may not look for #{name}: for a public channel it needs {SCOPES[PUBLIC]}, for a private one "
            f"{SCOPES[PRIVATE]}. {HOW_TO_ADD}, or give the channel's id, such as C0123456789."
        )
    near = get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(f'#{one}' for one in near)}?" if near else ""
    return NotFound(f"This account sees no channel #{name}.{hint} {_not_seen(unseen)}")


def _not_seen(unseen: Sequence[str]) -> str:
    """What else there may be."""
    if not unseen:
        return "A private one is seen by its members only."
    kind = "Private" if SCOPES[PRIVATE] in unseen else "Public"
    return f"{kind} channels were not looked at: the token lacks {unseen[0]}. Add it, or give the channel's id."


def _channels(client: SlackClient, kind: str) -> Iterator[SlackChannel]:
    """Archived ones are left out: nothing can be posted there."""
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = _slice(client, kind, cursor, PAGE, archived=False)
        yield from page.channels
        if (cursor := page.next_cursor) is None:
            return
    raise BadInput("There are too many channels to find one by its name. Give its id, such as C0123456789.")


def _user_id(client: SlackClient, wanted: str) -> str:
    if USER_ID.fullmatch(wanted):
        return wanted
    if EMAIL.fullmatch(wanted):
        found = client.ask(lambda web: web.users_lookupByEmail(email=wanted)).get("user")
        return str(found["id"]) if isinstance(found, dict) else ""
    return _person_by_name(client, wanted.removeprefix("@").lower())


def _person_by_name(client: SlackClient, name: str) -> str:
    """Names of people are not unique, so all of them are looked at."""
    found = {str(one.get("id")): str(one.get("name")) for one in _people(client) if name in _names(one)}
    if not found:
        raise NotFound(f"There is nobody called @{name} in this workspace.")
    if len(found) > 1:
        listed_ = ", ".join(f"{login} ({one})" for one, login in found.items())
        raise BadInput(f"Several people are called @{name}: {listed_}. Give the id of the one you mean.")
    return next(iter(found))


def _people(client: SlackClient) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        answer = _page_of_people(client, cursor)
        yield from (one for one in _dicts(answer.get("members")) if not one.get("deleted"))
        if (cursor := next_cursor(answer)) is None:
            return
    raise BadInput("There are too many people to find one by name. Give the user id or the e-mail address.")


def _page_of_people(client: SlackClient, cursor: str | None) -> dict[str, Any]:
    return client.ask(lambda web: web.users_list(cursor=cursor, limit=PAGE))


def _names(member: dict[str, Any]) -> set[str]:
    profile = member.get("profile") if isinstance(member.get("profile"), dict) else {}
    assert isinstance(profile, dict)
    return {str(one).lower() for one in (member.get("name"), profile.get("display_name")) if one}


def person_name(user: dict[str, Any]) -> str:
    """What others call somebody in Slack."""
    profile = user.get("profile")
    shown = (profile.get("display_name"), profile.get("real_name")) if isinstance(profile, dict) else ()
    return next((str(one) for one in (*shown, user.get("real_name"), user.get("name")) if one), str(user.get("id", "")))
