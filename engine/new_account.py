"""Who wants an account: the address and the password that every door takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, SecretStr

from llmcoder.model import Model
from llmcoder.text import whole

if TYPE_CHECKING:
    from email_validator import ValidatedEmail


SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 256
#: Names of private networks, which a self-hosted service meets: an address here is a name to log in with.
HOME_DOMAINS = ("local", "test")


def normalised(email: str) -> str:
    """The one way to write an address: syntax checked, lower case. It need not be reachable by mail.

    Raises:
        ValueError: It is no address.
    """
    validate = _email_validator()
    return validate(email.strip(), check_deliverability=False).normalized.lower()


@cache
def _email_validator() -> Callable[..., ValidatedEmail]:
    import email_validator  # loads with the first login, not with the API

    for name in HOME_DOMAINS:  # the way its documentation gives
        email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(name)
    return email_validator.validate_email


def _long_enough(password: SecretStr) -> SecretStr:
    length = len(password.get_secret_value())
    if not SHORTEST_PASSWORD <= length <= LONGEST_PASSWORD:
        raise ValueError(f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; this one has {length}.")
    return password


def _whole(secret: SecretStr) -> SecretStr:
    """JSON may hold half of a surrogate pair, which pydantic lets pass in secrets and no encoding can write."""
    if whole(text := secret.get_secret_value()) != text:
        raise ValueError("It holds half a character (an unpaired surrogate).")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_whole)]


class NewAccount(Model):
    """Who wants an account."""

    email: Annotated[
        str,
        AfterValidator(normalised),
        Field(max_length=254, description="Address to log in with.", examples=["a@b.eu"]),
    ]
    password: Annotated[
        Secret,
        AfterValidator(_long_enough),
        Field(
            description=f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            json_schema_extra={"minLength": SHORTEST_PASSWORD, "maxLength": LONGEST_PASSWORD},
        ),
    ]
