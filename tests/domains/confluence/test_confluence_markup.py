"""Markup of Confluence's editors: what a page says in it is not lost in its text, nor what markdown says in a page.

Rows are what the two editors store (Cloud's new one, and TinyMCE of Data Center), by Atlassian's page on the storage
format (confluence.atlassian.com/doc/confluence-storage-format-790796544.html) and by pages in public repositories.
"""

from __future__ import annotations

import time

import pytest
from confluence_server import check_storage
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.confluence.markdown import storage_of
from tasks.confluence.storage import text_of


def code(body: str, **parameters: str) -> str:
    told = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    inner = f"<ac:plain-text-body><![CDATA[{body}]]></ac:plain-text-body>"
    return f'<ac:structured-macro ac:name="code" ac:schema-version="1">{told}{inner}</ac:structured-macro>'


def table(*rows: str) -> str:
    return f"<table><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


READ = [
    # raised and lowered
    ("<p>10<sup>5</sup> rows</p>", "10⁵ rows"),
    ("<p>10<sup>-3</sup> s</p>", "10⁻³ s"),
    ("<p>H<sub>2</sub>O</p>", "H₂O"),
    ("<p>the 4<sup>th</sup> time</p>", "the 4<sup>th</sup> time"),
    ("<p>x<sub>max</sub></p>", "x<sub>max</sub>"),
    ("<p>a << b &&& c &amp;&lt; <<b>y</b></p>", "a << b &&& c &< <y"),
    ("<p>See<sup>[1]</sup></p>", "See<sup>[1]</sup>"),
    ("<p>a<sup></sup>b</p>", "ab"),
    # struck out: <s> of Cloud, <del> of what markdown became, a style of the older editor
    ("<p><s>Monday</s> Friday</p>", "~~Monday~~ Friday"),
    ("<p>on <del>Monday </del>Friday</p>", "on ~~Monday~~ Friday"),
    ('<p><span style="text-decoration: line-through;">Monday</span> Friday</p>', "~~Monday~~ Friday"),
    ('<p><span style="TEXT-DECORATION: Line-Through">Monday</span> Friday</p>', "~~Monday~~ Friday"),
    ('<p>10<span style="vertical-align: super;">5</span></p>', "10⁵"),
    ('<p><span style="color: rgb(255,0,0);">Monday</span> Friday</p>', "Monday Friday"),
    ("<p><strike>a</strike><s> </s>b</p>", "~~a~~ b"),
    ("<p><s>a <strong>b</strong> c</s></p>", "~~a b c~~"),
    # code
    ("<p>Run <code>make up</code> now</p>", "Run `make up` now"),
    ("<p><code>a`b</code></p>", "``a`b``"),
    ("<p><code>x</code><code> </code></p>", "`x`"),
    ('<p><a href="https://x.example"><code>x</code></a></p>', "`x` (https://x.example)"),
    ("<pre><code>a\n  b</code></pre>", "```\na\n  b\n```"),
    ("<pre>```\nx\n```</pre>", "````\n```\nx\n```\n````"),
    (code("x = 1", language="py", title="setup.py"), "setup.py:\n```py\nx = 1\n```"),
    (f"<ol><li><p>a</p>{code('x')}</li><li><p>b</p></li></ol>", "1. a\n\n  ```\n  x\n  ```\n2. b"),
    # what stands in one line
    ("<h1>A<br/>B</h1><p>c<br/>d</p>", "# A B\n\nc\nd"),
    ('<p>see <ac:link><ri:shortcut ri:key="jira" ri:parameter="OPS-1"/></ac:link></p>', "see OPS-1"),
    ('<ac:structured-macro ac:name="mathinline"><ac:parameter ac:name="body">x^2</ac:parameter></ac:structured-macro>',
     "[mathinline: x^2]"),
    # numbering
    ('<ol start="3"><li>three</li><li>four</li></ol>', "3. three\n4. four"),
    ('<ol start="0"><li>a</li><li>b</li></ol>', "0. a\n1. b"),
    ('<ol><li>a</li><li value="5">b</li><li>c</li></ol>', "1. a\n5. b\n6. c"),
    ('<ol start="x"><li>a</li></ol>', "1. a"),
    ('<ol start="2"><li>a<ol><li>b</li></ol></li><li>c</li></ol>', "2. a\n  1. b\n3. c"),
    # tables
    (table('<td rowspan="2">a</td><td>b</td>', "<td>c</td>"), "a | b\n | c"),
    (table('<td colspan="2">a</td><td>x</td>', "<td>b</td><td>c</td><td>d</td>"), "a |  | x\nb | c | d"),
    (table('<td colspan="2">Title</td>', "<td>b</td><td>c</td>"), "Title\nb | c"),
    (table(f"<td>{table('<td>x</td><td>y</td>')}</td><td>z</td>"), "x | y | z"),
    (table('<td colspan="9999999999" rowspan="x">a</td><td>b</td>'), "a | b"),
    (table("<td><p>one</p><p>two</p></td><td>x</td>"), "one two | x"),
    (table("<td>one<br/>two</td><td>x</td>"), "one two | x"),
    (table("<td><ul><li>a</li><li>b</li></ul></td><td>x</td>"), "- a<br>- b | x"),
    (table("<td><p>do:</p><ol><li>a</li><li>b</li></ol><p>end</p></td>"), "do:<br>1. a<br>2. b<br>end"),
    (table(f"<td>{code('if a:' + chr(10) + '  b')}</td><td>x</td>"), "`if a:`<br>`  b` | x"),
    # links: smart links of Cloud, pictures from elsewhere, places on the same site
    ('<p><a href="https://x.example/a" data-card-appearance="inline">https://x.example/a</a></p>',
     "https://x.example/a"),
    ('<p><a href="https://x.example/a" data-card-appearance="block">The spec</a></p>', "The spec (https://x.example/a)"),
    ('<p>see<a href="https://x.example/a"> this </a>now</p>', "see this (https://x.example/a) now"),
    ('<p><a href="/display/HR/Rules">Rules</a></p>', "Rules (/display/HR/Rules)"),
    ('<p><a href="#part">here</a></p>', "here"),
    ('<p><a href="file://server/share/a.xls">a.xls</a></p>', "a.xls (file://server/share/a.xls)"),
    ('<p><a href="tel:+4930123">call</a></p>', "call (tel:+4930123)"),
    ('<p><a href=" javascript:alert(1)">click</a> <a href="JaVaScript:alert(1)">me</a></p>', "click me"),
    ('<p><a href="data:text/html,x">d</a> <a href="vbscript:x">v</a></p>', "d v"),
    ('<p><ac:link><ri:url ri:value="https://x.example"/><ac:link-body>the <b>site</b></ac:link-body></ac:link></p>',
     "the site (https://x.example)"),
    ('<p><ac:image ac:alt="chart"><ri:url ri:value="https://x.example/c.png"/></ac:image></p>',
     "[image: chart] (https://x.example/c.png)"),
    ('<p><ac:image><ri:attachment ri:filename="a.png"/><ac:caption><p>The chart</p></ac:caption></ac:image></p>',
     "[image: a.png] The chart"),
    ('<p><ac:image><ri:url ri:value="https://x.example/c.png"/></ac:image></p>', "[image: https://x.example/c.png]"),
]  # fmt: skip


@pytest.mark.parametrize(("storage", "text"), READ)
def test_what_editors_store_is_said(storage: str, text: str) -> None:
    assert text_of(storage) == text


WRITTEN = [
    ("10<sup>5</sup>", "<p>10<sup>5</sup></p>"),
    ("H<sub>2</sub>O", "<p>H<sub>2</sub>O</p>"),
    ("10⁵", "<p>10⁵</p>"),
    ("<sup>*a*</sup>", "<p><sup><em>a</em></sup></p>"),
    ("**x<sup>2</sup>**", "<p><strong>x<sup>2</sup></strong></p>"),
    ("<sup>never closed", "<p>&lt;sup&gt;never closed</p>"),
    ("<sup><b></sup>", "<p>&lt;sup&gt;&lt;b&gt;&lt;/sup&gt;</p>"),
    ("<SUP>x</SUP>", "<p>&lt;SUP&gt;x&lt;/SUP&gt;</p>"),
    ('<sup onclick="x">a</sup>', "<p>&lt;sup onclick=&quot;x&quot;&gt;a&lt;/sup&gt;</p>"),
    ("`<sup>5</sup>`", "<p><code>&lt;sup&gt;5&lt;/sup&gt;</code></p>"),
    ("\\<sup>5</sup>", "<p>&lt;sup&gt;5&lt;/sup&gt;</p>"),
    ("~~a~~", "<p><del>a</del></p>"),
    ("3. c\n4. d", '<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>'),
    ("a <br> b", "<p>a &lt;br&gt; b</p>"),
    ("See https://x.example/a_b.", '<p>See <a href="https://x.example/a_b">https://x.example/a_b</a>.</p>'),
    ("`https://x.example`", "<p><code>https://x.example</code></p>"),
]
#: Markdown, and what the page made of it says.
KEPT = [
    ("10<sup>5</sup> rows", "10⁵ rows"),
    ("x<sup>th</sup>", "x<sup>th</sup>"),
    ("~~a~~ b", "~~a~~ b"),
    ("`a` ``b`c``", "`a` ``b`c``"),
    ("3. c\n4. d", "3. c\n4. d"),
    ("0. a", "0. a"),
    ("1. a\n\n1) b", "1. a\n\n1. b"),
    ("- a\n  - b", "- a\n  - b"),
    ("| a<br>b | c |\n|--|--|\n| d | e |", "a b | c\nd | e"),
    ("| `a` | ~~b~~ |\n|--|--|", "`a` | ~~b~~"),
    ("````md\n```\nx\n```\n````", "````\n```\nx\n```\n````"),
    ("```py\nx\n```", "```py\nx\n```"),
    ("See https://x.example/a?b=1&c=2.", "See https://x.example/a?b=1&c=2."),
    ("[a](https://x.example)", "a (https://x.example)"),
    ("![p](https://x.example/p.png)", "[image: p] (https://x.example/p.png)"),
    ("> ~~a~~", "> ~~a~~"),
    ("# 10<sup>5</sup>", "# 10⁵"),
]


@pytest.mark.parametrize(("markdown", "storage"), WRITTEN)
def test_what_markdown_says_is_stored(markdown: str, storage: str) -> None:
    made = storage_of(markdown)
    check_storage(made)
    assert made == storage


@pytest.mark.parametrize(("markdown", "text"), KEPT)
def test_a_page_made_of_markdown_says_what_it_said(markdown: str, text: str) -> None:
    made = storage_of(markdown)
    check_storage(made)
    assert text_of(made) == text


WORD = st.sampled_from(["alpha", "Größe", "42", "日本", "e.g.", "a&b"])
PIECE = st.one_of(WORD, WORD.map("~~{}~~".format), WORD.map("`{}`".format), WORD.map("<sup>{}</sup>".format))
LINE = st.lists(PIECE, min_size=1, max_size=4).map(" ".join)
BLOCK = st.one_of(
    LINE,
    LINE.map("# {}".format),
    st.tuples(st.integers(0, 99), LINE, LINE).map(lambda made: f"{made[0]}. {made[1]}\n{made[0] + 1}. {made[2]}"),
    st.lists(LINE, min_size=1, max_size=3).map(lambda lines: "\n".join(f"- {line}" for line in lines)),
    LINE.map("> {}".format),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(BLOCK, min_size=1, max_size=4))
def test_any_text_is_said_by_the_page_that_is_made_of_it(blocks: list[str]) -> None:
    for block in blocks:
        made = storage_of(block)
        check_storage(made)
        assert text_of(made) == block.replace("<sup>42</sup>", "⁴²")


@pytest.mark.parametrize(
    "piece", ["<", "&", "<s>a", "<sup>", "<code>", "<a href='/'>", "<s>a</s>", "<td><s>", "<li value='9'>"]
)
def test_pages_of_marks_without_end_are_read_in_seconds(piece: str) -> None:
    began = time.process_time()
    text_of(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 20
