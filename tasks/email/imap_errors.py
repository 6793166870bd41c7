"""What an IMAP server's refusals mean for a job: the only place that knows.

Servers say why in a response code (RFC 3501, RFC 5530, RFC 7889 and habits of the big ones); where there is none, in
words.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from llmcoder.errors import ActionError, Forbidden, NeedsReconnect, NotFound, RateLimited, Refused, Transient
from llmcoder.text import one_line

LONGEST_QUOTE = 200
#: What a server that counts commands or bytes wants to be left alone for, where it does not say.
SHORT_PAUSE = timedelta(minutes=1)
LONG_PAUSE = timedelta(minutes=15)

_CODE = re.compile(r"\[([A-Z][A-Z0-9-]*)")
_PASSES = {"UNAVAILABLE", "INUSE", "SERVERBUG", "CORRUPTION", "EXPUNGEISSUED"}
_TOO_OFTEN = {"LIMIT", "THROTTLED"}
_DEAD = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED", "WEBALERT"}
_NOT_THERE = {"NONEXISTENT", "TRYCREATE"}
_PASSING_WORDS = re.compile(
    r"try again|temporar|too many|rate.?limit|throttl|overload"
    r"|\bbusy\b|unavailable|time[d -]*out|internal (server )?error",
    re.I,
)
_SPENT_WORDS = re.compile(r"bandwidth|exceeded (command|account|the)", re.I)
_ABSENT_WORDS = re.compile(r"(does ?n[o']t|not) exist|unknown (mailbox|folder)|no such|not found|nonexistent", re.I)


def said(text: str, secrets: Collection[str] = ()) -> str:
    """A server's words as users may see them: one line, not long, without a secret that it echoes."""
    return one_line(text, LONGEST_QUOTE, secrets)


def of_refusal(host: str, doing: str, text: str) -> ActionError:
    """The error for a command that was answered with NO or BAD.

    Args:
        doing: What was asked for, such as `the folder 'Work'`.
        text: The answer, without secrets.
    """
    codes = set(_CODE.findall(text.upper()))
    why = f"{host} refuses {doing}: {text}"
    if codes & _DEAD:
        return NeedsReconnect(why)
    if codes & _TOO_OFTEN:
        return RateLimited(why, datetime.now(UTC) + SHORT_PAUSE)
    if codes & _PASSES:
        return Transient(why)
    if "NOPERM" in codes:
        return Forbidden(why)
    if "OVERQUOTA" in codes:
        return Refused(f"{why} The mailbox is full.")
    if codes & _NOT_THERE or _ABSENT_WORDS.search(text):
        return NotFound(why)
    return Transient(why) if _PASSING_WORDS.search(text) else Refused(why)


def of_refused_login(host: str, doing: str, text: str) -> ActionError:
    """The error for a sign-in that was answered with NO or BAD: without another reason it is the password."""
    found = of_refusal(host, doing, text)
    if isinstance(found, Transient | RateLimited):
        return found
    hint = "Check user and password; many providers want an app password here."
    return NeedsReconnect(f"{host} refuses user or password: {text} {hint}")


def of_goodbye(host: str, _doing: str, text: str) -> ActionError:
    """The error for a server that ends the conversation, with or without a word."""
    codes = set(_CODE.findall(text.upper()))
    if _SPENT_WORDS.search(text) or "OVERQUOTA" in codes:
        return RateLimited(f"{host} wants to be left alone: {text}", datetime.now(UTC) + LONG_PAUSE)
    return Transient(f"{host} ended the conversation: {text}")


def of_silence(host: str) -> ActionError:
    return Transient(f"{host} did not answer in time.")


def of_garbage(host: str) -> ActionError:
    return Transient(f"{host} answered something that is not IMAP. Check host, port and security of the account.")
