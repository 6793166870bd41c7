"""A `Caller` outside of any job: for checks of accounts, and for what listeners say."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from llmcoder.config import config
from llmcoder.declare import connection
from llmcoder.declare.connection import GetSettings
from llmcoder.errors import Transient
from llmcoder.moment import Moment
from llmcoder.settings import EngineSettings, Settings

if TYPE_CHECKING:
    from llmcoder.net import GuardedClient, Network

S = TypeVar("S", bound=Settings)


class CallerWithDeadline:
    """Some seconds, after which nothing is sent any more.

    Args:
        within_s: As long as an account may take to say whose it is, when not given.
        get: Settings; those of the process when not given.
        since: From when on the seconds count, where that is not now: what somebody else does when nothing was heard
            must not be done by us as well, so they count from before that was written down.
    """

    def __init__(
        self, within_s: float | None = None, get: GetSettings | None = None, since: Moment | None = None
    ) -> None:
        self._within_s = connection.IDENTIFY_WITHIN_S if within_s is None else within_s
        self._get: GetSettings = get or config().get
        self._since = since or Moment.now()
        self._http: GuardedClient | None = None

    def settings(self, kind: type[S]) -> S:
        return self._get(kind)

    @property
    def remaining_s(self) -> float:
        return self._within_s - self._since.gone_s()

    @property
    def http(self) -> GuardedClient:
        if self._http is None:
            from llmcoder.net import GuardedClient

            allow = self._get(EngineSettings).fetch_allow
            self._http = GuardedClient(allow=allow, before_send=self._refuse_if_late, may_send=self._in_time)
        return self._http

    @property
    def net(self) -> Network:
        from llmcoder.net import Network

        return Network(
            allow=self._get(EngineSettings).fetch_allow,
            remaining_s=lambda: self.remaining_s,
            before_send=self._refuse_if_late,
            may_send=self._in_time,
        )

    def _in_time(self) -> bool:
        return self.remaining_s > 0

    def _refuse_if_late(self) -> None:
        """A process that was frozen must not do what another has done meanwhile."""
        if not self._in_time():
            raise Transient("It is too late for this; nothing was sent.")
