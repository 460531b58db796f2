"""The sign-in that requests use, and the sign-in with a long-lived token."""

from __future__ import annotations

from collections.abc import Callable

from source_amocrm.auth.claims import Claims, check_domain, claims_of
from source_amocrm.config import Config, LongLived
from source_amocrm.config.trusted_hosts import in_words_of
from source_amocrm.dates import day
from source_amocrm.errors import ConfigError
from source_amocrm.secrecy import add_to_secrets

WARN_BEFORE = 14 * 86400  # seconds before a token expires in which each sync warns of that


class SignIn:
    """Signs in the requests to one host, with the fixed `token` or without a token. Safe to share by threads.

    `base_url`: the host's address, without a slash at the end. `domain`: the account's host as messages name it.
    `advice`: how a person gets a new token. `claims`: the account's claims, where no token carries them.
    """

    advice = ""

    def __init__(self, base_url: str, domain: str = "", token: str = "", claims: Claims | None = None) -> None:
        self.base_url = base_url
        self.domain = domain or self.server
        self._token = token
        self._claims = claims

    @property
    def token(self) -> str:
        """The newest token so far; it may have expired."""
        return self._token

    @property
    def server(self) -> str:
        """The host that requests go to: the account's, unless api_base_url names another."""
        return self.base_url.partition("://")[2]

    @property
    def claims(self) -> Claims:
        return self._claims or claims_of(self.token)

    def get_access_token(self) -> str:
        """Returns a token that should be valid: it is renewed ahead of its expiry. Raises AmocrmError."""
        return self.token

    def renew(self, rejected: str) -> str | None:  # noqa: ARG002
        """Returns a newer token to try once after a 401 for `rejected`; None if there is none. Raises AmocrmError."""
        return None

    def relocate(self) -> bool:
        """Looks up whether the account was renamed. Returns True if `base_url` has changed."""
        return False

    def expiry_warning(self, now: float) -> str | None:  # noqa: ARG002
        """Returns a warning if access ends within 14 days of `now` (Unix seconds) unless a person acts; else None."""
        return None


class LongLivedTokenAuthenticator(SignIn):
    """Signs in with a long-lived token. If that has expired, says so instead of letting amoCRM refuse it."""

    advice = (
        "Open the integration in amoCRM («amoМаркет» → your integration → «Ключи и доступы»), create a new long-lived "
        "token («Сгенерировать долгосрочный токен») and paste it into the source's settings."
    )

    def __init__(self, config: Config, credentials: LongLived, clock: Callable[[], float]) -> None:
        """Raises ConfigError if another service issued the token."""
        super().__init__(config.base_url, config.domain, credentials.access_token, claims_of(credentials.access_token))
        self.advice = in_words_of(self.domain, self.advice)
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
