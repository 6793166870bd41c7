"""Asks every configured service who we are there: side by side, each for a limited time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from threading import Thread

from cli.results import Finding, broken, fine, note
from engine.integration_checks import check_settings
from llmcoder.config import Config
from llmcoder.errors import ActionError
from llmcoder.settings import Settings

ANSWER_WITHIN_S = 15.0


def ask_all(config: Config, kinds: Sequence[type[Settings]], within_s: float = ANSWER_WITHIN_S) -> Iterator[Finding]:
    """One finding a kind; what is not configured is worth a note, what is and does not work is broken."""
    asked = [(kind, _ask(config.get(kind))) for kind in kinds if not config.get(kind).missing()]
    for kind in kinds:
        if missing := config.get(kind).missing():
            yield note(kind.title, "not configured", f"To use it: `llmcoder config set` {', '.join(missing)}.")
    until = time.monotonic() + within_s
    for kind, answer in asked:
        yield _finding(kind.title, answer, until - time.monotonic())


def _ask(settings: Settings) -> Future[str]:
    """Ask in a thread that a service which never answers cannot make us wait for."""
    answer: Future[str] = Future()

    def ask() -> None:
        try:
            answer.set_result(check_settings(settings))
        except Exception as error:  # noqa: BLE001 (a domain's own code; whatever it raises is the finding)
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()
    return answer


def _finding(title: str, answer: Future[str], within_s: float) -> Finding:
    try:
        error = answer.exception(max(0.0, within_s))
    except TimeoutError:
        return broken(title, "did not answer in time", "Look at its address and at the network.")
    if error is None:
        return fine(title, answer.result())
    if isinstance(error, ActionError):
        return broken(title, error.detail)
    return broken(title, f"its check broke: {type(error).__name__}", "This is a defect of the integration; report it.")
