"""A mailbox at the local Gmail, opened as an action opens it."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from gmail_server import ADDRESS, TOKEN, Gmail
from pydantic import SecretStr

from llmcoder.declare.connection import Grant
from llmcoder.ids import new_id
from llmcoder.testing import FakeContext, Run, run_action
from tasks.email.gmail import GmailMailbox, open_gmail
from tasks.email.gmail_connection import GMAIL, GmailAccount
from tasks.email.settings import GmailSettings
from tasks.llm.settings import LlmSettings

LETTER = "Kära Åsa, 🐹\n"


def settings(url: str, **more: Any) -> GmailSettings:
    named = {"gmail_client_id": "engine", "gmail_client_secret": "client-secret-canary"}
    return GmailSettings.model_validate({"gmail_api_url": url, **named, **more})


def grant(token: str = TOKEN, refresh: str | None = None) -> GmailAccount:
    return GmailAccount(grant=Grant(access_token=SecretStr(token), refresh_token=refresh and SecretStr(refresh)))  # type: ignore[arg-type]


def context(gmail: Gmail, account: str = ADDRESS, **more: Any) -> FakeContext:
    given = {"timeout_s": 20.0, **more}
    return FakeContext(
        [given.pop("settings", settings(gmail.url)), *given.pop("more", ())],
        fetch_allow=("127.0.0.1",),
        connections={GMAIL: given.pop("credentials", grant())},
        account=account,
        **given,
    )


def mailbox(gmail: Gmail, **more: Any) -> GmailMailbox:
    ctx = context(gmail, **more)
    return open_gmail(ctx.connection(GMAIL), ctx)


def letter(to: str = "dora@example.org", subject: str = "Grüße", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ADDRESS, to, subject
    message["Message-ID"] = f"<{new_id()}@llmcoder.example>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(LETTER)
    return message


def runner(gmail: Gmail, server: Any, address: str) -> Callable[..., Run[Any]]:
    """Runs an action for somebody's mailbox; the model says `server.says`."""
    server.says = "Monday suits me."

    def write(exchange: Any) -> None:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": server.says}}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "tiny-1", "choices": [choice]}
        exchange.send(200, body)

    server.routes["/v1/chat/completions"] = write
    model = LlmSettings(openai_base_url=f"{server.url}/v1", openai_model="tiny-1", llm_timeout_s=5)

    def run(action: Any, **given: Any) -> Run[Any]:
        ctx = context(gmail, address, timeout_s=30.0, more=[model])
        return run_action(action, given, ctx)

    return run
