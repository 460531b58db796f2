"""OAuth 2.0 of amoCRM: a token for a day, and a refresh token that works once."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Protocol

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

from source_amocrm.auth.claims import check_domain, claims_of
from source_amocrm.auth.handover import hand_over
from source_amocrm.config.hosts import is_account_host
from source_amocrm.config.settings import Config, OAuth
from source_amocrm.errors import AmocrmError, Moved, NotFound, Unauthorized

GRANT_AGAIN = (
    "Grant access again: run `source-amocrm connect`, or open the integration in amoCRM («amoМаркет» → your "
    "integration → «Ключи и доступы»), exchange a new «Код авторизации» for tokens and paste them into the source's "
    "settings."
)
# Seconds before its expiry from which a token is renewed, and how long a failed renewal ahead is left alone
_AHEAD = 120
_POSTPONE = 60

_log = logging.getLogger("airbyte.amocrm")


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gives: `expires_in` seconds counted from `server_time`, unix seconds of its clock."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    server_time: int


class TokenEndpoint(Protocol):
    def refresh(self, base_url: str, given: OAuth, advice: str) -> Grant:
        """A new pair for the refresh token, which is spent by it. Raises AmocrmError."""

    def current_domain(self, api_domain: str, refresh_token: str) -> str | None:
        """The account's present host, None when it cannot be learned."""


class OAuthAuth:
    """Keeps `raw`, the settings that the platform passed in, up to date with each rotation."""

    advice = GRANT_AGAIN

    def __init__(
        self,
        config: Config,
        given: OAuth,
        raw: MutableMapping[str, Any],
        endpoint: TokenEndpoint,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.domain = config.domain
        self.base_url = config.base_url
        self._overridden = config.overridden
        self._raw = raw
        self._endpoint = endpoint
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead = _AHEAD
        self._skew = 0.0  # seconds that the server's clock is ahead of ours
        self._postponed_until = 0.0
        self._failures = 0
        self._failure: AmocrmError | None = None
        for secret in config.secrets():
            add_to_secrets(secret)
        expires_at = given.expires_at or claims_of(given.access_token or "").expires_at
        self._held = replace(given, expires_at=expires_at)
        self._check()

    @property
    def account_id(self) -> int | None:
        return claims_of(self.latest()).account_id

    @property
    def scopes(self) -> frozenset[str] | None:
        return claims_of(self.latest()).scopes

    def latest(self) -> str:
        return self._held.access_token or ""

    def token(self) -> str:
        if self._due():
            failures = self._failures
            with self._lock:
                if self._due():
                    self._renew_ahead(failures)
        return self.latest()

    def renew(self, rejected: str) -> str | None:
        failures = self._failures
        with self._lock:
            if self.latest() == rejected:
                self._rotate(failures)
        return self.latest()

    def relocate(self) -> bool:
        with self._lock:
            return self._relocate()

    def expiry_warning(self, now: float) -> str | None:  # noqa: ARG002 - each rotation brings a fresh token
        return None

    def _due(self) -> bool:
        held, now = self._held, self._clock()
        if not held.access_token:
            return True
        expires_at = held.expires_at
        return expires_at is not None and now + self._skew + self._ahead >= expires_at and now >= self._postponed_until

    def _renew_ahead(self, failures: int) -> None:
        held = self._held
        try:
            self._rotate(failures)
        except AmocrmError as error:
            now = self._clock()
            alive = held.access_token and held.expires_at and now + self._skew < held.expires_at
            if not alive or error.failure_type is FailureType.config_error:
                raise
            self._postponed_until = now + _POSTPONE
            _log.warning("The token could not be renewed ahead of its expiry and is used on: %s", error)

    def _rotate(self, failures: int) -> None:
        """Exchange the refresh token once for all who wait; whoever waited for a failure shares it."""
        if self._failure is not None and (
            self._failures != failures or self._failure.failure_type is FailureType.config_error
        ):
            raise copy.copy(self._failure)
        try:
            grant = self._exchange()
        except AmocrmError as error:
            self._failures += 1
            self._failure = error
            raise
        self._failure = None
        self._take(grant)
        self._check()

    def _exchange(self) -> Grant:
        try:
            return self._endpoint.refresh(self.base_url, self._held, self.advice)
        except (Unauthorized, NotFound, Moved):
            if not self._relocate():
                raise
        return self._endpoint.refresh(self.base_url, self._held, self.advice)

    def _take(self, grant: Grant) -> None:
        """Hand the pair over to the platform, and only then use it."""
        add_to_secrets(grant.access_token)
        add_to_secrets(grant.refresh_token)
        expires_at = grant.server_time + grant.expires_in
        self._raw["credentials"].update(
            access_token=grant.access_token,
            refresh_token=grant.refresh_token,
            token_expiry_date=f"{datetime.fromtimestamp(expires_at, timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        )
        try:
            hand_over(self._raw)
        finally:
            self._skew = grant.server_time - self._clock()
            self._ahead = min(_AHEAD, grant.expires_in // 10)
            self._held = replace(
                self._held,
                access_token=grant.access_token,
                refresh_token=grant.refresh_token,
                expires_at=expires_at,
            )

    def _check(self) -> None:
        if not self._overridden:
            check_domain(claims_of(self.latest()), self.domain)

    def _relocate(self) -> bool:
        """Follow a renamed account; the API server that its token names knows the new address."""
        api_domain = claims_of(self.latest()).api_domain
        if self._overridden or api_domain is None:
            return False
        found = self._endpoint.current_domain(api_domain, self._held.refresh_token)
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
        hand_over(self._raw)
        return True
