"""Which providers of language models answer."""

from __future__ import annotations

from llmcoder.declare.check import Check
from llmcoder.declare.connection import Caller
from llmcoder.errors import ActionError
from tasks.llm.settings import LlmSettings


def who_answers(settings: LlmSettings, _caller: Caller) -> str:
    """Ask every configured provider for its models; one that answers is enough, the others are named with it.

    Raises:
        ActionError: No provider answers; the error of the preferred one.
    """
    from tasks.llm.client import provider  # loads the SDKs' modules

    answers: list[str] = []
    errors: list[ActionError] = []
    for name in settings.configured():
        try:
            answers.append(provider(name, settings).check())
        except ActionError as error:
            errors.append(error)
    if not answers:
        raise errors[0]
    return " ".join(answers + [error.detail for error in errors])


LLM = Check(LlmSettings, who_answers)
