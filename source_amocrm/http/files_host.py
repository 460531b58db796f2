"""The host of the account's files: it is asked with the account's token, at its rate and with its retries."""

from __future__ import annotations

from source_amocrm.http.api import ACCOUNT_PATH, Api
from source_amocrm.http.circuit_breaker import CircuitBreaker
from source_amocrm.http.error_handler import AmocrmErrorHandler
from source_amocrm.http.rules.rule import Where


def files_host_api(api: Api, base_url: str) -> Api:
    """The Api of that host. Its outages and refusals do not concern the account; the account's refusals concern it."""
    client, guest = api.client, _Guest(api, base_url)
    handler = AmocrmErrorHandler(client.policy, guest, Where.DRIVE)
    return Api(client.at(guest, handler, CircuitBreaker(client.breaker)), api.wall, api.observe)


class _Guest:
    """The account's sign-in at another host."""

    def __init__(self, api: Api, base_url: str) -> None:
        self._api = api
        self.base_url = base_url
        self.domain = base_url.partition("://")[2]
        self.advice = api.auth.advice
        self.get_access_token = api.auth.get_access_token
        self.expiry_warning = api.auth.expiry_warning

    @property
    def access_token(self) -> str:
        return self._api.auth.access_token

    @property
    def account_id(self) -> int | None:
        return self._api.auth.account_id

    @property
    def scopes(self) -> frozenset[str] | None:
        return self._api.auth.scopes

    def renew(self, rejected: str) -> str | None:
        """The account is asked whether it takes the token, and renews it if not: this host may only lack a scope."""
        if self.access_token == rejected:
            self._api.get(ACCOUNT_PATH)
        newest = self.access_token
        return None if newest == rejected else newest

    def relocate(self) -> bool:
        return False
