"""Whether what the settings say of a service is right: one cheap real call, and who we are there."""

from __future__ import annotations

from typing import Any, TypeVar

from engine.account_access import InstallationConnection, check
from llmcoder.caller import CallerWithDeadline
from llmcoder.config import config
from llmcoder.declare.connection import ConnectionKind
from llmcoder.registry import Registry, checks, registry
from llmcoder.settings import Settings

S = TypeVar("S", bound=Settings)
NOBODY = "configured; users connect their own accounts, and there is none for those who have not."


def check_settings(settings: Settings, within_s: float | None = None, known: Registry | None = None) -> str:
    """Ask the service who we are there; a kind that has nobody to call is "configured".

    By the domain's own check; else, where the settings name the installation's account, by asking whose it is.

    Args:
        settings: Tried out as they are, whatever the process has now.

    Raises:
        NotConfigured: A needed setting has no value; the detail names it.
        ActionError: The service refuses, or could not be asked.
    """
    answer = settings.check()
    if type(settings).check is not Settings.check:
        return answer
    caller = CallerWithDeadline(within_s, _instead(settings))
    for declared in checks():
        if declared.settings is type(settings):
            return declared.ask(settings, caller)
    for kind in (known or registry()).connections().values():
        if type(settings) in kind.settings and kind.fallback is not None:
            return _check_account(kind, caller)
    return answer


def _check_account(kind: ConnectionKind[Any], caller: CallerWithDeadline) -> str:
    assert kind.fallback is not None
    own = kind.fallback(caller.settings)
    if own is not None:
        return f"{kind.title}, as {check(InstallationConnection(kind, own, caller))}."
    if kind.oauth is not None:
        kind.oauth.client(caller.settings)  # says what of the registration is missing or cannot be read
    return NOBODY


def _instead(settings: Settings) -> Any:
    """Settings of the process, but for the kind that is tried out."""

    def get(kind: type[S]) -> S:
        return settings if isinstance(settings, kind) else config().get(kind)

    return get
