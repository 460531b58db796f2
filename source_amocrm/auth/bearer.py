"""The sign-in of every request, and the one with a long-lived token."""

from __future__ import annotations

from collections.abc import Callable

from source_amocrm.auth.claims import Claims, check_domain, claims_of
from source_amocrm.config import Config, LongLived
from source_amocrm.dates import day
from source_amocrm.errors import ConfigError
from source_amocrm.secrecy import add_to_secrets

WARN_BEFORE = 14 * 86400  # seconds before its end in which each sync warns of it


class SignIn:
    """As whom a host is asked; here with `token` and no other, or without one. Safe to share by threads.

    `base_url`: where the host is asked, without a slash at the end. `domain`: the account's host, for words. `advice`:
    what a person has to do to get a new token. `claims`: what is known of the account where no token tells it.
    """

    advice = ""

    def __init__(self, base_url: str, domain: str = "", token: str = "", claims: Claims | None = None) -> None:
        self.base_url = base_url
        self.domain = domain or base_url.partition("://")[2]
        self._token = token
        self._claims = claims

    @property
    def token(self) -> str:
        """The newest token in hand, at once."""
        return self._token

    @property
    def claims(self) -> Claims:
        return self._claims or claims_of(self.token)

    def get_access_token(self) -> str:
        """A token believed valid, renewed ahead of its expiry. Raises AmocrmError."""
        return self.token

    def renew(self, rejected: str) -> str | None:  # noqa: ARG002
        """After a 401 with `rejected`: a newer token to try once, None when there is no way. Raises AmocrmError."""
        return None

    def relocate(self) -> bool:
        """Looks up whether the account was renamed; True when `base_url` is a new one."""
        return False

    def expiry_warning(self, now: float) -> str | None:  # noqa: ARG002
        """A sentence when access ends within 14 days of `now`, unix seconds, unless a person does something."""
        return None


class LongLivedTokenAuthenticator(SignIn):
    """A long-lived token, which says when it has expired instead of letting amoCRM refuse it."""

    advice = (
        "Open the integration in amoCRM («amoМаркет» → your integration → «Ключи и доступы»), create a new long-lived "
        "token («Сгенерировать долгосрочный токен») and paste it into the source's settings."
    )

    def __init__(self, config: Config, given: LongLived, clock: Callable[[], float]) -> None:
        """Raises ConfigError when the token is another service's."""
        super().__init__(config.base_url, config.domain, given.access_token, claims_of(given.access_token))
        self._clock = clock
        add_to_secrets(self.token)
        if not config.overridden:
            check_domain(self.claims, config.domain)

    def get_access_token(self) -> str:
        expires = self.claims.expires_at
        if expires is not None and expires <= self._clock():
            raise ConfigError(f"The long-lived token expired on {day(expires)}. {self.advice}")
        return self.token

    def expiry_warning(self, now: float) -> str | None:
        expires = self.claims.expires_at
        if expires is None or not now < expires <= now + WARN_BEFORE:
            return None
        return f"The long-lived token expires on {day(expires)}; syncs will fail after that. {self.advice}"
