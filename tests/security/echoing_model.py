"""A server that speaks OpenAI's protocol, and a little else, and quotes the key it was given wherever it can."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What the first word of a prompt makes it answer.
MANNERS = ("400", "401", "402", "403", "404", "429", "500", "event", "whole", "refuse", "well")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.endswith("/whoami"):  # of the test kit's box
            return self._send(401 if "wrong" in self.path else 200, {"name": "bert", "told": self._told()})
        self._send(200, {"object": "list", "data": [{"id": "parrot", "object": "model", "owned_by": "me"}]})

    def do_POST(self) -> None:
        if self.path.endswith("/letters"):
            return self._send(500, {"told": self._told()})
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        manner = asked["messages"][-1]["content"].split()[0]
        told = self._told()
        error = {"error": {"message": told, "type": "invalid_request_error", "code": told, "param": told}}
        if manner.isdigit():
            self._send(int(manner), error)
        elif manner == "whole":
            self._send(200, error)
        elif manner == "event":
            self._send(200, b"data: " + json.dumps(error).encode() + b"\n\n", "text/event-stream")
        else:
            field = "refusal" if manner == "refuse" else "content"
            text = told if manner == "refuse" else "hello"
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "parrot"}
            chunk["choices"] = [{"index": 0, "delta": {field: text}, "finish_reason": "stop"}]
            lines = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
            self._send(200, lines, "text/event-stream")

    def _told(self) -> str:
        return f"the key {self.headers['Authorization']} is quoted here"

    def _send(self, status: int, body: Any, media_type: str = "application/json") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def echoing_model() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
