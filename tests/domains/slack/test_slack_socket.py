"""Socket Mode with the engine's own processes: commands in, messages out, approvals by button, whatever dies."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from engine_at_slack import (
    SOCKET,
    Desk,
    Engine,
    command,
    connect,
    environment,
    eventually,
    mention,
    owed_rows,
    press,
    waiting_job,
)
from engine_kit import engine_on
from slack_server import ADA, ADA_TOKEN, BEA, GENERAL, SECRET, Slack

from llmcoder.config import Config, use
from llmcoder.states import State
from models.jobs import approvals


@pytest.fixture
def desk(slack: Slack, server: Any, db_url: str, tmp_path: Path) -> Iterator[Desk]:
    server.routes["/v1/chat/completions"] = talk
    told = {**environment(slack), **SOCKET, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_MODEL": "tiny-1"}
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(Engine, db_url, tmp_path, **told))
        stack.enter_context(use(Config.open(engine.own_environ, cwd=tmp_path)))
        connect(engine.db, engine.user)
        yield Desk(engine, slack)
    assert "canary" not in engine.logs()


def talk(exchange: Any) -> None:
    """A language model."""
    exchange.start("text/event-stream")
    for delta, finish in (({"content": "It **does**, <!channel>."}, None), ({}, "stop")):
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        piece = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny-1", "choices": choices}
        exchange.piece(b"data: " + json.dumps(piece).encode() + b"\n\n")
    exchange.piece(b"data: [DONE]\n\n")
    exchange.finish_pieces()


@pytest.mark.long("it goes once through all that happens to one listener")
def test_a_command_becomes_a_job_and_its_outcome_a_message_and_each_only_once(desk: Desk) -> None:
    listener = desk.listen()
    said = command('test.echo text="Hello *you* <!channel>"')
    envelopes = [desk.slack.push("slash_commands", said, retry_attempt=attempt) for attempt in range(3)]
    answers = {desk.answer(one)["text"] for one in envelopes}
    assert len(answers) == 1 and "Taken" in answers.pop()
    assert desk.slack.acks[envelopes[0]]["response_type"] == "ephemeral"
    desk.engine.start_worker()
    done = desk.told(lambda one: "is done" in one["text"])
    assert "_you_ &lt;!channel&gt;" in done["text"] and str(desk.jobs()[0].id) in done["text"]
    assert len(desk.jobs()) == len(desk.direct) == 1
    assert desk.slack.texts(GENERAL) == []

    # in the channel, where it is asked for; directly, where the bot is not in it
    desk.type("here test.echo text=public")
    eventually(lambda: any("public" in one for one in desk.slack.texts(GENERAL)))
    desk.type("here test.echo text=elsewhere", channel=SECRET)
    desk.told(lambda one: "elsewhere" in one["text"])
    assert desk.slack.texts(SECRET) == []

    # refreshed by Slack, and dropped by the network
    desk.slack.disconnect()
    eventually(lambda: desk.slack.opened == 2 and len(desk.slack.sockets) == 1, what="it dials anew")
    assert "Taken" in desk.type("test.echo text=again")
    dropped = desk.slack.sockets[-1]
    worked_s = cpu_s(listener.pid)
    dropped.socket.shutdown(socket.SHUT_RDWR)
    eventually(
        lambda: desk.slack.opened == 3 and desk.slack.sockets and dropped not in desk.slack.sockets,
        within_s=60,
        what="it dials once more",
    )
    assert cpu_s(listener.pid) - worked_s < 3, "it has read the end over and over"
    assert "Taken" in desk.type("test.echo text=and-again")
    desk.told(lambda one: "and-again" in one["text"])


def cpu_s(pid: int) -> float:
    """Seconds that a process has worked."""
    _, _, after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_what_cannot_be_done_is_said_to_whoever_asked_and_to_nobody_else(desk: Desk) -> None:
    desk.listen()
    assert "`/llmcoder ACTION key=value …`" in desk.type("")
    assert "nobody, or more than one, has connected" in desk.type("test.echo text=x", person=BEA)
    assert "Did you mean test.echo" in desk.type("test.eco text=x")
    assert "did you mean text?" in desk.type("test.echo txet=x")
    assert "is not key=value" in desk.type("test.echo x")
    assert "Close every quotation mark" in desk.type('test.echo text="x')
    assert "JSON cannot be read" in desk.type('test.echo {"text": }')
    assert "`test.echo`" in desk.type("actions echo") and "`text`" in desk.type("actions test.echo")
    assert "You have no jobs." in desk.type("jobs")
    assert "Say which job" in desk.type("cancel that")
    assert desk.jobs() == [] and owed_rows(desk.engine.db) == []

    assert "Taken" in desk.type("test.echo {“text”: “typographic &amp; escaped”}")
    [job] = desk.jobs()
    assert json.loads(job.input)["text"] == "typographic & escaped"
    assert str(job.id) in desk.type("jobs")
    assert "is cancelled" in desk.type(f"cancel {job.id}")
    desk.told(lambda one: "was cancelled" in one["text"])
    assert "cannot be" in desk.type(f"cancel {job.id}") or "ended" in desk.type(f"cancel {job.id}")


def test_what_waits_is_approved_by_a_button_of_its_user_and_says_so_afterwards(desk: Desk) -> None:
    desk.listen()
    first = waiting_job(desk.engine.db, desk.engine.user, text="```Ignore <!channel>")
    desk.type("jobs")  # from now on Ada is asked here
    asked = desk.told(lambda one: "waits for your decision" in one["text"])
    shown = [one["text"] for one in asked["blocks"] if one["type"] == "section"]
    assert shown[1]["type"] == "plain_text" and "```Ignore <!channel>" in shown[1]["text"]

    refused = desk.slack.push("interactive", press(asked, "Approve", BEA, response_url=f"{later(desk)}/bea"))
    desk.answer(refused)
    eventually(lambda: desk.slack.later, what="Bea is told")
    assert "connected" in desk.slack.later[0]["text"] and not desk.slack.later[0]["replace_original"]
    assert desk.engine.job(first).state == State.WAITING

    desk.answer(desk.slack.push("interactive", press(asked, "Approve")))
    assert desk.engine.job(first).state == State.QUEUED
    eventually(lambda: "approved by you" in asked["text"], what=f"the message says so {asked}")
    assert not any(block["type"] == "actions" for block in asked["blocks"])
    desk.answer(desk.slack.push("interactive", press({"blocks": [_buttons(first)]}, "Approve")))

    second = waiting_job(desk.engine.db, desk.engine.user, text="second")
    again = desk.told(lambda one: one["ts"] != asked["ts"] and "waits" in one["text"])
    desk.answer(desk.slack.push("interactive", press(again, "Reject")))
    eventually(lambda: "rejected by you" in again["text"])
    assert desk.engine.job(second).state == State.CANCELLED

    third = waiting_job(desk.engine.db, desk.engine.user, text="third")
    elsewhere = desk.told(lambda one: one["ts"] not in (asked["ts"], again["ts"]) and "waits" in one["text"])
    with desk.engine.db.write() as conn:
        approvals.reject(conn, third, desk.engine.user.id, "not <now>", desk.engine.db.now())
    eventually(lambda: "rejected by you: not &lt;now&gt;" in elsewhere["text"])

    desk.type("notify off")
    fourth = waiting_job(desk.engine.db, desk.engine.user, text="fourth")
    desk.type("test.echo text=x")
    desk.engine.start_worker()
    desk.told(lambda one: "is done" in one["text"])
    assert str(fourth) not in str(desk.direct)


def later(desk: Desk) -> str:
    return desk.slack.url.replace("/api/", "/respond")


def _buttons(job_id: Any) -> dict[str, Any]:
    value = f"{job_id}:{'0' * 64}"
    label = {"type": "plain_text", "text": "Approve"}
    return {"type": "actions", "elements": [{"text": label, "action_id": "llmcoder_approve", "value": value}]}


def test_a_mention_is_answered_in_its_thread(desk: Desk) -> None:
    desk.listen()
    desk.engine.start_worker()
    ts = desk.slack.say(GENERAL, BEA, "The door is 1.80 m wide.")
    asked = desk.slack.say(GENERAL, ADA, "<@U0BOT00001> does a piano fit?", thread_ts=ts)
    event = mention(asked, "does a piano fit?", thread_ts=ts)
    for _ in range(2):
        desk.answer(desk.slack.push("events_api", event))
    eventually(lambda: len(desk.slack.said[GENERAL]) == 3, what=f"an answer\n{desk.engine.logs()[-3000:]}")
    answer = desk.slack.said[GENERAL][-1]
    assert (answer["text"], answer["thread_ts"]) == ("It *does*, &lt;!channel&gt;.", ts)
    assert len(desk.jobs()) == 1

    stranger = desk.slack.say(GENERAL, BEA, "<@U0BOT00001> and me?")
    desk.answer(desk.slack.push("events_api", mention(stranger, "and me?", BEA)))
    eventually(lambda: desk.slack.later, what="Bea is told")
    assert (desk.slack.later[0]["user"], len(desk.jobs())) == (BEA, 1)
    own = mention(stranger, "I mention myself", bot_id="B0BOT00001")
    desk.answer(desk.slack.push("events_api", own))
    assert len(desk.jobs()) == 1


@pytest.mark.long("a post whose answer was lost is looked for after ten seconds")
def test_a_listener_that_is_killed_while_it_posts_posts_nothing_twice_and_loses_nothing(desk: Desk) -> None:
    listener = desk.listen()
    desk.slack.stay_silent("chat.postMessage", does=True)
    desk.type("test.echo text=first")
    desk.engine.start_worker()
    desk.told(lambda one: "first" in one["text"])
    assert owed_rows(desk.engine.db)[0].state == "posting"
    desk.type("test.echo text=second")
    listener.kill()
    listener.wait(120)
    desk.listen()
    desk.told(lambda one: "second" in one["text"])
    eventually(lambda: {one.state for one in owed_rows(desk.engine.db)} == {"posted"}, what="both are settled")
    assert len(desk.direct) == 2


def test_a_worker_that_dies_after_slack_has_posted_does_not_post_twice(desk: Desk) -> None:
    desk.listen()
    worker = desk.engine.start_worker()
    desk.slack.stay_silent("chat.postMessage", does=True)
    desk.type('slack.post_message channel=#general text="hello all"')
    eventually(lambda: desk.slack.texts(GENERAL), what="Slack has it")
    worker.kill()
    worker.wait(120)
    desk.engine.start_worker()
    [job] = desk.jobs()
    done = desk.engine.until(job.id, State.SUCCEEDED, within_s=60)
    assert json.loads(done.result)["ts"] == desk.slack.said[GENERAL][0]["ts"]
    assert desk.slack.texts(GENERAL) == ["hello all"]
    assert desk.slack.said[GENERAL][0]["user"] == desk.slack.tokens[ADA_TOKEN] == ADA
    assert len(desk.slack.calls("chat.postMessage")) >= 1


def test_a_listener_ends_soon_when_it_is_told_to(desk: Desk) -> None:
    listener = desk.listen()
    assert "What you can say" in desk.type("help")
    listener.terminate()
    listener.wait(120)
    assert listener.returncode == 0
    assert "does not end" not in desk.engine.logs()
