"""Settings as types: names, secrets, defaults and refusals. No file and no environment is read here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError, field_validator

from llmcoder.errors import DeclarationError, NotConfigured
from llmcoder.settings import CommaList, EngineSettings, InvalidSettings, ReservedSettings, Settings

CANARY = "canary-7f3a"


class Shop(Settings):
    title = "Shop"
    needs = ("SHOP_URL", "SHOP_TOKEN")

    shop_url: str | None = None
    shop_token: SecretStr | None = None
    shop_dsn: str = Field("", repr=False)
    shop_pages: int = 3
    shop_tags: CommaList = ()

    @field_validator("shop_token")
    @classmethod
    def _quotes_what_it_refuses(cls, token: SecretStr | None) -> SecretStr | None:
        if token and token.get_secret_value().endswith("!"):
            raise ValueError(f"{token.get_secret_value()} must not end in !")
        return token


def test_a_field_is_the_setting_of_its_name_in_capitals() -> None:
    assert Shop.read({"SHOP_URL": "https://shop.example", "SHOP_PAGES": "7", "OTHER": 1}) == Shop(
        shop_url="https://shop.example", shop_pages=7
    )


@pytest.mark.parametrize("nothing", ["", "  \n", None])
def test_an_empty_value_is_no_value(nothing: str | None) -> None:
    assert Shop.read({"SHOP_PAGES": nothing, "SHOP_TOKEN": nothing}) == Shop()


def test_what_is_needed_and_unset_is_missing_and_check_names_it() -> None:
    shop = Shop(shop_url="https://shop.example", shop_token=SecretStr(" "))
    assert shop.missing() == ["SHOP_TOKEN"]
    with pytest.raises(NotConfigured, match=r"Shop is not configured: set SHOP_TOKEN\."):
        shop.check()
    assert Shop(shop_url="u", shop_token=SecretStr("t")).check() == "configured"


def test_secrets_and_addresses_that_may_hold_one_are_known_as_secret() -> None:
    assert Shop.secret_names() == {"SHOP_TOKEN", "SHOP_DSN"}
    engine = {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "FLOWER_PASSWORD", "CONNECTIONS_KEYS"}
    engine |= {"FILES_ACCESS_KEY", "FILES_SECRET_KEY"}
    assert engine == EngineSettings.secret_names()


def test_no_secret_is_shown_by_repr_or_str() -> None:
    shop = Shop.read({"SHOP_TOKEN": CANARY, "SHOP_DSN": f"db://u:{CANARY}@h"})
    assert CANARY not in f"{shop!r} {shop!s} {shop.shop_token!r}"


@pytest.mark.parametrize(
    "values",
    [
        {"SHOP_TOKEN": [CANARY]},
        {"SHOP_TOKEN": {"key": CANARY}},
        {"SHOP_TOKEN": f"{CANARY}!"},
        {"SHOP_DSN": [CANARY]},
        {"SHOP_TOKEN": CANARY, "SHOP_PAGES": "many"},
        {"SHOP_PAGES": CANARY},
    ],
)
def test_no_value_is_shown_by_a_refusal_or_its_causes(values: dict[str, object]) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        Shop.read(values)  # type: ignore[arg-type]
    assert set(refusal.value.reasons) <= values.keys()
    seen: BaseException | None = refusal.value
    while seen is not None:
        assert CANARY not in f"{seen!r} {seen!s}"
        seen = seen.__cause__ or seen.__context__


def test_a_kind_made_by_hand_with_a_mistyped_secret_does_not_quote_it() -> None:
    with pytest.raises(ValidationError) as refusal:
        Shop(shop_token=[CANARY])  # type: ignore[arg-type]
    assert CANARY not in str(refusal.value)


def test_a_number_is_good_enough_for_a_text_and_a_list_or_commas_for_several() -> None:
    shop = Shop.read({"SHOP_TOKEN": 12345, "SHOP_TAGS": "a, b,,c "})
    assert shop.shop_token is not None
    assert shop.shop_token.get_secret_value() == "12345"
    assert shop.shop_tags == ("a", "b", "c") == Shop.read({"SHOP_TAGS": ["a", "b", "c"]}).shop_tags


def test_settings_do_not_change_under_those_who_hold_them() -> None:
    with pytest.raises(ValidationError):
        Shop().shop_pages = 4  # type: ignore[misc]


def test_a_kind_without_a_title_is_refused_at_import() -> None:
    with pytest.raises(DeclarationError, match="settings have a title"):

        class _Nameless(Settings):
            one: int = 1


def test_a_field_without_a_default_is_refused_at_import() -> None:
    with pytest.raises(DeclarationError, match="every field has a default"):

        class _Demanding(Settings):
            title = "Demanding"
            one: int


def test_needing_what_is_not_declared_is_refused_at_import() -> None:
    with pytest.raises(DeclarationError, match="`needs` lists setting names"):

        class _Confused(Settings):
            title = "Confused"
            needs = ("one",)
            one: int = 1


def test_unset_addresses_lie_in_the_data_folder() -> None:
    engine = EngineSettings(data_dir=Path("/srv/my data"))
    assert engine.database_url == "sqlite:////srv/my%20data/llmcoder.db"
    assert engine.redis_url == "unix:///srv/my%20data/redis.sock"
    assert engine.broker_url == "redis+socket:///srv/my%20data/redis.sock"
    assert engine.redis_is_embedded


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgres://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("postgresql://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("postgresql+psycopg://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("sqlite:////srv/jobs.db", "sqlite:////srv/jobs.db"),
    ],
)
def test_database_addresses_name_their_driver(given: str, kept: str) -> None:
    assert EngineSettings.read({"DATABASE_URL": given}).database_url == kept


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("redis://h:6379/2", "redis://h:6379/2"),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
    ],
)
def test_the_broker_is_redis_unless_said_otherwise(redis: str, broker: str) -> None:
    engine = EngineSettings.read({"REDIS_URL": redis})
    assert (engine.broker_url, engine.redis_is_embedded) == (broker, False)
    assert EngineSettings.read({"REDIS_URL": redis, "BROKER_URL": "amqp://h"}).broker_url == "amqp://h"


@pytest.mark.parametrize(
    "values",
    [
        {"DATABASE_URL": f"mysql://u:{CANARY}@h/db"},
        {"REDIS_URL": f"http://:{CANARY}@h"},
        {"BROKER_URL": CANARY},
        {"API_PORT": "70000"},
        {"ACCESS_TOKEN_EXPIRE_MINUTES": "0"},
        {"LOG_LEVEL": "loud"},
        {"IO_SLOTS": "a few"},
    ],
)
def test_engine_settings_that_cannot_work_are_refused_by_name_and_nothing_else_is_blamed(
    values: dict[str, str],
) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        EngineSettings.read(values)
    assert refusal.value.reasons.keys() == values.keys()
    assert CANARY not in str(refusal.value)


def test_the_log_level_may_be_written_small() -> None:
    assert EngineSettings.read({"LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_every_setting_says_what_it_is() -> None:
    for kind in (EngineSettings, ReservedSettings):
        assert [name for name, field in kind.model_fields.items() if not field.description] == []


def test_loading_settings_loads_nothing_heavy() -> None:
    heavy = {"sqlalchemy", "redis", "celery", "kombu", "fastapi", "httpx", "dotenv", "structlog", "openai"}
    code = f"import sys, llmcoder.settings; print(*sorted({heavy!r} & sys.modules.keys()))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert seen.stdout.strip() == ""
