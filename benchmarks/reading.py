"""`python -m benchmarks.reading [COMMIT] [ROUNDS]`: how long reading a page and a mail takes, beside an older version.

Two processes, one with these sources and one with those of the commit, have all inputs ready and read the same one in
turn, so that a busy minute hits both. Shown is the CPU time of each, in milliseconds, as a median, and the median of
the ratios, round by round. Only what both versions read in the same way is compared; nothing is fetched.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import PYTHON

ROOT = Path(__file__).resolve().parents[1]
COMMIT, ROUNDS = "2913bcb", 15
_WORDS = "The engine keeps what it has accepted, and tells whoever asks where it stands. "
_HTML_HEAD = b"<!doctype html><html><head><meta charset=utf-8><title>A page</title></head><body>"


def page(size: int) -> bytes:
    """An article with headings, links, lists and a table now and then."""
    piece = (
        f"<h2>Part</h2><p>{_WORDS * 3}<a href='/more'>More</a> of <b>it</b>.</p><ul><li>{_WORDS}</li><li>one</li></ul>"
        f"<table><tr><td>{_WORDS}</td><td>2</td></tr></table><p>{_WORDS * 2}Größe, café.</p>"
    ).encode()
    return _HTML_HEAD + b"<article>" + piece * (size // len(piece) + 1) + b"</article></body></html>"


def mail(plain: str, html: str, attached_bytes: int) -> bytes:
    """An ordinary multipart mail."""
    file = base64.encodebytes(os.urandom(attached_bytes)).decode()
    parts = [
        "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: Figures\r\nMIME-Version: 1.0\r\n"
        'Date: Mon, 23 Nov 2026 09:00:00 +0100\r\nContent-Type: multipart/mixed; boundary="m"\r\n',
        '--m\r\nContent-Type: multipart/alternative; boundary="a"\r\n',
        f"--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{plain}",
        f"--a\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{html}\r\n--a--",
        '--m\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="a.bin"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{file}\r\n--m--\r\n",
    ]
    return "\r\n".join(parts).encode()


def inputs() -> dict[str, tuple[str, bytes]]:
    """By name: what reads it, and its bytes."""
    mib = 1 << 20
    paragraph, words = f"<p>{_WORDS * 5}</p>\r\n", f"{_WORDS * 5}\r\n\r\n"
    return {
        "page of 1 MB": ("page", page(mib)),
        "page of 1 MB, Latin-1 by its own word": (
            "page", page(mib).replace(b"charset=utf-8", b"charset=iso-8859-1").decode().encode("cp1252"),
        ),
        "text of 1 MB": ("text", (_WORDS * (mib // len(_WORDS))).encode()),
        "mail of 5 MB, a file": ("mail", mail(words * 20, paragraph * 20, int(3.6 * mib))),
        "mail of 5 MB, plain and HTML": (
            "mail", mail(words * (2 * mib // len(words)), paragraph * (3 * mib // len(paragraph)), 1000),
        ),
    }  # fmt: skip


#: Runs with the sources of either version: reads a name of a file and says how many milliseconds of CPU it took.
_READER = """
import sys, time
from tasks.document.reading import read as read_page
from tasks.email.reading import read as read_mail
READ = {
    "page": lambda body: read_page(body, "text/html", "It"),
    "text": lambda body: read_page(body, "text/plain", "It"),
    "mail": read_mail,
}
for line in sys.stdin:
    kind, path = line.split()
    body = open(path, "rb").read()
    began = time.process_time()
    READ[kind](body)
    print((time.process_time() - began) * 1000, flush=True)
"""


@contextmanager
def reader(sources: Path) -> Iterator[Callable[[str, Path], float]]:
    env = {**os.environ, "PYTHONPATH": str(sources)}
    process = subprocess.Popen(
        [PYTHON, "-c", _READER], cwd=sources, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    asked, told = process.stdin, process.stdout

    def took_ms(kind: str, path: Path) -> float:
        asked.write(f"{kind} {path}\n")
        asked.flush()
        return float(told.readline())

    try:
        yield took_ms
    finally:
        asked.close()
        process.wait(30)


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


def main(commit: str, rounds: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        older = stack.enter_context(reader(stack.enter_context(checkout(commit))))
        newer = stack.enter_context(reader(ROOT))
        print(f"| input | {commit} (ms) | now (ms) | ratio |\n|---|--:|--:|--:|")
        for number, (name, (kind, body)) in enumerate(inputs().items()):
            path = folder / str(number)
            path.write_bytes(body)
            compared = [_turn(kind, path, older, newer, turn) for turn in range(rounds + 2)][2:]  # two to load all
            before, after = ([one[at] for one in compared] for at in (0, 1))
            ratio = median(b / a for a, b in compared)
            print(f"| {name} | {median(before):.1f} | {median(after):.1f} | {ratio:.2f} |", flush=True)


def _turn(kind: str, path: Path, older: Any, newer: Any, turn: int) -> tuple[float, float]:
    """Who begins changes."""
    if turn % 2:
        now = newer(kind, path)
        return older(kind, path), now
    return older(kind, path), newer(kind, path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else COMMIT, int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS)
