"""What models think aloud never reaches a result or a watcher, whatever marks it, and an answer about marks stays whole."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llm_wire import chunk, event_stream, ndjson

from llmcoder.testing import FakeContext, run_action
from tasks.llm.actions import generate
from tasks.llm.thoughts import ThoughtFilter, answer_of

PROSE = "The bridge was approved on Monday."
SECRET = "The user wants brevity"
HARMONY = f"<|channel|>analysis<|message|>{SECRET}.<|end|><|start|>assistant<|channel|>final<|message|>{PROSE}"
#: Text as it comes, and who sends it so.
THOUGHTS = {
    "deepseek-r1": f"<think>\n{SECRET}.\n</think>\n\n{PROSE}",
    "deepseek-r1 under vLLM, whose template opens the thought": f"Okay, {SECRET}.\n</think>\n\n{PROSE}",
    "qwq under LM Studio": f"{SECRET}. Let me check.</think>{PROSE}",
    "qwen3 that was told not to think": f"<think>\n\n</think>\n\n{PROSE}",
    "qwen3, thinking in Chinese": f"好的，{SECRET}。\n</think>\n\n{PROSE}",
    "nemotron": f"<think>{SECRET}</think>{PROSE}",
    "a template with blanks before": f"\n\n  <think>{SECRET}</think>\n{PROSE}",
    "a model prompted to think": f"<thinking>{SECRET}</thinking>{PROSE}",
    "exaone deep": f"<thought>\n{SECRET}\n</thought>\n\n{PROSE}",
    "reflection": f"<reflection>{SECRET}</reflection>\n{PROSE}",
    "cogito": f"<THINK>{SECRET}</THINK> {PROSE}",
    "seed-oss": f"<seed:think>{SECRET}<seed:cot_budget_reflect>x</seed:cot_budget_reflect></seed:think>{PROSE}",
    "longcat": f"<longcat_think>\n{SECRET}</longcat_think>\n{PROSE}",
    "claude, as it was first asked to": f"<antThinking>{SECRET}</antThinking>{PROSE}",
    "magistral": f"[THINK]{SECRET}[/THINK]{PROSE}",
    "kimi-vl": f"◁think▷{SECRET}◁/think▷{PROSE}",
    "gpt-oss": HARMONY,
    "gpt-oss with its last mark": f"{HARMONY}<|return|>",
    "gpt-oss that calls a tool first": f"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{{}}<|call|>{HARMONY}",
    "gpt-oss under a server that leaves out marks": f"analysis{SECRET}.assistantfinal{PROSE}",
    "gemma 4": f"<|channel>thought\n{SECRET}<channel|>{PROSE}",
    "medgemma": f"<unused94>thought\n{SECRET}<unused95>{PROSE}",
    "openthinker": f"<|begin_of_thought|>\n{SECRET}\n<|end_of_thought|>\n\n<|begin_of_solution|>{PROSE}<|end_of_solution|>",
    "command a reasoning": f"<|START_THINKING|>{SECRET}<|END_THINKING|><|START_RESPONSE|>{PROSE}<|END_RESPONSE|>",
    "granite 3.2": f"Here is my thought process: {SECRET} Here is my response: {PROSE}",
    "hunyuan": f"<think>{SECRET}</think>\n<answer>\n{PROSE}\n</answer>",
    "ernie": f"<think>{SECRET}</think>\n<response>\n{PROSE}\n</response>",
    "open webui": f'<details type="reasoning" done="true" duration="3">\n<summary>Thought</summary>\n{SECRET}\n</details>\n{PROSE}',
    "minimax, which thinks again": f"<think>{SECRET}</think><think>{SECRET} still</think>{PROSE}",
    "thoughts that speak of their mark": f"<think>{SECRET}; </think> ends it</think>{PROSE}",
    "thoughts with code": f"<think>```py\nprint({SECRET!r})\n</think>\n{PROSE}",
    "thoughts with a mark of another kind": f"<think>{SECRET} [THINK] <|end|></think>{PROSE}",
    "an attribute in the mark": f'<think lang="en">{SECRET}</think>{PROSE}',
    "minimax m3 under vLLM (its issue 45687)": f"<mm:think>{SECRET}</mm:think>{PROSE}",
    "gpt-oss that was asked for a form (vLLM's 32587)": f"<|channel|>analysis<|message|>{SECRET}<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>{PROSE}",
    "gpt-oss whose turn names a tool": f"<|start|>assistant to=functions.f<|channel|>commentary <|constrain|>json<|message|>{{}}<|call|>{HARMONY}",
    "gpt-oss without a channel at the end": f"<|channel|>analysis<|message|>{SECRET}<|end|><|start|>assistant<|message|>{PROSE}<|end|>",
    "solar open (llama.cpp's 18540)": f"<|begin|>assistant<|think|>{SECRET}<|end|><|begin|>assistant<|content|>{PROSE}<|end|>",
    "apriel": f"Here are my reasoning steps:\n{SECRET}\n[BEGIN FINAL RESPONSE]\n{PROSE}\n[END FINAL RESPONSE]\n<|end|>",
    "glm-4.5v, which boxes its answer": f"<think>{SECRET}</think><|begin_of_box|>{PROSE}<|end_of_box|>",
    "qwen3 under mlx-lm, which sends its last mark along": f"<think>{SECRET}</think>{PROSE}<|im_end|>",
    "a thought of nothing, closed at once": f"<think/>\n{PROSE}",
    "the same with a blank": f"<think />\n{PROSE}",
    "thoughts within thoughts": f"<think>a<think>{SECRET}</think>c</think>{PROSE}",
    "another mark at the end than at the beginning": f"<think>{SECRET}</thinking>{PROSE}",
    "qwq, whose thought has code without an end": f"Okay, {SECRET}: `print(1)\n```py\nx\n</think>{PROSE}",
    "two that nothing opened": f"{SECRET}</think>{SECRET} again</think>{PROSE}",
}
#: Answers that have the marks as text, or something like them.
TEXTS = [
    "The `<think>` tag opens a thought and `</think>` closes it.",
    "```xml\n<think>hm</think>\n```\nis what it writes.",
    "```\n</think>\n```\nis its end.",
    'It writes "<think>" first.',
    "if a < b and c > d: print('<<')",
    "List<Thing> things = new List<Thing>();",
    "x = [1, 2][0]; y = '[/T'",
    "a <b>bold</b> word, and <br/>",
    "<details><summary>More</summary>text</details>",
    "<reason>out of stock</reason>",
    "  indented, as asked for\n",
    "I think, therefore I am. </thinker>",
    "<answer>42</answer>",
    "Use <thinkpad> no more </think-tank ...",
    "Analysis: the assistant finally approved the bridge.",
    "analysis\n\nThe assistant final exam.",
    "It was <s>rejected</s>",
    "[BEGIN of the list] and [END]",
    "from a to=b <| pipe",
]
#: Marks by which models end their turns, of servers that send them along (llama.cpp's issues 6859 and 6903, moltis' 306).
LAST_MARKS = (
    "<|im_end|>",
    "<|im_end|>\n",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "<｜end▁of▁sentence｜>",
    "<|END_OF_TURN_TOKEN|>",
    "</s>",
)


def streamed(text: str, size: int, model: str = "m") -> tuple[str, str]:
    """What the watchers saw, and the answer."""
    kept = ThoughtFilter(model)
    seen = "".join(kept.feed(text[at : at + size]) for at in range(0, len(text), size)) + kept.end()
    return seen, kept.text


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("sender", THOUGHTS)
def test_thoughts_are_no_part_of_an_answer(sender, size):
    assert streamed(THOUGHTS[sender], size)[1].strip() == PROSE


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("sender", sorted(THOUGHTS.keys() - {"two that nothing opened"}))  # the second is seen too late
def test_a_watcher_of_a_model_that_is_known_for_thinking_sees_none_of_it(sender, size):
    seen, _ = streamed(THOUGHTS[sender], size, "deepseek-r1:8b")
    assert SECRET not in seen
    assert PROSE in seen


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("text", TEXTS)
def test_an_answer_about_marks_stays_as_it_is(text, size):
    assert streamed(text, size) == (text, text)


@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("mark", LAST_MARKS)
def test_the_mark_that_ends_a_turn_is_no_part_of_the_answer(mark, size):
    assert streamed(PROSE + mark, size)[1].strip() == PROSE
    assert streamed(f"`{mark}` ends it.", size)[1] == f"`{mark}` ends it."


@pytest.mark.parametrize("begun", ["<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n"])
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_the_mark_that_begins_a_turn_is_none_either(begun, size):
    assert streamed(begun + PROSE, size)[1].strip() == PROSE


@pytest.mark.parametrize("begun", ["<think>", "[THINK]", "<|channel|>analysis<|message|>", "\n<thinking>\n", "◁think▷"])
def test_a_thought_that_never_ends_is_no_answer(begun):
    assert streamed(f"{begun}{SECRET}", 4) == ("", "")


def test_a_mark_in_the_middle_of_a_line_that_nothing_closes_is_text():
    text = "The tag <think> is what it begins with."
    assert streamed(text, 5) == (text, text)


def test_an_answer_between_thoughts_stays():
    assert answer_of(f"First.\n<think>{SECRET}</think>\nSecond.") == "First.\n\nSecond."


def test_where_the_server_sends_thoughts_apart_the_text_is_shown_at_once():
    kept = ThoughtFilter("deepseek-r1")
    assert kept.feed("Okay, ") == ""
    kept.separate()
    assert kept.feed("so.") == "Okay, so."


def test_a_word_of_another_model_is_shown_as_soon_as_it_came():
    kept = ThoughtFilter("tiny-1")
    assert [kept.feed(piece) for piece in ("Leases ", "expire", ".")] == ["Leases ", "expire", "."]


@given(st.text(alphabet='<>|/[]think \n`a◁▷"', max_size=60), st.integers(1, 9))
def test_the_answer_does_not_hang_on_how_it_is_cut_into_pieces(text, size):
    assert streamed(text, size)[1] == answer_of(text, "m")


#: Of which hostile and broken answers are made.
PIECES = [
    "<think>", "</think>", "<think />", "<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>",
    "<|start|>assistant", " to=functions.f", "<|end|>", "<|think|>", "<|content|>", "[BEGIN FINAL RESPONSE]", "[/THINK]",
    "<|im_end|>", "<|im_start|>assistant\n", "</s>", "<s>", "`", "```\n", "\n", " ", "Okay, ", "analysis", "assistantfinal",
    "Here are my reasoning steps:\n", "The ", "<", "|", "[", '"', "<answer>", "</answer>",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), st.integers(1, 9))
def test_the_answer_does_not_hang_on_the_pieces_where_marks_are_mixed_either(text, size):
    assert streamed(text, size)[1] == answer_of(text, "m")


@given(st.text(max_size=60), st.integers(1, 9))
def test_what_holds_no_mark_stays_as_it_is(text, size):
    assert streamed(text, size)[1] == text


HOSTILE = ("</", "<think", "<think>", "</think>", "<|", "<|channel|>", "[/T", "`", "\n", " ", "a", "```\n", "◁", "<a ")


@pytest.mark.parametrize(("unit", "size"), [("<", 10_000_000), (">", 10_000_000), *((one, 500_000) for one in HOSTILE)])
def test_much_of_one_thing_takes_bounded_time(unit, size):
    text = unit * (size // len(unit))
    began = time.monotonic()
    answer_of(text)
    streamed(text[:200_000], 40)
    assert time.monotonic() - began < 60


# --- as they come over the wire


def run(settings, **given):
    return run_action(generate, {"prompt": "Say it.", **given}, FakeContext([settings]))


@pytest.mark.parametrize("sender", THOUGHTS)
def test_an_openai_like_servers_thoughts_reach_nobody(server, openai, sender):
    text = THOUGHTS[sender]
    half = len(text) // 3
    server.routes["/v1/chat/completions"] = event_stream([chunk(text[:half]), chunk(text[half:]), chunk(finish="stop")])
    done = run(openai, model="r1")
    assert done.result.text.strip() == PROSE
    assert SECRET not in "".join(done.tokens)


@pytest.mark.parametrize("sender", THOUGHTS)
def test_ollamas_thoughts_reach_nobody(server, ollama, sender):
    text = THOUGHTS[sender]
    half = len(text) // 3
    parts = [{"message": {"role": "assistant", "content": one}, "done": False} for one in (text[:half], text[half:])]
    server.routes["/api/chat"] = ndjson([*parts, {"message": {"content": ""}, "done": True, "done_reason": "stop"}])
    done = run(ollama, model="qwq")
    assert done.result.text.strip() == PROSE
    assert SECRET not in "".join(done.tokens)
