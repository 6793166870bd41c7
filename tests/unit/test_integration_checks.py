"""How settings are tried out: by their own check, by the account that they name, or not at all."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr

from engine.integration_checks import NOBODY, check_settings
from llmcoder import Caller, ConnectionKind, Context, Effect, Model, NeedsReconnect, NotConfigured, action
from llmcoder.declare.connection import GetSettings
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import Settings


class PigeonSettings(Settings):
    """Where the pigeons are."""

    title = "Pigeons"
    needs = ("PIGEON_LOFT",)

    pigeon_loft: str | None = Field(None, description="Which loft.")
    pigeon_ring: SecretStr | None = Field(None, description="Ring of the installation's pigeon.")


class Ring(Model):
    """What proves a pigeon."""

    ring: SecretStr = Field(description="Its ring.")


def own_pigeon(get: GetSettings) -> Ring | None:
    ring = get(PigeonSettings).pigeon_ring
    return None if ring is None else Ring(ring=ring)


def identify(pigeon: Ring, caller: Caller) -> str:
    if pigeon.ring.get_secret_value() != "good":
        raise NeedsReconnect("The loft does not know this ring.")
    return f"Ada of {caller.settings(PigeonSettings).pigeon_loft}"


PIGEON = ConnectionKind(
    "pigeon", title="Pigeon", credentials=Ring, identify=identify, fallback=own_pigeon, settings=(PigeonSettings,)
)


def sends() -> AnyAction:
    @action("pigeon.send", effect=Effect.DRAFT, connects=PIGEON)
    def send(given: Nothing, ctx: Context) -> Nothing:
        """Send a pigeon."""
        return given

    return send


class Nothing(Model):
    """Nothing."""


def checked(settings: Settings) -> str:
    return check_settings(settings, known=Registry([sends()]))


def test_the_installations_account_is_asked_whose_it_is_with_the_settings_that_are_tried_out() -> None:
    own = PigeonSettings(pigeon_loft="north", pigeon_ring=SecretStr("good"))
    assert checked(own) == "Pigeon, as Ada of north."
    with pytest.raises(NeedsReconnect, match="does not know this ring"):
        checked(own.model_copy(update={"pigeon_ring": SecretStr("bad")}))


def test_without_an_account_of_the_installation_nobody_is_asked() -> None:
    assert checked(PigeonSettings(pigeon_loft="north")) == NOBODY


def test_what_is_missing_is_said_first() -> None:
    with pytest.raises(NotConfigured, match="set PIGEON_LOFT"):
        checked(PigeonSettings(pigeon_ring=SecretStr("good")))


def test_a_kind_of_settings_that_nobody_can_ask_about_is_configured() -> None:
    class Quiet(Settings):
        """Nothing to ask."""

        title = "Quiet"

    assert checked(Quiet()) == "configured"


def test_a_kind_that_checks_itself_is_not_asked_in_another_way() -> None:
    class Own(PigeonSettings):
        """Knows itself."""

        def check(self) -> str:
            return "I am fine."

    assert checked(Own(pigeon_loft="north")) == "I am fine."
