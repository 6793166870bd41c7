"""The blocks of docs/sockets-and-browsers.md run as they stand there, with a real broker and a real browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from net_kit import chromium, mosquitto, tls_contexts

from llmcoder.errors import BadInput
from llmcoder.net import ProxyLimits, SocketLimits
from llmcoder.testing import FakeContext

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sockets-and-browsers.md"
SOON_S = 60.0


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page's blocks define."""
    names: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    return names


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("broker")
    tls_contexts(folder)
    with mosquitto(folder) as ports:
        yield ports[0]


def test_the_page_publishes_to_a_broker(page: dict[str, Any], broker: int) -> None:
    heard: SimpleQueue[bytes] = SimpleQueue()
    subscribed = threading.Event()
    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_connect = lambda *_: listener.subscribe("house/#")
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.on_message = lambda _client, _own, message: heard.put(message.payload)
    listener.connect("127.0.0.1", broker)
    listener.loop_start()
    assert subscribed.wait(SOON_S)
    ctx = FakeContext(fetch_allow=("127.0.0.1",))
    page["publish"]("127.0.0.1", broker, "house/lamp", "on", ctx)
    assert heard.get(timeout=SOON_S) == b"on"
    ctx.close()
    listener.disconnect()
    listener.loop_stop()


def test_the_page_s_client_goes_nowhere_private_by_itself(page: dict[str, Any], broker: int) -> None:
    with pytest.raises(BadInput, match="not public"):
        page["publish"]("127.0.0.1", broker, "house/lamp", "on", FakeContext())


class Titled(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<title>Hello</title>"
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "http://10.0.0.1/")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Titled)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_page_opens_a_page_and_says_what_it_was_refused(page: dict[str, Any], site: str) -> None:
    program = chromium()
    ctx = FakeContext(fetch_allow=(site,), timeout_s=120)
    assert page["title_of"](f"http://{site}/", ctx, program) == "Hello"
    for url in (f"http://{site}/away", "http://10.0.0.1/", "https://10.0.0.1/"):
        with pytest.raises(BadInput, match=r"10\.0\.0\.1 .*a private network"):
            page["title_of"](url, ctx, program)
    with pytest.raises(BadInput):
        page["title_of"]("file:///etc/passwd", ctx, program)
    ctx.close()


def test_the_page_s_figures_are_the_defaults() -> None:
    text = PAGE.read_text()
    sockets, proxy = SocketLimits(), ProxyLimits()
    assert f"{sockets.connect_s:g} s to connect, {sockets.idle_s:g} s of silence" in text
    assert f"{(sockets.total_bytes or 0) >> 20} MiB in both directions" in text
    assert f"{proxy.connections} connections at a time, {proxy.head_bytes >> 10} KiB and {proxy.head_s:g} s" in text
    assert f"{proxy.connect_s:g} s to connect, {proxy.idle_s:g} s of silence, {proxy.total_bytes >> 30} GiB" in text
