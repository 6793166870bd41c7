"""What Slack's refusals mean for us. Pure: an answer goes in, the error whose class is its remedy comes out.

By the error tables of https://docs.slack.dev/reference/methods. Slack answers 200 with `ok: false` and a name; HTTP
statuses of their own have only limits (429) and failures on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.retry_after import retry_at
from llmcoder.text import one_line

PROVIDER = "slack"
NAME_LIMIT = 80

#: The token is no good any more; `not_authed` is an empty one.
DEAD = {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "user_removed_from_team"}
LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}
#: Slack's own trouble. Of what writes, some of it may have been done.
FAILED = {"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
#: Slack takes our client_msg_id for one that came before and does not find the message.
REPEATED = {"duplicate_message_not_found", "duplicate_channel_not_found"}
GONE = {
    "channel_not_found": "There is no such channel, or this account cannot see it. Look at slack.list_channels, or "
    "invite the app or the person to a private channel.",
    "user_not_found": "There is no such person in this workspace.",
    "users_not_found": "There is nobody with this e-mail address in this workspace.",
    "user_not_visible": "This account cannot see that person.",
    "thread_not_found": "There is no such thread in this channel.",
    "message_not_found": "There is no such message in this channel.",
}
FORBIDDEN = {
    "not_in_channel": "This account is not in the channel. Invite it there: /invite @the-app, or join.",
    "restricted_action": "The workspace's preferences do not let this account post there.",
    "restricted_action_read_only_channel": "The channel is read-only for this account.",
    "restricted_action_thread_only_channel": "Only threads are allowed in this channel: give thread_ts.",
    "restricted_action_non_threadable_channel": "This channel has no threads: leave thread_ts out.",
    "restricted_action_thread_locked": "The thread is locked.",
    "not_allowed_token_type": "Slack does not take this kind of token for it.",
    "access_denied": "This account may not do that.",
    "no_permission": "This account lacks the permission for that.",
    "cant_delete_message": "This account cannot delete that message: only what it posted itself.",
    "cant_update_message": "This account cannot change that message.",
    "ekm_access_denied": "The workspace's administrators have suspended it.",
    "org_login_required": "The workspace is moving to an organisation; ask its administrator.",
    "cannot_dm_bot": "Bots cannot be written to.",
}
REFUSED = {
    "is_archived": "The channel is archived; nothing can be posted there.",
    "user_disabled": "That person's account is disabled.",
    "compliance_exports_prevent_deletion": "The workspace keeps messages for compliance; nothing can be deleted.",
}
BAD = {
    "msg_too_long": "The message is too long for Slack.",
    "no_text": "The message has no text.",
    "invalid_cursor": "The cursor is not one that Slack gave, or too old. Begin again without it.",
    "cannot_reply_to_message": "That message cannot be replied to.",
    "method_not_supported_for_channel_type": "Slack does not do this in channels of that kind.",
    "is_bot": "Bots cannot be written to.",
}


class MissingScope(Forbidden):
    """The token may not do this; another request, which needs less, may still do.

    Attributes:
        provided: The scopes that it has, as Slack lists them.
    """

    def __init__(self, detail: str, provided: str = "not said") -> None:
        super().__init__(detail)
        self.provided = provided


def error_of(
    status: int,
    headers: Mapping[str, str],
    answer: Mapping[str, Any] | None,
    *,
    account: str,
    now: datetime,
    sends: bool,
) -> ActionError:
    """The error that an answer stands for.

    Args:
        headers: Names in lower case, or a mapping that does not mind.
        answer: Its body; None where that is no JSON object, so that something else answered in Slack's place.
        account: Whose token it was; empty for the one of this installation.
        now: Aware.
        sends: Whether it may have happened although Slack failed.
    """
    name = str((answer or {}).get("error") or "")
    if status == 429 or name in LIMITED:
        return RateLimited("Slack asks to wait.", retry_at(headers, now), provider=PROVIDER, account=account)
    if sends and not name and 200 <= status < 300:  # Slack's own word for no is `ok: false`, with a name
        if (answer or {}).get("ok") is False:
            return Refused("Slack refused, and did not say why.")
        return Unreadable("Slack has done it, but its answer could not be read; look there.")
    if sends and 300 <= status < 400:
        if status == 303:  # "it is done, see there" (RFC 9110, 15.4.4)
            return Unreadable("Slack has done it, and shows elsewhere what it made; look there.")
        return NotConfigured(f"Slack sends us elsewhere ({status}), so nothing was done; correct SLACK_API_URL.")
    if status >= 500 or name in FAILED or (not name and status < 400):
        said = _said(status, name)
        return Uncertain(f"{said} It may have happened.") if sends else Transient(f"{said} Nothing was changed.")
    if name in REPEATED:
        return Uncertain("Slack takes the message for one that it had before, and does not find that one.")
    return _refusal(name, answer or {}) if name else _of_status(status)


def _refusal(name: str, answer: Mapping[str, Any]) -> ActionError:
    if name in DEAD:
        return NeedsReconnect(f"Slack does not accept this account's token any more ({name}). Connect it again.")
    if name == "missing_scope":
        needed, provided = _listed(answer.get("needed")), _listed(answer.get("provided"))
        return MissingScope(
            f"The token lacks a scope. Needed: {needed}; it has: {provided}. Add it under OAuth & Permissions in the "
            "app's settings, install the app again, and connect again.",
            provided,
        )
    for known, kind in ((GONE, NotFound), (FORBIDDEN, Forbidden), (REFUSED, Refused), (BAD, BadInput)):
        if name in known:
            return kind(f"{known[name]} ({name})")
    if name.startswith("restricted_action") or name.startswith("posting_to_"):
        return Forbidden(f"The workspace's rules do not allow it ({one_line(name, NAME_LIMIT)}).")
    if name.startswith(("invalid_", "missing_", "no_", "too_many_", "bad_")):
        return BadInput(f"Slack does not take this request: {one_line(name, NAME_LIMIT)}{_messages(answer)}.")
    return Refused(f"Slack refused: {one_line(name, NAME_LIMIT)}{_messages(answer)}.")


def _of_status(status: int) -> ActionError:
    """Statuses without a name from Slack: proxies, and what stands in for Slack."""
    said = f"Slack, or something in between, answered {status}"
    match status:
        case 401:
            return NeedsReconnect(f"{said}: the token is not accepted. Connect the account again.")
        case 403:
            return Forbidden(f"{said}: not allowed.")
        case 404:
            return NotFound(f"{said}: no such method. Look at SLACK_API_URL.")
        case 400 | 413 | 422:
            return BadInput(f"{said}: it does not take this request.")
        case 408 | 425:
            return Transient(f"{said}; nothing was done.")
    return Refused(f"{said}.")


def _said(status: int, name: str) -> str:
    if name:
        return f"Slack failed ({one_line(name, NAME_LIMIT)})."
    return f"Slack failed with {status}." if status >= 500 else "Something that is not Slack answered in its place."


def _listed(scopes: object) -> str:
    return one_line(str(scopes or "not said").replace(",", ", "), 300)


def _messages(answer: Mapping[str, Any]) -> str:
    """What Slack adds about wrong arguments, such as `[ERROR] missing required field: channel`."""
    found = (answer.get("response_metadata") or {}).get("messages") if isinstance(answer, Mapping) else None
    texts = [str(one) for one in found if isinstance(one, str)] if isinstance(found, list) else []
    return f" ({one_line('; '.join(texts), 200)})" if texts else ""
