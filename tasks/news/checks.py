"""Whether the services that are searched take the installation's keys: one search for one article each."""

from __future__ import annotations

from datetime import UTC, datetime

from llmcoder.declare.check import Check
from llmcoder.declare.connection import Caller
from tasks.news.settings import GNewsSettings, GuardianSettings, NewsApiSettings


def guardian_answers(_settings: GuardianSettings, caller: Caller) -> str:
    return _answers("guardian", caller)


def gnews_answers(_settings: GNewsSettings, caller: Caller) -> str:
    return _answers("gnews", caller)


def newsapi_answers(_settings: NewsApiSettings, caller: Caller) -> str:
    from tasks.news.search_services import PLAN_NOTE

    return f"{_answers('newsapi', caller)} {PLAN_NOTE}"


def _answers(name: str, caller: Caller) -> str:
    from tasks.news.search_services import SERVICES, ServiceSearch

    service = SERVICES[name]
    service.search(ServiceSearch("news", most=1), caller, datetime.now(UTC))
    return f"{service.title} takes the key."


GUARDIAN = Check(GuardianSettings, guardian_answers)
GNEWS = Check(GNewsSettings, gnews_answers)
NEWSAPI = Check(NewsApiSettings, newsapi_answers)
