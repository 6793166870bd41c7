"""HTML and templates as people's decks have them: a card says what Anki shows."""

from __future__ import annotations

import pytest

from tasks.learning.anki_templates import NoteType, Template
from tasks.learning.html_text import text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("x<sup>2</sup> + 10<sup>-3</sup>", "x² + 10⁻³"),
        ("H<sub>2</sub>O", "H₂O"),
        ("a<sup>b/c</sup>", "a^(b/c)"),
        ("<pre>def f():\n    return 1</pre>", "def f():\n    return 1"),
        ("a&nbsp;&nbsp;b", "a  b"),
        ("<ruby>漢字<rt>かんじ</rt></ruby>", "漢字(かんじ)"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b"),
        ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<a href='http://x.y'>link</a>", "link"),
        ("<code>a  b</code>", "a b"),
        ("\\[ x^2 \\] and \\( y \\)", "\\[ x^2 \\] and \\( y \\)"),
        ("[$]x[/$] [$$]y[/$$]", "\\(x\\) \\[y\\]"),
        ("[latex]\\begin{align}a&amp;=b\\end{align}[/latex]", "\\(\\begin{align}a&=b\\end{align}\\)"),
        ('<anki-mathjax block="true">x</anki-mathjax>', "\\[x\\]"),
        ("[anki:tts lang=en_US]hi[/anki:tts]", "hi"),
        ('<img src="paste-1234.jpg" alt="">', "[image: paste-1234.jpg]"),
        ("<br><br>a<br>", "a"),
        ("a&amp;lt;b", "a&lt;b"),
        ("<span style='color:red'>r</span>ed", "red"),
        ("x\u200by", "x\u200by"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "A | B\n1 | 2"),
        ("<video src=x.mp4></video>", "[video: x.mp4]"),
        ('<audio controls src="a.mp3"></audio>', "[sound: a.mp3]"),
        ("a <b> b </b> c", "a b c"),
        ("<pre><code>for x in y:\n\tprint(x)\n</code></pre>", "for x in y:\n\tprint(x)"),
        ("Tom &amp; Jerry &#39;x&#39; &quot;y&quot;", "Tom & Jerry 'x' \"y\""),
        ("&lt;script&gt;", "<script>"),
        ("<div>- a</div><div>&nbsp; - b</div>", "- a\n  - b"),
        ("vector<int> v", "vector v"),
        ("<details><summary>S</summary>T</details>", "S\nT"),
        ("E=mc<sup>2</sup>; C<sub>6</sub>H<sub>12</sub>O<sub>6</sub>; Ca<sup>2+</sup>", "E=mc²; C₆H₁₂O₆; Ca²⁺"),
        ("<del>no</del><ins>yes</ins>", "noyes"),
        ("the 1<sup>st</sup>, the 2<sup>e</sup>", "the 1st, the 2e"),
        ("x<sub>max</sub> e<sup>-x/2</sup> a<sub>i,j</sub>", "x_max e^(-x/2) a_(i,j)"),
        ("<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>", "- a\n  1. b\n  2. c\n- d"),
        ("a<br><br>b", "a\n\nb"),
        ("if x:<br>&nbsp; &nbsp; y", "if x:\n    y"),
        ('a<span style="white-space: pre;">\tb</span>', "a\tb"),
        ("<p>one<p>two<div>three</div>", "one\n\ntwo\n\nthree"),
        ("<video><source src=a.webm></video>", "[video: a.webm]"),
        ("a<sup><br></sup>b</sub>c", "a\nbc"),
    ],
)
def test_html_becomes_the_lines_that_a_browser_shows(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    ("question", "answer", "fields", "values", "number", "sides"),
    [
        (
            "{{Front}}{{#Hint}}<div>Hint: {{Hint}}</div>{{/Hint}}",
            "{{Back}}",
            ["Front", "Hint", "Back"],
            ["a", "<br>", "b"],
            0,
            ("a", "b"),
        ),
        (
            "{{Front}}{{#Hint}}H{{/Hint}}",
            "{{Back}}",
            ["Front", "Hint", "Back"],
            ["a", "<div><br></div>", "b"],
            0,
            ("a", "b"),
        ),
        ("{{#A}}{{#B}}x{{/B}}{{^B}}y{{/B}}{{/A}}", "{{B}}z", ["A", "B"], ["1", ""], 0, ("y", "z")),
        ("{{Back}}", "{{FrontSide}}<hr id=answer>{{Front}}", ["Front", "Back"], ["a", "b"], 0, ("b", "a")),
        ("{{furigana:Front}}", "{{Back}}", ["Front", "Back"], [" 日本[にほん]", "b"], 0, ("日本(にほん)", "b")),
        ("{{kana:Front}}", "{{Back}}", ["Front", "Back"], ["お 名前[なまえ]は", "b"], 0, ("おなまえは", "b")),
        (
            "<style>.a{}</style><div class=a>{{Front}}</div><script>var x='{{Back}}'</script>",
            "{{Back}}",
            ["Front", "Back"],
            ["a", "b"],
            0,
            ("a", "b"),
        ),
        ("{{Front}}", "{{FrontSide}}<br>{{Back}}", ["Front", "Back"], ["a", "b"], 0, ("a", "b")),
        ("{{Front}}", "{{Back}}<br>{{Notes}}", ["Front", "Back", "Notes"], ["a", "b", "n"], 0, ("a", "b\nn")),
        ("{{Front}}", "{{Back}}<br>{{Notes}}", ["Front", "Back", "Notes"], ["a", "b"], 0, ("a", "b")),
        ("{{front}}", "{{Back}}", ["Front", "Back"], ["a", "b"], 0, ("a", "b")),
        ("{{text:Front}}", "{{Back}}", ["Front", "Back"], ["<b>a</b>", "b"], 0, ("a", "b")),
        ("{{Picture}}", "{{Name}}", ["Picture", "Name"], ["<img src=a.png>", "Dog"], 0, ("[image: a.png]", "Dog")),
        ("{{Audio}}", "{{Word}}", ["Audio", "Word"], ["[sound:a.mp3]", "Hund"], 0, ("[sound: a.mp3]", "Hund")),
        ("{{=<% %>=}}<%Front%>", "{{=<% %>=}}<%Back%>", ["Front", "Back"], ["a", "b"], 0, ("a", "b")),
    ],
)
def test_a_card_says_what_its_template_shows(
    question: str, answer: str, fields: list[str], values: list[str], number: int, sides: tuple[str, str]
) -> None:
    kind = NoteType("N", fields, [Template(question, answer)], is_cloze=False)
    assert kind.sides(values, number, {}) == sides


@pytest.mark.parametrize(
    ("question", "answer", "fields", "values", "number", "sides"),
    [
        (
            "{{Title}}<br>{{cloze:Text}}",
            "{{Title}}<br>{{cloze:Text}}<br>{{Extra}}",
            ["Title", "Text", "Extra"],
            ["Geo", "{{c1::Paris}} x", "ex"],
            0,
            ("Geo\n{{c1::Paris}} x", "ex"),
        ),
        (
            "{{ cloze:Text }}",
            "{{ cloze:Text }}<br>{{ Extra }}",
            ["Text", "Extra"],
            ["{{c1::Paris}} x", "ex"],
            0,
            ("{{c1::Paris}} x", "ex"),
        ),
        (
            "{{cloze:Text}}",
            "{{cloze:Text}}<br>{{Back Extra}}",
            ["Text", "Extra", "Back Extra"],
            ["{{c1::P}}", "no", "yes"],
            0,
            ("{{c1::P}}", "yes"),
        ),
        (
            "{{cloze:Text}}",
            "{{cloze:Text}}{{#Extra}}<hr>More: {{Extra}}{{/Extra}}",
            ["Text", "Extra"],
            ["{{c1::P}}", "yes"],
            0,
            ("{{c1::P}}", "More: yes"),
        ),
        (
            "{{cloze:Text}}{{type:cloze:Text}}",
            "{{cloze:Text}}{{type:cloze:Text}}",
            ["Text", "Extra"],
            ["{{c2::P}} q", "no"],
            1,
            ("{{c2::P}} q", ""),
        ),
        (
            "{{cloze:A}}<br>{{cloze:B}}",
            "{{cloze:A}}<br>{{cloze:B}}",
            ["A", "B"],
            ["{{c1::P}} a", "{{c1::Q}} b"],
            0,
            ("{{c1::P}} a\n{{c1::Q}} b", ""),
        ),
        (
            "{{cloze:Text}}",
            "{{cloze:Text}}<br>{{hint:Extra}}",
            ["Text", "Extra"],
            ["{{c1::P}}", "yes"],
            0,
            ("{{c1::P}}", "yes"),
        ),
        (
            "{{#c1}}one {{/c1}}{{cloze:Text}}",
            "{{cloze:Text}}",
            ["Text"],
            ["{{c1::P}} {{c2::Q}}"],
            0,
            ("one {{c1::P}} Q", ""),
        ),
        (
            "{{#c1}}one {{/c1}}{{cloze:Text}}",
            "{{cloze:Text}}",
            ["Text"],
            ["{{c1::P}} {{c2::Q}}"],
            1,
            ("P {{c2::Q}}", ""),
        ),
        ("{{Text}}", "{{Extra}}", ["Text", "Extra"], ["{{c1::P}} {{c2::Q}}", "x"], 0, ("{{c1::P}} Q", "x")),
    ],
)
def test_a_card_with_a_hole_says_what_stands_around_it_and_what_its_answer_adds(
    question: str, answer: str, fields: list[str], values: list[str], number: int, sides: tuple[str, str]
) -> None:
    kind = NoteType("N", fields, [Template(question, answer)], is_cloze=True)
    assert kind.sides(values, number, {}) == sides
