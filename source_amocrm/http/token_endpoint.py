"""The token endpoint, requested within the rate limit and with retries; says when a refresh token may be spent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from source_amocrm import shutdown
from source_amocrm.auth import SignIn
from source_amocrm.auth.oauth import TOKEN_PATH, Grant
from source_amocrm.config.trusted_hosts import is_account_host
from source_amocrm.http.circuit_breaker import CircuitBreaker
from source_amocrm.http.client import Api
from source_amocrm.http.refusals import CODE, REFRESH
from source_amocrm.http.reply import reply_of
from source_amocrm.http.session import AmocrmSession

SUBDOMAIN_PATH = "/oauth2/account/current/subdomain"

_DAY = 86400
_SPENT_UNHEARD = (
    "The connection broke while the token was being exchanged, so amoCRM had most likely spent it, and its answer "
    "with the new one was lost on the way. "
)


class HttpTokenEndpoint:
    def __init__(self, session: AmocrmSession) -> None:
        self._client = Api(session, SignIn(""))
        self._client.sleep = partial(shutdown.pause, session.sleep)
        self._client.in_doubt = _SPENT_UNHEARD
        # never opens: threads that wait for an exchange learn of its failure from the authenticator
        self._client.breaker = CircuitBreaker(opens=False)

    def exchange(self, sign_in: SignIn, request: Mapping[str, Any]) -> Grant:
        """Exchanges the refresh token or the consent's code in `request` for a pair of tokens. Raises AmocrmError."""
        unsigned = SignIn(sign_in.base_url, claims=sign_in.claims)
        unsigned.advice = sign_in.advice
        refresh = "refresh_token" in request
        client = self._client.for_host(unsigned, REFRESH if refresh else CODE, self._client.breaker)
        sent = {"bearer": _mark_as_sent} if refresh else {}
        _, response = client.send_request("POST", unsigned.base_url + TOKEN_PATH, sent, json=request)
        reply = reply_of(response)
        body: Mapping[str, Any] = reply.body or {}
        expires_in = _positive(body.get("expires_in")) or _DAY
        server_time = _positive(body.get("server_time")) or reply.server_time
        return Grant(body["access_token"], body["refresh_token"], expires_in, server_time)

    def current_domain(self, api_domain: str, refresh_token: str) -> str | None:
        """The account's present host, requested without retries; None if it cannot be learned."""
        url, headers = f"https://{api_domain}{SUBDOMAIN_PATH}", {"X-Refresh-Token": refresh_token}
        reply = reply_of(self._client.session.get(url, headers=headers))
        domain = (reply.body or {}).get("domain") if reply.status == 200 else None
        return domain.lower() if isinstance(domain, str) and is_account_host(domain.lower()) else None


def _mark_as_sent() -> str:
    """The `bearer` of an exchange: called when the request has its turn, it marks the refresh token as sent."""
    shutdown.before_token_is_sent()
    return ""


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 32 else None
