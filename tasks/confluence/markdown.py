"""Markdown as the storage format: well-formed XHTML in which nothing that a text says becomes markup of its own.

CommonMark with tables, strikethrough, task lists and what `atlassian.markdown_parsing` adds. Other HTML is text; links
lead to http, https and mailto, or to a place on the same page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from tasks.atlassian.markdown_parsing import parser

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TASK = re.compile(r"\[([ xX])\][ \t]+")
#: What both kinds of site highlight; a Data Center shows an error in place of code in a language that it does not know.
_LANGUAGES = {
    "bash": "bash", "sh": "bash", "shell": "bash", "console": "bash", "zsh": "bash",
    "c": "cpp", "c++": "cpp", "cpp": "cpp", "c#": "c#", "cs": "c#", "csharp": "c#", "css": "css", "diff": "diff",
    "groovy": "groovy", "html": "xml", "xml": "xml", "java": "java", "js": "js", "javascript": "js", "json": "js",
    "ts": "js", "typescript": "js", "perl": "perl", "php": "php", "powershell": "powershell", "py": "py",
    "python": "py", "rb": "ruby", "ruby": "ruby", "scala": "scala", "sql": "sql", "yaml": "yml", "yml": "yml",
}  # fmt: skip


def storage_of(markdown: str) -> str:
    """The storage format of a text in markdown."""
    own = _parser()
    environment: dict[str, Any] = {}
    tokens = own.parse(_NOT_XML.sub("", markdown), environment)
    _mark_tasks(tokens)
    return str(own.renderer.render(tokens, own.options, environment)).strip()


@cache
def _parser() -> MarkdownIt:
    made = parser(xhtmlOut=True)
    for name, rule in _RULES.items():
        made.add_render_rule(name, rule)
    return made


# --- task lists


def _mark_tasks(tokens: Sequence[Token]) -> None:
    """Make task lists of those lists whose items are all tasks of one paragraph; elsewhere a task is a box."""
    for at, token in enumerate(tokens):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            items = list(_items(tokens, at))
            tasks = [item for item in items if _is_task(tokens, item)]
            if len(tasks) == len(items) and all(_is_plain(tokens, item) for item in items):
                _make_task_list(tokens, at, items)
            else:
                for item in tasks:
                    _take_box(tokens, item, signs=True)


def _items(tokens: Sequence[Token], at: int) -> Iterator[int]:
    """Where the items of a list begin."""
    level = tokens[at].level
    for here in range(at + 1, _end(tokens, at)):
        if tokens[here].type == "list_item_open" and tokens[here].level == level + 1:
            yield here


def _end(tokens: Sequence[Token], at: int) -> int:
    """Where the element ends that begins there."""
    level = tokens[at].level
    return next(here for here in range(at + 1, len(tokens)) if tokens[here].level == level and tokens[here].nesting < 0)


def _is_task(tokens: Sequence[Token], item: int) -> bool:
    inline = tokens[item + 2] if tokens[item + 1].type == "paragraph_open" else None
    first = inline.children[0] if inline is not None and inline.children else None
    return first is not None and first.type == "text" and _TASK.match(first.content) is not None


def _is_plain(tokens: Sequence[Token], item: int) -> bool:
    """Whether an item has one paragraph and nothing else: the body of a task takes no blocks."""
    return _end(tokens, item) == item + 4


def _make_task_list(tokens: Sequence[Token], at: int, items: Sequence[int]) -> None:
    tokens[at].type, tokens[_end(tokens, at)].type = "task_list_open", "task_list_close"
    for item in items:
        done = _take_box(tokens, item, signs=False)
        tokens[item].type, tokens[_end(tokens, item)].type = "task_open", "task_close"
        tokens[item].meta = {"status": "complete" if done else "incomplete"}
        tokens[item + 1].hidden = tokens[item + 3].hidden = True


def _take_box(tokens: Sequence[Token], item: int, *, signs: bool) -> bool:
    """Take `[x] ` away from an item, or put a sign in its place; whether it was ticked."""
    children = tokens[item + 2].children
    assert children is not None  # an item that is a task has its box in them
    found = _TASK.match(children[0].content)
    assert found is not None
    done = found[1] != " "
    sign = ("☑ " if done else "☐ ") if signs else ""
    children[0].content = sign + children[0].content[found.end() :]
    return done


# --- what markdown-it does not write as Confluence wants it


def _code(_renderer: object, tokens: Sequence[Token], at: int, _options: object, _environment: object) -> str:
    words = tokens[at].info.split()
    language = _LANGUAGES.get(words[0].lower(), "") if words else ""
    told = f'<ac:parameter ac:name="language">{escape(language)}</ac:parameter>' if language else ""
    code = tokens[at].content.removesuffix("\n").replace("]]>", "]]]]><![CDATA[>")
    body = f"<ac:plain-text-body><![CDATA[{code}]]></ac:plain-text-body>"
    return f'<ac:structured-macro ac:name="code">{told}{body}</ac:structured-macro>\n'


def _image(renderer: Any, tokens: Sequence[Token], at: int, options: object, environment: object) -> str:
    address = str(tokens[at].attrGet("src") or "")
    alt = str(renderer.renderInlineAsText(tokens[at].children or [], options, environment))
    if _scheme(address) not in ("http", "https"):
        return escape(alt)
    return f"<ac:image ac:alt={quoteattr(alt)}><ri:url ri:value={quoteattr(address)} /></ac:image>"


def _link_open(_renderer: object, tokens: Sequence[Token], at: int, _options: object, _environment: object) -> str:
    address = str(tokens[at].attrGet("href") or "")
    return f"<a href={quoteattr(address)}>" if _is_followed(address) else "<span>"


def _link_close(_renderer: object, tokens: Sequence[Token], at: int, _options: object, _environment: object) -> str:
    opened = next(one for one in reversed(tokens[:at]) if one.type == "link_open")  # a link holds no other
    return "</a>" if _is_followed(str(opened.attrGet("href") or "")) else "</span>"


def _is_followed(address: str) -> bool:
    return address.startswith("#") or _scheme(address) in ("http", "https", "mailto")


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme
    except ValueError:  # half an IPv6 address
        return ""


def _task_open(_renderer: object, tokens: Sequence[Token], at: int, _options: object, _environment: object) -> str:
    return f"<ac:task><ac:task-status>{tokens[at].meta['status']}</ac:task-status><ac:task-body>"


def _written(text: str) -> Any:
    def write(_renderer: object, _tokens: object, _at: int, _options: object, _environment: object) -> str:
        return text

    return write


_RULES = {
    "fence": _code,
    "code_block": _code,
    "image": _image,
    "link_open": _link_open,
    "link_close": _link_close,
    "s_open": _written("<del>"),
    "s_close": _written("</del>"),
    "task_list_open": _written("<ac:task-list>\n"),
    "task_list_close": _written("</ac:task-list>\n"),
    "task_open": _task_open,
    "task_close": _written("</ac:task-body></ac:task>\n"),
}
