"""What operators write down of prices and budgets, how a price is found, and what a text is estimated at."""

from __future__ import annotations

import pytest

from llmcoder.settings import InvalidSettings
from tasks.llm.prices import FREE, Price, UsageBudget, cost_microcents, estimated_tokens, price_of
from tasks.llm.settings import LlmSettings


def test_prices_are_found_by_name_by_provider_and_by_the_longest_beginning() -> None:
    prices = {
        name: Price(tokens_in=n, tokens_out=0) for n, name in enumerate(("*", "gpt-5*", "gpt-5-mini", "openai/x"))
    }
    found = [price_of(prices, "openai", model) for model in ("other", "gpt-5-pro", "gpt-5-mini", "x")]
    assert [one.tokens_in for one in found if one] == [0, 1, 2, 3]
    assert price_of({}, "ollama", "llama3") == FREE
    assert price_of({}, "openai", "gpt-5") is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("no json", "must be a JSON object"),
        ("[" * 100_000, "must be a JSON object"),
        ('["a"]', "must be a JSON object"),
        ('{"gpt": 5}', "gpt: Input should be"),
        ('{"gpt": {"in": -1, "out": 1}}', "gpt: in: Input should be greater"),
        ('{"gpt": {"in": NaN, "out": 1}}', "must be a JSON object"),
        ('{"gpt": {"in": 1}}', "gpt: out: Field required"),
        ('{"gpt": {"in": 1, "out": 1, "cached": 1}}', "gpt: cached: Extra"),
        ('{"gpt-*-mini": {"in": 1, "out": 1}}', "at its end only"),
        ('{"": {"in": 1, "out": 1}}', "an empty name"),
    ],
)
def test_prices_that_make_no_sense_are_refused_and_the_entry_named(wrong: str, why: str) -> None:
    with pytest.raises(InvalidSettings, match=f"LLM_PRICES: .*{why}"):
        LlmSettings.read({"LLM_PRICES": wrong})


@pytest.mark.parametrize("wrong", ['{"ann": {"cents": 1}}', '{"a@x": {"cent": 1}}', '{"a@x": {"tokens": -1}}'])
def test_budgets_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidSettings, match="LLM_BUDGETS: a"):
        LlmSettings.read({"LLM_BUDGETS": wrong})


def test_a_small_call_costs_more_than_nothing() -> None:
    assert cost_microcents(Price(tokens_in=2.5, tokens_out=20), 1, 1) == 22
    assert cost_microcents(None, 1, 1) is None


def test_tokens_are_estimated_by_bytes_since_other_scripts_take_more_of_them() -> None:
    assert [estimated_tokens(text) for text in ("", "a", "abcd", "abcde", "лист", "葉っぱ", "\ud800")] == [
        0,
        1,
        1,
        2,
        2,
        3,
        1,
    ]


@pytest.mark.parametrize(
    ("text", "tokens", "tokens_before"),
    [
        ("Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!", 24, 27),
        ("Hallo, mein Name is GPT-4o. Ich bin ein neues KI-Sprachmodell. Es ist schön, dich kennenzulernen.", 29, 34),
        ("Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!", 23, 39),
        ("你好，我的名字是GPT-4o。我是一种新型的语言模型，很高兴见到你!", 24, 34),
        ("こんにちわ、私の名前はGPT−4oです。私は新しいタイプの言語モデルです、初めまして", 26, 37),
        ("안녕하세요, 제 이름은 GPT-4o입니다. 저는 새로운 유형의 언어 모델입니다, 만나서 반갑습니다!", 27, 45),
        ("नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूं। आपसे मिलकर अच्छा लगा!", 31, 90),
    ],
    ids=["English", "German", "Russian", "Chinese", "Japanese", "Korean", "Hindi"],
)
def test_an_estimate_is_near_what_tokenizers_count_in_any_script(text: str, tokens: int, tokens_before: int) -> None:
    """Sentences and counts of openai.com/index/hello-gpt-4o, "Language tokenization": GPT-4o and what was before it."""
    assert 0.85 * tokens <= estimated_tokens(text) <= tokens_before


def test_what_a_budget_of_ones_own_leaves_out_is_as_for_everybody() -> None:
    settings = LlmSettings.read(
        {"LLM_BUDGET_TOKENS": 5, "LLM_BUDGET_CENTS": 7, "LLM_BUDGETS": '{"Ann@Example.org": {"cents": 9}, "b@x": {}}'}
    )
    assert settings.budget_of("ann@example.org") == UsageBudget(cents=9, tokens=5)
    assert settings.budget_of("b@x") == settings.budget_of("c@x") == UsageBudget(cents=7, tokens=5)
