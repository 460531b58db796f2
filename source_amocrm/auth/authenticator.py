"""The token that a request carries: a long-lived one, or OAuth 2.0 with its rotation."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from datetime import datetime, timezone
from typing import Any, Protocol

from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets

from source_amocrm.auth.claims import check_domain, claims_of
from source_amocrm.auth.oauth import OAuthAuth, TokenEndpoint
from source_amocrm.config.settings import Config, LongLived
from source_amocrm.errors import ConfigError

WARN_BEFORE = 14 * 86400

NEW_LONG_LIVED = (
    "Open the integration in amoCRM («amoМаркет» → your integration → «Ключи и доступы»), create a new long-lived "
    "token («Сгенерировать долгосрочный токен») and paste it into the source's settings."
)


class Auth(Protocol):
    """What a request needs to know of the sign-in. Safe to share by threads."""

    @property
    def base_url(self) -> str: ...

    @property
    def domain(self) -> str:
        """The account's host, for words."""

    @property
    def account_id(self) -> int | None:
        """The account that the token names."""

    @property
    def scopes(self) -> frozenset[str] | None:
        """What the token was granted, None when it does not tell."""

    @property
    def advice(self) -> str:
        """What a person has to do to get a new token."""

    def token(self) -> str:
        """A token believed valid, renewed ahead of its expiry. Raises AmocrmError."""

    def latest(self) -> str:
        """The newest token in hand, at once."""

    def renew(self, rejected: str) -> str | None:
        """After a 401 with `rejected`: a newer token to try once, None when there is no way. Raises AmocrmError."""

    def relocate(self) -> bool:
        """Look up whether the account was renamed; True when `base_url` is a new one."""

    def expiry_warning(self, now: float) -> str | None:
        """A sentence when access ends within 14 days of `now`, unix seconds, unless a person does something."""


class LongLivedAuth:
    def __init__(self, config: Config, given: LongLived, clock: Callable[[], float] = time.time) -> None:
        self._token = given.access_token
        self._clock = clock
        self._claims = claims_of(given.access_token)
        self.base_url = config.base_url
        self.domain = config.domain
        self.advice = NEW_LONG_LIVED
        add_to_secrets(given.access_token)
        if not config.overridden:
            check_domain(self._claims, config.domain)

    @property
    def account_id(self) -> int | None:
        return self._claims.account_id

    @property
    def scopes(self) -> frozenset[str] | None:
        return self._claims.scopes

    def token(self) -> str:
        expires = self._claims.expires_at
        if expires is not None and expires <= self._clock():
            raise ConfigError(f"The long-lived token expired on {day(expires)}. {self.advice}")
        return self._token

    def latest(self) -> str:
        return self._token

    def renew(self, rejected: str) -> str | None:  # noqa: ARG002 - there is no other token
        return None

    def relocate(self) -> bool:
        return False

    def expiry_warning(self, now: float) -> str | None:
        expires = self._claims.expires_at
        if expires is None or not now < expires <= now + WARN_BEFORE:
            return None
        return f"The long-lived token expires on {day(expires)}; syncs will fail after that. {self.advice}"


def day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d}"


def make_auth(config: Config, raw: MutableMapping[str, Any], endpoint: TokenEndpoint) -> LongLivedAuth | OAuthAuth:
    """The sign-in that the settings ask for. `raw` is the very mapping the platform passed in: rotated tokens go
    there. Raises ConfigError when the token is another service's."""
    given = config.credentials
    if isinstance(given, LongLived):
        return LongLivedAuth(config, given)
    return OAuthAuth(config, given, raw, endpoint)
