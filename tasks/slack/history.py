"""What was said in a channel or a thread: read in pages, with people's names, as a transcript for a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from llmcoder.errors import Forbidden, NotFound
from tasks.slack.channels import USER_ID, next_cursor, person_name
from tasks.slack.client import SlackClient
from tasks.slack.errors import MissingScope
from tasks.slack.mrkdwn import to_text

PAGE = 200
#: Beyond these, people go by their ids and threads by their first message.
MOST_PEOPLE = 200
MOST_THREADS = 50
MOST_REPLIES = 2000
#: Said by Slack itself, and of no interest to a reader.
NOISE = {"channel_join", "channel_leave", "group_join", "group_leave", "bot_add", "bot_remove", "channel_archive",
         "channel_unarchive", "reminder_add", "pinned_item", "unpinned_item", "tombstone"}  # fmt: skip

Said = dict[str, Any]


def at_ts(instant: datetime) -> str:
    """An instant as Slack writes it."""
    return f"{instant.timestamp():.6f}"


def instant_of(ts: str) -> datetime:
    """Raises ValueError where it is none."""
    return datetime.fromtimestamp(float(ts), UTC)


@dataclass
class Reader:
    """Reads with one account, and remembers who is who.

    Attributes:
        cut: Whether something was left out because there was too much.
    """

    client: SlackClient
    cut: bool = False
    _names: dict[str, str] = field(default_factory=dict)
    _nameless: bool = False

    def channel(self, channel: str, since: datetime, most: int, *, threads: bool) -> list[Said]:
        """What was said since then, oldest first, each thread behind its first message; the newest where it is cut."""
        newest_first = self._taken(self._history(channel, oldest=at_ts(since)), most)
        found: list[Said] = []
        left, open_threads = most - len(newest_first), MOST_THREADS
        for said in newest_first:
            replies: list[Said] = []
            if threads and said.get("reply_count") and said.get("thread_ts") == said.get("ts"):
                self.cut = self.cut or left <= 0 or open_threads <= 0
                if left > 0 and open_threads > 0:
                    replies = self.thread(channel, str(said["ts"]), left + 1)[1:]
                    left, open_threads = left - len(replies), open_threads - 1
            found = [said, *replies, *found]
        return found

    def thread(self, channel: str, ts: str, most: int) -> list[Said]:
        """A thread from its first message on; of a long one the first and the newest."""
        pages = self._pages(
            lambda cursor: self.client.ask(
                lambda web: web.conversations_replies(channel=channel, ts=ts, cursor=cursor, limit=PAGE)
            )
        )
        found = [said for said in islice(pages, MOST_REPLIES) if said.get("subtype") not in NOISE]
        self.cut = self.cut or next(pages, None) is not None
        if len(found) > most:
            self.cut = True
            return [found[0], *found[len(found) - most + 1 :]] if most > 1 else found[:1]
        return found

    def transcript(self, said: Sequence[Said], most_chars: int) -> str:
        """One line or more for each message; the oldest go where it would be too long."""
        lines: list[str] = []
        left = most_chars
        for one in reversed(said):
            line = self._line(one)
            if len(line) + 1 > left:
                self.cut = True
                break
            left -= len(line) + 1
            lines.append(line)
        return "\n".join(reversed(lines))

    def name(self, user_id: str) -> str:
        """What somebody is called; their id where Slack does not say."""
        known = user_id in self._names or self._nameless or not USER_ID.fullmatch(user_id)  # an app is no user
        if not known and len(self._names) < MOST_PEOPLE:
            self._names[user_id] = self._asked(user_id)
        return self._names.get(user_id, user_id)

    def _asked(self, user_id: str) -> str:
        try:
            found = self.client.ask(lambda web: web.users_info(user=user_id)).get("user")
        except MissingScope:  # without users:read nobody has a name, and asking for the next one is in vain
            self._nameless = True
            return user_id
        except (NotFound, Forbidden):  # strangers of shared channels
            return user_id
        return person_name(found) if isinstance(found, dict) else user_id

    def _line(self, said: Said) -> str:
        at = instant_of(str(said.get("ts", "0")))
        app = said.get("bot_profile")
        named = said.get("username") or (app.get("name") if isinstance(app, dict) else None)
        who = str(named or "") or self.name(str(said.get("user") or said.get("bot_id") or "somebody"))
        text = to_text(str(said.get("text") or ""), self.name)
        files = [str(one.get("name") or "a file") for one in said.get("files") or [] if isinstance(one, dict)]
        shown = f" [files: {', '.join(files)}]" if files else ""
        reply = "    ↳ " if said.get("thread_ts") not in (None, said.get("ts")) else ""
        return f"{reply}[{at:%Y-%m-%d %H:%M}] {who}: {text}{shown}"

    def _history(self, channel: str, oldest: str) -> Iterator[Said]:
        return self._pages(
            lambda cursor: self.client.ask(
                lambda web: web.conversations_history(channel=channel, oldest=oldest, cursor=cursor, limit=PAGE)
            )
        )

    def _pages(self, page: Callable[[str | None], dict[str, Any]]) -> Iterator[Said]:
        cursor: str | None = None
        while True:
            answer = page(cursor)
            yield from (one for one in answer.get("messages") or [] if isinstance(one, dict))
            if (cursor := next_cursor(answer)) is None:
                return

    def _taken(self, said: Iterator[Said], most: int) -> list[Said]:
        found: list[Said] = []
        for one in said:
            if one.get("subtype") in NOISE:
                continue
            if len(found) == most:
                self.cut = True
                break
            found.append(one)
        return found
