"""Markup of JIRA's editors, there and back: what a text says in it is not lost on the way.

Rows of a table are what Atlassian's own editors write: nodes and marks by the schema of the document format
(unpkg.com/@atlaskit/adf-schema), wiki markup by JIRA's notation guide and by what its editor makes of a document.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.jira.adf import text_of
from tasks.jira.adf_writing import document_of
from tasks.jira.wiki import wiki_of
from tasks.jira.wiki_reading import text_of as said_by


def node(kind: str, *content: Any, **attributes: Any) -> Any:
    return {"type": kind, "attrs": attributes, "content": list(content)}


def words(text: str, *marks: Any) -> Any:
    return {"type": "text", "text": text, "marks": [{"type": one} if isinstance(one, str) else one for one in marks]}


def para(*content: Any) -> Any:
    return node("paragraph", *(words(one) if isinstance(one, str) else one for one in content))


def item(*content: Any) -> Any:
    return node("listItem", *content)


def row(*cells: Any) -> Any:
    return node("tableRow", *cells)


def cell(*content: Any, **attributes: Any) -> Any:
    return node("tableCell", *(para(one) if isinstance(one, str) else one for one in content), **attributes)


def code(text: str, language: str = "") -> Any:
    return node("codeBlock", words(text), language=language)


def link(address: str) -> Any:
    return {"type": "link", "attrs": {"href": address}}


def moved(to: str) -> Any:
    return {"type": "subsup", "attrs": {"type": to}}


BREAK = {"type": "hardBreak"}
SPEC = "https://example.org/spec"

READ = [
    # smart links: an address, or what the editor kept of the page behind it (JSON-LD)
    ("inline card", para("See ", node("inlineCard", url=SPEC)), f"See {SPEC}"),
    ("inline card with data", para(node("inlineCard", data={"url": SPEC, "name": "Spec"})), f"[Spec]({SPEC})"),
    ("data without a name", para(node("inlineCard", data={"@type": "Document", "url": SPEC})), SPEC),
    ("data with a link object", node("blockCard", data={"url": {"@type": "Link", "href": SPEC}}), SPEC),
    ("data with an id only", node("embedCard", data={"@id": SPEC}), SPEC),
    ("a list of issues", node("blockCard", datasource={"parameters": {"jql": "project = OPS"}}), "[project = OPS]"),
    ("a list with its address", node("blockCard", url=SPEC, datasource={"parameters": {"jql": "x"}}), SPEC),
    ("card in a link's place", para(node("inlineCard", data={"name": "Only a name"})), "Only a name"),
    ("card close to words", para("see", node("inlineCard", url=SPEC), "now"), f"see<{SPEC}>now"),
    ("card before a full stop", para("See ", node("inlineCard", url=SPEC), "."), f"See {SPEC}."),
    ("something new in a line", para("a", {"type": "unsupportedInline", "attrs": {}}, "b"), "ab"),
    ("picture with a caption", node("mediaSingle", node("media", alt="a.png"), node("caption", words("The chart"))),
     "[a.png]\n\nThe chart"),
    ("picture that stands elsewhere", node("mediaSingle", node("media", type="external", url=f"{SPEC}.png", alt="p")),
     f"![p]({SPEC}.png)"),
    ("file that links", node("mediaSingle", {**node("media", alt="p.png"), "marks": [link(SPEC)]}), f"[p.png]({SPEC})"),
    # code
    ("code that holds a fence", code("```\nx\n```", "md"), "````md\n```\nx\n```\n````"),
    ("code that holds a longer one", code("`````"), "``````\n`````\n``````"),
    ("code from Windows", code("a\r\nb"), "```\na\nb\n```"),
    ("code with a tick", para(words("a`b", "code")), "``a`b``"),
    ("code that is a tick", para(words("`", "code")), "`` ` ``"),
    ("code in a link", para(words("run()", link(SPEC), "code")), f"[`run()`]({SPEC})"),
    # raised and lowered
    ("a power", para("10", words("5", moved("sup")), " rows"), "10⁵ rows"),
    ("a negative power", para("s", words("-1", moved("sup"))), "s⁻¹"),
    ("a formula", para("H", words("2", moved("sub")), "O"), "H₂O"),
    ("an ordinal", para("4", words("th", moved("sup"))), "4<sup>th</sup>"),
    ("lowered letters", para("x", words("max", moved("sub"))), "x<sub>max</sub>"),
    # marks
    ("bold with a blank at its end", para(words("Note: ", "strong"), "restart"), "**Note:** restart"),
    ("italic with a blank at its begin", para("a", words(" b", "em"), " c"), "a *b* c"),
    ("struck out with blanks", para(words(" gone ", "strike"), "x"), "~~gone~~ x"),
    ("bold in pieces", para(words("a ", "strong"), words("b", "strong", "em"), words(" c", "strong")), "**a *b* c**"),
    ("a link in pieces", para(words("see ", link(SPEC)), words("it", link(SPEC), "strong")), f"[see **it**]({SPEC})"),
    ("a link with a blank", para(words("Spec ", link(SPEC)), "x"), f"[Spec]({SPEC}) x"),
    ("a link with a bracket", para(words("x", link("https://e.org/a_(b)"))), "[x](<https://e.org/a_(b)>)"),
    ("bold over a break", para(words("a", "strong"), BREAK, words("b", "strong")), "**a**\n**b**"),
    ("nothing but blanks in bold", para("a", words(" ", "strong"), "b"), "a b"),
    # numbering
    ("numbers that go on", node("orderedList", item(para("c")), item(para("d")), order=3), "3. c\n4. d"),
    ("numbers that some write as fractions", node("orderedList", item(para("c")), order=3.0), "3. c"),
    ("two lists of numbers", [node("orderedList", item(para("a"))), node("orderedList", item(para("b")))],
     "1. a\n\n1) b"),
    ("two lists of points", [node("bulletList", item(para("a"))), node("bulletList", item(para("b")))], "- a\n\n* b"),
    ("an item of two paragraphs", node("bulletList", item(para("a"), para("b")), item(para("c"))), "- a\n\n  b\n- c"),
    ("code in an item", node("orderedList", item(para("a"), code("x")), item(para("b"))),
     "1. a\n   ```\n   x\n   ```\n2. b"),
    ("numbers in an item", node("bulletList", item(para("a"), node("orderedList", item(para("b")), order=5))),
     "- a\n  5. b"),
    # tables
    ("a cell of two lines", node("table", row(cell(para("one", BREAK, "two")), cell("x"))),
     "| one<br>two | x |\n| --- | --- |"),
    ("a cell of two paragraphs", node("table", row(cell("one", "two"))), "| one<br>two |\n| --- |"),
    ("a list in a cell", node("table", row(cell(node("bulletList", item(para("a")), item(para("b")))))),
     "| - a<br>- b |\n| --- |"),
    ("code in a cell", node("table", row(cell(code("if a|b:\n  x")))), "| `if a\\|b:`<br>`  x` |\n| --- |"),
    ("a cell over two columns", node("table", row(cell("a", colspan=2)), row(cell("b"), cell("c"))),
     "| a |  |\n| --- | --- |\n| b | c |"),
    ("a cell over two rows", node("table", row(cell("a", rowspan=2), cell("b")), row(cell("c"))),
     "| a | b |\n| --- | --- |\n|  | c |"),
    # macros of Confluence's documents
    ("an extension with its text", node("extension", extensionKey="x", text="said"), "said"),
    ("an extension about an issue",
     node("extension", extensionKey="jira", parameters={"macroParams": {"key": {"value": "OPS-1"}}}), "[jira: OPS-1]"),
    ("an extension with a body", node("bodiedExtension", para("inner"), extensionKey="x"), "inner"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "said"), [pytest.param(found, said, id=name) for name, found, said in READ])
def test_what_editors_write_into_documents_is_said(found: Any, said: str) -> None:
    content = found if isinstance(found, list) else [found]
    assert text_of({"type": "doc", "version": 1, "content": content}) == said


#: Markdown that both ways of JIRA, and the way back, leave as it is.
KEPT = [
    "10⁵ is not 105",
    "4<sup>th</sup> of July",
    "x<sub>max</sub>",
    "~~Monday~~ Friday",
    "**Note:** restart",
    "**a *b* c**",
    "*a **b** c*",
    "~~**a**~~",
    "3. c\n4. d",
    "1. a\n2. b\n3. c",
    "0. a\n1. b",
    "- a\n  - b\n    - c",
    "- a\n  1. b\n  2. c",
    "1. a\n   - b\n   - c\n2. d",
    "| a<br>b | c |\n| --- | --- |\n| d | e |",
    "| a | b |\n| --- | --- |\n| ~~c~~ | **d** |",
    "| a\\|b | c |\n| --- | --- |",
    "| `x` | [l](https://x.example) |\n| --- | --- |",
    "````md\n```\nx\n```\n````",
    "```py\ndef f():\n    return {1: [2]}\n```",
    "```\n# no head\n* no list\n| no | table |\n```",
    "`a{b}c` and `x|y`",
    "``a`b``",
    "[Spec](https://example.org/spec?a=1&b=2#c)",
    "[**bold** `code`](https://example.org)",
    "https://example.org/a_b_c-d",
    "# One\n\ntext\n\n### Three",
    "> quoted\n>\n> - a\n> - b",
    "one\n\n---\n\ntwo",
    "a & b < c > d; AT&T; C:\\temp",
    "E = mc² and CO₂",
    "Größe, Œuvre, 東京, ☕",
]


def there_and_back(markdown: str) -> str:
    return text_of(document_of(markdown))


@pytest.mark.parametrize("markdown", KEPT)
def test_markdown_comes_back_from_a_document_as_it_was(markdown: str) -> None:
    assert there_and_back(markdown) == markdown


@pytest.mark.parametrize("markdown", [one for one in KEPT if one != "**a *b* c**"])
def test_markdown_comes_back_from_wiki_markup_as_it_was(markdown: str) -> None:
    assert said_by(wiki_of(markdown)) == markdown


#: Markdown, and the addresses that its document links: JIRA makes none of a text (GFM, 6.9).
ADDRESSES = [
    (f"See {SPEC}.", [SPEC]),
    (f"(see {SPEC})", [SPEC]),
    (f"{SPEC}?a=1&b=2, and more", [f"{SPEC}?a=1&b=2"]),
    ("https://example.org/a_(b) and (https://example.org/a_(b))", ["https://example.org/a_(b)"] * 2),
    ("**https://example.org**", ["https://example.org"]),
    ("https://example.org/a_b_c-d", ["https://example.org/a_b_c-d"]),
    ("請看https://example.org/a。完", ["https://example.org/a"]),
    (f"| a |\n|--|\n| {SPEC} |", [SPEC]),
    (f"<{SPEC}> [a]({SPEC})", [SPEC, SPEC]),
    (f"`{SPEC}`", []),
    (f"[see {SPEC}](https://example.org)", ["https://example.org"]),
    ("xhttps://example.org and https:// and ftp://example.org", []),
]


def _links(found: Any) -> list[str]:
    if isinstance(found, list):
        return [one for part in found for one in _links(part)]
    marks = [one["attrs"]["href"] for one in found.get("marks", []) if one["type"] == "link"]
    return marks + _links(found.get("content", []))


@pytest.mark.parametrize(("markdown", "addresses"), ADDRESSES)
def test_an_address_in_a_text_is_a_link(markdown: str, addresses: list[str]) -> None:
    document = document_of(markdown)
    assert _links(document) == addresses
    assert _links(document_of(text_of(document))) == addresses


def test_jira_makes_links_of_the_addresses_in_wiki_markup_itself() -> None:
    assert wiki_of(f"See {SPEC}.") == f"See {SPEC}."


WRITTEN = [
    ("10<sup>5</sup>", "10{^}5{^}"),
    ("H<sub>2</sub>O", "H{~}2{~}O"),
    ("<sup>a</sup> b", "^a^ b"),
    ("<sup>**a**</sup>", "^*a*^"),
    ("3. c\n4. d", "3. c\n4. d"),
    ("3. c\n\n   more\n4. d", "3. c\nmore\n4. d"),
    ("3. a\n   - b\n4. c", "* 3. a\n** b\n* 4. c"),
    ("- x\n\n  3. y\n  4. z", "* x\n** 3. y\n** 4. z"),
    ("| a<br>b |\n|--|", "||a\\\\b||"),
    ("| a |\n|--|\n| b<br/>c |", "||a||\n|b\\\\c|"),
    ("a <br> b", "a <br> b"),
    ("~~a b~~", "-a b-"),
    ("a~~b~~c", "a{-}b{-}c"),
    ("**a** b", "*a* b"),
    ("```\n```", "{code}\n\n{code}"),
    ("- a\n\n  ```\n  x\n  ```", "* a\n{code}\nx\n{code}"),
]


@pytest.mark.parametrize(("markdown", "wiki"), WRITTEN)
def test_what_markdown_says_is_written_as_wiki_markup(markdown: str, wiki: str) -> None:
    assert wiki_of(markdown) == wiki


WIKI = [
    # JIRA's notation guide
    ("10^5^ rows", "10⁵ rows"),
    ("10{^}5{^}", "10⁵"),
    ("H{~}2{~}O", "H₂O"),
    ("4^th^", "4<sup>th</sup>"),
    ("^two words^", "<sup>two words</sup>"),
    ("2^10 and 2^20", "2^10 and 2^20"),
    ("x\\^2\\^", "x^2^"),
    ("~/a and ~/b", "~/a and ~/b"),
    ("-Monday- Friday", "~~Monday~~ Friday"),
    ("{*}Note: {*}restart", "**Note:** restart"),
    ("a{_} b{_}c", "a *b*c"),
    ("{-} gone {-}", "~~gone~~"),
    ("# a\n# b\n# c", "1. a\n2. b\n3. c"),
    ("# a\n## x\n## y\n# b", "1. a\n   1. x\n   2. y\n2. b"),
    ("# a\n#* x\n#* y\n# b", "1. a\n   - x\n   - y\n2. b"),
    ("# a\n{code}x{code}\n# b", "1. a\n```\nx\n```\n2. b"),
    ("# a\n\n# b", "1. a\n\n1. b"),
    ("* a\n*# x\n*# y\n* b", "- a\n  1. x\n  2. y\n- b"),
    # frames with a title
    ("{panel:title=My note}\nBody\n{panel}", "**My note**\n\nBody"),
    ("{panel:title=My note|borderStyle=dashed|bgColor=#fff}Body{panel}", "**My note**\nBody"),
    ("{info:title=Mind}a{info}", "**Mind**\na"),
    ("{warning}a{warning}", "a"),
    ("{color:#ff0000}a{color}", "a"),
    ("{code:title=Main.java|borderStyle=solid}\nx\n{code}", "Main.java:\n```\nx\n```"),
    ("{code:java|title=Main.java}x{code}", "Main.java:\n```java\nx\n```"),
    ("{code:title=Main.java|language=java}x{code}", "Main.java:\n```java\nx\n```"),
    ("{noformat}\n```\n{noformat}", "````\n```\n````"),
    ("{{a`b}}", "``a`b``"),
    # tables
    ("||A||B||\n|one\\\\two|x|", "| A | B |\n| --- | --- |\n| one<br>two | x |"),
    ("|one\ntwo|x|", "| one<br>two | x |\n| --- | --- |"),
    ("|one\ntwo\nthree|x|\n|y|z|", "| one<br>two<br>three | x |\n| --- | --- |\n| y | z |"),
    ("|* a\n* b|x|", "| - a<br>- b | x |\n| --- | --- |"),
    ("|# a\n# b|x|", "| 1. a<br>2. b | x |\n| --- | --- |"),
    ("|{code:py}if a:\n  b{code}|x|", "| `if a:`<br>`  b` | x |\n| --- | --- |"),
    ("|{noformat}a|b{noformat}|x|", "| `a\\|b` | x |\n| --- | --- |"),
    ("|a\\|b|c|", "| a\\|b | c |\n| --- | --- |"),
    ("|!a.png|thumbnail!|b|", "| [a.png] | b |\n| --- | --- |"),
    ("|!a.png|width=300,height=200!|", "| [a.png] |\n| --- |"),
    # sooperset/mcp-atlassian 786 and 1651
    ("* *bold text* rest", "- **bold text** rest"),
    (" # a\n # b", "1. a\n2. b"),
    ("- a\n-- b\n--- c", "- a\n  - b\n    - c"),
    ("{expand:More}x{expand}", "**More**\nx"),
    # links, as JIRA writes a smart link back
    ("[https://x.org|https://x.org|smart-link]", "https://x.org"),
    ("[Spec|https://x.org/a|smart-card]", "[Spec](https://x.org/a)"),
    ("[https://x.org/a_b|https://x.org/a_b]", "https://x.org/a_b"),
    ("[Ada|mailto:ada@example.org]", "[Ada](mailto:ada@example.org)"),
]


@pytest.mark.parametrize(("wiki", "said"), WIKI)
def test_what_people_write_in_wiki_markup_is_said(wiki: str, said: str) -> None:
    assert said_by(wiki) == said


# --- any text


WORD = st.sampled_from(["alpha", "Größe", "42", "x1", "日本", "e.g.", "(so)"])
PHRASE = st.builds(
    str.format,
    st.sampled_from(["{}", "~~{}~~", "[{}](https://x.example/a)", "<sup>{}</sup>", "~~[{}](https://x.example/a)~~",
                     "[<sub>{}</sub>](https://x.example/b)", "~~a {}~~", "**{} b**", "`{}`"]),
    WORD,
)  # fmt: skip
LINE = st.lists(PHRASE, min_size=1, max_size=4).map(" ".join)
CELL = st.lists(LINE, min_size=1, max_size=3).map("<br>".join)
TABLE = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=3)
).map(lambda rows: "\n".join(
    [f"| {' | '.join(rows[0])} |", f"|{' --- |' * len(rows[0])}", *(f"| {' | '.join(one)} |" for one in rows[1:])]
))  # fmt: skip
NUMBERS = st.tuples(st.integers(0, 99), st.lists(LINE, min_size=1, max_size=4)).map(
    lambda made: "\n".join(f"{number}. {line}" for number, line in enumerate(made[1], made[0]))
)
POINTS = st.lists(LINE, min_size=1, max_size=4).map(lambda lines: "\n".join(f"- {line}" for line in lines))
CODE = st.text("`ab{}|*\n ", max_size=20).map(lambda text: text.strip("\n")).map(
    "``````py\n{}\n``````".format
)  # fmt: skip
BLOCK = st.one_of(LINE, LINE.map("## {}".format), NUMBERS, POINTS, TABLE, CODE, LINE.map("> {}".format))
#: A rule between blocks: two lists side by side are one in markdown, and count on.
TEXT = st.lists(BLOCK, min_size=1, max_size=4).map("\n\n---\n\n".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT)
def test_any_text_says_the_same_after_another_way_there_and_back(markdown: str) -> None:
    once = there_and_back(markdown)
    assert document_of(there_and_back(once)) == document_of(once)
    assert there_and_back(once) == once
    assert [one for one in _letters(markdown) if one.isalnum()] == [one for one in _letters(once) if one.isalnum()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT)
def test_any_text_loses_no_word_on_the_way_through_wiki_markup(markdown: str) -> None:
    once = said_by(wiki_of(markdown))
    assert [one for one in _letters(markdown) if one.isalnum()] == [one for one in _letters(once) if one.isalnum()]
    for sign in ("~~", "<br>", "**"):
        assert markdown.count(sign) == once.count(sign)


def _letters(text: str) -> str:
    """What a text says, without the tags that are written in letters; raised digits are digits."""
    import unicodedata

    for tag in ("<sup>", "</sup>", "<sub>", "</sub>", "<br>", "``````", "```", "`"):
        text = text.replace(tag, " ")
    return unicodedata.normalize("NFKC", text)


# --- hostile texts


@pytest.mark.parametrize(
    "piece", ["^a", "^", "~", "{^}a", "|a\n", "|{code}x{code}", "# a\n", "{panel:title=a}", "\\\\|"]
)
def test_long_wiki_texts_take_no_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    said_by(text)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("piece", ["<sup>", "<sup>a</sup>", "<br>", "<sub><sup>", "</sup>", "|<br>"])
def test_long_markdown_of_tags_takes_no_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    wiki_of(text)
    document_of(text)
    assert time.process_time() - began < 20


def test_a_cell_that_says_to_span_without_end_does_not() -> None:
    table = node(
        "table", row(*(cell("a", colspan=999_999_999, rowspan=999_999_999) for _ in range(50))), row(cell("b"))
    )
    assert len(text_of({"type": "doc", "content": [table]})) < 100_000


def test_many_pieces_in_one_line_take_no_time() -> None:
    pieces = [words("a", *(("strong",) if number % 2 else ("strong", "em"))) for number in range(20_000)]
    began = time.process_time()
    assert text_of({"type": "doc", "content": [node("paragraph", *pieces)]}).startswith("***a*")
    assert time.process_time() - began < 20
