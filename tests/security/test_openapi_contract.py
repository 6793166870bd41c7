"""Everything the OpenAPI document says is true, whatever is sent: schemathesis over the real application.

A new route is looked at without a word here. Each run sends every operation one request of each kind that schemathesis
knows to derive from a schema (such as "a query parameter below its minimum"), as root, and its examples, as alice. The
doors of actions differ in what they take and in nothing else, so what all of them read alike is sent to one of each
domain and method.
`make openapi` sends all of them for every field, about 13,000, and random ones besides: `SCHEMATHESIS_EXAMPLES=500`
looks much longer than CI has time for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from pydantic import BaseModel
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import StopReason, events
from schemathesis.generation.meta import CoveragePhaseData, CoverageScenario
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.schemas import BaseSchema
from served import Served

from llmcoder.declare.action import ACCOUNT, Effect
from llmcoder.registry import AnyAction, Registry

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "3"))
#: Random requests find little in so few tries, and cost more than all else: the strategy of every schema is built.
SHORT: dict[str, Any] = {"fuzzing": {"enabled": False}, "stateful": {"enabled": False}}
#: Who is no administrator meets other answers, and no other schemas: the examples show them. They are costly to make,
#: so that root, who sends what is derived of the same schemas, leaves them out.
SHORT_PHASES = {
    "root": SHORT | {"examples": {"enabled": False}},
    "alice": SHORT | {"coverage": {"enabled": False}, "examples": {"fill-missing": True}},
}
#: What concerns no part of a request because it concerns all of them: an input is every action's own.
OF_AN_INPUT = {CoverageScenario.DEFAULT_POSITIVE_TEST}
#: 409 and 412, since what stands there is in no schema; 413, since how large a request may be is a setting; 414, since
#: each part of an address may be as long as it says, and all of them together may not.
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "412", "413", "414", "429"]
REFUSED = ["400", "401", "403", "404", "405", "409", "413", "414", "415", "422", "429"]
#: Each operation that may refuse with 422 what its schema allows, and why the schema cannot say it.
RULES_BEYOND_THE_SCHEMA = {
    "POST /jobs": "what `input` may hold depends on the action",
    "GET /jobs": "`since` excludes the filters",
    "GET /jobs/stream": "Last-Event-ID is a number as text",
    "PUT /preferences": "who may approve is a user who exists",
    "POST /connections": "what `credentials` may hold depends on the kind",
    "POST /connections/oauth/{provider}": "not every kind is connected with the browser",
    "PATCH /config": "which settings there are depends on what is installed",
    "POST /schedules": "what `input` may hold depends on the action, and when it fires on a calendar",
    "PATCH /schedules/{schedule_id}": "likewise",
    "POST /hooks": "what `input` may hold depends on the action, and its expressions can be read",
    "PATCH /hooks/{hook_id}": "likewise",
    "POST /hooks/{hook_id}/secret": "a secret of Standard Webhooks is a key in base64",
    "POST /webhooks": "what an address is, and a secret of Standard Webhooks",
    "PATCH /webhooks/{webhook_id}": "likewise",
    "POST /webhooks/{webhook_id}/secret": "a secret of Standard Webhooks is a key in base64",
    "POST /macros/runs/{run_id}/{step}/{secret}": "the body is what its content type says",
    "POST /macros": "steps name actions and earlier steps that are there, in expressions that can be read",
    "PUT /macros/{macro_id}": "likewise",
    "GET /jobs/{job_id}/steps": "`cursor` is a step and an item",
    "POST /schedules/{schedule_id}/backfill": "the span lies in the past",
    "GET /schedules/{schedule_id}/runs": "`cursor` is an instant that a database can keep",
    "POST /email/watches": "which accounts the caller has",
    "PATCH /email/watches/{record_id}": "likewise",
    "POST /learning/resources": "`percent` and `progress` say the same",
    "PATCH /learning/resources/{record_id}": "likewise",
    "POST /learning/cards": "a card has a back, or a hole in its front",
    "POST /learning/add_cards": "likewise",
    "POST /files": "a form holds one file, and nothing is compressed",
    "POST /auth/register": "what an address is, JSON Schema's `email` knows less well than the standards",
}


CALLERS = pytest.mark.parametrize("caller", ["root", "alice"])


@pytest.mark.long("it sends each operation a request of each kind")
@CALLERS
def test_every_operation_answers_as_the_document_says(served: Served, caller: str) -> None:
    document = document_of(served, caller, SHORT_PHASES[caller])
    doors = doors_of_actions(served.app.state.services.registry)
    known: set[tuple[Any, ...]] = set()

    @document.hook
    def filter_case(context: Any, case: schemathesis.Case) -> bool:
        """The first of its kind in this part of the request."""
        about = case.meta.phase.data if case.meta else None
        if not isinstance(about, CoveragePhaseData):
            return True
        is_shared = about.parameter_location in (ParameterLocation.HEADER, None) and about.scenario not in OF_AN_INPUT
        label = case.operation.label
        kind = (doors.get(label, label) if is_shared else label, about.scenario, about.parameter_location)
        is_new = kind not in known
        known.add(kind)
        return is_new

    answers_as_it_says(document)


@pytest.mark.slow("all kinds of requests for every field, and random ones: minutes")
@pytest.mark.timeout(1800)
@CALLERS
def test_every_operation_answers_so_whatever_is_sent(served: Served, caller: str) -> None:
    answers_as_it_says(document_of(served, caller, {}))


def document_of(served: Served, caller: str, phases: dict[str, Any]) -> BaseSchema:
    config = SchemathesisConfig.from_dict(told(served.app.state.services.registry) | {"phases": phases})
    document = schemathesis.openapi.from_url(f"{served.url}/openapi.json", config=config, timeout=60)

    def session(case: schemathesis.Case, ctx: schemathesis.AuthContext) -> str:
        return case.id if case.operation.path.startswith("/auth/") else "ordinary"

    @document.auth(refresh_interval=60, cache_by_key=session)
    class Login:
        """A token for each request to a door that may end the one that it is sent with; the others share one."""

        def get(self, case: schemathesis.Case, ctx: schemathesis.AuthContext) -> str:
            return served.token(served.users[caller])

        def set(self, case: schemathesis.Case, data: str, ctx: schemathesis.AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    @document.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        """That a key was used before is no fault of the request: generated keys are short, and come again."""
        used = b"urn:llmcoder:problem:idempotency-key-reused" in response.content
        return not (used and isinstance(failure, RejectedPositiveData))

    return document


def answers_as_it_says(document: BaseSchema) -> None:
    asked: set[str] = set()
    wrong: list[str] = []
    for event in engine.from_schema(document).execute():
        if isinstance(event, events.ScenarioFinished) and event.recorder.interactions:
            asked.add(event.recorder.label)
        wrong += failures_of(event)
    assert wrong == [], "\n\n".join(wrong)
    assert asked >= {result.ok().label for result in document.get_all_operations()}


def told(registry: Registry) -> dict[str, Any]:
    """The configuration, as a schemathesis.toml would have it. Every check is on."""
    lists = [f"GET /{one.path}" for one in registry.collections()]  # a cursor is that of a page
    beyond = [*RULES_BEYOND_THE_SCHEMA, *lists, *doors_with_rules(registry)]
    may_refuse = {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "422"]}}
    refused = {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "400"]}}  # no state is good for long
    unready = {"expected-statuses": ["2xx", "4xx", "503"]}  # there is no worker here
    return {
        "seed": 4711,
        "request-timeout": 20,
        "max-stream-events": 1,  # a stream of jobs has no end
        "continue-on-failure": True,
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ACCEPTED},
            "negative_data_rejection": {"expected-statuses": REFUSED},
        },
        "generation": {
            "max-examples": EXAMPLES,
            "deterministic": True,
            "database": "none",
            "no-shrink": True,  # what failed is shown as it was; making it smaller takes minutes
            "with-security-parameters": False,  # the caller is given
        },
        "operations": [
            {"include-name": beyond, "checks": may_refuse},  # one entry: each is compared with every operation
            {"include-name": "GET /connections/oauth/callback", "checks": refused},
            {
                "include-name": "GET /health/ready",
                "checks": {"not_a_server_error": unready, "positive_data_acceptance": unready},
            },
        ],
    }


def doors_of_actions(registry: Registry) -> dict[str, tuple[str, str]]:
    """The doors that `api.routes.actions` makes, each with its method and domain."""
    return {
        f"{method} /{action.domain}/{action.verb}": (method, action.domain)
        for action in registry.values()
        for method in ("POST", "GET")
        if method == "POST" or action.effect is Effect.READ
    }


def doors_with_rules(registry: Registry) -> Iterator[str]:
    """The doors whose input has a rule written in Python, such as "give either `url` or `text`"."""
    for action in registry.values():
        if has_own_rules(action):
            yield f"POST /{action.domain}/{action.verb}"
            yield f"GET /{action.domain}/{action.verb}"
    for one in registry.collections():
        if one.new is not None and takes_money(one.new):
            yield f"POST /{one.path}"
        if one.change is not None and takes_money(one.change):
            yield f"PATCH /{one.path}/{{record_id}}"


def takes_money(model: type[BaseModel]) -> bool:
    """Which currencies there are, and how many decimals each has, is said by no schema."""
    return '"title": "Money"' in json.dumps(model.model_json_schema())


def has_own_rules(action: AnyAction) -> bool:
    """Which accounts and files the caller has is no rule of a schema either."""
    declared = action.input.__pydantic_decorators__
    names_account = bool(action.connects) and ACCOUNT in action.input.model_fields
    has_rules = bool(declared.model_validators or declared.field_validators)
    return has_rules or names_account or action.takes_files or takes_money(action.input)


def failures_of(event: events.EngineEvent) -> Iterator[str]:
    """What an event says went wrong, each with the command that shows it again."""
    match event:
        case events.ScenarioFinished():
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info
                        answer = event.recorder.interactions[case_id].response
                        said = answer.content[:300] if answer is not None and answer.content else b""
                        yield (
                            f"{event.recorder.label}: {check.name}: {failure.failure}\n"
                            f"{failure.code_sample}\n{said.decode(errors='replace')}"
                        )
        case events.NonFatalError():
            yield f"{event.label}: {event.value!r}"
        case events.FatalError():
            raise event.exception
        case events.EngineFinished() if event.stop_reason is not StopReason.COMPLETED:
            yield f"stopped early: {event.stop_reason}"
