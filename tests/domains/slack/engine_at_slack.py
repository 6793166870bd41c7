"""The engine's own processes at the local Slack: people, what they type, what comes back."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from slack_kit import account
from slack_server import ADA, APP_TOKEN, BOT_TOKEN, GENERAL, TEAM, Slack

from llmcoder.context import User
from llmcoder.states import Reason, State
from models.connections import store as connections
from models.db.database import Database
from models.jobs.tables import jobs
from tasks.slack.account import account_name
from tasks.slack.connections import SLACK
from tasks.slack.tables import messages

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import Engine, accept, eventually, job_of


def environment(slack: Slack, **more: str) -> dict[str, str]:
    """What the environment says of the local Slack."""
    return {"FETCH_ALLOW": "127.0.0.1", "SLACK_API_URL": slack.url, "SLACK_BOT_TOKEN": BOT_TOKEN, **more}


def connect(db: Database, user: User, person: str = ADA) -> None:
    """Have somebody's account in the workspace connected."""
    with db.write() as conn:
        connections.keep(conn, user.id, SLACK, account_name(TEAM, person), account(), db.now(), None)


def command(text: str, person: str = ADA, channel: str = GENERAL, **more: str) -> dict[str, Any]:
    """A slash command as Slack describes it."""
    return {
        "token": "verification", "team_id": TEAM, "team_domain": "chess", "channel_id": channel, "user_id": person,
        "channel_name": "general", "user_name": "somebody", "command": "/llmcoder", "text": text, "api_app_id": "A1",
        "trigger_id": f"{uuid.uuid4()}", **more,
    }  # fmt: skip


def mention(ts: str, text: str, person: str = ADA, **more: Any) -> dict[str, Any]:
    """An event in which somebody mentions the app."""
    event = {"type": "app_mention", "user": person, "text": text, "ts": ts, "event_ts": ts, "channel": GENERAL,
             "team": TEAM, **more}  # fmt: skip
    return {
        "token": "verification", "team_id": TEAM, "api_app_id": "A1", "event": event, "type": "event_callback",
        "event_id": f"Ev{uuid.uuid4().hex[:10].upper()}", "event_time": 1, "authed_users": [],
    }  # fmt: skip


def press(said: dict[str, Any], label: str, person: str = ADA, **more: Any) -> dict[str, Any]:
    """Somebody presses the button of that label."""
    buttons = [one for block in said["blocks"] if block["type"] == "actions" for one in block["elements"]]
    button = next(one for one in buttons if one["text"]["text"] == label)
    return {
        "type": "block_actions", "team": {"id": TEAM, "domain": "chess"}, "trigger_id": f"{uuid.uuid4()}",
        "user": {"id": person, "username": "somebody", "team_id": TEAM}, "api_app_id": "A1",
        "actions": [{**button, "action_ts": "1"}], **more,
    }  # fmt: skip


def waiting_job(db: Database, user: User, **given: Any) -> UUID:
    """A job of the user's that waits for approval."""
    about = {"action": "test.echo", "effect": "draft", "input": json.dumps(given)}
    job = accept(db, [job_of(user, **about)])[0].job
    row = {"state": State.WAITING, "reason": Reason.APPROVAL, "origin": "macro", "expires_at": db.now() + timedelta(1)}
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**row))
    return job.id


def owed_rows(db: Database) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(messages).order_by(messages.c.created_at)))


@dataclass
class Desk:
    """An engine whose user is Ada, and who hears Slack."""

    engine: Engine
    slack: Slack

    @property
    def direct(self) -> list[dict[str, Any]]:
        """What the bot has written to Ada."""
        return self.slack.said.get(self.slack.direct(ADA), [])

    def listen(self, **environ: str) -> Any:
        """A process that listens, once it is connected."""
        known = list(self.slack.sockets)  # that of one that was killed may stand there a while longer
        process = self.engine.start("api.listen", **environ)
        connected = lambda: any(one not in known for one in self.slack.sockets)  # noqa: E731
        eventually(connected, what=f"it listens\n{self.engine.logs()[-3000:]}")
        return process

    def type(self, text: str, **more: Any) -> str:
        """What is answered to a slash command at once."""
        envelope = self.slack.push("slash_commands", command(text, **more))
        return str(self.answer(envelope).get("text", ""))

    def answer(self, envelope: str) -> dict[str, Any]:
        eventually(lambda: envelope in self.slack.acks, what="an acknowledgement")
        return self.slack.acks[envelope]

    def told(self, said: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first direct message of that kind."""
        found: dict[str, Any] = eventually(
            lambda: next((one for one in self.direct if said(one)), None),
            what=f"a message among {[one['text'] for one in self.direct]}\n{self.engine.logs()[-3000:]}",
        )
        return found

    def jobs(self) -> list[Any]:
        with self.engine.db.read() as conn:
            return list(conn.execute(sa.select(jobs).order_by(jobs.c.id)))


SOCKET = {"SLACK_APP_TOKEN": APP_TOKEN}
