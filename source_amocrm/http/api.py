"""How the Api of an account is made, and from it the one of the account's host of files."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from source_amocrm.auth import HandOver, SignIn, print_settings
from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator
from source_amocrm.config import Config, LongLived
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.circuit_breaker import CircuitBreaker
from source_amocrm.http.client import Api, Receive
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.refusals import DRIVE
from source_amocrm.http.session import AmocrmSession
from source_amocrm.http.token_endpoint import HttpTokenEndpoint

ACCOUNT_PATH = "/api/v4/account"


def files_host_api(api: Api, base_url: str) -> Api:
    """The Api of that host. Its outages and refusals do not concern the account; the account's refusals concern it."""
    sign_in = _FilesHostSignIn(api, base_url)
    return api.at(sign_in, DRIVE, CircuitBreaker(api.breaker))


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
    hand_over: HandOver = print_settings,
    receive: Receive = lambda _, body: body,
) -> Api:
    """The one Api of the process: one budget and one pool of connections for the API and the token endpoint.

    `raw` is the mapping that the platform passed in: rotated tokens are written into it, and `hand_over` gets it whole
    when amoCRM has changed something in it. Raises ConfigError when the token does not fit the account.
    """
    session = session or AmocrmSession(Budget(config.requests_per_second), policy or RetryPolicy())
    given = config.credentials
    sign_in: SignIn
    if isinstance(given, LongLived):
        sign_in = LongLivedTokenAuthenticator(config, given, session.wall)
    else:
        sign_in = AmocrmOAuth2Authenticator(config, given, raw, HttpTokenEndpoint(session), hand_over, session.wall)
    return Api(session, sign_in, receive)
