"""What a file may be called, and what its content looks like. Both come from outside and are believed in nothing."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from llmcoder.media_types import is_text

LONGEST_NAME = 150
#: Invisible, or such as have the rest of a name read in another direction: "evil\u202etxt.exe" reads as "evilexe.txt".
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
_SEPARATORS = re.compile(r"[/\\]")
UNKNOWN = "application/octet-stream"
PLAIN = "text/plain"
#: Below this, puremagic has seen two or three bytes that many kinds share.
LEAST_CONFIDENCE = 0.3
HEAD_BYTES = 4096
#: What is text and nothing more, by the end of its name; a browser runs none of them.
_KINDS_OF_TEXT = {
    ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".md": "text/markdown", ".json": "application/json",
    ".har": "application/json", ".txt": PLAIN, ".log": PLAIN,
}  # fmt: skip
#: Kinds that say only how something is packed; an action that packed it may say more.
_VAGUE = (UNKNOWN, PLAIN, "application/zip", "application/gzip", "application/json")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,90}")


def safe_name(text: str) -> str:
    """A name under which the file can be saved anywhere: one part of a path, no odd characters, no device's name.

    Of a path only its end counts. Never empty.
    """
    from pathvalidate import sanitize_filename

    last = _SEPARATORS.split(unicodedata.normalize("NFC", text))[-1]
    seen = "".join(one for one in last if unicodedata.category(one) not in _UNSEEN)
    name = str(sanitize_filename(seen, platform="universal", replacement_text="_")).strip(" .")
    stem, end = PurePosixPath(name).stem, PurePosixPath(name).suffix
    if len(name) > LONGEST_NAME:
        name = stem[: max(1, LONGEST_NAME - len(end))] + end[: LONGEST_NAME - 1]
    return name or "file"


def sniffed(head: bytes, name: str) -> str:
    """What the content looks like, by its first bytes; the name only chooses between what looks alike."""
    import puremagic

    try:
        matches = [one for one in puremagic.magic_string(head) if one.mime_type and one.confidence >= LEAST_CONFIDENCE]
    except (puremagic.PureError, ValueError):  # it knows nothing like it, or there is nothing
        matches = []
    best = [one for one in matches if one.confidence == max(match.confidence for match in matches)]
    named = [one.mime_type for one in best if one.extension == PurePosixPath(name).suffix.lower()]
    if named:
        return _written(named[0])
    if head.startswith(b"PK\x03\x04"):
        return "application/zip"
    if best:
        return _written(best[0].mime_type)
    text = _KINDS_OF_TEXT.get(PurePosixPath(name).suffix.lower())
    if _is_text(head):
        return text or PLAIN
    return text if text and head and is_text(head) else UNKNOWN  # in an encoding of old


def media_type(head: bytes, name: str, said: str | None = None) -> str:
    """The kind of a file that an action attaches: what it says, unless the content looks like something else."""
    seen = sniffed(head, name)
    return said if said is not None and seen in _VAGUE and _MEDIA_TYPE.fullmatch(said) else seen


def _written(kind: str) -> str:
    kind = kind.lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else UNKNOWN


def _is_text(head: bytes) -> bool:
    if not head or any(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and len(head) >= HEAD_BYTES  # a character that the head cuts in two
    return True
