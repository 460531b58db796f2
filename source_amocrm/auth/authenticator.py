"""The sign-in of every request: a long-lived token, or OAuth 2.0 with its rotation."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from source_amocrm.auth.handover import HandOver, print_settings
from source_amocrm.auth.long_lived import LongLivedTokenAuthenticator
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator, TokenEndpoint
from source_amocrm.config.settings import Config, LongLived


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
