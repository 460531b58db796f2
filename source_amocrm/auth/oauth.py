"""OAuth 2.0 of amoCRM on the CDK's authenticator: a token for a day, and a refresh token that works once."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.requests_native_auth import SingleUseRefreshTokenOauth2Authenticator

from source_amocrm.auth.bearer import SignIn
from source_amocrm.auth.claims import check_domain
from source_amocrm.auth.handover import FileKeeper, HandOver
from source_amocrm.config import Config, OAuth
from source_amocrm.config.trusted_hosts import is_account_host
from source_amocrm.dates import iso
from source_amocrm.errors import AmocrmError, Moved, NotFound, Unauthorized
from source_amocrm.secrecy import add_to_secrets
from source_amocrm.shutdown import token_exchange

TOKEN_PATH = "/oauth2/access_token"
_AHEAD = 120  # seconds before a token expires from which on it is renewed
_POSTPONE = 60  # seconds until the next attempt, if a renewal ahead of the expiry has failed

_log = logging.getLogger("airbyte.amocrm")


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair of tokens. The access token expires `expires_in` seconds after `server_time` (Unix, server clock)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    server_time: int


class TokenEndpoint(Protocol):
    """The account's token endpoint, behind the same rate limit and rules as every other request."""

    def exchange(self, sign_in: SignIn, request: Mapping[str, Any]) -> Grant:
        """Exchanges the refresh token or the code in `request` for a pair, which spends it. Raises AmocrmError."""

    def current_domain(self, api_domain: str, refresh_token: str) -> str | None:
        """Returns the account's present host; None if it is not known."""


class AmocrmOAuth2Authenticator(SignIn, SingleUseRefreshTokenOauth2Authenticator):
    """The CDK's authenticator for refresh tokens that work once.

    Different here: the exchange goes through our token endpoint. The platform gets a new pair before any request uses
    it, in one line, which the CDK would write in pieces. The server tells how long a token lives. Threads that wait for
    an exchange share its failure, because a second exchange could spend the token. A renamed account is followed.
    """

    advice = (
        "Grant access again: press «Re-authenticate» in the source's settings in Airbyte if you signed in there by the "
        "button; else run `source-amocrm connect`, or open the integration in amoCRM («amoМаркет» → your integration → "
        "«Ключи и доступы»), exchange a new «Код авторизации» for tokens and paste them into the source's settings."
    )

    def __init__(
        self,
        config: Config,
        oauth: OAuth,
        raw: MutableMapping[str, Any],
        endpoint: TokenEndpoint,
        hand_over: HandOver,
        clock: Callable[[], float],
    ) -> None:
        """`raw`: the mapping that the platform passed in; the cleaned credentials and new tokens are written into it.

        `hand_over` gets `raw` when amoCRM has changed something in it. Raises ConfigError for another service's token.
        """
        SignIn.__init__(self, config.base_url, config.domain, oauth.access_token or "")
        self._overridden = config.overridden
        self._raw = raw
        self._endpoint = endpoint
        self._hand_over = hand_over
        self._clock = clock
        self._failure: AmocrmError | None = None  # of the last exchange
        # by our clock; until the first exchange by the server's, of which the settings and the token tell
        self._expires_at: float = oauth.expires_at or self.claims.expires_at or math.inf
        self._renew_at = self._expires_at - _AHEAD
        raw["credentials"].update(
            client_id=oauth.client_id, client_secret=oauth.client_secret, refresh_token=oauth.refresh_token
        )
        if oauth.expires_at is None:  # null or blank, which the CDK would parse
            raw["credentials"].pop("token_expiry_date", None)
        for secret in config.secrets():
            add_to_secrets(secret)
        SingleUseRefreshTokenOauth2Authenticator.__init__(
            self, raw, f"{config.base_url}{TOKEN_PATH}", refresh_request_body={"redirect_uri": oauth.redirect_uri}
        )
        if not self._overridden:
            check_domain(self.claims, self.domain)

    def token_has_expired(self) -> bool:
        """Whether it is time to renew: a little ahead of the expiry."""
        return not self.token or self._clock() >= self._renew_at

    def get_access_token(self) -> str:
        failure = self._failure
        if self.token_has_expired():
            with self._token_refresh_lock:
                if self.token_has_expired():
                    try:
                        self._rotate(failure)
                    except AmocrmError as error:
                        self._postpone(error)
        return self.token

    def renew(self, rejected: str) -> str | None:
        """Returns a newer token than `rejected`. One exchange serves all threads that wait. Raises AmocrmError."""
        failure = self._failure
        with self._token_refresh_lock:
            if self.token == rejected:
                self._rotate(failure)
        return self.token

    def _postpone(self, error: AmocrmError) -> None:
        """Keeps a token in use that has not expired. Raises the error if it has, or if access is lost."""
        now = self._clock()
        alive = self.token and now < self._expires_at
        if not alive or error.failure_type is FailureType.config_error:
            raise error
        self._renew_at = now + _POSTPONE
        _log.warning("The token could not be renewed ahead of its expiry and stays in use: %s", error)

    def _rotate(self, known: AmocrmError | None) -> None:
        """Exchanges the refresh token. Raises the last failure again if it is newer than `known`, or access is lost."""
        last = self._failure
        if last is not None and (last is not known or last.failure_type is FailureType.config_error):
            raise copy.copy(last)
        try:
            if isinstance(self._hand_over, FileKeeper):
                self._hand_over.prove(self._raw)
            with token_exchange():
                self._adopt(self._exchange())
        except AmocrmError as error:
            self._failure = error
            raise
        self._failure = None
        if not self._overridden:
            check_domain(self.claims, self.domain)

    def _exchange(self) -> Grant:
        try:
            return self._endpoint.exchange(self, self.build_refresh_request_body())
        except (Unauthorized, NotFound, Moved):
            if isinstance(self._hand_over, FileKeeper):
                self._hand_over.check_spent()
            if not self.relocate():
                raise
        return self._endpoint.exchange(self, self.build_refresh_request_body())

    def _adopt(self, grant: Grant) -> None:
        """Hands the pair over to the platform, and only then uses it."""
        access, refresh, expiry = grant.access_token, grant.refresh_token, iso(grant.server_time + grant.expires_in)
        add_to_secrets(access)
        add_to_secrets(refresh)
        self._raw["credentials"].update(access_token=access, refresh_token=refresh, token_expiry_date=expiry)
        try:
            self._hand_over(self._raw)
        finally:
            self._token, self._expires_at = access, self._clock() + grant.expires_in
            self._renew_at = self._expires_at - min(_AHEAD, grant.expires_in // 10)

    def relocate(self) -> bool:
        """Follows a renamed account: the API server that the token names knows its new address."""
        with self._token_refresh_lock:
            api_domain = self.claims.api_domain
            if self._overridden or api_domain is None:
                return False
            found = self._endpoint.current_domain(api_domain, self.get_refresh_token())
            if found is None or found == self.domain or not is_account_host(found):
                return False
            _log.warning(
                "The account %s is now called %s. The new address is used from here on and written into the account "
                "address (account_domain) of the source's settings.",
                self.domain,
                found,
            )
            self.domain, self.base_url = found, f"https://{found}"
            self._raw["account_domain"] = found
            self._hand_over(self._raw)
            return True
