"""Documents made to exhaust or to spy out whoever reads them: each is read or refused, soon, and in bounded memory."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 30.0
MOST_GROWTH_MIB = 300
SECRET = "content-of-a-file-of-this-machine"


@dataclass(frozen=True)
class Cost:
    seconds: float
    grown_mib: int
    ending: str


def laughs(root: str) -> bytes:
    """Nine levels of ten: 10^9 laughs."""
    entities = ['<!ENTITY a0 "laugh">']
    entities += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return f"<?xml version='1.0'?><!DOCTYPE {root} [{''.join(entities)}]><{root}><p>&a9;</p></{root}>".encode()


def quadratic() -> bytes:
    """One long entity, many times."""
    return f'<!DOCTYPE html [<!ENTITY a "{"x" * 100_000}">]><html><p>{"&a;" * 20_000}</p></html>'.encode()


def external(secret: Path) -> bytes:
    return (
        f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY f SYSTEM "file://{secret}">'
        f'<!ENTITY % p SYSTEM "file://{secret}"> %p;]>'
        f'<html xmlns:xi="http://www.w3.org/2001/XInclude"><body><p>It says: &f; and no more than that.</p>'
        f'<xi:include href="{secret}" parse="text"/><p><object data="file://{secret}"></object></p></body></html>'
    ).encode()


def pdf(*objects: bytes, root: int = 1) -> bytes:
    """A PDF of these objects, numbered from 1."""
    parts, offsets, length = [b"%PDF-1.7\n"], [], 9
    for number, content in enumerate(objects, 1):
        offsets.append(length)
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, content))
        length += len(parts[-1])
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, root, length)
    return b"".join([*parts, head, table, tail])


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R"
    b" /Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >> >>"
)
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def stream(content: bytes, *filters: str) -> bytes:
    names = " ".join(f"/{name}" for name in filters)
    return b"<< /Length %d /Filter [%b] >>\nstream\n%b\nendstream" % (len(content), names.encode(), content)


def page_of(contents: bytes, x_object: bytes = b"<< >>") -> bytes:
    return pdf(CATALOG, PAGES, PAGE, contents, FONT, x_object)


def packed(size: int, times: int = 1, content: bytes = b"BT /F 1 Tf (x) Tj ET ") -> bytes:
    data = content * (size // len(content))
    for _ in range(times):
        data = zlib.compress(data, 6)
    return data


def pdfs() -> Iterator[tuple[str, bytes]]:
    yield "bomb.pdf", page_of(stream(packed(100_000_000), "FlateDecode"))
    yield "nested-bomb.pdf", page_of(stream(packed(100_000_000, times=3), *["FlateDecode"] * 3))
    run = b"\x81x" * 3_000_000
    yield "run-length-bomb.pdf", page_of(stream(zlib.compress(run, 9), "FlateDecode", "RunLengthDecode"))
    yield "spaces-bomb.pdf", page_of(stream(packed(100_000_000, content=b" "), "FlateDecode"))
    yield "many-filters.pdf", page_of(stream(b"3" * 1000 + b">", *["ASCIIHexDecode"] * 10_000))
    yield "objects.pdf", pdf(CATALOG, PAGES, PAGE, stream(b""), FONT, b"<< >>", *[b"<< /A [1 2 3] >>"] * 100_000)
    yield "kids-of-itself.pdf", pdf(CATALOG, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>")
    yield "count.pdf", pdf(CATALOG, b"<< /Type /Pages /Kids [3 0 R] /Count 99999999999 >>", PAGE, stream(b""), FONT)
    kids = b" ".join([b"3 0 R"] * 100_000)
    yield "kids.pdf", pdf(CATALOG, b"<< /Type /Pages /Kids [%b] /Count 100000 >>" % kids, PAGE, stream(b""), FONT)
    yield "deep-array.pdf", page_of(stream(zlib.compress(b"[" * 1_000_000), "FlateDecode"))
    yield "deep-object.pdf", pdf(CATALOG, b"[" * 100_000)
    form = b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >> /Length 5 >>"
    yield "form-in-itself.pdf", page_of(stream(b"/X Do " * 10), form + b"\nstream\n/X Do\nendstream")
    yield "states.pdf", page_of(stream(packed(5_000_000, content=b"q "), "FlateDecode"))
    yield "long-number.pdf", page_of(stream(b"9" * 2_000_000 + b" Tf"))
    yield "reference-to-itself.pdf", pdf(b"1 0 R", b"2 0 R")
    yield "previous-of-itself.pdf", page_of(stream(b"")).replace(b"/Root", b"/Prev 9 /Root")


def pages() -> Iterator[tuple[str, bytes]]:
    for root in ("html", "lolz"):
        for suffix in ("html", "xhtml"):
            yield f"laughs-{root}.{suffix}", laughs(root)
    yield "quadratic.xhtml", quadratic()
    yield "deep.html", b"<div>" * 300_000 + b"text"
    yield "deep-lists.html", b"<ul><li>x" * 100_000
    yield "attributes.html", b"<p " + b" ".join(b"a%d=1" % number for number in range(200_000)) + b">text</p>"
    yield "tables.html", b"<table><tr><td>a sentence that is long enough to be kept. " * 20_000
    yield "wide.html", b"<p>A short sentence of a page.</p>" * 50_000
    yield "comments.html", b"<!--" * 500_000
    yield "entities.html", b"<p>" + b"&amp;" * 500_000
    yield "fences.md", b"```\n" * 500_000
    yield "labels.md", b"[" * 1_000_000
    yield "links.md", b"[](" * 300_000
    yield "links-in-brackets.md", b"[]((a)" * 200_000
    yield "emphasis.md", b"**a" * 300_000
    yield "emphasis-without-end.md", b"**a " * 250_000
    yield "closing.md", b"# " + b"#" * 1_000_000 + b"x"
    yield "spaces.md", b"# a" + b" " * 1_000_000 + b"x"
    yield "nothing.txt", b" " * 4_000_000
    yield "underlines.md", b"x\n---\n" * 200_000


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cost]:
    """All of them, read one after the other by one process, as a worker would."""
    folder = tmp_path_factory.mktemp("hostile")
    secret = tmp_path_factory.mktemp("machine") / "secret"
    secret.write_text(SECRET)
    written = dict([*pdfs(), *pages(), ("external.xhtml", external(secret)), ("external.html", external(secret))])
    for name, content in written.items():
        (folder / name).write_bytes(content)
    command = [sys.executable, str(Path(__file__).with_name("reading.py")), str(folder)]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=110)
    lines = [line.split("\t", 3) for line in done.stdout.splitlines()]
    found = {name: Cost(float(seconds), int(grown), ending) for name, seconds, grown, ending in lines}
    missing = sorted(written.keys() - found.keys())
    assert not missing, f"the process ended at {missing[0]}: {done.stderr[-2000:]}"
    return found


def test_every_document_is_read_or_refused_soon_and_in_bounded_memory(costs: dict[str, Cost]) -> None:
    too_dear = {n: c for n, c in costs.items() if c.seconds > MOST_SECONDS or c.grown_mib > MOST_GROWTH_MIB}
    assert too_dear == {}


def test_no_entity_is_expanded_and_no_file_read(costs: dict[str, Cost]) -> None:
    assert not [name for name, cost in costs.items() if SECRET in cost.ending]
    assert not [name for name, cost in costs.items() if "laughlaugh" in cost.ending]


def test_what_no_domain_reads_is_refused_by_its_kind() -> None:
    """XML and archives are not opened at all, so neither are their bombs."""
    from tasks.document.page import UnreadableDocument
    from tasks.document.reading import read

    for kind in ("application/xml", "text/xml", "application/zip", "image/png", "image/svg+xml"):
        with pytest.raises(UnreadableDocument, match="what can be read is"):
            read(laughs("lolz"), kind, "It")
    # what is called gzip and is none is the text that it is, as any; nothing of it is opened either
    assert "laughlaugh" not in str(read(laughs("lolz"), "application/gzip", "It"))
