"""Texts on their way: markdown to wiki markup and to Atlassian's documents, and what those say to people."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.jira.adf import DEEPEST, text_of
from tasks.jira.adf_writing import document_of
from tasks.jira.wiki import wiki_of
from tasks.jira.wiki_reading import text_of as said_by

# --- wiki markup


@pytest.mark.parametrize(
    ("markdown", "wiki"),
    [
        ("# One\n\ntwo", "h1. One\n\ntwo"),
        ("**b** *i* ~~s~~ `c`", "*b* _i_ -s- {{c}}"),
        ("a*b*c", "a{_}b{_}c"),
        ("- a\n  - b\n    1. c\n- d", "* a\n** b\n**# c\n* d"),
        ("- [ ] a\n- [x] b", "* ☐ a\n* ☑ b"),
        ("- # a\n- > b", "* *a*\n* b"),
        ("> q\n> > r", "{quote}\nq\n\nr\n{quote}"),
        ("```py\nx = {1}\n```", "{code:py}\nx = {1}\n{code}"),
        ("```a|b\nx\n```", "{code}\nx\n{code}"),
        ("```\n{code}\n```", "{noformat}\n{code}\n{noformat}"),
        ("| a | b |\n|---|---|\n| 1 | **2** |", "||a||b||\n|1|*2*|"),
        ("---", "----"),
        ("one  \ntwo\nthree", "one\ntwo three"),
        ("[l](https://x.example/?a=[b]|c)", "[l|https://x.example/?a=%5Bb%5D%7Cc]"),
        ("![p](https://x.example/p.png)", "[p|https://x.example/p.png]"),
        ("<https://x.example>", "[https://x.example]"),
        ("see https://x.example/a_b_c now", "see https://x.example/a_b_c now"),
        ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
        ("<b>x</b>", "<b>x</b>"),
        ("bell\x07 and \ud83d half", "bell and  half"),
    ],
)
def test_markdown_becomes_wiki_markup(markdown: str, wiki: str) -> None:
    assert wiki_of(markdown) == wiki


@pytest.mark.parametrize(
    ("said", "wiki"),
    [
        ("{color:red}x{color}", "\\{color:red\\}x\\{color\\}"),
        ("[~admin] @ada", "\\[\\~admin\\] @ada"),
        ("!secret.png! Hello! World!", "\\!secret.png! Hello! World!"),
        ("snake_case_name", "snake_case_name"),
        ("\\_a\\_", "\\_a\\_"),
        ("C:\\\\temp\\\\D", "C:&#92;temp&#92;D"),
        ("`&lt;` AT&T", "{{&amp;lt;}} AT&T"),
        ("h1. no", "&#104;1. no"),
        ("bq. no", "&#98;q. no"),
        ("\\# no", "\\# no"),
        ("a \\- b -c- +d+ e-f", "a - b \\-c- \\+d+ e-f"),
        ("??x??", "\\?\\?x??"),
        ("ok :) (y) (no)", "ok \\:) \\(y) (no)"),
        ("a | b", "a \\| b"),
        ("x^2^ H~2~O", "x\\^2\\^ H\\~2\\~O"),
    ],
)
def test_what_a_text_says_is_no_markup_of_its_own(said: str, wiki: str) -> None:
    assert wiki_of(said) == wiki


@pytest.mark.parametrize(
    "markdown",
    [
        "# One\n\n## Two",
        "**b** *i* ~~s~~ `c` [l](https://x.example)",
        "a*b*c and **a *b* c**",
        "- a\n  - b\n    1. c\n- d",
        "> q\n>\n> r",
        "> ```\n> x\n> ```",
        "```py\nx = {1} * 2 * 3\n```",
        "`a{b}c` and 2 * 3 * 4, -5 - 6",
        "| a | b |\n| --- | --- |\n| 1 | **2** |",
        "one\n\n---\n\ntwo",
        "a{color}x [~admin] C:\\temp\\D < snake_case - -- a-b ?? x | y Hello!",
        "h1. no",
        "see https://x.example/a_b_c-d_e now",
    ],
)
def test_wiki_markup_that_was_written_says_what_the_markdown_said(markdown: str) -> None:
    assert said_by(wiki_of(markdown)) == markdown


@pytest.mark.parametrize(
    ("wiki", "said"),
    [
        ("{panel:title=X}\r\nhello {color:red}red{color}\r\n{panel}", "**X**\n\nhello red"),
        ("{quote}a\nb{quote} c", "> a\n> b\nc"),
        ("bq. hi", "> hi"),
        ("||h1||h2||\n|a|[b|http://x]|\n\ntext", "| h1 | h2 |\n| --- | --- |\n| a | [b](http://x) |\n\ntext"),
        ("|a|b", "| a | b |\n| --- | --- |"),
        ("x {code:java|title=t}int a;{code} {noformat}*x*{noformat}", "x\nt:\n```java\nint a;\n```\n```\n*x*\n```"),
        ("{code}never closed *b*", "{code}never closed **b**"),
        ("# one\n## two\n#* b", "1. one\n   1. two\n   - b"),
        ("[^a.txt] !a.png|thumbnail! [http://x.example] [SPACE:page]", "[a.txt] [a.png] http://x.example [SPACE:page]"),
        ("[~ada] [~accountid:5b]", "@ada @5b"),
        ("line\\\\next", "line\nnext"),
        ("*bold*text *bold* a - b - c", "*bold*text **bold** a - b - c"),
        ("&lt;b&gt; &#92; &nothing;", "<b> \\ &nothing;"),
        ("", ""),
    ],
)
def test_wiki_markup_of_others_can_be_read(wiki: str, said: str) -> None:
    assert said_by(wiki) == said


@settings(max_examples=300, deadline=None)
@given(st.text("*_-+^~!|{}[]()\\#&;:hbq.1 \nax", max_size=60))
def test_any_wiki_markup_says_something(wiki: str) -> None:
    assert isinstance(said_by(wiki), str)
    assert isinstance(said_by(wiki.replace("x", "{code}")), str)


# --- Atlassian's documents

#: What may stand in what, of that which is written; from Atlassian's description of the structure.
_INLINE = {"text", "hardBreak"}
_LISTS = {"bulletList", "orderedList"}
_ALLOWED: dict[str, set[str]] = {
    "doc": {"paragraph", "heading", "codeBlock", "blockquote", "table", "rule"} | _LISTS,
    "paragraph": _INLINE,
    "heading": _INLINE,
    "codeBlock": {"text"},
    "blockquote": {"paragraph", "codeBlock"} | _LISTS,
    "bulletList": {"listItem"},
    "orderedList": {"listItem"},
    "listItem": {"paragraph", "codeBlock"} | _LISTS,
    "table": {"tableRow"},
    "tableRow": {"tableHeader", "tableCell"},
    "tableHeader": {"paragraph"},
    "tableCell": {"paragraph"},
}
_NOT_EMPTY = {"blockquote", "listItem", "table", "tableRow", "tableHeader", "tableCell", "text"} | _LISTS
_MARKS = {"strong", "em", "strike", "code", "link", "subsup"}


def broken(node: dict[str, Any]) -> list[str]:
    """The rules that a node and those in it break."""
    kind, content = node["type"], node.get("content", [])
    found = [f"{one['type']} in {kind}" for one in content if one["type"] not in _ALLOWED.get(kind, set())]
    found += [f"empty {kind}"] if kind in _NOT_EMPTY and not (content or node.get("text")) else []
    found += ["no text first"] if kind == "listItem" and content[0]["type"] not in ("paragraph", "codeBlock") else []
    marks = [one["type"] for one in node.get("marks", [])]
    found += [f"marks {marks}"] if not set(marks) <= _MARKS or len(set(marks)) < len(marks) else []
    found += ["code with others"] if "code" in marks and not set(marks) <= {"code", "link"} else []
    found += ["marked code"] if kind == "codeBlock" and any(one.get("marks") for one in content) else []
    return found + [why for one in content for why in broken(one)]


SIGNS = ["#", "*", "_", "`", "```", "~~", ">", "- ", "1. ", "|", "|-|-|", "[", "](", ")", "!", "<", "\\", "---", "x",
         "é", "\n", "\n\n", "  ", "http://x.example", "{", "}", "[ ] ", "&lt;", "\u200b", "🙂",
         "<sup>", "</sup>", "<br>", "5"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(SIGNS), max_size=40).map("".join))
def test_any_markdown_makes_a_document_that_is_one(markdown: str) -> None:
    document = document_of(markdown)
    assert broken(document) == []
    assert isinstance(text_of(document), str)
    wiki_of(markdown)


@pytest.mark.parametrize(
    "markdown",
    [
        "# One\n\n## Two",
        "**b** *i* ~~s~~ `c` [l](https://x.example)",
        "- a\n  - b\n    1. c\n- d",
        "3. c\n4. d",
        "> q\n>\n> r",
        "```py\nx = 1\n```",
        "| a | b |\n| --- | --- |\n| 1 | **2** |",
        "one\n\n---\n\ntwo",
        "one\ntwo",
    ],
)
def test_a_document_says_what_the_markdown_said(markdown: str) -> None:
    written = markdown.replace("one\ntwo", "one  \ntwo")
    assert text_of(document_of(written)) == markdown


def test_marks_and_places_are_those_that_are_allowed() -> None:
    (paragraph,) = document_of("**[a `b`](https://x.example)**")["content"]
    link = {"type": "link", "attrs": {"href": "https://x.example"}}
    assert paragraph["content"] == [
        {"type": "text", "text": "a ", "marks": [{"type": "strong"}, link]},
        {"type": "text", "text": "b", "marks": [link, {"type": "code"}]},
    ]
    (item,) = document_of("- # head")["content"][0]["content"]
    assert item["content"][0]["content"] == [{"type": "text", "text": "head", "marks": [{"type": "strong"}]}]


# --- what Atlassian's documents say


def node(kind: str, *content: Any, **attributes: Any) -> Any:
    return {"type": kind, "attrs": attributes, "content": list(content)}


def words(text: str, *marks: str) -> Any:
    return {"type": "text", "text": text, "marks": [{"type": one} for one in marks]}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (node("mention", id="7", text="@Ada"), "@Ada"),
        (node("mention", id="7"), "@7"),
        (node("emoji", shortName=":smile:", text="😄"), "😄"),
        (node("date", timestamp="1582152559000"), "2020-02-19"),
        (node("date", timestamp="9" * 40), "9" * 40),
        (node("status", text="DONE"), "[DONE]"),
        (node("inlineCard", url="https://x.example"), "https://x.example"),
        (node("blockCard", url="https://x.example"), "https://x.example"),
        (node("panel", node("paragraph", words("a"))), "> a"),
        (node("expand", node("paragraph", words("a")), title="More"), "More\n\na"),
        (node("mediaSingle", node("media", alt="p.png")), "[p.png]"),
        (node("taskList", node("taskItem", words("a"), state="DONE"), node("taskItem")), "- [x] a\n- [ ]"),
        (node("decisionList", node("decisionItem", words("a"))), "- a"),
        (node("layoutSection", node("layoutColumn", node("paragraph", words("a")))), "a"),
        (node("heading", words("a"), level="12"), "# a"),
        (node("heading", words("a"), level=3), "### a"),
        (node("brandNew", node("paragraph", words("a"))), "a"),
        (node("paragraph", words("a", "underline"), words("b", "strong")), "a**b**"),
        (node("table", node("tableRow", node("tableCell", node("paragraph", words("a|b"))))), "| a\\|b |\n| --- |"),
        (node("table"), ""),
        ({"type": "paragraph", "content": "x"}, ""),
        ({"type": ["x"], "content": [7, None]}, ""),
        ({"content": [{"type": "text", "text": 7}]}, ""),
    ],
)  # fmt: skip
def test_what_people_put_into_documents_can_be_read(found: Any, said: str) -> None:
    assert text_of({"type": "doc", "version": 1, "content": [found]}) == said


@pytest.mark.parametrize("nothing", [None, 7, [], {}, {"type": "doc"}, {"content": {"a": 1}}])
def test_what_is_no_document_says_nothing(nothing: Any) -> None:
    assert text_of(nothing) == ""


def test_a_document_that_is_nested_without_end_is_read_to_a_depth() -> None:
    for kind in ("blockquote", "bulletList", "table", "taskList", "brandNew"):
        inner: Any = node("paragraph", words("deep"))
        for _ in range(5 * DEEPEST):
            inner = node(kind, node("listItem", inner) if kind == "bulletList" else inner)
        assert "deep" not in text_of({"type": "doc", "content": [inner]})


PIECES = ["[", "*a", "`a", ">", "- ", "[a](", "~~a", "!a", "&a", "|a", "http://", "&#35;", "{code:a}", "{quote}",
          "_a_b", "{{a", "||", "{*}a"]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_long_texts_of_signs_take_no_time(piece: str) -> None:
    text = piece * (32_000 // len(piece))
    began = time.process_time()
    wiki_of(text)
    document_of(text)
    said_by(text * 3)
    assert time.process_time() - began < 10
    assert re.fullmatch(r"\S[\s\S]*", wiki_of(f"x {text[:100]}"))
