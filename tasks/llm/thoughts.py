"""What a model thinks aloud, kept apart from what it answers. Pure.

Servers that know a model send its thoughts in a field of their own (`reasoning_content`, `thinking`). Others let them
stand in the text, between marks that each family of models has for itself:

    <think>…</think>                                      DeepSeek-R1, Qwen 3, GLM, MiniMax, Nemotron, Phi-4, Hunyuan
    <thinking>, <thought>, <seed:think>, <longcat_think>  prompted models, EXAONE Deep, Seed-OSS, LongCat
    [THINK]…[/THINK]                                      Magistral
    ◁think▷…◁/think▷                                      Kimi-VL
    <|channel|>analysis<|message|>…<|end|>                gpt-oss (openai/harmony), also without its marks
    <|channel>thought…<channel|>                          Gemma 4
    <unused94>thought…<unused95>                          MedGemma
    <|begin_of_thought|>…<|end_of_thought|>               OpenThinker, Sky-T1
    <|START_THINKING|>…<|END_THINKING|>                   Command A Reasoning
    Here is my thought process: … Here is my response:    Granite 3
    <|think|>…<|end|><|begin|>assistant<|content|>        Solar Open
    …[BEGIN FINAL RESPONSE]                               Apriel
    <details type="reasoning">…</details>                 Open WebUI

The opening mark is often missing, since the chat template has it at the end of the prompt: then all before the closing
one is thought. Marks in code are text, for an answer may be about them. The marks by which a model ends its turn are no
part of an answer either; servers that do not know a model's send them along.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmcoder.text import whole

_NAME = (
    r"(?:(?:\w{0,40}[:_]|ant)?(?:think(?:ing)?|thoughts?)(?:[:_][\w:]{0,60})?"
    r"|reasoning|reflection|scratchpad|inner_monologue)"
)


@dataclass(frozen=True)
class _Mark:
    """How thoughts are marked.

    Attributes:
        telling: Whether the closing mark alone tells that all before it was thought.
        firm: Whether the opening mark can be nothing else, wherever it stands.
    """

    opens: str
    closes: re.Pattern[str]
    telling: bool = True
    firm: bool = True


def _mark(opens: str, closes: str, *, telling: bool = True, firm: bool = True) -> _Mark:
    return _Mark(opens, re.compile(closes, re.IGNORECASE), telling, firm)


#: What opens nothing.
_NEVER = r"(?!)"
_MARKS = (
    _mark(rf"<{_NAME}(?:\s[^<>]{{0,200}})?(?<!/)>", rf"</{_NAME}\s{{0,9}}>", firm=False),
    _mark(r"\[THINK\]", r"\[/THINK\]", firm=False),
    _mark(r"◁think▷", r"◁/think▷"),
    _mark(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    _mark(r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    _mark(r"<unused94>(?:thought\b)?", r"<unused95>"),
    _mark(r"<\|channel>\s{0,9}thought\b", r"<channel\|>"),
    _mark(
        r"<\|channel\|>\s{0,9}(?:analysis|commentary)\b[^<>]{0,100}(?:<\|constrain\|>[^<>]{0,40})?<\|message\|>",
        r"<\|(?:end|call|return)\|>|(?=<\|channel\|>\s{0,9}final)|(?=<\|start\|>)",
        telling=False,
    ),
    _mark(r"<\|think\|>", r"<\|/think\|>|<\|end\|>", telling=False),
    _mark(_NEVER, r"\[BEGIN FINAL RESPONSE\]\s{0,9}"),
    _mark(r'<details\s+type="reasoning"[^<>]{0,200}>', r"</details>", telling=False),
)
#: Marks of the answer itself, of its end, and of turns; and thoughts that hold nothing.
_AROUND = (
    r"<\|channel\|>\s{0,9}final\b[^<>]{0,40}(?:<\|constrain\|>[^<>]{0,40})?<\|message\|>"
    r"|<\|start\|>\s{0,9}assistant(?:\s{0,9}to=[\w.:-]{1,80})?|<\|begin\|>\s{0,9}assistant|<\|(?:content|message)\|>"
    r"|<\|(?:end|return|im_end|eot_id|eom_id|endoftext|end_of_text|END_OF_TURN_TOKEN)\|>"
    r"|<end_of_turn>|<｜end▁of▁sentence｜>|<\|im_start\|>\s{0,9}assistant\n?"
    r"|<\|start_header_id\|>\s{0,9}assistant\s{0,9}<\|end_header_id\|>"
    r"|<\|(?:begin|end)_of_(?:solution|box)\|>|<\|(?:START|END)_(?:RESPONSE|TEXT)\|>|\[END FINAL RESPONSE\]"
    rf"|<{_NAME}\s{{0,9}}/>"
)
_ANY = re.compile(
    # at once past what begins none: a text may hold millions of these characters
    r"(?=<[/|｜\w]|\[(?:/?T|BEGIN F|END F)|◁)(?:"
    + "|".join(
        [f"(?P<open{n}>{mark.opens})" for n, mark in enumerate(_MARKS)]
        + [f"(?P<close{n}>{mark.closes.pattern})" for n, mark in enumerate(_MARKS) if mark.telling]
        + [f"(?P<around>{_AROUND})"]
    )
    + ")",
    re.IGNORECASE,
)
#: Longer than any mark.
_LONGEST = 320
#: The end of a text that may be the beginning of a mark.
_UNFINISHED = re.compile(
    r"(?:</?[\w:.-]{0,101}/?(?:\s[^<>]{0,200})?|<\|[^<>]{0,60}(?:>[^<>]{0,60}<[^<>]{0,20}){0,2}(?:>[^<>]{0,60})?"
    r"|<｜[^<>]{0,40}|\[/?[a-z]{0,5}|\[(?:BEGIN|END)[ A-Z]{0,16}|◁/?[a-z]{0,5})\Z",
    re.IGNORECASE,
)
#: A mark that goes on, where more of it follows.
_LONGER = re.compile(r"<\|start\|>\s{0,9}assistant\s{0,9}(?:t|to|to=[\w.:-]{0,80})?", re.IGNORECASE)
#: Thoughts whose marks are words, or were marks before a server left out what is none of its words.
_IN_WORDS = re.compile(
    r"\s{0,99}(?:(?i:here(?:'s| is) my thought process:.*?here(?:'s| is) my (?:response|answer):)"
    r"|analysis(?=\w).*?(?:assistantfinal|assistant final(?![a-z])))\s*",
    re.DOTALL,
)
#: Around what some models answer after their thoughts.
_WRAPPED = re.compile(
    r"\s*<(answer|response|solution|output|final_answer)>(.*?)(?:</\1>\s*)?", re.DOTALL | re.IGNORECASE
)

#: Models that think, by their names.
_THINKS = re.compile(
    r"think|reason|(?<![a-z0-9])r1(?![0-9])|qwq|magistral|nemotron|gpt-oss|glm-?(?:4\.[5-9]|[5-9])|minimax-?m|exaone-?deep"
    r"|seed-?oss|marco-?o1|skywork-?o|longcat|hunyuan|apriel|solar-open|deepseek-v3\.[1-9]",
    re.IGNORECASE,
)
#: How thoughts begin that nobody announces.
_MUSINGS = (
    "okay", "ok,", "ok ", "alright", "all right,", "hmm", "let me ", "let's see", "let's think", "the user ",
    "the question ", "we need ", "we are asked", "we are given", "we have to ", "first, ", "first i", "i need to ",
    "i should ", "so, ", "so the user", "so i ", "wait", "got it", "thinking", "thought", "analysis",
    "here is my thought", "here's my thought",
    "here are my reasoning", "好的", "好,", "好\uff0c", "嗯", "首先", "用户", "我需要", "我们需要",
    "让我", "まず", "ユーザー", "хорошо", "пользователь", "итак",
)  # fmt: skip


def answer_of(text: str, model: str = "") -> str:
    """What a whole text answers."""
    said = ThoughtFilter(model)
    said.feed(text)
    said.end()
    return said.text


class ThoughtFilter:
    """Takes a text as it comes, and gives what of it can be shown.

    What was shown and turns out to have been thought, by a closing mark that nothing opened, cannot be taken back. So
    the text of a model that is known for it, or that begins as thoughts do, is given only when nothing can follow that
    makes it one. `text` is right in any case.

    Args:
        model: Its name.

    Attributes:
        hidden_chars: How long the thoughts were.
        thinks: Whether there were any.
    """

    def __init__(self, model: str = "") -> None:
        self.hidden_chars = 0
        self.thinks = False
        self._suspect = True if _THINKS.search(model) else None  # None: its first words decide
        self._rest, self._at = "", 0  # what was not looked at to its end, from where on
        self._mark: _Mark | None = None  # of the thought that goes on
        self._undone: list[str] = []  # that thought, as it came
        self._firm = True  # it is a thought, whatever follows
        self._text: list[str] = []
        self._held: list[str] = []  # of the text, what was not shown yet
        self._line, self._ticks = "", 0  # of the text's last line the first characters, and how many backticks
        self._last, self._begun = "", False  # its last character, and whether any of them can be seen
        self._fenced = False  # the text is in a block of code

    @property
    def text(self) -> str:
        """The answer, once everything has come."""
        text = "".join(self._text)
        if (words := _IN_WORDS.match(text)) is not None:
            text = text[words.end() :]
        wrapped = _WRAPPED.fullmatch(text) if self.thinks else None
        if text.endswith("</s>") and "<s>" not in text:  # where Llama 2 and Mistral end, and no line is struck out
            text = text.removesuffix("</s>")
        return whole(wrapped[2].strip() if wrapped else text)

    @property
    def may_be_thought(self) -> bool:
        """Whether all that came so far may turn out to be one."""
        return self._suspect is True or self._mark is not None

    def separate(self) -> None:
        """The server sends the thoughts apart, so nothing in the text is one that nobody announces."""
        self.thinks = True
        self._suspect = False

    def feed(self, piece: str) -> str:
        """Take the next piece, and give what can be shown by now."""
        self._rest += piece
        self._scan(final=False)
        return self._shown(final=False)

    def end(self) -> str:
        """Nothing more comes; give the rest."""
        self._scan(final=True)
        if self._mark is not None and not self._firm:
            undone, self._mark = "".join(self._undone), None
            self.hidden_chars -= len(undone)
            self._say(undone)
        return self._shown(final=True)

    def _scan(self, *, final: bool) -> None:
        while self._at < len(self._rest) and (self._think(final=final) if self._mark else self._speak(final=final)):
            pass
        self._rest, self._at = self._rest[self._at :], 0

    def _think(self, *, final: bool) -> bool:
        """Within a thought; whether it has ended."""
        assert self._mark is not None
        end = self._mark.closes.search(self._rest, self._at)
        if end is None:
            self._hide(len(self._rest) if final else max(self._at, len(self._rest) - _LONGEST))
            return False
        self._hide(end.start())
        self._at = end.end()
        self._mark, self._undone, self.thinks, self._suspect = None, [], True, False
        self._begin_anew_where_blank()
        return True

    def _hide(self, end: int) -> None:
        hidden = self._take(end)
        self._undone.append(hidden)
        self.hidden_chars += len(hidden)

    def _speak(self, *, final: bool) -> bool:
        """Outside of thoughts; whether there was a mark."""
        mark = _ANY.search(self._rest, self._at)
        if mark is None or (not final and self._may_go_on(mark)):  # what follows may tell that it is code
            tail = max(self._at, len(self._rest) - _LONGEST)
            unfinished = mark or (None if final else _UNFINISHED.search(self._rest, tail))
            self._say(self._take(len(self._rest) if unfinished is None else unfinished.start()))
            return False
        self._say(self._take(mark.start()))
        self._heed(self._take(mark.end()), mark.lastgroup or "", self._rest[mark.end() : mark.end() + 1])
        return True

    def _may_go_on(self, mark: re.Match[str]) -> bool:
        return mark.end() == len(self._rest) or _LONGER.fullmatch(self._rest, mark.start()) is not None

    def _take(self, end: int) -> str:
        taken, self._at = self._rest[self._at : end], end
        return taken

    def _heed(self, words: str, group: str, following: str) -> None:
        if self._is_code(following) and not (group.startswith("close") and self._is_suspect()):
            self._say(words)
        elif group.startswith("open"):
            self._mark = _MARKS[int(group.removeprefix("open"))]
            self._firm, self._undone = self._mark.firm or not self._line, [words]
            self.hidden_chars += len(words)
            if self._firm:
                self._begin_anew_where_blank()
        elif group.startswith("close"):
            self.hidden_chars += sum(map(len, self._text))
            self._text, self._held = [], []
            self._line, self._ticks, self._last, self._fenced, self._begun = "", 0, "", False, False
            self.thinks, self._suspect = True, False

    def _is_suspect(self) -> bool:
        """Whether the text so far may be a thought that nobody announced, however much of it came at once."""
        if self._suspect is None and self._begun:
            self._suspect = _muses("".join(self._held))
        return self._suspect is True

    def _is_code(self, following: str) -> bool:
        return self._fenced or self._ticks % 2 == 1 or (self._last == following == '"')

    def _say(self, text: str) -> None:
        if self.thinks and not self._text:
            text = text.lstrip()
        if not text:
            return
        self._text.append(text)
        self._held.append(text)
        self._last, self._begun = text[-1], self._begun or not text.isspace()
        if "`" not in text:  # then only its last line can matter
            text = text[max(0, text.rfind("\n", 0, text.rfind("\n"))) :]
        for number, line in enumerate(text.split("\n")):
            if number:
                self._fenced ^= self._line.startswith("```")
                self._line, self._ticks = "", 0
            self._line = (self._line + line[:_LONGEST]).lstrip()[:3]
            self._ticks += line.count("`")

    def _begin_anew_where_blank(self) -> None:
        if not self._begun:
            self._text, self._held, self._line = [], [], ""

    def _shown(self, *, final: bool) -> str:
        self._is_suspect()
        if not final and (self._suspect is not False or not self._begun):
            return ""
        held, self._held = "".join(self._held), []
        words = _IN_WORDS.match(held) if self._suspect else None
        return whole(held[words.end() :] if words else held)


def _muses(text: str) -> bool | None:
    """Whether a text begins as thoughts do; None where more of it would have to be seen."""
    begins = text.lstrip().casefold()
    if begins.startswith(_MUSINGS):
        return True
    return None if any(one.startswith(begins) for one in _MUSINGS) else False
