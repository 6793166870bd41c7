"""The listeners' process: runs what is configured, anew when its settings change or it fails, and ends in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine_kit import eventually
from pydantic import Field

from api import listen
from engine.outbox import Outbox
from llmcoder import Transient
from llmcoder.config import Config
from llmcoder.declare.listener import Listener, Listening
from llmcoder.net import CheckedSocket
from llmcoder.registry import Registry
from llmcoder.settings import Settings
from models.db.database import Database


class ChatSettings(Settings):
    """Where the chat is."""

    title = "Chat"

    chat_url: str | None = Field(None, description="Address of the chat.")


class Chat:
    """A listener that records its runs."""

    def __init__(self) -> None:
        self.urls: list[str | None] = []
        self.error: Exception | None = None
        self.ended = threading.Event()

    def run(self, engine: Listening) -> None:
        self.urls.append(engine.settings(ChatSettings).chat_url)
        if self.error is not None:
            raise self.error
        engine.hears()
        while not engine.wait(5):
            pass
        self.ended.set()


@pytest.fixture
def own(tmp_path: Path, db_url: str) -> Config:
    return Config.open({"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url}, cwd=tmp_path)


@pytest.fixture
def kept(
    db: Database, own: Config, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Chat], listen.ListenerThread]]:
    monkeypatch.setattr(listen, "FIRST_PAUSE_S", 0.01)
    own.register(ChatSettings)
    outbox = Outbox(redis_url, redis_url, window=10)
    outbox.start()
    made: list[listen.ListenerThread] = []

    def make(chat: Chat) -> listen.ListenerThread:
        listener = Listener("chat", "Chat", ChatSettings, lambda found: found.chat_url is not None, chat.run)
        ears = lambda name: listen.ListenerRun(db, outbox, Registry([]), own, name)  # noqa: E731
        made.append(listen.ListenerThread(listener, own, ears))
        return made[-1]

    yield make
    for one in made:
        one.end()
    outbox.close()


def test_it_runs_when_its_settings_are_there_and_anew_when_they_change(
    own: Config, kept: Callable[[Chat], listen.ListenerThread]
) -> None:
    chat = Chat()
    one = kept(chat)
    one.look()
    assert chat.urls == []
    for url in ("https://a.example", "https://b.example"):
        own.patch({"CHAT_URL": url})
        one.look()
        one.look()
        eventually(lambda wanted=url: wanted in chat.urls)
    assert chat.urls == ["https://a.example", "https://b.example"]
    own.patch({"CHAT_URL": None})
    chat.ended.clear()
    one.look()
    assert chat.ended.wait(120)
    one.look()
    assert len(chat.urls) == 2


@pytest.mark.parametrize("error", [Transient("The chat is away."), RuntimeError("a defect")])
def test_one_that_fails_is_run_again(
    own: Config, kept: Callable[[Chat], listen.ListenerThread], error: Exception
) -> None:
    chat = Chat()
    chat.error = error
    own.patch({"CHAT_URL": "https://a.example"})
    one = kept(chat)
    one.look()
    eventually(lambda: len(chat.urls) >= 2)
    chat.error = None
    runs = len(chat.urls)
    eventually(lambda: len(chat.urls) > runs)
    one.end()
    assert chat.ended.is_set()


def test_what_a_run_leaves_open_is_closed(own: Config, kept: Callable[[Chat], listen.ListenerThread]) -> None:
    opened: list[CheckedSocket] = []

    class Careless(Chat):
        def run(self, engine: Listening) -> None:
            opened.append(engine.net.allowing("127.0.0.1").connect("127.0.0.1", listener.getsockname()[1]))
            super().run(engine)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        own.patch({"CHAT_URL": "https://a.example"})
        one = kept(Careless())
        one.look()
        other = listener.accept()[0]
        other.settimeout(120)
        eventually(lambda: opened)
        one.end()
        with other:
            assert other.recv(1) == b""
        opened[0].close()
