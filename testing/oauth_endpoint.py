"""A token endpoint whose refresh tokens work once, without HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airbyte_cdk.models import FailureType

from source_amocrm.auth import HandOver, SignIn, print_settings
from source_amocrm.auth.oauth import AmocrmOAuth2Authenticator, Grant
from source_amocrm.config import OAuth
from source_amocrm.errors import AmocrmError, Unauthorized

from .http_tools import NOW, config, jwt

DAY = 86400


class Endpoint:
    """Exchanges refresh-0000 for access-0001 and refresh-0001, and so on; each of them once."""

    def __init__(self, claims: dict[str, Any] | None = None) -> None:
        self.claims = claims
        self.valid = 0
        self.asked: list[tuple[str, str]] = []
        self.lookups: list[tuple[str, str]] = []
        self.domain: str | None = None
        self.failing: dict[str, AmocrmError] = {}
        self.server_time = NOW
        self.expires_in = DAY
        self.meanwhile: Callable[[], object] = lambda: None

    def exchange(self, sign_in: SignIn, request: Mapping[str, Any]) -> Grant:
        base_url, refresh_token = sign_in.base_url, request["refresh_token"]
        assert request == {
            "client_id": "0b0832f6-d123-4123-9123-e73f236833c0",
            "client_secret": "clientsecret-1111",
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "redirect_uri": "https://example.com/",
        }
        assert sign_in.advice.startswith("Grant access again: ")
        assert sign_in.claims.account_id == (self.claims or {}).get("account_id")
        self.asked.append((base_url, refresh_token))
        self.meanwhile()
        if base_url in self.failing:
            raise self.failing[base_url]
        if refresh_token != f"refresh-{self.valid:04}":
            raise Unauthorized("Token has been revoked.", failure_type=FailureType.config_error)
        self.valid += 1
        return Grant(self.access(), f"refresh-{self.valid:04}", self.expires_in, self.server_time)

    def access(self) -> str:
        return f"access-{self.valid:04}" if self.claims is None else jwt(n=self.valid, **self.claims)

    def current_domain(self, api_domain: str, refresh_token: str) -> str | None:
        self.lookups.append((api_domain, refresh_token))
        return self.domain


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


def start(
    raw: dict[str, Any],
    endpoint: Endpoint,
    clock: Callable[[], float] = Clock(),  # noqa: B008
    hand_over: HandOver = print_settings,
) -> AmocrmOAuth2Authenticator:
    parsed = config(raw)
    assert isinstance(parsed.credentials, OAuth)
    return AmocrmOAuth2Authenticator(parsed, parsed.credentials, raw, endpoint, hand_over, clock)
