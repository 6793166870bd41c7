"""Between Markdown and Slack's own markup. Pure.

Slack reads `*bold*`, `_italic_` and `<url|text>`, and everything else in angle brackets as a command: `<!channel>`
pings everybody. What comes from elsewhere is escaped, so that it can say anything and call nobody.
https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Callable

_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_MENTION = re.compile(r"<(@[UW][A-Z0-9]{2,}|#C[A-Z0-9]{2,}|!(?:here|channel|everyone)|!subteam\^S[A-Z0-9]{2,})>")
_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^\s<>|()]+(?:\([^\s<>|()]*\)[^\s<>|()]*)*|mailto:[^\s<>|()]+)\)")
_BARE_LINK = re.compile(r"<((?:https?://|mailto:)[^\s<>|]+)>")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*+][ \t]+", re.MULTILINE)
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_ITALIC = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_MARK = re.compile("\x00(\\d+)\x00")
#: Stands for a star until the italics are found; no text that comes in holds it.
_STAR = "\x01"
_HELD_BACK = re.compile("[\x00\x01]")

_COMMAND = re.compile(r"<([^<>\n]*)>")


def escaped(text: str) -> str:
    """The text as it is: nothing in it is a link, a mention or a command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def to_mrkdwn(markdown: str, *, mentions: bool = False) -> str:
    """Markdown as Slack writes it.

    Args:
        mentions: Whether `<@U…>`, `<!here>` and their like may ping; else they are shown as they are written.
    """
    parts = _CODE.split(_HELD_BACK.sub("", markdown))
    return "".join(escaped(part) if at % 2 else _prose(part, mentions) for at, part in enumerate(parts))


def _prose(text: str, mentions: bool) -> str:
    kept: list[str] = []

    def keep(made: str) -> str:
        kept.append(made)
        return f"\x00{len(kept) - 1}\x00"

    if mentions:
        text = _MENTION.sub(lambda found: keep(found[0]), text)
    text = _LINK.sub(lambda found: keep(f"<{_url(found[2])}|{escaped(found[1]).replace('|', '¦')}>"), text)
    text = _BARE_LINK.sub(lambda found: keep(f"<{_url(found[1])}>"), text)
    text = _BULLET.sub(r"\1• ", escaped(text))
    text = _HEADING.sub(lambda found: _STAR + _BOLD.sub(r"\2", found[1]) + _STAR, text)
    text = _BOLD.sub(rf"{_STAR}\2{_STAR}", text)
    text = _ITALIC.sub(r"_\1_", text)
    text = _STRUCK.sub(r"~\1~", text).replace(_STAR, "*")
    return _MARK.sub(lambda found: kept[int(found[1])], text)


def _url(url: str) -> str:
    return url.replace("&", "&amp;")


def to_text(mrkdwn: str, name_of: Callable[[str], str]) -> str:
    """What a message says, for a reader who does not know Slack's markup.

    Args:
        name_of: A person's name by their id.
    """
    return unescaped(_COMMAND.sub(lambda found: _said(found[1], name_of), mrkdwn))


def _said(command: str, name_of: Callable[[str], str]) -> str:
    target, _, label = command.partition("|")
    match target[:1]:
        case "@":
            return f"@{label or name_of(target[1:])}"
        case "#":
            return f"#{label or target[1:]}"
        case "!":
            name = label or target[1:].partition("^")[0]
            return name if name.startswith("@") or target.startswith("!date") else f"@{name}"
    return f"{label} ({target})" if label and label != target else target


def shortened(text: str, most: int, rest: str = "…") -> str:
    """At most so many characters, ending with `rest` where something was cut off; no escape is cut in two."""
    if len(text) <= most:
        return text
    kept = text[: most - len(rest)]
    if (at := kept.rfind("&")) >= 0 and ";" not in kept[at:] and len(kept) - at <= 5:
        kept = kept[:at]
    return kept + rest
