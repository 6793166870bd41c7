"""What a setting is: typed, named like an environment variable, and silent about its value when it is a secret.

A domain declares its own kind in `tasks/<domain>/settings.py`; the engine's own stand here. Where the values come from
is the business of `llmcoder.config`, never of a kind.

    class JiraSettings(Settings):
        title = "JIRA"
        needs = ("JIRA_SERVER_URL", "JIRA_API_TOKEN")

        jira_server_url: str | None = Field(None, description="Address of the site, such as https://acme.atlassian.net.")
        jira_api_token: SecretStr | None = Field(None, description="API token of the account that acts.")
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args
from urllib.parse import quote

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    field_validator,
)

from llmcoder.errors import DeclarationError, NotConfigured
from llmcoder.states import State
from llmcoder.timing import TIMING


class InvalidSettings(ValueError):
    """Some values cannot be used.

    Attributes:
        reasons: Why, by the name of the setting (by the kind's title where no single one is at fault). Holds no value.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in reasons.items()))
        self.reasons = dict(reasons)


class Settings(BaseModel):
    """Base of every kind of settings: field `openai_api_key` is the setting OPENAI_API_KEY.

    Every field has a default, so that a kind can always be made; what an action cannot do without stands in `needs`.
    A field is a secret when its type is `SecretStr`, or when it says `repr=False` (addresses may hold a password).

    Attributes:
        title: What people call it, such as "OpenAI".
        needs: Names of the settings without which nothing of it works.
    """

    # hide_input_in_errors: pydantic would otherwise quote a mistyped secret in its message.
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
    )

    title: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for broken, rule in (
            (not cls.title, "settings have a title"),
            (any(field != field.lower() for field in cls.model_fields), "fields are written in lower case"),
            (any(field.is_required() for field in cls.model_fields.values()), "every field has a default"),
            (not set(cls.needs) <= set(cls.names()), "`needs` lists setting names, such as OPENAI_API_KEY"),
        ):
            if broken:
                raise DeclarationError(f"{cls.__module__}.{cls.__qualname__}: {rule}")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of its settings, as they stand in config.json and in the environment."""
        return tuple(field.upper() for field in cls.model_fields)

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """Those of its settings whose values nobody may see."""
        fields = cls.model_fields.items()
        return frozenset(name.upper() for name, field in fields if not field.repr or _is_secret(field.annotation))

    @classmethod
    def read(cls, values: Mapping[str, JsonValue]) -> Self:
        """Make it from values by setting name; names of other kinds are passed over, empty ones are unset.

        Raises:
            InvalidSettings: Some value cannot be used. It carries no value, neither in its text nor in its causes.
        """
        given = {name.lower(): values[name] for name in cls.names() if not unset(values.get(name))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            reasons = cls._reasons(error, given)
        # Raised outside the handler: an exception's context is shown by some log formatters.
        raise InvalidSettings(reasons)

    @classmethod
    def _reasons(cls, error: ValidationError, given: Mapping[str, JsonValue]) -> dict[str, str]:
        secrets = [str(given[name.lower()]) for name in cls.secret_names() if name.lower() in given]
        reasons = {}
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            if one["type"] == "default_factory_not_called":  # an echo of another field's error
                continue
            why = one["msg"].removeprefix("Value error, ")
            for secret in secrets:  # a validator of a domain may quote what it was given
                why = why.replace(secret, "***")
            reasons[str(one["loc"][0]).upper() if one["loc"] else cls.title] = why
        return reasons

    def missing(self) -> list[str]:
        """The names in `needs` that have no value."""
        return [name for name in self.needs if _is_empty(getattr(self, name.lower()))]

    def check(self) -> str:
        """Refuse settings that miss something. The real call is made by whoever declares it, see `declare.check`.

        Raises:
            NotConfigured: A needed setting has no value; the detail names it.
        """
        if missing := self.missing():
            raise NotConfigured(f"{self.title} is not configured: set {', '.join(missing)}.")
        return "configured"


def unset(value: object) -> bool:
    """Whether a raw value counts as no value at all: null, or text without a visible character."""
    return value is None or (isinstance(value, str) and not value.strip())


def _is_empty(value: object) -> bool:
    return unset(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Several texts: `a, b` in the environment, `"a, b"` or `["a", "b"]` in config.json."""

Days = Annotated[int, Field(ge=1, le=36_500)]
Jobs = Annotated[int, Field(ge=1, le=1_000_000_000)]
Port = Annotated[int, Field(ge=0, le=65_535)]
# The kernel's limit is 107 bytes on Linux and 103 on macOS.
LONGEST_SOCKET_PATH_BYTES = 100


def _sqlite_in(values: dict[str, Any]) -> str:
    return f"sqlite:///{_in_url(values['data_dir'])}/llmcoder.db"


def redis_socket(data_dir: Path) -> Path:
    """Where the private Redis of a data folder listens; every process that is given the folder finds the same.

    In the data folder; where that path is too long for the kernel, in a folder named after a hash of it, under
    XDG_RUNTIME_DIR or else the folder for temporary files.
    """
    path = data_dir.absolute() / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH_BYTES:
        return path
    name = f"llmcoder-{os.getuid()}-{hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:12]}"
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / name / "redis.sock"


def _socket_in(values: dict[str, Any]) -> str:
    return f"unix://{_in_url(redis_socket(values['data_dir']))}"


def _in_url(folder: Path) -> str:
    """SQLAlchemy, redis-py and kombu all unquote the paths in their addresses."""
    return quote(str(folder.absolute()))


def _redis_as_broker(values: dict[str, Any]) -> str:
    """kombu writes `redis+socket://` where redis-py writes `unix://`, and `virtual_host` where it writes `db`."""
    url: str = values["redis_url"]
    if not url.startswith("unix://"):
        return url
    address, _, options = url.removeprefix("unix://").partition("?")
    renamed = "&".join(option.replace("db=", "virtual_host=", 1) for option in options.split("&") if option)
    return f"redis+socket://{address}" + (f"?{renamed}" if renamed else "")


class EngineSettings(Settings):
    """What the engine itself needs to know; all of it has a default that works on one machine."""

    title = "Engine"

    data_dir: Path = Field(Path("data"), description="Folder of everything this installation keeps; environment only.")
    database_url: str = Field(
        default_factory=_sqlite_in,
        repr=False,
        description="SQLAlchemy address: sqlite:///… or postgresql://…; llmcoder.db in DATA_DIR when unset.",
    )
    redis_url: str = Field(
        default_factory=_socket_in,
        repr=False,
        description="redis://…, rediss://… or unix://…; a private Redis in DATA_DIR when unset.",
    )
    broker_url: str = Field(
        default_factory=_redis_as_broker,
        repr=False,
        description="Celery broker, such as amqp://…; REDIS_URL when unset.",
    )

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: Port = Field(5000, description="Port the API listens on; 0 takes a free one.")
    cors_origins: CommaList = Field(
        (), description="Web origins that may call the API from a browser, comma separated."
    )
    registration_open: bool = Field(True, description="Whether anybody may register; the first user always may.")
    access_token_expire_minutes: int = Field(30, ge=1, le=43_200, description="Life of an access token, in minutes.")
    refresh_token_expire_days: int = Field(30, ge=1, le=365, description="Life of an unused refresh token, in days.")
    max_body_bytes: int = Field(2_097_152, ge=1_024, description="Largest request body the API takes, in bytes.")

    public_url: str | None = Field(
        None, description="Where browsers reach the API, such as https://jobs.example.org; API_HOST and API_PORT else."
    )
    connections_keys: SecretStr | None = Field(
        None,
        description="Keys that connected accounts are sealed with, comma separated, in place of connections.key: for "
        "several machines. Each is 32 random bytes in base64.",
    )

    flower_host: str = Field("127.0.0.1", description="Address Flower listens on.")
    flower_port: Port = Field(5555, description="Port Flower listens on.")
    flower_password: SecretStr | None = Field(None, description="Password of Flower; made at first start when unset.")

    io_slots: int = Field(16, ge=1, le=1_000, description="Jobs an io worker runs at once.")
    lease_s: int = Field(
        30,
        ge=round(TIMING.shortest_lease_s),
        le=3_600,
        description="Seconds after which a silent worker loses its jobs.",
    )
    doorbell_window: int = Field(400, ge=1, le=100_000, description="Rung and unclaimed jobs per queue in the broker.")
    max_input_bytes: int = Field(1_048_576, ge=1_024, description="Largest input of a job, in bytes of JSON.")
    max_result_bytes: int = Field(1_048_576, ge=1_024, description="Largest result of a job, in bytes of JSON.")
    macro_max_steps: int = Field(
        20_000, ge=1, description="Steps and items that one run of a macro may begin, with all macros that it starts."
    )
    macro_max_runs: int = Field(
        1_000, ge=0, description="Macros that one run of a macro may start, with all that those start."
    )
    macro_max_bytes: int = Field(
        67_108_864, ge=65_536, description="What the steps of one run of a macro may return altogether, in bytes."
    )
    files_url: str | None = Field(
        None,
        description="Where files are kept: file:///a/folder, which all machines must share, or s3://bucket/prefix; "
        "files in DATA_DIR when unset.",
    )
    files_endpoint: str | None = Field(None, description="Address of the S3-compatible service; AWS when unset.")
    files_region: str | None = Field(None, description="Region of the bucket, where the service has regions.")
    files_access_key: SecretStr | None = Field(
        None, description="Key id at the service; where unset, what its client finds: environment, profile, role."
    )
    files_secret_key: SecretStr | None = Field(None, description="Secret that belongs to FILES_ACCESS_KEY.")
    max_file_bytes: int = Field(1_073_741_824, ge=1_024, description="Largest file that is taken, in bytes.")
    file_quota_bytes: int = Field(
        10_737_418_240, ge=1_024, description="What all files of one user may have together, in bytes."
    )
    file_quota_count: int = Field(10_000, ge=1, le=1_000_000, description="Files that one user may have.")
    fetch_allow: CommaList = Field((), description="Hosts or networks that may be fetched although not public.")

    retention_succeeded_days: Days = Field(30, description="Days a succeeded job is kept.")
    retention_cancelled_days: Days = Field(30, description="Days a cancelled job is kept.")
    retention_failed_days: Days = Field(180, description="Days a failed job is kept.")
    retention_uncertain_days: Days = Field(180, description="Days a job of unknown outcome is kept.")
    retention_succeeded_jobs: Jobs = Field(1_000_000, description="Succeeded jobs that are kept, newest first.")
    retention_cancelled_jobs: Jobs = Field(1_000_000, description="Cancelled jobs that are kept, newest first.")
    retention_failed_jobs: Jobs = Field(1_000_000, description="Failed jobs that are kept, newest first.")

    pg_dump: Path | None = Field(None, description="PostgreSQL's pg_dump, for backups; else looked for on the PATH.")
    pg_restore: Path | None = Field(None, description="PostgreSQL's pg_restore; else looked for on the PATH.")

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        "INFO", description="Least severe log lines that are written."
    )

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        for short in ("postgres://", "postgresql://"):
            if url.startswith(short):
                return f"postgresql+psycopg://{url.removeprefix(short)}"
        if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return url

    @field_validator("public_url")
    @classmethod
    def _some_origin(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not url.startswith(("http://", "https://")) or "?" in url or "#" in url:
            raise ValueError("must be an address such as https://jobs.example.org")
        return url.rstrip("/")

    @field_validator("files_url")
    @classmethod
    def _known_store(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, _, rest = url.partition("://")
        if (scheme, rest[:1]) != ("file", "/") and (scheme != "s3" or not rest.strip("/")):
            raise ValueError("must be file:///a/folder or s3://bucket/prefix")
        return url.rstrip("/")

    @field_validator("files_endpoint")
    @classmethod
    def _some_service(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must be an address such as https://s3.example.org")
        return url

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return url

    @field_validator("broker_url")
    @classmethod
    def _some_broker(cls, url: str) -> str:
        if "://" not in url:
            raise ValueError("must be an address such as redis://… or amqp://…")
        return url

    @property
    def reached_at(self) -> str:
        """Where browsers reach the API, without a slash at its end."""
        host = f"[{self.api_host}]" if ":" in self.api_host else self.api_host
        return self.public_url or f"http://{host}:{self.api_port}"

    @property
    def file_store_url(self) -> str:
        """Where files are kept."""
        return self.files_url or f"file://{_in_url(self.data_dir / 'files')}"

    @property
    def redis_is_embedded(self) -> bool:
        """Whether nobody gave a Redis, so that the private one in DATA_DIR serves."""
        return "redis_url" not in self.model_fields_set

    @property
    def retention_days(self) -> dict[str, int]:
        """Days a job is kept, by its terminal state."""
        return {
            State.SUCCEEDED: self.retention_succeeded_days,
            State.CANCELLED: self.retention_cancelled_days,
            State.FAILED: self.retention_failed_days,
            State.UNCERTAIN: self.retention_uncertain_days,
        }

    @property
    def retention_jobs(self) -> dict[str, int]:
        """How many jobs are kept, by terminal state; an uncertain one waits for a person however many there are."""
        return {
            State.SUCCEEDED: self.retention_succeeded_jobs,
            State.CANCELLED: self.retention_cancelled_jobs,
            State.FAILED: self.retention_failed_jobs,
        }


class ReservedSettings(Settings):
    """Names that installations already carry, for integrations whose folders do not exist yet.

    A domain that arrives declares its names itself; its kind then speaks for them, and they go from here.
    """

    title = "Reserved"

    hf_token: SecretStr | None = Field(None, description="Hugging Face access token.")
    plaid_client_id: str | None = Field(None, description="Plaid client id.")
    plaid_secret: SecretStr | None = Field(None, description="Plaid secret.")
    skyscanner_api_key: SecretStr | None = Field(None, description="Skyscanner API key.")
