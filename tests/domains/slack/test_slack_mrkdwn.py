"""Markdown as Slack writes it, and back: what comes from elsewhere can say anything and call nobody."""

from __future__ import annotations

import pytest

from tasks.slack.mrkdwn import shortened, to_mrkdwn, to_text


@pytest.mark.parametrize(
    ("markdown", "slack"),
    [
        ("**bold** and *italic* and ~~gone~~", "*bold* and _italic_ and ~gone~"),
        ("__bold__ and _italic_", "*bold* and _italic_"),
        ("# Title **1**\ntext", "*Title 1*\ntext"),
        ("- one\n  * two\n+ three", "• one\n  • two\n• three"),
        ("2*3*4 and a * b", "2*3*4 and a * b"),
        ("[docs](https://a.example/x?b=1&c=2)", "<https://a.example/x?b=1&amp;c=2|docs>"),
        ("[a_(b)](https://a.example/x_(b))", "<https://a.example/x_(b)|a_(b)>"),
        ("<https://a.example>", "<https://a.example>"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("`a < b **c**` **d**", "`a &lt; b **c**` *d*"),
        ("```\n# no *title* <@U0ADA00001>\n```", "```\n# no *title* &lt;@U0ADA00001&gt;\n```"),
        ("AT&T <tag>", "AT&amp;T &lt;tag&gt;"),
        ("Grüße 🐹 שלום", "Grüße 🐹 שלום"),
        ("\x000\x00 \x01", "0 "),
    ],
)
def test_markdown_becomes_what_slack_reads(markdown: str, slack: str) -> None:
    assert to_mrkdwn(markdown) == slack


@pytest.mark.parametrize("call", ["<!channel>", "<!here|here>", "<@U0ADA00001>", "<!subteam^S0123456>", "<!everyone>"])
def test_nobody_is_called_by_a_text_that_may_not(call: str) -> None:
    for text in (call, f"[{call}](https://a.example)", f"**{call}**", f"`{call}`", f"# {call}"):
        assert call not in to_mrkdwn(text)


def test_who_may_call_people_calls_them_and_nothing_else_passes() -> None:
    text = "<@U0ADA00001> <!here> <!subteam^S0123456> <!date^1^{date}|x> <evil|x>"
    assert to_mrkdwn(text, mentions=True) == (
        "<@U0ADA00001> <!here> <!subteam^S0123456> &lt;!date^1^{date}|x&gt; &lt;evil|x&gt;"
    )


def test_a_message_is_read_with_names_in_place_of_ids() -> None:
    said = "<@U1> &lt;hi&gt; <#C1|general> <https://a.b|doc> <https://c.d> <!channel> <!subteam^S1|@chess> <@U2|eve>"
    assert to_text(said, {"U1": "Ada"}.__getitem__) == (
        "@Ada <hi> #general doc (https://a.b) https://c.d @channel @chess @eve"
    )


def test_what_is_shortened_keeps_its_escapes_whole() -> None:
    assert shortened("short", 5) == "short"
    assert shortened("abcdef", 5) == "abcd…"
    assert shortened("abcdefg&amp;&amp;&amp;", 11) == "abcdefg…"
