"""The storage format as text: what people see of a page, from well-formed ones and from broken and hostile ones."""

from __future__ import annotations

import time

import pytest

from tasks.confluence.storage import text_of


def macro(name: str, body: str = "", **parameters: str) -> str:
    told = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1">{told}{body}</ac:structured-macro>'


def rich(body: str) -> str:
    return f"<ac:rich-text-body>{body}</ac:rich-text-body>"


def plain(body: str) -> str:
    return f"<ac:plain-text-body><![CDATA[{body}]]></ac:plain-text-body>"


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ("<h1>Plan</h1><p>One</p><h3>Part</h3>", "# Plan\n\nOne\n\n### Part"),
        ("<p>One\n   two <strong>three</strong><em>four</em></p>", "One two threefour"),
        ("<p>a<br/>b</p><hr/><p>c</p>", "a\nb\n\n---\n\nc"),
        ("<ul><li>one<ul><li><p>in it</p></li></ul></li><li>two</li></ul>", "- one\n  - in it\n- two"),
        ("<ol><li>one</li><li>two</li></ol><ol><li>again</li></ol>", "1. one\n2. two\n\n1. again"),
        (
            "<table><tbody><tr><th>Name</th><th><p>Value</p></th></tr><tr><td>a</td><td><p>1</p><p>2</p></td></tr>"
            "</tbody></table>",
            "Name | Value\na | 1 2",
        ),
        ("<blockquote><p>one</p><p>two</p></blockquote>", "> one\n>\n> two"),
        ("<pre>  kept\n    so</pre>", "```\n  kept\n    so\n```"),
        ('<p>See <a href="https://x.example/a">this</a></p>', "See this (https://x.example/a)"),
        ('<p><a href="https://x.example">https://x.example</a></p>', "https://x.example"),
        ('<p><a href="javascript:alert(1)">click</a></p>', "click"),
        ('<p><a href="mailto:ada@example.org">Ada</a></p>', "Ada (ada@example.org)"),
        ('<p><time datetime="2026-01-02"/></p>', "2026-01-02"),
        ('<p><ac:emoticon ac:name="smile" ac:emoji-fallback="🙂"/> <ac:emoticon ac:name="tick"/></p>', "🙂 :tick:"),
        ("<ac:layout><ac:layout-section><ac:layout-cell><p>l</p></ac:layout-cell><ac:layout-cell><p>r</p>"
         "</ac:layout-cell></ac:layout-section></ac:layout>", "l\n\nr"),
        ("<p><ac:placeholder>Type here</ac:placeholder>x</p>", "x"),
    ],
)  # fmt: skip
def test_what_pages_are_made_of_is_text(storage: str, text: str) -> None:
    assert text_of(storage) == text


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ('<ac:link><ri:page ri:content-title="Other" ri:space-key="HR"/></ac:link>', "Other"),
        ('<ac:link><ri:page ri:content-title="Other"/><ac:plain-text-link-body><![CDATA[the <other>]]>'
         "</ac:plain-text-link-body></ac:link>", "the <other>"),
        ('<ac:link><ri:page ri:content-title="Other"/><ac:link-body>the <b>other</b></ac:link-body></ac:link>',
         "the other"),
        ('<ac:link ac:anchor="part"/>', "part"),
        ('<ac:link><ri:user ri:account-id="557058:a-b"/></ac:link>', "@557058:a-b"),
        ('<ac:link><ri:user ri:username="ada"/></ac:link>', "@ada"),
        ('<ac:image ac:alt="the chart"><ri:attachment ri:filename="c.png"/></ac:image>', "[image: the chart]"),
        ('<ac:image><ri:attachment ri:filename="c.png"/></ac:image>', "[image: c.png]"),
    ],
)  # fmt: skip
def test_links_name_what_they_lead_to(storage: str, text: str) -> None:
    assert text_of(f"<p>{storage}</p>") == text


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        (macro("code", plain("if a < b:\n    print(1)"), language="python"),
         "```python\nif a < b:\n    print(1)\n```"),
        (macro("code", plain("&nbsp; and &lt;")), "```\n&nbsp; and &lt;\n```"),
        (macro("code", plain("```\ninner\n```")), "````\n```\ninner\n```\n````"),
        (macro("code", "<ac:plain-text-body><![CDATA[a ]]]]><![CDATA[> b]]></ac:plain-text-body>"),
         "```\na ]]> b\n```"),
        (macro("noformat", plain("x"), title="Log"), "Log:\n```\nx\n```"),
        (macro("info", rich("<p>Careful</p>"), title="Note"), "Note\nCareful"),
        (macro("expand", rich("<p>a</p><ul><li>b</li></ul>"), title="More"), "More\na\n\n- b"),
        (macro("status", title="DONE", colour="Green"), "[DONE]"),
        (macro("jira", server="x", key="OPS-1"), "[jira: OPS-1]"),
        (macro("include", ""), "[include]"),
        (macro("somebodys-own", rich("<p>its text</p>")), "its text"),
        (macro("somebodys-own", colour="red"), "[somebodys-own]"),
        (macro("toc") + macro("children", depth="2") + macro("anchor"), ""),
        ('<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page ri:content-title="Rules"/>'
         "</ac:link></ac:parameter></ac:structured-macro>", "[include: Rules]"),
        ('<ac:adf-extension><ac:adf-node type="panel"><ac:adf-attribute key="panel-type">note</ac:adf-attribute>'
         "<ac:adf-content><p>Told once</p></ac:adf-content></ac:adf-node><ac:adf-fallback><p>Told once</p>"
         "</ac:adf-fallback></ac:adf-extension>", "Told once"),
    ],
)  # fmt: skip
def test_macros_show_their_text_or_their_name_or_nothing(storage: str, text: str) -> None:
    assert text_of(storage) == text


def test_tasks_say_whether_they_are_done() -> None:
    status, body = "<ac:task-status>{}</ac:task-status>", "<ac:task-body>{}</ac:task-body>"
    task = f"<ac:task><ac:task-id>7</ac:task-id>{status}{body}</ac:task>"
    tasks = task.format("complete", "<span>one</span>") + task.format("incomplete", "two")
    assert text_of(f"<ac:task-list>{tasks}</ac:task-list>") == "- [x] one\n- [ ] two"


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ("<p>K&auml;se&nbsp;&euro;&#8364;&#x20ac; &amp; &lt;b&gt; &LT;</p>", "Käse €€€ & <b> <"),
        ("<p>&unknown; &; & &#xFFFFFFF; &#0;</p>", "&unknown; &; & &#xFFFFFFF;"),
        ('<p><a href="https://x.example/?a=1&b=2">x</a></p>', "x (https://x.example/?a=1&b=2)"),
        ("<p>one<b>two<p>three", "onetwo\n\nthree"),
        ("<b><i>x</b></i> after", "x after"),
        ("a < b && c > d", "a < b && c > d"),
        ("</p></storage>late <p>too</p>", "late\n\ntoo"),
        ("<foo:bar>z</foo:bar>", "z"),
        ("a\x00b\x0bc\ud800d", "abcd"),
        ("<!-- hidden -->shown<?php x ?>", "shown"),
        ("<p>x<![CDATA[ never ended", "x never ended"),
        ('<p a="1" a="2">twice</p>', "twice"),
        ("<script>alert(1)</script><style>p{}</style>x", "x"),
        ("", ""),
        ("plain text only", "plain text only"),
    ],
)
def test_what_is_not_well_formed_is_read_as_far_as_possible(storage: str, text: str) -> None:
    assert text_of(storage) == text


def test_entities_that_a_page_declares_are_not_expanded() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
    text = text_of(f'<!DOCTYPE p [<!ENTITY l0 "ha">{laughs}<!ENTITY f SYSTEM "file:///etc/passwd">]><p>&l29; &f;</p>')
    assert text.endswith("&l29; &f;")
    assert "root:" not in text


@pytest.mark.parametrize(
    "storage",
    [
        "<div>" * 50_000 + "x",
        "<ul><li>" * 30_000 + "x",
        "<p " + " ".join(f'a{number}="1"' for number in range(100_000)) + ">x</p>",
        "<" * 300_000,
        "&" * 300_000,
        "<![CDATA[" * 50_000,
        "<!--" * 100_000,
        '<p a="' * 100_000,
        "<table>" + "<tr>" + "<td>x</td>" * 30_000,
        "<ul><li>" * 60 + "word " * 100_000,
        "<p>" + "word " * 2_000_000,
    ],
    ids=lambda storage: storage[:12],
)
def test_hostile_pages_are_read_in_seconds(storage: str) -> None:
    began = time.monotonic()
    text_of(storage)
    assert time.monotonic() - began < 10
