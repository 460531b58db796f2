"""Builds the `Api` of an account, and the `Api` of its files host."""

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
    """Builds the `Api` of the files host. Its failures do not stop the account; the account's refusals stop it, too."""
    sign_in = _FilesHostSignIn(api, base_url)
    return api.for_host(sign_in, DRIVE, CircuitBreaker(api.breaker))


class _FilesHostSignIn(SignIn):
    """Signs requests to the files host with the account's token."""

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
        """Requests `/account`, which renews an invalid token. The files host also rejects tokens without its scope."""
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
    """Builds the process's one `Api`. The API and the token endpoint share its budget and its pool of connections.

    `raw`: the platform's config. New tokens and a new account address are written into it, and `hand_over` then gets
    the whole config. Raises ConfigError when another service (amocrm.ru, kommo.com) issued the token.
    """
    session = session or AmocrmSession(Budget(config.requests_per_second), policy or RetryPolicy())
    keys = config.credentials
    sign_in: SignIn
    if isinstance(keys, LongLived):
        sign_in = LongLivedTokenAuthenticator(config, keys, session.wall)
    else:
        sign_in = AmocrmOAuth2Authenticator(config, keys, raw, HttpTokenEndpoint(session), hand_over, session.wall)
    return Api(session, sign_in, receive)
