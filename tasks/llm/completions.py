"""What servers that speak OpenAI's chat completions send, in their stream or at once. Pure.

The protocol is OpenAI's. Its followers add and leave out what they please, so nothing is taken for granted: there are
lists for texts, numbers for errors, comments and keep-alives where JSON should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from llmcoder import strict_json

if TYPE_CHECKING:
    from openai._streaming import ServerSentEvent

#: Of a byte-order mark and of white space before the first letter that counts.
_BLANK = b"\xef\xbb\xbf \t\r\n"
_TEXTS = ("text", "output_text", "input_text")
_THOUGHTS = ("thinking", "reasoning", "thought", "reasoning_text", "summary_text", "redacted_thinking")
#: What a part says of itself besides its text.
_ABOUT = ("type", "id", "format", "signature", "data")
#: Fields in which servers send thoughts apart: vLLM, DeepSeek and SGLang; OpenRouter and Ollama; others.
_APART = ("reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_text", "reasoning_details")

#: Errors by name: those of which a status is more than "try again".
_STATUSES = {
    "insufficient_quota": 402, "insufficient_credits": 402, "billing_hard_limit_reached": 402,
    "context_length_exceeded": 400, "invalid_request_error": 400, "BadRequestError": 400,
    "exceed_context_size_error": 400, "authentication_error": 401, "invalid_api_key": 401, "permission_error": 403,
    "model_not_found": 404, "not_found_error": 404, "NotFoundError": 404, "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What one chunk of an answer says, or the whole of it.

    Attributes:
        thought: What the model thinks, where the server keeps it apart.
        refusal: Why the model declines.
        finish: Why it stopped; empty while it goes on.
        error: What went wrong at the server; None where nothing did.
        status: The HTTP status that it would have had, if the server had not begun with 200.
        usage: What it says of tokens, as it is.
        known: Whether it is a part of an answer at all.
    """

    text: str = ""
    thought: str = ""
    refusal: str = ""
    finish: str = ""
    error: str | None = None
    status: int | None = None
    model: str = ""
    usage: Mapping[str, Any] | None = None
    known: bool = True


def part_of(sent: object, event: str | None = None) -> Part:
    """What a chunk, or a whole completion, says.

    Args:
        event: The kind of event that the chunk came as.
    """
    if isinstance(sent, list) and len(sent) == 1:  # as Gemini sends its errors
        sent = sent[0]
    if not isinstance(sent, dict):
        return Part(error=_words(sent) if event == "error" else None, known=False)
    if (error := _error_of(sent, event)) is not None:
        return Part(error=error, status=_status_of(sent))
    choice = _first(sent.get("choices"))
    said = next((one for name in ("delta", "message") if isinstance(one := choice.get(name), dict)), {})
    text, thought, refusal = _read(said["content"] if "content" in said else choice.get("text"))
    apart = "".join(_all_text(said.get(name)) for name in _APART)
    return Part(
        text=text,
        thought=thought + apart,
        refusal=refusal or _text(said.get("refusal")),
        finish=_finish(choice.get("finish_reason")),
        error=_words(choice["error"]) if choice.get("error") else None,
        status=_status_of(choice),
        model=_text(sent.get("model")),
        usage=usage if isinstance(usage := sent.get("usage"), dict) else None,
        known="choices" in sent or "usage" in sent,
    )


def _error_of(sent: Mapping[str, Any], event: str | None) -> str | None:
    """What a message says went wrong; None where it says no such thing."""
    if sent.get("error"):
        return _words(sent["error"])
    if event == "error" or "error" in (sent.get("object"), sent.get("type")):
        return _words(sent)
    if "choices" not in sent and sent.get("detail"):  # FastAPI, and what is built on it
        return _words(sent["detail"])
    return None


def _status_of(sent: Mapping[str, Any]) -> int | None:
    """As OpenRouter, LiteLLM and vLLM number an error, or OpenAI and Anthropic name it; None where nobody can tell."""
    error = sent.get("error")
    for within in (error if isinstance(error, dict) else {}, sent):
        for name in ("status", "status_code", "http_code", "code", "type"):
            found = within.get(name)
            status = _STATUSES.get(found) if isinstance(found, str) and not found.isdecimal() else _of_error(found)
            if status is not None:
                return status
    return None


def _of_error(code: object) -> int | None:
    """The status that a code is; None where it is that of no error."""
    if isinstance(code, bool) or not isinstance(code, int | str):
        return None
    return int(code) if re.fullmatch("[45][0-9]{2}", str(code)) else None


def _words(error: object) -> str:
    """An error in words, whatever it is."""
    if isinstance(error, dict):
        named = (error.get(name) for name in ("message", "msg", "detail", "error", "reason", "code"))
        return next((_words(one) for one in named if one), "") or strict_json.one_line(error)
    return error if isinstance(error, str) else strict_json.one_line(error)


def _first(choices: object) -> Mapping[str, Any]:
    found = choices[0] if isinstance(choices, list) and choices else None
    return found if isinstance(found, dict) else {}


def _read(content: object) -> tuple[str, str, str]:
    """The text, the thoughts and the refusal of a content, which may be a list of parts."""
    if isinstance(content, str):
        return content, "", ""
    if isinstance(content, list):
        read = [_read(one) for one in content]
        text, thought, refusal = ("".join(one[at] for one in read) for at in range(3))
        return text, thought, refusal
    if not isinstance(content, dict):
        return "", "", ""
    kind = content.get("type")
    if kind == "refusal":
        return "", "", _text(content.get("refusal"))
    if kind in _THOUGHTS or content.get("thought") is True:
        return "", _all_text(content), ""
    inner = content.get("text")
    if kind is not None and kind not in _TEXTS:
        return "", "", ""
    return (inner.get("value") or "" if isinstance(inner, dict) else _text(inner)), "", ""


def _all_text(value: object) -> str:
    if isinstance(value, dict):
        return "".join(_all_text(one) for name, one in value.items() if name not in _ABOUT)
    return "".join(_all_text(one) for one in value) if isinstance(value, list) else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _finish(reason: object) -> str:
    """The reason in one word; SGLang has sent it as an object."""
    return _text(reason.get("type")) if isinstance(reason, dict) else _text(reason)


# --- the stream


def is_whole(chunks: Iterable[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Whether an answer is one JSON object, whatever its media type says, and all of it."""
    pieces = iter(chunks)
    head = b""
    for piece in pieces:
        head += piece
        if head.lstrip(_BLANK):
            break
    head = head.lstrip(_BLANK)
    return head.startswith((b"{", b"[")), chain((head,), pieces)


def events(chunks: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """The events of a stream; the last one may lack its blank line."""
    from openai._streaming import SSEDecoder

    class Decoder(SSEDecoder):
        """As the SDK's, for which one wrong byte would be the end of the answer."""

        def _decode_lines(self, lines: Iterator[bytes]) -> Iterator[ServerSentEvent]:
            return super()._decode_lines(line.decode("utf-8", "replace").encode() for line in lines)

    yield from Decoder().iter_bytes(chain(chunks, (b"\n\n",)))


def json_of(data: str) -> Any:
    """What a line of data says; `...` where it is no JSON, as of a comment or a keep-alive."""
    try:
        return strict_json.read_lenient(data)
    except strict_json.NotJson:
        return ...
