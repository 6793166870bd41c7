"""The name that a Content-Disposition gives a file, in the encoding that its sender used. Pure.

RFC 6266 has two forms of it, of which one says its encoding; in the other stand the bytes of whatever page it was on.
"""

from __future__ import annotations

from email.message import Message
from typing import Any

from llmcoder.charsets import codec_of, decode

#: Of names that are no UTF-8 and do not say what they are: too short to tell by their letters.
USUAL = "windows-1252"


def file_name(disposition: bytes | str) -> str | None:
    """None where there is none, or where it cannot be read.

    Args:
        disposition: The header's value; a text holds one byte in each character, as servers give headers.
    """
    header = Message()
    try:
        header["content-disposition"] = disposition.decode("latin-1") if isinstance(disposition, bytes) else disposition
        parameters = header.get_params([], header="content-disposition")
    except (LookupError, ValueError):  # a line's end
        return None
    values: list[Any] = [value for name, value in parameters if name.lower() == "filename"]
    for label, _, text in (value for value in values if isinstance(value, tuple)):
        return decode(_bytes(text), label if codec_of(label) else "utf-8", USUAL)
    return decode(_bytes(values[0]), USUAL) if values else None


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # it was read already
        return text.encode("utf-8", "replace")
