"""Markdown as the storage format: always well-formed, and never markup that a text brought along."""

from __future__ import annotations

import pytest
from confluence_server import check_storage

from tasks.confluence.markdown import storage_of
from tasks.confluence.storage import text_of


@pytest.mark.parametrize(
    ("markdown", "storage"),
    [
        ("# One\n\n### Three", "<h1>One</h1>\n<h3>Three</h3>"),
        ("a **b** *c* ~~d~~ `e<f`", "<p>a <strong>b</strong> <em>c</em> <del>d</del> <code>e&lt;f</code></p>"),
        ("a  \nb\n\n---", "<p>a<br />\nb</p>\n<hr />"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("[a & b](https://x.example/?a=1&b=2)", '<p><a href="https://x.example/?a=1&amp;b=2">a &amp; b</a></p>'),
        ("[mail](mailto:a@b.example) [here](#part)",
         '<p><a href="mailto:a@b.example">mail</a> <a href="#part">here</a></p>'),
        ("![the \"chart\"](https://x.example/c.png)",
         "<p><ac:image ac:alt='the \"chart\"'><ri:url ri:value=\"https://x.example/c.png\" /></ac:image></p>"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_written_becomes_confluences_own(markdown: str, storage: str) -> None:
    assert storage_of(markdown) == storage


def test_code_is_the_code_macro_with_a_language_that_both_kinds_of_site_know() -> None:
    body = "<ac:plain-text-body><![CDATA[{}]]></ac:plain-text-body></ac:structured-macro>"
    opening = '<ac:structured-macro ac:name="code">'
    language = '<ac:parameter ac:name="language">py</ac:parameter>'
    assert storage_of("```python title\nx < y\n```") == opening + language + body.format("x < y")
    assert storage_of('```"><b>\nx\n```') == opening + body.format("x")
    assert storage_of("    x") == opening + body.format("x")
    assert storage_of("```\na ]]> b\n```") == opening + body.format("a ]]]]><![CDATA[> b")


def test_a_list_of_tasks_is_a_task_list() -> None:
    made = storage_of("- [ ] one **two**\n- [x] three")
    assert made.count("<ac:task>") == 2
    assert "<ac:task-status>incomplete</ac:task-status><ac:task-body>one <strong>two</strong></ac:task-body>" in made
    assert "<ac:task-status>complete</ac:task-status><ac:task-body>three</ac:task-body>" in made


def test_tasks_among_other_items_are_boxes() -> None:
    assert text_of(storage_of("- [ ] a\n- b\n- [X] c\n\n1. [ ] d\n\n   more")) == "- ☐ a\n- b\n- ☑ c\n\n1. ☐ d\n  more"


def test_a_table_is_a_table() -> None:
    made = storage_of("| a | b |\n|:--|--:|\n| 1 | 2 \\| 3 |")
    assert text_of(made) == "a | b\n1 | 2 | 3"
    assert '<td style="text-align:right">2 | 3</td>' in made


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<ac:structured-macro ac:name=\"html\"/>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,eA==)",
        "[x](vbscript:x)",
        "![x](file:///etc/passwd)",
        "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
        "[x](http://[half)",
        '[x](https://x.example "title\\" onclick=\\"alert(1)")',
        "`</code><script>`",
        "# <img src=x onerror=alert(1)>",
        "| <b> |\n|--|\n| ]]> |",
        "```html\n</ac:plain-text-body><script>\n```",
        "&#60;script&#62; &lt;b&gt; &nbsp; &unknown; &#0; &#xD800;",
        "a\x00b\x0bc\ufffed",
        "> " * 200 + "deep",
        "- " * 200 + "deep",
        "*" * 2000 + "x",
        "[" * 2000,
    ],
)  # fmt: skip
def test_nothing_that_a_text_says_becomes_markup_of_its_own(markdown: str) -> None:
    made = storage_of(markdown)
    check_storage(made)
    without_code = made.partition("<![CDATA[")[0] + made.rpartition("]]>")[2]
    for danger in ("<script", "<img", 'onclick="', 'href="java', 'href="JaVa', '="data:', 'ac:name="html', "<svg"):
        assert danger not in without_code
