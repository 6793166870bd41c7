"""Which channel is meant: by id, by name, or a person for a direct message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from llmcoder.errors import BadInput, NotFound
from tasks.slack.client import SlackClient

CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,}")
USER_ID = re.compile(r"[UW][A-Z0-9]{7,}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PAGE = 500
#: Names are looked for so far; beyond, an id says which one is meant.
MOST_PAGES = 20
KINDS = "public_channel,private_channel"


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
    """Some of the channels, and where the next ones begin."""

    channels: tuple[SlackChannel, ...]
    next_cursor: str | None


def listed(client: SlackClient, *, cursor: str | None = None, limit: int = PAGE, archived: bool = False,
           private: bool = True) -> ChannelSlice:  # fmt: skip
    """One page of the channels that the account can see."""
    kinds = KINDS if private else "public_channel"
    answer = client.ask(
        lambda web: web.conversations_list(cursor=cursor, limit=limit, exclude_archived=not archived, types=kinds)
    )
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
    names: list[str] = []
    for page in _pages(client):
        for channel in page.channels:
            if channel.name == name:
                return channel.id
            names.append(channel.name)
    near = get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(f'#{one}' for one in near)}?" if near else ""
    raise NotFound(f"This account sees no channel #{name}.{hint} A private one is seen by its members only.")


def _pages(client: SlackClient) -> Iterator[ChannelSlice]:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = listed(client, cursor=cursor)
        yield page
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
