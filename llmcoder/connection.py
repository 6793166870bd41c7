"""An account as an action uses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic

from llmcoder.declare.connection import C, grant_of, with_grant

if TYPE_CHECKING:
    from llmcoder.declare.connection import Caller, ConnectionKind


class Connection(ABC, Generic[C]):
    """One account, as an action may use it.

    Attributes:
        kind: Of which kind it is.
        account: Its name at the provider; empty for the one of this installation.
    """

    kind: ConnectionKind[C]
    account: str

    @property
    @abstractmethod
    def credentials(self) -> C:
        """Those in force as far as this process has heard; another worker may have renewed them since."""

    @abstractmethod
    def replace(self, credentials: C) -> C:
        """Keep other credentials for everybody, unless somebody else did meanwhile; returns those in force then.

        A grant without a refresh token keeps the one that is there.
        """

    @abstractmethod
    def renew(self, make: Callable[[C], C]) -> C:
        """Have one worker at a time make new credentials of those in force; the others wait and take what it made."""

    @property
    @abstractmethod
    def caller(self) -> Caller:
        """With what the provider is asked."""

    def access_token(self, refused: str | None = None) -> str:
        """An access token that is good for a minute, renewed first where it is not.

        Args:
            refused: The one that the provider has just refused with 401; another one is wanted.

        Raises:
            NeedsReconnect: The grant is dead.
            Transient: The provider could not be asked for a new one.
        """
        grant = grant_of(self.credentials)
        stale = grant.access_token.get_secret_value() == refused or grant.ends_soon(datetime.now(UTC))
        if stale:
            grant = grant_of(self.renew(self._renewed))
        return grant.access_token.get_secret_value()

    def _renewed(self, held: C) -> C:
        from llmcoder import oauth  # loads httpx

        declared = self.kind.oauth
        assert declared is not None  # a grant is only had by OAuth
        client = declared.client(self.caller.settings)
        return with_grant(held, oauth.refresh(declared, client, grant_of(held), self.caller.remaining_s))
