"""A clock that only sleeping moves, settings, tokens and sessions for the tests of HTTP and sign-in."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import requests_mock

from source_amocrm.auth import SignIn
from source_amocrm.auth.claims import Claims
from source_amocrm.config import Config, parse_config
from source_amocrm.errors import AmocrmError
from source_amocrm.http import session as sessions
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.error_handler import AmocrmErrorHandler
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.refusals import API, Rule
from source_amocrm.http.reply import Reply, ReplyKind, reply_of
from source_amocrm.http.session import AmocrmSession

HOST = "https://example.amocrm.ru"
NOW = 1_760_000_000
DATE = "Thu, 09 Oct 2025 08:53:20 GMT"  # NOW
INTEGRATION = {
    "auth_type": "oauth2.0",
    "client_id": "0b0832f6-d123-4123-9123-e73f236833c0",
    "client_secret": "clientsecret-1111",
    "redirect_uri": "https://example.com/",
    "refresh_token": "refresh-0000",
}


class FakeClock:
    """Seconds since the start; safe for threads."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.naps: list[float] = []
        self.asked = 0
        """How many times somebody looked at it."""
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            self.asked += 1
            return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.naps.append(seconds)
            self.now += seconds


def exchange_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the exchanges' deadlines, which a server moves: how long the machine takes ends none of them."""
    clock = FakeClock()
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=clock))
    return clock


def jwt(**claims: Any) -> str:
    def part(value: Mapping[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'typ': 'JWT', 'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def long_lived(token: str = "long-lived-token", **more: Any) -> dict[str, Any]:
    credentials = {"auth_type": "long_lived_token", "access_token": token}
    return {"account_domain": "example.amocrm.ru", "credentials": credentials, **more}


def oauth(**credentials: Any) -> dict[str, Any]:
    return {"account_domain": "example.amocrm.ru", "credentials": {**INTEGRATION, **credentials}}


def config(raw: Mapping[str, Any]) -> Config:
    return parse_config(raw, now=NOW)


def mocked(
    clock: FakeClock, policy: RetryPolicy, sleep: Callable[[float], None]
) -> tuple[AmocrmSession, requests_mock.Adapter]:
    """A session at no pace whose time only sleeping moves."""
    session = AmocrmSession(Budget(1000, clock=clock, sleep=clock.sleep), policy, clock=clock, sleep=sleep)
    adapter = requests_mock.Adapter(case_sensitive=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session, adapter


def exchange(
    session: AmocrmSession,
    method: str,
    url: str,
    *,
    token: str = "",
    json: Mapping[str, Any] | None = None,
    shrinkable: bool = False,
) -> Reply:
    """One request and what was understood of its answer or its failure."""
    request = session.prepare_request(requests.Request(method, url, json=json))
    return reply_of(session.send(request, bearer=lambda: token, shrinkable=shrinkable))


@contextmanager
def turn_of(budget: Budget) -> Iterator[object]:
    """A turn for a request that gets no answer."""
    request = object()
    budget.acquire_call(request)
    try:
        yield request
    finally:
        budget.update_from_response(request, None)


def reply(
    status: int | None,
    body: dict[str, Any] | None = None,
    kind: ReplyKind | None = None,
    headers: Mapping[str, str] | None = None,
    trouble: str = "",
) -> Reply:
    if kind is None:
        kind = ReplyKind.OBJECT if body is not None else ReplyKind.EMPTY
    held = requests.structures.CaseInsensitiveDict(headers or {})
    return Reply(
        status, kind, body, held, elapsed=0.3, received=float(NOW), trouble=trouble, url=f"{HOST}/api/v4/leads"
    )


def explained(rule: Rule, seen: Reply, account_id: int | None = 123) -> AmocrmError:
    """The rule's error for an answer of the account."""
    sign_in = SignIn(HOST, claims=Claims(account_id=account_id))
    sign_in.advice = "Do this and that."
    return AmocrmErrorHandler(RetryPolicy(), sign_in, API).error(rule, seen)
