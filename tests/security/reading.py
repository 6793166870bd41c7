"""Reads hostile documents in a process of its own, and says what each cost: `python reading.py FOLDER`.

A line for each file of the folder: its name, the seconds, the MiB by which the process grew, and how it ended.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

MEDIA_TYPES = {
    ".html": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".pdf": "application/pdf",
    ".md": "text/markdown",
    ".txt": "text/plain; charset=utf-8",
}


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def main(folder: Path) -> None:
    from llmcoder.errors import BadInput
    from tasks.document.reading import read

    read(b"<p>A page. It has two sentences.</p>" * 50, "text/html", "A page")  # loads the parsers
    for path in sorted(folder.iterdir()):
        body = path.read_bytes()
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before, began = status("VmRSS"), time.monotonic()
        try:
            ending = f"read {read(body, MEDIA_TYPES[path.suffix], path.name).text[:200]!r}"
        except BadInput as error:
            ending = f"refused {error.detail[:200]!r}"
        grown = (status("VmHWM") - before) // 1024
        sys.stdout.write(f"{path.name}\t{time.monotonic() - began:.1f}\t{grown}\t{ending}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
