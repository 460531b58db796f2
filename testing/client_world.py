"""An Api over a mocked session, with tokens that a test renews or refuses, and common answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.auth.claims import Claims
from source_amocrm.config import LongLived
from source_amocrm.errors import AmocrmError
from source_amocrm.http import Api
from source_amocrm.http.backoff import RetryPolicy

from .http_tools import DATE, HOST, NOW, FakeClock, config, long_lived, mocked

LEADS = f"{HOST}/api/v4/leads"

PAGE: dict[str, Any] = {"json": {"_embedded": {"leads": [{"id": 1}]}}, "headers": {"Date": DATE}}

HTML_403 = {"status_code": 403, "text": "<html><head><title>403 Forbidden</title></head></html>"}

HTML_502 = {"status_code": 502, "text": "<html></html>"}

GATEWAY_TIMEOUT = {"status_code": 504, "text": "<html></html>"}

UNAUTHORIZED = {"status_code": 401, "json": {"title": "Unauthorized", "status": 401, "detail": "Invalid"}}


@dataclass
class FakeAuth:
    """Tokens t0, t1, …: `renew` gives the next one until `last`."""

    last: int = 0
    base_url: str = HOST
    domain: str = "example.amocrm.ru"
    claims: Claims = field(default_factory=lambda: Claims(account_id=123))
    advice: str = "Do this and that."
    moves_to: str | None = None
    current: int = 0
    failing: AmocrmError | None = None
    renewals: list[str] = field(default_factory=list)

    def get_access_token(self) -> str:
        if self.failing is not None:
            raise self.failing
        return self.token

    @property
    def token(self) -> str:
        return f"t{self.current}"

    def renew(self, rejected: str) -> str | None:
        if rejected != self.token:
            return self.token
        self.renewals.append(rejected)
        if self.current == self.last:
            return None
        self.current += 1
        return self.token

    def relocate(self) -> bool:
        if self.moves_to is None:
            return False
        self.base_url, self.moves_to = f"https://{self.moves_to}", None
        return True

    def expiry_warning(self, now: float) -> str | None:  # noqa: ARG002
        return None


class World:
    """An Api over a mocked session; only sleeping moves its clock, and jitter is at its longest."""

    def __init__(self, auth: Any = None, retry: RetryPolicy | None = None) -> None:
        self.clock = FakeClock()
        self.naps: list[float] = []
        policy = retry or RetryPolicy()
        self.session, self.adapter = mocked(self.clock, policy, self._nap)
        parsed = config(long_lived())
        assert isinstance(parsed.credentials, LongLived)
        self.auth: Any = auth or LongLivedTokenAuthenticator(parsed, parsed.credentials, clock=lambda: NOW)
        self.client = self.api = Api(self.session, self.auth)

    def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.sleep(seconds)

    def answers(self, *responses: dict[str, Any], url: str = LEADS) -> None:
        self.adapter.register_uri("GET", url, list(responses))

    @property
    def asked(self) -> list[str]:
        return [request.url for request in self.adapter.request_history]

    @property
    def tokens(self) -> list[str]:
        return [request.headers["Authorization"] for request in self.adapter.request_history]
