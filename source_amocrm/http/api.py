"""GET for everyone who reads a list: a path and its parameters in, an answer out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from source_amocrm.auth import HandOver, SignIn, make_authenticator, print_settings
from source_amocrm.config import Config
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.circuit_breaker import CircuitBreaker
from source_amocrm.http.client import AmocrmClient
from source_amocrm.http.error_handler import AmocrmErrorHandler
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.refusals import Where
from source_amocrm.http.reply import reply_of
from source_amocrm.http.session import AmocrmSession
from source_amocrm.http.token_endpoint import HttpTokenEndpoint

Params = Mapping[str, int | str | Sequence[int | str]]
"""A query by the names of its parameters; the name of a list ends with []."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is None where nothing was found (204).

    `server_time`: when the server answered (Unix seconds, server clock; ours if it does not tell). `sent_at`: a second
    not later than the moment that the answer shows (same clock). `drift`: by how much our clock is ahead of that one
    (seconds), 0 while the two agree. `tick`: when the answer came (seconds, monotonic clock).
    """

    body: dict[str, Any] | None
    server_time: int
    sent_at: int
    drift: int = 0
    tick: float = 0.0


class Fetch(Protocol):
    """A GET of a path, such as /api/v4/leads. With `shrinkable` it raises PageTooLarge where fewer rows may come."""

    def __call__(self, path: str, params: Params = ..., *, shrinkable: bool = ...) -> Answer: ...


Body = dict[str, Any] | None
Receive = Callable[[str, Body], Body]
"""Gets each path that was asked for and the body that came, in whichever thread asked, and returns the body to use."""

ACCOUNT_PATH = "/api/v4/account"

_SPARE = 1.0  # requests under way beyond rate × latency, so that a turn never waits for a request


class Api(AmocrmClient):
    """The client with a GET for lists. `wall`: unix seconds of this machine's clock."""

    wall: Callable[[], float] = time.time
    receive: Receive = staticmethod(lambda _, body: body)

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        """The answer to `path` ("/api/v4/leads"), or an AmocrmError once it is certain.

        `shrinkable`: raise PageTooLarge where the caller had better ask for less; see AmocrmClient.
        """
        _, response = self.send_request("GET", self.url(path, params), {"shrinkable": shrinkable})
        reply = reply_of(response)
        server_time = int(reply.received) if reply.server_time is None else reply.server_time
        body = self.receive(path, reply.body if reply.status != 204 else None)
        return Answer(body, server_time, server_time - math.ceil(reply.elapsed) - 1)

    def url(self, path: str, params: Params | None) -> str:
        """The address with its query as PHP reads it: a list repeats its name, which therefore ends with []."""
        return f"{self.auth.base_url}{path}" + (f"?{urlencode(params, doseq=True)}" if params else "")

    def room(self) -> int:
        """How many more requests should be under way to use the rate limit up; negative if threads wait for turns."""
        return math.ceil(self.budget.per_second * self.stats.latency + _SPARE) - self.stats.asking


def files_host_api(api: Api, base_url: str) -> Api:
    """The Api of that host. Its outages and refusals do not concern the account; the account's refusals concern it."""
    sign_in = _FilesHostSignIn(api, base_url)
    return api.at(sign_in, AmocrmErrorHandler(api.policy, sign_in, Where.DRIVE), CircuitBreaker(api.breaker))


class _FilesHostSignIn(SignIn):
    """The account's sign-in at another host."""

    def __init__(self, api: Api, base_url: str) -> None:
        super().__init__(base_url)
        self._api = api
        self.advice = api.auth.advice

    @property
    def token(self) -> str:
        return self._api.auth.token

    def get_access_token(self) -> str:
        return self._api.auth.get_access_token()

    def renew(self, rejected: str) -> str | None:
        """The account is asked whether it takes the token, and renews it if not: this host may only lack a scope."""
        if self.token == rejected:
            self._api.get(ACCOUNT_PATH)
        newest = self.token
        return None if newest == rejected else newest


def open_api(
    config: Config,
    raw: MutableMapping[str, Any],
    policy: RetryPolicy | None = None,
    *,
    session: AmocrmSession | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
    hand_over: HandOver = print_settings,
    receive: Receive = lambda _, body: body,
) -> Api:
    """The one Api of the process: one budget and one pool of connections for the API and the token endpoint.

    `raw` is the mapping that the platform passed in; `hand_over` gets it whole when amoCRM has changed something in it.
    Raises ConfigError when the token does not fit the account.
    """
    policy = policy or RetryPolicy()
    session = session or AmocrmSession(Budget(config.requests_per_second), policy, config.num_workers)
    endpoint = HttpTokenEndpoint(session, policy, clock=clock, sleep=sleep)
    api = Api(session, make_authenticator(config, raw, endpoint, wall, hand_over), policy, clock=clock, sleep=sleep)
    api.wall, api.receive = wall, receive
    return api
