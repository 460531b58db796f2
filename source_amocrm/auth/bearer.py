"""The sign-in of every request: a long-lived token, or OAuth 2.0 with its rotation."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from airbyte_cdk.sources.streams.http.requests_native_auth.token import TokenAuthenticator

from source_amocrm.auth.claims import check_domain, claims_of
from source_amocrm.auth.handover import HandOver, print_settings
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator, TokenEndpoint
from source_amocrm.config import Config, LongLived
from source_amocrm.dates import day
from source_amocrm.errors import ConfigError
from source_amocrm.secrecy import add_to_secrets

WARN_BEFORE = 14 * 86400
"""Seconds before its end in which each sync warns of it."""

NEW_LONG_LIVED = (
    "Open the integration in amoCRM («amoМаркет» → your integration → «Ключи и доступы»), create a new long-lived "
    "token («Сгенерировать долгосрочный токен») and paste it into the source's settings."
)


class Authenticator(Protocol):
    """What requests need to know of the sign-in. Safe to share by threads."""

    @property
    def base_url(self) -> str:
        """Where the account is asked, without a slash at the end."""

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

    @property
    def access_token(self) -> str:
        """The newest token in hand, at once."""

    def get_access_token(self) -> str:
        """A token believed valid, renewed ahead of its expiry. Raises AmocrmError."""

    def renew(self, rejected: str) -> str | None:
        """After a 401 with `rejected`: a newer token to try once, None when there is no way. Raises AmocrmError."""

    def relocate(self) -> bool:
        """Look up whether the account was renamed; True when `base_url` is a new one."""

    def expiry_warning(self, now: float) -> str | None:
        """A sentence when access ends within 14 days of `now`, unix seconds, unless a person does something."""


class LongLivedTokenAuthenticator(TokenAuthenticator):
    """The CDK's bearer token, which says when it has expired instead of letting amoCRM refuse it."""

    advice = NEW_LONG_LIVED

    def __init__(self, config: Config, given: LongLived, clock: Callable[[], float] = time.time) -> None:
        """Raises ConfigError when the token is another service's."""
        super().__init__(given.access_token)
        self._clock = clock
        self._claims = claims_of(given.access_token)
        self.access_token = given.access_token
        self.base_url = config.base_url
        self.domain = config.domain
        add_to_secrets(given.access_token)
        if not config.overridden:
            check_domain(self._claims, config.domain)

    @property
    def account_id(self) -> int | None:
        return self._claims.account_id

    @property
    def scopes(self) -> frozenset[str] | None:
        return self._claims.scopes

    @property
    def token(self) -> str:
        """What goes into the header, `Bearer …`. Raises ConfigError when it has expired."""
        self.get_access_token()
        return str(super().token)

    def get_access_token(self) -> str:
        expires = self._claims.expires_at
        if expires is not None and expires <= self._clock():
            raise ConfigError(f"The long-lived token expired on {day(expires)}. {self.advice}")
        return self.access_token

    def renew(self, rejected: str) -> str | None:  # noqa: ARG002 - there is no other token
        return None

    def relocate(self) -> bool:
        return False

    def expiry_warning(self, now: float) -> str | None:
        expires = self._claims.expires_at
        if expires is None or not now < expires <= now + WARN_BEFORE:
            return None
        return f"The long-lived token expires on {day(expires)}; syncs will fail after that. {self.advice}"


def make_authenticator(
    config: Config,
    raw: MutableMapping[str, Any],
    endpoint: TokenEndpoint,
    clock: Callable[[], float] = time.time,
    hand_over: HandOver = print_settings,
) -> LongLivedTokenAuthenticator | AmocrmOAuth2Authenticator:
    """The sign-in that the settings ask for.

    `raw` is the very mapping that the platform passed in: rotated tokens are written into it, and `hand_over` gets it.
    `clock`: unix seconds, by which a token has expired. Raises ConfigError when the token is another service's.
    """
    given = config.credentials
    if isinstance(given, LongLived):
        return LongLivedTokenAuthenticator(config, given, clock)
    return AmocrmOAuth2Authenticator(config, given, raw, endpoint, hand_over, clock)
